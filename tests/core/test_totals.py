"""What the texts of a month come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.totals import MONTHS, Month, Totals
from tests.builders import NOON

NEXT_DAY = NOON + timedelta(days=1)
"""In February."""
SPRING = [datetime(2026, month, 15, tzinfo=UTC) for month in range(1, 6)]


def test_texts_and_segments_are_added_up() -> None:
    totals = Totals().counted(NOON, texts=1, segments=2).counted(NOON, texts=1, segments=1)
    assert totals.of(NOON) == Month(texts=2, segments=3)


def test_each_month_has_a_sum_of_its_own() -> None:
    totals = Totals().counted(NOON, texts=1, segments=1).counted(NEXT_DAY, texts=1, segments=4)
    assert (totals.of(NOON), totals.of(NEXT_DAY)) == (Month(1, 1), Month(1, 4))


@pytest.mark.parametrize(
    ("at", "texts"),
    [
        (datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC), 1),
        (datetime(2026, 2, 1, tzinfo=UTC), 0),
        (datetime(2025, 1, 31, 12, tzinfo=UTC), 0),
    ],
)
def test_a_month_ends_at_midnight_utc(at: datetime, texts: int) -> None:
    assert Totals().counted(NOON, texts=1, segments=1).of(at).texts == texts


def test_what_is_given_back_is_taken_off_its_own_month() -> None:
    totals = Totals().counted(NOON, texts=1, segments=3).counted(NEXT_DAY, texts=1, segments=1)
    back = totals.counted(NOON, texts=-1, segments=-3)
    assert (back.of(NOON), back.of(NEXT_DAY)) == (Month(), Month(1, 1))


def test_no_sum_is_below_nothing() -> None:
    assert Totals().counted(NOON, texts=-1, segments=-2).of(NOON) == Month()


def test_no_text_is_no_change() -> None:
    totals = Totals()
    assert totals.counted(NOON, texts=0, segments=0) is totals


def test_the_newest_three_months_are_kept() -> None:
    totals = Totals()
    for at in SPRING:
        totals = totals.counted(at, texts=1, segments=1)
    assert [totals.of(at).texts for at in SPRING] == [0, 0, 1, 1, 1]


def test_a_text_of_long_ago_drives_no_newer_month_out() -> None:
    totals = Totals()
    for at in reversed(SPRING):
        totals = totals.counted(at, texts=1, segments=1)
    assert list(totals.months) == ["2026-03", "2026-04", "2026-05"]


@given(st.lists(st.tuples(st.sampled_from(SPRING), st.integers(1, 6)), max_size=20))
def test_taking_all_back_leaves_nothing(texts: list[tuple[datetime, int]]) -> None:
    totals = Totals()
    for at, segments in texts:
        totals = totals.counted(at, texts=1, segments=segments)
    for at, segments in texts:
        totals = totals.counted(at, texts=-1, segments=-segments)
    assert len(totals.months) <= MONTHS
    assert all(totals.of(at) == Month() for at in SPRING)
