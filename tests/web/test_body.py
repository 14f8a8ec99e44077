"""A request's body over a connection as gunicorn hands it over: a read waits until all of it has come."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from threading import Timer
from typing import IO, Any

import pytest
from flask import Request, Response
from werkzeug.test import EnvironBuilder

from notifier import body, web
from notifier.core.alert import Severity
from tests.web.pager import TOKEN, Pager, content

WRONG = "wrong-token-of-somebody"


class Sender:
    """The other end of a request's connection."""

    def __init__(self, pager: Pager) -> None:
        self._pager = pager
        self.ours, self.theirs = socket.socketpair()
        self.input: IO[bytes] = self.ours.makefile("rb")
        self.ours.settimeout(30)
        self.theirs.settimeout(30)

    def ask(self, token: str = TOKEN, *, method: str = "POST", path: str = "/", length: int | None = None) -> Response:
        environ: dict[str, Any] = {
            "wsgi.input": self.input,
            "wsgi.input_terminated": True,
            "gunicorn.socket": self.ours,
            "CONTENT_LENGTH": "" if length is None else str(length),
        }
        return self._pager.call(method, path, token=token, environ_overrides=environ)

    def hung_up_on(self) -> bool:
        self.theirs.settimeout(0)
        try:
            return self.theirs.recv(1) == b""
        except BlockingIOError:
            return False

    def close(self) -> None:
        self.input.close()
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def sender(pager: Pager) -> Iterator[Sender]:
    sender = Sender(pager)
    yield sender
    sender.close()


@pytest.fixture
def no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts a timer fails."""

    def start(*_: object) -> None:
        raise AssertionError("a timer")

    monkeypatch.setattr(body, "Timer", start)


def test_an_alert_that_stalls_is_408_logged_and_told_to_nobody(
    pager: Pager, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "BODY_SECONDS", 0.2)
    sender.theirs.sendall(b'{"title": ')
    answer = sender.ask(length=900)
    assert answer.status_code == 408
    assert content(answer) == {"error": "expected all of the body within 0.2 seconds"}
    assert [(severity, words) for severity, words, _ in pager.log.lines] == [
        (Severity.WARNING, "a body that was not all here after 0.2 s was refused")
    ]
    assert pager.told == []
    assert not pager.file.exists()


def test_what_came_in_time_is_read_after_the_moment(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BODY_SECONDS", -1)
    sender.theirs.sendall(b"{}")
    assert sender.ask(length=2).status_code == 200


def test_a_stranger_that_stalls_is_answered_after_a_quarter_of_a_second(sender: Sender) -> None:
    begun = time.monotonic()
    assert sender.ask(WRONG, length=500_000).status_code == 401
    assert 0.2 < time.monotonic() - begun < 1


def test_a_stranger_is_read_a_megabyte_of(sender: Sender) -> None:
    sender.input.close()
    sender.input = io.BytesIO(b" " * 10_000_000)
    assert sender.ask(WRONG, length=10_000_000).status_code == 401
    assert sender.input.tell() == 1_048_576


def test_the_framework_finds_nothing_left_to_read(pager: Pager) -> None:
    request = Request(EnvironBuilder(path="/", method="POST", data=b" " * 10_000_000).get_environ())
    assert pager.web(request).status_code == 401
    assert request.get_data() == b""


def test_the_sender_of_too_much_has_two_seconds_to_send_it(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "TOO_LARGE_SECONDS", 0.5)
    begun = time.monotonic()
    assert sender.ask(length=2_000_000).status_code == 413
    assert 0.45 < time.monotonic() - begun < 1.5


@pytest.mark.parametrize("token", [TOKEN, WRONG], ids=["authorised", "a stranger"])
def test_whoever_has_not_sent_all_is_hung_up_on_after_the_answer(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setattr(web, "BODY_SECONDS", 0.2)
    answer = sender.ask(token, length=900)
    assert not sender.hung_up_on()
    answer.close()
    assert sender.hung_up_on()


@pytest.mark.parametrize("token", [TOKEN, WRONG], ids=["authorised", "a stranger"])
def test_whoever_sent_all_is_not_hung_up_on(sender: Sender, token: str) -> None:
    sender.theirs.sendall(b"{}")
    sender.theirs.shutdown(socket.SHUT_WR)
    sender.ask(token, length=2).close()
    assert not sender.hung_up_on()


@pytest.mark.usefixtures("no_timer")
def test_a_request_without_a_body_starts_no_timer(sender: Sender) -> None:
    sender.theirs.shutdown(socket.SHUT_WR)
    assert sender.ask(method="GET", path="/health").status_code == 200


def test_a_body_that_was_read_starts_no_other_timer(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Timer] = []

    class Counted(Timer):
        def start(self) -> None:
            started.append(self)
            super().start()

    monkeypatch.setattr(body, "Timer", Counted)
    sender.theirs.sendall(b"{}")
    sender.theirs.shutdown(socket.SHUT_WR)
    assert sender.ask(length=2).status_code == 200
    assert len(started) == 1


def test_a_connection_that_is_gone_is_nobodys_mistake(pager: Pager, sender: Sender) -> None:
    sender.theirs.close()
    answer = sender.ask(length=900)
    sender.input.close()
    sender.ours.close()
    answer.close()
    assert answer.status_code == 400
    assert "our own mistake" not in str(pager.log)
