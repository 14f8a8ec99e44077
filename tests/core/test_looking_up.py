"""What the provider's list decides about a page that may have been sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from notifier.core.events import Alerted, Decision, Finding, Settled
from notifier.core.incident import DeliveryState, ref_of
from notifier.core.ledger import CLOCK_SKEW, WINDOW, Ledger, Unstored
from notifier.core.listing import Listing, Text
from notifier.core.looking_up import listed_since
from notifier.core.moments import next_page_due
from notifier.core.outcome import Outcome, Result
from notifier.core.report import Progress, Report
from tests.builders import (
    NOON,
    POLICY,
    a_claim,
    acknowledge,
    an_alert,
    decide,
    delivery,
    failed_report,
    known,
    listed,
    opened,
    recorded,
    report,
    settle,
    settle_all,
    states,
    tick,
)

PAGE = "opened/sms/0/1"
UNREADABLE = Listing(trouble="Twilio does not let this key read")


def after(**length: float) -> datetime:
    return NOON + timedelta(**length)


def lost(now: datetime = NOON, *, alert: object = None) -> Decision:
    """Everything sent, but of the page nobody knows."""
    first = opened(alert, now=now)  # type: ignore[arg-type]
    ends = {key: Outcome(Result.UNKNOWN if key == PAGE else Result.SENT) for key in first.send}
    return decide(settle(first, ends), first.incident, first.ledger, now=now)


def a_text(before: Decision, created_at: datetime = NOON, **fields: object) -> Text:
    """A text about this incident, as the list shows it."""
    given: dict[str, object] = {"id": "SM1", "body": f"CRITICAL: db is down #{known(before).ref}", **fields}
    return Text(created_at=created_at, **given)  # type: ignore[arg-type]


class TestFound:
    """The list shows it."""

    def test_it_was_sent_and_keeps_the_providers_id(self) -> None:
        found = listed(lost(), a_text(lost()), now=after(seconds=30))
        page = delivery(found, PAGE)
        assert (page.state.value, page.provider_id, page.due_at) == ("sent", "SM1", None)
        assert found.send == ()
        assert known(found).history[-1].text == "phone 1 texted (found in Twilio's list)"

    def test_its_slot_stays(self) -> None:
        found = listed(lost(), a_text(lost()), now=after(seconds=30))
        assert found.ledger.taken(after(seconds=30)) == 1

    def test_the_next_phone_is_paged_a_quarter_of_an_hour_after_its_claim(self) -> None:
        found = listed(lost(), a_text(lost()), now=after(seconds=30))
        assert next_page_due(known(found), POLICY) == after(minutes=15)

    def test_failed_at_the_provider_the_next_phone_is_paged_at_once_and_it_is_said(self) -> None:
        failed = a_text(lost(), report=failed_report("undelivered: the phone is switched off"))
        found = listed(lost(), failed, now=after(seconds=30))
        assert states(found)[PAGE] == "failed"
        assert "opened/sms/1/1" in found.send
        assert delivery(found, "notice/opened-sms-0-1-failed/slack").words == (
            "NOT texted to phone 1: undelivered: the phone is switched off; phone 2 is next"
        )

    def test_failed_at_the_provider_it_still_counts_for_the_cap(self) -> None:
        failed = a_text(lost(), report=failed_report("undelivered"))
        assert listed(lost(), failed, now=after(seconds=30)).ledger.taken(after(seconds=30)) == 2

    def test_found_after_two_lists_without_it_it_is_not_sent_again(self) -> None:
        once = listed(lost(), now=after(seconds=30))
        found = listed(once, a_text(once), now=after(seconds=60))
        assert states(found)[PAGE] == "sent"
        assert found.send == ()

    @pytest.mark.parametrize(("seconds", "state"), [(5, "sent"), (5.001, "unknown")])
    def test_it_may_be_made_five_seconds_before_its_claim(self, seconds: float, state: str) -> None:
        found = listed(lost(), a_text(lost(), after(seconds=-seconds)), now=after(seconds=30))
        assert states(found)[PAGE] == state

    @pytest.mark.parametrize(
        "body",
        ["CRITICAL: web is down #0000", "CRITICAL: db is down", "#{ref}X0", "{ref}"],
    )
    def test_a_text_about_something_else_is_not_it(self, body: str) -> None:
        other = a_text(lost(), body=body.replace("{ref}", known(lost()).ref))
        assert states(listed(lost(), other, now=after(seconds=30)))[PAGE] == "unknown"

    def test_answered_meanwhile_it_is_still_recorded_as_sent(self) -> None:
        ticked = tick(lost(), after(seconds=30))
        answered = acknowledge(ticked, after(seconds=31))
        ignored = listed(answered, a_text(answered), now=after(seconds=32))
        assert ignored.send == ()
        assert delivery(ignored, PAGE).due_at is None


class TestNotFound:
    """The list does not show it."""

    def test_once_proves_nothing(self) -> None:
        once = listed(lost(), now=after(seconds=30))
        assert once.send == ()
        assert states(once)[PAGE] == "unknown"
        assert delivery(once, PAGE).due_at == after(seconds=60)
        assert once.ledger.taken(after(seconds=30)) == 1

    def test_twice_thirty_seconds_apart_sends_it_again_in_the_same_request(self) -> None:
        once = listed(lost(), now=after(seconds=30))
        twice = listed(once, now=after(seconds=60))
        assert twice.send == (PAGE,)
        assert delivery(twice, PAGE).attempts == 2
        assert known(twice).history[-1].text == ("phone 1 was not texted: looked up twice at Twilio; it is sent again")

    def test_its_slot_is_given_back_and_taken_for_the_second_text(self) -> None:
        now = after(seconds=60)
        twice = listed(listed(lost(), now=after(seconds=30)), now=now)
        assert twice.ledger.taken(now) == 1
        (slot,) = twice.ledger.slots.values()
        assert slot.accepted_by == after(seconds=90)

    @pytest.mark.parametrize("severity", ["critical", "error"])
    def test_with_a_full_window_the_second_text_waits(self, severity: str) -> None:
        once = listed(lost(), now=after(seconds=30))
        full = once.ledger
        for number in range(5):
            full = full.with_slot(f"other/1/opened/sms/{number}/1", after(seconds=30), after(seconds=30))
        twice = listed(once, now=after(seconds=60), ledger=full)
        assert states(twice)[PAGE] == "capped"
        assert twice.ledger.taken(after(seconds=60)) == 5

    @pytest.mark.parametrize("seconds", [0, 29.9])
    def test_twice_in_less_is_once(self, seconds: float) -> None:
        once = listed(lost(), now=after(seconds=30))
        early = after(seconds=30 + seconds)
        twice = listed(once, now=early, asked_at=early)
        assert PAGE not in twice.send
        assert delivery(twice, PAGE).not_found_at == after(seconds=30)

    def test_the_moment_it_was_asked_counts_and_not_that_of_the_answer(self) -> None:
        """What is made while the list is read may not stand in it."""
        once = listed(lost(), now=after(seconds=30), asked_at=after(seconds=31))
        twice = listed(once, now=after(seconds=61), asked_at=after(seconds=60))
        assert PAGE not in twice.send

    def test_sent_again_and_lost_again_it_takes_two_lists_anew(self) -> None:
        twice = listed(listed(lost(), now=after(seconds=30)), now=after(seconds=60))
        event = settle(twice, {PAGE: Outcome(Result.UNKNOWN, "no answer")})
        claim = a_claim(after(seconds=61), delivery(twice, PAGE).claim)
        again = decide(event, twice.incident, twice.ledger, now=after(seconds=61), claim=claim)
        third = listed(again, now=after(seconds=90))
        assert third.send == ()
        assert delivery(third, PAGE).due_at == after(seconds=120)

    def test_its_first_text_found_late_is_the_second_ones_answer_no_more(self) -> None:
        """Made before the second claim, it is not what that one sent."""
        twice = listed(listed(lost(), now=after(seconds=30)), now=after(seconds=60))
        event = settle(twice, {PAGE: Outcome(Result.UNKNOWN, "no answer")})
        claim = a_claim(after(seconds=61), delivery(twice, PAGE).claim)
        again = decide(event, twice.incident, twice.ledger, now=after(seconds=61), claim=claim)
        assert states(listed(again, a_text(again, NOON), now=after(seconds=90)))[PAGE] == "unknown"

    def test_it_waits_for_the_end_of_the_lease(self) -> None:
        assert tick(lost(), after(seconds=29)).look_up == ()
        assert tick(lost(), after(seconds=30)).look_up == (PAGE,)

    def test_answered_meanwhile_it_is_not_sent_again(self) -> None:
        once = listed(lost(), now=after(seconds=30))
        ticked = tick(once, after(seconds=60))
        answered = acknowledge(ticked, after(seconds=61))
        twice = listed(answered, now=after(seconds=62))
        assert PAGE not in twice.send
        assert delivery(twice, PAGE).due_at is None


FINAL = timedelta(minutes=5, seconds=30)
"""After its claim a text has arrived, or has run out."""


class TestNoLastWord:
    """The provider took it, and has not said what became of it."""

    def sent(self, now: datetime = NOON) -> Decision:
        first = opened(now=now)
        return decide(settle_all(first, provider_id="SM1"), first.incident, first.ledger, now=now)

    def asked(self, before: Decision, *texts: Text, listing: Listing | None = None) -> Decision:
        return listed(before, *texts, now=NOON + FINAL, listing=listing)

    @pytest.mark.parametrize(("seconds", "looks"), [(329, False), (330, True), (86_400, True)])
    def test_it_is_looked_up_when_it_has_arrived_or_run_out(self, seconds: int, *, looks: bool) -> None:
        assert (PAGE in tick(self.sent(), after(seconds=seconds)).look_up) is looks

    @pytest.mark.parametrize("progress", [Progress.TAKEN, Progress.SENT])
    def test_a_word_that_is_not_the_last_puts_it_off_no_further(self, progress: Progress) -> None:
        told = report(self.sent(), progress, after(minutes=5))
        assert (tick(told, after(seconds=329)).look_up, tick(told, after(seconds=330)).look_up) == ((), (PAGE,))

    @pytest.mark.parametrize("progress", [Progress.DELIVERED, Progress.FAILED])
    def test_after_the_last_word_nobody_looks(self, progress: Progress) -> None:
        told = report(self.sent(), progress, after(minutes=1))
        assert PAGE not in tick(told, after(minutes=10)).look_up

    @pytest.mark.parametrize("minutes", [1, 6])
    def test_nobody_looks_once_somebody_has_answered(self, minutes: int) -> None:
        answered = recorded(acknowledge(self.sent(), after(minutes=minutes)), now=after(minutes=minutes))
        assert delivery(answered, PAGE).report_due_at is None
        assert tick(answered, after(minutes=10)).look_up == ()

    LISTS: tuple[tuple[str, Listing], ...] = (
        ("unreadable", UNREADABLE),
        ("empty", Listing()),
        *(
            (progress.value, Listing(texts=(a_text(opened(), report=Report(progress=progress, trouble="off")),)))
            for progress in Progress
        ),
    )

    @pytest.mark.parametrize("listing", [one for _, one in LISTS], ids=[name for name, _ in LISTS])
    def test_once_whatever_the_list_says(self, listing: Listing) -> None:
        once = self.asked(self.sent(), listing=listing)
        assert delivery(once, PAGE).report_due_at is None
        assert PAGE not in once.look_up
        for hours in (1, 24):
            assert PAGE not in tick(once, after(hours=hours)).look_up

    @pytest.mark.parametrize(
        ("listing", "words"),
        [
            (UNREADABLE, "Twilio says nothing (Twilio does not let this key read)"),
            (Listing(), "Twilio says nothing"),
            (Listing(texts=(a_text(opened()),)), "Twilio says no more than taken"),
            (Listing(texts=(a_text(opened(), id="SM2", report=Report(progress=Progress.DELIVERED)),)), "says nothing"),
        ],
        ids=["unreadable", "empty", "taken", "another text"],
    )
    def test_what_is_not_known_then_is_written_down(self, listing: Listing, words: str) -> None:
        once = self.asked(self.sent(), listing=listing)
        assert known(once).history[-1].text.startswith("whether phone 1 got the text is not known: ")
        assert words in known(once).history[-1].text
        assert states(once)[PAGE] == "sent"

    def test_delivered_says_the_list(self) -> None:
        once = self.asked(self.sent(), a_text(opened(), report=Report(progress=Progress.DELIVERED)))
        assert (delivery(once, PAGE).report, once.send) == (Progress.DELIVERED, ())
        assert known(once).history[-1].text == "phone 1 has got the text"

    def test_failed_says_the_list_and_the_next_phone_is_paged_at_once(self) -> None:
        once = self.asked(self.sent(), a_text(opened(), report=failed_report("30003: the phone is off")))
        assert (states(once)[PAGE], "opened/sms/1/1" in once.send) == ("failed", True)
        assert delivery(once, "notice/opened-sms-0-1-failed/slack").words == (
            "NOT texted to phone 1: 30003: the phone is off; phone 2 is next"
        )

    def test_what_it_says_of_another_try_is_nothing_to_it(self) -> None:
        failed = a_text(opened(), report=failed_report("off"))
        assert states(listed(self.sent(), failed, now=NOON + FINAL, number=2))[PAGE] == "sent"

    def test_a_report_that_came_while_the_list_was_read_stands(self) -> None:
        ticked = tick(self.sent(), NOON + FINAL)
        told = report(ticked, Progress.DELIVERED, NOON + FINAL)
        late = listed(told, a_text(opened(), report=failed_report("off")), now=NOON + FINAL)
        assert (states(late)[PAGE], late.send) == ("sent", ())

    def test_a_list_that_says_less_than_is_known_takes_nothing_back(self) -> None:
        told = report(self.sent(), Progress.SENT, after(minutes=1))
        once = self.asked(told, a_text(opened()))
        assert delivery(once, PAGE).report is Progress.SENT
        assert known(once).history[-1].text.endswith("Twilio says no more than sent")

    def test_one_that_was_found_in_the_list_is_asked_about_too(self) -> None:
        found = listed(lost(), a_text(lost()), now=after(seconds=30))
        assert delivery(found, PAGE).report_due_at == NOON + FINAL

    def test_but_not_when_it_is_found_so_late(self) -> None:
        found = listed(lost(), a_text(lost()), now=NOON + FINAL)
        assert (states(found)[PAGE], delivery(found, PAGE).report_due_at) == ("sent", None)

    def test_the_next_phone_does_not_wait_for_it(self) -> None:
        assert "opened/sms/1/1" in tick(self.sent(), after(minutes=15)).send

    def test_it_takes_no_slot_a_second_time(self) -> None:
        before = self.sent()
        assert self.asked(before, a_text(opened())).ledger == before.ledger


class TestUnreadable:
    """Nobody can tell."""

    def looked(self, seconds: float, listing: Listing = UNREADABLE) -> Decision:
        """Looked up every ten seconds until then."""
        decision = lost()
        moment = 30.0
        while moment <= seconds:
            decision = listed(decision, now=after(seconds=moment), listing=listing)
            moment += 10
        return decision

    def test_it_is_looked_up_again_after_ten_seconds(self) -> None:
        once = self.looked(30)
        assert once.send == ()
        assert delivery(once, PAGE).due_at == after(seconds=40)
        assert known(once).history[-1].text == (
            "whether phone 1 was texted cannot be looked up yet: Twilio does not let this key read"
        )

    def test_that_is_written_down_once(self) -> None:
        assert known(self.looked(60)).history == known(self.looked(30)).history

    def test_a_moment_before_five_minutes_nothing_is_sent(self) -> None:
        assert self.looked(320).send == ()

    def test_after_five_minutes_it_is_never_sent_again_and_the_next_phone_is_paged_at_once(self) -> None:
        given_up = self.looked(330)
        page = delivery(given_up, PAGE)
        assert (page.state.value, page.due_at) == ("unknown", None)
        assert "opened/sms/1/1" in given_up.send
        assert delivery(given_up, "notice/opened-sms-0-1-failed/email").words == (
            "nobody can tell whether this was texted to phone 1: Twilio's list gave no answer for 5 min"
            " (Twilio does not let this key read), so it is not sent again; phone 2 is next"
        )
        assert given_up.ledger.taken(after(seconds=330)) == 2

    def test_it_stays_unsent_whatever_comes(self) -> None:
        given_up = recorded(self.looked(330), now=after(seconds=330))
        assert PAGE not in tick(given_up, after(minutes=15)).send

    def test_texts_without_their_words_are_no_answer(self) -> None:
        empty = Listing(texts=(a_text(lost(), body=" "),))
        once = listed(lost(), now=after(seconds=30), listing=empty)
        assert delivery(once, PAGE).due_at == after(seconds=40)
        assert known(once).history[-1].text.endswith("the list shows texts without their words")

    def test_texts_without_words_of_before_its_claim_are_nothing_to_it(self) -> None:
        empty = Listing(texts=(a_text(lost(), after(seconds=-6), body=""),))
        once = listed(lost(), now=after(seconds=30), listing=empty)
        assert delivery(once, PAGE).not_found_at == after(seconds=30)

    def test_found_beside_a_text_without_words_it_is_found(self) -> None:
        both = Listing(texts=(a_text(lost(), body="", id="SM2"), a_text(lost())))
        assert states(listed(lost(), now=after(seconds=30), listing=both))[PAGE] == "sent"

    def test_a_list_that_can_be_read_again_begins_the_five_minutes_anew(self) -> None:
        readable = listed(self.looked(320), now=after(seconds=330))
        assert delivery(readable, PAGE).looked_since is None
        assert listed(readable, now=after(seconds=360), listing=UNREADABLE).send == ()


class TestOld:
    """A finding about something else than what stands there now."""

    @pytest.mark.parametrize("changes", [{"number": 0}, {"number": 2}, {"generation": 2}, {"delivery": "gone"}])
    def test_is_ignored(self, changes: dict[str, Any]) -> None:
        ticked = tick(lost(), after(seconds=30))
        judged = listed(lost(), a_text(lost()), now=after(seconds=30), **changes)
        assert judged.incident == ticked.incident

    def test_is_ignored_where_it_is_owed_again_already(self) -> None:
        """Two instances have looked; the other was first, and had no time left to send."""
        once = listed(lost(), now=after(seconds=30))
        page = msgspec.structs.replace(delivery(once, PAGE), state=DeliveryState.PENDING, not_found_at=None)
        incident = msgspec.structs.replace(known(once), deliveries={**known(once).deliveries, PAGE: page})
        finding = Finding(delivery=PAGE, generation=1, number=1, asked_at=after(seconds=60), listing=Listing())
        event = Settled(findings=(finding,), second_try=False)
        now = after(seconds=60)
        judged = decide(event, incident, Ledger(), now=now, claim=a_claim(now, "second", send_seconds=-1))
        assert judged.incident == incident

    def test_settles_it_where_somebody_else_did_not_find_it(self) -> None:
        """Two instances have looked; the other was first and too early, and had no time left to send it again."""
        once = listed(lost(), now=after(seconds=30))
        page = msgspec.structs.replace(delivery(once, PAGE), state=DeliveryState.PENDING, not_found_at=None)
        incident = msgspec.structs.replace(known(once), deliveries={**known(once).deliveries, PAGE: page})
        listing = Listing(texts=(a_text(lost()),))
        finding = Finding(delivery=PAGE, generation=1, number=1, asked_at=after(seconds=60), listing=listing)
        now = after(seconds=60)
        judged = decide(Settled(findings=(finding,), second_try=False), incident, Ledger(), now=now)
        assert (states(judged)[PAGE], judged.send) == ("sent", ())
        assert judged.ledger.taken(now) == 1

    def test_is_ignored_where_it_is_known_to_be_sent(self) -> None:
        sent = recorded(opened())
        event = Settled(
            findings=(
                Finding(delivery=PAGE, generation=1, number=1, asked_at=NOON, listing=Listing(texts=(a_text(sent),))),
            ),
            second_try=False,
        )
        assert decide(event, sent.incident, sent.ledger).incident == sent.incident


class TestLookFirst:
    """A critical alert first stored late may have been texted without the store."""

    LATE = an_alert(started_at=NOON - timedelta(minutes=2))

    def late(self, *texts: Text, listing: Listing | None = None, started: timedelta = timedelta(minutes=2)) -> Decision:
        first = opened(an_alert(started_at=NOON - started))
        assert first.look_up == (PAGE,)
        finding = Finding(delivery=PAGE, generation=1, number=0, asked_at=NOON, listing=listing or Listing(texts=texts))
        event = Settled(findings=(finding,), second_try=False)
        return decide(event, first.incident, first.ledger)

    @pytest.mark.parametrize(("seconds", "looks"), [(5, False), (6, True)])
    def test_over_five_seconds_old_it_is_looked_up(self, seconds: int, *, looks: bool) -> None:
        first = opened(an_alert(started_at=NOON - timedelta(seconds=seconds)))
        assert (first.look_up == (PAGE,)) is looks
        assert (PAGE in first.send) is not looks

    def test_the_free_channels_do_not_wait_for_that(self) -> None:
        assert set(opened(self.LATE).send) == {"opened/slack", "opened/discord", "opened/email"}

    def test_while_it_is_looked_up_it_holds_no_slot(self) -> None:
        assert opened(self.LATE).ledger.taken(NOON) == 0

    def test_so_is_any_while_the_store_was_down_within_the_hour(self) -> None:
        assert decide(Alerted(an_alert()), ledger=Ledger(down_at=NOON)).look_up == (PAGE,)

    def test_of_a_later_generation_without_a_start_nobody_could_tell(self) -> None:
        """Its list is read for the cap; a text in it is no reason for silence."""
        closed = recorded(decide(Alerted(an_alert(closed=True)), recorded(opened()).incident))
        claim = a_claim(claim_id="other")
        again = decide(Alerted(an_alert()), closed.incident, Ledger(down_at=NOON), claim=claim)
        finding = Finding(
            delivery=PAGE, generation=2, number=0, asked_at=NOON, listing=Listing(texts=(a_text(opened()),))
        )
        event = Settled(findings=(finding,), second_try=False)
        assert PAGE in decide(event, again.incident, again.ledger, claim=claim).send

    def test_one_list_without_it_is_enough(self) -> None:
        after_look = self.late()
        assert PAGE in after_look.send
        assert delivery(after_look, PAGE).attempts == 1
        assert after_look.ledger.taken(NOON) == 1

    @pytest.mark.parametrize("listing", [Listing(), UNREADABLE])
    def test_an_instance_that_knows_it_texted_is_believed_until_two_lists_say_no(self, listing: Listing) -> None:
        """The list is late, or cannot be read: the text is out, for all that instance knows."""
        ledger = Ledger().with_outage(NOON, [Unstored(key=known(opened()).key, phone=0, at=NOON)], NOON)
        first = decide(Alerted(self.LATE), ledger=ledger)
        finding = Finding(delivery=PAGE, generation=1, number=0, asked_at=NOON, listing=listing)
        event = Settled(findings=(finding,), second_try=False)
        judged = decide(event, first.incident, first.ledger)
        assert states(judged)[PAGE] == "unknown"
        assert not any("/sms/" in key for key in judged.send)

    def test_after_two_lists_that_say_no_it_is_sent(self) -> None:
        ledger = Ledger().with_outage(NOON, [Unstored(key=known(opened()).key, phone=0, at=NOON)], NOON)
        first = decide(Alerted(self.LATE), ledger=ledger)
        finding = Finding(delivery=PAGE, generation=1, number=0, asked_at=NOON, listing=Listing())
        once = decide(Settled(findings=(finding,), second_try=False), first.incident, first.ledger)
        twice = listed(once, now=after(seconds=30))
        assert (states(twice)[PAGE], PAGE in twice.send) == ("claimed", True)

    def test_a_list_that_cannot_be_read_is_no_reason_for_silence(self) -> None:
        after_look = self.late(listing=UNREADABLE)
        assert PAGE in after_look.send
        assert known(after_look).history[-1].text == (
            "could not look whether phone 1 was texted without the store: Twilio does not let this key read"
        )

    def test_found_it_is_not_sent(self) -> None:
        text = a_text(opened(self.LATE), NOON - timedelta(minutes=1))
        after_look = self.late(text)
        assert (states(after_look)[PAGE], delivery(after_look, PAGE).provider_id) == ("sent", "SM1")
        assert PAGE not in after_look.send
        assert delivery(after_look, PAGE).claimed_at == text.created_at
        assert known(after_look).history[-1].text == (
            "phone 1 texted (found in Twilio's list: sent while the state store was unreachable)"
        )

    def test_found_it_counts_for_the_cap(self) -> None:
        text = a_text(opened(self.LATE), NOON - timedelta(minutes=1))
        assert self.late(text).ledger.taken(NOON) == 1

    def test_the_next_phone_is_counted_from_that_text(self) -> None:
        text = a_text(opened(self.LATE), NOON - timedelta(minutes=1))
        assert known(self.late(text)).next_due == NOON + timedelta(seconds=30)  # the end of the others' lease
        done = recorded(msgspec.structs.replace(self.late(text), send=opened(self.LATE).send))
        assert next_page_due(known(done), POLICY) == NOON + timedelta(minutes=14)

    def test_lost_afterwards_it_takes_two_lists_like_any_other(self) -> None:
        sent = self.late()
        event = settle(sent, {PAGE: Outcome(Result.UNKNOWN, "no answer")})
        unknown = decide(event, sent.incident, sent.ledger)
        assert PAGE not in listed(unknown, now=after(seconds=30)).send

    def test_a_page_of_an_expired_generation_is_not_taken_for_one_of_the_next(self) -> None:
        """Opened again with the same start: the old page is younger than that, and carries the ref of generation 1."""
        alert = an_alert(started_at=NOON)
        first = recorded(opened(alert))
        over = recorded(tick(first, after(days=8)), now=after(days=8))
        now = after(days=9)
        again = decide(Alerted(alert), over.incident, now=now, claim=a_claim(now, "again"))
        assert again.look_up == (PAGE,)
        finding = Finding(
            delivery=PAGE, generation=2, number=0, asked_at=now, listing=Listing(texts=(a_text(first, NOON),))
        )
        event = Settled(findings=(finding,), second_try=False)
        sent = decide(event, again.incident, again.ledger, now=now, claim=a_claim(now, "again"))
        assert PAGE in sent.send

    @pytest.mark.parametrize(("seconds", "sent"), [(29, True), (30, False)])
    def test_what_the_generation_before_had_under_way_is_not_this_one(self, seconds: int, *, sent: bool) -> None:
        """Without the store both carry the ref of generation 1; half a minute after the resolve it is the next's."""
        over = recorded(decide(Alerted(an_alert(closed=True)), recorded(opened()).incident))
        now, claim = after(minutes=5), a_claim(after(minutes=5), "other")
        again = decide(Alerted(an_alert(started_at=after(seconds=1))), over.incident, Ledger(), now=now, claim=claim)
        text = a_text(opened(), after(seconds=seconds))
        finding = Finding(delivery=PAGE, generation=2, number=0, asked_at=now, listing=Listing(texts=(text,)))
        event = Settled(findings=(finding,), second_try=False)
        looked = decide(event, again.incident, again.ledger, now=now, claim=claim)
        assert (PAGE in looked.send) is sent

    def test_a_page_the_road_itself_sent_is_not_this_one(self) -> None:
        """Its slot says whose it is."""
        over = recorded(decide(Alerted(an_alert(closed=True)), recorded(opened()).incident))
        ledger = Ledger().with_slot(f"{known(over).key}/1/{PAGE}", after(minutes=4), after(minutes=4))
        now, claim = after(minutes=5), a_claim(after(minutes=5), "other")
        again = decide(Alerted(an_alert(started_at=after(seconds=1))), over.incident, ledger, now=now, claim=claim)
        text = a_text(opened(), after(minutes=4))
        finding = Finding(delivery=PAGE, generation=2, number=0, asked_at=now, listing=Listing(texts=(text,)))
        event = Settled(findings=(finding,), second_try=False)
        assert PAGE in decide(event, again.incident, again.ledger, now=now, claim=claim).send

    def test_what_the_list_showed_is_good_for_a_minute(self) -> None:
        late = self.late()
        page = msgspec.structs.replace(delivery(late, PAGE), attempts=0, state=DeliveryState.PENDING, due_at=NOON)
        incident = msgspec.structs.replace(known(late), deliveries={**known(late).deliveries, PAGE: page})
        waiting = msgspec.structs.replace(late, incident=incident)
        assert PAGE in tick(waiting, after(seconds=59)).send
        assert tick(waiting, after(seconds=60)).look_up == (PAGE,)

    def test_held_back_by_the_cap_it_is_looked_up_when_there_is_room(self) -> None:
        full = Ledger()
        for number in range(5):
            full = full.with_slot(f"other/1/opened/sms/{number}/1", NOON, NOON)
        held = recorded(decide(Alerted(self.LATE), None, full))
        assert states(held)[PAGE] == "capped"
        assert tick(held, after(hours=2)).look_up == (PAGE,)

    def test_at_the_cap_nobody_is_told_that_it_was_not_texted_when_an_instance_says_it_was(self) -> None:
        ledger = Ledger().with_outage(NOON, [Unstored(key=known(opened()).key, phone=0, at=NOON)], NOON)
        for number in range(4):
            ledger = ledger.with_slot(f"other/1/opened/sms/{number}/1", NOON, NOON)
        late = decide(Alerted(self.LATE), None, ledger)
        assert (states(late)[PAGE], late.look_up) == ("unknown", (PAGE,))
        assert not any("capped" in key for key in states(late))


