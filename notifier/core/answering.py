"""Rules for what ends an incident: its sender says that it is over."""

from __future__ import annotations

from datetime import datetime

from notifier.core.beginning import is_redelivery, new_generation, remembered
from notifier.core.draft import Draft
from notifier.core.events import Alerted, Claim, Decision, State, unchanged
from notifier.core.incident import KEEP_AFTER_END, DeliveryState, Incident, IncidentState, Kind
from notifier.core.owing import cancel_unsent, claim_due, owe
from notifier.core.policy import FREE_CHANNELS, Policy
from notifier.core.wording import duration


def resolve(draft: Draft, ended_words: str) -> None:
    """End the incident: nothing more is sent of it, and whoever heard of it hears that it is over."""
    draft.note(ended_words)
    draft.change(state=IncidentState.RESOLVED, resolved_at=draft.now, expire_at=draft.now + KEEP_AFTER_END)
    cancel_unsent(draft)
    owe_resolved(draft)


def owe_resolved(draft: Draft) -> None:
    """Owe "it is over" to every free channel that has heard of the incident and not yet of its end."""
    deliveries = draft.incident.deliveries
    heard = [
        channel
        for channel in FREE_CHANNELS
        if f"{Kind.RESOLVED.value}/{channel}" not in deliveries
        and any(
            delivery.channel == channel and delivery.state in (DeliveryState.SENT, DeliveryState.UNKNOWN)
            for delivery in deliveries.values()
        )
    ]
    owe(draft, Kind.RESOLVED, heard)


def closed(state: State, event: Alerted, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Resolve what is open; remember a close that came before its open."""
    known, alert = state.incident, event.alert
    if known is None:
        severity, _ = policy.severity_of(alert.severity)
        draft = Draft(new_generation(state, alert, severity, now), state.ledger, policy, now, claim)
        draft.note("closed before it was opened; remembered, and told nowhere")
        draft.change(state=IncidentState.RESOLVED, resolved_at=now, expire_at=now + KEEP_AFTER_END)
        return draft.decision()
    draft = Draft(known, state.ledger, policy, now, claim)
    if held := draft.held():
        return Decision(incident=known, ledger=state.ledger, send=held)
    if words := _why_it_changes_nothing(known, event):
        return unchanged(state, words)
    draft.change(message_ids=remembered(known.message_ids, alert))
    resolve(draft, f"resolved by its sender after {duration(now - (known.started_at or known.opened_at))}")
    claim_due(draft)
    return draft.decision()


def _why_it_changes_nothing(known: Incident, event: Alerted) -> str:
    """Empty for a close of what is open."""
    alert = event.alert
    if event.generation and known.generation > event.generation:
        return f"closed already, and opened again since: #{known.ref} stays {known.state.value}"
    if is_redelivery(known, alert):
        return f"the same close again; #{known.ref} is {known.state.value}"
    if known.state is IncidentState.RESOLVED:
        return f"#{known.ref} was resolved already"
    if alert.started_at and known.started_at and alert.started_at < known.started_at:
        return f"late: this close is of an earlier generation than #{known.ref}, which stays open"
    return ""
