"""The texts of the last hour over all instances: slots, the cap, the reserved slots.

A slot is taken in the commit that claims a text and given back only when the text is certainly not sent,
so at any crash the ledger counts too many, never too few.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

WINDOW = timedelta(seconds=3_600)
CLOCK_SKEW = timedelta(seconds=10)
"""How far the clocks of two instances, or ours and Twilio's, may be apart."""


class Slot(msgspec.Struct, frozen=True):
    """One text that was, or may have been, sent."""

    accepted_by: datetime
    """The last moment the provider can have accepted it: the end of its claim's lease."""

    @property
    def counts_until(self) -> datetime:
        return self.accepted_by + WINDOW + CLOCK_SKEW


class Ledger(msgspec.Struct, frozen=True):
    """One document for all instances. Never changed, always replaced."""

    slots: dict[str, Slot] = {}
    """By delivery: `<incident key>/<generation>/<delivery key>`."""
    unreadable_told: tuple[datetime, ...] = ()
    """When people were last told of a body we could not read."""
    schema: int = 1

    def taken(self, now: datetime) -> int:
        """How many texts the window holds at `now`."""
        return sum(now < slot.counts_until for slot in self.slots.values())

    def has_room(self, max_per_hour: int, reserved: int, now: datetime, *, first_page: bool) -> bool:
        """Whether one more text may be claimed at `now`.

        `first_page`: of an incident its sender called critical; only these may use the last `reserved` slots.
        """
        return self.taken(now) < (max_per_hour if first_page else max_per_hour - reserved)

    def room_at(self, max_per_hour: int, reserved: int, now: datetime, *, first_page: bool) -> datetime:
        """The first moment, `now` or later, at which `has_room` becomes true if nobody takes a slot before."""
        limit = max_per_hour if first_page else max_per_hour - reserved
        ends = sorted(slot.counts_until for slot in self.slots.values() if now < slot.counts_until)
        return now if len(ends) < limit else ends[len(ends) - limit]

    def with_slot(self, name: str, accepted_by: datetime, now: datetime) -> Ledger:
        """Take a slot, and drop those that count no longer."""
        kept = {key: slot for key, slot in self.slots.items() if now < slot.counts_until}
        return msgspec.structs.replace(self, slots={**kept, name: Slot(accepted_by)})

    def without_slot(self, name: str) -> Ledger:
        """Give a slot back: its text is certainly not sent."""
        return msgspec.structs.replace(self, slots={key: slot for key, slot in self.slots.items() if key != name})
