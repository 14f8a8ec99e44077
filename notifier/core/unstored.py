"""Rules for an alert that cannot be stored: whom one instance tells by itself, and when it may still text.

Nothing is durable then, so the bound is what Twilio's own list shows and what this instance remembers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from notifier.core.alert import Alert
from notifier.core.events import Alerted, Claim, State
from notifier.core.incident import Incident
from notifier.core.ledger import CLOCK_SKEW, WINDOW, Ledger
from notifier.core.listing import Listing, Text, refs_of
from notifier.core.message import Message, message_of
from notifier.core.opening import begin
from notifier.core.policy import Policy

WORDS = "state store unreachable"
GENERATIONS = range(1, 9)
"""Whose texts are taken for this incident's: nobody can look up which generation it is in."""
LISTED_WITHIN = timedelta(minutes=1)
"""One text at a time: an instance sends the next when the list shows its last, and so what others sent up to then.
What is not there by now may never be."""


def told_of(key: str, alert: Alert, policy: Policy, now: datetime, claim: Claim) -> Incident | None:
    """The incident as it would have begun, for its messages; None for an alert nobody is told of without the store."""
    if alert.closed and not alert.test:
        # Its sender was told to try again, and until then nobody can say what it ended.
        return None
    return begin(State(key, None, Ledger()), Alerted(alert), policy, now, claim).incident


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


class Silence(msgspec.Struct, frozen=True):
    """Why no text is sent."""

    words: str
    is_told: bool = True
    """Whether people must hear of it; not where somebody was texted about this very incident."""


def not_texted(incident: Incident, policy: Policy, silence: Silence) -> dict[str, Message]:
    """What each free channel of its route is told of a text that is not sent."""
    return {
        name: msgspec.structs.replace(one, headline=f"{silence.words}: not texted: {one.headline}", body="", facts=())
        for name, one in free_messages(incident, policy).items()
    }


def why_not_to_text(
    incident: Incident, listings: Mapping[int, Listing], ours: Mapping[str, datetime], policy: Policy, now: datetime
) -> Silence | None:
    """Why no text may be sent of `incident` now; None when one may.

    `listings`: the provider's list, by phone. `ours`: when this instance texted within the hour, by ref.
    """
    if incident.ref in ours:
        return Silence("this instance has texted it already", is_told=False)
    if trouble := next((listing.trouble for listing in listings.values() if listing.trouble), ""):
        words = f"Twilio's list cannot be read ({trouble}), and this instance has texted within the hour"
        return Silence(words) if ours else None
    texts = [text for listing in listings.values() for text in listing.texts if text.may_be_ours]
    since = (incident.started_at or now - WINDOW) - CLOCK_SKEW
    refs = frozenset().union(*(refs_of(incident.key, generation) for generation in GENERATIONS))
    if any(text.created_at >= since and not text.trouble and not text.refs.isdisjoint(refs) for text in texts):
        return Silence("it was texted already, says Twilio's list", is_told=False)
    if _taken(texts, ours, now) >= policy.sms.max_per_hour:
        return Silence(f"SMS rate cap ({policy.sms.max_per_hour}/hr) hit, says Twilio's list")
    unlisted = [at for ref, at in ours.items() if not any(ref in text.refs for text in texts)]
    if any(now - at < LISTED_WITHIN for at in unlisted):
        # What is not there yet of ours may not be there of others either.
        return Silence("the last text from here is not in Twilio's list yet")
    return None


def _taken(texts: Iterable[Text], ours: Mapping[str, datetime], now: datetime) -> int:
    """Texts of the last hour: those listed, and ours that are not listed yet."""
    listed = [text for text in texts if now < text.created_at + WINDOW + CLOCK_SKEW]
    return len(listed) + sum(not any(ref in text.refs for text in listed) for ref in ours)


def _marked(message: Message) -> Message:
    words = "The state store is unreachable: nothing of this is recorded, and it may be told more than once."
    return msgspec.structs.replace(
        message, headline=f"{message.headline} ({WORDS})", body=f"{words}\n\n{message.body}".strip()
    )
