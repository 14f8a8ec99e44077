"""Which incident an alert belongs to, and how its first stored form looks."""

from __future__ import annotations

from datetime import datetime

from notifier.core.alert import Alert, Severity
from notifier.core.events import State
from notifier.core.incident import MESSAGE_IDS, Incident, IncidentState, incident_key, ref_of
from notifier.core.ledger import Ledger, slot_owner


def new_generation(state: State, alert: Alert, severity: Severity, now: datetime) -> Incident:
    """An incident as this alert begins it, with nothing owed yet."""
    known = state.incident
    generation = known.generation + 1 if known else 1
    return Incident(
        key=state.key,
        source=alert.source,
        incident_id=alert.incident_id,
        ref=_ref(state.key, generation, state.ledger),
        generation=generation,
        state=IncidentState.TEST if alert.test else IncidentState.OPEN,
        severity=severity,
        effective=severity,
        one_off=alert.one_off,
        unreadable=alert.unreadable,
        title=alert.title,
        text=alert.text,
        documentation=alert.documentation,
        url=alert.url,
        labels=alert.labels,
        started_at=alert.started_at,
        opened_at=now,
        follows=(known.resolved_at or now) if known else None,
        message_ids=remembered(known.message_ids if known else (), alert),
    )


def key_of(alert: Alert, request_id: str) -> str:
    """The incident an alert belongs to.

    `request_id`: what makes each test notification an incident of its own, unless its transport named it.
    """
    if alert.test:
        return incident_key(alert.source, f"test {alert.message_id or request_id}")
    return incident_key(alert.source, alert.incident_id or _words(alert))


def is_redelivery(known: Incident, alert: Alert) -> bool:
    """Whether this very message was taken in before (Pub/Sub delivers at least once)."""
    return bool(alert.message_id) and _message(alert) in known.message_ids


def remembered(message_ids: tuple[str, ...], alert: Alert) -> tuple[str, ...]:
    """The newest messages that were taken in, this one among them."""
    return (*message_ids, _message(alert))[-MESSAGE_IDS:] if alert.message_id else message_ids


def _message(alert: Alert) -> str:
    """One message may hold several alerts of an incident: an Alertmanager body in a Pub/Sub envelope."""
    return f"{alert.message_id} {'closed' if alert.closed else 'open'} {alert.severity} {alert.started_at or ''}"


def _words(alert: Alert) -> str:
    """What tells one one-off without an id from another: its words."""
    return f"words\n{alert.title}\n{alert.text}"


def _ref(key: str, generation: int, ledger: Ledger) -> str:
    """Four characters, or more when a text of the last hour carries the same for another incident."""
    owners = {owner for name in ledger.slots if (owner := slot_owner(name)) and owner[0] != key}
    taken = {ref_of(*owner, length) for owner in owners for length in (4, 5)}
    return next(
        (ref for length in (4, 5) if (ref := ref_of(key, generation, length)) not in taken),
        ref_of(key, generation, 6),
    )
