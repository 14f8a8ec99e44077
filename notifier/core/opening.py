"""Rules for an alert that says: this is open."""

from __future__ import annotations

from datetime import datetime, timedelta

from notifier.core.alert import Alert, Severity
from notifier.core.beginning import is_redelivery, new_generation, remembered
from notifier.core.draft import Draft
from notifier.core.events import Claim, Decision, State, unchanged
from notifier.core.incident import KEEP_AFTER_END, Incident, IncidentState, Kind
from notifier.core.owing import cancel_held, claim_due, owe, owe_route
from notifier.core.policy import Policy

SAME_WORDS = timedelta(minutes=10)
"""The same words again within this time are the same one-off."""


def opened(state: State, alert: Alert, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Begin an incident or its next generation, raise one that is open, or see a repeat."""
    known = state.incident
    if known is None:
        return begin(state, alert, policy, now, claim)
    draft = Draft(known, state.ledger, policy, now, claim)
    if begun_here := draft.held():
        return _landed_before(draft, begun_here)
    if is_redelivery(known, alert):
        return unchanged(
            state, f"the same message again, of #{known.ref}, which is {known.state.value}; nothing is told"
        )
    if _is_again(known, alert, now):
        return begin(state, alert, policy, now, claim)
    severity, remark = policy.severity_of(alert.severity)
    if known.state is IncidentState.OPEN and severity > known.severity:
        draft.change(message_ids=remembered(known.message_ids, alert))
        return _raised(draft, severity, remark)
    return unchanged(state, _why_nothing(known))


def begin(state: State, alert: Alert, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Store a new generation, and owe it to the channels of its severity."""
    severity, remark = (Severity.ERROR, "") if alert.unreadable else policy.severity_of(alert.severity)
    draft = Draft(new_generation(state, alert, severity, now), state.ledger, policy, now, claim)
    draft.change(severity_note=remark)
    draft.note(
        f"opened as {severity.value}: {draft.incident.title}" + (f" ({remark})" if remark else ""),
        severity,
        begins=True,
    )
    if alert.test:
        draft.change(expire_at=now + KEEP_AFTER_END)
        owe(draft, Kind.OPENED, policy.free_channels)
    else:
        owe_route(draft, Kind.OPENED, severity)
    claim_due(draft)
    return draft.decision()


def _is_again(known: Incident, alert: Alert, now: datetime) -> bool:
    """Whether this alert begins a new generation of an incident that is known."""
    if known.state is IncidentState.RESOLVED:
        # A later start is a new incident. Without both starts nobody can tell, and a page too many beats a lost one.
        return not (alert.started_at and known.started_at and alert.started_at <= known.started_at)
    return alert.one_off and not alert.incident_id and now - known.opened_at >= SAME_WORDS


def _landed_before(draft: Draft, held: tuple[str, ...]) -> Decision:
    """Our own commit landed and only its answer was lost: nothing is sent yet, and it is if it is still wanted."""
    if draft.incident.state not in (IncidentState.OPEN, IncidentState.TEST):
        cancel_held(draft, held)
    return draft.decision()


def _raised(draft: Draft, severity: Severity, remark: str) -> Decision:
    """The sender calls it worse than before: the channels newly reached are told."""
    draft.note(f"raised from {draft.incident.severity.value} to {severity.value} by its sender", severity)
    effective = max(draft.incident.effective, severity)
    draft.change(severity=severity, effective=effective, severity_note=remark)
    owe_route(draft, Kind.ESCALATED, effective)
    claim_due(draft)
    return draft.decision()


def _why_nothing(known: Incident) -> str:
    if known.state is IncidentState.RESOLVED:
        return f"late: #{known.ref} is resolved, and this opening is no newer; nothing is told"
    return f"repeat of #{known.ref}, which is {known.state.value}; nothing is told"
