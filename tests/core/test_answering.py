"""What a close leads to, and what an answer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notifier.core.answering import answerer
from notifier.core.events import Acknowledged, Alerted, Decision, Settled
from notifier.core.incident import IncidentState
from notifier.core.message import message_of
from notifier.core.outcome import Outcome, Result
from tests.builders import (
    NOON,
    POLICY,
    a_claim,
    acknowledge,
    an_alert,
    decide,
    delivery,
    known,
    opened,
    recorded,
    settle,
    settle_all,
    states,
    tick,
)

CLOSE = an_alert(closed=True)
LATER = NOON + timedelta(minutes=12)


def closed(before: Decision, alert: object = CLOSE) -> Decision:
    """The close arrives in a request of its own, twelve minutes later."""
    event = Alerted(alert)  # type: ignore[arg-type]
    return decide(event, before.incident, before.ledger, now=LATER, claim=a_claim(LATER, "closer"))


def test_the_channels_that_heard_of_it_hear_that_it_is_over_but_not_the_phone() -> None:
    after = closed(recorded(opened()))
    assert set(after.send) == {"resolved/slack", "resolved/discord", "resolved/email"}
    assert known(after).state is IncidentState.RESOLVED


def test_the_end_says_how_long_it_lasted() -> None:
    message = message_of(known(closed(recorded(opened()))), "resolved/slack", POLICY)
    assert message.headline == "RESOLVED after 12 min: db is down"


def test_a_resolved_incident_is_kept_fourteen_days() -> None:
    assert known(closed(recorded(opened()))).expire_at == LATER + timedelta(days=14)


def test_what_was_not_sent_yet_is_cancelled() -> None:
    nothing_sent = decide(Alerted(an_alert()), claim=a_claim(send_seconds=-1))
    after = closed(nothing_sent)
    assert set(states(after).values()) == {"cancelled"}
    assert known(after).next_due is None
    assert after.send == ()


def test_a_text_that_may_have_gone_out_stays_known_as_such() -> None:
    first = opened()
    event = settle(first, {"opened/sms/0/1": Outcome(Result.UNKNOWN, "no answer")})
    unknown = decide(event, first.incident, first.ledger)
    after = closed(unknown)
    assert states(after)["opened/sms/0/1"] == "unknown"
    assert known(after).deliveries["opened/sms/0/1"].due_at is None


def test_a_page_the_cap_holds_back_is_cancelled() -> None:
    ledger = opened().ledger
    for number in range(4):
        ledger = decide(Alerted(an_alert(incident_id=str(number))), None, ledger).ledger
    capped = recorded(decide(Alerted(an_alert(incident_id="sixth")), None, ledger))
    after = closed(capped, an_alert(incident_id="sixth", closed=True))
    assert states(after)["opened/sms/0/1"] == "cancelled"
    assert known(after).waiting_since is None


def test_what_is_being_sent_is_left_to_its_holder() -> None:
    in_the_middle = opened()
    after = closed(in_the_middle)
    assert set(states(after).values()) == {"claimed"}
    assert after.send == ()


def test_a_delivery_found_sent_after_the_resolve_owes_its_channel_the_end() -> None:
    in_the_middle = opened()
    after = closed(in_the_middle)
    settled = decide(settle_all(in_the_middle), after.incident, after.ledger, now=LATER, claim=a_claim(LATER))
    assert set(settled.send) == {"resolved/slack", "resolved/discord", "resolved/email"}


@pytest.mark.parametrize(("result", "state"), [(Result.RETRY, "cancelled"), (Result.UNKNOWN, "unknown")])
def test_a_send_that_failed_is_not_repeated_after_the_resolve(result: Result, state: str) -> None:
    in_the_middle = opened(an_alert("warning"))
    after = closed(in_the_middle)
    event = settle(in_the_middle, {"opened/slack": Outcome(result, "busy"), "opened/discord": Outcome(result, "busy")})
    settled = decide(event, after.incident, after.ledger, now=LATER, claim=a_claim(LATER))
    assert states(settled)["opened/slack"] == state
    assert known(settled).deliveries["opened/slack"].due_at is None


def test_a_rejected_page_goes_to_no_other_phone_after_the_resolve() -> None:
    in_the_middle = opened()
    after = closed(in_the_middle)
    event = settle(in_the_middle, {"opened/sms/0/1": Outcome(Result.REJECTED, "no such number")})
    settled = decide(event, after.incident, after.ledger, now=LATER, claim=a_claim(LATER))
    assert "opened/sms/1/1" not in known(settled).deliveries


def test_a_close_before_its_open_is_remembered_and_told_nowhere() -> None:
    early = decide(Alerted(an_alert(closed=True, started_at=NOON)))
    assert known(early).state is IncidentState.RESOLVED
    assert (early.send, states(early)) == ((), {})
    late_open = decide(Alerted(an_alert(started_at=NOON)), early.incident, claim=a_claim(claim_id="other"))
    assert late_open.send == ()


def test_a_second_close_changes_nothing() -> None:
    first = recorded(closed(recorded(opened())))
    assert closed(first).incident == first.incident
    assert closed(first).send == ()


def test_a_close_of_an_earlier_generation_leaves_the_later_one_open() -> None:
    first = recorded(opened(an_alert(started_at=NOON)))
    after = closed(first, an_alert(closed=True, started_at=NOON - timedelta(hours=1)))
    assert after.incident == first.incident
    assert "late" in after.notes[0].text


def test_the_end_is_found_again_after_a_lost_answer() -> None:
    first = closed(recorded(opened()))
    again = closed(first)
    assert (again.send, again.incident) == (first.send, first.incident)


def test_a_close_that_landed_before_does_not_close_the_next_generation() -> None:
    """Its answer was lost, and somebody opened the incident anew before this request looked again."""
    first = recorded(opened())
    landed = recorded(closed(first))
    anew = recorded(decide(Alerted(an_alert()), landed.incident, landed.ledger, claim=a_claim(claim_id="opener")))
    assert known(anew).generation == 2
    again = decide(Alerted(CLOSE, generation=1), anew.incident, anew.ledger, now=LATER, claim=a_claim(LATER, "closer"))
    assert (again.send, again.incident) == ((), anew.incident)


def test_a_close_of_the_test_notification_is_told_like_any_test() -> None:
    decision = decide(Alerted(an_alert("", "12345", test=True, closed=True)))
    assert known(decision).state is IncidentState.TEST
    assert decision.send


FREE = ("slack", "discord", "email")


class TestAcknowledgement:
    """Somebody answers."""

    def test_stops_the_pages_and_tells_who_answered_where_it_was_heard(self) -> None:
        answered = acknowledge(recorded(opened(an_alert("warning"))), LATER)
        assert known(answered).state is IncidentState.ACKNOWLEDGED
        assert answered.send == ("acknowledged/slack", "acknowledged/discord")
        message = message_of(known(answered), "acknowledged/slack", POLICY, "https://pager.example.com/a/1")
        assert message.headline == "ACKNOWLEDGED by Ana, by the link in Slack at 12:12 UTC: db is down"
        assert message.body.startswith("Nobody is paged for it any more.")
        assert message.acknowledge_url == ""

    def test_tells_no_phone(self) -> None:
        assert set(acknowledge(recorded(opened()), LATER).send) == {f"acknowledged/{channel}" for channel in FREE}

    def test_is_kept_with_who_and_when(self) -> None:
        incident = known(acknowledge(recorded(opened()), LATER))
        assert (incident.acknowledged_by, incident.acknowledged_at) == ("Ana, by the link in Slack", LATER)
        assert incident.history[-1].text == (
            "acknowledged by Ana, by the link in Slack at 12:12 UTC: no more pages, no more escalation"
        )

    def test_twice_is_once(self) -> None:
        once = recorded(acknowledge(recorded(opened()), LATER), now=LATER)
        twice = acknowledge(once, LATER + timedelta(minutes=1), claim_id="other")
        assert (twice.send, twice.incident) == ((), once.incident)
        assert twice.notes[0].text.endswith("which is acknowledged; it changes nothing")

    def test_of_what_is_resolved_changes_nothing(self) -> None:
        over = recorded(closed(recorded(opened())))
        late = acknowledge(over, LATER)
        assert (late.send, late.incident) == ((), over.incident)
        assert "which is resolved" in late.notes[0].text

    def test_of_a_test_changes_nothing(self) -> None:
        test = recorded(opened(an_alert("", test=True)))
        assert acknowledge(test, LATER).incident == test.incident

    def test_of_an_earlier_generation_leaves_the_later_one_open(self) -> None:
        over = recorded(closed(recorded(opened())))
        anew = recorded(decide(Alerted(an_alert()), over.incident, over.ledger, claim=a_claim(claim_id="opener")))
        late = acknowledge(anew, LATER, generation=1)
        assert (late.send, late.incident) == ((), anew.incident)
        assert "an earlier incident" in late.notes[0].text

    def test_of_an_incident_that_is_gone_changes_nothing(self) -> None:
        gone = decide(Acknowledged(by="Ana", generation=1))
        assert (gone.send, gone.incident) == ((), None)

    def test_cancels_what_leads_to_a_page_and_leaves_what_was_owed_from_the_beginning(self) -> None:
        busy = settle_all(opened(an_alert("warning")), Result.RETRY, detail="busy")
        late = a_claim(send_seconds=-1)
        first = decide(busy, opened(an_alert("warning")).incident, claim=late)
        climbing = tick(first, NOON + timedelta(minutes=20), send_seconds=-1)
        answered = acknowledge(climbing, NOON + timedelta(minutes=20))
        assert states(answered) == {
            "opened/slack": "claimed",
            "opened/discord": "claimed",
            "escalated/email": "cancelled",
            "escalated/sms/0/1": "cancelled",
        }

    def test_is_told_to_a_channel_that_hears_of_the_incident_only_afterwards(self) -> None:
        in_the_middle = opened(an_alert("warning"))
        answered = acknowledge(in_the_middle, NOON)
        assert answered.send == ()
        ended = decide(settle_all(in_the_middle), answered.incident, now=LATER, claim=a_claim(LATER))
        assert ended.send == ("acknowledged/slack", "acknowledged/discord")

    def test_leaves_a_text_that_is_being_sent_to_its_holder_and_tells_no_other_phone(self) -> None:
        in_the_middle = opened()
        answered = acknowledge(in_the_middle, NOON)
        event = settle(in_the_middle, {"opened/sms/0/1": Outcome(Result.REJECTED, "no such number")})
        ended = decide(event, answered.incident, answered.ledger)
        assert states(ended)["opened/sms/0/1"] == "failed"
        assert "opened/sms/1/1" not in known(ended).deliveries
        words = delivery(ended, "notice/opened-sms-0-1-failed/slack").words
        assert words.endswith("the incident is acknowledged, so no other phone is texted")

    def test_of_a_text_refused_for_a_time_ends_it(self) -> None:
        in_the_middle = opened()
        answered = acknowledge(in_the_middle, NOON)
        event = settle(in_the_middle, {"opened/sms/0/1": Outcome(Result.RETRY, "busy")}, second_try=True)
        ended = decide(event, answered.incident, answered.ledger)
        assert states(ended)["opened/sms/0/1"] == "cancelled"
        assert ended.ledger.taken(NOON) == 0
        assert "acknowledged by now, so not sent again" in known(ended).history[-1].text

    def test_is_found_again_after_a_lost_answer(self) -> None:
        landed = acknowledge(recorded(opened()), LATER)
        again = acknowledge(landed, LATER)
        assert (again.send, again.incident) == (landed.send, landed.incident)

    def test_whose_answer_was_lost_is_not_told_once_the_incident_is_over(self) -> None:
        landed = acknowledge(recorded(opened()), LATER)
        over = closed(landed)
        again = acknowledge(over, LATER)
        assert again.send == ()
        assert {states(again)[f"acknowledged/{channel}"] for channel in FREE} == {"cancelled"}

    def test_followed_by_the_resolve_is_told_as_resolved(self) -> None:
        answered = recorded(acknowledge(recorded(opened()), LATER), now=LATER)
        assert set(closed(answered).send) == {f"resolved/{channel}" for channel in FREE}

    def test_of_what_was_claimed_before_it_came_is_seen_while_a_page_is_looked_up(self) -> None:
        """The tick holds a mail and looks up a page: answered meanwhile, the mail is not sent either."""
        first = opened(an_alert("warning"))
        climbed = tick(recorded(first), NOON + timedelta(minutes=20), claim_id="ticker")
        answered = acknowledge(climbed, NOON + timedelta(minutes=20))
        nothing = Settled(second_try=False)
        ended = decide(nothing, answered.incident, answered.ledger, claim=a_claim(claim_id="ticker"))
        assert ended.send == ()
        assert ended.ledger.taken(NOON) == 0


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("Ana", "Ana"),
        ("", "somebody"),
        (" \x00 \n ", "somebody"),
        ("Ana\nPaula ", "Ana Paula"),
        ("\u202eana\u2066", "ana"),
        ("x" * 99, "x" * 59 + "…"),
    ],
)
def test_who_answered_is_said_in_one_line(name: str, who: str) -> None:
    assert answerer(name, "by the link in Slack") == f"{who}, by the link in Slack"


class TestCloseInTheMiddle:
    """It is over while something of it is being sent."""

    def test_what_may_have_been_told_is_told_the_end(self) -> None:
        in_the_middle = opened(an_alert("warning"))
        over = closed(in_the_middle)
        event = settle_all(in_the_middle, Result.UNKNOWN, detail="no answer")
        ended = decide(event, over.incident, now=LATER, claim=a_claim(LATER))
        assert ended.send == ("resolved/slack", "resolved/discord")

    def test_what_was_refused_is_told_nothing(self) -> None:
        in_the_middle = opened(an_alert("warning"))
        over = closed(in_the_middle)
        event = settle_all(in_the_middle, Result.RETRY, detail="busy")
        assert decide(event, over.incident, now=LATER, claim=a_claim(LATER)).send == ()

    def test_a_claim_nobody_records_is_told_the_end_when_its_lease_has_ended(self) -> None:
        over = closed(opened(an_alert("warning")))
        assert tick(over, LATER).send == ("resolved/slack", "resolved/discord")

    def test_notices_of_before_are_old_news(self) -> None:
        first = opened(an_alert("error"))
        refused = settle(first, {"opened/email": Outcome(Result.REJECTED, "no such mailbox")})
        failed = decide(refused, first.incident, claim=a_claim(send_seconds=-1))
        over = closed(failed)
        assert states(over)["notice/opened-email-failed/slack"] == "cancelled"

    def test_what_fails_afterwards_is_said(self) -> None:
        over = closed(recorded(opened(an_alert("error"))))
        claim = a_claim(LATER, "closer")
        event = settle(over, {"resolved/email": Outcome(Result.REJECTED, "no such mailbox")})
        assert "notice/resolved-email-failed/slack" in decide(event, over.incident, now=LATER, claim=claim).send
