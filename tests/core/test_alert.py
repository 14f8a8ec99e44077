"""Whatever comes in, an alert is printable and within its bounds."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.alert import Alert, Label, Severity, bounded, cut, printable

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=50) | st.just("x\x00\ud800" * 9_000)


def test_severities_are_ordered() -> None:
    assert sorted(Severity, reverse=True) == [Severity.CRITICAL, Severity.ERROR, Severity.WARNING, Severity.INFO]
    assert max(Severity.INFO, Severity.WARNING) is Severity.WARNING


@given(
    incident_id=ANYTHING,
    severity=ANYTHING,
    title=ANYTHING,
    text=ANYTHING,
    documentation=ANYTHING,
    url=ANYTHING,
    labels=st.lists(st.tuples(ANYTHING, ANYTHING), max_size=60),
    message_id=ANYTHING,
)
def test_every_field_is_bounded_and_can_be_stored(labels: list[tuple[str, str]], **fields: Any) -> None:
    alert = bounded(Alert(source="plain", labels=tuple(Label(*pair) for pair in labels), **fields))
    msgspec.json.encode(alert)  # refuses lone surrogates
    assert len(alert.title) <= 500
    assert len(alert.text) <= 8_000
    assert len(alert.documentation) <= 8_000
    assert not set("\u202e\u2066") & set(alert.title + alert.text + alert.documentation + alert.url)
    assert len(alert.labels) <= 50
    assert all(len(part) <= 200 for label in alert.labels for part in (label.name, label.value))
    assert "\x00" not in alert.title + alert.text + alert.incident_id
    assert "\n" not in alert.title
    assert alert.title


def test_a_hundred_thousand_character_title_is_cut_and_says_so() -> None:
    title = bounded(Alert(source="plain", incident_id="a", title="é" * 100_000)).title
    assert (len(title), title[-1]) == (500, "…")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://a b",
        "ftp://x",
        "https://x\n",
        "https://x/\u202egpj.exe",
        "//x",
        'https://x"',
        "https://" + "x" * 3_000,
        "x",
    ],
)
def test_what_is_no_web_address_is_no_link(url: str) -> None:
    assert not bounded(Alert(source="plain", incident_id="a", title="t", url=url)).url


def test_a_web_address_is_kept() -> None:
    url = "https://console.cloud.google.com/monitoring/alerting/alerts/0.a?channelType=webhook&project=p"
    assert bounded(Alert(source="plain", incident_id="a", title="t", url=url)).url == url


def test_line_ends_become_line_feeds() -> None:
    assert printable("a\r\nb\rc\td") == "a\nb\nc\td"


def test_what_fits_is_not_cut() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "ab…"
