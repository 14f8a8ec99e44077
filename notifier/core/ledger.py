"""The texts of the last hour over all instances: slots, the cap, the reserved slots.

A slot is taken in the commit that claims a text and given back only when the text is certainly not sent,
so at any crash the ledger counts too many, never too few.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from notifier.core.conversation import Conversation
from notifier.core.listing import Text, refs_of
from notifier.core.sms_text import size_of
from notifier.core.totals import Totals

WINDOW = timedelta(seconds=3_600)
CLOCK_SKEW = timedelta(seconds=10)
"""How far the clocks of two instances, or ours and Twilio's, may be apart."""


ACCEPTED_WITHIN = timedelta(seconds=30)
"""After its claim the provider may still make a text of it: Twilio gives up on a request of its own after some 26 s."""
LONGEST_LEASE = timedelta(minutes=10)
"""The most LEASE_SECONDS may say: a text is made no earlier than this before its slot's `accepted_by`."""


class Slot(msgspec.Struct, frozen=True):
    """One text that was, or may have been, sent."""

    accepted_by: datetime
    """The last moment the provider can have accepted it: the end of its claim's lease."""
    segments: int = 1
    """What it is billed as."""

    @property
    def counts_until(self) -> datetime:
        return self.accepted_by + WINDOW + CLOCK_SKEW


