"""The acknowledge link: whoever opens it sees, and only its button acts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Response

from notifier.auth import LINK_CHANNELS, AcknowledgeLinks
from notifier.body import BODY_BYTES
from notifier.core.incident import Incident, IncidentState, incident_key
from notifier.ports import StoreDown, StoreError, StoreRefused
from tests.web.pager import FREE, TOKEN, Pager

ALERT = {"id": "db", "title": "Database unreachable", "severity": "critical"}
KEY = incident_key("plain", "db")
PUBLIC_URL = "https://pager.example.com"


def opened(pager: Pager, channel: str = "slack", **changes: object) -> str:
    """The path of the link that `channel` was told with an alert just posted."""
    pager.sent.clear()
    assert pager.post({**ALERT, **changes}).status_code == 200
    (url,) = [message.acknowledge_url for name, message in pager.sent if name == channel]
    pager.sent.clear()
    return url.removeprefix(PUBLIC_URL)


def ask(pager: Pager, method: str, path: str, **environ: Any) -> Response:
    """As somebody who has the link and nothing else."""
    return pager.call(method, path, token=None, **environ)


def press(pager: Pager, path: str, name: str = "") -> Response:
    """What the page's button does."""
    return ask(pager, "POST", path, data={"name": name})


def stored(pager: Pager) -> Incident:
    incident = pager.sqlite.gather(KEY, pager.clock.monotonic() + 5).incident
    assert incident is not None
    return incident


def words(answer: Response) -> str:
    return answer.get_data(as_text=True)


# Opening it


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("HEAD", {}),
        ("GET", {"Sec-Purpose": "prefetch;prerender"}),
        ("GET", {"Sec-Purpose": "prefetch"}),
        ("GET", {"Purpose": "prefetch"}),
        ("GET", {"User-Agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"}),
    ],
    ids=["GET", "HEAD", "a prerender", "a prefetch", "an older prefetch", "a preview"],
)
def test_opening_the_link_changes_nothing_however_often(pager: Pager, method: str, headers: dict[str, str]) -> None:
    path = opened(pager)
    before = stored(pager)
    for _ in range(3):
        assert ask(pager, method, path, headers=headers).status_code == 200
    assert stored(pager) == before
    assert pager.told == []


def test_nothing_in_the_address_can_press_the_button(pager: Pager) -> None:
    path = opened(pager)
    for query in ("name=Ada", "method=post", "_method=POST"):
        assert (
            ask(pager, "GET", path, query_string=query, headers={"X-HTTP-Method-Override": "POST"}).status_code == 200
        )
    assert stored(pager).state is IncidentState.OPEN


def test_a_scanner_that_follows_every_link_acknowledges_nothing(pager: Pager) -> None:
    assert pager.post({**ALERT, "text": "see https://example.com/x", "url": "https://example.com/i"}).status_code == 200
    before = stored(pager)
    paths = {one.acknowledge_url.removeprefix(PUBLIC_URL) for _, one in pager.sent if one.acknowledge_url}
    assert len(paths) == len(FREE)
    followed: set[str] = set()
    while paths - followed:
        path = min(paths - followed)
        followed.add(path)
        for method in ("HEAD", "GET"):
            page = words(ask(pager, method, path))
        # Also where the form leads, as some scanners do; a form without an address leads to the page itself.
        found = [value for attribute in Seen(page).attributes for name, value in attribute if name in ADDRESSES]
        paths |= {value for value in found if value.startswith("/")}
    assert stored(pager) == before


ADDRESSES = ("href", "src", "action", "formaction", "ping", "srcset", "data")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_405(pager: Pager, method: str) -> None:
    answer = ask(pager, method, opened(pager))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert stored(pager).state is IncidentState.OPEN


