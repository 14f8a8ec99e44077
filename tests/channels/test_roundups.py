"""Many messages told in one: on each channel every one of them is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from notifier.channels import discord, slack
from notifier.channels.email_html import html_of
from notifier.core.alert import Severity
from notifier.core.roundup import MOST, as_one
from tests.channels.support import make_message
from tests.channels.test_email import make_email, parsed, text
from tests.hostile import words_of

LINK = "https://pager-abcdefghij-ew.a.run.app/a/" + "x" * 50
SEVERITIES = (Severity.CRITICAL, Severity.WARNING)


def several(count: int, title: str = "db-{} is down", link: str = LINK) -> Any:
    return as_one(
        [
            make_message(
                incident=f"{number:032x}",
                severity=SEVERITIES[number % 2],
                headline=f"{SEVERITIES[number % 2].value.upper()}: {title.format(number)}",
                ref=f"{number:04}",
                acknowledge_url=f"{link}{number}" if link else "",
            )
            for number in range(count)
        ]
    )


LONG = "<&>*_[`" * 30
"""Everything in it is escaped somewhere, and it is cut."""


def slack_lines(message: Any) -> list[str]:
    attachment: Any = slack.payload(message)["attachments"]
    return [block["text"]["text"] for block in attachment[0]["blocks"]]


def discord_embed(message: Any) -> dict[str, Any]:
    embeds: Any = discord.payload(message)["embeds"]
    (embed,) = embeds
    return dict(embed)


def test_slack_shows_the_count_first_and_then_a_line_each_with_its_link() -> None:
    message = several(5)
    assert slack.payload(message)["text"] == "5 alerts: 3 critical, 2 warning"
    lines = slack_lines(message)
    assert lines[0] == f"CRITICAL: db-0 is down #0000 · <{LINK}0|Acknowledge>"
    assert [line.partition(" ·")[0] for line in lines] == [
        f"{SEVERITIES[number % 2].value.upper()}: db-{number} is down #{number:04}" for number in range(5)
    ]


def test_slack_takes_each_line_however_much_of_it_is_escaped() -> None:
    lines = slack_lines(several(MOST["slack"], title=LONG))
    assert len(lines) == MOST["slack"] <= 50
    assert all(len(line) <= slack.SECTION_CHARACTERS for line in lines)
    assert all(f"#{number:04} · <" in line for number, line in enumerate(lines))


def test_discord_shows_the_count_first_and_then_a_line_each_with_its_link() -> None:
    message = several(5)
    assert discord.payload(message)["content"] == "**5 alerts: 3 critical, 2 warning**"
    lines = discord_embed(message)["description"].splitlines()
    assert lines[0] == f"CRITICAL: db-0 is down #0000 · [Acknowledge]({LINK}0)"
    assert len(lines) == 5


@pytest.mark.parametrize("link", [LINK, "https://pager.example.com/" + "y" * 900, ""], ids=["usual", "long", "none"])
def test_discord_names_all_of_them_however_much_is_escaped_and_links_them_if_there_is_room(link: str) -> None:
    message = several(MOST["discord"], title=LONG, link=link)
    description = discord_embed(message)["description"]
    assert len(description.encode("utf-16-le")) // 2 <= discord.DESCRIPTION_CHARACTERS
    lines = description.splitlines()
    assert all(f"#{number:04}" in line for number, line in enumerate(lines))
    assert len(lines) == MOST["discord"]


def test_discord_links_the_usual_ones() -> None:
    assert discord_embed(several(MOST["discord"]))["description"].count("[Acknowledge](") == MOST["discord"]


def test_a_mail_shows_the_count_in_its_subject_and_a_paragraph_each_with_its_link() -> None:
    message = several(5)
    mail = parsed(make_email().raw(message))
    assert mail["Subject"] == "5 alerts: 3 critical, 2 warning"
    assert f"CRITICAL: db-0 is down #0000\n{LINK}0\n" in text(mail)
    assert all(f"db-{number} is down #{number:04}" in text(mail) for number in range(5))
    page = html_of(message)
    assert all(f'<a href="{LINK}{number}"' in page for number in range(5))
    assert "WARNING: db-3 is down #0003" in words_of(page)


def test_a_mail_of_several_is_in_no_incidents_thread_and_sent_again_the_same_mail() -> None:
    mail, again, other = (parsed(make_email().raw(one)) for one in (several(5), several(5), several(6)))
    own = parsed(make_email().raw(make_message(incident=f"{0:032x}")))
    assert mail["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert mail["References"] != own["References"]


@pytest.mark.parametrize("payload", [slack.payload, discord.payload], ids=["slack", "discord"])
def test_its_colour_is_that_of_the_worst(payload: Any) -> None:
    worst, alone = (json.dumps(payload(one)) for one in (several(5), make_message()))
    colour = "#d50200" if payload is slack.payload else str(0xD50200)
    assert colour in worst
    assert colour in alone
