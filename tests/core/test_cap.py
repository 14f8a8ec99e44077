"""The cap on texts: over everything, never one more."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.events import Alerted, Settled
from notifier.core.incident import DeliveryState
from notifier.core.ledger import CLOCK_SKEW, WINDOW, Ledger
from notifier.core.message import message_of
from notifier.core.outcome import Outcome, Result
from notifier.core.totals import Month
from tests.builders import (
    ALL_CHANNELS,
    NOON,
    POLICY,
    SHIPPED,
    a_claim,
    an_alert,
    decide,
    delivery,
    known,
    opened,
    recorded,
    settle,
    states,
    texting,
    tick,
)

LEASE = timedelta(seconds=30)


def alerts_at(ledger: Ledger, count: int, start: int = 0, severity: str = "critical") -> tuple[list[str], Ledger]:
    """States of the pages of `count` new incidents, one after the other."""
    pages = []
    for number in range(start, start + count):
        decision = decide(Alerted(an_alert(severity, f"incident-{number}")), None, ledger)
        ledger = decision.ledger
        pages.append(states(decision).get("opened/sms/0/1", "none"))
    return pages, ledger


def test_eight_critical_incidents_make_five_texts() -> None:
    pages, ledger = alerts_at(Ledger(), 8)
    assert pages == ["claimed"] * 5 + ["capped"] * 3
    assert ledger.taken(NOON) == 5


def test_a_capped_page_waits_and_the_free_channels_hear_what_was_not_texted() -> None:
    _, ledger = alerts_at(Ledger(), 5)
    decision = decide(Alerted(an_alert(incident_id="sixth")), None, ledger)
    incident = known(decision)
    notice = incident.deliveries["notice/opened-sms-0-1-capped/slack"]
    hit = "SMS rate cap (5/hr) hit: not texted: CRITICAL: sixth is down"
    assert notice.words == f"{hit}; next slot 13:00 UTC"
    line = message_of(incident, "notice/opened-sms-0-1-capped/slack", SHIPPED).first_line
    assert line == f"{hit}; next slot 13:00 UTC #{incident.ref}"
    assert {key for key in decision.send if key.startswith("notice/")} == {
        f"notice/opened-sms-0-1-capped/{channel}" for channel in ("slack", "discord", "email")
    }
    assert incident.waiting_since == NOON
    assert any(note.text == f"{hit} #{incident.ref}; next slot 13:00 UTC" for note in decision.notes)
    assert incident.history[-1].text == (
        "not texted: 5 of the 5 texts of an hour are taken, which is the cap; room again at 13:00 UTC at the earliest"
    )


def test_at_the_cap_the_ledger_is_not_written() -> None:
    _, ledger = alerts_at(Ledger(), 5)
    assert decide(Alerted(an_alert(incident_id="sixth")), None, ledger).ledger is ledger


def test_a_slot_counts_an_hour_and_ten_seconds_after_its_lease() -> None:
    _, ledger = alerts_at(Ledger(), 5)
    end = NOON + LEASE + WINDOW + CLOCK_SKEW
    just_before = end - timedelta(microseconds=1)
    for now, state in ((just_before, "capped"), (end, "claimed")):
        decision = decide(Alerted(an_alert(incident_id="sixth")), None, ledger, now=now, claim=a_claim(now))
        assert states(decision)["opened/sms/0/1"] == state


def test_slots_that_count_no_longer_are_dropped() -> None:
    _, ledger = alerts_at(Ledger(), 5)
    later = NOON + timedelta(hours=2)
    decision = decide(Alerted(an_alert(incident_id="sixth")), None, ledger, now=later, claim=a_claim(later))
    assert len(decision.ledger.slots) == 1


def test_a_sender_that_raises_to_critical_has_a_first_page() -> None:
    _, ledger = alerts_at(Ledger(), 4)
    first = recorded(decide(Alerted(an_alert("warning")), None, ledger))
    raised = decide(Alerted(an_alert("critical")), first.incident, ledger)
    assert states(raised)["escalated/sms/0/1"] == "claimed"


def test_a_page_after_one_that_may_have_gone_out_leaves_the_reserved_slots() -> None:
    _, ledger = alerts_at(Ledger(), 2)
    first = decide(Alerted(an_alert()), None, ledger)
    second = msgspec.structs.replace(delivery(first, "opened/sms/0/1"), state=DeliveryState.PENDING, due_at=NOON)
    incident = known(first)
    waiting = msgspec.structs.replace(incident, deliveries={**incident.deliveries, "opened/sms/1/1": second})
    nothing = Settled(attempts=(), second_try=False)
    assert states(decide(nothing, waiting, first.ledger))["opened/sms/1/1"] == "capped"


@pytest.mark.parametrize(
    ("result", "taken"),
    [(Result.SENT, 1), (Result.UNKNOWN, 1), (Result.REJECTED, 0), (Result.RETRY, 0)],
)
def test_a_slot_is_given_back_only_when_certainly_nothing_was_sent(result: Result, taken: int) -> None:
    first = decide(Alerted(an_alert()), None, Ledger())
    one_phone = {"opened/sms/0/1": Outcome(result, "because")}
    now = NOON + timedelta(seconds=8)  # past the last moment to send: nothing is claimed again
    after = decide(settle(first, one_phone), first.incident, first.ledger, now=now, claim=a_claim(now, send_seconds=-1))
    assert after.ledger.taken(now) == taken


def test_a_replacement_on_the_next_phone_may_use_the_slot_of_the_page_it_replaces() -> None:
    _, ledger = alerts_at(Ledger(), 4)
    first = decide(Alerted(an_alert(incident_id="fifth")), None, ledger)
    after = decide(
        settle(first, {"opened/sms/0/1": Outcome(Result.REJECTED, "no such number")}), first.incident, first.ledger
    )
    assert delivery(after, "opened/sms/1/1").state.value == "claimed"
    assert after.ledger.taken(NOON) == 5


def test_each_text_is_counted_for_the_month_and_the_log_says_what_that_costs() -> None:
    policy = SHIPPED.deployed(ALL_CHANNELS, texting(2, price=0.0083))
    _, ledger = alerts_at(Ledger(), 1)
    decision = decide(Alerted(an_alert(incident_id="second")), None, ledger, policy=policy)
    assert decision.ledger.totals.of(NOON) == Month(texts=2, segments=2)
    assert "text 2 of 5 an hour (2 segments, about $0.02); January so far: 2 texts, 2 segments, about $0.02" in [
        one.text for one in decision.notes
    ]


def test_a_text_is_counted_in_the_segments_it_is_billed_as() -> None:
    policy = msgspec.structs.replace(POLICY, sms=msgspec.structs.replace(POLICY.sms, max_segments=3))
    decision = opened(an_alert(title="x" * 400), policy=policy)
    assert decision.ledger.segments(NOON) == decision.ledger.totals.of(NOON).segments == 3


def test_a_page_that_is_held_back_costs_nothing() -> None:
    _, ledger = alerts_at(Ledger(), 8)
    assert ledger.totals.of(NOON) == Month(texts=5, segments=5)


def test_a_second_try_in_the_same_request_is_one_text() -> None:
    first = opened()
    event = settle(first, {"opened/sms/0/1": Outcome(Result.RETRY, "busy")}, second_try=True)
    after = decide(event, first.incident, first.ledger)
    assert after.ledger.totals.of(NOON) == Month(texts=1, segments=1)


def test_what_was_certainly_not_sent_is_taken_off_the_month() -> None:
    first = opened()
    event = settle(first, {"opened/sms/0/1": Outcome(Result.RETRY, "busy")})
    after = decide(event, first.incident, first.ledger, claim=a_claim(send_seconds=-1))
    assert after.ledger.totals.of(NOON) == Month()


@pytest.mark.parametrize(("taken", "last"), [(3, False), (4, True)])
def test_the_last_slot_of_the_window_is_marked(taken: int, *, last: bool) -> None:
    _, ledger = alerts_at(Ledger(), taken)
    page = delivery(decide(Alerted(an_alert()), None, ledger), "opened/sms/0/1")
    assert page.last_slot is last


def test_sent_later_in_an_emptier_window_it_is_the_last_no_more() -> None:
    _, ledger = alerts_at(Ledger(), 4)
    first = decide(Alerted(an_alert()), None, ledger)
    event = settle(first, {"opened/sms/0/1": Outcome(Result.RETRY, "busy")})
    busy = decide(event, first.incident, first.ledger, claim=a_claim(send_seconds=-1))
    assert not delivery(tick(busy, NOON + timedelta(hours=2)), "opened/sms/0/1").last_slot


@given(
    st.lists(
        st.tuples(st.integers(0, 7_200), st.sampled_from(["sent", "rejected", "unknown", "retry"])),
        min_size=1,
        max_size=40,
    )
)
def test_never_more_than_the_cap_in_any_window(arrivals: list[tuple[int, str]]) -> None:
    """Whatever arrives when and ends how, texts that went out or may have never pass five in 3,600 s."""
    ledger = Ledger()
    out: list[int] = []
    for number, (second, end) in enumerate(sorted(arrivals)):
        now = NOON + timedelta(seconds=second)
        decision = decide(Alerted(an_alert(incident_id=f"i{number}")), None, ledger, now=now, claim=a_claim(now))
        ledger = decision.ledger
        for key in decision.send:
            if "/sms/" in key:
                if end in ("sent", "unknown"):
                    out.append(second)
                no_time = a_claim(now, send_seconds=-1)
                event = settle(decision, {key: Outcome(Result(end), "")})
                ledger = decide(event, decision.incident, ledger, now=now, claim=no_time).ledger
    for start in out:
        assert sum(start <= second < start + 3_600 for second in out) <= 5
