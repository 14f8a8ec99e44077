"""Whatever happens in whatever order, some things never do; and in the end everybody has been told."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from notifier.core.advance import advance
from notifier.core.alert import Alert, Severity
from notifier.core.beginning import key_of
from notifier.core.escalation import pages_with_room
from notifier.core.events import (
    Acknowledged,
    Alerted,
    Attempt,
    Claim,
    Decision,
    Event,
    Finding,
    Settled,
    State,
    Ticked,
)
from notifier.core.incident import DeliveryState, Incident, IncidentState
from notifier.core.ledger import WINDOW, Ledger
from notifier.core.listing import Listing, Text
from notifier.core.looking_up import listed_since
from notifier.core.message import message_of
from notifier.core.outcome import Outcome, Result
from notifier.core.owing import is_wanted
from notifier.core.policy import CHANNELS
from tests.builders import NOON, POLICY, a_claim, an_alert

ORDER = list(IncidentState)
ENDS = st.sampled_from(["sent", "sent", "sent", "rejected", "retry", "unknown, arrived", "unknown, lost", "no record"])
LISTS = st.sampled_from(["true", "true", "true", "unreadable", "without words"])
MOMENTS = st.sampled_from([0, 1, 8, 31, 61, 299, 601, 1_201, 3_641, 6 * 3_600, 25 * 3_600])
ALERTS = [
    an_alert("critical", "db"),
    an_alert("warning", "web"),
    an_alert("critical", "log", one_off=True),
    an_alert("critical", "a"),
    an_alert("critical", "b"),
    an_alert("error", "c"),
    an_alert("info", "d"),
]
INCIDENTS = st.sampled_from([key_of(alert, "") for alert in ALERTS])


class Course(RuleBasedStateMachine):
    """A store, a provider that answers and lists as it likes, and requests that come, record late, or die."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.incidents: dict[str, Incident] = {}
        self.ledger = Ledger()
        self.accepted: list[tuple[Text, int, str]] = []
        """Text, phone, and which delivery it was."""
        self.unrecorded: list[tuple[str, Settled, Claim]] = []
        self.requests = 0
        self.healthy = False

    @rule(seconds=MOMENTS)
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(alert=st.sampled_from(ALERTS), closed=st.booleans(), began=st.sampled_from([None, 0, 120]), data=st.data())
    def an_alert_comes(self, alert: Alert, *, closed: bool, began: int | None, data: st.DataObject) -> None:
        started_at = None if began is None else self.now - timedelta(seconds=began)
        alert = msgspec.structs.replace(alert, closed=closed and not alert.one_off, started_at=started_at)
        self.take(key_of(alert, ""), Alerted(alert), data)

    @rule(key=INCIDENTS, data=st.data())
    def its_sender_raises_it(self, key: str, data: st.DataObject) -> None:
        if incident := self.incidents.get(key):
            self.take(key, Alerted(an_alert("critical", incident.incident_id)), data)

    @rule(key=INCIDENTS, data=st.data())
    def the_tick_comes(self, key: str, data: st.DataObject) -> None:
        if key in self.incidents:
            self.take(key, Ticked(), data)

    @rule(data=st.data())
    def the_tick_does_all_that_is_due(self, data: st.DataObject) -> None:
        self.tick_all(data)

    @rule(key=INCIDENTS, data=st.data())
    def somebody_answers(self, key: str, data: st.DataObject) -> None:
        if incident := self.incidents.get(key):
            self.take(key, Acknowledged(by="Ana", generation=incident.generation), data)

    @precondition(lambda self: self.unrecorded)
    @rule(data=st.data())
    def a_late_record_comes(self, data: st.DataObject) -> None:
        key, event, claim = self.unrecorded.pop(data.draw(st.integers(0, len(self.unrecorded) - 1)))
        no_time = msgspec.structs.replace(claim, send_until=self.now - timedelta(seconds=1))
        self.decide(key, event, no_time)

    def take(self, key: str, event: Event, data: st.DataObject) -> None:
        """A request of its own: the whole road, without conflicts."""
        self.requests += 1
        seconds = 7 if self.healthy else data.draw(st.sampled_from([7, 7, 7, -1]))
        claim = a_claim(self.now, f"request {self.requests}", send_seconds=seconds)
        decision = self.decide(key, event, claim)
        for _ in range(20):
            if decision.look_up:
                event = Settled(findings=self.look_up(key, decision, data), second_try=False)
            elif decision.send:
                attempts = self.send(key, decision, data)
                if attempts is None:
                    return
                event = Settled(attempts=attempts, second_try=False)
                if not self.healthy and data.draw(st.integers(0, 4)) == 0:
                    self.unrecorded.append((key, event, claim))
                    return
            else:
                return
            decision = self.decide(key, event, claim)
        raise AssertionError("the road does not end")

    def decide(self, key: str, event: Event, claim: Claim) -> Decision:
        before = self.incidents.get(key)
        decision = advance(State(key, before, self.ledger), event, POLICY, self.now, claim)
        after = decision.incident
        if after is not None:
            if before is not None:
                assert after.generation in (before.generation, before.generation + 1)
                if after.generation == before.generation:
                    assert ORDER.index(after.state) >= ORDER.index(before.state)
                    assert after.effective >= before.effective
            for one in decision.send:
                if after.deliveries[one].channel == "sms":
                    assert after.state is IncidentState.OPEN
                    assert after.effective is Severity.CRITICAL
            self.incidents[key] = after
        self.ledger = decision.ledger
        return decision

    def send(self, key: str, decision: Decision, data: st.DataObject) -> tuple[Attempt, ...] | None:
        """Each send ends somehow; None when the instance dies in between."""
        incident = self.incidents[key]
        attempts = []
        died = False
        for one in decision.send:
            end = "sent" if self.healthy else data.draw(ENDS)
            message = message_of(incident, one, POLICY)
            if end in ("sent", "unknown, arrived") and incident.deliveries[one].channel == "sms":
                number = len(self.accepted)
                text = Text(id=f"SM{number:04}", created_at=self.now, body=message.sms)
                self.accepted.append((text, message.phone or 0, f"{key} {incident.generation} {one}"))
            died = died or end == "no record"
            result = Result.SENT if end == "no record" else Result(end.partition(",")[0])
            attempts.append(
                Attempt(
                    delivery=one,
                    generation=incident.generation,
                    number=incident.deliveries[one].attempts,
                    outcome=Outcome(result, "as it happens"),
                )
            )
        return None if died else tuple(attempts)

    def look_up(self, key: str, decision: Decision, data: st.DataObject) -> tuple[Finding, ...]:
        incident = self.incidents[key]
        since = min(listed_since(incident, one, self.now) for one in decision.look_up)
        kind = "true" if self.healthy else data.draw(LISTS)
        findings = []
        for one in decision.look_up:
            phone = incident.deliveries[one].phone or 0
            texts = tuple(text for text, to, _ in self.accepted if to == phone and text.created_at >= since)
            if kind == "without words":
                texts = tuple(msgspec.structs.replace(text, body="") for text in texts)
            listing = Listing(trouble="refused") if kind == "unreadable" else Listing(texts=texts)
            findings.append(
                Finding(
                    delivery=one,
                    generation=incident.generation,
                    number=incident.deliveries[one].attempts,
                    asked_at=self.now,
                    listing=listing,
                )
            )
        return tuple(findings)

    def tick_all(self, data: st.DataObject) -> None:
        due = [one for one in self.incidents.values() if one.next_due is not None and one.next_due <= self.now]
        for incident in due:
            self.take(incident.key, Ticked(), data)
        waiting = sorted(
            (one for one in self.incidents.values() if one.waiting_since), key=lambda one: one.waiting_since or NOON
        )
        for incident in pages_with_room(waiting, self.ledger, POLICY, self.now):
            self.take(incident.key, Ticked(), data)

    @invariant()
    def never_more_texts_than_the_cap_in_any_hour(self) -> None:
        times = sorted(text.created_at for text, *_ in self.accepted)
        assert all(after - first >= WINDOW for first, after in zip(times, times[5:], strict=False))

    @invariant()
    def no_page_goes_out_twice(self) -> None:
        pages = [page for *_, page in self.accepted]
        assert len(pages) == len(set(pages))

    @invariant()
    def nothing_owed_is_forgotten(self) -> None:
        for incident in self.incidents.values():
            due = [delivery.due_at for delivery in incident.deliveries.values() if delivery.due_at is not None]
            assert not due or (incident.next_due is not None and incident.next_due <= min(due))
            for delivery in incident.deliveries.values():
                free = delivery.state is DeliveryState.UNKNOWN and delivery.channel != "sms"
                if delivery.state in (DeliveryState.PENDING, DeliveryState.CLAIMED) or (
                    free and is_wanted(incident, delivery)
                ):
                    assert delivery.due_at is not None
                if delivery.state is DeliveryState.UNKNOWN and is_wanted(incident, delivery):
                    # Due again, or a text that nobody could look up for so long that nobody will.
                    assert delivery.due_at is not None or delivery.looked_since is not None
                if delivery.state in (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.CANCELLED):
                    assert delivery.due_at is None

    @invariant()
    def a_page_is_held_back_exactly_where_something_waits(self) -> None:
        for incident in self.incidents.values():
            capped = [one for one in incident.deliveries.values() if one.state is DeliveryState.CAPPED]
            assert bool(capped) == (incident.waiting_since is not None)

    @invariant()
    def a_history_stays_bounded(self) -> None:
        assert all(len(incident.history) <= 50 for incident in self.incidents.values())

    @rule(data=st.data())
    def all_is_well_again(self, data: st.DataObject) -> None:
        """Providers are healthy, and a tick comes every half minute for eleven: nobody is left untold."""
        self.healthy = True
        for _ in range(22):
            self.now += timedelta(seconds=30)
            self.tick_all(data)
        self.healthy = False
        for incident in self.incidents.values():
            for name, delivery in incident.deliveries.items():
                if delivery.channel in CHANNELS and is_wanted(incident, delivery):
                    owed = delivery.due_at is not None and delivery.due_at <= self.now
                    assert not owed, f"{name} is {delivery.state}"
                if delivery.state is DeliveryState.PENDING:
                    assert delivery.due_at is not None
                    assert delivery.due_at > self.now


Course.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyCourse = Course.TestCase
