"""The sign of life on the wire."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from notifier.channels.heartbeat import HttpHeartbeat
from notifier.channels.wire import Wire
from tests.channels.support import TOKEN, Server, answer, reset, soon


def test_it_is_one_get_of_the_address_as_it_is_written() -> None:
    with Server(answer(b"OK")) as server:
        address = f"{server.url}/ping?check=pager"
        assert HttpHeartbeat(Wire(), address).beat(soon()) == ""
    assert len(server.requests) == 1
    assert server.requests[0].startswith(f"GET {urlsplit(address).path}?check=pager HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("status", ["404 Not Found", "301 Moved Permanently", "500 Internal Server Error"])
def test_any_answer_but_a_good_one_is_said(status: str) -> None:
    with Server(answer(b"", status, "Location: https://elsewhere.example/ping")) as server:
        why = HttpHeartbeat(Wire(), server.url).beat(soon())
    assert why == f"127.0.0.1 answered {status[:3]}; check HEARTBEAT_URL"
    assert len(server.requests) == 1


def test_no_answer_is_said_without_the_address() -> None:
    with Server(lambda _, connection: reset(connection)) as server:
        why = HttpHeartbeat(Wire(), f"{server.url}/{TOKEN}").beat(soon())
    assert why
    assert TOKEN not in why


def test_it_is_back_by_its_deadline() -> None:
    assert (
        HttpHeartbeat(Wire(), "https://hc.example.com/ping").beat(soon(-1))
        == "no time was left to send to hc.example.com"
    )