class Unstored(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was sent without the store, or may have been."""

    key: str
    """The incident's."""
    phone: int
    at: datetime
    id: str = ""
    """The provider's own, where its answer came."""

    @property
    def slot(self) -> str:
        """The ledger's name of it. Without the store every text is one of the first generation."""
        return f"{self.key}/1/{UNSTORED}/sms/{self.phone}/1"

    @property
    def accepted_by(self) -> datetime:
        return self.at + ACCEPTED_WITHIN


class Ledger(msgspec.Struct, frozen=True):
    """One document for all instances. Never changed, always replaced."""

    slots: dict[str, Slot] = {}
    """By delivery: `<incident key>/<generation>/<delivery key>`."""
    unreadable_told: tuple[datetime, ...] = ()
    """When people were last told of a body we could not read."""
    down_at: datetime | None = None
    """When an instance last found the store down: texts may have gone out then that no slot stands for."""
    conversation: Conversation = Conversation()
    totals: Totals = Totals()
    gathered: dict[str, tuple[str, ...]] = {}
    """By a digest's key: the pages it tells of, by their slots' names, until each incident has heard of that."""
    schema: int = 1

    def is_gathered(self, name: str) -> bool:
        """Whether a digest tells of the page whose slot would be called `name`."""
        return any(name in names for names in self.gathered.values())

    def with_gathered(self, digest: str, names: tuple[str, ...]) -> Ledger:
        """A digest (its key) tells of these pages from now on."""
        return msgspec.structs.replace(self, gathered={**self.gathered, digest: names})

    def without_gathered(self, digest: str) -> Ledger:
        """Every page of the digest knows of it."""
        left = {key: names for key, names in self.gathered.items() if key != digest}
        return msgspec.structs.replace(self, gathered=left)

    def segments(self, now: datetime) -> int:
        """What the texts in the window at `now` are billed as."""
        return sum(slot.segments for slot in self.slots.values() if now < slot.counts_until)

    def was_down(self, now: datetime) -> bool:
        """Whether the store was down for somebody within the hour that counts."""
        return self.down_at is not None and now < Slot(self.down_at).counts_until

    def with_outage(self, down_at: datetime, texts: Iterable[Unstored], now: datetime) -> Ledger:
        """What one instance saw and sent while the store was down; the same ledger if all of it is known."""
        new = {one.slot: Slot(one.accepted_by) for one in texts if one.slot not in self.slots}
        new = {name: slot for name, slot in new.items() if now < slot.counts_until}
        # Entered from the list already, by somebody who did not know whose text it is.
        listed = {listed_slot(one.id) for one in texts if one.id and one.slot in new}
        # Later by less than a minute: nothing new is learnt, and nobody has to write.
        known = self.down_at is not None and down_at < self.down_at + timedelta(minutes=1)
        if known and not new:
            return self
        latest = max(self.down_at or down_at, down_at)
        ledger = self
        for name in listed:
            ledger = ledger.without_slot(name)
        return msgspec.structs.replace(_entered(ledger, new), down_at=latest)

    def has_unstored(self, key: str, since: datetime) -> bool:
        """Whether an instance has entered that it texted incident `key` without the store, at `since` or later."""
        return any(
            name.startswith(f"{key}/") and f"/{UNSTORED}/" in name and slot.accepted_by >= since
            for name, slot in self.slots.items()
        )

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

    def with_slot(self, name: str, accepted_by: datetime, now: datetime, segments: int = 1) -> Ledger:
        """Take a slot, and drop those that count no longer."""
        kept = {key: slot for key, slot in self.slots.items() if now < slot.counts_until}
        return _entered(msgspec.structs.replace(self, slots=kept), {name: Slot(accepted_by, segments)})

    def without_slot(self, name: str) -> Ledger:
        """Give a slot back: its text is certainly not sent."""
        slot = self.slots.get(name)
        if slot is None:
            return self
        kept = {key: one for key, one in self.slots.items() if key != name}
        totals = self.totals.counted(slot.accepted_by, texts=-1, segments=-slot.segments)
        return msgspec.structs.replace(self, slots=kept, totals=totals)

    def with_listed(self, texts: Iterable[Text], phone: int, now: datetime) -> Ledger:
        """Take a slot for each text in the provider's list, to `phone`, that none stands for: sent without the store.

        The same ledger when there is none such.
        """
        missing = {
            listed_slot(text.id): Slot(text.created_at, size_of(text.body).segments)
            for text, name in self._matched(texts, phone)
            if name is None and text.may_be_ours and now < Slot(text.created_at).counts_until
        }
        return _entered(self, missing) if missing else self

    def unclaimed(self, texts: Iterable[Text], phone: int) -> list[Text]:
        """Those of `texts`, to `phone`, that were sent without the store: for every other one a slot was claimed."""
        return [
            text
            for text, name in self._matched(texts, phone)
            if name is None or name.startswith(f"{_LISTED}/") or f"/{UNSTORED}/" in name
        ]

    def _matched(self, texts: Iterable[Text], phone: int) -> list[tuple[Text, str | None]]:
        """Each text with the slot that stands for it; a slot stands for one text only."""
        unmatched = dict(self.slots)
        matched: list[tuple[Text, str | None]] = []
        for text in sorted(texts, key=lambda text: text.created_at):
            name = next((name for name, slot in unmatched.items() if _stands_for(name, slot, text, phone)), None)
            unmatched.pop(name or "", None)
            matched.append((text, name))
        return matched


UNSTORED = "unstored"
"""Stands in the name of a slot whose text was sent without the store."""
_LISTED = "listed"


def listed_slot(text_id: str) -> str:
    """The ledger's name of a text of which the provider's own id is known: the same for whoever sent or sees it."""
    return f"{_LISTED}/{text_id}"


def _entered(ledger: Ledger, slots: dict[str, Slot]) -> Ledger:
    totals = ledger.totals
    for slot in slots.values():
        totals = totals.counted(slot.accepted_by, texts=1, segments=slot.segments)
    return msgspec.structs.replace(ledger, slots={**ledger.slots, **slots}, totals=totals)


def slot_owner(name: str) -> tuple[str, int] | None:
    """Key and generation of the incident whose text the slot `name` stands for; None where only the text is known."""
    key, _, rest = name.partition("/")
    return None if key == _LISTED else (key, int(rest.partition("/")[0]))


def _stands_for(name: str, slot: Slot, text: Text, phone: int) -> bool:
    owner = slot_owner(name)
    if owner is None:
        return name == listed_slot(text.id)
    # The name ends in the delivery's `sms/PHONE/WALK`.
    if name.rsplit("/", 2)[-2] != str(phone):
        return False
    in_time = slot.accepted_by - LONGEST_LEASE - CLOCK_SKEW <= text.created_at <= slot.accepted_by + CLOCK_SKEW
    return in_time and (not text.body.strip() or not text.refs.isdisjoint(refs_of(*owner)))
