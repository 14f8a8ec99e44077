"""No address in an alert is ever asked for, whatever field it stands in and however the alert comes (SSRF).

The deployed function, with its real channels: what they post goes to providers on 127.0.0.1, and every text of an alert
is the address of another server there, which nobody may call.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import pytest
import requests

from tests.end_to_end.mailbox import Mailbox, mailbox
from tests.end_to_end.processes import TOKEN, Function, function
from tests.end_to_end.providers import Providers, providers
from tests.sources.bodies import FOLDER, envelope, raw

KEPT = {"state", "status", "version", "started_at", "ended_at", "startsAt", "endsAt", "mime_type"}
"""Fields that say what an alert is: with an address in them it would be none."""
NAMES = [path.stem for path in sorted(FOLDER.glob("*.json")) if path.stem != "pubsub_push"]
CLOSED = {"cloud_monitoring_closed", "cloud_monitoring_v1"}
"""Of these nobody is told: they close what is not open, or are in a state of their own."""

CHAT = {"cloud_monitoring_uptime_2020", "cloud_monitoring_v1_1"}
"""These have no severity, and are told in chat alone."""


class Trap:
    """A server that nobody may call."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.port = listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def calls(self) -> int:
        """How many have connected: each waits in the queue, since nobody takes it out."""
        self._listening.settimeout(0)
        for called in count():
            try:
                connection, _ = self._listening.accept()
            except BlockingIOError:
                return called
            connection.close()
        raise AssertionError


@contextmanager
def trap() -> Iterator[Trap]:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        yield Trap(listening)


class Running(NamedTuple):
    """The function, whom it tells, and whom it may not ask."""

    function: Function
    providers: Providers
    mails: Mailbox
    trap: Trap


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("no-fetching")
    state = {"STATE": f"sqlite:{folder / 'state.sqlite'}", "OIDC_EMAILS": "a@example.iam.gserviceaccount.com"}
    with trap() as lies, providers() as taken, mailbox() as mails:
        settings = {**taken.settings, **mails.settings, **state, "PUBLIC_URL": "https://pager.example.com"}
        with function(settings, folder / "log") as one:
            yield Running(one, taken, mails, lies)


def lured(value: Any, url: str, numbers: Iterator[int], name: str = "") -> Any:
    """The body with an address in place of each of its texts, and more of them where senders put links."""
    match value:
        case dict():
            more = {
                key: f"{url}/{next(numbers)}" for key in ("url", "link", "icon_url", "image", "generatorURL", "logo")
            }
            links = [{"displayName": "Runbook", "url": f"{url}/{next(numbers)}"}]
            return {**more, "links": links} | {key: lured(inner, url, numbers, key) for key, inner in value.items()}
        case list():
            return [lured(inner, url, numbers, name) for inner in value]
        case str() if name == "severity":
            return "critical"
        case str() if re.search("url|link|image|logo", name, re.IGNORECASE):
            return f"{url}/{next(numbers)}"
        case str() if name not in KEPT:
            return f"{url}/{next(numbers)}?a=[b](c)&<{url}/{next(numbers)}|d>"
        case _:
            return value


def lured_body(name: str, url: str, *, documentation: bool = True) -> Any:
    numbers = count()
    body = lured(json.loads(raw(name)), url, numbers)
    if "incident" in body and documentation:
        links = [{"displayName": f"{url}/{next(numbers)}", "url": f"{url}/{next(numbers)}"} for _ in range(3)]
        content = f"![x]({url}/{next(numbers)}) <{url}/{next(numbers)}> {url}/{next(numbers)}"
        body["incident"]["documentation"] = {"content": content, "mime_type": "text/markdown", "links": links}
    return body


def address(running: Running, name: str) -> str:
    """The trap's, under another path for each body: no two are one incident."""
    return f"{running.trap.url}/{name}"


@pytest.mark.parametrize("pushed", [False, True], ids=["posted", "pushed by Pub/Sub"])
@pytest.mark.parametrize("name", NAMES)
def test_no_address_in_an_alert_is_asked_for(running: Running, name: str, *, pushed: bool) -> None:
    url = address(running, f"{name}-{pushed}")
    body = json.dumps(lured_body(name, url)).encode()
    if pushed:
        body = envelope(body, attributes={"url": f"{url}/attribute"}, orderingKey=f"{url}/key")
    slack, mails = len(running.providers.slack), len(running.mails.mails)
    answer = requests.post(running.function.url, data=body, auth=("any", TOKEN), timeout=20)
    assert answer.status_code == 200
    assert running.trap.calls() == 0
    if name not in CLOSED:
        # It was told with the address as its link, so there was something to fall for.
        assert re.search(rf"<{url}/[0-9]+[|>]", json.dumps(running.providers.slack[slack:]))
    if name not in CLOSED | CHAT:
        assert len(running.mails.mails) > mails


@pytest.mark.parametrize("name", NAMES)
def test_nor_by_the_tick_nor_by_the_page_of_its_link(running: Running, name: str) -> None:
    assert requests.post(
        running.function.url, json=lured_body(name, address(running, f"{name}-page")), auth=("any", TOKEN), timeout=20
    ).ok
    assert running.function.tick().ok
    for post in running.providers.slack[-3:]:
        for link in links_in(json.dumps(post)):
            assert requests.get(f"{running.function.url}{link}", timeout=20).ok
    assert running.trap.calls() == 0


def test_texts_were_among_what_was_told(running: Running) -> None:
    body = lured_body("cloud_monitoring_open", address(running, "text"))
    assert requests.post(running.function.url, json=body, auth=("any", TOKEN), timeout=20).ok
    assert any(running.trap.url in text.body for text in running.providers.texts)
    assert running.trap.calls() == 0


def links_in(post: str) -> set[str]:
    return {f"/a/{part[:50]}" for part in post.split("https://pager.example.com/a/")[1:]}


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-Host", "Host", "Forwarded", "Origin", "Referer", "X-Original-URL", "Link", "X-Twilio-Signature"],
)
def test_no_address_in_a_header_is_asked_for(running: Running, header: str) -> None:
    said = {header: running.trap.url, "Content-Type": running.trap.url}
    requests.post(running.function.url, data=b"?", headers=said, auth=("any", TOKEN), timeout=20)
    assert running.trap.calls() == 0


def test_the_trap_counts_who_calls() -> None:
    with trap() as lies:
        for _ in range(3):
            socket.create_connection(("127.0.0.1", lies.port)).close()
        assert lies.calls() == 3
        assert lies.calls() == 0
