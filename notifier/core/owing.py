"""Which messages are owed to whom."""

from __future__ import annotations

from datetime import datetime

from notifier.core.alert import Severity
from notifier.core.draft import Draft
from notifier.core.incident import OUT, Delivery, DeliveryState, Incident, IncidentState, Kind
from notifier.core.moments import Page, next_page
from notifier.core.policy import FREE_CHANNELS

_ANSWERS = {IncidentState.ACKNOWLEDGED: Kind.ACKNOWLEDGED, IncidentState.RESOLVED: Kind.RESOLVED}


def owe_route(draft: Draft, kind: Kind, severity: Severity, *, look_first: bool = False) -> None:
    """Owe the incident to each channel of a severity's route that has not heard of it."""
    heard = {delivery.channel for delivery in draft.incident.deliveries.values() if _opens(delivery)}
    channels = [channel for channel in draft.policy.routes[severity] if channel not in heard]
    owe(draft, kind, channels, look_first=look_first)


def owe(
    draft: Draft, kind: Kind, channels: list[str], *, due_at: datetime | None = None, look_first: bool = False
) -> None:
    """Owe a message of `kind` to each of `channels`; for SMS to the first phone. `log` is owed nothing.

    `look_first`: the page may have gone out while the store was down (DESIGN.md, "When the store is down").
    """
    for channel in channels:
        if channel == "sms":
            owe_page(draft, kind, Page(1, 0), look_first=look_first or draft.ledger.was_down(draft.now))
        elif channel != "log":
            draft.put(f"{kind.value}/{channel}", _pending(draft, kind, channel, due_at or draft.now))


def owe_page(draft: Draft, kind: Kind, place: Page, *, look_first: bool = False) -> None:
    """Owe a page at one place in the list of phones."""
    delivery = Delivery(
        kind=kind,
        channel="sms",
        state=DeliveryState.PENDING,
        created_at=draft.now,
        due_at=draft.now,
        phone=place.phone,
        walk=place.walk,
        look_first=look_first,
    )
    draft.put(f"{kind.value}/sms/{place.phone}/{place.walk}", delivery)


def owe_next_page(draft: Draft) -> Page | None:
    """Owe a page to the phone that follows in the list; None when there is none left."""
    pages = [delivery for delivery in draft.incident.deliveries.values() if delivery.channel == "sms"]
    place = next_page(draft.incident, draft.policy)
    if place is not None and pages:
        owe_page(draft, pages[0].kind, place)
    return place


def owe_notice(draft: Draft, topic: str, words: str, *, failed_channel: str = "") -> None:
    """Say `words` on the free channels of the incident's route, or on any other free one when there is none.

    `topic` names what it is about, so that it is said once. `failed_channel`: the one that cannot be told.
    """
    route = draft.policy.routes[draft.incident.effective]
    reachable = [channel for channel in draft.policy.free_channels if channel != failed_channel]
    for channel in [channel for channel in reachable if channel in route] or reachable:
        key = f"{Kind.NOTICE.value}/{topic}/{channel}"
        if key not in draft.incident.deliveries:
            draft.put(key, _pending(draft, Kind.NOTICE, channel, draft.now, words))


def owe_answer(draft: Draft) -> None:
    """Owe "somebody answered" or "it is over" to every free channel that heard of the incident and not yet of that."""
    kind = _ANSWERS.get(draft.incident.state)
    if kind is None or draft.incident.members or (draft.incident.one_off and draft.incident.expired):
        # Of what nothing can close nobody waits to hear that it is over; and each member of a digest says so itself.
        return
    deliveries = draft.incident.deliveries
    heard = {delivery.channel for delivery in deliveries.values() if delivery.state in OUT}
    owe(draft, kind, [one for one in FREE_CHANNELS if one in heard and f"{kind.value}/{one}" not in deliveries])


def is_wanted(incident: Incident, delivery: Delivery) -> bool:
    """Whether a message is still worth sending: acknowledging ends pages and escalation, resolving all but its own."""
    state = incident.state
    match delivery.kind:
        case Kind.OPENED | Kind.ESCALATED if delivery.channel == "sms":
            return state is IncidentState.OPEN
        case Kind.OPENED:
            return state is not IncidentState.RESOLVED
        case Kind.ESCALATED:
            return state is IncidentState.OPEN
        case Kind.ACKNOWLEDGED:
            return state is IncidentState.ACKNOWLEDGED
        case Kind.RESOLVED:
            return state is IncidentState.RESOLVED
        case Kind.NOTICE:
            # What was said of an open incident is old once that is over; what failed since is still news.
            return incident.resolved_at is None or delivery.created_at >= incident.resolved_at


def _opens(delivery: Delivery) -> bool:
    return delivery.kind in (Kind.OPENED, Kind.ESCALATED)


def _pending(draft: Draft, kind: Kind, channel: str, due_at: datetime, words: str = "") -> Delivery:
    return Delivery(
        kind=kind, channel=channel, state=DeliveryState.PENDING, created_at=draft.now, due_at=due_at, words=words
    )
