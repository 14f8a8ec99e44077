"""A second provider sends what Twilio certainly did not send, and cannot."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from notifier.core.events import Decision
from notifier.core.ledger import Ledger
from notifier.core.listing import Listing, Text
from notifier.core.message import message_of
from notifier.core.moments import next_page_due
from notifier.core.outcome import Outcome, Result
from notifier.core.policy import Policy
from notifier.core.report import Progress
from tests.builders import (
    ALL_CHANNELS,
    NOON,
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
    report,
    settle,
    states,
    texting,
    tick,
)

PAGE = "opened/sms/0/1"
SECOND = "opened/sms/1/1"
WITH = SHIPPED.deployed(ALL_CHANNELS, texting(2, fallback="vonage"))
WITHOUT = SHIPPED.deployed(ALL_CHANNELS, texting(2))
ONE_PHONE = SHIPPED.deployed(ALL_CHANNELS, texting(1, fallback="vonage"))
REFUSED = Outcome(Result.REJECTED, "20003: the credentials were not accepted", elsewhere=True)
UNREADABLE = Listing(trouble="this key may not read the list")
UNREACHED = Outcome(Result.RETRY, "could not connect to api.twilio.com", elsewhere=True)


def after(**length: float) -> datetime:
    return NOON + timedelta(**length)


def ended(
    before: Decision,
    outcome: Outcome,
    now: datetime = NOON,
    *,
    policy: Policy = WITH,
    send_seconds: float = 7.0,
    ledger: Ledger | None = None,
) -> Decision:
    """The page's send ended so, all else of it in "sent"."""
    ends = {**dict.fromkeys(before.send, Outcome(Result.SENT)), PAGE: outcome}
    claim = a_claim(now, delivery(before, PAGE).claim, send_seconds)
    event = settle(before, ends, second_try=True)
    return decide(event, before.incident, ledger or before.ledger, now=now, policy=policy, claim=claim)


def elsewhere(now: datetime = NOON, *, policy: Policy = WITH, outcome: Outcome = REFUSED) -> Decision:
    """The second provider is about to send what the first could not."""
    return ended(opened(policy=policy), outcome, now, policy=policy)


class TestWhen:
    """It is used only where Twilio certainly did not send, and cannot now."""

    @pytest.mark.parametrize("outcome", [REFUSED, UNREACHED], ids=["refused", "unreached"])
    def test_the_same_phone_is_texted_by_it_in_the_same_request(self, outcome: Outcome) -> None:
        step = elsewhere(outcome=outcome)
        assert step.send == (PAGE,)
        page = delivery(step, PAGE)
        assert (page.via, page.attempts, page.phone) == ("vonage", 2, 0)
        assert SECOND not in states(step)

    @pytest.mark.parametrize("result", [Result.REJECTED, Result.RETRY])
    def test_not_for_what_is_the_phones_own_trouble(self, result: Result) -> None:
        step = ended(opened(policy=WITH), Outcome(result, "21211: no such number"))
        assert delivery(step, PAGE).via == ""

    @pytest.mark.parametrize("result", [Result.SENT, Result.UNKNOWN])
    def test_not_for_what_went_out_or_may_have(self, result: Result) -> None:
        step = ended(opened(policy=WITH), Outcome(result, "", elsewhere=True))
        assert (PAGE in step.send, delivery(step, PAGE).via) == (False, "")

    @pytest.mark.parametrize(
        ("outcome", "state"), [(REFUSED, "failed"), (UNREACHED, "claimed")], ids=["refused", "unreached"]
    )
    def test_without_one_it_is_as_ever(self, outcome: Outcome, state: str) -> None:
        step = elsewhere(policy=WITHOUT, outcome=outcome)
        assert (states(step)[PAGE], delivery(step, PAGE).via) == (state, "")

    def test_for_what_two_lists_did_not_show(self) -> None:
        lost = ended(opened(policy=WITH), Outcome(Result.UNKNOWN, "no answer"))
        once = listed(lost, now=after(seconds=30), policy=WITH)
        assert (once.send, delivery(once, PAGE).via) == ((), "")
        twice = listed(once, now=after(seconds=60), policy=WITH)
        assert (twice.send, delivery(twice, PAGE).via) == ((PAGE,), "vonage")

    def test_without_one_twilio_sends_that_again(self) -> None:
        once = listed(ended(opened(), Outcome(Result.UNKNOWN, "no answer"), policy=WITHOUT), now=after(seconds=30))
        twice = listed(once, now=after(seconds=60))
        assert (twice.send, delivery(twice, PAGE).via) == ((PAGE,), "")

    def test_not_for_what_the_list_does_show(self) -> None:
        lost = ended(opened(policy=WITH), Outcome(Result.UNKNOWN, "no answer"))
        early = report(lost, Progress.TAKEN, after(seconds=10), policy=WITH)
        assert (states(early)[PAGE], tick(early, after(seconds=31), policy=WITH).look_up) == ("sent", ())

    def test_nor_for_what_no_list_could_be_read_of(self) -> None:
        decision = ended(opened(policy=WITH), Outcome(Result.UNKNOWN, "no answer"))
        for seconds in range(30, 340, 10):
            decision = listed(decision, now=after(seconds=seconds), policy=WITH, listing=UNREADABLE)
        assert (delivery(decision, PAGE).via, delivery(decision, PAGE).due_at) == ("", None)

    def test_not_for_a_report_that_it_failed(self) -> None:
        """What was handed to a carrier was sent: the next phone is paged."""
        sent = ended(opened(policy=WITH), Outcome(Result.SENT, provider_id="SM1"))
        step = report(sent, Progress.FAILED, after(minutes=1), policy=WITH, trouble="30034: not registered")
        assert (states(step)[PAGE], delivery(step, SECOND).via) == ("failed", "")

    def test_not_for_what_somebody_has_answered_meanwhile(self) -> None:
        answered = acknowledge(opened(policy=WITH), after(seconds=1))
        event = settle(opened(policy=WITH), {PAGE: UNREACHED})
        step = decide(event, answered.incident, answered.ledger, now=after(seconds=2), policy=WITH)
        assert (states(step)[PAGE], PAGE in step.send) == ("cancelled", False)
        assert not any("vonage" in entry.text for entry in known(step).history)


