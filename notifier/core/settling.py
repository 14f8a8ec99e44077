"""Rules for how a send ended: what is recorded, and what follows."""

from __future__ import annotations

from datetime import datetime, timedelta

from notifier.core.alert import Severity
from notifier.core.claiming import cancel_unwanted_claims, claim_due, slot_name
from notifier.core.draft import Draft
from notifier.core.events import Attempt, Claim, Decision, Note, Settled, State
from notifier.core.incident import Delivery, DeliveryState, Incident
from notifier.core.looking_up import look_at, send_elsewhere
from notifier.core.moments import GIVE_UP
from notifier.core.outcome import Outcome, Result
from notifier.core.owing import is_wanted, owe_answer, owe_notice
from notifier.core.policy import Policy
from notifier.core.reporting import asks_at, heard_opt_out
from notifier.core.telling import could_not_page, say, told, who
from notifier.core.wording import duration

BACK_OFF = timedelta(seconds=5)
BACK_OFF_MOST = timedelta(minutes=10)
SECOND_TRY = timedelta(seconds=3)
"""What a request must have left to send once more."""


def second_try_at(incident: Incident, claim: Claim) -> datetime | None:
    """When something of `incident` is owed again while this request still has the time to send it; None if never."""
    soon = [
        delivery.due_at
        for delivery in incident.deliveries.values()
        if delivery.state is DeliveryState.PENDING
        and delivery.attempts
        and delivery.due_at
        and claim.send_until - delivery.due_at >= SECOND_TRY
    ]
    return min(soon, default=None)


def settled(state: State, event: Settled, policy: Policy, now: datetime, claim: Claim) -> Decision:
    """Record how each send ended, and owe what follows from it."""
    if state.incident is None:
        words = "the incident is gone from the store; how its sends ended is in this log only"
        return Decision(incident=None, ledger=state.ledger, notes=(Note(Severity.ERROR, words),))
    draft = Draft(state.incident, state.ledger, policy, now, claim)
    for attempt in event.attempts:
        if attempt.generation != draft.incident.generation:
            _record_past_generation(draft, attempt)
        elif _is_news(draft, attempt):
            _record(draft, attempt, second_try=event.second_try)
    for finding in event.findings:
        look_at(draft, finding)
    cancel_unwanted_claims(draft, event.attempts)
    owe_answer(draft)
    claim_due(draft)
    return draft.decision(event.attempts)


def _is_news(draft: Draft, attempt: Attempt) -> bool:
    """Whether the record may be changed by this attempt: sent stands over all else, and mine over a stranger's."""
    delivery = draft.incident.deliveries.get(attempt.delivery)
    if delivery is None or delivery.state is DeliveryState.SENT or delivery.report is not None:
        # What the provider has said since is the newer word.
        return False
    mine = delivery.state is DeliveryState.CLAIMED and delivery.claim == draft.claim.id
    return attempt.outcome.result is Result.SENT or (mine and delivery.attempts == attempt.number)


def _record_past_generation(draft: Draft, attempt: Attempt) -> None:
    """The incident was opened anew while this was being sent: its slot can still be put right, and it is said."""
    if attempt.outcome.result in (Result.REJECTED, Result.RETRY):
        draft.ledger = draft.ledger.without_slot(slot_name(draft, attempt.delivery, attempt.generation))
    words = f"{attempt.outcome.result.value} {attempt.outcome.detail}".strip()
    words = f"{attempt.delivery} of generation {attempt.generation} ended after the next had begun: {words}"
    if all(entry.text != words for entry in draft.incident.history):
        draft.note(words)


def _record(draft: Draft, attempt: Attempt, *, second_try: bool) -> None:
    key, outcome = attempt.delivery, attempt.outcome
    draft.update(key, provider_id=outcome.provider_id)
    delivery = draft.incident.deliveries[key]
    if delivery.channel == "sms" and outcome.result in (Result.REJECTED, Result.RETRY):
        left = _text_not_sent(draft, key, outcome)
        if left is None:
            return
        # Twilio has refused it a moment ago: back with Twilio, it waits.
        second_try = second_try and not delivery.via
        outcome, delivery = left, draft.incident.deliveries[key]
    match outcome.result:
        case Result.SENT:
            draft.update(key, state=DeliveryState.SENT, due_at=None, detail=outcome.detail)
            if delivery.channel == "sms":
                draft.update(key, report_due_at=asks_at(draft, key))
            draft.note(told(delivery) + (f" ({outcome.detail})" if outcome.detail else ""))
            if outcome.warning:
                but = "told" if delivery.channel == "sms" else "told, but not all of it"
                say(draft, key, f"{who(delivery)} {but}: {outcome.warning}")
        case Result.REJECTED:
            draft.update(key, state=DeliveryState.FAILED, due_at=None, detail=outcome.detail, passes=outcome.opted_out)
            if delivery.channel == "sms":
                could_not_page(draft, key, outcome.detail)
            else:
                say(draft, key, f"{who(delivery)} cannot be told: {outcome.detail}")
        case Result.RETRY | Result.UNKNOWN:
            _not_done(draft, key, delivery, outcome, second_try=second_try)


