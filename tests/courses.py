"""Whole courses of incidents on the real road: alerts, minutes that pass, answers and reports."""

from __future__ import annotations

from pathlib import Path

from notifier.core.beginning import key_of
from notifier.core.events import OptedOut, Reported
from notifier.core.explaining import Explanation, explain
from notifier.core.incident import Incident
from notifier.core.outcome import Outcome
from notifier.core.policy import Policy
from notifier.core.replying import key_of_text
from notifier.core.report import Progress, Report
from notifier.ports import Gathered
from notifier.stores.sqlite import SqliteStore
from tests.builders import POLICY, an_alert
from tests.instances import Instance, VirtualClock

PHONES = ("+1555*****01", "+1555*****02")


class Course:
    """One pager with a SQLite file, from noon on. Close it at the end."""

    def __init__(self, folder: Path, policy: Policy = POLICY) -> None:
        self.store = SqliteStore(folder / "state.sqlite")
        self.clock = VirtualClock()
        self.policy = policy
        self.instance = Instance(self.store, self.clock, policy)

    def alert(self, severity: str = "critical", incident_id: str = "db", **fields: object) -> Incident:
        """What its sender says; the incident as it stands then."""
        alert = an_alert(severity, incident_id, **fields)
        (taken,) = self.instance.relay.take_all([alert], self.instance.deadlines())
        assert taken.incident is not None
        return taken.incident

    def store_only(self) -> None:
        """A critical alert in whose request no time is left to send anything."""
        deadlines = self.instance.deadlines().to_store_only(self.clock.monotonic())
        taken = self.instance.relay.take(an_alert(), deadlines)
        assert "claimed" not in {one.state.value for one in taken.deliveries.values()}

    def close(self, incident_id: str = "db") -> None:
        self.alert("", incident_id, closed=True)

    def texts_of_others(self, number: int) -> None:
        """So many critical incidents, each of which is texted at once and then over."""
        for one in range(number):
            self.alert(incident_id=f"other {one}")
            self.close(f"other {one}")

    def minutes(self, number: int, *, ticks: bool = True) -> None:
        """Let time pass, with the tick of each minute or without any."""
        for _ in range(number):
            self.clock.pass_time(minutes=1)
            if ticks:
                self.tick()

    def tick(self) -> None:
        assert self.instance.tick.run(self.clock.monotonic()).error is None

    def ends(self, *outcomes: Outcome, channel: str = "sms") -> None:
        """How the next sends of a channel end."""
        self.instance.channels[channel].ends += outcomes

    def answer(self, incident_id: str = "db") -> None:
        self.instance.acknowledge(self.key(incident_id))

    def report(
        self, progress: Progress, delivery: str = "opened/sms/0/1", trouble: str = "", *, passes: bool = False
    ) -> None:
        """Twilio says what became of a text."""
        page = self.seen().incident
        assert page is not None
        event = Reported(
            delivery=delivery,
            generation=1,
            number=page.deliveries[delivery].attempts,
            id="SM1",
            report=Report(progress=progress, trouble=trouble, passes=passes),
        )
        self.instance.relay.take_events({self.key(): event}, self.instance.deadlines())

    def stop(self, phone: int) -> None:
        """A phone texts STOP."""
        event = OptedOut(id=f"SM stop {phone}", phone=phone)
        self.instance.relay.take_events({key_of_text(event.id): event}, self.instance.deadlines())

    def key(self, incident_id: str = "db") -> str:
        return key_of(an_alert(incident_id=incident_id), "")

    def seen(self, incident_id: str = "db") -> Gathered:
        return self.store.gather(self.key(incident_id), self.clock.monotonic() + 30)

    def explained(self, incident_id: str = "db", *, policy: Policy | None = None) -> Explanation:
        return self.explained_key(self.key(incident_id), policy=policy)

    def explained_key(self, key: str, *, policy: Policy | None = None) -> Explanation:
        seen = self.store.gather(key, self.clock.monotonic() + 30)
        assert seen.incident is not None
        return explain(
            seen.incident,
            seen.ledger,
            policy or self.policy,
            self.clock.now(),
            phones=PHONES,
            last_tick=seen.last_tick,
        )
