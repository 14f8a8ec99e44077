"""What the people on call have texted to us: who wants no texts, and how often they were answered.

A phone is known by its mark (`Texting.phones`): its number is in the settings only.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

REMEMBERED = 50
"""Texts that are remembered: the same one again does nothing."""
ANSWERS_AN_HOUR = 5
"""To each phone: two machines must not answer each other for ever."""
HOUR = timedelta(hours=1)
HEARD_FOR = timedelta(hours=24)
"""How long a phone is passed over that only its provider calls opted out. Where nobody passes texts on to us, we would
never hear that it takes them again; and a text that is refused for this costs nothing."""


class OptOut(msgspec.Struct, frozen=True):
    """A phone that takes no texts."""

    at: datetime
    until: datetime | None = None
    """When it is tried again; None: not before it says so itself."""


class Received(msgspec.Struct, frozen=True):
    """A text that came from somebody on call."""

    id: str
    """The provider's own."""
    at: datetime
    phone: str
    answered: bool


class Conversation(msgspec.Struct, frozen=True):
    """Never changed, always replaced."""

    opted_out: dict[str, OptOut] = {}
    """By phone."""
    received: tuple[Received, ...] = ()
    """The newest, oldest first."""

    def has_opted_out(self, phone: str, now: datetime) -> bool:
        """Whether the phone may not be texted at `now`."""
        known = self.opted_out.get(phone)
        return known is not None and (known.until is None or now < known.until)

    def with_opt_out(self, phone: str, now: datetime, *, heard: bool = False) -> Conversation:
        """The phone takes no more texts. `heard`: its provider says so, and not the phone itself."""
        if heard and self.has_opted_out(phone, now):
            return self
        opt_out = OptOut(now, now + HEARD_FOR if heard else None)
        return msgspec.structs.replace(self, opted_out={**self.opted_out, phone: opt_out})

    def without_opt_out(self, phone: str) -> Conversation:
        """The phone takes texts again."""
        left = {mark: opt_out for mark, opt_out in self.opted_out.items() if mark != phone}
        return msgspec.structs.replace(self, opted_out=left)

    def has_received(self, text_id: str) -> bool:
        """Whether this very text was taken in before."""
        return any(one.id == text_id for one in self.received)

    def may_answer(self, phone: str, now: datetime) -> bool:
        """Whether one more answer may be texted to the phone at `now`."""
        answers = [one for one in self.received if one.phone == phone and one.answered and now - one.at < HOUR]
        return len(answers) < ANSWERS_AN_HOUR

    def with_received(self, text_id: str, phone: str, now: datetime, *, answered: bool) -> Conversation:
        """A text was taken in."""
        received = (*self.received, Received(text_id, now, phone, answered))
        # Or a flood of texts would push out the answers that count.
        counts = tuple(one for one in received[:-REMEMBERED] if one.answered and now - one.at < HOUR)
        return msgspec.structs.replace(self, received=(*counts, *received[-REMEMBERED:]))
