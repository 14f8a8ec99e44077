"""Rules for what the provider says became of a text: by a delivery report, or in its list."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from notifier.core.claiming import claim_due, landed_before
from notifier.core.draft import Draft
from notifier.core.events import Claim, Decision, Reported, State, unchanged
from notifier.core.incident import Delivery, DeliveryState
from notifier.core.listing import Text
from notifier.core.message import message_of
from notifier.core.owing import is_wanted, owe_answer
from notifier.core.policy import Policy
from notifier.core.report import Progress, Report
from notifier.core.telling import could_not_page, told, who

FINAL_WITHIN = timedelta(minutes=5, seconds=30)
"""Without a last word on a text after so long its provider is asked, once. By then it has arrived or has run out: a
page is valid for 5 minutes (notifier.channels.twilio)."""
_RANK = {progress: rank for rank, progress in enumerate(Progress)}
_NOT_OUT = (DeliveryState.PENDING, DeliveryState.CAPPED, DeliveryState.UNKNOWN)


def reported(state: State, event: Reported, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Take the provider's word, unless it is old or about no text of ours."""
    known = state.incident
    if known is None:
        return unchanged(state, "a delivery report on an incident that is not in the store")
    draft = Draft(known, state.ledger, policy, now, claim)
    if landed := landed_before(draft):
        return landed
    delivery = known.deliveries.get(event.delivery)
    if delivery is None or event.generation != known.generation or delivery.channel != "sms":
        return unchanged(state, f"a delivery report on no text of #{known.ref} as it is now")
    if words := _why_it_changes_nothing(delivery, event):
        return unchanged(state, f"{who(delivery)} of #{known.ref}: {words}")
    take_word(draft, event.delivery, event.id, event.report, "its delivery report came")
    _count(draft, event)
    owe_answer(draft)
    # Whether somebody has answered all that a digest tells of is what its tick finds out before it pages on.
    claim_due(draft, pages=not known.members)
    return draft.decision()


def take_word(draft: Draft, key: str, text_id: str, report: Report, how: str) -> None:
    """Record how far the text of page `key` has come. `how`: where that is known from."""
    delivery = draft.incident.deliveries[key]
    claimed_at = delivery.claimed_at or draft.now
    draft.update(
        key, provider_id=text_id, report=report.progress, claimed_at=claimed_at, due_at=None, report_due_at=None
    )
    if report.opted_out:
        heard_opt_out(draft, delivery)
    if report.progress is Progress.FAILED:
        draft.update(key, state=DeliveryState.FAILED, detail=report.trouble, passes=report.passes or report.opted_out)
        if delivery.state is not DeliveryState.FAILED:
            # Else it failed as soon as it was made: all that follows from that is done.
            could_not_page(draft, key, report.trouble)
        return
    if delivery.state is not DeliveryState.SENT:
        draft.update(key, state=DeliveryState.SENT, detail=how)
        draft.note(f"{told(delivery)} ({how})")
    if report.progress is Progress.DELIVERED:
        draft.note(f"{who(delivery)} has got the text")
    else:
        draft.update(key, report_due_at=asks_at(draft, key))


def _count(draft: Draft, event: Reported) -> None:
    """A text that nobody could find has given its slot back; once it is known to be out it counts, as if listed."""
    delivery = draft.incident.deliveries[event.delivery]
    if delivery.state is DeliveryState.SENT:
        words = message_of(draft.incident, event.delivery, draft.policy).sms
        text = Text(id=event.id, created_at=delivery.claimed_at or draft.now, body=words)
        draft.ledger = draft.ledger.with_listed((text,), delivery.phone or 0, draft.now)


def asks_at(draft: Draft, key: str) -> datetime | None:
    """When the provider is to be asked about a text that it took; None where it was, or nobody would wait for it."""
    delivery = draft.incident.deliveries[key]
    at = (delivery.claimed_at or draft.now) + FINAL_WITHIN
    return at if at > draft.now and not delivery.via and is_wanted(draft.incident, delivery) else None


def heard_opt_out(draft: Draft, delivery: Delivery) -> None:
    """The provider says that this phone takes no texts."""
    if mark := draft.policy.mark_of(delivery.phone or 0):
        conversation = draft.ledger.conversation.with_opt_out(mark, draft.now, heard=True)
        draft.ledger = msgspec.structs.replace(draft.ledger, conversation=conversation)


def is_newer(delivery: Delivery, progress: Progress) -> bool:
    """Whether this says more of the text than is known: reports come in any order, and more than once."""
    known = delivery.report
    return known is None or (not known.is_final and _RANK[progress] > _RANK[known])


def _why_it_changes_nothing(delivery: Delivery, event: Reported) -> str:
    """Empty for a report that is news."""
    if not 1 <= event.number <= delivery.attempts:
        return "a delivery report on a text that was never sent"
    if event.number < delivery.attempts or delivery.state in (DeliveryState.CANCELLED, DeliveryState.DIGESTED):
        # It was looked up as not sent, and then came all the same.
        late = delivery.state in _NOT_OUT and event.report.progress is not Progress.FAILED
        return "" if late else "a delivery report on an earlier text of this page"
    if delivery.provider_id and delivery.provider_id != event.id:
        return "a delivery report on a text with another id"
    failed = delivery.state is DeliveryState.FAILED and not event.report.progress.is_final
    if failed or not is_newer(delivery, event.report.progress):
        return f"{event.report.progress.value} is no news"
    return ""
