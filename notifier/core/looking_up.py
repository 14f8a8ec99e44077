"""Rules for a page that may have been sent: looked for in the provider's list, and only then sent again or not.

Creating a message at Twilio is not idempotent (https://www.twilio.com/docs/api/errors/20500), so it is never sent
again on a guess.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from notifier.core.alert import Severity
from notifier.core.claiming import slot_name
from notifier.core.draft import Draft
from notifier.core.events import Finding
from notifier.core.incident import Delivery, DeliveryState, Incident
from notifier.core.ledger import ACCEPTED_WITHIN, CLOCK_SKEW, WINDOW
from notifier.core.listing import Listing, Text, refs_of
from notifier.core.reporting import is_newer, take_word
from notifier.core.telling import could_not_page, who
from notifier.core.wording import duration

SLACK = timedelta(seconds=5)
"""How much earlier than its claim a text may seem to have been made: clocks differ, and Twilio cuts to the second."""
APART = timedelta(seconds=30)
"""Between two lists without it: Twilio gives up on a request of its own after some 26 s, and lists it late."""
LOOK_AGAIN = timedelta(seconds=10)
"""After a list that could not be read."""
LOOK_AT_MOST = timedelta(minutes=5)
"""The key may lack the right to read the list: then nobody will ever know."""


def listed_since(incident: Incident, key: str, now: datetime) -> datetime:
    """How far back the list is to be read for page `key`: to its claim, and over the hour that counts for the cap."""
    return min(_made_since(incident, incident.deliveries[key], now), now - WINDOW - CLOCK_SKEW)


def _made_since(incident: Incident, delivery: Delivery, now: datetime) -> datetime:
    """From when on a text can be this page: its claim, or if it was never claimed the incident's start."""
    if delivery.claimed_at:
        return delivery.claimed_at - SLACK
    started_at = (incident.started_at or now - WINDOW) - SLACK
    # What the generation before had still under way is not this one's: better a page too many than one lost.
    return max(started_at, incident.follows + ACCEPTED_WITHIN) if incident.follows else started_at


def look_at(draft: Draft, finding: Finding) -> None:
    """Judge what the list says about one page."""
    key, listing = finding.delivery, finding.listing
    delivery = draft.incident.deliveries.get(key)
    if not listing.trouble and delivery is not None:
        draft.ledger = draft.ledger.with_listed(listing.texts, delivery.phone or 0, draft.now)
    if delivery is None or (finding.generation, finding.number) != (draft.incident.generation, delivery.attempts):
        return
    since = _made_since(draft.incident, delivery, draft.now)
    text = _found(draft, delivery, listing.texts, since)
    if delivery.state is DeliveryState.SENT:
        _hear_the_end(draft, key, listing)
    elif text is not None and delivery.state in _UNSETTLED:
        # Also where somebody who looked at the same time did not find it: he was too early.
        _found_sent(draft, key, text)
    elif delivery.state is not DeliveryState.UNKNOWN or delivery.due_at is None:
        return  # settled meanwhile
    elif not delivery.attempts and not _is_said_to_be_out(draft, delivery, since):
        # That it might have gone out without the store, for all we know, is not worth silence.
        if listing.trouble:
            words = f"could not look whether {who(delivery)} was texted without the store: {listing.trouble}"
            draft.note(words, Severity.WARNING)
        draft.update(key, state=DeliveryState.PENDING, due_at=draft.now, looked_at=draft.now)
    elif listing.trouble or any(not text.body.strip() and text.created_at >= since for text in listing.texts):
        _not_readable(draft, key, listing.trouble or "the list shows texts without their words")
    else:
        _not_found(draft, key, finding.asked_at)


def _is_said_to_be_out(draft: Draft, delivery: Delivery, since: datetime) -> bool:
    """Whether an instance has entered that it texted this incident without the store."""
    return delivery.look_first and draft.ledger.has_unstored(draft.incident.key, since)


_UNSETTLED = (DeliveryState.UNKNOWN, DeliveryState.PENDING, DeliveryState.CAPPED)


