"""The state of one incident and of the messages it owes to people, as it is stored."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from enum import Enum

import msgspec

from notifier.core.alert import Label, Severity
from notifier.core.report import Progress

SCHEMA = 1
HISTORY_ENTRIES = 50
HISTORY_CHARACTERS = 300
MESSAGE_IDS = 10
KEEP_AFTER_END = timedelta(days=14)
"""How long an ended incident is kept: long enough to ask why it did or did not page."""

# Crockford's base32: no I, L, O or U, so that a ref can be read out and typed at 3 a.m.
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class IncidentState(Enum):
    """Within a generation an incident moves down this list only."""

    TEST = "test"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


UNRESOLVED = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED)
"""The states of what is not over."""


class DeliveryState(Enum):
    PENDING = "pending"
    """Owed; sent at `due_at`."""
    CLAIMED = "claimed"
    """Being sent by the holder of `claim` until `due_at`, the end of its lease."""
    SENT = "sent"
    UNKNOWN = "unknown"
    """May have been sent. Slack, Discord, email: sent again at `due_at`. SMS: looked up first."""
    CAPPED = "capped"
    """A page held back: the window is full."""
    FAILED = "failed"
    """Rejected for good, or given up for its age."""
    CANCELLED = "cancelled"
    """Not needed any more: answered before it was sent."""
    DIGESTED = "in digest"
    """A page that was held back, and then told in one text with others: how that went stands in the digest."""


OUT = (DeliveryState.SENT, DeliveryState.UNKNOWN)
"""The states of what somebody has heard, or may have."""


class Kind(Enum):
    """What a delivery tells: the first word of its key."""

    OPENED = "opened"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    NOTICE = "notice"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message owed to one channel (for SMS: one phone)."""

    kind: Kind
    channel: str
    state: DeliveryState
    created_at: datetime
    due_at: datetime | None = None
    """The earliest moment the tick must look at it; None once nothing is owed any more."""
    claim: str = ""
    """The claim id of the request that took it last."""
    attempts: int = 0
    claimed_at: datetime | None = None
    """When it was claimed last: a text found at the provider is this one only if it was made no earlier."""
    phone: int | None = None
    """Index into ONCALL_PHONE, SMS only. The number itself is never stored."""
    via: str = ""
    """For a page: the provider that sends it, where it is not Twilio. Its texts are in no list of Twilio's."""
    then_back: bool = False
    """For a page at the second provider: Twilio may send it later, if that one cannot."""
    last_slot: bool = False
    """For a page: it took the last slot of the window, and says so."""
    report: Progress | None = None
    """For a page: how far the provider says it has come."""
    report_due_at: datetime | None = None
    """For a page that the provider took: when it is asked what became of it, if it has not said so before."""
    passes: bool = False
    """For a failed page: what was in the way may be gone later, so the phone keeps its place in the next walk."""
    walk: int = 1
    """For a page: which walk through the list of phones it belongs to."""
    look_first: bool = False
    """For a page: it may have gone out already, without the store; the provider's list is read before it is sent."""
    looked_at: datetime | None = None
    """For a page: when the list was read last before it was sent."""
    looked_since: datetime | None = None
    """For a page that may have been sent: when its looking up began."""
    not_found_at: datetime | None = None
    """For a page that may have been sent: when the provider's list first did not show it."""
    digest: str = ""
    """For a page in a digest: the digest's ref."""
    words: str = ""
    """For a notice: what it says."""
    detail: str = ""
    """How the last attempt ended, in plain words."""
    provider_id: str = ""


class Entry(msgspec.Struct, frozen=True):
    """What happened, and why, in words a person reads."""

    at: datetime
    text: str


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One incident that a digest tells of, and its page that was held back."""

    key: str
    generation: int
    delivery: str
    title: str

    @property
    def slot(self) -> str:
        """The ledger's name of the page."""
        return page_slot(self.key, self.generation, self.delivery)


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What stays open until it is resolved; one document. Never changed, always replaced."""

    key: str
    source: str
    incident_id: str
    ref: str
    generation: int
    state: IncidentState
    severity: Severity
    """What the sender called it, or what policy.toml makes of its silence."""
    effective: Severity
    """What it is treated as: rises while nobody answers, never falls within a generation."""
    severity_note: str = ""
    """Why `severity` is not the sender's own word, for the reader of a message."""
    one_off: bool = False
    unreadable: bool = False
    title: str
    text: str = ""
    documentation: str = ""
    url: str = ""
    labels: tuple[Label, ...] = ()
    started_at: datetime | None = None
    opened_at: datetime
    """When this generation was first stored: escalation counts from here."""
    follows: datetime | None = None
    """When the generation before this one ended."""
    news_at: datetime | None = None
    """When its sender last said that it is open; kept to the day, so that a repeat costs no write."""
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    resolved_at: datetime | None = None
    expired: bool = False
    """Resolved by us: its sender was silent for too long. What is said of it again is a new incident."""
    message_ids: tuple[str, ...] = ()
    repeats: int = 0
    """How many alerts this incident only counts."""
    members: tuple[Member, ...] = ()
    """Of a digest: what is open of it."""
    members_told: bool = True
    """Of a digest: whether every member knows that it is told here."""
    deliveries: dict[str, Delivery] = {}
    history: tuple[Entry, ...] = ()
    waiting_since: datetime | None = None
    next_due: datetime | None = None
    expire_at: datetime | None = None
    schema: int = SCHEMA


def incident_key(source: str, incident_id: str) -> str:
    """The document's name: 128 bits, so that no sender can choose a name or make two ids collide."""
    identity = f"{source}\n{incident_id}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(identity).hexdigest()[:32]


_AS_READ = str.maketrans("OIL", "011")
"""No ref holds these: whoever types one has misread a digit."""


def ref_as_read(word: str) -> str:
    """The ref that somebody means who has read it on a small screen: `#7f3k` is `7F3K`."""
    return word.strip().removeprefix("#").upper().translate(_AS_READ)


def page_slot(key: str, generation: int, delivery: str) -> str:
    """The ledger's name of a page."""
    return f"{key}/{generation}/{delivery}"


def ref_of(key: str, generation: int, characters: int = 4) -> str:
    """The short name of an incident generation: derived, so that every instance says the same."""
    number = int.from_bytes(hashlib.sha256(f"{key}/{generation}".encode()).digest()[:8])
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in range(characters))
