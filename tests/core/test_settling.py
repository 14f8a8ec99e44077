"""What follows from how a send ended."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from notifier.core.events import Alerted, Settled
from notifier.core.ledger import Ledger
from notifier.core.outcome import Outcome, Result
from notifier.core.settling import second_try_at
from tests.builders import (
    NOON,
    SHIPPED,
    a_claim,
    an_alert,
    decide,
    delivery,
    known,
    opened,
    recorded,
    settle,
    settle_all,
    states,
    texting,
)

LATE = a_claim(send_seconds=-1)
"""No time is left to send anything more in this request."""


def test_sent_is_the_end_and_keeps_the_provider_id() -> None:
    first = opened()
    after = decide(settle_all(first, provider_id="SM1"), first.incident, first.ledger)
    page = delivery(after, "opened/sms/0/1")
    assert (page.state.value, page.provider_id, page.due_at) == ("sent", "SM1", None)


def test_the_ledger_is_not_written_for_what_was_sent() -> None:
    first = opened()
    assert recorded(first).ledger is first.ledger


class TestRetry:
    """Certainly not sent, may work later."""

    def test_is_sent_once_more_in_the_same_request_when_there_is_time(self) -> None:
        first = opened(an_alert("info"))
        event = settle(first, {"opened/slack": Outcome(Result.RETRY, "busy")}, second_try=True)
        after = decide(event, first.incident, claim=a_claim(send_seconds=3))
        assert "opened/slack" in after.send
        assert delivery(after, "opened/slack").attempts == 2

    @pytest.mark.parametrize(
        ("second_try", "seconds", "retry_after"), [(False, 7, None), (True, 2.9, None), (True, 7, 4.1)]
    )
    def test_waits_otherwise(self, *, second_try: bool, seconds: float, retry_after: float | None) -> None:
        first = opened(an_alert("info"))
        outcome = Outcome(Result.RETRY, "busy", retry_after)
        event = settle(first, dict.fromkeys(first.send, outcome), second_try=second_try)
        after = decide(event, first.incident, claim=a_claim(send_seconds=seconds))
        assert after.send == ()
        assert states(after)["opened/slack"] == "pending"

    def test_waits_as_long_as_asked_when_that_fits_into_the_request(self) -> None:
        first = opened(an_alert("info"))
        event = settle(first, dict.fromkeys(first.send, Outcome(Result.RETRY, "busy", 1.0)), second_try=True)
        after = decide(event, first.incident)
        assert after.send == ()
        assert delivery(after, "opened/slack").due_at == NOON + timedelta(seconds=1)
        assert second_try_at(known(after), a_claim(send_seconds=4)) == NOON + timedelta(seconds=1)
        assert second_try_at(known(after), a_claim(send_seconds=3.9)) is None

    @pytest.mark.parametrize(
        ("attempts", "retry_after", "seconds"),
        [(1, None, 5), (2, None, 10), (3, None, 20), (8, None, 600), (40, None, 600), (1, 90.0, 90), (8, 90.0, 600)],
    )
    def test_backs_off_from_five_seconds_to_ten_minutes_with_retry_after_as_a_floor(
        self, attempts: int, retry_after: float | None, seconds: int
    ) -> None:
        first = opened(an_alert("info"))
        tired = msgspec.structs.replace(delivery(first, "opened/slack"), attempts=attempts)
        incident = msgspec.structs.replace(known(first), deliveries={"opened/slack": tired})
        first = msgspec.structs.replace(first, incident=incident)
        event = settle(first, {"opened/slack": Outcome(Result.RETRY, "busy", retry_after)})
        after = decide(event, incident, claim=LATE)
        assert delivery(after, "opened/slack").due_at == NOON + timedelta(seconds=seconds)
        assert known(after).next_due == NOON + timedelta(seconds=seconds)

    def test_of_a_page_takes_its_slot_again_for_the_second_try(self) -> None:
        first = opened()
        event = settle(first, {"opened/sms/0/1": Outcome(Result.RETRY, "busy")}, second_try=True)
        after = decide(event, first.incident, first.ledger)
        assert "opened/sms/0/1" in after.send
        assert after.ledger.taken(NOON) == 1


class TestUnknown:
    """May have been sent."""

    def test_free_channel_is_sent_again_later(self) -> None:
        first = opened(an_alert("info"))
        after = decide(settle_all(first, Result.UNKNOWN, detail="no answer"), first.incident, claim=LATE)
        slack = delivery(after, "opened/slack")
        assert (slack.state.value, slack.due_at) == ("unknown", NOON + timedelta(seconds=5))

    def test_free_channel_is_not_sent_again_in_the_same_request(self) -> None:
        first = opened(an_alert("info"))
        event = settle(first, dict.fromkeys(first.send, Outcome(Result.UNKNOWN, "no answer")), second_try=True)
        assert decide(event, first.incident).send == ()

    def test_text_is_never_sent_again_but_looked_at_when_its_lease_ends(self) -> None:
        first = opened()
        event = settle(first, {"opened/sms/0/1": Outcome(Result.UNKNOWN, "no answer")}, second_try=True)
        after = decide(event, first.incident, first.ledger)
        page = delivery(after, "opened/sms/0/1")
        assert "opened/sms/0/1" not in after.send
        assert (page.state.value, page.due_at) == ("unknown", NOON + timedelta(seconds=30))
        later = NOON + timedelta(hours=1)
        nothing = Settled(attempts=(), second_try=False)
        much_later = decide(nothing, after.incident, after.ledger, now=later, claim=a_claim(later, "other"))
        assert not any("/sms/" in key for key in much_later.send)


class TestRejected:
    """Certainly not sent, and never will be."""

    def test_page_goes_to_the_next_phone_at_once(self) -> None:
        first = opened()
        event = settle(first, {"opened/sms/0/1": Outcome(Result.REJECTED, "21211: no such number")})
        after = decide(event, first.incident, first.ledger)
        assert "opened/sms/1/1" in after.send
        assert delivery(after, "opened/sms/1/1").phone == 1
        assert states(after)["opened/sms/0/1"] == "failed"

    def test_page_to_the_last_phone_is_said_and_nobody_else_texted(self) -> None:
        policy = SHIPPED.deployed({"slack", "email", "sms"}, texting(1))
        first = opened(policy=policy)
        event = settle(first, {"opened/sms/0/1": Outcome(Result.REJECTED, "21211: no such number")})
        after = decide(event, first.incident, first.ledger, policy=policy)
        words = delivery(after, "notice/opened-sms-0-1-failed/slack").words
        assert words == "NOT texted to phone 1: 21211: no such number; there is no other phone to text"
        assert not any("/sms/1" in key for key in known(after).deliveries)

    def test_free_channel_is_said_on_the_others_only(self) -> None:
        first = opened(an_alert("error"))
        event = settle(first, {"opened/slack": Outcome(Result.REJECTED, "the webhook was removed")})
        after = decide(event, first.incident)
        notices = {key for key in after.send if key.startswith("notice/")}
        assert notices == {"notice/opened-slack-failed/discord", "notice/opened-slack-failed/email"}

    def test_only_channel_of_a_route_is_said_on_another_that_is_configured(self) -> None:
        policy = SHIPPED.deployed({"slack", "email"}, texting(0))
        first = opened(an_alert("info"), policy=policy)
        event = settle_all(first, Result.REJECTED, detail="the webhook was removed")
        after = decide(event, first.incident, policy=policy)
        assert after.send == ("notice/opened-slack-failed/email",)

    def test_notice_owes_no_notice(self) -> None:
        first = opened(an_alert("info"))
        event = settle(first, {"opened/slack": Outcome(Result.REJECTED, "removed")})
        second = decide(event, first.incident)
        notice = settle(second, {"notice/opened-slack-failed/discord": Outcome(Result.REJECTED, "removed")})
        third = decide(notice, second.incident)
        assert known(third).deliveries.keys() == known(second).deliveries.keys()


class TestRecord:
    """A record is merged, never sent again."""

    def test_of_a_claim_somebody_else_took_over_is_ignored(self) -> None:
        first = opened(an_alert("info"))
        taken_over = msgspec.structs.replace(delivery(first, "opened/slack"), claim="other", attempts=2)
        incident = msgspec.structs.replace(known(first), deliveries={"opened/slack": taken_over})
        after = decide(settle(first, {"opened/slack": Outcome(Result.RETRY, "busy")}), incident)
        assert after.incident == incident

    def test_that_it_was_sent_stands_even_then(self) -> None:
        first = opened(an_alert("info"))
        taken_over = msgspec.structs.replace(delivery(first, "opened/slack"), claim="other", attempts=2)
        incident = msgspec.structs.replace(known(first), deliveries={"opened/slack": taken_over})
        after = decide(settle(first, {"opened/slack": Outcome(Result.SENT)}), incident)
        assert states(after)["opened/slack"] == "sent"

    def test_twice_is_recorded_once(self) -> None:
        first = opened()
        once = recorded(first)
        assert decide(settle_all(first), once.incident, once.ledger).incident == once.incident

    def test_of_an_older_attempt_is_ignored(self) -> None:
        """The record of the first try landed and claimed the second; only its answer was lost."""
        first = opened(an_alert("info"))
        event = settle(first, {"opened/slack": Outcome(Result.RETRY, "busy")}, second_try=True)
        second = decide(event, first.incident)
        again = decide(event, second.incident)
        assert again.incident == second.incident
        assert "opened/slack" in again.send

    def test_for_an_earlier_generation_gives_back_the_slot_it_proves_empty(self) -> None:
        first = opened()
        newer = msgspec.structs.replace(known(first), generation=2, deliveries={}, next_due=None)
        event = settle(first, {"opened/sms/0/1": Outcome(Result.REJECTED, "no such number")})
        after = decide(event, newer, first.ledger)
        assert after.ledger.taken(NOON) == 0
        assert known(after).history[-1].text == (
            "opened/sms/0/1 of generation 1 ended after the next had begun: rejected no such number"
        )
        assert decide(event, after.incident, after.ledger).incident == after.incident

    @pytest.mark.parametrize("result", [Result.SENT, Result.UNKNOWN])
    def test_for_an_earlier_generation_keeps_the_slot_of_what_may_have_gone_out(self, result: Result) -> None:
        first = opened()
        newer = msgspec.structs.replace(known(first), generation=2, deliveries={})
        after = decide(settle(first, {"opened/sms/0/1": Outcome(result, "")}), newer, first.ledger)
        assert after.ledger.taken(NOON) == 1

    def test_of_an_incident_that_is_gone_is_said_in_the_log(self) -> None:
        after = decide(settle_all(opened()), None, Ledger())
        assert after.incident is None
        assert "gone" in after.notes[0].text


def test_what_was_sent_with_a_warning_is_said_on_the_other_channels() -> None:
    first = opened(an_alert("error"))
    outcome = Outcome(Result.SENT, warning="refused for t***@example.org (550)")
    after = decide(settle(first, {"opened/email": outcome}), first.incident)
    assert states(after)["opened/email"] == "sent"
    words = delivery(after, "notice/opened-email-failed/slack").words
    assert words == "email told, but not all of it: refused for t***@example.org (550)"


def test_the_provider_id_is_kept_whatever_the_end() -> None:
    first = opened()
    outcome = Outcome(Result.REJECTED, "30006: landline", provider_id="SM1")
    after = decide(settle(first, {"opened/sms/0/1": outcome}), first.incident, first.ledger)
    assert delivery(after, "opened/sms/0/1").provider_id == "SM1"


def test_history_is_bounded_and_keeps_how_it_began() -> None:
    decision = opened(an_alert("info"))
    for number in range(80):
        event = settle(decision, {"opened/slack": Outcome(Result.RETRY, f"{number} " * 300)}, second_try=True)
        decision = decide(event, decision.incident)
    history = known(decision).history
    assert len(history) == 50
    assert history[0].text.startswith("opened as info")
    assert all(len(entry.text) <= 300 for entry in history)


def test_the_same_trouble_again_is_in_the_log_and_once_in_the_history() -> None:
    """Else hours of it would push out of the history what else happened."""
    first = opened(an_alert("info"))
    busy = decide(settle(first, {"opened/slack": Outcome(Result.RETRY, "busy")}, second_try=True), first.incident)
    again = decide(settle(busy, {"opened/slack": Outcome(Result.RETRY, "busy")}), busy.incident)
    assert known(again).history == known(busy).history
    assert again.notes[0].text.startswith("slack not told: busy; again in ")
    other = decide(settle(busy, {"opened/slack": Outcome(Result.RETRY, "down")}), busy.incident)
    assert len(known(other).history) == len(known(busy).history) + 1


def test_a_repeat_after_a_failed_send_does_not_send_again() -> None:
    first = opened(an_alert("info"))
    after = decide(settle_all(first, Result.RETRY, detail="busy"), first.incident, claim=LATE)
    later = NOON + timedelta(minutes=1)
    again = decide(Alerted(an_alert("info")), after.incident, now=later, claim=a_claim(later, "other"))
    assert again.send == ()
