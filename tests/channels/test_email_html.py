"""A mail's HTML."""

from __future__ import annotations

import pytest

from notifier.channels.email_html import html_of
from notifier.core.incident import Kind
from tests.channels.support import make_message
from tests.hostile import words_of

LINK = "https://pager.example.com/a/token"


def test_it_says_what_happened_then_how_to_answer_then_the_rest() -> None:
    page = html_of(make_message(acknowledge_url=LINK, documentation="Look at the **log**."))
    said = ["CRITICAL: Database unreachable", "No connection for 5 minutes.", "Acknowledge #7F3K", "Since"]
    said += ["2026-01-31 03:12 UTC", "Project", "shop", "Look at the log.", "Open at console.example.com", "#7F3K"]
    words = words_of(page.partition("<body")[2])
    places = [words.index(one) for one in said[:-1]]
    assert places == sorted(places)
    assert words.rstrip().endswith("#7F3K")


def test_the_button_leads_to_the_link_and_is_large_enough_for_a_thumb() -> None:
    page = html_of(make_message(acknowledge_url=f"{LINK}?a=1&b=2"))
    button = page[page.index(f'<a href="{LINK}?a=1&amp;b=2"') :].partition("</a>")[0]
    assert "padding:14px 28px" in button
    assert "font-size:18px" in button


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", 'https://x.example/"onclick="x', "https://x.example/a b"])
def test_an_address_that_is_none_has_no_link(url: str) -> None:
    assert "<a " not in html_of(make_message(url=url, acknowledge_url=url))


def test_it_loads_nothing_and_leaves_ink_and_paper_to_the_reader() -> None:
    page = html_of(make_message(acknowledge_url=LINK, documentation="![chart](https://x.example/c.png)"))
    assert not any(word in page for word in ("<img", "src=", "url(", "<link", "<style", "<script"))
    assert '<meta name="color-scheme" content="light dark">' in page
    assert page.count("color:#") == page.count("color:#0b5cad") + page.count(";color:#ffffff")


def test_each_text_of_the_alert_finds_its_own_direction() -> None:
    page = html_of(make_message(headline="CRITICAL: \u2068שרת\u2069", body="שרת", facts=(("צוות", "אחסון"),)))
    assert '<html lang="en">' in page
    assert '<h1 dir="auto"' in page
    assert page.count('dir="auto"') == 4


def test_what_is_over_is_green_and_short() -> None:
    page = html_of(make_message(kind=Kind.RESOLVED, body="", facts=(), headline="RESOLVED after 3 min: x"))
    assert "border-top:6px solid #2eb67d" in page
    assert "border-top:6px solid #d50200" in html_of(make_message())
    assert "<table" not in page
    assert "Acknowledge" not in page


def test_the_largest_mail_is_not_clipped() -> None:
    """Gmail shows 102 KB of a mail's HTML (believed, not documented)."""
    facts = tuple((f"label {number}", "x" * 200) for number in range(12))
    page = html_of(make_message(body="a &\n" * 2_000, documentation="**b** <c>\n" * 800, facts=facts))
    assert len(page.encode()) < 102_000
