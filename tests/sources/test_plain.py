from __future__ import annotations

import json

import pytest

from notifier.core.alert import Alert, Label
from notifier.sources import Unreadable, read
from tests.sources.bodies import ABSENT, changed, raw


def one(**fields: object) -> Alert:
    (alert,) = read(json.dumps(fields).encode()).alerts
    return alert


def refusal(**fields: object) -> str:
    with pytest.raises(Unreadable) as caught:
        read(json.dumps(fields).encode())
    return caught.value.reason


def test_a_plain_alert_is_read_in_full() -> None:
    """Each field of the form arrives."""
    (alert,) = read(raw("plain")).alerts
    assert alert == Alert(
        source="plain",
        incident_id="backup",
        severity="warning",
        title="Backup failed",
        text="The disk is full.",
        url="https://backup.example.org/7",
        labels=(Label("host", "nas"), Label("try", "3")),
    )


def test_a_text_is_enough() -> None:
    """Without an id it can never close."""
    assert one(text="The disk is full.") == Alert(
        source="plain", incident_id="", title="The disk is full.", one_off=True
    )


@pytest.mark.parametrize(
    ("fields", "title", "text"),
    [
        ({"text": "One\nTwo\nThree"}, "One", "Two\nThree"),
        ({"text": "x" * 600}, "x" * 499 + "…", "x" * 600),
        ({"title": "One", "text": "One"}, "One", ""),
        ({"title": "One", "text": "Two"}, "One", "Two"),
        ({"title": "One"}, "One", ""),
        ({"title": ["One"], "text": "Two"}, "Two", ""),
        ({"title": "One", "text": {"x": 1}}, "One", ""),
        ({"text": 5}, "5", ""),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_first_line_is_the_title(fields: dict[str, object], title: str, text: str) -> None:
    """Unless it has one; nothing is said twice, and nothing is lost to a cut."""
    alert = one(**fields)
    assert (alert.title, alert.text) == (title, text)


@pytest.mark.parametrize(
    ("state", "closed"),
    [
        (ABSENT, False),
        (None, False),
        ("", False),
        ("open", False),
        ("Firing", False),
        ("alerting", False),
        ("closed", True),
        ("RESOLVED", True),
        ("ok", True),
    ],
    ids=str,
)
def test_the_state_may_be_in_a_neighbours_words(state: object, closed: bool) -> None:  # noqa: FBT001 - a column
    """Without one it is open."""
    (alert,) = read(changed("plain", state=state)).alerts
    assert alert.closed is closed


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"severity": "CRITICAL"}, "critical"),
        ({"level": "Error"}, "error"),
        ({"severity": "info", "level": "error"}, "info"),
        ({"severity": ["critical"], "level": "error"}, "error"),
        ({"severity": 2}, "2"),
        ({}, ""),
    ],
    ids=str,
)
def test_severity_is_also_called_level(fields: dict[str, object], word: str) -> None:
    """The words are the policy's to understand."""
    assert one(text="x", **fields).severity == word


def test_an_id_and_a_state_close() -> None:
    """Who closes need not say it all again."""
    assert one(id=7, state="closed") == Alert(source="plain", incident_id="7", closed=True, title="7")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"text": "x", "state": "closed"}, "expected an id in id: "),
        ({"text": "x", "state": "ok", "id": ""}, "expected an id in id: "),
        ({"text": "x", "state": "banana"}, "expected 'open' or 'closed' in state, got 'banana'"),
        ({"text": "x", "state": True}, "expected 'open' or 'closed' in state, got true"),
        ({"text": "x", "id": ["a"]}, "expected a string or a number in id, got a list"),
        ({"text": "x", "id": False}, "expected a string or a number in id, got false"),
        ({"text": ""}, "expected some words in text or title, got ''"),
        ({"title": None}, "expected some words in text or title, got nothing"),
        ({"text": ["x"], "title": {}}, "expected some words in text or title, got a list"),
        ({"id": "a", "state": "open"}, "expected some words in text or title, got nothing"),
    ],
    ids=str,
)
def test_a_refusal_names_the_field(fields: dict[str, object], reason: str) -> None:
    """What identifies it and its words are what it takes."""
    assert refusal(**fields).startswith(reason)


@pytest.mark.parametrize("labels", [None, 7, "x", ["x"], {"a": {}}], ids=str)
def test_labels_of_another_type_are_ignored(labels: object) -> None:
    """They are optional."""
    assert one(text="x", labels=labels).labels == ()
