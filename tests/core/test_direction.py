"""Right-to-left words within our own."""

from __future__ import annotations

import pytest

from notifier.core.direction import ended, has_right_to_left, isolated, steady


@pytest.mark.parametrize(
    ("text", "found"),
    [("db-1", False), ("Größe 数据库 🔥", False), ("שרת", True), ("db قاعدة", True), ("\u200f", True), ("", False)],
    ids=ascii,
)
def test_right_to_left_words_are_found(text: str, found: bool) -> None:  # noqa: FBT001 a column of the table
    assert has_right_to_left(text) is found


def test_only_what_runs_the_other_way_is_isolated() -> None:
    assert isolated("db-1 is down") == "db-1 is down"
    assert isolated("שרת") == "\u2068שרת\u2069"


def test_what_turns_all_that_follows_is_taken_out_and_plain_marks_stay() -> None:
    assert steady("a\u202ab\u202bc\u202cd\u202de\u202ef\u2066g\u2067h\u2068i\u2069j") == "abcdefghij"
    assert steady("a\u200eb\u200fc\u200dd") == "a\u200eb\u200fc\u200dd"


@pytest.mark.parametrize(
    ("cut", "whole"), [("\u2068שר", "\u2068שר\u2069"), ("\u2068ש\u2069", "\u2068ש\u2069"), ("a", "a")]
)
def test_a_cut_isolate_is_ended(cut: str, whole: str) -> None:
    assert ended(cut) == whole