def test_the_page_says_what_it_is_about_and_offers_one_button(pager: Pager) -> None:
    path = opened(pager, text="It does not answer.", url="https://example.com/i/1")
    pager.clock.turn(timedelta(minutes=12))
    page = words(ask(pager, "GET", path))
    assert f"<h1>CRITICAL #{stored(pager).ref}</h1>" in page
    assert "If nobody answers, phone 1 is texted at 12:15 UTC." in page
    for part in ("Database unreachable", "since 12:00 UTC, 12 min ago", "It does not answer."):
        assert part in page
    assert '<a class="open" href="https://example.com/i/1" rel="noreferrer">' in page
    assert page.count("<button") == page.count('<form method="post">') == 1


# Pressing its button


def test_the_button_acknowledges_and_says_so(pager: Pager) -> None:
    answer = press(pager, opened(pager), "Ada")
    assert answer.status_code == 200
    assert f"<h1>Acknowledged #{stored(pager).ref}</h1>" in words(answer)
    assert "by Ada, by the link in Slack" in words(answer)
    assert "<button" not in words(answer)
    assert stored(pager).state is IncidentState.ACKNOWLEDGED


def test_who_answered_is_told_on_the_free_channels_and_never_texted(pager: Pager) -> None:
    press(pager, opened(pager), "Ada")
    assert pager.told == FREE
    assert {message.headline for _, message in pager.sent} == {
        "ACKNOWLEDGED by Ada, by the link in Slack at 12:00 UTC: Database unreachable"
    }


@pytest.mark.parametrize(("channel", "shown"), [("slack", "Slack"), ("discord", "Discord"), ("email", "email")])
def test_without_a_name_it_is_somebody_with_the_link_of_that_channel(pager: Pager, channel: str, shown: str) -> None:
    press(pager, opened(pager, channel))
    assert stored(pager).acknowledged_by == f"somebody, by the link in {shown}"


def test_every_channel_with_links_is_tested() -> None:
    assert sorted(LINK_CHANNELS) == FREE


def test_the_second_to_press_is_told_who_was_first(pager: Pager) -> None:
    path = opened(pager)
    press(pager, path, "Ada")
    pager.sent.clear()
    pager.clock.turn(timedelta(minutes=5))
    answer = press(pager, path, "Ben")
    assert answer.status_code == 200
    assert "Already acknowledged" in words(answer)
    assert "acknowledged at 12:00 UTC, 5 min ago" in words(answer)
    assert "by Ada, by the link in Slack" in words(answer)
    assert "Ben" not in words(answer)
    assert stored(pager).acknowledged_by == "Ada, by the link in Slack"
    assert pager.told == []


def test_after_the_resolve_the_page_says_so_and_nothing_changes(pager: Pager) -> None:
    path = opened(pager)
    pager.post({"id": "db", "state": "closed"})
    pager.sent.clear()
    before = stored(pager)
    pager.clock.turn(timedelta(minutes=5))
    answer = press(pager, path)
    assert answer.status_code == 200
    assert "<h1>Resolved" in words(answer)
    assert "ended at 12:00 UTC, 5 min ago" in words(answer)
    assert "<button" not in words(answer)
    assert stored(pager) == before
    assert pager.told == []


def test_the_link_of_an_earlier_incident_does_not_answer_its_next(pager: Pager) -> None:
    path = opened(pager)
    ref = stored(pager).ref
    pager.post({"id": "db", "state": "closed"})
    pager.clock.turn(timedelta(minutes=5))
    opened(pager)
    answer = press(pager, path)
    assert answer.status_code == 200
    assert f"<h1>Over, and back #{ref}</h1>" in words(answer)
    assert f"came again as #{stored(pager).ref}, which is open" in words(answer)
    assert "<button" not in words(answer)
    assert (stored(pager).generation, stored(pager).state) == (2, IncidentState.OPEN)
    assert pager.told == []


def test_a_one_off_is_not_said_to_stay_open_until_its_end(pager: Pager) -> None:
    path = opened(pager, id="")
    page = words(press(pager, path))
    assert "Nobody is paged for it any more." in page
    assert "It stays open" not in page


