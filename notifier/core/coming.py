"""What happens next to an incident if nobody answers, in words a person reads."""

from __future__ import annotations

from datetime import timedelta

from notifier.core.alert import Severity
from notifier.core.incident import Incident, IncidentState
from notifier.core.moments import climbed_to, next_page, next_page_due
from notifier.core.policy import Policy
from notifier.core.wording import CHANNEL_NAMES, clock_time


def what_follows(incident: Incident, policy: Policy) -> str:
    """One sentence on the next louder thing; empty for what somebody has answered, or is over."""
    if incident.state is not IncidentState.OPEN:
        return ""
    if incident.waiting_since is not None:
        return "A text about it is held back by the hourly cap, and goes out as soon as there is room."
    # A text is sent at the highest severity only, so what is paged climbs no more.
    if words := _next_page(incident, policy) or _next_climb(incident, policy):
        return f"If nobody answers, {words}."
    return "Everybody who should hear of it has been told; without an answer nobody is told again."


def _next_page(incident: Incident, policy: Policy) -> str:
    at, place = next_page_due(incident, policy), next_page(incident, policy)
    return f"phone {place.phone + 1} is texted at {clock_time(at)}" if at and place else ""


def _next_climb(incident: Incident, policy: Policy) -> str:
    last = max(policy.escalation.values(), default=timedelta(0))
    climbs = climbed_to(incident, policy, incident.opened_at + last)
    return _climb(incident, policy, climbs[0]) if climbs else ""


def _climb(incident: Incident, policy: Policy, severity: Severity) -> str:
    told = {delivery.channel for delivery in incident.deliveries.values()} | {"log"}
    new = [channel for channel in policy.routes[severity] if channel not in told]
    names = [CHANNEL_NAMES[channel] for channel in new if channel != "sms"]
    tells = [f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} told"] if names else []
    also = "".join(f", and {words}" for words in [*tells, *(["phone 1 is texted"] if "sms" in new else [])])
    at = incident.opened_at + policy.escalation[severity]
    return f"it is treated as {severity.value} at {clock_time(at)}{also}"
