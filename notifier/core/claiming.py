"""Which of the owed messages this request may take now; for texts this is the gate: the cap, and who opted out."""

from __future__ import annotations

from datetime import datetime, timedelta

from notifier.core.alert import Severity
from notifier.core.draft import Draft
from notifier.core.events import Attempt, Decision
from notifier.core.incident import OUT, Delivery, DeliveryState, Incident, Kind, page_slot
from notifier.core.ledger import ACCEPTED_WITHIN, WINDOW
from notifier.core.message import headline, message_of
from notifier.core.owing import is_wanted, owe_notice
from notifier.core.sms_text import size_of
from notifier.core.telling import could_not_page
from notifier.core.wording import clock_time, cost, some

OPTED_OUT = "it has answered STOP, and takes no texts before it answers START"
LOOKED = timedelta(minutes=1)
"""How long what the provider's list showed is good enough to send on."""


def claim_due(draft: Draft, *, pages: bool = True) -> None:
    """Take for this request what is due and still wanted; pages only as far as the window has room.

    Past the request's last moment to send nothing is taken: it stays owed, and the tick finds it. So do pages that this
    request may not take.
    """
    cancel_unwanted(draft)
    if draft.now > draft.claim.send_until:
        return
    # Pages first: one that is held back owes notices, which are then taken in the same go. Each page is claimed or put
    # off, and may owe one to the next phone instead.
    seen: set[str] = set()
    while pages and (key := _due_page(draft, seen)) is not None:
        seen.add(key)
        if _may_page(draft, key):
            _take_slot(draft, key)
            _claim(draft, key, _accepted_by(draft))
    for key, delivery in draft.incident.deliveries.items():
        if delivery.channel != "sms" and _may_be_sent(delivery) and _is_due(delivery, draft.now):
            _claim(draft, key, draft.claim.lease_until)


def _due_page(draft: Draft, seen: set[str]) -> str | None:
    for key, page in draft.incident.deliveries.items():
        if page.channel == "sms" and key not in seen and _may_be_sent(page) and _is_due(page, draft.now):
            return key
    return None


def _claim(draft: Draft, key: str, due_at: datetime) -> None:
    draft.update(
        key,
        state=DeliveryState.CLAIMED,
        claim=draft.claim.id,
        claimed_at=draft.now,
        attempts=draft.incident.deliveries[key].attempts + 1,
        due_at=due_at,
        # Of the try before this one: a report that is quicker than the record comes under another.
        provider_id="",
    )


def cancel_unwanted(draft: Draft) -> None:
    """Nothing is owed that nobody needs any more. What is being sent is left to its holder."""
    for key, delivery in draft.incident.deliveries.items():
        unknown = delivery.state is DeliveryState.UNKNOWN and delivery.due_at is not None
        owed = unknown or delivery.state in (DeliveryState.PENDING, DeliveryState.CAPPED)
        if delivery.report_due_at and not is_wanted(draft.incident, delivery):
            # Somebody has answered: how he heard of it matters no more.
            draft.update(key, report_due_at=None)
        if owed and not is_wanted(draft.incident, delivery):
            state = DeliveryState.UNKNOWN if unknown and delivery.attempts else DeliveryState.CANCELLED
            draft.update(key, state=state, due_at=None)


def landed_before(draft: Draft) -> Decision | None:
    """What this request holds by a commit that landed though its answer was lost; None when it holds nothing.

    It is sent, as far as somebody's answer has not made it needless in between.
    """
    if not draft.held():
        return None
    cancel_unwanted_claims(draft)
    return draft.decision()


def cancel_unwanted_claims(draft: Draft, attempts: tuple[Attempt, ...] = ()) -> None:
    """What this request has claimed and certainly not sent may not be needed any more: its slots are given back.

    For what somebody answered in between: while a commit's answer was lost, or a page was looked up. `attempts`: what
    was sent.
    """
    held = draft.held(attempts)
    unwanted = [key for key in held if not is_wanted(draft.incident, draft.incident.deliveries[key])]
    for key in unwanted:
        draft.update(key, state=DeliveryState.CANCELLED, due_at=None)
        draft.ledger = draft.ledger.without_slot(slot_name(draft, key, draft.incident.generation))
    if unwanted:
        draft.note(
            f"{', '.join(unwanted)} not sent: {draft.incident.state.value} before it could be",
            Severity.WARNING,
        )


def hold_no_more(draft: Draft) -> None:
    """Owe again every page that the cap held back, as far as the window has room for it now."""
    for key, delivery in draft.incident.deliveries.items():
        held_back = delivery.state is DeliveryState.CAPPED and not _is_gathered(draft, key)
        if held_back and _has_room(draft):
            # Its age begins anew: it was the window that had no room, and nothing that failed.
            draft.update(key, state=DeliveryState.PENDING, created_at=draft.now, due_at=draft.now, detail="")


def slot_name(draft: Draft, key: str, generation: int) -> str:
    """The ledger's name of a delivery of this incident."""
    return page_slot(draft.incident.key, generation, key)


def is_first_page(incident: Incident) -> bool:
    """Whether the sender called it critical and no page of it has gone out, or may have."""
    out = (*OUT, DeliveryState.CLAIMED)
    paged = any(delivery.channel == "sms" and delivery.state in out for delivery in incident.deliveries.values())
    return incident.severity is Severity.CRITICAL and not paged


