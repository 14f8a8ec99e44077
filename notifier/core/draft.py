"""A decision in the making: what the rules write into while one event is decided."""

from __future__ import annotations

from datetime import datetime

import msgspec

from notifier.core.alert import Severity, cut
from notifier.core.events import Attempt, Claim, Decision, Note
from notifier.core.incident import (
    HISTORY_CHARACTERS,
    HISTORY_ENTRIES,
    Delivery,
    DeliveryState,
    Entry,
    Incident,
)
from notifier.core.ledger import Ledger
from notifier.core.moments import is_to_look_up, next_due_of
from notifier.core.policy import Policy


class Draft:
    """Lives within one `advance()`; everything it holds is replaced, never changed in place."""

    def __init__(self, incident: Incident, ledger: Ledger, policy: Policy, now: datetime, claim: Claim) -> None:
        self.incident = incident
        self.ledger = ledger
        self.policy = policy
        self.now = now
        self.claim = claim
        self._notes: list[Note] = []

    def change(self, **fields: object) -> None:
        """Replace fields of the incident."""
        self.incident = msgspec.structs.replace(self.incident, **fields)

    def put(self, key: str, delivery: Delivery) -> None:
        """Add or replace one delivery."""
        self.change(deliveries={**self.incident.deliveries, key: delivery})

    def update(self, key: str, **fields: object) -> None:
        """Replace fields of one delivery."""
        self.put(key, msgspec.structs.replace(self.incident.deliveries[key], **fields))

    def note(
        self, text: str, severity: Severity = Severity.INFO, *, begins: bool = False, history: str | None = None
    ) -> None:
        """Write down what happened and why: in the log and in the incident's history, there in other words if given."""
        entry = Entry(self.now, cut(history or text, HISTORY_CHARACTERS))
        first, *rest = (*self.incident.history, entry)
        # The first entry says how it began; of the others the newest explain the present.
        self.change(history=(first, *rest[-(HISTORY_ENTRIES - 1) :]))
        self._notes.append(Note(severity, text, begins))

    def log(self, text: str, severity: Severity) -> None:
        """Write down what the history says already."""
        self._notes.append(Note(severity, text))

    def held(self, attempts: tuple[Attempt, ...] = ()) -> tuple[str, ...]:
        """Deliveries this request holds and has still to send: claimed under its id, and not by one of `attempts`."""
        done = {(attempt.generation, attempt.delivery, attempt.number) for attempt in attempts}
        return tuple(
            key
            for key, delivery in self.incident.deliveries.items()
            if delivery.state is DeliveryState.CLAIMED
            and delivery.claim == self.claim.id
            and (self.incident.generation, key, delivery.attempts) not in done
        )

    def decision(self, attempts: tuple[Attempt, ...] = ()) -> Decision:
        """The finished decision, with the moment the tick must look at the incident next."""
        if (next_due := next_due_of(self.incident, self.policy)) != self.incident.next_due:
            self.change(next_due=next_due)
        deliveries = self.incident.deliveries
        if self.incident.waiting_since and all(one.state is not DeliveryState.CAPPED for one in deliveries.values()):
            self.change(waiting_since=None)
        return Decision(
            incident=self.incident,
            ledger=self.ledger,
            send=self.held(attempts),
            look_up=tuple(key for key, delivery in deliveries.items() if is_to_look_up(delivery, self.now)),
            notes=tuple(self._notes),
        )
