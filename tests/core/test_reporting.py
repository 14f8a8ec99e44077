"""What follows from the provider's word on a text: it moves a page forward, and a failure wakes somebody else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.alert import Severity
from notifier.core.events import Alerted, Decision, Reported
from notifier.core.incident import DeliveryState
from notifier.core.ledger import Ledger
from notifier.core.moments import next_page_due
from notifier.core.outcome import Outcome, Result
from notifier.core.report import Progress, Report
from tests.builders import (
    ALL_CHANNELS,
    NOON,
    POLICY,
    SHIPPED,
    a_claim,
    acknowledge,
    an_alert,
    decide,
    delivery,
    full,
    known,
    listed,
    opened,
    recorded,
    report,
    settle,
    settle_all,
    states,
    texting,
    tick,
)

PAGE = "opened/sms/0/1"
SECOND = "opened/sms/1/1"
AGAIN = "opened/sms/0/2"
ONE_PHONE = SHIPPED.deployed(ALL_CHANNELS, texting(1))
THREE_PHONES = SHIPPED.deployed(ALL_CHANNELS, texting(3))
FINAL = (Progress.DELIVERED, Progress.FAILED)
OFF: dict[str, Any] = {"trouble": "30003: the phone is off or out of reach", "passes": True}
LANDLINE: dict[str, Any] = {"trouble": "30006: this number takes no texts"}


def after(**length: float) -> datetime:
    return NOON + timedelta(**length)


def failed(before: Decision, now: datetime = NOON, **fields: Any) -> Decision:
    """The provider says at `now` that a text did not arrive."""
    return report(before, Progress.FAILED, now, **{**LANDLINE, **fields})


def sent() -> Decision:
    """A page that the provider took under a name of its own, and all else of its incident sent."""
    first = opened()
    return decide(settle_all(first, provider_id="SM1"), first.incident, first.ledger)


def lost() -> Decision:
    """All sent, but of the page nobody knows."""
    first = opened()
    ends = {key: Outcome(Result.UNKNOWN if key == PAGE else Result.SENT) for key in first.send}
    return decide(settle(first, ends), first.incident, first.ledger)


def thought_unsent(*, ledger: Ledger | None = None) -> Decision:
    """Two lists did not show the page; there was no time left to send it again, or no room in `ledger`."""
    once = listed(lost(), now=after(seconds=30))
    return listed(once, now=after(seconds=60), send_seconds=7 if ledger else -1, ledger=ledger)


class TestForward:
    """Reports come in any order, and more than once."""

    @pytest.mark.parametrize("known_before", Progress)
    @pytest.mark.parametrize("news", Progress)
    def test_a_report_is_heeded_only_where_it_says_more(self, known_before: Progress, news: Progress) -> None:
        before = report(sent(), known_before, policy=ONE_PHONE)
        step = report(before, news, after(seconds=1), policy=ONE_PHONE)
        further = list(Progress).index(news) > list(Progress).index(known_before)
        if further and known_before not in FINAL:
            assert delivery(step, PAGE).report is news
        else:
            assert (step.incident, step.ledger, step.send) == (before.incident, before.ledger, ())

    @given(st.lists(st.sampled_from(Progress), min_size=1, max_size=8))
    def test_the_first_last_word_stands_and_before_it_the_furthest(self, words: list[Progress]) -> None:
        decision = sent()
        for second, word in enumerate(words):
            decision = report(decision, word, after(seconds=second))
        ends = [word for word in words if word in FINAL]
        furthest = max(words, key=list(Progress).index)
        assert delivery(decision, PAGE).report is (ends[0] if ends else furthest)
        assert (states(decision)[PAGE] == "failed") is (ends[:1] == [Progress.FAILED])

    @given(st.lists(st.sampled_from(Progress), max_size=6))
    def test_however_often_it_failed_one_other_phone_is_paged(self, words: list[Progress]) -> None:
        decision = failed(sent())
        for second, word in enumerate(words):
            decision = report(decision, word, after(seconds=second))
        assert [key for key in known(decision).deliveries if "/sms/" in key] == [PAGE, SECOND]

    def test_delivered_is_written_down(self) -> None:
        done = report(sent(), Progress.DELIVERED)
        assert known(done).history[-1].text == "phone 1 has got the text"
        assert states(done)[PAGE] == "sent"

    def test_what_says_no_more_than_that_it_is_on_its_way_is_not_written_down(self) -> None:
        assert known(report(sent(), Progress.SENT)).history == known(sent()).history

    def test_the_ledger_is_not_written_for_what_was_known_to_be_out(self) -> None:
        before = sent()
        for progress in Progress:
            assert report(before, progress, policy=ONE_PHONE).ledger is before.ledger


class TestBeforeTheRecord:
    """The provider is quicker than the request that sent it, or that died."""

    @pytest.mark.parametrize("progress", [Progress.TAKEN, Progress.SENT, Progress.DELIVERED])
    def test_it_settles_the_page(self, progress: Progress) -> None:
        page = delivery(report(opened(), progress, text_id="SM7"), PAGE)
        assert (page.state.value, page.due_at, page.provider_id) == ("sent", None, "SM7")

    def test_it_says_where_that_is_known_from(self) -> None:
        early = report(opened(), Progress.TAKEN)
        assert known(early).history[-1].text == "phone 1 texted (its delivery report came)"

    @pytest.mark.parametrize("progress", Progress)
    @pytest.mark.parametrize("result", Result)
    def test_the_record_changes_nothing_then(self, progress: Progress, result: Result) -> None:
        first = opened()
        early = report(first, progress, **LANDLINE if progress is Progress.FAILED else {})
        event = settle(first, {PAGE: Outcome(result, "as it happens", elsewhere=True)})
        late = decide(event, early.incident, early.ledger)
        assert (delivery(late, PAGE), late.ledger) == (delivery(early, PAGE), early.ledger)

    def test_the_next_phone_counts_from_its_claim(self) -> None:
        early = report(opened(), Progress.TAKEN, after(seconds=9))
        assert next_page_due(known(early), POLICY) == after(minutes=15)

    def test_nobody_reads_the_list_for_it_when_its_lease_ends(self) -> None:
        early = report(opened(), Progress.TAKEN, after(seconds=9))
        assert tick(early, after(seconds=31)).look_up == ()

    def test_of_the_second_try_it_comes_under_another_name(self) -> None:
        """The first try was made, failed at once and had a name already; the second is on its way."""
        first = opened()
        event = settle(first, {PAGE: Outcome(Result.RETRY, "30001: full", provider_id="SM1")}, second_try=True)
        second = decide(event, first.incident, first.ledger)
        assert delivery(second, PAGE).attempts == 2
        early = report(second, Progress.DELIVERED, after(seconds=1), number=2, text_id="SM2")
        assert (states(early)[PAGE], delivery(early, PAGE).provider_id) == ("sent", "SM2")


class TestThoughtUnsent:
    """Nobody found the text, and then it came all the same."""

    @pytest.mark.parametrize("progress", [Progress.TAKEN, Progress.SENT, Progress.DELIVERED])
    def test_it_settles_a_page_that_is_to_be_sent_again(self, progress: Progress) -> None:
        pending = thought_unsent()
        assert states(pending)[PAGE] == "pending"
        found = report(pending, progress, after(seconds=61))
        assert (states(found)[PAGE], found.send) == ("sent", ())
        assert PAGE not in tick(found, after(seconds=90)).send

    def test_it_settles_a_page_that_waits_for_room(self) -> None:
        capped = thought_unsent(ledger=full(5))
        assert (states(capped)[PAGE], known(capped).waiting_since) == ("capped", after(seconds=60))
        found = report(capped, Progress.DELIVERED, after(seconds=70))
        assert (states(found)[PAGE], known(found).waiting_since) == ("sent", None)
        assert PAGE not in tick(found, after(hours=2)).send

    def test_it_settles_a_page_of_which_nobody_knows(self) -> None:
        found = report(lost(), Progress.DELIVERED, after(seconds=20))
        assert (states(found)[PAGE], delivery(found, PAGE).due_at) == ("sent", None)

    def test_it_counts_for_the_cap_again(self) -> None:
        pending = thought_unsent()
        assert pending.ledger.taken(after(seconds=61)) == 0
        found = report(pending, Progress.DELIVERED, after(seconds=61))
        assert found.ledger.taken(after(seconds=61)) == 1
        assert found.ledger.totals.of(NOON).texts == 1

    def again(self, result: Result) -> Decision:
        """It was sent a second time, which ended so."""
        second = listed(listed(lost(), now=after(seconds=30)), now=after(seconds=60))
        event = settle(second, {PAGE: Outcome(result, "as it happens")})
        late = a_claim(after(seconds=61), delivery(second, PAGE).claim, send_seconds=-1)
        return decide(event, second.incident, second.ledger, now=after(seconds=61), claim=late)

    @pytest.mark.parametrize("result", [Result.RETRY, Result.UNKNOWN])
    def test_a_report_on_the_first_text_settles_the_second_that_is_not_out(self, result: Result) -> None:
        found = report(self.again(result), Progress.SENT, after(seconds=62), number=1)
        assert (states(found)[PAGE], delivery(found, PAGE).due_at) == ("sent", None)

    @pytest.mark.parametrize("result", [Result.RETRY, Result.UNKNOWN])
    def test_that_the_first_text_failed_is_nothing_to_the_second(self, result: Result) -> None:
        before = self.again(result)
        assert failed(before, after(seconds=62), number=1).incident == before.incident

    def test_while_the_second_is_being_sent_it_is_left_to_its_holder(self) -> None:
        second = listed(listed(lost(), now=after(seconds=30)), now=after(seconds=60))
        assert report(second, Progress.DELIVERED, after(seconds=61), number=1).incident == second.incident


class TestStranger:
    """A report on something else than what stands there now changes nothing."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"delivery": "opened/slack"},
            {"delivery": "opened/sms/9/1"},
            {"generation": 2},
            {"generation": 0},
            {"number": 0},
            {"number": 2},
            {"number": -1},
            {"id": "SM2"},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("progress", Progress)
    def test_it_is_ignored(self, progress: Progress, changes: dict[str, Any]) -> None:
        before = sent()
        event = Reported(delivery=PAGE, generation=1, number=1, id="SM1", report=Report(progress=progress))
        event = msgspec.structs.replace(event, **changes)
        step = decide(event, before.incident, before.ledger, claim=a_claim(claim_id="report"))
        assert (step.incident, step.ledger, step.send) == (before.incident, before.ledger, ())

    @pytest.mark.parametrize("progress", Progress)
    def test_on_a_page_that_was_cancelled(self, progress: Progress) -> None:
        pending = thought_unsent()
        cancelled = acknowledge(pending, after(seconds=61))
        assert states(cancelled)[PAGE] == "cancelled"
        assert report(cancelled, progress, after(seconds=62)).incident == cancelled.incident

    @pytest.mark.parametrize("number", [0, 1])
    def test_on_a_page_that_was_never_claimed(self, number: int) -> None:
        never = decide(Alerted(an_alert()), claim=a_claim(send_seconds=-1))
        assert report(never, Progress.DELIVERED, number=number).incident == never.incident

    def test_on_an_incident_that_is_gone(self) -> None:
        event = Reported(delivery=PAGE, generation=1, number=1, id="SM1", report=Report())
        step = decide(event, None)
        assert (step.incident, step.send) == (None, ())
        assert "not in the store" in step.notes[0].text

    def test_the_log_says_why(self) -> None:
        before = sent()
        step = report(before, Progress.SENT, text_id="SM2")
        assert [note.text for note in step.notes] == [
            f"phone 1 of #{known(before).ref}: a delivery report on a text with another id"
        ]


