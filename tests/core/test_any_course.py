"""Whatever happens in whatever order, some things never do; and in the end everybody has been told."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from hypothesis import event as seen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from notifier.core.advance import advance
from notifier.core.alert import Alert, Severity
from notifier.core.beginning import key_of
from notifier.core.claiming import is_first_page
from notifier.core.digest import digest_alert, held_back, to_collect
from notifier.core.escalation import pages_with_room
from notifier.core.events import (
    Acknowledged,
    Alerted,
    Attempt,
    Claim,
    Collected,
    Decision,
    Event,
    Finding,
    MembersTold,
    OptedOut,
    Reported,
    Settled,
    State,
    TakenOver,
    Ticked,
)
from notifier.core.incident import Delivery, DeliveryState, Incident, IncidentState
from notifier.core.ledger import WINDOW, Ledger
from notifier.core.listing import Listing, Text
from notifier.core.looking_up import listed_since
from notifier.core.message import message_of
from notifier.core.outcome import Outcome, Result
from notifier.core.owing import is_wanted
from notifier.core.policy import CHANNELS
from notifier.core.replying import Command, Wish, concerned, key_of_text
from notifier.core.report import Progress, Report
from tests.builders import ALL_CHANNELS, NOON, SHIPPED, a_claim, an_alert, texting

ORDER = list(IncidentState)
PROGRESS = list(Progress)
ARRIVED = ["sent", "sent", "unknown, arrived", "no record, arrived"]
LOST = ["rejected", "retry", "unknown, lost", "no record, lost"]
ENDS = st.sampled_from([*ARRIVED, *LOST])
ENDS_OF_TEXTS = st.sampled_from([*ARRIVED, *LOST, "rejected, elsewhere", "retry, elsewhere", "rejected, opted out"])
LISTS = st.sampled_from(["true", "true", "true", "unreadable", "without words"])
MOMENTS = st.sampled_from([0, 1, 8, 31, 61, 299, 331, 601, 1_201, 3_641, 6 * 3_600, 25 * 3_600])
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
UNSENT = (DeliveryState.PENDING, DeliveryState.CAPPED, DeliveryState.CLAIMED, DeliveryState.UNKNOWN)


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A text that a provider has taken."""

    text: Text
    phone: int
    key: str
    generation: int
    delivery: str
    number: int
    via: str

    @property
    def page(self) -> str:
        return f"{self.key}/{self.generation}/{self.delivery}"


