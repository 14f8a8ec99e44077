"""What can happen to an incident, and what is decided about it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from notifier.core.alert import Alert, Severity
from notifier.core.incident import Incident, Member
from notifier.core.ledger import Ledger
from notifier.core.listing import Listing
from notifier.core.outcome import Outcome
from notifier.core.report import Report


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What one request may take, and how long."""

    id: str
    """Random, one a request: a delivery that holds it is this request's, also after a conflict or a lost answer."""
    lease_until: datetime
    """Until then nobody else touches what is claimed now."""
    send_until: datetime
    """The request's last moment to send; past it nothing is claimed, only owed."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider's list says about one page that may have been sent."""

    delivery: str
    generation: int
    number: int
    """The delivery's `attempts` when it was looked for."""
    asked_at: datetime
    """Before the list was read: it shows nothing that was made later."""
    listing: Listing


class Alerted(msgspec.Struct, frozen=True):
    """A monitoring system says that something opened or closed."""

    alert: Alert
    generation: int = 0
    """Which generation this request has decided on before, when that commit's answer did not come; 0: none."""
    findings: tuple[Finding, ...] = ()
    """What the provider's list says of the pages that were to be looked up before anything is stored."""


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody answers: no more pages, no more escalation."""

    by: str
    """Who, in words for the others: "Ana, by the link in slack"."""
    generation: int


class Ticked(msgspec.Struct, frozen=True, kw_only=True):
    """Time has passed: whatever is due is done."""

    release: bool = False
    """Whether the window has room for pages of this incident that were held back, and it is their turn."""
    open_members: frozenset[str] | None = None
    """Of a digest: the keys of its members that nobody has answered; None where nobody has looked."""


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """The provider says what became of a text."""

    delivery: str
    generation: int
    number: int
    """The delivery's `attempts` when the text was sent."""
    id: str
    """The provider's own of the text."""
    report: Report


class Collected(msgspec.Struct, frozen=True):
    """Several pages that were held back are to go out as one text."""

    members: tuple[Member, ...]
    first_page: bool
    """Whether one of them may use the last slots of the window."""


class TakenOver(msgspec.Struct, frozen=True, kw_only=True):
    """A digest tells of a page that was held back, and pages on by itself."""

    delivery: str
    generation: int
    digest: str
    """The digest's ref."""


class MembersTold(msgspec.Struct, frozen=True):
    """Every member of a digest knows that it is told there."""


class OptedOut(msgspec.Struct, frozen=True, kw_only=True):
    """A phone wants no texts any more, or wants them again."""

    id: str
    """The provider's own of the text that says so."""
    phone: int
    again: bool = False


class Texted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on call has sent a text, and what it asked for is done."""

    id: str
    """The provider's own of the text."""
    phone: int
    answer: str
    """What is to be answered; empty for nothing."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One send of one delivery, and how it ended."""

    delivery: str
    generation: int
    number: int
    """The delivery's `attempts` when it was claimed for this send."""
    outcome: Outcome


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """This request has sent what it claimed, or looked up what it was told to."""

    attempts: tuple[Attempt, ...] = ()
    findings: tuple[Finding, ...] = ()
    second_try: bool
    """Whether a `retry` may be sent once more in this request."""


Event = Alerted | Acknowledged | Ticked | Settled | Reported | Collected | TakenOver | MembersTold | OptedOut | Texted


class State(msgspec.Struct, frozen=True):
    """What is known when an event arrives."""

    key: str
    """The incident's, whether it is known or not."""
    incident: Incident | None
    ledger: Ledger


class Note(msgspec.Struct, frozen=True):
    """One line for the log."""

    severity: Severity
    text: str
    begins: bool = False
    """Says that the incident begins: the log entry then carries all that its sender said."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be stored, and what this request is to send once that is durable."""

    incident: Incident | None
    ledger: Ledger
    send: tuple[str, ...] = ()
    """Keys of the deliveries this request holds."""
    look_up: tuple[str, ...] = ()
    """Keys of the pages to be looked for in the provider's list, before anything is sent."""
    instead: Alert | None = None
    """An alert to take in place of the one that came, under its own key."""
    answer: str = ""
    """What is answered to a text, in one segment; empty for nothing."""
    notes: tuple[Note, ...] = ()
    """What was decided and why, for the log."""


def unchanged(state: State, words: str) -> Decision:
    """Nothing is written and nothing sent; the log says why."""
    return Decision(incident=state.incident, ledger=state.ledger, notes=(Note(Severity.INFO, words),))
