"""Rules for an alert that says: this is open."""

from __future__ import annotations

from datetime import datetime, timedelta

from notifier.core.alert import Alert, Severity
from notifier.core.beginning import is_redelivery, new_generation, remembered
from notifier.core.claiming import claim_due, landed_before
from notifier.core.draft import Draft
from notifier.core.events import Alerted, Claim, Decision, Finding, State, unchanged
from notifier.core.incident import KEEP_AFTER_END, DeliveryState, Incident, IncidentState, Kind
from notifier.core.looking_up import look_at
from notifier.core.owing import owe, owe_route
from notifier.core.policy import Policy

SAME_WORDS = timedelta(minutes=10)
"""The same words again within this time are the same one-off."""
LATE = timedelta(seconds=5)
"""An alert that comes so long after its start may be a second try, the first of which found the store down: nobody
tries again sooner. Then its page may have gone out; one look into the provider's list tells."""
NEWS = timedelta(days=1)
"""How old the last word of a sender may get before a repeat is written down: the incident must not expire meanwhile."""


def opened(state: State, event: Alerted, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Begin an incident or its next generation, raise one that is open, or see a repeat."""
    known, alert = state.incident, event.alert
    if known is None:
        return begin(state, event, policy, now, claim)
    draft = Draft(known, state.ledger, policy, now, claim)
    if landed := landed_before(draft):
        return landed
    if is_redelivery(known, alert):
        return unchanged(
            state, f"the same message again, of #{known.ref}, which is {known.state.value}; nothing is told"
        )
    if _is_again(known, alert, now):
        return begin(state, event, policy, now, claim)
    severity, remark = policy.severity_of(alert.severity)
    if known.state is IncidentState.OPEN and severity > known.severity:
        draft.change(message_ids=remembered(known.message_ids, alert), news_at=now)
        return _raised(draft, severity, remark, event.findings)
    return _repeated(state, draft)


def begin(state: State, event: Alerted, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Store a new generation, and owe it to the channels of its severity."""
    alert = event.alert
    severity, remark = (Severity.ERROR, "") if alert.unreadable else policy.severity_of(alert.severity)
    draft = Draft(new_generation(state, alert, severity, now), state.ledger, policy, now, claim)
    draft.change(severity_note=remark)
    draft.note(
        f"opened as {severity.value}: {draft.incident.title}" + (f" ({remark})" if remark else ""),
        severity,
        begins=True,
    )
    if state.incident is not None and (lost := _not_told(state.incident)):
        draft.note(f"opened again before these of generation {state.incident.generation} were told: {', '.join(lost)}")
    if alert.test:
        draft.change(expire_at=now + KEEP_AFTER_END)
        owe(draft, Kind.OPENED, policy.free_channels)
    else:
        owe_route(draft, Kind.OPENED, severity, look_first=_is_late(draft.incident, now))
    return _claim(draft, event.findings)


def _is_again(known: Incident, alert: Alert, now: datetime) -> bool:
    """Whether this alert begins a new generation of an incident that is known."""
    if known.state is IncidentState.RESOLVED:
        # A later start is a new incident. Without both starts nobody can tell, and a page too many beats a lost one.
        # One that only expired was never said to be over.
        return known.expired or not (alert.started_at and known.started_at and alert.started_at <= known.started_at)
    return alert.one_off and not alert.incident_id and now - known.opened_at >= SAME_WORDS


def _is_late(incident: Incident, now: datetime) -> bool:
    """Whether it may be a second try. Of an alert without a start nobody can tell."""
    return incident.started_at is not None and now - incident.started_at > LATE


def _claim(draft: Draft, findings: tuple[Finding, ...]) -> Decision:
    """Take what is due; a page that was to be looked up first, and was, in the same go."""
    claim_due(draft)
    for finding in findings:
        look_at(draft, finding)
    claim_due(draft)
    return draft.decision()


def _not_told(known: Incident) -> list[str]:
    """What is still owed of the generation that ends here."""
    owed = (DeliveryState.PENDING, DeliveryState.CAPPED, DeliveryState.CLAIMED)
    return [key for key, delivery in known.deliveries.items() if delivery.state in owed]


def _raised(draft: Draft, severity: Severity, remark: str, findings: tuple[Finding, ...]) -> Decision:
    """The sender calls it worse than before: the channels newly reached are told."""
    draft.note(f"raised from {draft.incident.severity.value} to {severity.value} by its sender", severity)
    effective = max(draft.incident.effective, severity)
    draft.change(severity=severity, effective=effective, severity_note=remark)
    owe_route(draft, Kind.ESCALATED, effective, look_first=_is_late(draft.incident, draft.now))
    return _claim(draft, findings)


def _repeated(state: State, draft: Draft) -> Decision:
    """Nothing new; only that its sender still speaks of it is kept, once a day."""
    known = draft.incident
    if known.state is IncidentState.RESOLVED:
        return unchanged(state, f"late: #{known.ref} is resolved, and this opening is no newer; nothing is told")
    if draft.now - (known.news_at or known.opened_at) < NEWS:
        return unchanged(state, f"repeat of #{known.ref}, which is {known.state.value}; nothing is told")
    draft.change(news_at=draft.now)
    draft.note("its sender says again that it is open")
    return draft.decision()