class TestClaim:
    """The same cap, the same gate, the same record."""

    def test_which_provider_sends_is_durable_before_it_is_sent(self) -> None:
        step = elsewhere()
        assert (states(step)[PAGE], delivery(step, PAGE).via) == ("claimed", "vonage")
        assert message_of(known(step), PAGE, WITH).via == "vonage"

    def test_that_it_does_is_written_down_with_the_reason(self) -> None:
        assert [entry.text for entry in known(elsewhere()).history if "vonage" in entry.text] == [
            "phone 1 was not texted by Twilio (20003: the credentials were not accepted): vonage is to do it"
        ]

    def test_its_text_takes_the_slot_that_the_first_gave_back(self) -> None:
        step = elsewhere()
        assert step.ledger.taken(NOON) == 1
        assert step.ledger.totals.of(NOON).texts == 1

    def test_with_a_full_window_it_waits_and_is_still_the_second_providers(self) -> None:
        step = ended(opened(policy=WITH), REFUSED, ledger=full(5))
        assert (states(step)[PAGE], PAGE in step.send) == ("capped", False)
        released = tick(step, after(hours=2), policy=WITH, ledger=Ledger())
        assert (PAGE in released.send, delivery(released, PAGE).via) == (True, "vonage")

    def test_without_time_left_it_is_owed_at_once(self) -> None:
        step = ended(opened(policy=WITH), REFUSED, send_seconds=-1)
        assert (states(step)[PAGE], step.send, known(step).next_due) == ("pending", (), NOON)
        later = tick(step, after(minutes=1), policy=WITH)
        assert (later.send, delivery(later, PAGE).via) == ((PAGE,), "vonage")

    def test_to_a_phone_that_has_opted_out_it_sends_nothing(self) -> None:
        first = opened(policy=WITH)
        conversation = first.ledger.conversation.with_opt_out("mark0", NOON)
        step = ended(first, REFUSED, ledger=msgspec.structs.replace(first.ledger, conversation=conversation))
        assert (states(step)[PAGE], SECOND in step.send) == ("failed", True)

    def test_the_next_phone_begins_with_twilio_again(self) -> None:
        done = ended(elsewhere(), Outcome(Result.SENT), after(seconds=1))
        step = tick(done, after(minutes=15), policy=WITH)
        assert (step.send, delivery(step, SECOND).via) == ((SECOND,), "")

    def test_its_text_asks_for_no_answer_as_none_would_reach_us(self) -> None:
        policy = SHIPPED.deployed(ALL_CHANNELS, texting(2, fallback="vonage", replies=True))
        first = opened(policy=policy)
        second = ended(first, REFUSED, policy=policy)
        assert message_of(known(first), PAGE, policy).sms.endswith(" Reply ack")
        assert message_of(known(second), PAGE, policy).sms.endswith(f"#{known(second).ref}")


