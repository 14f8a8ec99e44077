"""When something is due of an incident: the next send, step, page or end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from notifier.core.alert import Severity
from notifier.core.incident import OUT, Delivery, DeliveryState, Incident, IncidentState
from notifier.core.policy import Policy

EXPIRES = timedelta(days=8)
"""An incident nobody has heard of for so long is over: Cloud Monitoring itself closes one after 7 days without data
(AlertStrategy.auto_close)."""
GIVE_UP = timedelta(hours=6)
"""A message that could not be sent for so long tells nobody anything any more."""

OVERDUE = timedelta(minutes=3)
"""A scheduler whose tick has not come for so long has stopped."""


class Page(msgspec.Struct, frozen=True, order=True):
    """A place in the list of phones; in the order in which they are paged."""

    walk: int
    phone: int


def next_due_of(incident: Incident, policy: Policy) -> datetime | None:
    """The earliest moment at which the tick must look at the incident; None when there is none."""
    return min(_moments(incident, policy), default=None)


def is_to_look_up(delivery: Delivery, now: datetime) -> bool:
    """Whether the provider is to be asked now about a page: it may have been sent, or nobody has said how it ended."""
    unknown = delivery.channel == "sms" and delivery.state is DeliveryState.UNKNOWN
    at = delivery.due_at if unknown else delivery.report_due_at
    return at is not None and at <= now


def has_page_due(incident: Incident, policy: Policy, now: datetime) -> bool:
    """Whether a page, or what leads to one, is what is due: those go first."""
    due = {delivery.channel for delivery in incident.deliveries.values() if delivery.due_at and delivery.due_at <= now}
    climbed = climbed_to(incident, policy, now)
    next_page_at = next_page_due(incident, policy)
    return (
        "sms" in due
        or any("sms" in policy.routes[severity] for severity in climbed)
        or (next_page_at is not None and next_page_at <= now)
    )


def tells_only(incident: Incident, policy: Policy, now: datetime) -> bool:
    """Whether what is due is for the free channels alone: no page, and no text to look for."""
    looks_up = any(is_to_look_up(delivery, now) for delivery in incident.deliveries.values())
    return not (incident.members or looks_up or has_page_due(incident, policy, now))


def climbed_to(incident: Incident, policy: Policy, now: datetime) -> list[Severity]:
    """The severities, lowest first, that an unanswered incident has come to be treated as by `now`."""
    return sorted(severity for severity, after in steps_left(incident, policy) if incident.opened_at + after <= now)


def next_page(incident: Incident, policy: Policy) -> Page | None:
    """The place in the list of phones that follows the last page; None when the list has been walked through.

    A phone that cannot be texted is passed over.
    """
    pages = [delivery for delivery in incident.deliveries.values() if delivery.channel == "sms"]
    dead = {page.phone for page in pages if page.state is DeliveryState.FAILED and not page.passes}
    last = max((place_of(page) for page in pages), default=Page(1, -1))
    places = (Page(walk, phone) for walk in range(1, policy.sms.rounds + 1) for phone in range(policy.phones))
    return next((place for place in places if place > last and place.phone not in dead), None)


def place_of(page: Delivery) -> Page:
    """Where in the list of phones a page belongs."""
    return Page(page.walk, page.phone or 0)


def next_page_due(incident: Incident, policy: Policy) -> datetime | None:
    """When the next phone is paged if nobody answers; None when none is, one still is, or a digest does it."""
    pages = [delivery for delivery in incident.deliveries.values() if delivery.channel == "sms"]
    out = [page.claimed_at for page in pages if page.claimed_at and (page.state in OUT or page.passes)]
    still = any(page.due_at or page.state in _HELD_BACK for page in pages)
    if incident.state is not IncidentState.OPEN or still or not out or next_page(incident, policy) is None:
        return None
    return max(out) + policy.sms.next_phone


def expires_at(incident: Incident) -> datetime | None:
    """When the incident is over because nobody says anything of it; None when it is over, or a test."""
    if incident.state not in (IncidentState.OPEN, IncidentState.ACKNOWLEDGED):
        return None
    return (incident.news_at or incident.opened_at) + EXPIRES


def _moments(incident: Incident, policy: Policy) -> Iterator[datetime]:
    if not incident.members_told:
        yield incident.opened_at
    for delivery in incident.deliveries.values():
        yield from (at for at in (delivery.due_at, delivery.report_due_at) if at)
    yield from (incident.opened_at + after for _, after in steps_left(incident, policy))
    yield from (at for at in (next_page_due(incident, policy), expires_at(incident)) if at)


_HELD_BACK = (DeliveryState.CAPPED, DeliveryState.DIGESTED)


def steps_left(incident: Incident, policy: Policy) -> Iterator[tuple[Severity, timedelta]]:
    """The steps of the escalation that an unanswered incident has still before it."""
    climbs = incident.state is IncidentState.OPEN and not incident.one_off and incident.severity >= policy.climbs_from
    if climbs:
        yield from ((severity, after) for severity, after in policy.escalation.items() if severity > incident.effective)
