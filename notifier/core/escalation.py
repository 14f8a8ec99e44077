"""Rules for time that passes: what is due is sent, what nobody answers gets louder, what nobody ends is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from notifier.core.alert import Severity
from notifier.core.answering import expire
from notifier.core.claiming import claim_due, hold_no_more, is_first_page, landed_before
from notifier.core.digest import keep_open
from notifier.core.draft import Draft
from notifier.core.events import Claim, Decision, State, Ticked, unchanged
from notifier.core.incident import DeliveryState, Incident, Kind
from notifier.core.ledger import Ledger
from notifier.core.moments import GIVE_UP, climbed_to, expires_at, next_page_due
from notifier.core.owing import is_wanted, owe_answer, owe_next_page, owe_route
from notifier.core.policy import Policy
from notifier.core.settling import give_up
from notifier.core.telling import could_not_page, who
from notifier.core.wording import duration


def ticked(state: State, event: Ticked, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Do everything that is due of one incident by `now`, however late that is: each of it once."""
    known = state.incident
    if known is None:
        return unchanged(state, "the incident is gone from the store; nothing is due of it")
    draft = Draft(known, state.ledger, policy, now, claim)
    if landed := landed_before(draft):
        return landed
    _end_leases(draft)
    _give_up(draft)
    ends = expires_at(draft.incident)
    if ends is not None and ends <= now:
        expire(draft)
    _climb(draft)
    if known.members and event.open_members is not None:
        keep_open(draft, event.open_members)
    _page_the_next(draft)
    if event.release:
        hold_no_more(draft)
    owe_answer(draft)
    claim_due(draft)
    return draft.decision()


def pages_with_room(waiting: Sequence[Incident], ledger: Ledger, policy: Policy, now: datetime) -> list[Incident]:
    """Those of `waiting` (oldest first) whose page the window has room for, as if each took one slot."""
    taken = ledger.taken(now)
    chosen = []
    for incident in waiting:
        limit = policy.sms.max_per_hour - (0 if is_first_page(incident) else policy.sms.reserved)
        if taken < limit:
            taken += 1
            chosen.append(incident)
    return chosen


def _end_leases(draft: Draft) -> None:
    """Whoever sent this did not say how it ended, and cannot any more."""
    for key, delivery in draft.incident.deliveries.items():
        if delivery.state is DeliveryState.CLAIMED and delivery.due_at and delivery.due_at <= draft.now:
            words = "the instance that sent it never said how it ended"
            draft.update(key, state=DeliveryState.UNKNOWN, due_at=draft.now, detail=words)
            if delivery.via and is_wanted(draft.incident, delivery):
                draft.update(key, due_at=None)
                could_not_page(draft, key, f"{words}, and {delivery.via} cannot be asked", certain=False)
                continue
            follows = "it is looked up" if delivery.channel == "sms" else "it is sent again"
            follows = follows if is_wanted(draft.incident, delivery) else "not needed any more"
            draft.note(f"{who(delivery)} may have been told: {words}; {follows}", Severity.WARNING)


def _give_up(draft: Draft) -> None:
    for key, delivery in draft.incident.deliveries.items():
        unknown = delivery.state is DeliveryState.UNKNOWN and delivery.channel != "sms"
        owed = delivery.due_at is not None and delivery.due_at <= draft.now
        tries = unknown or delivery.state is DeliveryState.PENDING
        if tries and owed and draft.now - delivery.created_at >= GIVE_UP and is_wanted(draft.incident, delivery):
            give_up(draft, key)


def _climb(draft: Draft) -> None:
    """Take each step that is due, also one a late tick has missed: the louder route may lack its channels."""
    waited = duration(draft.now - draft.incident.opened_at)
    for severity in climbed_to(draft.incident, draft.policy, draft.now):
        draft.change(effective=severity)
        draft.note(f"nobody has answered for {waited}: now treated as {severity.value}", severity)
        owe_route(draft, Kind.ESCALATED, severity)


def _page_the_next(draft: Draft) -> None:
    due = next_page_due(draft.incident, draft.policy)
    if due is None or due > draft.now:
        return
    place = owe_next_page(draft)
    if place is not None:
        waited = duration(draft.policy.sms.next_phone)
        again = ", again" if place.walk > 1 else ""
        words = f"nobody answered the last page for {waited}: phone {place.phone + 1} is next{again}"
        draft.note(words, Severity.CRITICAL)
