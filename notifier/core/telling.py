"""What people are told of a message that did not go as it should: in the history, the log, and on free channels."""

from __future__ import annotations

from notifier.core.alert import Severity
from notifier.core.draft import Draft
from notifier.core.incident import Delivery, DeliveryState, IncidentState, Kind
from notifier.core.moments import next_page, next_page_due, place_of
from notifier.core.owing import owe_next_page, owe_notice
from notifier.core.wording import duration


def who(delivery: Delivery) -> str:
    """Who is told by a delivery: `slack`, `phone 2`."""
    return f"phone {(delivery.phone or 0) + 1}" if delivery.channel == "sms" else delivery.channel


def told(delivery: Delivery) -> str:
    """That a delivery has gone out, for the history: `slack told that it is over`, `phone 2 texted`."""
    if delivery.channel == "sms":
        return f"{who(delivery)} texted"
    return f"{delivery.channel} told{_WHAT[delivery.kind]}"


_WHAT = {
    Kind.OPENED: "",
    Kind.ESCALATED: " that it is worse now",
    Kind.ACKNOWLEDGED: " who answered",
    Kind.RESOLVED: " that it is over",
    Kind.NOTICE: " what went wrong",
}


def say(draft: Draft, key: str, words: str) -> None:
    """Say what a human must know about delivery `key`, on the channels that work."""
    delivery = draft.incident.deliveries[key]
    draft.note(words, Severity.ERROR)
    if delivery.kind is not Kind.NOTICE:
        # A notice that fails owes no notice: two broken channels would tell of each other for ever.
        owe_notice(draft, key.replace("/", "-") + "-failed", words, failed_channel=delivery.channel)


def could_not_page(draft: Draft, key: str, why: str, *, certain: bool = True) -> None:
    """A page did not reach its phone, or nobody can tell: the next phone is paged at once, and all of it is said."""
    delivery = draft.incident.deliveries[key]
    how = "NOT texted to" if certain else "nobody can tell whether this was texted to"
    # A digest is told on no free channel, so its ref alone says nothing there.
    what = f" ({draft.incident.title})" if draft.incident.members else ""
    say(draft, key, f"{how} phone {(delivery.phone or 0) + 1}: {why}; {_next_phone(draft, delivery)}{what}")


def _next_phone(draft: Draft, delivery: Delivery) -> str:
    if draft.incident.state is not IncidentState.OPEN:
        return f"the incident is {draft.incident.state.value}, so no other phone is texted"
    pages = [page for page in draft.incident.deliveries.values() if page.channel == "sms"]
    since = [page for page in pages if place_of(page) > place_of(delivery) and page.state is not DeliveryState.FAILED]
    if since:
        waits = since[-1].state is DeliveryState.CAPPED
        return f"phone {(since[-1].phone or 0) + 1} {'waits for room' if waits else 'is paged'} already"
    place = next_page(draft.incident, draft.policy)
    if place and place.phone not in {delivery.phone} | _tried_lately(draft, pages):
        owe_next_page(draft)
        return f"phone {place.phone + 1} is next"
    if next_page_due(draft.incident, draft.policy):
        return f"there is no other phone to text, so it is tried again {duration(draft.policy.sms.next_phone)} later"
    return "there is no other phone to text"


def _tried_lately(draft: Draft, pages: list[Delivery]) -> set[int | None]:
    """Phones that are not to be tried at once, or all walks would be over before one of them is back."""
    since = draft.now - draft.policy.sms.next_phone
    # Also of what may have been sent: a provider that answers nonsense would text each phone in every walk.
    unheard = [page for page in pages if page.state in (DeliveryState.FAILED, DeliveryState.UNKNOWN)]
    return {page.phone for page in unheard if page.claimed_at and page.claimed_at > since}
