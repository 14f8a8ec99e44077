"""What each channel is told, from an incident. The channels only put it into their own form."""

from __future__ import annotations

from datetime import datetime

import msgspec

from notifier.core.alert import Severity
from notifier.core.incident import Delivery, Incident, IncidentState, Kind
from notifier.core.moments import EXPIRES
from notifier.core.policy import Policy
from notifier.core.sms_text import fit
from notifier.core.wording import clock_time, duration


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
    acknowledge_url: str = ""
    """Where whoever reads this says that they are on it; empty where there is nothing to answer."""
    ref: str
    sms: str = ""
    """The text for the phone, already fitted to its segments; empty for other channels."""
    phone: int | None = None
    """Index into ONCALL_PHONE; SMS only."""
    report_url: str = ""
    """Where the provider is to say what became of the text; SMS only, empty where no report could be trusted."""
    via: str = ""
    """Which provider sends the text, where it is not Twilio (SMS_FALLBACK)."""
    roundup: tuple[Message, ...] = ()
    """The messages that this one tells in their place, each in a line; it has no `ref` of its own then."""


FACTS = 12
"""More named values than fit on a phone's screen help nobody there; all are in the store."""


def headline(incident: Incident, at: datetime) -> str:
    """What happened, in one line: `CRITICAL: Database unreachable`; what was reached by climbing says so itself."""
    if incident.state is IncidentState.TEST:
        return f"TEST: {incident.title}"
    if incident.effective > incident.severity and not incident.members:
        waited = duration(at - incident.opened_at)
        return f"{incident.severity.value.upper()} unanswered {waited}: {incident.title}"
    return f"{incident.effective.value.upper()}: {incident.title}"


def message_of(incident: Incident, key: str, policy: Policy, acknowledge_url: str = "") -> Message:
    """The words of delivery `key` of `incident`. `acknowledge_url`: what is offered while it can be answered."""
    delivery = incident.deliveries[key]
    first_line = _headline(incident, delivery)
    opens = delivery.kind in (Kind.OPENED, Kind.ESCALATED)
    over = delivery.kind in (Kind.ACKNOWLEDGED, Kind.RESOLVED)
    return Message(
        delivery=key,
        incident=incident.key,
        generation=incident.generation,
        kind=delivery.kind,
        severity=Severity.INFO if over else incident.effective,
        headline=first_line,
        body=_body(incident, delivery.kind),
        facts=_facts(incident) if opens else (),
        url=incident.url,
        acknowledge_url=acknowledge_url if incident.state is IncidentState.OPEN and not over else "",
        ref=incident.ref,
        sms=_sms(first_line, incident, delivery, policy) if delivery.channel == "sms" else "",
        phone=delivery.phone,
        via=delivery.via,
    )


def _headline(incident: Incident, delivery: Delivery) -> str:
    match delivery.kind:
        case Kind.NOTICE:
            return delivery.words
        case Kind.ACKNOWLEDGED:
            at = clock_time(incident.acknowledged_at or incident.opened_at)
            return f"ACKNOWLEDGED by {incident.acknowledged_by} at {at}: {incident.title}"
        case Kind.RESOLVED if incident.expired:
            return f"EXPIRED after {duration(EXPIRES)} without news: {incident.title}"
        case Kind.RESOLVED:
            end = incident.resolved_at or incident.opened_at
            return f"RESOLVED after {duration(end - (incident.started_at or incident.opened_at))}: {incident.title}"
        case Kind.OPENED if delivery.channel != "sms" and incident.state is not IncidentState.TEST:
            # As its sender called it, however late this is told.
            return f"{incident.severity.value.upper()}: {incident.title}"
        case _:
            return headline(incident, delivery.created_at)


def _body(incident: Incident, kind: Kind) -> str:
    match kind:
        case Kind.ACKNOWLEDGED if incident.one_off:
            return "Nobody is paged for it any more."
        case Kind.OPENED | Kind.ESCALATED:
            return incident.text
        case Kind.ACKNOWLEDGED:
            return "Nobody is paged for it any more. It stays open until its sender says that it is over."
        case Kind.RESOLVED if incident.expired:
            return "Its sender never said that it is over: see whether it is. Nothing more is sent of it."
        case _:
            return ""


def _facts(incident: Incident) -> tuple[tuple[str, str], ...]:
    facts = [("Since", f"{incident.started_at or incident.opened_at:%Y-%m-%d %H:%M} UTC")]
    if incident.severity_note:
        facts.append(("Severity", incident.severity_note))
    facts += [(label.name, label.value) for label in incident.labels if label.name and label.value]
    return tuple(facts[:FACTS])


_NAMES = {"slack": "Slack", "discord": "Discord", "email": "email"}


def _sms(first_line: str, incident: Incident, delivery: Delivery, policy: Policy) -> str:
    head, separator, _ = first_line.partition(": ")
    title = incident.title
    if incident.members:
        head, separator = f"{len(incident.members)} open", ": "
        title = ", ".join(member.title for member in incident.members)
    # The second provider passes no answer on to us: whoever sent one would believe that he had been heard.
    tail = f" #{incident.ref}" + (" Reply ack" if policy.texting.replies and not delivery.via else "")
    text = fit(f"{head}{separator}", title, tail, policy.sms.max_segments)
    if delivery.last_slot and policy.free_channels:
        more = f"{tail}. Cap reached, more on {_NAMES[policy.free_channels[0]]}"
        longer = fit(f"{head}{separator}", title, more, policy.sms.max_segments)
        # Only where it costs nothing of what happened.
        if longer.removesuffix(more) == text.removesuffix(tail):
            return longer
    return text
