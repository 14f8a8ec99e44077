"""The texts of the last hour as a person looks at them: which slots are taken since when, and when one is free."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from notifier.core.incident import ref_of
from notifier.core.ledger import ACCEPTED_WITHIN, CLOCK_SKEW, WINDOW, Ledger, Slot, slot_owner
from notifier.core.policy import SmsPolicy
from notifier.core.wording import clock_time, some


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A text that counts: it was sent, or may have been."""

    at: datetime
    """When it was claimed, as far as that is known; never later than now."""
    counts_until: datetime
    what: str
    """`text to phone 1 for #7F3K`."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The hour that ends now."""

    cap: int
    reserved: int
    """Of these, the last ones: only for the first page of what its sender called critical."""
    texts: tuple[Text, ...]
    """The first to leave the window first."""
    words: str
    """How full it is, and when there is room again."""
    store_was_down_at: datetime | None = None
    """Within the hour; texts may have gone out then that nobody has counted."""

    @property
    def taken(self) -> int:
        return len(self.texts)


class Row(msgspec.Struct, frozen=True):
    """One text in the drawing: it takes a row from when it was sent until now."""

    row: int
    """0 is the lowest."""
    x: float
    """Percent of the hour; 100 is now."""
    text: Text


def window_of(ledger: Ledger, sms: SmsPolicy, now: datetime, claimed_at: Mapping[str, datetime]) -> Window:
    """The window at `now`. `claimed_at`: when a page was sent, by its slot's name, where its incident is at hand."""
    counting = {name: slot for name, slot in ledger.slots.items() if now < slot.counts_until}
    texts = [
        Text(
            at=min(claimed_at.get(name, slot.accepted_by - ACCEPTED_WITHIN), now),
            counts_until=slot.counts_until,
            what=_what(name, slot),
        )
        for name, slot in counting.items()
    ]
    return Window(
        cap=sms.max_per_hour,
        reserved=sms.reserved,
        texts=tuple(sorted(texts, key=lambda text: (text.counts_until, text.at))),
        words=_words(ledger, sms, now),
        store_was_down_at=ledger.down_at if ledger.was_down(now) else None,
    )


class Quarter(msgspec.Struct, frozen=True):
    """A time under the drawing."""

    x: float
    at: datetime


def rows_of(window: Window, now: datetime) -> tuple[Row, ...]:
    """Where each text is drawn: the oldest lowest, so that the stairs climb towards the cap."""
    return tuple(Row(number, max(_x(text.at, now), 0.0), text) for number, text in enumerate(window.texts))


def quarters(now: datetime) -> tuple[Quarter, ...]:
    """The full quarters of an hour that lie in the drawing."""
    last = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    times = [last - timedelta(minutes=15) * number for number in (4, 3, 2, 1, 0)]
    return tuple(Quarter(x, at) for at in times if (x := _x(at, now)) >= 0)


def _x(at: datetime, now: datetime) -> float:
    return 100 - 100 * ((now - at) / (WINDOW + CLOCK_SKEW + ACCEPTED_WITHIN))


def _what(name: str, slot: Slot) -> str:
    owner = slot_owner(name)
    segments = f" ({slot.segments} segments)" if slot.segments > 1 else ""
    if owner is None:
        return f"a text that stands in the provider's list{segments}"
    return f"text to phone {_phone(name) + 1} for #{ref_of(*owner)}{segments}"


def _phone(name: str) -> int:
    # The name ends in the delivery's `sms/PHONE/WALK`.
    return int(name.rsplit("/", 2)[-2])


def _words(ledger: Ledger, sms: SmsPolicy, now: datetime) -> str:
    taken, cap = ledger.taken(now), sms.max_per_hour
    if not taken:
        return f"No text in the last hour: all {cap} slots are free." if cap > 1 else "No text in the last hour."
    head = f"{taken} of {some(cap, 'text')} in the last hour"
    frees = min(slot.counts_until for slot in ledger.slots.values() if now < slot.counts_until)
    first = ledger.room_at(cap, sms.reserved, now, first_page=True)
    other = ledger.room_at(cap, sms.reserved, now, first_page=False)
    if taken >= cap:
        return f"{head}: the cap is reached, and nothing is texted before {clock_time(first)}."
    words = f"{head}; the next slot frees at {clock_time(frees)}."
    if other > now:
        words += f" Only first pages of critical incidents are texted before {clock_time(other)}."
    return words