# Links that are none


def altered(path: str, place: int) -> str:
    return path[:place] + ("A" if path[place] != "A" else "B") + path[place + 1 :]


FORGED: dict[str, Callable[[str], str]] = {
    "cut": lambda path: path[:-1],
    "longer": lambda path: f"{path}A",
    "another incident": lambda path: altered(path, 3),
    "another channel": lambda path: altered(path, 25),
    "another generation": lambda path: altered(path, 29),
    "another signature": lambda path: altered(path, 40),
    "padded": lambda path: f"{path}==",
    "nothing in it": lambda path: "/a/" + "A" * 50,
    "the ref alone": lambda path: "/a/7F3K",
    "another alphabet": lambda path: "/a/" + "٣" * 50,
    "a line feed behind it": lambda path: f"{path}%0A",
    "very long": lambda path: "/a/" + "A" * 50_000,
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_link_is_404_and_changes_nothing(pager: Pager, method: str, forge: Callable[[str], str]) -> None:
    path = opened(pager)
    before = stored(pager)
    answer = ask(pager, method, forge(path))
    assert answer.status_code == 404
    assert "<h1>No such link</h1>" in words(answer)
    assert "Database unreachable" not in words(answer)
    assert stored(pager) == before
    assert pager.told == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_made_with_another_webhook_token_is_404(pager: Pager, method: str) -> None:
    opened(pager)
    others = AcknowledgeLinks(webhook_token=f"{TOKEN}x", public_url=PUBLIC_URL)
    assert ask(pager, method, others.url(KEY, 1, "slack").removeprefix(PUBLIC_URL)).status_code == 404
    assert stored(pager).state is IncidentState.OPEN


def test_a_forged_link_asks_no_store(broken: Callable[[Exception], Pager]) -> None:
    assert ask(broken(AssertionError()), "POST", "/a/" + "A" * 50).status_code == 404


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_whose_incident_is_deleted_is_404(pager: Pager, method: str) -> None:
    gone = pager.links.url("00" * 16, 1, "slack").removeprefix(PUBLIC_URL)
    answer = ask(pager, method, gone)
    assert answer.status_code == 404
    assert "<h1>No such link</h1>" in words(answer)


# When it cannot be done


def link(pager: Pager) -> str:
    return pager.links.url(KEY, 1, "slack").removeprefix(PUBLIC_URL)


@pytest.mark.parametrize("error", [StoreDown("no store"), StoreRefused("inner words")], ids=["down", "refuses"])
def test_while_the_store_is_down_the_page_is_503_and_offers_another_try(
    broken: Callable[[Exception], Pager], error: StoreError
) -> None:
    pager = broken(error)
    answer = ask(pager, "GET", link(pager))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert '<form method="get">' in words(answer)
    assert str(error) not in words(answer)


def test_an_answer_that_could_not_be_stored_is_503_and_keeps_the_name_for_the_next_try(
    broken: Callable[[Exception], Pager],
) -> None:
    pager = broken(StoreDown("no store"))
    answer = press(pager, link(pager), 'Ada"><b>')
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "<h1>Perhaps not acknowledged</h1>" in words(answer)
    assert '<form method="post">' in words(answer)
    assert 'value="Ada&#34;&gt;&lt;b&gt;"' in words(answer)
    assert pager.told == []


def test_a_body_too_large_is_400_and_changes_nothing(pager: Pager) -> None:
    answer = ask(pager, "POST", opened(pager), data=b"name=" + b"x" * BODY_BYTES)
    assert answer.status_code == 400
    assert "<h1>Not acknowledged</h1>" in words(answer)
    assert stored(pager).state is IncidentState.OPEN


# Hostile words


class Seen(HTMLParser):
    """The elements of a page, with their attributes; and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[list[tuple[str, str]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes.append([(name, value or "") for name, value in attrs])

    def handle_data(self, data: str) -> None:
        self.text += data


MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</h2></main><form action=//evil.example>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;",
    "]]><!--",
]


@pytest.mark.parametrize("hostile", MARKUP)
def test_no_word_of_an_alert_is_markup(pager: Pager, hostile: str) -> None:
    harmless = Seen(words(ask(pager, "GET", opened(pager, id="harmless", title="a", text="b"))))
    seen = Seen(words(ask(pager, "GET", opened(pager, title=hostile, text=f"text {hostile}"))))
    assert seen.elements == harmless.elements
    assert seen.text.count(hostile) == 2


@pytest.mark.parametrize("hostile", MARKUP)
def test_no_name_is_markup(pager: Pager, hostile: str) -> None:
    harmless = Seen(words(press(pager, opened(pager, id="harmless"), "Ada")))
    seen = Seen(words(press(pager, opened(pager), hostile)))
    assert seen.elements == harmless.elements
    assert f"by {hostile}, by the link in Slack" in seen.text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", 'https://x.example/"onclick="alert(1)'])
def test_no_address_of_an_alert_is_script(pager: Pager, url: str) -> None:
    seen = Seen(words(ask(pager, "GET", opened(pager, url=url))))
    assert [names for tag, names in seen.elements if tag == "a"] in ([], [("class", "href", "rel")])
    assert "javascript" not in words(ask(pager, "GET", opened(pager, id="other", url=url)))


def test_control_characters_are_not_on_the_page(pager: Pager) -> None:
    page = words(press(pager, opened(pager, title="a\x00b\x1b[31m", text="c\x07d\ud800"), "A\x00d\r\na\x1b"))
    assert not {character for character in page if ord(character) < 32} - {"\n"}
    assert stored(pager).acknowledged_by == "Ad a, by the link in Slack"


def test_a_name_cannot_turn_the_words_around_it(pager: Pager) -> None:
    press(pager, opened(pager), "\u202eadA\u2069\u200f")
    assert stored(pager).acknowledged_by == "adA, by the link in Slack"


def test_a_title_cannot_turn_the_page_around(pager: Pager) -> None:
    page = words(ask(pager, "GET", opened(pager, title="\u202eevil", text="\u2067more")))
    assert '<h2 dir="auto">evil</h2>' in page
    assert '<p class="text" dir="auto">more</p>' in page


def test_a_name_is_cut_to_what_a_channel_shows(pager: Pager) -> None:
    press(pager, opened(pager), "A" * 100_000)
    assert stored(pager).acknowledged_by == "A" * 59 + "…, by the link in Slack"


@pytest.mark.parametrize(
    "form",
    [b"", b"name=", b"name=%20%20", b"other=Ada", b"\xff\x00%", b"name=%ff%fe", b"&".join([b"x=1"] * 50)],
    ids=["nothing", "no name", "spaces", "another field", "no form", "no UTF-8", "many fields"],
)
def test_whatever_the_form_holds_the_button_acknowledges(pager: Pager, form: bytes) -> None:
    answer = ask(pager, "POST", opened(pager), data=form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    assert stored(pager).state is IncidentState.ACKNOWLEDGED


# What goes with the page


@pytest.mark.parametrize("case", ["shown", "pressed", "forged", "gone"])
def test_every_page_is_kept_by_nobody_framed_by_nobody_and_loads_nothing(pager: Pager, case: str) -> None:
    path = opened(pager)
    paths = {"shown": path, "pressed": path, "forged": altered(path, 5), "gone": path[:3] + "x"}
    headers = ask(pager, "POST" if case == "pressed" else "GET", paths[case]).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Robots-Tag"] == "noindex, nofollow"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Set-Cookie" not in headers


def test_the_link_itself_is_not_logged(pager: Pager) -> None:
    path = opened(pager)
    ask(pager, "GET", path)
    press(pager, path)
    ask(pager, "GET", altered(path, 5))
    assert path[3:] not in str(pager.log)
    assert altered(path, 5)[3:] not in str(pager.log)