class TestFailed:
    """It did not arrive, and will not."""

    def test_the_next_phone_is_paged_at_once(self) -> None:
        step = failed(sent(), after(minutes=1))
        assert SECOND in step.send
        assert (states(step)[PAGE], delivery(step, SECOND).phone) == ("failed", 1)

    @pytest.mark.parametrize("channel", ["slack", "discord", "email"])
    def test_the_free_channels_get_the_words_of_the_provider(self, channel: str) -> None:
        trouble = "30034: the sender is not registered for US traffic (A2P 10DLC): register it"
        step = failed(sent(), trouble=trouble)
        notice = f"notice/opened-sms-0-1-failed/{channel}"
        assert notice in step.send
        assert delivery(step, notice).words == f"NOT texted to phone 1: {trouble}; phone 2 is next"

    def test_it_still_counts_for_the_cap(self) -> None:
        before = sent()
        alone = failed(before, policy=ONE_PHONE)
        assert alone.ledger.taken(NOON) == before.ledger.taken(NOON) == 1

    def test_the_replacement_counts_as_the_page_it_replaces(self) -> None:
        before = msgspec.structs.replace(sent(), ledger=full(4))
        assert states(failed(before))[SECOND] == "claimed"

    def test_with_a_full_window_the_next_phone_waits_and_that_is_said(self) -> None:
        step = failed(msgspec.structs.replace(sent(), ledger=full(5)))
        assert states(step)[SECOND] == "capped"
        assert "notice/opened-sms-1-1-capped/slack" in step.send

    def test_without_time_to_send_the_next_phone_is_owed(self) -> None:
        before = sent()
        event = Reported(
            delivery=PAGE, generation=1, number=1, id="SM1", report=Report(progress=Progress.FAILED, trouble="gone")
        )
        late = a_claim(claim_id="report", send_seconds=-1)
        step = decide(event, before.incident, before.ledger, claim=late)
        assert (states(step)[SECOND], step.send, known(step).next_due) == ("pending", (), NOON)

    def test_an_acknowledged_incident_pages_nobody(self) -> None:
        answered = recorded(acknowledge(sent(), after(seconds=10)), now=after(seconds=10))
        step = failed(answered, after(seconds=20))
        assert SECOND not in known(step).deliveries
        assert delivery(step, "notice/opened-sms-0-1-failed/slack").words == (
            "NOT texted to phone 1: 30006: this number takes no texts;"
            " the incident is acknowledged, so no other phone is texted"
        )

    def test_nor_does_one_that_is_over(self) -> None:
        event = Alerted(an_alert(closed=True))
        over = decide(event, sent().incident, now=after(seconds=10), claim=a_claim(after(seconds=10), "closer"))
        assert SECOND not in known(failed(over, after(seconds=20))).deliveries

    def test_the_answer_to_a_report_that_was_lost_is_found_and_sent(self) -> None:
        """Its commit landed; the request sees its own claim."""
        landed = failed(sent())
        again = failed(landed)
        assert (again.send, again.incident) == (landed.send, landed.incident)

    def test_where_another_phone_was_paged_since_no_page_is_premature(self) -> None:
        step = tick(report(sent(), Progress.SENT), after(minutes=15))
        done = recorded(step, now=after(minutes=15))
        late = failed(done, after(minutes=16))
        assert not any("/sms/" in key for key in late.send)
        assert next_page_due(known(late), POLICY) == after(minutes=30)
        assert delivery(late, "notice/opened-sms-0-1-failed/slack").words.endswith("; phone 2 is paged already")

    def test_where_the_cap_holds_the_next_phone_back_it_is_not_said_to_be_paged(self) -> None:
        step = tick(report(sent(), Progress.SENT), after(minutes=15), ledger=full(5, after(minutes=15)))
        late = failed(recorded(step, now=after(minutes=15)), after(minutes=16))
        assert not any("/sms/" in key for key in late.send)
        assert delivery(late, "notice/opened-sms-0-1-failed/slack").words.endswith("; phone 2 waits for room already")

    def test_where_the_one_paged_since_has_failed_too_it_is_not_said_to_be_paged(self) -> None:
        once = msgspec.structs.replace(POLICY, sms=msgspec.structs.replace(POLICY.sms, rounds=1))
        second = recorded(tick(sent(), after(minutes=15), policy=once), now=after(minutes=15), policy=once)
        both = failed(second, after(minutes=16), delivery=SECOND, policy=once)
        late = failed(both, after(minutes=17), policy=once)
        assert delivery(late, "notice/opened-sms-0-1-failed/slack").words.endswith("; there is no other phone to text")

    @pytest.mark.parametrize(("fields", "state"), [(OFF, "claimed"), (LANDLINE, None)], ids=["passes", "for good"])
    def test_the_only_phone_is_paged_again_in_the_next_walk_if_that_may_help(
        self, fields: dict[str, Any], state: str | None
    ) -> None:
        step = failed(sent(), after(minutes=1), policy=ONE_PHONE, **fields)
        assert not any("/sms/" in key for key in step.send)
        early = tick(step, after(minutes=14), policy=ONE_PHONE)
        assert AGAIN not in states(early)
        assert states(tick(early, after(minutes=15), policy=ONE_PHONE)).get(AGAIN) == state

    @pytest.mark.parametrize(
        ("fields", "follows"),
        [(OFF, "there is no other phone to text, so it is tried again 15 min later"), (LANDLINE, "no other phone")],
        ids=["passes", "for good"],
    )
    def test_and_which_of_the_two_is_said(self, fields: dict[str, Any], follows: str) -> None:
        step = failed(sent(), policy=ONE_PHONE, **fields)
        assert follows in delivery(step, "notice/opened-sms-0-1-failed/email").words

    def test_a_dead_number_keeps_no_place(self) -> None:
        step = recorded(failed(sent()))
        later = tick(step, after(minutes=15))
        assert AGAIN not in states(later)
        assert states(later)["opened/sms/1/2"] == "claimed"

    def test_one_that_may_be_back_keeps_its_place(self) -> None:
        step = recorded(failed(sent(), **OFF))
        assert states(tick(step, after(minutes=15)))[AGAIN] == "claimed"

    def test_all_that_failed_at_once_are_tried_again_a_quarter_of_an_hour_later_and_not_at_once(self) -> None:
        """Else both walks are over before any of the phones can be back."""
        first = recorded(failed(sent(), after(seconds=10), **OFF), now=after(seconds=10))
        both = failed(first, after(seconds=20), delivery=SECOND, **OFF)
        assert not any("/sms/" in key for key in both.send)
        assert "tried again" in delivery(both, "notice/opened-sms-1-1-failed/slack").words
        done = recorded(both, now=after(seconds=20))
        assert states(tick(done, after(minutes=16)))[AGAIN] == "claimed"

    def test_so_is_one_beside_a_dead_number(self) -> None:
        first = failed(sent(), after(seconds=10), **OFF)
        dead = Outcome(Result.REJECTED, "21211: no such number")
        step = decide(
            settle(first, {SECOND: dead}),
            first.incident,
            first.ledger,
            now=after(seconds=11),
            claim=a_claim(after(seconds=11), delivery(first, SECOND).claim),
        )
        assert AGAIN not in states(step)
        assert states(tick(step, after(minutes=15)))[AGAIN] == "claimed"

    def test_the_other_that_failed_first_is_not_paged_for_it_twice(self) -> None:
        """A failure that was recorded when it was sent is reported, too, once the next phone has failed as well."""
        first = opened()
        dead = Outcome(Result.REJECTED, "30003: the phone is off", provider_id="SM1")
        ends = settle(first, {**dict.fromkeys(first.send, Outcome(Result.SENT)), PAGE: dead})
        second = decide(ends, first.incident, first.ledger)
        both = failed(recorded(second), after(seconds=20), delivery=SECOND, **OFF)
        again = failed(recorded(both, now=after(seconds=20)), after(seconds=30), **OFF)
        assert again.send == ()
        assert known(again).history == known(recorded(both, now=after(seconds=20))).history

    def test_its_report_tells_then_whether_the_phone_may_be_back(self) -> None:
        first = opened(policy=ONE_PHONE)
        dead = Outcome(Result.REJECTED, "30003: the phone is off", provider_id="SM1")
        ends = settle(first, {**dict.fromkeys(first.send, Outcome(Result.SENT)), PAGE: dead})
        step = decide(ends, first.incident, first.ledger, policy=ONE_PHONE)
        told = failed(step, after(seconds=10), policy=ONE_PHONE, **OFF)
        assert states(tick(told, after(minutes=15), policy=ONE_PHONE))[AGAIN] == "claimed"

    @pytest.mark.parametrize(
        ("progress", "state"), [(Progress.TAKEN, "failed"), (Progress.SENT, "failed"), (Progress.DELIVERED, "sent")]
    )
    def test_one_that_failed_when_it_was_made_is_out_only_if_it_arrived(self, progress: Progress, state: str) -> None:
        first = opened()
        dead = Outcome(Result.REJECTED, "30034: not registered", provider_id="SM1")
        step = decide(settle(first, {PAGE: dead}), first.incident, first.ledger)
        assert states(report(step, progress, after(seconds=1)))[PAGE] == state

    def test_a_third_phone_follows_the_second(self) -> None:
        first = failed(sent(), policy=THREE_PHONES)
        second = decide(
            settle(first, dict.fromkeys(first.send, Outcome(Result.SENT))),
            first.incident,
            first.ledger,
            claim=a_claim(claim_id=delivery(first, SECOND).claim),
            policy=THREE_PHONES,
        )
        assert "opened/sms/2/1" in failed(second, delivery=SECOND, policy=THREE_PHONES).send