def _may_be_sent(delivery: Delivery) -> bool:
    """A text that may have been sent is looked up first; anything free is simply sent again."""
    if delivery.state is DeliveryState.UNKNOWN:
        return delivery.channel != "sms"
    return delivery.state is DeliveryState.PENDING


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.due_at is not None and delivery.due_at <= now


def _has_room(draft: Draft) -> bool:
    sms = draft.policy.sms
    first_page = is_first_page(draft.incident)
    return draft.ledger.has_room(sms.max_per_hour, sms.reserved, draft.now, first_page=first_page)


def _is_gathered(draft: Draft, key: str) -> bool:
    """Whether a digest tells of the page."""
    return draft.ledger.is_gathered(slot_name(draft, key, draft.incident.generation))


def _may_page(draft: Draft, key: str) -> bool:
    """Whether a slot may be taken for the page.

    To a phone that takes no texts it has failed; without room it is held back; one to be looked up first is taken by
    nobody yet; and one that a digest tells of, which was made while it was released, is left to that.
    """
    if _is_gathered(draft, key):
        draft.update(key, state=DeliveryState.CAPPED, due_at=None)
        draft.change(waiting_since=draft.incident.waiting_since or draft.now)
        return False
    mark = draft.policy.mark_of(draft.incident.deliveries[key].phone or 0)
    if draft.ledger.conversation.has_opted_out(mark, draft.now):
        # START may come before its next turn.
        draft.update(key, state=DeliveryState.FAILED, due_at=None, detail=OPTED_OUT)
        draft.update(key, passes=True, claimed_at=draft.now)
        could_not_page(draft, key, OPTED_OUT)
        return False
    look_first = _is_to_look_first(draft, draft.incident.deliveries[key])
    # Where an instance says that it is out already, nobody is to read that it was not texted.
    is_out = look_first and draft.ledger.has_unstored(draft.incident.key, draft.now - WINDOW)
    if not is_out and not _has_room(draft):
        _hold_back(draft, key)
        return False
    if look_first:
        draft.update(key, state=DeliveryState.UNKNOWN, due_at=draft.now)
        return False
    return True


def _take_slot(draft: Draft, key: str) -> None:
    most = draft.policy.sms.max_per_hour
    draft.update(key, last_slot=draft.ledger.taken(draft.now) + 1 == most)
    segments = size_of(message_of(draft.incident, key, draft.policy).sms).segments
    name = slot_name(draft, key, draft.incident.generation)
    draft.ledger = draft.ledger.with_slot(name, _accepted_by(draft), draft.now, segments)
    ledger, price = draft.ledger, draft.policy.texting.price
    month, hour = ledger.totals.of(draft.now), ledger.segments(draft.now)
    draft.log(
        f"text {ledger.taken(draft.now)} of {most} an hour ({some(hour, 'segment')}, about {cost(hour, price)});"
        f" {draft.now:%B} so far: {some(month.texts, 'text')}, {some(month.segments, 'segment')},"
        f" about {cost(month.segments, price)}",
        Severity.INFO,
    )


def _accepted_by(draft: Draft) -> datetime:
    """When the fate of a text that is claimed now can be known: a short LEASE_SECONDS makes no provider quicker."""
    return max(draft.claim.lease_until, draft.now + ACCEPTED_WITHIN)


def _is_to_look_first(draft: Draft, delivery: Delivery) -> bool:
    """Whether the provider's list may know texts that the ledger does not: of this page, or of others in the hour."""
    looked = delivery.looked_at is not None and draft.now - delivery.looked_at < LOOKED
    return not looked and not delivery.attempts and (delivery.look_first or draft.ledger.was_down(draft.now))


def _hold_back(draft: Draft, key: str) -> None:
    """The window is full: the page waits, and the free channels say what was not texted."""
    sms, incident = draft.policy.sms, draft.incident
    first_page = is_first_page(incident)
    room_at = draft.ledger.room_at(sms.max_per_hour, sms.reserved, draft.now, first_page=first_page)
    kept = "" if first_page or not sms.reserved else f" (the last {sms.reserved} are kept for new critical alerts)"
    hit = f"SMS rate cap ({sms.max_per_hour}/hr) hit{kept}: not texted: {headline(incident, draft.now)}"
    next_slot = f"next slot {clock_time(room_at)}"
    words = f"{hit}; {next_slot}"  # without the ref: each channel says itself which incident a message is about
    taken = draft.ledger.taken(draft.now)
    history = (
        f"not texted: {taken} of the {some(sms.max_per_hour, 'text')} of an hour are taken{kept}, which is the cap;"
        f" room again at {clock_time(room_at)} at the earliest"
    )
    draft.update(key, state=DeliveryState.CAPPED, due_at=None, detail=f"cap of {sms.max_per_hour} per hour reached")
    draft.change(waiting_since=incident.waiting_since or draft.now)
    draft.note(f"{hit} #{incident.ref}; {next_slot}", Severity.ERROR, history=history)
    topic = key.replace("/", "-") + "-capped"
    if any(name.startswith(f"{Kind.NOTICE.value}/{topic}") for name in incident.deliveries):
        # Held back again after it had its turn: the next slot is another one by now.
        topic += f"-{draft.now:%d-%H%M}"
    owe_notice(draft, topic, words)