class TestEnd:
    """How its sending ended."""

    def test_sent_is_the_end(self) -> None:
        done = ended(elsewhere(), Outcome(Result.SENT, provider_id="V1"), after(seconds=1))
        page = delivery(done, PAGE)
        assert (page.state.value, page.provider_id, page.due_at) == ("sent", "V1", None)
        assert next_page_due(known(done), WITH) == after(minutes=15)

    def test_nobody_asks_twilio_what_became_of_it(self) -> None:
        done = ended(elsewhere(), Outcome(Result.SENT, provider_id="V1"), after(seconds=1))
        assert delivery(done, PAGE).report_due_at is None
        assert tick(done, after(minutes=6), policy=WITH).look_up == ()

    def test_refused_there_too_the_next_phone_is_paged_at_once_and_it_is_said(self) -> None:
        step = ended(elsewhere(), Outcome(Result.REJECTED, "vonage: no credit", elsewhere=True), after(seconds=1))
        assert (states(step)[PAGE], SECOND in step.send) == ("failed", True)
        assert delivery(step, "notice/opened-sms-0-1-failed/slack").words == (
            "NOT texted to phone 1: vonage: no credit; phone 2 is next"
        )

    @pytest.mark.parametrize("result", [Result.REJECTED, Result.RETRY])
    def test_where_twilio_was_only_out_of_reach_it_is_twilios_again_if_the_second_cannot_either(
        self, result: Result
    ) -> None:
        """An empty account at the second provider must not cost a page that a minute's patience would send."""
        cannot = Outcome(result, "vonage: no credit")
        step = ended(elsewhere(outcome=UNREACHED), cannot, after(seconds=1))
        assert (states(step)[PAGE], delivery(step, PAGE).via, SECOND in states(step)) == ("pending", "", False)
        assert step.ledger.taken(after(seconds=1)) == 0
        said = delivery(step, "notice/opened-sms-0-1-elsewhere/slack").words if result is Result.REJECTED else ""
        assert said == ("vonage cannot text phone 1 either: vonage: no credit; Twilio is tried again" if said else "")
        again = tick(step, after(minutes=1), policy=WITH)
        assert (PAGE in again.send, delivery(again, PAGE).via) == (True, "")

    @pytest.mark.parametrize("elsewhere_too", [False, True])
    def test_where_twilio_refused_it_never_back_to_the_first(self, *, elsewhere_too: bool) -> None:
        busy = Outcome(Result.RETRY, "vonage: throttled", elsewhere=elsewhere_too)
        step = ended(elsewhere(), busy, after(seconds=1), send_seconds=-1)
        assert (states(step)[PAGE], delivery(step, PAGE).via) == ("pending", "vonage")
        again = tick(step, after(minutes=1), policy=WITH)
        assert (PAGE in again.send, delivery(again, PAGE).via) == (True, "vonage")

    def unknown(self, policy: Policy = WITH) -> Decision:
        step = elsewhere(policy=policy)
        return ended(step, Outcome(Result.UNKNOWN, "no answer"), after(seconds=1), policy=policy)

    def no_record(self, policy: Policy = WITH) -> Decision:
        return tick(elsewhere(policy=policy), after(seconds=31), policy=policy)

    @pytest.mark.parametrize("way", ["unknown", "no_record"])
    def test_what_may_have_been_sent_there_is_never_sent_again(self, way: str) -> None:
        step = getattr(self, way)()
        assert (states(step)[PAGE], delivery(step, PAGE).due_at) == ("unknown", None)
        assert (PAGE in step.send, step.look_up) == (False, ())
        for minutes in (1, 10, 100):
            later = tick(step, after(minutes=minutes), policy=WITH)
            assert PAGE not in (*later.send, *later.look_up)

    @pytest.mark.parametrize(
        ("way", "why"),
        [("unknown", "no answer"), ("no_record", "the instance that sent it never said how it ended")],
    )
    def test_the_next_phone_is_paged_at_once_then_and_it_is_said(self, way: str, why: str) -> None:
        step = getattr(self, way)()
        assert SECOND in step.send
        assert delivery(step, "notice/opened-sms-0-1-failed/email").words == (
            f"nobody can tell whether this was texted to phone 1: {why}, and vonage cannot be asked; phone 2 is next"
        )

    @pytest.mark.parametrize("way", ["unknown", "no_record"])
    def test_its_slot_is_kept_then(self, way: str) -> None:
        step = getattr(self, way)(ONE_PHONE)
        assert step.ledger.taken(after(minutes=1)) == 1

    @pytest.mark.parametrize("way", ["unknown", "no_record"])
    def test_the_only_phone_is_paged_again_when_nobody_answers(self, way: str) -> None:
        step = getattr(self, way)(ONE_PHONE)
        assert not any("/sms/" in key for key in step.send)
        assert states(tick(step, after(minutes=15), policy=ONE_PHONE))["opened/sms/0/2"] == "claimed"

    def test_when_no_phone_is_certain_the_next_walk_waits_for_an_answer_as_ever(self) -> None:
        """A provider that answers at once, and unreadably: all walks would be over within the second."""
        step, now = self.unknown(), after(seconds=1)
        for end in (UNREACHED, Outcome(Result.UNKNOWN, "no answer")):
            step = decide(settle(step, {SECOND: end}), step.incident, step.ledger, now=now, policy=WITH)
        assert (states(step)[SECOND], delivery(step, SECOND).due_at) == ("unknown", None)
        assert "opened/sms/0/2" not in states(step)
        assert delivery(step, "notice/opened-sms-1-1-failed/email").words.endswith(
            "there is no other phone to text, so it is tried again 15 min later"
        )
        assert states(tick(step, after(minutes=15, seconds=1), policy=WITH))["opened/sms/0/2"] == "claimed"

    def test_before_its_lease_ends_it_is_left_to_its_holder(self) -> None:
        assert tick(elsewhere(), after(seconds=29), policy=WITH).send == ()

    def test_answered_meanwhile_no_other_phone_is_paged(self) -> None:
        answered = acknowledge(elsewhere(), after(seconds=10))
        step = tick(answered, after(seconds=31), policy=WITH)
        assert SECOND not in states(step)
        assert (states(step)[PAGE], delivery(step, PAGE).due_at) == ("unknown", None)

    def test_that_it_was_sent_stands_when_its_record_comes_late(self) -> None:
        sending = elsewhere()
        step = tick(sending, after(seconds=31), policy=WITH)
        event = settle(sending, {PAGE: Outcome(Result.SENT, provider_id="V1")})
        late = decide(event, step.incident, step.ledger, now=after(seconds=32), policy=WITH)
        assert states(late)[PAGE] == "sent"

    def test_what_twilio_says_of_its_own_try_is_nothing_to_the_second(self) -> None:
        """Made and failed at once: the report on that comes while the other provider sends."""
        step = elsewhere()
        told = report(step, Progress.FAILED, after(seconds=1), text_id="SM1", policy=WITH, trouble="30034")
        assert (told.incident, told.send) == (step.incident, ())

    @pytest.mark.parametrize("found", [False, True])
    def test_nor_is_what_its_list_says_of_that(self, *, found: bool) -> None:
        """Two instances have looked; the other was first, and the second provider sends."""
        lost = ended(opened(policy=WITH), Outcome(Result.UNKNOWN, "no answer"))
        twice = listed(listed(lost, now=after(seconds=30), policy=WITH), now=after(seconds=60), policy=WITH)
        texts = (Text(id="SM1", created_at=NOON, body=f"CRITICAL: db is down #{known(twice).ref}"),) if found else ()
        late = listed(twice, *texts, now=after(seconds=61), policy=WITH, number=1)
        assert (late.incident, late.send) == (twice.incident, ())


def test_an_error_that_climbs_goes_the_same_way() -> None:
    first = opened(an_alert("error"), policy=WITH)
    step = tick(first, after(minutes=20), policy=WITH)
    page = "escalated/sms/0/1"
    event = settle(step, {page: REFUSED})
    claim = a_claim(after(minutes=20), delivery(step, page).claim)
    told = decide(event, step.incident, step.ledger, now=after(minutes=20), policy=WITH, claim=claim)
    assert (page in told.send, delivery(told, page).via) == (True, "vonage")
