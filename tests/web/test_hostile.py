"""Whatever stands in an alert or in a name, nothing of it lives on the page behind an acknowledge link."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notifier.core.incident import IncidentState
from notifier.pages.acknowledge import no_such_link, not_reachable, page_of
from tests.builders import NOON, POLICY
from tests.hostile import HOSTILE, alive, incidents, words_of

TAGS = {"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "form", "label", "input", "button"}
TAGS |= {"div", "strong", "em", "code", "pre", "ul", "li", "br", "a"}
ATTRIBUTES = {"lang", "charset", "name", "content", "class", "dir", "method", "value", "maxlength", "autocomplete"}
ATTRIBUTES |= {"href", "rel", "tabindex"}
OWN_WORDS = ("Open the alert",)


def without_icon(page: str) -> str:
    """The one address of ours that is neither http nor https: no icon is asked for."""
    assert page.count('<link rel="icon" href="data:,">') == 1
    return page.replace('<link rel="icon" href="data:,">', "")


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_nothing_of_an_alert_lives_on_the_page(value: str) -> None:
    states = set()
    for incident in incidents(value):
        states.add(incident.state)
        for generation in (1, 2):
            page = without_icon(page_of(incident, generation, POLICY, NOON + timedelta(hours=1)))
            assert alive(page, TAGS, ATTRIBUTES, OWN_WORDS) == []
            assert page.count("<form") <= 1
            assert "49" not in words_of(page).replace(incident.ref, "")
            assert not any(control in page for control in ("\x00", "\x1b", "\u202e", "\u2066"))
    assert states == {IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_nothing_of_a_name_lives_on_the_page(value: str) -> None:
    assert alive(without_icon(not_reachable(5, name=value)), TAGS, ATTRIBUTES) == []


def test_the_search_itself_finds_what_lives() -> None:
    assert alive(without_icon(no_such_link()), TAGS, ATTRIBUTES) == []
    for page, found in {
        "<script>": "<script>",
        "<p onclick=x>": "<p onclick>",
        '<a href="javascript:x">javascript:x</a>': "<a href=javascript:x>",
        '<a href="https://evil.example">https://bank.example</a>': "https://bank.example -> https://evil.example",
        '<p style="background:url(x)">': "<p style=background:url(x)>",
        "<!--x-->": "<!--x-->",
    }.items():
        assert alive(page, TAGS, ATTRIBUTES | {"style"}, OWN_WORDS) == [found]


def test_the_documentation_of_the_policy_can_be_read_there() -> None:
    page = page_of(incidents("x")[0], 1, POLICY, NOON)
    assert '<div class="text documentation"><p dir="auto">f x</p>' in page
    assert "<pre" in page
