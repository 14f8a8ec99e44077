"""What a close leads to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notifier.core.events import Alerted, Decision
from notifier.core.incident import IncidentState
from notifier.core.message import message_of
from notifier.core.outcome import Outcome, Result
from tests.builders import NOON, POLICY, a_claim, an_alert, decide, known, opened, recorded, settle, settle_all, states

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