def _not_done(draft: Draft, key: str, delivery: Delivery, outcome: Outcome, *, second_try: bool) -> None:
    unknown = outcome.result is Result.UNKNOWN
    state = DeliveryState.UNKNOWN if unknown else DeliveryState.PENDING
    words = f"{who(delivery)} {'may have been' if unknown else 'not'} told: {outcome.detail}"
    if not is_wanted(draft.incident, delivery):
        state = state if unknown else DeliveryState.CANCELLED
        draft.update(key, state=state, due_at=None, detail=outcome.detail)
        draft.note(f"{words}; {draft.incident.state.value} by now, so not sent again", Severity.WARNING)
    elif unknown and delivery.via:
        draft.update(key, state=state, due_at=None, detail=outcome.detail)
        could_not_page(draft, key, f"{outcome.detail}, and {delivery.via} cannot be asked", certain=False)
    elif unknown and delivery.channel == "sms":
        # Looked up before anything else; the lease's end stays its due time.
        draft.update(key, state=state, detail=outcome.detail)
        draft.note(f"{words}; it is looked up before it is sent again", Severity.WARNING)
    elif draft.now - delivery.created_at >= GIVE_UP:
        draft.update(key, state=state, detail=outcome.detail)
        give_up(draft, key)
    else:
        due_at = _try_again_at(draft, delivery, outcome, second_try=second_try and not unknown)
        draft.update(key, state=state, due_at=due_at, detail=outcome.detail)
        # Once for each reason: hours of tries would push everything else out of the history.
        write = draft.log if delivery.detail == outcome.detail else draft.note
        write(f"{words}; again in {duration(due_at - draft.now)}", Severity.WARNING)


def _goes_elsewhere(draft: Draft, delivery: Delivery, outcome: Outcome) -> bool:
    """Whether the second provider is to send a page that the first certainly has not, and cannot now."""
    fallback = draft.policy.texting.fallback
    return bool(fallback and outcome.elsewhere and not delivery.via) and is_wanted(draft.incident, delivery)


def _text_not_sent(draft: Draft, key: str, outcome: Outcome) -> Outcome | None:
    """Give back the slot of a text that was certainly not sent; what is left to record, None if another provider is."""
    draft.ledger = draft.ledger.without_slot(slot_name(draft, key, draft.incident.generation))
    delivery = draft.incident.deliveries[key]
    if outcome.opted_out:
        heard_opt_out(draft, delivery)
    if _goes_elsewhere(draft, delivery, outcome):
        send_elsewhere(draft, key, outcome.detail, then_back=outcome.result is Result.RETRY)
        return None
    return _sent_back(draft, key, outcome) if delivery.via and delivery.then_back else outcome


def _sent_back(draft: Draft, key: str, outcome: Outcome) -> Outcome:
    """The second provider cannot send it either: a while with Twilio must not cost more than without a second."""
    delivery = draft.incident.deliveries[key]
    words = f"{delivery.via} cannot text {who(delivery)} either: {outcome.detail}; Twilio is tried again"
    draft.update(key, via="", then_back=False)
    if outcome.result is Result.REJECTED:
        draft.note(words, Severity.ERROR)
        owe_notice(draft, key.replace("/", "-") + "-elsewhere", words)
    return Outcome(Result.RETRY, words, outcome.retry_after)


def give_up(draft: Draft, key: str) -> None:
    """Too old to tell anybody anything: recorded, logged as an error, and said where it can be."""
    delivery = draft.incident.deliveries[key]
    words = f"given up after {duration(GIVE_UP)}" + (f" ({delivery.detail})" if delivery.detail else "")
    draft.update(key, state=DeliveryState.FAILED, due_at=None)
    if delivery.channel == "sms":
        could_not_page(draft, key, words)
    else:
        say(draft, key, f"{who(delivery)} not told: {words}")


def _try_again_at(draft: Draft, delivery: Delivery, outcome: Outcome, *, second_try: bool) -> datetime:
    """As soon as asked if this request may and can wait for it; else after a back-off, no sooner than asked."""
    asked = timedelta(seconds=outcome.retry_after or 0)
    if second_try and draft.claim.send_until - draft.now - asked >= SECOND_TRY:
        return draft.now + asked
    back_off = min(BACK_OFF * (1 << min(delivery.attempts - 1, 10)), BACK_OFF_MOST)
    return draft.now + max(back_off, asked)
