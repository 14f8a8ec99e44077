"""Slots of the window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.incident import ref_of
from notifier.core.ledger import ACCEPTED_WITHIN, CLOCK_SKEW, WINDOW, Ledger, Slot, Unstored
from notifier.core.listing import Text
from notifier.core.totals import Month
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


TEXTED = [Unstored(key="key", phone=0, at=NOON - ACCEPTED_WITHIN, id="SM1")]


class TestOutage:
    """What every instance must know once the store is back."""

    def test_a_text_that_was_sent_without_the_store_takes_a_slot(self) -> None:
        ledger = Ledger().with_outage(NOON, TEXTED, NOON)
        assert (ledger.taken(NOON), ledger.down_at) == (1, NOON)

    def test_it_is_entered_once(self) -> None:
        ledger = Ledger().with_outage(NOON, TEXTED, NOON)
        assert ledger.with_outage(NOON, TEXTED, NOON) is ledger

    def test_whoever_entered_it_from_the_list_before_it_counts_once(self) -> None:
        listed = Ledger(slots={"listed/SM1": Slot(NOON)})
        entered = listed.with_outage(NOON, TEXTED, NOON)
        assert (entered.taken(NOON), entered.has_unstored("key", NOON)) == (1, True)
        text = Text(id="SM1", created_at=NOON, body=f"CRITICAL: db #{ref_of('key', 1)}")
        assert entered.with_listed([text], 0, NOON) is entered

    def test_whose_text_it_is_is_known(self) -> None:
        ledger = Ledger().with_outage(NOON, TEXTED, NOON)
        assert ledger.has_unstored("key", NOON)
        assert not ledger.has_unstored("key", NOON + timedelta(seconds=1))
        assert not ledger.has_unstored("web", NOON)

    def test_within_a_minute_nothing_new_is_learnt(self) -> None:
        ledger = Ledger(down_at=NOON)
        assert ledger.with_outage(NOON + timedelta(seconds=59), [], NOON) is ledger
        assert ledger.with_outage(NOON - timedelta(hours=1), [], NOON) is ledger
        later = NOON + timedelta(minutes=1)
        assert ledger.with_outage(later, [], later).down_at == later

    def test_an_older_outage_covers_no_younger_one(self) -> None:
        ledger = Ledger(down_at=NOON).with_outage(NOON - timedelta(minutes=5), TEXTED, NOON)
        assert (ledger.taken(NOON), ledger.down_at) == (1, NOON)

    def test_what_counts_no_longer_is_not_entered(self) -> None:
        late = NOON + WINDOW + CLOCK_SKEW
        assert Ledger(down_at=NOON).with_outage(NOON, TEXTED, late).slots == {}

    def test_it_was_down_for_as_long_as_a_text_of_then_counts(self) -> None:
        ledger = Ledger(down_at=NOON)
        end = NOON + WINDOW + CLOCK_SKEW
        assert ledger.was_down(end - timedelta(microseconds=1))
        assert not ledger.was_down(end)
        assert not Ledger().was_down(NOON)


class TestUnclaimed:
    """Which of the listed texts were sent without the store."""

    def a_text(self, generation: int = 1) -> Text:
        return Text(id="SM1", created_at=NOON, body=f"CRITICAL: db #{ref_of('key', generation)}")

    @pytest.mark.parametrize(
        ("slot", "count"),
        [
            ("key/1/opened/sms/0/1", 0),
            ("key/1/unstored/sms/0/1", 1),
            ("listed/SM1", 1),
            ("key/2/opened/sms/0/1", 1),
            ("key/1/opened/sms/1/1", 1),
            ("web/1/opened/sms/0/1", 1),
        ],
    )
    def test_each_for_which_no_slot_was_claimed(self, slot: str, count: int) -> None:
        ledger = Ledger().with_slot(slot, NOON, NOON)
        assert len(ledger.unclaimed([self.a_text()], 0)) == count

    def test_a_slot_stands_for_one_text(self) -> None:
        ledger = Ledger().with_slot("key/1/opened/sms/0/1", NOON, NOON)
        assert len(ledger.unclaimed([self.a_text(), self.a_text()], 0)) == 1


class TestMonth:
    """What was texted in a month, and what of it was given back."""

    def test_a_text_counts_with_its_slot(self) -> None:
        ledger = Ledger().with_slot("key/1/0", NOON, NOON, segments=3)
        assert (ledger.totals.of(NOON), ledger.segments(NOON)) == (Month(texts=1, segments=3), 3)

    def test_it_is_given_back_with_its_slot(self) -> None:
        ledger = Ledger().with_slot("key/1/0", NOON, NOON, segments=3).with_slot("key/1/1", NOON, NOON)
        back = ledger.without_slot("key/1/0")
        assert (back.totals.of(NOON), back.segments(NOON)) == (Month(texts=1, segments=1), 1)

    def test_given_back_in_the_next_month_it_is_taken_off_its_own(self) -> None:
        midnight = datetime(2026, 2, 1, tzinfo=UTC)
        before, afterwards = midnight - timedelta(seconds=1), midnight + timedelta(minutes=1)
        ledger = Ledger().with_slot("key/1/0", before, before).with_slot("key/1/1", afterwards, afterwards)
        back = ledger.without_slot("key/1/0")
        assert (back.totals.of(before), back.totals.of(afterwards)) == (Month(), Month(1, 1))

    def test_what_is_not_held_takes_nothing_off(self) -> None:
        assert ledger_of(NOON).without_slot("key/1/other").totals.of(NOON).texts == 1

    def test_the_window_forgets_what_the_month_does_not(self) -> None:
        later = NOON + timedelta(hours=2)
        ledger = ledger_of(NOON).with_slot("key/1/9", later, later)
        assert (len(ledger.slots), ledger.segments(later), ledger.totals.of(NOON).texts) == (1, 1, 2)

    def test_a_text_that_was_sent_without_the_store_counts_once(self) -> None:
        ledger = Ledger().with_outage(NOON, TEXTED, NOON)
        assert ledger.with_outage(NOON, TEXTED, NOON).totals.of(NOON) == Month(texts=1, segments=1)

    def test_one_entered_from_the_list_counts_as_long_as_it_is(self) -> None:
        text = Text(id="SM1", created_at=NOON, body=f"CRITICAL: {'x' * 160} #{ref_of('key', 1)}")
        ledger = Ledger().with_listed([text], 0, NOON)
        assert ledger.totals.of(NOON) == Month(texts=1, segments=2)
        assert ledger.with_listed([text], 0, NOON).totals.of(NOON).texts == 1

    def test_entered_from_the_list_and_then_by_whoever_sent_it_it_counts_once(self) -> None:
        text = Text(id="SM1", created_at=NOON, body=f"CRITICAL: db #{ref_of('key', 1)}")
        ledger = Ledger().with_listed([text], 0, NOON).with_outage(NOON, TEXTED, NOON)
        assert (ledger.taken(NOON), ledger.totals.of(NOON).texts) == (1, 1)

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(1, 3)), max_size=30))
    def test_what_is_held_and_what_has_left_the_window_is_what_was_texted(
        self, steps: list[tuple[bool, int, int]]
    ) -> None:
        ledger = Ledger()
        held: dict[str, int] = {}
        for take, number, segments in steps:
            name = f"key/1/{number}"
            if take and name not in held:
                ledger = ledger.with_slot(name, NOON, NOON, segments)
                held[name] = segments
            elif not take:
                ledger = ledger.without_slot(name)
                held.pop(name, None)
        assert ledger.totals.of(NOON) == Month(texts=len(held), segments=sum(held.values()))


class TestGathered:
    """Which pages a digest tells of."""

    def test_those_of_any_digest_until_it_is_forgotten(self) -> None:
        ledger = Ledger().with_gathered("one", ("a/1/p", "b/1/p")).with_gathered("other", ("c/1/p",))
        assert [ledger.is_gathered(f"{key}/1/p") for key in "abcd"] == [True, True, True, False]
        left = ledger.without_gathered("one")
        assert [left.is_gathered(f"{key}/1/p") for key in "abcd"] == [False, False, True, False]

    def test_another_generation_is_another_page(self) -> None:
        assert not Ledger().with_gathered("one", ("a/1/p",)).is_gathered("a/2/p")

    def test_to_forget_what_is_not_known_does_no_harm(self) -> None:
        assert Ledger().without_gathered("one") == Ledger()
