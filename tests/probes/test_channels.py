"""Slack and Discord get one marked test message; the mail server is signed in to, and gets no mail."""

from __future__ import annotations

import time

import pytest

from notifier.channels.discord import Discord
from notifier.channels.email import Email
from notifier.channels.slack import Slack
from notifier.channels.wire import Wire
from notifier.core.outcome import Outcome, Result
from notifier.probes.channels import chat, mail
from notifier.probes.probe import Shown, Verdict
from notifier.wiring import SystemClock
from tests.end_to_end.mailbox import mailbox
from tests.end_to_end.providers import providers
from tests.instances import RecordingChannel

HEADLINE = "notifier check --live: this is only a test, by ana"


def soon() -> float:
    return time.monotonic() + 10


def test_slack_and_discord_take_a_marked_test_message() -> None:
    with providers() as taken:
        slack = chat("Slack", Slack(Wire(), f"{taken.server.url}/slack"), "ana").run(soon())
        discord = chat("Discord", Discord(Wire(), f"{taken.server.url}/discord"), "ana").run(soon())
        assert slack.verdict is discord.verdict is Verdict.PROVEN
        assert [post["text"] for post in taken.slack] == [f"{HEADLINE} #TEST"]
        (post,) = taken.discord
    assert HEADLINE in str(post)


def test_a_test_message_offers_nothing_to_acknowledge() -> None:
    channel = RecordingChannel("slack")
    chat("Slack", channel, "ana").run(soon())
    assert [(message.headline, message.acknowledge_url) for message in channel.told] == [(HEADLINE, "")]


@pytest.mark.parametrize("result", [Result.REJECTED, Result.RETRY, Result.UNKNOWN])
def test_a_message_that_was_not_taken_fails_in_the_channels_words(result: Result) -> None:
    channel = RecordingChannel("slack")
    channel.ends = [Outcome(result, "hooks.slack.com answered 404: no_service")]
    shown = chat("Slack", channel, "ana").run(soon())
    assert shown == Shown(Verdict.FAILED, "hooks.slack.com answered 404: no_service")


def an_email(port: int) -> Email:
    return Email(
        host="127.0.0.1",
        port=port,
        sender="pager@example.com",
        recipients=["oncall@example.com"],
        clock=SystemClock(),
        security="none",
    )


def test_the_mail_server_is_signed_in_to_and_gets_no_mail() -> None:
    with mailbox() as box:
        shown = mail(an_email(int(box.settings["SMTP_PORT"])), "o***@example.com").run(soon())
        assert box.mails == []
    assert shown.verdict is Verdict.PROVEN
    assert "no mail was sent, so whether o***@example.com can be reached is not shown" in shown.words


def test_a_mail_server_that_is_not_there_fails() -> None:
    with mailbox() as box:
        port = int(box.settings["SMTP_PORT"])
    shown = mail(an_email(port), "o***@example.com").run(soon())
    assert shown == Shown(Verdict.FAILED, "could not hand it to 127.0.0.1: connection refused")
