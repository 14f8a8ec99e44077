"""What happened to one incident, when, and who was told: in order, and in words a person reads."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum

import msgspec

from notifier.core.incident import Delivery, DeliveryState, Incident, IncidentState, Kind
from notifier.core.report import Progress
from notifier.core.telling import who
from notifier.core.wording import CHANNEL_NAMES, clock_time, duration

STATE_LANE = "state"
LANES = (STATE_LANE, "slack", "discord", "email", "sms")
"""What a moment is about, in the order they are shown: the incident itself, or one channel."""
_WORTH_SAYING = timedelta(minutes=1)
"""How much earlier than we heard of it something must have begun."""


class Mark(Enum):
    """What a moment is; each is shown by a shape of its own."""

    OPENED = "opened"
    SLACK = "slack"
    DISCORD = "discord"
    EMAIL = "email"
    SMS = "sms"
    OWED = "owed"
    """Not told yet, or nobody can tell whether it was."""
    CAPPED = "capped"
    """A page held back: the window was full."""
    FAILED = "failed"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened."""

    at: datetime
    lane: str
    """One of LANES."""
    mark: Mark
    words: str
    """One line, without the time: `text to phone 1: delivered`."""


def timeline(incident: Incident) -> tuple[Moment, ...]:
    """All that happened to this generation of `incident`, the first thing first.

    A message counts from when it was sent last; one that nobody needed any more is left out.
    """
    moments = [Moment(at=incident.opened_at, lane=STATE_LANE, mark=Mark.OPENED, words=_opening(incident))]
    moments += [moment for one in incident.deliveries.values() if (moment := _told(one))]
    if incident.acknowledged_at is not None:
        words = f"acknowledged by {incident.acknowledged_by}"
        moments.append(
            Moment(at=incident.acknowledged_at, lane=STATE_LANE, mark=Mark.ACKNOWLEDGED, words=words),
        )
    if incident.resolved_at is not None:
        lasted = duration(incident.resolved_at - (incident.started_at or incident.opened_at))
        words = f"expired after {lasted} without news" if incident.expired else f"resolved after {lasted}"
        moments.append(Moment(at=incident.resolved_at, lane=STATE_LANE, mark=Mark.RESOLVED, words=words))
    # Stable: of what has the same time, what was owed first comes first, and an end before those who hear of it.
    return tuple(sorted(moments, key=lambda moment: (moment.at, _comes_after(moment))))


def _comes_after(moment: Moment) -> bool:
    """Whether it follows from what else has the same time: an answer is told after it was given."""
    return moment.lane != STATE_LANE


def _opening(incident: Incident) -> str:
    if incident.state is IncidentState.TEST:
        return "a test came in"
    if incident.members:
        return f"one text made for {len(incident.members)} incidents that were held back"
    began = incident.started_at
    if began is None or incident.opened_at - began < _WORTH_SAYING:
        return "opened"
    return f"opened; it began {duration(incident.opened_at - began)} before"


def _told(delivery: Delivery) -> Moment | None:
    """What became of one message; None where nothing was sent, and nobody needs it any more."""
    sent_at = delivery.claimed_at or delivery.created_at
    at, mark, words = sent_at, Mark.OWED, ""
    match delivery.state:
        case DeliveryState.SENT:
            mark, words = Mark(delivery.channel), _sent(delivery)
        case DeliveryState.UNKNOWN:
            words = f"{_whom(delivery)}: nobody can tell yet whether it was sent" + _because(delivery)
        case DeliveryState.PENDING | DeliveryState.CLAIMED:
            words = f"{_whom(delivery)}: {_owed(delivery)}"
        case DeliveryState.CAPPED:
            at, mark = delivery.created_at, Mark.CAPPED
            words = f"{_whom(delivery)}: held back, the cap is reached"
        case DeliveryState.DIGESTED:
            at, mark = delivery.created_at, Mark.CAPPED
            words = f"{_whom(delivery)}: held back by the cap, then told in one text with others, #{delivery.digest}"
        case DeliveryState.FAILED:
            mark, words = Mark.FAILED, f"{_whom(delivery)}: failed" + _because(delivery)
        case DeliveryState.CANCELLED:
            return None
    return Moment(at=at, lane=delivery.channel, mark=mark, words=words)


def _sent(delivery: Delivery) -> str:
    if delivery.channel == "sms":
        by = f" by {delivery.via}" if delivery.via else ""
        return f"{_whom(delivery)}{by}: {_PROGRESS[delivery.report]}"
    if delivery.kind is Kind.NOTICE:
        return f"{_whom(delivery)} told: {delivery.words}"
    return f"{_whom(delivery)} told{_TOLD[delivery.kind]}"


def _owed(delivery: Delivery) -> str:
    if delivery.state is DeliveryState.CLAIMED:
        return "being sent"
    if not delivery.attempts:
        return "not sent yet"
    again = f"; again at {clock_time(delivery.due_at)}" if delivery.due_at else ""
    return f"not sent yet{_because(delivery)}{again}"


def _whom(delivery: Delivery) -> str:
    return f"text to {who(delivery)}" if delivery.channel == "sms" else CHANNEL_NAMES[delivery.channel]


def _because(delivery: Delivery) -> str:
    return f" ({delivery.detail})" if delivery.detail else ""


_TOLD = {
    Kind.OPENED: "",
    Kind.ESCALATED: " that it got louder",
    Kind.ACKNOWLEDGED: " who acknowledged it",
    Kind.RESOLVED: " that it is over",
}
_PROGRESS = {
    None: "sent",
    Progress.TAKEN: "sent",
    Progress.SENT: "sent, the carrier has it",
    Progress.DELIVERED: "delivered",
    Progress.FAILED: "lost",
}