class TestOptedOut:
    """The provider says that the phone has answered STOP."""

    def by_report(self) -> Decision:
        return failed(sent(), trouble="21610: this phone has answered STOP", opted_out=True)

    def by_refusal(self) -> Decision:
        first = opened()
        refused = Outcome(Result.REJECTED, "21610: this phone has answered STOP", opted_out=True)
        return decide(settle(first, {PAGE: refused}), first.incident, first.ledger)

    @pytest.mark.parametrize("way", ["by_report", "by_refusal"])
    def test_it_is_remembered_for_a_day(self, way: str) -> None:
        conversation = getattr(self, way)().ledger.conversation
        assert conversation.has_opted_out("mark0", after(hours=24) - timedelta(microseconds=1))
        assert not conversation.has_opted_out("mark0", after(hours=24))
        assert not conversation.has_opted_out("mark1", NOON)

    @pytest.mark.parametrize("way", ["by_report", "by_refusal"])
    def test_the_next_phone_is_paged_at_once_and_it_is_said(self, way: str) -> None:
        step = getattr(self, way)()
        assert SECOND in step.send
        assert delivery(step, "notice/opened-sms-0-1-failed/slack").words == (
            "NOT texted to phone 1: 21610: this phone has answered STOP; phone 2 is next"
        )

    def next_incident(self, ledger: Ledger, now: datetime = NOON) -> Decision:
        return decide(Alerted(an_alert(incident_id="web")), None, ledger, now=now, claim=a_claim(now, "other"))

    def test_the_next_incident_passes_it_over(self) -> None:
        step = self.next_incident(self.by_report().ledger)
        assert states(step) | {PAGE: "failed", SECOND: "claimed"} == states(step)
        assert delivery(step, PAGE).attempts == 0
        assert delivery(step, "notice/opened-sms-0-1-failed/email").words == (
            "NOT texted to phone 1: it has answered STOP, and takes no texts before it answers START; phone 2 is next"
        )

    def test_for_what_is_passed_over_no_slot_is_taken(self) -> None:
        ledger = self.by_refusal().ledger
        assert self.next_incident(ledger).ledger.taken(NOON) == ledger.taken(NOON) + 1

    def test_a_day_later_it_is_tried_again(self) -> None:
        assert states(self.next_incident(self.by_report().ledger, after(hours=24)))[PAGE] == "claimed"

    def test_where_all_have_opted_out_it_is_said_that_nobody_is_there(self) -> None:
        ledger = self.by_refusal().ledger
        conversation = ledger.conversation.with_opt_out("mark1", NOON)
        step = self.next_incident(msgspec.structs.replace(ledger, conversation=conversation))
        assert not any("/sms/" in key for key in step.send)
        words = delivery(step, "notice/opened-sms-1-1-failed/slack").words
        assert words.endswith("answers START; there is no other phone to text, so it is tried again 15 min later")
        assert Severity.ERROR in {note.severity for note in step.notes if "NOT texted to phone 2" in note.text}

    def test_once_it_has_answered_start_it_is_paged_at_its_next_turn(self) -> None:
        alone = msgspec.structs.replace(POLICY, texting=texting(1))
        conversation = Ledger().conversation.with_opt_out("mark0", NOON)
        first = decide(Alerted(an_alert()), None, Ledger(conversation=conversation), policy=alone)
        assert states(first)[PAGE] == "failed"
        quiet = recorded(first, policy=alone)
        assert not any("/sms/" in key for key in tick(quiet, after(minutes=14), ledger=Ledger(), policy=alone).send)
        assert "opened/sms/0/2" in tick(quiet, after(minutes=15), ledger=Ledger(), policy=alone).send

    def test_what_the_cap_held_back_is_not_texted_to_it_either(self) -> None:
        capped = recorded(decide(Alerted(an_alert()), None, full(5)))
        step = tick(capped, after(hours=2), ledger=self.by_refusal().ledger)
        assert (states(step)[PAGE], states(step)[SECOND]) == ("failed", "claimed")

    def test_what_it_was_texted_before_stands(self) -> None:
        before = sent()
        conversation = before.ledger.conversation.with_opt_out("mark0", NOON)
        step = tick(before, after(minutes=1), ledger=msgspec.structs.replace(before.ledger, conversation=conversation))
        assert states(step)[PAGE] == "sent"

    def test_a_phone_that_is_no_longer_in_the_settings_has_no_mark(self) -> None:
        nobody = SHIPPED.deployed(ALL_CHANNELS, texting(0))
        step = failed(sent(), policy=nobody, opted_out=True)
        assert step.ledger.conversation.opted_out == {}


def test_a_report_on_a_page_in_a_digest_changes_nothing() -> None:
    capped = thought_unsent(ledger=full(5))
    page = msgspec.structs.replace(delivery(capped, PAGE), state=DeliveryState.DIGESTED)
    incident = msgspec.structs.replace(known(capped), deliveries={**known(capped).deliveries, PAGE: page})
    digested = msgspec.structs.replace(capped, incident=incident)
    assert report(digested, Progress.DELIVERED, after(seconds=70)).incident == incident
