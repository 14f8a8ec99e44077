"""No failure of any channel shows a secret, an address of a webhook or a phone number."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from notifier.channels.discord import Discord
from notifier.channels.messagebird import MessageBird
from notifier.channels.slack import Slack
from notifier.channels.twilio import Twilio
from notifier.channels.vonage import Vonage
from notifier.channels.wire import Wire
from tests.channels.support import PHONE, TOKEN, Server, answer, make_message, reset, soon

if TYPE_CHECKING:
    from collections.abc import Callable

    from notifier.ports import Channel

    Behaviour = Callable[[Server, socket.socket], None]

ACCOUNT = "AC" + "0" * 32
SENDER = "+15005550006"
SAID = f"https://hooks.example.com/services/{TOKEN} {TOKEN} {PHONE} {SENDER} {ACCOUNT}"


def hold(server: Server, connection: socket.socket) -> None:
    server.stopped.wait()


def talk(server: Server, connection: socket.socket) -> None:
    connection.sendall(f"{SAID}\r\n\r\n".encode())


BEHAVIOURS: dict[str, Behaviour] = {
    "reset": lambda _, connection: reset(connection),
    "no answer": hold,
    "no HTTP": talk,
    "redirect": answer(SAID.encode(), "302 Found", f"Location: https://hooks.example.com/{TOKEN}"),
    **{
        f"{status}, {kind}": answer(body.encode(), f"{status} Words", "Content-Type: application/json")
        for status in (200, 201, 400, 401, 404, 429, 500)
        for kind, body in {
            "text": SAID,
            "json": json.dumps({"message": SAID, "code": 99999, "sid": "SM1", "status": "failed"}),
            "a part that failed": json.dumps({"messages": [{"status": "99", "error-text": SAID, "message-id": SAID}]}),
            "errors": json.dumps({"errors": [{"code": 77, "description": SAID, "parameter": SAID}], "id": SAID}),
            "a parameter": json.dumps({"errors": [{"code": 10, "description": SAID, "parameter": SAID}]}),
        }.items()
    },
}


def channels(base: str) -> list[Channel]:
    wire = Wire()
    return [
        Slack(wire, f"{base}/services/T0/B0/{TOKEN}"),
        Discord(wire, f"{base}/api/webhooks/1/{TOKEN}"),
        Twilio(wire, account_sid=ACCOUNT, auth_token=TOKEN, sender=SENDER, phones=(PHONE,), api_url=base),
        Vonage(wire, api_key=ACCOUNT, api_secret=TOKEN, sender=SENDER, phones=(PHONE,), api_url=base),
        MessageBird(wire, access_key=TOKEN, sender=SENDER, phones=(PHONE,), api_url=base),
    ]


def assert_keeps_secrets(channel: Channel, seconds: float = 10) -> None:
    outcome = channel.send(make_message(), soon(seconds))
    for secret in (TOKEN, PHONE, PHONE[1:], SENDER, ACCOUNT, "/services", "/webhooks", "2010-04-01"):
        assert secret not in outcome.detail
        assert secret not in outcome.provider_id


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS.keys())
def test_no_answer_brings_out_a_secret(behaviour: Behaviour) -> None:
    with Server(behaviour) as server:
        for channel in channels(f"http://127.0.0.1:{server.port}"):
            assert_keeps_secrets(channel, 0.3 if behaviour is hold else 10)


@pytest.mark.parametrize(
    "base",
    ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://127.0.0.1:x", "nonsense", "ftp://hooks.example.com"],
    ids=["refused", "refused over TLS", "no port", "no URL", "no HTTP"],
)
def test_no_failure_to_connect_brings_out_a_secret(base: str) -> None:
    for channel in channels(base):
        assert_keeps_secrets(channel)


def test_no_deadline_brings_out_a_secret() -> None:
    for channel in channels("https://hooks.example.com"):
        assert_keeps_secrets(channel, -1)


def test_no_preview_brings_out_a_secret() -> None:
    for channel in channels("https://hooks.example.com"):
        shown = channel.preview(make_message())
        assert TOKEN not in shown
        assert PHONE not in shown
        assert SENDER not in shown
