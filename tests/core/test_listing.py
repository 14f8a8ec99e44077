"""What is read out of the provider's list."""

from __future__ import annotations

import pytest

from notifier.core.incident import ref_of
from notifier.core.listing import Text, refs_of
from notifier.core.message import message_of
from tests.builders import NOON, POLICY, an_alert, known, opened


def a_text(body: str) -> Text:
    return Text(id="SM1", created_at=NOON, body=body)


@pytest.mark.parametrize(
    ("body", "refs"),
    [
        ("CRITICAL: db is down #7F3K", {"7F3K"}),
        ("CRITICAL: db is down #7F3KX", {"7F3KX"}),
        ("CRITICAL: db is down #7F3KXY", {"7F3KXY"}),
        ("#7F3K #8VBC", {"7F3K", "8VBC"}),
        ("#7F3K: also #7F3K.", {"7F3K"}),
        ("db #7F3", set()),
        ("db #7F3KXYZ", set()),
        ("db #7F3Kx", set()),
        ("db #7f3k", set()),
        ("db #7F3I", set()),
        ("db 7F3K", set()),
        ("", set()),
    ],
)
def test_refs_are_read_from_a_text(body: str, refs: set[str]) -> None:
    assert a_text(body).refs == refs


@pytest.mark.parametrize(
    ("body", "ours"), [("CRITICAL: db #7F3K", True), ("", True), (" \n", True), ("Lunch at 12?", False)]
)
def test_what_has_a_ref_or_no_words_may_be_ours(body: str, *, ours: bool) -> None:
    assert a_text(body).may_be_ours is ours


@pytest.mark.parametrize("title", ["db is down", "x" * 400, "🔥 " * 90, "see #8VBC", "#" * 159, "7F3K #" * 40])
def test_the_ref_of_every_text_we_write_is_found_in_it(title: str) -> None:
    incident = known(opened(an_alert(title=title)))
    text = a_text(message_of(incident, "opened/sms/0/1", POLICY).sms)
    assert not text.refs.isdisjoint(refs_of(incident.key, 1))


def test_each_generation_has_refs_of_its_own() -> None:
    assert refs_of("key", 3) == {ref_of("key", 3, length) for length in (4, 5, 6)}
    assert refs_of("key", 3).isdisjoint(refs_of("key", 1))
