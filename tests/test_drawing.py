"""What is drawn for the pictures is what the channels say: nothing is lost, and nothing of it is live."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import pytest

from notifier.channels import discord, slack
from notifier.channels.email import Email
from notifier.core.message import Message
from tests import drawing
from tests.channels.support import make_message
from tests.instances import VirtualClock

AT = datetime(2026, 2, 1, 3, 5, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> &amp; <b> \"quoted\" 'x' *bold* _it_ [a](b) <script>alert(2)"
DOCUMENTATION = "**Now**\n\n- run `make it`\n- see [the wiki](https://wiki.example/a)\n\n```\na < b\n```"


def in_slack(message: Message) -> str:
    return drawing.slack([drawing.Post(AT, slack.payload(message))])


def in_discord(message: Message) -> str:
    return drawing.discord([drawing.Post(AT, discord.payload(message))])


def as_mail(message: Message) -> str:
    people = {"sender": "Pager <pager@example.com>", "recipients": ["oncall@example.com"]}
    return drawing.mail(Email(host="x", port=25, clock=VirtualClock(), **people).raw(message))  # type: ignore[arg-type]


MEDIA = {"slack": in_slack, "discord": in_discord, "mail": as_mail}


def words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.partition("</style>")[2])).split())


@pytest.mark.parametrize("medium", MEDIA)
def test_all_that_is_told_is_drawn(medium: str) -> None:
    facts = (("Since", "2026-02-01 03:05 UTC"), ("team", "shop"))
    message = make_message(
        headline="CRITICAL: it burns",
        body="Since noon.",
        facts=facts,
        acknowledge_url="https://pager.example/a/1",
        documentation=DOCUMENTATION,
    )
    shown = words(MEDIA[medium](message))
    parts = ["CRITICAL: it burns", "Since noon.", "Acknowledge", "Since 2026-02-01 03:05 UTC", "team shop"]
    parts += ["Now", "• run make it", "https://wiki.example/a", "a < b", "console.example.com", "#7F3K"]
    assert [part for part in parts if part not in shown] == []


@pytest.mark.parametrize("medium", ["slack", "discord"])
def test_marks_are_drawn_as_what_they_mean(medium: str) -> None:
    page = MEDIA[medium](make_message(documentation=DOCUMENTATION, acknowledge_url="https://pager.example/a/1"))
    for drawn in (
        "<b><a>Acknowledge</a></b>",
        "<b>Now</b>",
        "• run <code>make it</code>",
        "the wiki (<a>https://wiki.example/a</a>)",
        "<pre>a &lt; b</pre>",
    ):
        assert drawn in page


@pytest.mark.parametrize("medium", MEDIA)
def test_nothing_in_an_alert_is_live(medium: str) -> None:
    page = MEDIA[medium](make_message(headline=HOSTILE, body=HOSTILE, facts=((HOSTILE, HOSTILE),)))
    assert "<script" not in page
    assert words(page).count("<script>alert(1)</script>") >= 4


def test_a_mail_begins_with_its_head() -> None:
    shown = words(as_mail(make_message(headline=HOSTILE)))
    head = f"{HOSTILE} #7F3K Pager 31 Jan 2026, 12:00 to oncall@example.com"
    assert shown.startswith(head)


def test_discord_shows_escaped_marks_as_written() -> None:
    assert words(in_discord(make_message(body=HOSTILE, facts=()))).count(HOSTILE) == 1


@pytest.mark.parametrize("medium", MEDIA)
def test_nothing_is_loaded(medium: str) -> None:
    assert not re.search(r"\b(src|srcset|url\(|@import|<link)", MEDIA[medium](make_message()))


def test_bars_have_the_colour_of_the_payload() -> None:
    message = make_message()
    assert all('"bar" style="border-color:#d50200"' in drawn(message) for drawn in (in_slack, in_discord))


def test_what_slack_is_not_known_to_show_is_not_drawn() -> None:
    payload = {**slack.payload(make_message()), "attachments": [{"color": "#fff", "blocks": [{"type": "video"}]}]}
    with pytest.raises(AssertionError, match="video"):
        drawing.slack([drawing.Post(AT, payload)])
