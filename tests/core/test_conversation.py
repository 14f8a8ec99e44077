"""Who wants no texts, and how often the people on call are answered."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.conversation import ANSWERS_AN_HOUR, REMEMBERED, Conversation
from tests.builders import NOON

DAY = timedelta(hours=24)
MOMENT = timedelta(microseconds=1)
LONG = timedelta(days=5_000)


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


class TestOptOut:
    """A phone takes no texts."""

    def test_nobody_has_opted_out_at_first(self) -> None:
        assert not Conversation().has_opted_out("mark0", NOON)

    @pytest.mark.parametrize(
        ("heard", "waited", "out"),
        [
            (False, timedelta(0), True),
            (False, LONG, True),
            (True, timedelta(0), True),
            (True, DAY - MOMENT, True),
            (True, DAY, False),
        ],
    )
    def test_its_own_word_holds_until_it_takes_it_back_and_hearsay_for_a_day(
        self, *, heard: bool, waited: timedelta, out: bool
    ) -> None:
        conversation = Conversation().with_opt_out("mark0", NOON, heard=heard)
        assert conversation.has_opted_out("mark0", NOON + waited) is out

    def test_it_is_that_phones_alone(self) -> None:
        conversation = Conversation().with_opt_out("mark0", NOON)
        assert not conversation.has_opted_out("mark1", NOON)
        assert conversation.without_opt_out("mark1").has_opted_out("mark0", NOON)

    @pytest.mark.parametrize("heard", [True, False])
    def test_its_own_word_undoes_either(self, *, heard: bool) -> None:
        conversation = Conversation().with_opt_out("mark0", NOON, heard=heard)
        assert conversation.without_opt_out("mark0") == Conversation()

    def test_hearsay_does_not_shorten_its_own_word(self) -> None:
        conversation = Conversation().with_opt_out("mark0", NOON)
        assert conversation.with_opt_out("mark0", after(1), heard=True) is conversation

    def test_its_own_word_outlasts_hearsay(self) -> None:
        conversation = Conversation().with_opt_out("mark0", NOON, heard=True).with_opt_out("mark0", after(1))
        assert conversation.has_opted_out("mark0", NOON + LONG)

    def test_hearsay_again_within_the_day_is_no_news(self) -> None:
        conversation = Conversation().with_opt_out("mark0", NOON, heard=True)
        assert conversation.with_opt_out("mark0", after(1), heard=True) is conversation

    def test_hearsay_after_the_day_holds_for_another(self) -> None:
        conversation = Conversation().with_opt_out("mark0", NOON, heard=True)
        again = conversation.with_opt_out("mark0", NOON + DAY, heard=True)
        assert again.has_opted_out("mark0", NOON + 2 * DAY - MOMENT)


class TestReceived:
    """A text that came once may come again."""

    def test_it_is_known_by_the_providers_id(self) -> None:
        conversation = Conversation().with_received("SM1", "mark0", NOON, answered=False)
        assert conversation.has_received("SM1")
        assert not conversation.has_received("SM2")

    def test_the_newest_fifty_are_remembered(self) -> None:
        conversation = Conversation()
        for number in range(REMEMBERED + 3):
            conversation = conversation.with_received(f"SM{number}", "mark0", NOON, answered=False)
        known = [number for number in range(REMEMBERED + 3) if conversation.has_received(f"SM{number}")]
        assert known == list(range(3, REMEMBERED + 3))


class TestAnswers:
    """Two machines must not answer each other for ever."""

    def answered(self, count: int, phone: str = "mark0", *, answered: bool = True) -> Conversation:
        """So many texts of a phone, one a minute."""
        conversation = Conversation()
        for number in range(count):
            conversation = conversation.with_received(f"{phone}{number}", phone, after(number), answered=answered)
        return conversation

    @pytest.mark.parametrize(("count", "may"), [(0, True), (4, True), (5, False), (6, False)])
    def test_five_an_hour(self, count: int, *, may: bool) -> None:
        assert self.answered(count).may_answer("mark0", after(count)) is may

    def test_the_sixth_follows_an_hour_after_the_first(self) -> None:
        conversation = self.answered(5)
        assert not conversation.may_answer("mark0", after(60) - MOMENT)
        assert conversation.may_answer("mark0", after(60))

    def test_each_phone_has_five_of_its_own(self) -> None:
        assert self.answered(5).may_answer("mark1", after(5))

    def test_what_was_not_answered_counts_for_nothing(self) -> None:
        assert self.answered(20, answered=False).may_answer("mark0", after(20))

    @given(st.lists(st.tuples(st.sampled_from(["mark0", "mark1"]), st.integers(0, 120)), max_size=300))
    def test_never_more_than_five_in_any_hour_however_many_texts_come(self, texts: list[tuple[str, int]]) -> None:
        conversation, now = Conversation(), NOON
        answers: list[tuple[str, datetime]] = []
        for number, (phone, seconds) in enumerate(texts):
            now += timedelta(seconds=seconds)
            if may := conversation.may_answer(phone, now):
                answers.append((phone, now))
            conversation = conversation.with_received(f"SM{number}", phone, now, answered=may)
        for phone, first in answers:
            within = [at for other, at in answers if other == phone and first <= at < first + timedelta(hours=1)]
            assert len(within) <= ANSWERS_AN_HOUR

    def test_a_flood_of_other_texts_makes_no_answer_forgotten(self) -> None:
        conversation = self.answered(5)
        for number in range(REMEMBERED):
            conversation = conversation.with_received(f"other{number}", "mark1", after(6), answered=False)
        assert not conversation.may_answer("mark0", after(7))

    def test_what_is_kept_is_bounded(self) -> None:
        conversation = Conversation()
        for number in range(1_000):
            may = conversation.may_answer("mark0", after(number))
            conversation = conversation.with_received(f"SM{number}", "mark0", after(number), answered=may)
        assert len(conversation.received) <= REMEMBERED + ANSWERS_AN_HOUR
