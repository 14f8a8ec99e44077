from __future__ import annotations

import pytest

from notifier.channels.simulated import Simulated
from notifier.core.alert import Severity
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from notifier.ports import Channel
from tests.channels.support import make_message


class Recorder:
    def __init__(self) -> None:
        self.lines: list[tuple[Severity, str, dict[str, object]]] = []

    def write(self, severity: Severity, message: str, **fields: object) -> None:
        self.lines.append((severity, message, fields))


class Loud:
    name = "sms"

    def send(self, message: Message, deadline: float) -> Outcome:
        pytest.fail("it was sent")

    def preview(self, message: Message) -> str:
        return f"To: +1555*****01\nBody: {message.sms}"


def test_nothing_is_sent_and_it_counts_as_sent() -> None:
    channel: Channel = Simulated(Loud(), Recorder())
    assert channel.send(make_message(), 0.0) == Outcome(Result.SENT, "simulated: nothing was sent")


def test_what_would_go_out_is_logged_in_full() -> None:
    log = Recorder()
    Simulated(Loud(), log).send(make_message(delivery="opened/sms/0/1"), 0.0)
    ((severity, words, fields),) = log.lines
    assert (severity, words) == (Severity.INFO, "SIMULATE=1: sms would send this")
    assert fields == {
        "channel": "sms",
        "delivery": "opened/sms/0/1",
        "ref": "7F3K",
        "preview": "To: +1555*****01\nBody: CRITICAL: Database unreachable #7F3K",
    }


def test_it_stands_for_the_channel_under_its_name() -> None:
    simulated = Simulated(Loud(), Recorder())
    assert simulated.name == "sms"
    assert simulated.preview(make_message()) == Loud().preview(make_message())
