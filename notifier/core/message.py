"""What each channel is told, from an incident. The channels only put it into their own form."""

from __future__ import annotations

import msgspec

from notifier.core.alert import Severity
from notifier.core.incident import Incident, IncidentState, Kind
from notifier.core.policy import Policy
from notifier.core.sms_text import fit
from notifier.core.wording import duration


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery's words, in plain text: each channel escapes and cuts them for itself."""

    delivery: str
    """The delivery's key: with `incident` and `generation`, the name of this message."""
    incident: str
    generation: int
    kind: Kind
    severity: Severity
    headline: str
    """One line: what happened, e.g. "CRITICAL: Database unreachable"."""
    body: str = ""
    """Some paragraphs, each worth reading; may hold line feeds."""
    facts: tuple[tuple[str, str], ...] = ()
    """Short named values: ("Since", "2026-01-31 03:12 UTC")."""
    url: str = ""
    """The sender's own page about it; http(s) only, or empty."""
    ref: str
    sms: str = ""
    """The text for the phone, already fitted to its segments; empty for other channels."""
    phone: int | None = None
    """Index into ONCALL_PHONE; SMS only."""


FACTS = 12
"""More named values than fit on a phone's screen help nobody there; all are in the store."""


def headline(incident: Incident) -> str:
    """What happened, in one line: `CRITICAL: Database unreachable`; a text reached by climbing says so itself."""
    if incident.state is IncidentState.TEST:
        return f"TEST: {incident.title}"
    return f"{incident.effective.value.upper()}: {incident.title}"


def message_of(incident: Incident, key: str, policy: Policy) -> Message:
    """The words of delivery `key` of `incident`."""
    delivery = incident.deliveries[key]
    body = incident.text
    first_line = headline(incident)
    match delivery.kind:
        case Kind.NOTICE:
            first_line, body = delivery.words, ""
        case Kind.RESOLVED:
            end = incident.resolved_at or incident.opened_at
            first_line = (
                f"RESOLVED after {duration(end - (incident.started_at or incident.opened_at))}: {incident.title}"
            )
            body = ""
    return Message(
        delivery=key,
        incident=incident.key,
        generation=incident.generation,
        kind=delivery.kind,
        severity=Severity.INFO if delivery.kind is Kind.RESOLVED else incident.effective,
        headline=first_line,
        body=body,
        facts=() if delivery.kind in (Kind.NOTICE, Kind.RESOLVED) else _facts(incident),
        url=incident.url,
        ref=incident.ref,
        sms=_sms(incident, policy) if delivery.channel == "sms" else "",
        phone=delivery.phone,
    )


def _facts(incident: Incident) -> tuple[tuple[str, str], ...]:
    facts = [("Since", f"{incident.started_at or incident.opened_at:%Y-%m-%d %H:%M} UTC")]
    if incident.severity_note:
        facts.append(("Severity", incident.severity_note))
    facts += [(label.name, label.value) for label in incident.labels if label.name and label.value]
    return tuple(facts[:FACTS])


def _sms(incident: Incident, policy: Policy) -> str:
    return fit(f"{incident.effective.value.upper()}: ", incident.title, f" #{incident.ref}", policy.sms.max_segments)
