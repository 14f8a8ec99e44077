"""Rules for a body we could not read: told once, at most five times an hour, and then counted."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from notifier.core.alert import Alert, Severity
from notifier.core.beginning import new_generation
from notifier.core.draft import Draft
from notifier.core.events import Alerted, Claim, Decision, State, unchanged
from notifier.core.incident import DeliveryState, Kind
from notifier.core.opening import begin
from notifier.core.owing import owe
from notifier.core.policy import Policy

SOURCE = "notifier"
NOTICES = 5
HOUR = timedelta(hours=1)
_COUNTER = "more since "


def unreadable_alert(identity: str, reason: str, message_id: str = "") -> Alert:
    """What people are told of a body we could not read. `identity`: its message id or a hash of it."""
    text = f"A sender with the right token sent something that is no alert, so nobody was paged for it.\n{reason}"
    return _told_once(f"unreadable {identity}", "An alert we could not read", text, message_id)


def unreadable_document(key: str, reason: str) -> Alert:
    """What people are told of an incident's document that the tick could not read."""
    text = f"Something is due of an incident whose document cannot be read, so nobody is told of it.\n{reason}"
    return _told_once(f"document {key}", "A stored incident we could not read", text)


def _told_once(incident_id: str, title: str, text: str, message_id: str = "") -> Alert:
    return Alert(
        source=SOURCE,
        incident_id=incident_id,
        title=title,
        text=text,
        one_off=True,
        unreadable=True,
        message_id=message_id,
    )


def unreadable(state: State, alert: Alert, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Tell of it, or count it when enough were told of within the hour."""
    if alert.incident_id.startswith(_COUNTER):
        return _count(state, alert, policy, now, claim)
    known = state.incident
    if known is not None:
        if held := Draft(known, state.ledger, policy, now, claim).held():
            return Decision(incident=known, ledger=state.ledger, send=held)
        return unchanged(state, f"the same unreadable body again (#{known.ref}); nothing is told")
    told = tuple(moment for moment in state.ledger.unreadable_told if now - moment < HOUR)
    if len(told) >= NOTICES:
        counter = msgspec.structs.replace(
            alert,
            incident_id=_COUNTER + told[0].isoformat(),
            title="More alerts we could not read",
            started_at=told[0] + HOUR,
        )
        return Decision(incident=None, ledger=state.ledger, instead=counter)
    decision = begin(state, Alerted(alert), policy, now, claim)
    return msgspec.structs.replace(
        decision, ledger=msgspec.structs.replace(decision.ledger, unreadable_told=(*told, now))
    )


def _count(state: State, alert: Alert, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """One more; told in one message when the hour is over."""
    known = state.incident
    if known is None:
        draft = Draft(new_generation(state, alert, Severity.ERROR, now), state.ledger, policy, now, claim)
        draft.note(f"over {NOTICES} unreadable bodies within the hour: the rest is counted", Severity.ERROR)
        owe(draft, Kind.OPENED, list(policy.routes[Severity.ERROR]), due_at=alert.started_at)
    else:
        draft = Draft(known, state.ledger, policy, now, claim)
    told = any(delivery.state is not DeliveryState.PENDING for delivery in draft.incident.deliveries.values())
    if not told:
        repeats = draft.incident.repeats + 1
        draft.change(repeats=repeats, title=f"{repeats} more alerts we could not read")
    return draft.decision()
