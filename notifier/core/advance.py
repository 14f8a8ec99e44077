"""The one decision: what an event makes of an incident and the ledger, and what is to be sent now."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from notifier.core.answering import acknowledged, closed
from notifier.core.digest import collected, members_told, taken_over
from notifier.core.escalation import ticked
from notifier.core.events import (
    Acknowledged,
    Alerted,
    Claim,
    Collected,
    Decision,
    Event,
    MembersTold,
    OptedOut,
    Reported,
    Settled,
    State,
    TakenOver,
    Texted,
    Ticked,
)
from notifier.core.opening import opened
from notifier.core.policy import Policy
from notifier.core.replying import opted_out, texted
from notifier.core.reporting import reported
from notifier.core.settling import settled
from notifier.core.unreadable import unreadable

AHEAD = timedelta(hours=1)
"""How far in the future a sender's start may lie and still be taken for a wrong clock."""


def advance(  # noqa: C901, PLR0911 - a branch for each event
    state: State, event: Event, policy: Policy, now: datetime, claim: Claim
) -> Decision:
    """Hand `event` to its rules. The same arguments always give the same decision.

    Safe to call again after a conflict with what was read anew: what this claim holds already is found, not made
    twice.
    """
    match event:
        case Alerted():
            return _alerted(state, event, policy, now, claim)
        case Acknowledged():
            return acknowledged(state, event, policy, now, claim)
        case Ticked():
            return ticked(state, event, policy, now, claim)
        case Settled():
            return settled(state, event, policy, now, claim)
        case Reported():
            return reported(state, event, policy, now, claim)
        case Collected():
            return collected(state, event, policy, now, claim)
        case TakenOver():
            return taken_over(state, event, policy, now, claim)
        case MembersTold():
            return members_told(state, policy, now, claim)
        case OptedOut():
            return opted_out(state, event, policy, now, claim)
        case Texted():
            return texted(state, event, policy, now)


def _alerted(state: State, event: Alerted, policy: Policy, now: datetime, claim: Claim) -> Decision:
    alert = event.alert
    if alert.unreadable:
        return unreadable(state, alert, policy, now, claim)
    if alert.started_at and alert.started_at > now + AHEAD:
        # Kept, every true opening after its resolve would seem older than this one, and be ignored as late.
        alert = msgspec.structs.replace(alert, started_at=None)
    if alert.closed and not alert.test:
        return closed(state, msgspec.structs.replace(event, alert=alert), policy, now, claim)
    return opened(state, msgspec.structs.replace(event, alert=alert), policy, now, claim)
