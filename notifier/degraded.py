"""The road when the store is down: nothing can be claimed or recorded, and somebody must still be woken.

Each instance tells an incident once on each free channel, and texts it at most once: Twilio's own list stands in for
the ledger. The caller answers 503, so the sender tries again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from notifier.core.alert import Alert, Severity
from notifier.core.events import Claim
from notifier.core.incident import Incident
from notifier.core.ledger import ACCEPTED_WITHIN, CLOCK_SKEW, UNSTORED, WINDOW, Ledger, listed_slot
from notifier.core.outcome import Outcome, Result
from notifier.core.policy import Policy
from notifier.core.unstored import WORDS, free_messages, page, told_of, why_not_to_text
from notifier.ports import Clock, Ids, Log
from notifier.sending import LOOK_UP_SECONDS, Sender

SPREAD_SECONDS = 2.0
"""The same alert may meet several instances at the same moment. Each waits a random part of this before it looks into
the list, so that most see the first one's text."""
TEXT_SECONDS = 1.5
"""What looking and texting need of the request's time."""
REMEMBERED = timedelta(hours=24)
"""How long an instance remembers what it told; an outage that lasts longer is told of again."""


class Texted(msgspec.Struct, frozen=True):
    """A text that was sent without the store, or may have been."""

    slot: str
    """What stands for it in the ledger, once that can be reached."""
    at: datetime


class Degraded:
    """What one instance does, and remembers, while the store is down. Safe to use from many threads."""

    def __init__(self, *, policy: Policy, sender: Sender, clock: Clock, ids: Ids, log: Log) -> None:
        self._policy = policy
        self._sender = sender
        self._clock = clock
        self._ids = ids
        self._log = log
        self._lock = threading.Lock()
        self._down_at: datetime | None = None
        self._told: dict[tuple[str, str], datetime] = {}
        """When which incident (its key) was told on which channel."""
        self._texted: dict[str, Texted] = {}
        """By ref."""

    def store_is_down(self) -> None:
        """Remember that the store did not answer."""
        self._down_at = self._clock.now()

    def entered_into(self, ledger: Ledger, now: datetime) -> Ledger:
        """What every instance must know once the store is back: that it was down, and what was texted without it."""
        down_at = self._down_at
        if down_at is None or now - down_at >= WINDOW:
            return ledger
        with self._lock:
            texts = {one.slot: one.at + ACCEPTED_WITHIN for one in self._texted.values()}
        return ledger.with_outage(down_at, texts, now)

    def take(self, key: str, alert: Alert, send_by: float, *, may_text: bool) -> None:
        """Tell of an alert that could not be stored. `send_by`: seconds of the monotonic clock."""
        now = self._clock.now()
        claim = Claim(id="", lease_until=now, send_until=now)
        incident = told_of(key, alert, self._policy, now, claim)
        if incident is None:
            return
        tasks: list[Callable[[], None]] = [lambda: self._tell(incident, now, send_by)]
        if may_text:
            tasks.append(lambda: self._text(incident, send_by))
        self._sender.run(tasks, send_by)

    def _tell(self, incident: Incident, now: datetime, send_by: float) -> None:
        """Say it on the free channels that have not heard of it from here."""
        with self._lock:
            self._told = {what: at for what, at in self._told.items() if now - at < REMEMBERED}
            messages = {
                channel: (channel, message)
                for channel, message in free_messages(incident, self._policy).items()
                if (incident.key, channel) not in self._told
            }
            # Before it is sent: the same alert may be in another thread of this instance.
            self._told |= {(incident.key, channel): now for channel in messages}
        outcomes = self._sender.send(messages, send_by)
        with self._lock:
            for channel, outcome in outcomes.items():
                if outcome.result in (Result.RETRY, Result.REJECTED):
                    self._told.pop((incident.key, channel), None)
        for channel, outcome in outcomes.items():
            self._note(incident, f"{channel}: {outcome.result.value} {outcome.detail}".rstrip())

    def _text(self, incident: Incident, send_by: float) -> None:
        """Text it, unless Twilio's list or this instance's memory says no."""
        if page(incident, self._policy, 0) is None:
            return
        left = send_by - self._clock.monotonic() - TEXT_SECONDS
        self._clock.sleep(max(min(SPREAD_SECONDS, left), 0) * self._ids.fraction())
        look_by = min(self._clock.monotonic() + LOOK_UP_SECONDS, send_by - TEXT_SECONDS / 2)
        since = min(incident.started_at or incident.opened_at, incident.opened_at - WINDOW) - CLOCK_SKEW
        listings = self._sender.look_up(range(self._policy.phones), since, look_by)
        now = self._clock.now()
        with self._lock:
            self._texted = {ref: one for ref, one in self._texted.items() if now - one.at < WINDOW + CLOCK_SKEW}
            ours = {ref: one.at for ref, one in self._texted.items()}
            words = why_not_to_text(incident, listings, ours, self._policy, now)
            if not words:
                # Taken before it is sent, as a slot of the ledger is.
                self._texted[incident.ref] = Texted(_slot(incident, 0), now)
        if words:
            self._note(incident, f"not texted: {words}")
            return
        if self._page_somebody(incident, send_by).result in (Result.RETRY, Result.REJECTED):
            with self._lock:
                self._texted.pop(incident.ref, None)

    def _page_somebody(self, incident: Incident, send_by: float) -> Outcome:
        """Text the first phone that can be."""
        outcome = Outcome(Result.REJECTED, "there is no phone to text")
        for phone in range(self._policy.phones):
            message = page(incident, self._policy, phone)
            if message is None or self._clock.monotonic() >= send_by:
                break
            texted = Texted(_slot(incident, phone), self._clock.now())
            with self._lock:
                self._texted[incident.ref] = texted
            outcome = self._sender.send_one("sms", message, send_by)
            if outcome.provider_id:
                # Another instance may enter it from the list, before this one does: it must not count twice.
                with self._lock:
                    self._texted[incident.ref] = Texted(listed_slot(outcome.provider_id), texted.at)
            self._note(incident, f"phone {phone + 1}: {outcome.result.value} {outcome.detail}".rstrip())
            if outcome.result is not Result.REJECTED:
                break
        return outcome

    def _note(self, incident: Incident, words: str) -> None:
        self._log.write(Severity.CRITICAL, f"{WORDS}: {words}", ref=incident.ref, title=incident.title)


def _slot(incident: Incident, phone: int) -> str:
    return f"{incident.key}/{incident.generation}/{UNSTORED}/sms/{phone}/1"