def _found(draft: Draft, delivery: Delivery, texts: tuple[Text, ...], since: datetime) -> Text | None:
    """The text that is this page: with its ref; or one that was sent without the store, which may have the first's."""
    key, generation = draft.incident.key, draft.incident.generation
    texts = tuple(text for text in texts if text.created_at >= since)
    unstored = draft.ledger.unclaimed(texts, delivery.phone or 0) if delivery.attempts or delivery.look_first else []
    own = [text for text in texts if delivery.attempts and not text.refs.isdisjoint(refs_of(key, generation))]
    either = refs_of(key, generation) | refs_of(key, 1)
    return next((text for text in (*own, *unstored) if not text.refs.isdisjoint(either)), None)


def _found_sent(draft: Draft, key: str, text: Text) -> None:
    delivery = draft.incident.deliveries[key]
    draft.update(key, claimed_at=delivery.claimed_at or text.created_at)
    words = "found in Twilio's list" + ("" if delivery.attempts else ": sent while the state store was unreachable")
    take_word(draft, key, text.id, text.report, words)


def _hear_the_end(draft: Draft, key: str, listing: Listing) -> None:
    """No last word came on a text that the provider took: what its list says now is what will ever be known."""
    delivery = draft.incident.deliveries[key]
    if delivery.report_due_at is None or delivery.report_due_at > draft.now:
        return
    draft.update(key, report_due_at=None)
    text = next((text for text in listing.texts if text.id == delivery.provider_id), None)
    if text is not None and is_newer(delivery, text.report.progress):
        take_word(draft, key, text.id, text.report, "Twilio's list says so")
    still = draft.incident.deliveries[key]
    if still.report is None or not still.report.is_final:
        far = f"no more than {still.report.value}" if still.report else "nothing"
        why = f" ({listing.trouble})" if listing.trouble else ""
        draft.note(f"whether {who(delivery)} got the text is not known: Twilio says {far}{why}")


def send_elsewhere(draft: Draft, key: str, why: str, *, then_back: bool) -> None:
    """Owe a page that was certainly not sent to the second provider, at once; without one to the same again.

    `then_back`: Twilio may send it later, if that one cannot.
    """
    fallback = draft.policy.texting.fallback
    draft.update(key, state=DeliveryState.PENDING, due_at=draft.now, via=fallback, detail=why, then_back=then_back)
    if fallback:
        words = f"{who(draft.incident.deliveries[key])} was not texted by Twilio ({why}): {fallback} is to do it"
        draft.note(words, Severity.WARNING)


def _not_readable(draft: Draft, key: str, why: str) -> None:
    delivery = draft.incident.deliveries[key]
    looked_since = delivery.looked_since or draft.now
    if draft.now - looked_since < LOOK_AT_MOST:
        draft.update(key, looked_since=looked_since, due_at=draft.now + LOOK_AGAIN)
        if delivery.looked_since is None:
            draft.note(f"whether {who(delivery)} was texted cannot be looked up yet: {why}", Severity.WARNING)
    else:
        # As if it had been sent: the list of phones is walked on from here.
        claimed_at = delivery.claimed_at or draft.now
        draft.update(key, due_at=None, claimed_at=claimed_at, detail=f"not known whether it was sent: {why}")
        words = f"Twilio's list gave no answer for {duration(LOOK_AT_MOST)} ({why}), so it is not sent again"
        could_not_page(draft, key, words, certain=False)


def _not_found(draft: Draft, key: str, asked_at: datetime) -> None:
    delivery = draft.incident.deliveries[key]
    first = delivery.not_found_at
    if first is None or asked_at - first < APART:
        first = first or asked_at
        draft.update(key, not_found_at=first, looked_since=None, due_at=first + APART)
        return
    draft.ledger = draft.ledger.without_slot(slot_name(draft, key, draft.incident.generation))
    # Whoever said that it had gone out without the store is believed no longer.
    draft.update(key, not_found_at=None, looked_since=None, look_first=False, looked_at=draft.now)
    draft.note(f"{who(delivery)} was not texted: looked up twice at Twilio; it is sent again", Severity.WARNING)
    send_elsewhere(draft, key, "looked up twice", then_back=True)
