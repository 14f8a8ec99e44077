"""The texts of the last hour over all instances: slots, the cap, the reserved slots.

A slot is taken in the commit that claims a text and given back only when the text is certainly not sent,
so at any crash the ledger counts too many, never too few.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from notifier.core.listing import Text, refs_of

WINDOW = timedelta(seconds=3_600)
CLOCK_SKEW = timedelta(seconds=10)
"""How far the clocks of two instances, or ours and Twilio's, may be apart."""


LONGEST_LEASE = timedelta(minutes=10)
"""The most LEASE_SECONDS may say: a text is made no earlier than this before its slot's `accepted_by`."""


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

    def with_listed(self, texts: Iterable[Text], phone: int, now: datetime) -> Ledger:
        """Take a slot for each text in the provider's list, to `phone`, that none stands for: sent without the store.

        The same ledger when there is none such.
        """
        unmatched = dict(self.slots)
        missing: dict[str, Slot] = {}
        for text in sorted(texts, key=lambda text: text.id):
            slot = Slot(text.created_at)
            if not text.may_be_ours or slot.counts_until <= now:
                continue
            known = next((name for name in unmatched if _stands_for(name, unmatched[name], text, phone)), None)
            if known is None:
                missing[f"{_LISTED}/{text.id}"] = slot
            else:
                del unmatched[known]
        return msgspec.structs.replace(self, slots={**self.slots, **missing}) if missing else self


_LISTED = "listed"


def slot_owner(name: str) -> tuple[str, int] | None:
    """Key and generation of the incident whose text the slot `name` stands for; None where only the text is known."""
    key, _, rest = name.partition("/")
    return None if key == _LISTED else (key, int(rest.partition("/")[0]))


def _stands_for(name: str, slot: Slot, text: Text, phone: int) -> bool:
    owner = slot_owner(name)
    if owner is None:
        return name == f"{_LISTED}/{text.id}"
    # The name ends in the delivery's `sms/PHONE/WALK`.
    if name.rsplit("/", 2)[-2] != str(phone):
        return False
    in_time = slot.accepted_by - LONGEST_LEASE - CLOCK_SKEW <= text.created_at <= slot.accepted_by + CLOCK_SKEW
    return in_time and (not text.body.strip() or not text.refs.isdisjoint(refs_of(*owner)))
