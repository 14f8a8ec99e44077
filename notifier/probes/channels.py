"""Slack and Discord, by a marked test message; the mail server, by signing in and no more."""

from __future__ import annotations

from typing import Protocol

from notifier.core.alert import Severity
from notifier.core.incident import Kind
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from notifier.ports import Channel
from notifier.probes.probe import Probe, Shown, failed, proven


class SignsIn(Protocol):
    """A channel that can show that it is let in, and tell nobody."""

    def sign_in(self, deadline: float) -> Outcome: ...


def chat(name: str, channel: Channel, by: str) -> Probe:
    """One message, which nobody can take for an alert. `by`: who asked for it."""

    def post(deadline: float) -> Shown:
        outcome = channel.send(_test(channel.name, by), deadline)
        if outcome.result is Result.SENT:
            return proven("the marked test message was taken: look whether it is where people read it")
        return failed(outcome.detail)

    return Probe(name, post)


def mail(channel: SignsIn, who: str) -> Probe:
    """`who`: the recipients, masked."""

    def sign_in(deadline: float) -> Shown:
        outcome = channel.sign_in(deadline)
        if outcome.result is Result.SENT:
            return proven(f"connected and signed in; no mail was sent, so whether {who} can be reached is not shown")
        return failed(outcome.detail)

    return Probe("email", sign_in)


def _test(channel: str, by: str) -> Message:
    return Message(
        delivery=f"{Kind.NOTICE.value}/check/{channel}",
        incident="0" * 32,
        generation=1,
        kind=Kind.NOTICE,
        severity=Severity.INFO,
        headline=f"notifier check --live: this is only a test, by {by}",
        body="Nothing has happened, and nothing need be done. Alerts will come here as this did.",
        ref="TEST",
    )
