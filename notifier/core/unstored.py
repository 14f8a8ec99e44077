"""Rules for an alert that cannot be stored: whom one instance tells by itself, and when it may still text.

Nothing is durable then, so the bound is what Twilio's own list shows and what this instance remembers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from notifier.core.alert import Alert
from notifier.core.events import Claim, State
from notifier.core.incident import Incident
from notifier.core.ledger import CLOCK_SKEW, WINDOW, Ledger
from notifier.core.listing import Listing, Text, refs_of
from notifier.core.message import Message, message_of
from notifier.core.opening import begin
from notifier.core.policy import Policy

WORDS = "state store unreachable"
LISTED_WITHIN = timedelta(minutes=1)
"""One text at a time: an instance sends the next when the list shows its last, and so what others sent up to then.
What is not there by now may never be."""


def told_of(key: str, alert: Alert, policy: Policy, now: datetime, claim: Claim) -> Incident | None:
    """The incident as it would have begun, for its messages; None for an alert nobody is told of without the store."""
    if alert.closed and not alert.test:
        # Its sender was told to try again, and until then nobody can say what it ended.
        return None
    decision = begin(State(key, None, Ledger()), alert, policy, now, claim)
    return decision.incident


def free_messages(incident: Incident, policy: Policy) -> dict[str, Message]:
    """What each free channel of its route is told, by channel."""
    return {
        delivery.channel: _marked(message_of(incident, key, policy))
        for key, delivery in incident.deliveries.items()
        if delivery.channel != "sms"
    }


def page(incident: Incident, policy: Policy, phone: int) -> Message | None:
    """The text for one phone; None where the route has none."""
    key = next((key for key, delivery in incident.deliveries.items() if delivery.channel == "sms"), None)
    return None if key is None else msgspec.structs.replace(message_of(incident, key, policy), phone=phone)


def why_not_to_text(
    incident: Incident, listings: Mapping[int, Listing], ours: Mapping[str, datetime], policy: Policy, now: datetime
) -> str:
    """Why no text may be sent of `incident` now, in plain words; empty when one may.

    `listings`: the provider's list, by phone. `ours`: when this instance texted within the hour, by ref.
    """
    if incident.ref in ours:
        return "this instance has texted it already"
    if trouble := next((listing.trouble for listing in listings.values() if listing.trouble), ""):
        return f"Twilio's list cannot be read ({trouble}), and this instance has texted within the hour" if ours else ""
    texts = [text for listing in listings.values() for text in listing.texts if text.may_be_ours]
    since = (incident.started_at or now - WINDOW) - CLOCK_SKEW
    if any(text.created_at >= since and not text.refs.isdisjoint(refs_of(incident.key, 1)) for text in texts):
        return "it was texted already, says Twilio's list"
    if _taken(texts, ours, now) >= policy.sms.max_per_hour:
        return f"SMS rate cap ({policy.sms.max_per_hour}/hr) hit, says Twilio's list"
    unlisted = [at for ref, at in ours.items() if not any(ref in text.refs for text in texts)]
    if any(now - at < LISTED_WITHIN for at in unlisted):
        return "the last text from here is not in Twilio's list yet, so others may have sent some that are not either"
    return ""


def _taken(texts: Iterable[Text], ours: Mapping[str, datetime], now: datetime) -> int:
    """Texts of the last hour: those listed, and ours that are not listed yet."""
    listed = [text for text in texts if now < text.created_at + WINDOW + CLOCK_SKEW]
    return len(listed) + sum(not any(ref in text.refs for text in listed) for ref in ours)


def _marked(message: Message) -> Message:
    words = "The state store is unreachable: nothing of this is recorded, and it may be told more than once."
    return msgspec.structs.replace(
        message, headline=f"{message.headline} ({WORDS})", body=f"{words}\n\n{message.body}".strip()
    )
