"""What the road needs from outside: Channel, TextList, Store, Clock, Ids and Log, and how each can fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from notifier.core.incident import Incident
from notifier.core.ledger import Ledger

if TYPE_CHECKING:
    from notifier.core.alert import Severity
    from notifier.core.listing import Listing
    from notifier.core.message import Message
    from notifier.core.outcome import Outcome


class Channel(Protocol):
    """Tells a message to people on one medium."""

    @property
    def name(self) -> str:
        """The word used in policy.toml."""
        ...

    def send(self, message: Message, deadline: float) -> Outcome:
        """Send `message` once, and be back by `deadline` (seconds of `time.monotonic`).

        Past the deadline nothing more is put on the wire. Never raises for what the outside did:
        each of that is an Outcome.
        """
        ...

    def preview(self, message: Message) -> str:
        """What `send` would put on the wire, for SIMULATE=1; secrets and phone numbers masked."""
        ...


class TextList(Protocol):
    """The provider's own list of the texts it has made."""

    def look_up(self, phone: int, since: datetime, deadline: float) -> Listing:
        """Every text made for one phone (index into ONCALL_PHONE) from `since` on.

        Back by `deadline` (seconds of `time.monotonic`). Never raises for what the outside did: that is a Listing
        with its trouble.
        """
        ...


class Heartbeat(Protocol):
    """Somebody else's watchdog, who waits for a sign of life."""

    def beat(self, deadline: float) -> str:
        """Give one, and be back by `deadline` (seconds of `time.monotonic`); why it was not heard, empty if it was."""
        ...


class Clock(Protocol):
    """The only reader of time."""

    def now(self) -> datetime:
        """Wall time, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; deadlines are counted in them."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class Ids(Protocol):
    """The only source of randomness."""

    def claim(self) -> str:
        """A fresh claim id: 128 random bits as text."""
        ...

    def fraction(self) -> float:
        """A random number from 0 up to 1."""
        ...


class Log(Protocol):
    """Structured log: written at every step, claimed by nobody."""

    def write(self, severity: Severity, message: str, **fields: object) -> None: ...


class Gathered(msgspec.Struct, frozen=True):
    """What one read found, and what a commit takes as its precondition."""

    key: str
    """The incident's key."""
    incident: Incident | None = None
    ledger: Ledger = Ledger()
    incident_version: object = None
    """The store's own mark of what was read; None when there is no such document."""
    ledger_version: object = None
    last_tick: datetime | None = None
    """When the tick was last through; None if it never was."""


class Found(msgspec.Struct, frozen=True):
    """An incident that a search found."""

    key: str
    incident: Incident | None
    """None: its document cannot be read."""
    trouble: str = ""
    """Why it cannot be read."""


class Store(Protocol):
    """Durable state, changed by compare-and-set only. Safe to use from many threads."""

    def gather(self, key: str, deadline: float) -> Gathered:
        """Read the incident `key`, the ledger, and when the tick was last through, in one round trip.

        `deadline`: seconds of `time.monotonic`, as in every call of a store.
        Raises StoreDown, StoreRefused, DocumentUnreadable.
        """
        ...

    def commit(
        self, seen: Gathered, deadline: float, *, incident: Incident | None = None, ledger: Ledger | None = None
    ) -> Gathered:
        """Write what is given, only if neither of it has changed since `seen`; all of it or nothing.

        One round trip. The answer stands for a read made right after: usable as the next `seen`.
        Raises Conflict, StoreDown, StoreRefused.
        """
        ...

    def due(self, now: datetime, limit: int, deadline: float) -> list[Found]:
        """At most `limit` incidents whose `next_due` is `now` or earlier, the oldest of these first.

        Costs what it finds, however many are open. Raises StoreDown, StoreRefused, as do all searches.
        """
        ...

    def waiting(self, limit: int, deadline: float) -> list[Found]:
        """At most `limit` incidents with a page that the cap holds back, the longest waiting first."""
        ...

    def read(self, keys: Sequence[str], deadline: float) -> list[Found]:
        """Those of the incidents `keys` that are there, in one round trip; without keys in none."""
        ...

    def open_incidents(self, deadline: float) -> list[Found]:
        """Every incident whose state is open. Costs as many reads."""
        ...

    def unresolved(self, deadline: float) -> list[Found]:
        """Every incident that is open or acknowledged. Costs as many reads."""
        ...

    def ended_since(self, since: datetime, limit: int, deadline: float) -> list[Found]:
        """At most `limit` incidents that were resolved or expired at `since` or later, the latest first.

        Nothing is found of what ended longer ago than KEEP_AFTER_END.
        """
        ...

    def put_off(self, key: str, until: datetime, deadline: float) -> None:
        """Let the search for what is due pass over the document `key` before `until`, whatever else stands in it.

        Raises StoreDown, StoreRefused.
        """
        ...

    def ticked(self, at: datetime, deadline: float) -> None:
        """Remember that the tick was through. Raises StoreDown, StoreRefused."""
        ...


class ProvableStore(Store, Protocol):
    """A store that can show that it works."""

    def prove(self, deadline: float) -> None:
        """Write, read and delete a document of its own, beside all others. Raises StoreDown, StoreRefused."""
        ...


class StoreError(Exception):
    """Something is wrong with the store. The text holds no secret."""


class Conflict(StoreError):
    """Somebody else wrote first, or our own commit landed before its answer was lost: gather again."""


class StoreDown(StoreError):
    """The store cannot be reached, also at the second try. A commit may or may not have landed."""


class NoTimeLeft(StoreDown):
    """Our own deadline had passed before the store was asked: that says nothing of the store."""


class StoreRefused(StoreError):
    """The store does not take what we asked of it, and never will: our own bug. 500, and told on free channels."""


class DocumentUnreadable(StoreError):
    """A document is there, but is none of ours or of a newer schema: a human has to look."""
