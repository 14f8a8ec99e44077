"""Which messages are owed to whom, and which of them this request may take now."""

from __future__ import annotations

from datetime import datetime

from notifier.core.alert import Severity
from notifier.core.draft import Draft
from notifier.core.incident import Delivery, DeliveryState, Kind
from notifier.core.message import headline
from notifier.core.wording import clock_time


def owe_route(draft: Draft, kind: Kind, severity: Severity) -> None:
    """Owe the incident to each channel of a severity's route that has not heard of it."""
    heard = {delivery.channel for delivery in draft.incident.deliveries.values() if _opens(delivery)}
    owe(draft, kind, [channel for channel in draft.policy.routes[severity] if channel not in heard])


def owe(draft: Draft, kind: Kind, channels: list[str], *, due_at: datetime | None = None) -> None:
    """Owe a message of `kind` to each of `channels`; for SMS to the first phone. `log` is owed nothing."""
    for channel in channels:
        if channel == "sms":
            owe_page(draft, kind, phone=0, walk=1)
        elif channel != "log":
            draft.put(f"{kind.value}/{channel}", _pending(draft, kind, channel, due_at=due_at))


def owe_page(draft: Draft, kind: Kind, *, phone: int, walk: int) -> None:
    """Owe a page to one phone, in walk `walk` (1, 2, ...) through the list of phones."""
    draft.put(f"{kind.value}/sms/{phone}/{walk}", _pending(draft, kind, "sms", phone=phone))


def owe_notice(draft: Draft, topic: str, words: str, *, failed_channel: str = "") -> None:
    """Say `words` on the free channels of the incident's route, or on any other free one when there is none.

    `topic` names what it is about, so that it is said once. `failed_channel`: the one that cannot be told.
    """
    route = draft.policy.routes[draft.incident.effective]
    reachable = [channel for channel in draft.policy.free_channels if channel != failed_channel]
    for channel in [channel for channel in reachable if channel in route] or reachable:
        key = f"{Kind.NOTICE.value}/{topic}/{channel}"
        if key not in draft.incident.deliveries:
            draft.put(key, _pending(draft, Kind.NOTICE, channel, words=words))


def claim_due(draft: Draft) -> None:
    """Take for this request what is due; pages only as far as the window has room.

    Past the request's last moment to send nothing is taken: it stays owed, and the tick finds it.
    """
    if draft.now > draft.claim.send_until:
        return
    # Pages first: one that the cap holds back owes notices, which are then taken in the same go.
    for page in (True, False):
        for key, delivery in draft.incident.deliveries.items():
            if _may_be_sent(delivery) and (delivery.channel == "sms") is page and _is_due(delivery, draft.now):
                if page and not _take_slot(draft, key):
                    _hold_back(draft, key)
                    continue
                draft.update(
                    key,
                    state=DeliveryState.CLAIMED,
                    claim=draft.claim.id,
                    attempts=delivery.attempts + 1,
                    due_at=draft.claim.lease_until,
                )


def cancel_unsent(draft: Draft) -> None:
    """Nothing that is still owed is needed any more. What is being sent is left to its holder."""
    for key, delivery in draft.incident.deliveries.items():
        if delivery.state in (DeliveryState.PENDING, DeliveryState.CAPPED, DeliveryState.UNKNOWN):
            state = DeliveryState.UNKNOWN if delivery.state is DeliveryState.UNKNOWN else DeliveryState.CANCELLED
            draft.update(key, state=state, due_at=None)
    draft.change(waiting_since=None)


def cancel_held(draft: Draft, keys: tuple[str, ...]) -> None:
    """What this request has claimed and certainly not sent is not needed any more: its slots are given back."""
    for key in keys:
        draft.update(key, state=DeliveryState.CANCELLED, due_at=None)
        draft.ledger = draft.ledger.without_slot(slot_name(draft, key, draft.incident.generation))
    draft.note(f"nothing was sent: {draft.incident.state.value} before the claim's answer came", Severity.WARNING)


def slot_name(draft: Draft, key: str, generation: int) -> str:
    """The ledger's name of a delivery of this incident."""
    return f"{draft.incident.key}/{generation}/{key}"


def _opens(delivery: Delivery) -> bool:
    return delivery.kind in (Kind.OPENED, Kind.ESCALATED)


def _pending(
    draft: Draft,
    kind: Kind,
    channel: str,
    *,
    phone: int | None = None,
    words: str = "",
    due_at: datetime | None = None,
) -> Delivery:
    return Delivery(
        kind=kind,
        channel=channel,
        state=DeliveryState.PENDING,
        created_at=draft.now,
        due_at=due_at or draft.now,
        phone=phone,
        words=words,
    )


def _may_be_sent(delivery: Delivery) -> bool:
    """A text that may have been sent is looked up first; anything free is simply sent again."""
    if delivery.state is DeliveryState.UNKNOWN:
        return delivery.channel != "sms"
    return delivery.state is DeliveryState.PENDING


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.due_at is not None and delivery.due_at <= now


def _is_first_page(draft: Draft) -> bool:
    """Whether the sender called it critical and no page of it has gone out, or may have."""
    out = (DeliveryState.SENT, DeliveryState.UNKNOWN, DeliveryState.CLAIMED)
    paged = any(delivery.channel == "sms" and delivery.state in out for delivery in draft.incident.deliveries.values())
    return draft.incident.severity is Severity.CRITICAL and not paged


def _take_slot(draft: Draft, key: str) -> bool:
    sms, now = draft.policy.sms, draft.now
    if not draft.ledger.has_room(sms.max_per_hour, sms.reserved, now, first_page=_is_first_page(draft)):
        return False
    name = slot_name(draft, key, draft.incident.generation)
    draft.ledger = draft.ledger.with_slot(name, draft.claim.lease_until, now)
    return True


def _hold_back(draft: Draft, key: str) -> None:
    """The window is full: the page waits, and the free channels say what was not texted."""
    sms, incident = draft.policy.sms, draft.incident
    first_page = _is_first_page(draft)
    room_at = draft.ledger.room_at(sms.max_per_hour, sms.reserved, draft.now, first_page=first_page)
    kept = "" if first_page or not sms.reserved else f" (the last {sms.reserved} are kept for new critical alerts)"
    words = (
        f"SMS rate cap ({sms.max_per_hour}/hr) hit{kept}: not texted: {headline(incident)} #{incident.ref};"
        f" next slot {clock_time(room_at)}"
    )
    draft.update(key, state=DeliveryState.CAPPED, due_at=None, detail=f"cap of {sms.max_per_hour} per hour reached")
    draft.change(waiting_since=incident.waiting_since or draft.now)
    draft.note(words, Severity.ERROR)
    owe_notice(draft, key.replace("/", "-") + "-capped", words)
