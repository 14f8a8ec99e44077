"""What each channel is told, from an incident. The channels only put it into their own form.

What the headline, the words below it and the severity say is said once: labels that repeat them are left out.
"""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from notifier.core.alert import Label, Severity
from notifier.core.direction import LEFT_TO_RIGHT_MARK, has_right_to_left, isolated
from notifier.core.incident import Delivery, Incident, IncidentState, Kind
from notifier.core.moments import EXPIRES
from notifier.core.policy import Policy
from notifier.core.sms_text import fit
from notifier.core.wording import CHANNEL_NAMES, clock_time, duration


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
    follows: str = ""
    """The headline of the first message of this incident on the same channel, when this one comes after it."""
    body: str = ""
    """Some paragraphs, each worth reading; may hold line feeds."""
    documentation: str = ""
    """What the team wrote for whoever is paged, in Markdown."""
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

    @property
    def first_line(self) -> str:
        """The headline, and which incident it is about."""
        return f"{self.headline} #{self.ref}" if self.ref else self.headline


FACTS = 12
"""More named values than fit on a phone's screen help nobody there; all are in the store."""


def headline(incident: Incident, at: datetime) -> str:
    """What happened, in one line: `CRITICAL: Database unreachable`; what was reached by climbing says so itself."""
    if incident.state is IncidentState.TEST:
        return f"TEST: {_title(incident)}"
    if incident.effective > incident.severity and not incident.members:
        waited = duration(at - incident.opened_at)
        return f"{incident.severity.value.upper()} unanswered {waited}: {_title(incident)}"
    return f"{incident.effective.value.upper()}: {_title(incident)}"


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
        follows="" if opens else _first_headline(incident, delivery.channel),
        body=_body(incident, delivery.kind),
        documentation=incident.documentation if opens else "",
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
            return f"ACKNOWLEDGED by {incident.acknowledged_by} at {at}: {_title(incident)}"
        case Kind.RESOLVED if incident.expired:
            return f"EXPIRED after {duration(EXPIRES)} without news: {_title(incident)}"
        case Kind.RESOLVED:
            end = incident.resolved_at or incident.opened_at
            lasted = duration(end - (incident.started_at or incident.opened_at))
            return f"RESOLVED after {lasted}: {_title(incident)}"
        case Kind.OPENED if delivery.channel != "sms" and incident.state is not IncidentState.TEST:
            # As its sender called it, however late this is told.
            return f"{incident.severity.value.upper()}: {_title(incident)}"
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


def _title(incident: Incident) -> str:
    return isolated(incident.title)


def _first_headline(incident: Incident, channel: str) -> str:
    """What the channel was told first of this generation; empty where it was told nothing yet."""
    first = (f"{kind.value}/{channel}" for kind in (Kind.OPENED, Kind.ESCALATED))
    return next((_headline(incident, incident.deliveries[key]) for key in first if key in incident.deliveries), "")


_SHOWN = {"project_id": "Project"}
# Google's names for machines: its sentence says the same in words ("CPU utilization", "VM Instance").
_TYPES = {"resource_type", "metric_type"}


def _facts(incident: Incident) -> tuple[tuple[str, str], ...]:
    facts = [("Since", f"{incident.started_at or incident.opened_at:%Y-%m-%d %H:%M} UTC")]
    if incident.severity_note and incident.state is not IncidentState.TEST:
        facts.append(("Severity", incident.severity_note))
    facts += [
        (_SHOWN.get(label.name, label.name), label.value)
        for label in incident.labels
        if label.name and label.value and not _is_said(label, incident)
    ]
    return tuple(facts[:FACTS])


def _is_said(label: Label, incident: Incident) -> bool:
    """Whether the words of the message say what the label says. When in doubt they do not."""
    if label.name in _TYPES:
        return bool(incident.text)
    if label.name.lower() == "severity":
        return label.value.lower() == incident.severity.value
    words = f"{incident.title}\n{incident.text}"
    if label.name == "alertname" or _names_a_thing(label.value):
        return _has(words, label.value)
    # "storage" of a team is not the storage that is full; "job prometheus" is.
    return _has(words, f"{label.name} {label.value}")


def _names_a_thing(value: str) -> bool:
    """Whether it can only be a name: db-1, 10.0.0.1:9100; neither a word nor a number."""
    return re.search(r"[^\W\d_]|[.:/].*[.:/]", value) is not None and re.search(r"[\d\-_.:/]", value) is not None


def _has(words: str, part: str) -> bool:
    """Whether `part` stands there as a whole: db-1 is not in db-10, and not in db-1-replica."""
    return re.search(rf"(?<![\w\-.:/@]){re.escape(part)}(?![\w\-/@]|[.:]\w)", words) is not None


def _sms(first_line: str, incident: Incident, delivery: Delivery, policy: Policy) -> str:
    head, separator, _ = first_line.partition(": ")
    title = incident.title
    if incident.members:
        head, separator = f"{len(incident.members)} open", ": "
        title = ", ".join(member.title for member in incident.members)
    # The second provider passes no answer on to us: whoever sent one would believe that he had been heard.
    tail = f" #{incident.ref}" + (" Reply ack" if policy.texting.replies and not delivery.via else "")
    text = fit(f"{head}{separator}", title, tail, policy.sms.max_segments)
    if has_right_to_left(text):
        # No phone may draw the ref within the title. Such a text is UCS-2 already, and this is one unit of it.
        tail = f"{LEFT_TO_RIGHT_MARK}{tail}"
        text = fit(f"{head}{separator}", title, tail, policy.sms.max_segments)
    if delivery.last_slot and policy.free_channels:
        more = f"{tail}. Cap reached, more on {CHANNEL_NAMES[policy.free_channels[0]]}"
        longer = fit(f"{head}{separator}", title, more, policy.sms.max_segments)
        # Only where it costs nothing of what happened.
        if longer.removesuffix(more) == text.removesuffix(tail):
            return longer
    return text
