"""What the status page shows, and a machine that asks for it: which incidents in which order, and how all stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from notifier.core.alert import Severity
from notifier.core.coming import what_follows
from notifier.core.incident import KEEP_AFTER_END, UNRESOLVED, Incident, IncidentState, page_slot
from notifier.core.ledger import Ledger
from notifier.core.moments import OVERDUE
from notifier.core.policy import CHANNELS, Policy
from notifier.core.timeline import Moment, timeline
from notifier.core.window import Window, window_of
from notifier.core.wording import duration

ENDED_WITHIN = timedelta(hours=24)
ENDED_AT_MOST = 20
UNRESOLVED_AT_MOST = 100
"""Drawn; more than that nobody reads, and the page stays small."""

_JUST_NOW = timedelta(seconds=1)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One incident."""

    ref: str
    state: IncidentState
    severity: Severity
    """What its sender called it."""
    effective: Severity
    """What it is treated as."""
    title: str
    url: str
    since: datetime
    """As its sender says, or when we heard of it."""
    follows: str
    """What happens next if nobody answers; empty where somebody has, or it is over."""
    timeline: tuple[Moment, ...]


class Unreadable(msgspec.Struct, frozen=True):
    """A document of the store that we cannot read: a human has to look."""

    key: str
    why: str


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What the texts of a month come to."""

    month: str
    """`2026-01`."""
    texts: int
    segments: int
    usd: float
    """By SMS_PRICE."""


class Phone(msgspec.Struct, frozen=True):
    """Who is paged."""

    number: str
    """Masked."""
    opted_out: bool
    """It takes no texts."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How all stands at one moment."""

    at: datetime
    unresolved: tuple[Shown, ...]
    unresolved_left_out: int
    unanswered: int
    """How many nobody has answered, of those left out too."""
    ended: tuple[Shown, ...]
    """Within ENDED_WITHIN, the latest first."""
    ended_left_out: bool
    """There are more."""
    unreadable: tuple[Unreadable, ...]
    window: Window
    months: tuple[Spent, ...]
    """This one first, then those before it that anything was texted in."""
    last_tick: datetime | None
    tick_is_overdue: bool
    channels: tuple[str, ...]
    """Those that are told something."""
    not_used: tuple[str, ...]
    """Those that are not configured, or in no route."""
    phones: tuple[Phone, ...]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What three reads of the store found."""

    incidents: Sequence[Incident]
    """Unresolved or lately ended, in any order; the same one may stand there twice, as it ends between two reads."""
    unreadable: tuple[Unreadable, ...]
    ended_left_out: bool
    ledger: Ledger
    last_tick: datetime | None


def status_of(known: Known, policy: Policy, phones: Sequence[str], now: datetime) -> Status:
    """What to show at `now`. `phones`: as they may be shown, in the order they are paged."""
    # The later read is the newer word.
    incidents = list({one.key: one for one in known.incidents}.values())
    unresolved = sorted((one for one in incidents if one.state in UNRESOLVED), key=_urgency)
    ended = sorted((one for one in incidents if one.state not in UNRESOLVED), key=_ended_at, reverse=True)
    claimed = {
        page_slot(one.key, one.generation, name): page.claimed_at
        for one in incidents
        for name, page in one.deliveries.items()
        if page.claimed_at
    }
    opted_out = [known.ledger.conversation.has_opted_out(mark, now) for mark in policy.texting.phones]
    return Status(
        at=now,
        unresolved=tuple(_shown(one, policy) for one in unresolved[:UNRESOLVED_AT_MOST]),
        unresolved_left_out=max(len(unresolved) - UNRESOLVED_AT_MOST, 0),
        unanswered=sum(one.state is IncidentState.OPEN for one in unresolved),
        ended=tuple(_shown(one, policy) for one in ended[:ENDED_AT_MOST]),
        ended_left_out=known.ended_left_out,
        unreadable=known.unreadable,
        window=window_of(known.ledger, policy.sms, now, claimed),
        months=_months(known.ledger, policy, now),
        last_tick=known.last_tick,
        tick_is_overdue=known.last_tick is None or now - known.last_tick > OVERDUE,
        channels=tuple(name for name in CHANNELS if name in policy.channels),
        not_used=tuple(name for name in CHANNELS if name not in policy.channels),
        phones=tuple(Phone(number, out) for number, out in zip(phones, opted_out, strict=True)),
    )


def tick_words(status: Status) -> str:
    """When the tick was last through, and what it means if that is too long ago."""
    if status.last_tick is None:
        return "The tick has never come: nothing gets louder, and nothing is sent again. See Cloud Scheduler."
    since = status.at - status.last_tick
    ago = "just now" if since < _JUST_NOW else f"{duration(since)} ago"
    then = (
        ": until it comes, nothing gets louder or is sent again. See Cloud Scheduler" if status.tick_is_overdue else ""
    )
    return f"The last tick was {ago}{then}."


def _urgency(incident: Incident) -> tuple[bool, int, float]:
    """Open first, then the loudest, then the newest."""
    rank = list(Severity).index(incident.effective)
    return incident.state is not IncidentState.OPEN, -rank, -incident.opened_at.timestamp()


def _ended_at(incident: Incident) -> datetime:
    # A test never ends: it is only kept as long as what has.
    return incident.resolved_at or (incident.expire_at or incident.opened_at + KEEP_AFTER_END) - KEEP_AFTER_END


def _shown(incident: Incident, policy: Policy) -> Shown:
    return Shown(
        ref=incident.ref,
        state=incident.state,
        severity=incident.severity,
        effective=incident.effective,
        title=incident.title or "several incidents in one text",
        url=incident.url,
        since=incident.started_at or incident.opened_at,
        follows=what_follows(incident, policy),
        timeline=timeline(incident),
    )


def _months(ledger: Ledger, policy: Policy, now: datetime) -> tuple[Spent, ...]:
    months = {f"{now:%Y-%m}": ledger.totals.of(now)} | ledger.totals.months
    return tuple(
        Spent(month=name, texts=one.texts, segments=one.segments, usd=round(one.segments * policy.texting.price, 4))
        for name, one in sorted(months.items(), reverse=True)
    )
