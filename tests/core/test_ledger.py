"""Slots of the window."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from notifier.core.ledger import CLOCK_SKEW, WINDOW, Ledger
from tests.builders import NOON


def ledger_of(*accepted_by: datetime) -> Ledger:
    ledger = Ledger()
    for number, moment in enumerate(accepted_by):
        ledger = ledger.with_slot(f"key/1/{number}", moment, NOON)
    return ledger


@pytest.mark.parametrize(
    ("taken", "first_page", "room"),
    [(0, False, True), (2, False, True), (3, False, False), (3, True, True), (4, True, True), (5, True, False)],
)
def test_the_last_two_of_five_slots_are_for_first_pages(taken: int, *, first_page: bool, room: bool) -> None:
    assert ledger_of(*[NOON] * taken).has_room(5, 2, NOON, first_page=first_page) is room


def test_room_comes_when_the_oldest_slot_ends() -> None:
    starts = [NOON + timedelta(minutes=minute) for minute in (3, 1, 2, 5, 4)]
    room_at = ledger_of(*starts).room_at(5, 2, NOON, first_page=True)
    assert room_at == NOON + timedelta(minutes=1) + WINDOW + CLOCK_SKEW


def test_for_other_pages_room_comes_when_three_slots_have_ended() -> None:
    starts = [NOON + timedelta(minutes=minute) for minute in (1, 2, 3, 4, 5)]
    room_at = ledger_of(*starts).room_at(5, 2, NOON, first_page=False)
    assert room_at == NOON + timedelta(minutes=3) + WINDOW + CLOCK_SKEW


def test_with_room_it_is_there_now() -> None:
    assert ledger_of(NOON).room_at(5, 2, NOON, first_page=False) == NOON


def test_the_same_delivery_holds_one_slot() -> None:
    ledger = ledger_of(NOON)
    assert len(ledger.with_slot("key/1/0", NOON, NOON).slots) == 1


def test_giving_back_what_is_not_held_does_no_harm() -> None:
    ledger = ledger_of(NOON)
    assert ledger.without_slot("key/1/other") == ledger