class TestListed:
    """Texts that went out without the store count for the cap."""

    def others(self, count: int, created_at: datetime = NOON) -> tuple[Text, ...]:
        return tuple(
            Text(id=f"SM{number}", created_at=created_at, body=f"CRITICAL: web #{ref_of(str(number), 1)}")
            for number in range(count)
        )

    def test_each_that_no_slot_stands_for_takes_one(self) -> None:
        now = after(seconds=30)
        assert listed(lost(), *self.others(3), a_text(lost(), id="SM9"), now=now).ledger.taken(now) == 4

    def test_once_however_often_it_is_listed(self) -> None:
        once = listed(lost(), *self.others(3), now=after(seconds=30))
        twice = listed(once, *self.others(3), now=after(seconds=40), asked_at=after(seconds=40))
        assert twice.ledger == once.ledger

    def test_our_own_is_no_other(self) -> None:
        found = listed(lost(), a_text(lost()), now=after(seconds=30))
        assert found.ledger == lost().ledger

    def test_one_without_words_stands_for_a_slot_of_the_same_phone(self) -> None:
        empty = Listing(texts=(a_text(lost(), body=""),))
        assert listed(lost(), now=after(seconds=30), listing=empty).ledger == lost().ledger

    def test_two_without_words_are_two(self) -> None:
        empty = Listing(texts=(a_text(lost(), body=""), a_text(lost(), body="", id="SM2")))
        assert listed(lost(), now=after(seconds=30), listing=empty).ledger.taken(after(seconds=30)) == 2

    def test_to_another_phone_it_is_another_text(self) -> None:
        ledger = Ledger().with_slot(f"{known(lost()).key}/1/opened/sms/1/1", NOON, NOON)
        assert ledger.with_listed((a_text(lost()),), 0, NOON).taken(NOON) == 2
        assert ledger.with_listed((a_text(lost()),), 1, NOON) is ledger

    def test_made_long_after_a_slots_lease_it_is_another_text(self) -> None:
        ledger = Ledger().with_slot(f"{known(lost()).key}/1/{PAGE}", NOON, NOON)
        late = a_text(lost(), NOON + CLOCK_SKEW + timedelta(seconds=1))
        assert ledger.with_listed((late,), 0, NOON + timedelta(minutes=1)).taken(NOON) == 2

    def test_without_a_ref_no_pager_wrote_it(self) -> None:
        chat = Text(id="SM5", created_at=NOON, body="Lunch at 12?")
        assert listed(lost(), chat, now=after(seconds=30)).ledger == lost().ledger

    def test_older_than_an_hour_it_counts_no_longer(self) -> None:
        now = after(seconds=30)
        old = self.others(1, now - WINDOW - CLOCK_SKEW)
        assert listed(lost(), *old, now=now).ledger.taken(now) == 1

    def test_at_the_cap_the_page_waits(self) -> None:
        first = opened(an_alert(started_at=NOON - timedelta(minutes=2)))
        finding = Finding(delivery=PAGE, generation=1, number=0, asked_at=NOON, listing=Listing(texts=self.others(5)))
        event = Settled(findings=(finding,), second_try=False)
        assert states(decide(event, first.incident, first.ledger))[PAGE] == "capped"

    def test_the_list_is_read_as_far_back_as_the_cap_counts(self) -> None:
        assert listed_since(known(lost()), PAGE, after(seconds=30)) <= after(seconds=30) - WINDOW - CLOCK_SKEW

    def test_and_to_the_claim_of_an_older_page(self) -> None:
        assert listed_since(known(lost()), PAGE, after(hours=5)) == NOON - timedelta(seconds=5)

    def test_and_to_the_start_of_one_that_was_never_claimed(self) -> None:
        first = opened(an_alert(started_at=NOON - timedelta(hours=3)))
        assert listed_since(known(first), PAGE, NOON) == NOON - timedelta(hours=3, seconds=5)