class Course(RuleBasedStateMachine):
    """A store, providers that answer, list and report as they like, and requests that come, record late, or die."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.policy = SHIPPED
        self.incidents: dict[str, Incident] = {}
        self.ledger = Ledger()
        self.accepted: list[Accepted] = []
        self.reports: dict[str, Report] = {}
        """What the list says of a text, by its id."""
        self.unrecorded: list[tuple[str, Settled, Claim]] = []
        self.told: set[str] = set()
        """Pages that a digest tells of, or has told of."""
        self.requests = 0
        self.healthy = False

    @initialize(
        most=st.sampled_from([2, 3, 5]), phones=st.sampled_from([1, 2, 3]), fallback=st.sampled_from(["", "vonage"])
    )
    def some_deployment(self, most: int, phones: int, fallback: str) -> None:
        sms = msgspec.structs.replace(SHIPPED.sms, max_per_hour=most, reserved=most // 2)
        policy = SHIPPED.deployed(ALL_CHANNELS, texting(phones, fallback=fallback, replies=True))
        self.policy = msgspec.structs.replace(policy, sms=sms)

    @rule(seconds=MOMENTS)
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(alert=st.sampled_from(ALERTS), closed=st.booleans(), began=st.sampled_from([None, 0, 120]), data=st.data())
    def an_alert_comes(self, alert: Alert, *, closed: bool, began: int | None, data: st.DataObject) -> None:
        started_at = None if began is None else self.now - timedelta(seconds=began)
        alert = msgspec.structs.replace(alert, closed=closed and not alert.one_off, started_at=started_at)
        self.take(key_of(alert, ""), Alerted(alert), data)

    @rule(data=st.data())
    def many_alerts_come(self, data: st.DataObject) -> None:
        """More than the window holds."""
        for alert in ALERTS:
            self.take(key_of(alert, ""), Alerted(alert), data)

    @rule(key=INCIDENTS, data=st.data())
    def its_sender_raises_it(self, key: str, data: st.DataObject) -> None:
        if incident := self.incidents.get(key):
            self.take(key, Alerted(an_alert("critical", incident.incident_id)), data)

    @precondition(lambda self: self.incidents)
    @rule(release=st.booleans(), data=st.data())
    def the_tick_comes(self, *, release: bool, data: st.DataObject) -> None:
        self.tick(data.draw(st.sampled_from(sorted(self.incidents))), data, release=release)

    @rule(data=st.data())
    def the_tick_does_all_that_is_due(self, data: st.DataObject) -> None:
        self.tick_all(data)

    @precondition(lambda self: self.incidents)
    @rule(data=st.data())
    def somebody_answers(self, data: st.DataObject) -> None:
        self.acknowledge(self.incidents[data.draw(st.sampled_from(sorted(self.incidents)))], data)

    @rule(phone=st.integers(0, 2), data=st.data())
    def a_phone_answers(self, phone: int, data: st.DataObject) -> None:
        still = [one for one in self.incidents.values() if one.state is IncidentState.OPEN]
        for incident in concerned(Wish(Command.ACKNOWLEDGE), still, phone):
            self.acknowledge(incident, data)

    @rule(phone=st.integers(0, 2), text=st.integers(0, 5), data=st.data())
    def a_phone_opts_out_or_in(self, phone: int, text: int, data: st.DataObject) -> None:
        """Of six texts, each of which may come more than once."""
        if phone < self.policy.phones:
            event = OptedOut(id=f"SM{text}{phone}", phone=phone, again=text % 2 == 1)
            self.take(key_of_text(event.id), event, data)

    @precondition(lambda self: any(not one.via for one in self.accepted))
    @rule(progress=st.sampled_from(Progress), passes=st.booleans(), out=st.integers(0, 3), data=st.data())
    def a_delivery_report_comes(self, progress: Progress, *, passes: bool, out: int, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from([one for one in self.accepted if not one.via]))
        report = Report(progress=progress)
        if progress is Progress.FAILED:
            report = Report(progress=progress, trouble="off", passes=passes, opted_out=out == 0)
        self.reports[one.text.id] = report
        event = Reported(
            delivery=one.delivery, generation=one.generation, number=one.number, id=one.text.id, report=report
        )
        self.take(one.key, event, data)

    @precondition(lambda self: self.waiting())
    @rule(others=st.lists(st.sampled_from(["turn", "turn", "tick", "answer", "alert"]), max_size=3), data=st.data())
    def a_digest_is_made_while_others_come(self, others: list[str], data: st.DataObject) -> None:
        """The window is empty. Between reading and commit the ledger must stay as it was, but nothing else has to."""
        self.now += WINDOW + timedelta(minutes=1)
        ledger, together = self.ledger, to_collect(self.waiting(), self.ledger, self.policy, self.now)
        if together is None:
            return
        for what in others:
            key = data.draw(st.sampled_from([member.key for member in together.members]))
            match what:
                case "turn":
                    # With time it would take a slot, and there would be no digest.
                    self.tick(key, data, release=True, seconds=-1)
                case "tick":
                    self.tick(key, data)
                case "answer":
                    self.acknowledge(self.incidents[key], data)
                case _:
                    self.take(key, Alerted(an_alert("critical", self.incidents[key].incident_id)), data)
        if ledger == self.ledger:
            self.collect(together, data)

    @precondition(lambda self: self.unrecorded)
    @rule(data=st.data())
    def a_late_record_comes(self, data: st.DataObject) -> None:
        key, event, claim = self.unrecorded.pop(data.draw(st.integers(0, len(self.unrecorded) - 1)))
        no_time = msgspec.structs.replace(claim, send_until=self.now - timedelta(seconds=1))
        self.decide(key, event, no_time)

    def take(
        self, key: str, event: Event, data: st.DataObject, *, claim_id: str = "", seconds: int | None = None
    ) -> None:
        """A request of its own: the whole road, without conflicts."""
        self.requests += 1
        if seconds is None:
            seconds = 7 if self.healthy else data.draw(st.sampled_from([7, 7, 7, -1]))
        claim = a_claim(self.now, claim_id or f"request {self.requests}", send_seconds=seconds)
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

    def tick(self, key: str, data: st.DataObject, *, release: bool = False, seconds: int | None = None) -> None:
        members = self.incidents[key].members
        still = {one.key: one.generation for one in self.incidents.values() if one.state is IncidentState.OPEN}
        open_members = frozenset(one.key for one in members if still.get(one.key) == one.generation)
        event = Ticked(release=release, open_members=open_members if members else None)
        self.take(key, event, data, seconds=seconds)
        self.tell_members(key, data)

    def acknowledge(self, incident: Incident, data: st.DataObject) -> None:
        generations = {member.key: member.generation for member in incident.members}
        for key, generation in {**generations, incident.key: incident.generation}.items():
            self.take(key, Acknowledged(by="Ana", generation=generation), data)

    def collect(self, together: Collected, data: st.DataObject) -> None:
        claim_id = f"digest {self.requests}"
        key = key_of(digest_alert(claim_id), claim_id)
        self.take(key, together, data, claim_id=claim_id)
        if key in self.incidents:
            seen("a digest was made")
            self.told |= {member.slot for member in together.members}
            self.tell_members(key, data)

    def tell_members(self, key: str, data: st.DataObject) -> None:
        """Each member hears of its digest, as far as the request comes."""
        digest = self.incidents[key]
        if digest.members_told:
            return
        for member in digest.members:
            if not self.healthy and data.draw(st.integers(0, 3)) == 0:
                return
            event = TakenOver(delivery=member.delivery, generation=member.generation, digest=digest.ref)
            self.take(member.key, event, data)
        self.take(key, MembersTold(), data)

    def decide(self, key: str, event: Event, claim: Claim) -> Decision:
        before = self.incidents.get(key)
        decision = advance(State(key, before, self.ledger), event, self.policy, self.now, claim)
        after = decision.incident
        if after is not None:
            if before is not None:
                assert after.generation in (before.generation, before.generation + 1)
                if after.generation == before.generation:
                    self.check_forward(before, after)
            for one in decision.send:
                page = after.deliveries[one]
                if page.channel == "sms":
                    assert after.state is IncidentState.OPEN
                    assert after.effective is Severity.CRITICAL
                    self.check_claim(f"{key}/{after.generation}/{one}", page, decision)
            self.incidents[key] = after
        self.ledger = decision.ledger
        return decision

    def check_forward(self, before: Incident, after: Incident) -> None:
        """Within a generation nothing goes back."""
        assert ORDER.index(after.state) >= ORDER.index(before.state)
        assert after.effective >= before.effective
        assert set(before.deliveries) <= set(after.deliveries)
        for name, old in before.deliveries.items():
            new = after.deliveries[name]
            if old.report is not None:
                assert new.report is not None
                final = old.report.is_final
                assert new.report is old.report if final else PROGRESS.index(new.report) >= PROGRESS.index(old.report)
            if old.state not in UNSENT and new.state is not old.state:
                # Somebody says late that it was sent after all, or its provider that it did not arrive.
                assert old.state is not DeliveryState.DIGESTED
                assert new.state is DeliveryState.SENT or new.report is Progress.FAILED
            assert not old.via or new.via == old.via or (old.then_back and not new.via)

    def check_claim(self, name: str, page: Delivery, decision: Decision) -> None:
        """A page that is claimed now, of all pages it could be."""
        phones = self.policy.texting.phones
        if page.claimed_at != self.now or page.phone is None or page.phone >= len(phones):
            return
        assert not decision.ledger.conversation.has_opted_out(phones[page.phone], self.now)
        assert not decision.ledger.is_gathered(name)
        assert name not in self.told
        assert not page.via or page.via == self.policy.texting.fallback

    def send(self, key: str, decision: Decision, data: st.DataObject) -> tuple[Attempt, ...] | None:
        """Each send ends somehow; None when the instance dies in between."""
        incident = self.incidents[key]
        attempts = []
        died = False
        for one in decision.send:
            page = incident.deliveries[one]
            end = "sent" if self.healthy else data.draw(ENDS_OF_TEXTS if page.channel == "sms" else ENDS)
            text_id = ""
            if end in ARRIVED and page.channel == "sms":
                text_id = f"SM{len(self.accepted):04}"
                text = Text(id=text_id, created_at=self.now, body=message_of(incident, one, self.policy).sms)
                self.accepted.append(
                    Accepted(
                        text=text,
                        phone=page.phone or 0,
                        key=key,
                        generation=incident.generation,
                        delivery=one,
                        number=page.attempts,
                        via=page.via,
                    )
                )
                if page.via:
                    seen("the second provider has sent")
            died = died or end.startswith("no record")
            result = Result.SENT if end.startswith("no record") else Result(end.partition(",")[0])
            outcome = Outcome(
                result,
                "as it happens",
                provider_id=text_id if result is Result.SENT else "",
                opted_out=end.endswith("opted out"),
                elsewhere=end.endswith("elsewhere"),
            )
            attempts.append(
                Attempt(delivery=one, generation=incident.generation, number=page.attempts, outcome=outcome)
            )
        return None if died else tuple(attempts)

    def look_up(self, key: str, decision: Decision, data: st.DataObject) -> tuple[Finding, ...]:
        incident = self.incidents[key]
        since = min(listed_since(incident, one, self.now) for one in decision.look_up)
        kind = "true" if self.healthy else data.draw(LISTS)
        findings = []
        for one in decision.look_up:
            phone = incident.deliveries[one].phone or 0
            texts = tuple(
                msgspec.structs.replace(made.text, report=self.reports.get(made.text.id, Report()))
                for made in self.accepted
                if made.phone == phone and made.text.created_at >= since and not made.via
            )
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

    def waiting(self) -> list[Incident]:
        waiting = [one for one in self.incidents.values() if one.waiting_since]
        return sorted(waiting, key=lambda one: one.waiting_since or NOON)

    def tick_all(self, data: st.DataObject) -> None:
        due = [one for one in self.incidents.values() if one.next_due is not None and one.next_due <= self.now]
        for incident in due:
            self.tick(incident.key, data)
        waiting = self.waiting()
        if together := to_collect(waiting, self.ledger, self.policy, self.now):
            self.collect(held_back(waiting, self.ledger), data)
            assert together.members
            return
        for incident in pages_with_room(waiting, self.ledger, self.policy, self.now):
            self.tick(incident.key, data, release=True)

    @invariant()
    def never_more_texts_than_the_cap_in_any_hour(self) -> None:
        most = self.policy.sms.max_per_hour
        times = sorted(one.text.created_at for one in self.accepted)
        assert all(after - first >= WINDOW for first, after in zip(times, times[most:], strict=False))

    @invariant()
    def no_page_goes_out_twice(self) -> None:
        """By whichever provider."""
        pages = [one.page for one in self.accepted]
        assert len(pages) == len(set(pages))

    @invariant()
    def what_is_told_in_a_digest_is_texted_in_no_other_way(self) -> None:
        assert self.told.isdisjoint(one.page for one in self.accepted)

    @invariant()
    def nothing_owed_is_forgotten(self) -> None:
        for incident in self.incidents.values():
            owed = [(one.due_at, one.report_due_at) for one in incident.deliveries.values()]
            due = [at for both in owed for at in both if at is not None]
            due += [] if incident.members_told else [incident.opened_at]
            assert not due or (incident.next_due is not None and incident.next_due <= min(due))
            for delivery in incident.deliveries.values():
                free = delivery.state is DeliveryState.UNKNOWN and delivery.channel != "sms"
                if delivery.state in (DeliveryState.PENDING, DeliveryState.CLAIMED) or (
                    free and is_wanted(incident, delivery)
                ):
                    assert delivery.due_at is not None
                if delivery.state is DeliveryState.UNKNOWN and is_wanted(incident, delivery):
                    # Due again, or a text that nobody could look up for so long that nobody will, or never could.
                    assert delivery.due_at is not None or delivery.looked_since is not None or delivery.via
                if delivery.state not in UNSENT:
                    assert delivery.due_at is None
                assert delivery.report_due_at is None or delivery.state is DeliveryState.SENT
                if delivery.report is not None:
                    failed = delivery.report is Progress.FAILED
                    assert delivery.state is (DeliveryState.FAILED if failed else DeliveryState.SENT)

    @invariant()
    def what_is_held_back_is_in_exactly_one_place(self) -> None:
        """It waits by itself, or one digest tells of it that is there."""
        names = [name for gathered in self.ledger.gathered.values() for name in gathered]
        assert len(names) == len(set(names))
        assert all(not self.incidents[key].members_told for key in self.ledger.gathered)
        digests = {one.ref: one for one in self.incidents.values() if one.incident_id.startswith("digest ")}
        for incident in self.incidents.values():
            capped = [key for key, one in incident.deliveries.items() if one.state is DeliveryState.CAPPED]
            assert bool(capped) == (incident.waiting_since is not None)
            assert len(capped) <= 1
            for key, one in incident.deliveries.items():
                name = f"{incident.key}/{incident.generation}/{key}"
                if one.state is DeliveryState.DIGESTED:
                    assert one.digest in digests
                    assert name in self.told
                elif name in self.told:
                    assert name in names or one.state not in UNSENT

    @invariant()
    def every_silence_is_explained(self) -> None:
        for incident in self.incidents.values():
            for key, one in incident.deliveries.items():
                given_up = one.state is DeliveryState.UNKNOWN and one.due_at is None and is_wanted(incident, one)
                silent = given_up or one.state in (DeliveryState.FAILED, DeliveryState.CAPPED)
                if one.channel == "sms" and silent:
                    topic = f"notice/{key.replace('/', '-')}-"
                    assert any(name.startswith(topic) for name in incident.deliveries), (key, one)

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
        for _ in ALERTS:
            # What has just got its room, one after the other.
            self.tick_all(data)
        self.healthy = False
        for incident in self.incidents.values():
            assert incident.members_told
            for name, delivery in incident.deliveries.items():
                if delivery.channel in CHANNELS and is_wanted(incident, delivery):
                    owed = delivery.due_at is not None and delivery.due_at <= self.now
                    assert not owed, f"{name} is {delivery.state}"
                if delivery.state is DeliveryState.PENDING:
                    assert delivery.due_at is not None
                    assert delivery.due_at > self.now
        assert not self.ledger.gathered
        sms = self.policy.sms
        for incident in self.waiting():
            first_page = is_first_page(incident)
            assert not self.ledger.has_room(sms.max_per_hour, sms.reserved, self.now, first_page=first_page)


Course.TestCase.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestAnyCourse = Course.TestCase
