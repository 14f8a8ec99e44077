"""Bodies we could not read: told once, at most five an hour, then counted."""

from __future__ import annotations

from datetime import timedelta

from notifier.core.events import Alerted, Decision
from notifier.core.ledger import Ledger
from notifier.core.message import message_of
from notifier.core.unreadable import unreadable_alert
from tests.builders import NOON, POLICY, a_claim, decide, known, recorded


def told(identity: str, ledger: Ledger, minutes: int = 0) -> Decision:
    now = NOON + timedelta(minutes=minutes)
    return decide(Alerted(unreadable_alert(identity, "expected JSON")), None, ledger, now=now, claim=a_claim(now))


def five() -> Ledger:
    ledger = Ledger()
    for number in range(5):
        ledger = told(str(number), ledger, minutes=number).ledger
    return ledger


def test_it_is_told_on_the_error_route_and_never_by_sms() -> None:
    decision = told("a", Ledger())
    assert set(decision.send) == {"opened/slack", "opened/discord", "opened/email"}
    message = message_of(known(decision), "opened/slack", POLICY)
    assert message.headline == "ERROR: An alert we could not read"
    assert "expected JSON" in message.body


def test_the_same_body_again_is_told_no_more() -> None:
    first = recorded(told("a", Ledger()))
    event = Alerted(unreadable_alert("a", "expected JSON"))
    again = decide(event, first.incident, first.ledger, claim=a_claim(claim_id="other"))
    assert (again.send, again.incident, again.ledger) == ((), first.incident, first.ledger)


def test_the_sixth_within_an_hour_is_handed_to_a_counter() -> None:
    decision = told("sixth", five(), minutes=10)
    assert decision.incident is None
    assert decision.send == ()
    assert decision.instead is not None


def test_after_the_hour_one_is_told_again() -> None:
    assert told("sixth", five(), minutes=60).send


def test_the_rest_is_told_in_one_message_when_the_hour_is_over() -> None:
    ledger = five()
    counter = None
    for number in range(7):
        instead = told(f"more {number}", ledger, minutes=10 + number).instead
        assert instead is not None
        counter = decide(
            Alerted(instead), counter.incident if counter else None, ledger, claim=a_claim(claim_id=str(number))
        )
        assert counter.send == ()
    assert counter is not None
    assert known(counter).title == "7 more alerts we could not read"
    assert known(counter).next_due == NOON + timedelta(hours=1)
    assert set(known(counter).deliveries) == {"opened/slack", "opened/discord", "opened/email"}
