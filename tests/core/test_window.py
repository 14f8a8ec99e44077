"""The window of texts as it is shown."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.incident import ref_of
from notifier.core.ledger import Ledger, Slot, listed_slot
from notifier.core.window import Window, quarters, rows_of, window_of
from tests.builders import NOON, POLICY

KEY = "ab" * 16
PAGE = f"{KEY}/2/opened/sms/1/1"


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def ledger_of(*ages: float) -> Ledger:
    """Texts whose fate was known so many minutes ago."""
    return Ledger(slots={f"{KEY}/{n}/opened/sms/0/1": Slot(NOON - minutes(age)) for n, age in enumerate(ages, 1)})


def window(ledger: Ledger) -> Window:
    return window_of(ledger, POLICY.sms, NOON, {})


ONLY_FIRST = "Only first pages of critical incidents are texted before"
WORDS = [
    ((), "No text in the last hour: all 5 slots are free."),
    ((50,), "1 of 5 texts in the last hour; the next slot frees at 12:10 UTC."),
    (
        (50, 40, 30),
        f"3 of 5 texts in the last hour; the next slot frees at 12:10 UTC. {ONLY_FIRST} 12:10 UTC.",
    ),
    (
        (50, 40, 30, 20),
        f"4 of 5 texts in the last hour; the next slot frees at 12:10 UTC. {ONLY_FIRST} 12:20 UTC.",
    ),
    (
        (50, 40, 30, 20, 10),
        "5 of 5 texts in the last hour: the cap is reached, and nothing is texted before 12:10 UTC.",
    ),
    (
        (50, 40, 30, 20, 10, 5),
        "6 of 5 texts in the last hour: the cap is reached, and nothing is texted before 12:20 UTC.",
    ),
    ((61, 70), "No text in the last hour: all 5 slots are free."),
]


@pytest.mark.parametrize(("ages", "words"), WORDS)
def test_the_words_say_how_full_it_is_and_when_there_is_room(ages: tuple[float, ...], words: str) -> None:
    assert window(ledger_of(*ages)).words == words


def test_a_text_is_named_by_its_phone_and_incident() -> None:
    shown = window(Ledger(slots={PAGE: Slot(NOON, segments=2)}))
    assert shown.texts[0].what == f"text to phone 2 for #{ref_of(KEY, 2)} (2 segments)"


def test_a_text_known_from_the_list_alone_is_named_so() -> None:
    shown = window(Ledger(slots={listed_slot("SM1"): Slot(NOON)}))
    assert shown.texts[0].what == "a text that stands in the provider's list"


def test_a_text_without_the_store_is_named_by_its_incident() -> None:
    shown = window(Ledger(slots={f"{KEY}/1/unstored/sms/0/1": Slot(NOON)}))
    assert shown.texts[0].what == f"text to phone 1 for #{ref_of(KEY, 1)}"


def test_a_text_stands_where_its_page_was_sent_and_never_in_the_future() -> None:
    ledger = Ledger(slots={PAGE: Slot(NOON + minutes(5))})
    assert window_of(ledger, POLICY.sms, NOON, {PAGE: NOON - minutes(3)}).texts[0].at == NOON - minutes(3)
    assert window_of(ledger, POLICY.sms, NOON, {}).texts[0].at == NOON


def test_an_outage_of_the_store_within_the_hour_is_said() -> None:
    assert window(Ledger(down_at=NOON - minutes(30))).store_was_down_at == NOON - minutes(30)
    assert window(Ledger(down_at=NOON - minutes(90))).store_was_down_at is None


def test_the_stairs_climb_from_the_oldest_text() -> None:
    rows = rows_of(window(ledger_of(10, 50, 30)), NOON)
    assert [row.row for row in rows] == [0, 1, 2]
    assert [round(row.x) for row in rows] == [17, 50, 83]


def test_the_labels_are_quarters_of_an_hour() -> None:
    drawn = quarters(NOON + minutes(7))
    assert [f"{quarter.at:%H:%M}" for quarter in drawn] == ["11:15", "11:30", "11:45", "12:00"]
    assert [quarter.x for quarter in drawn] == sorted(quarter.x for quarter in drawn)


@given(st.lists(st.floats(-0.5, 70), max_size=40))
def test_as_many_texts_are_drawn_as_count_and_each_within_the_hour(ages: list[float]) -> None:
    ledger = ledger_of(*ages)
    drawn = rows_of(window(ledger), NOON)
    assert len(drawn) == window(ledger).taken == ledger.taken(NOON)
    assert all(0 <= row.x <= 100 for row in drawn)


def test_the_number_taken_is_not_in_what_a_machine_gets_twice() -> None:
    assert "taken" not in msgspec.to_builtins(window(ledger_of(1)))
