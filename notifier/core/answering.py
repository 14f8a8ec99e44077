"""Rules for what ends an incident or its escalation: somebody answers, its sender says it is over, or nobody does."""

from __future__ import annotations

import re
from datetime import datetime

from notifier.core.alert import WORD_CHARACTERS, Severity, cut, printable
from notifier.core.beginning import is_redelivery, new_generation, remembered
from notifier.core.claiming import claim_due, landed_before
from notifier.core.direction import isolated
from notifier.core.draft import Draft
from notifier.core.events import Acknowledged, Alerted, Claim, Decision, State, unchanged
from notifier.core.incident import KEEP_AFTER_END, Incident, IncidentState, Kind
from notifier.core.moments import EXPIRES
from notifier.core.owing import owe, owe_answer
from notifier.core.policy import Policy
from notifier.core.wording import clock_time, duration

_DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def closed(state: State, event: Alerted, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Resolve what is open; remember a close that came before its open."""
    known, alert = state.incident, event.alert
    if known is None:
        severity, _ = policy.severity_of(alert.severity)
        draft = Draft(new_generation(state, alert, severity, now), state.ledger, policy, now, claim)
        draft.note("closed before it was opened; remembered, and told nowhere")
        end(draft)
        return draft.decision()
    draft = Draft(known, state.ledger, policy, now, claim)
    if landed := landed_before(draft):
        return landed
    if words := _why_it_changes_nothing(known, event):
        return unchanged(state, words)
    draft.change(message_ids=remembered(known.message_ids, alert))
    draft.note(f"resolved by its sender after {duration(now - (known.started_at or known.opened_at))}")
    end(draft)
    owe_answer(draft)
    claim_due(draft)
    return draft.decision()


def acknowledged(state: State, event: Acknowledged, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Stop the pages and the escalation, and tell those who heard of it who answered."""
    known = state.incident
    if known is None:
        return unchanged(state, "an acknowledgement of an incident that is gone from the store")
    draft = Draft(known, state.ledger, policy, now, claim)
    if landed := landed_before(draft):
        return landed
    if event.generation != known.generation:
        return unchanged(state, f"an acknowledgement of an earlier incident; #{known.ref} is {known.state.value}")
    if known.state is not IncidentState.OPEN:
        return unchanged(state, f"an acknowledgement of #{known.ref}, which is {known.state.value}; it changes nothing")
    draft.change(state=IncidentState.ACKNOWLEDGED, acknowledged_at=now, acknowledged_by=event.by)
    draft.note(f"acknowledged by {event.by} at {clock_time(now)}: no more pages, no more escalation")
    owe_answer(draft)
    claim_due(draft)
    return draft.decision()


def answerer(name: str, how: str) -> str:
    """Who answered, for the others to read: "Ana, by the link in Slack". `name`: as somebody wrote it, or empty."""
    # Marks that turn the direction of text would turn the words around the name.
    name = " ".join(_DIRECTIONS.sub("", printable(name)).split())
    return f"{isolated(cut(name, WORD_CHARACTERS)) or 'somebody'}, {how}"


def expire(draft: Draft) -> None:
    """End an incident that nobody has said anything of for days; what was never to close is only written down."""
    heard = duration(EXPIRES)
    if draft.incident.one_off:
        draft.note(f"expired: {heard} old, and nothing can close it")
    else:
        words = f"expired: its sender has said nothing for {heard}, not that it is over; nothing more is sent of it"
        draft.note(words, Severity.WARNING)
    draft.change(expired=True)
    end(draft)
    if draft.incident.one_off:
        return
    owe_answer(draft)
    if not any(delivery.kind is Kind.RESOLVED for delivery in draft.incident.deliveries.values()):
        # Nobody heard that it began, so whoever can be told hears that it ended like this.
        owe(draft, Kind.RESOLVED, draft.policy.free_channels)


def end(draft: Draft) -> None:
    """It is over. `claim_due`, afterwards, cancels what is not needed any more."""
    draft.change(state=IncidentState.RESOLVED, resolved_at=draft.now, expire_at=draft.now + KEEP_AFTER_END)


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
