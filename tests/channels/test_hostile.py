"""Whatever stands in an alert, nothing of it lives on any channel or in the log."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest

from notifier.channels import discord, slack
from notifier.channels.email_html import html_of
from notifier.channels.log import StreamLog
from notifier.core.alert import Severity
from notifier.relay import _about
from tests.channels.test_email import make_email, parsed, text
from tests.hostile import HOSTILE, alive, incidents, messages

EACH = pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
TURNING = re.compile("[\u202a-\u202e\u2066\u2067]")
MAIL_TAGS = {"html", "head", "meta", "title", "body", "div", "h1", "p", "br", "strong", "em", "code", "pre", "ul", "li"}
MAIL_TAGS |= {"a", "table", "tr", "th", "td"}
MAIL_ATTRIBUTES = {"lang", "charset", "name", "content", "style", "dir", "href", "rel", "scope"}
OWN_WORDS = ("Acknowledge", "Open at ")


def texts(value: Any) -> list[str]:
    """Every string of a payload that is shown."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for part in parts for one in texts(part)]


def clean(shown: str) -> None:
    assert not CONTROLS.search(shown)
    assert not TURNING.search(shown)
    # Each isolate of ours ends before the words that follow it.
    assert shown.count("\u2068") == shown.count("\u2069")


def test_the_road_tells_each_channel_of_openings_answers_and_ends() -> None:
    """What follows would be worth nothing, were there nothing to look at."""
    for channel in ("slack", "discord", "email"):
        kinds = {message.kind.value for message in messages("x", channel) if not message.roundup}
        assert kinds == {"opened", "acknowledged", "resolved"}
    assert messages("x", "sms")


@EACH
def test_slack(value: str) -> None:
    """Only a link to http(s) lives, and only two of ours show other words than their address."""
    for message in messages(value, "slack"):
        sent = slack.payload(message)
        assert (sent["parse"], sent["link_names"], sent["unfurl_links"]) == ("none", False, False)
        for shown in texts(sent):
            clean(shown)
            live = re.sub(r"<https?://[^\s<>|]+(\|(Acknowledge|Open at [^\s<>|]+))?>", "", shown)
            assert "<" not in live, shown
            assert ">" not in live, shown


@EACH
def test_discord(value: str) -> None:
    """Nobody is pinged, and only two links of ours show other words than their address."""
    for message in messages(value, "discord"):
        sent = discord.payload(message)
        assert sent["allowed_mentions"] == {"parse": []}
        for shown in texts({name: part for name, part in sent.items() if name != "allowed_mentions"}):
            clean(shown)
            without_code = re.sub(r"(?<!\\)`[^`]+`", "", re.sub(r"```\n.*?\n```", "", shown, flags=re.DOTALL))
            without_escapes = re.sub(r"\\[^\w\s]", "", without_code)
            own = re.sub(r"\[(Acknowledge|Open the alert)\]\(https?://[^\s()\[\]]+\)", "", without_escapes)
            # Without an opening bracket there is no link that shows other words.
            assert not re.search(r"[\[`]", own), own
            assert not re.search(r"<[@#/:t]", own), own


@EACH
def test_mail(value: str) -> None:
    """No header is added, and no part; the HTML holds our own elements and links alone."""
    for message in messages(value, "email"):
        raw = make_email().raw(message).decode("ascii").replace("\r\n", "\n")
        found = parsed(raw)
        head = raw.partition("\n\n")[0]
        names = [line.split(":")[0] for line in head.splitlines() if not line[0].isspace()]
        wanted = ["From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted"]
        assert names == [*wanted, "MIME-Version", "Content-Type"]
        assert raw.isascii()
        assert not found.defects
        assert [part.get_content_type() for part in found.walk()] == [
            "multipart/alternative",
            "text/plain",
            "text/html",
        ]
        clean(found["Subject"])
        one, several = r"(Re: )?CRITICAL: .* #[0-9A-Z]{4}", r"\d+ alerts: [\w, ]+"
        assert re.fullmatch(several if message.roundup else one, found["Subject"])
        clean(text(found))
        assert text(found, "html").rstrip("\n") == html_of(message).rstrip("\n")


@EACH
def test_the_html_of_a_mail(value: str) -> None:
    for message in messages(value, "email"):
        page = html_of(message)
        clean(page)
        assert alive(page, MAIL_TAGS, MAIL_ATTRIBUTES, OWN_WORDS) == []
        assert "49" not in page


@EACH
def test_text_to_a_phone(value: str) -> None:
    """One line that begins with the severity and ends in the ref."""
    for message in messages(value, "sms"):
        assert re.fullmatch(r"CRITICAL: .* #[0-9A-Z]{4}", message.sms)
        clean(message.sms)


@EACH
def test_log(value: str) -> None:
    """As JSON one line an entry; as text no line that is not ours stands without a bar."""
    for incident in incidents(value):
        fields = {**_about(incident, whole=True), "preview": f"{incident.title}\n{incident.documentation}"}
        as_json, as_text = io.StringIO(), io.StringIO()
        StreamLog("json", stream=as_json).write(Severity.ERROR, incident.title, **fields)
        StreamLog("text", stream=as_text).write(Severity.ERROR, incident.title, **fields)
        (line,) = as_json.getvalue().splitlines()
        assert line.isascii()
        assert json.loads(line)["documentation"] == incident.documentation
        first, *below = as_text.getvalue().removesuffix("\n").split("\n")
        assert first.startswith("ERROR ")
        assert all(one.startswith("         | ") for one in below)
        assert not CONTROLS.search(as_text.getvalue())
        assert not re.search("[\u2028-\u202e\u2066-\u2069]", as_text.getvalue())
