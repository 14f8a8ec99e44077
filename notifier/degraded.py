"""The road when the store is down: nothing can be claimed or recorded, and somebody must still be woken.

Each instance tells an incident once on each free channel, and texts it at most once: Twilio's own list stands in for
the ledger. The caller answers 503, so the sender tries again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from notifier.core.alert import Alert, Severity
from notifier.core.events import Claim
from notifier.core.incident import Incident
from notifier.core.ledger import CLOCK_SKEW, WINDOW, Ledger, Unstored
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from notifier.core.policy import Policy
from notifier.core.unstored import WORDS, free_messages, not_texted, page, told_of, why_not_to_text
from notifier.ports import Clock, Ids, Log
from notifier.sending import LOOK_UP_SECONDS, Sender

SPREAD_SECONDS = 2.0
"""The same alert may meet several instances at the same moment. Each waits a random part of this before it looks into
the list, so that most see the first one's text."""
TEXT_SECONDS = 1.5
"""What looking and texting need of the request's time."""
REMEMBERED = timedelta(hours=24)
"""How long an instance remembers what it told; an outage that lasts longer is told of again."""


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
        self._told: dict[tuple[str, str, str], datetime] = {}
        """When what was told of which incident (its key) on which channel."""
        self._texted: dict[str, Unstored] = {}
        """By ref."""
        self._under_way: set[str] = set()
        """Refs whose texts are being sent: nothing of them is known yet."""

    def store_is_down(self) -> None:
        """Remember that the store did not answer."""
        self._down_at = self._clock.now()

    def entered_into(self, ledger: Ledger, now: datetime) -> Ledger:
        """What every instance must know once the store is back: that it was down, and what was texted without it."""
        down_at = self._down_at
        if down_at is None or now - down_at >= WINDOW:
            return ledger
        with self._lock:
            texts = [one for ref, one in self._texted.items() if ref not in self._under_way]
        return ledger.with_outage(down_at, texts, now)

    def take(self, key: str, alert: Alert, send_by: float, *, may_text: bool) -> None:
        """Tell of an alert that could not be stored. `send_by`: seconds of the monotonic clock."""
        now = self._clock.now()
        claim = Claim(id="", lease_until=now, send_until=now)
        incident = told_of(key, alert, self._policy, now, claim)
        if incident is None:
            return
        tasks: list[Callable[[], None]] = [
            lambda: self._tell(incident, "opened", free_messages(incident, self._policy), send_by)
        ]
        if may_text:
            tasks.append(lambda: self._text(incident, send_by))
        self._sender.run(tasks, send_by)

    def _tell(self, incident: Incident, topic: str, messages: Mapping[str, Message], send_by: float) -> None:
        """Say it on those channels that have not heard it from here. `messages`: by channel."""
        now = self._clock.now()
        with self._lock:
            self._told = {what: at for what, at in self._told.items() if now - at < REMEMBERED}
            owed = {name: one for name, one in messages.items() if (incident.key, topic, name) not in self._told}
            # Before it is sent: the same alert may be in another thread of this instance.
            self._told |= {(incident.key, topic, name): now for name in owed}
        outcomes = self._sender.send({name: (name, one) for name, one in owed.items()}, send_by)
        with self._lock:
            for name, outcome in outcomes.items():
                if outcome.result in (Result.RETRY, Result.REJECTED):
                    self._told.pop((incident.key, topic, name), None)
        for name, outcome in outcomes.items():
            self._note(incident, f"{name}: {outcome.result.value} {outcome.detail}".rstrip())

    def _text(self, incident: Incident, send_by: float) -> None:
        """Text it, unless Twilio's list or this instance's memory says no."""
        if page(incident, self._policy, 0) is None:
            return
        left = send_by - self._clock.monotonic() - TEXT_SECONDS
        if left < 0:
            # The list cannot be read in no time, and without it a text may be one too many. The sender tries again.
            self._note(incident, "not texted: no time was left to look into Twilio's list")
            return
        self._clock.sleep(min(SPREAD_SECONDS, left) * self._ids.fraction())
        look_by = min(self._clock.monotonic() + LOOK_UP_SECONDS, send_by - TEXT_SECONDS / 2)
        since = min(incident.started_at or incident.opened_at, incident.opened_at - WINDOW) - CLOCK_SKEW
        listings = self._sender.look_up(range(self._policy.phones), since, look_by)
        now = self._clock.now()
        with self._lock:
            self._texted = {ref: one for ref, one in self._texted.items() if now - one.at < WINDOW + CLOCK_SKEW}
            ours = {ref: one.at for ref, one in self._texted.items()}
            silence = why_not_to_text(incident, listings, ours, self._policy, now)
            if silence is None:
                # Taken before it is sent, as a slot of the ledger is.
                self._texted[incident.ref] = Unstored(key=incident.key, phone=0, at=now)
                self._under_way.add(incident.ref)
        if silence is not None:
            self._note(incident, f"not texted: {silence.words}")
            if silence.is_told:
                self._tell(incident, "not texted", not_texted(incident, self._policy, silence), send_by)
            return
        outcome = self._page_somebody(incident, send_by)
        with self._lock:
            self._under_way.discard(incident.ref)
            if outcome.result in (Result.RETRY, Result.REJECTED):
                self._texted.pop(incident.ref, None)

    def _page_somebody(self, incident: Incident, send_by: float) -> Outcome:
        """Text the first phone that can be."""
        outcome = Outcome(Result.REJECTED, "there is no phone to text")
        for phone in range(self._policy.phones):
            message = page(incident, self._policy, phone)
            if message is None or self._clock.monotonic() >= send_by:
                break
            texted = Unstored(key=incident.key, phone=phone, at=self._clock.now())
            outcome = self._sender.send_one("sms", message, send_by)
            with self._lock:
                self._texted[incident.ref] = msgspec.structs.replace(texted, id=outcome.provider_id)
            self._note(incident, f"phone {phone + 1}: {outcome.result.value} {outcome.detail}".rstrip())
            if outcome.result is not Result.REJECTED:
                break
        return outcome

    def _note(self, incident: Incident, words: str) -> None:
        self._log.write(Severity.CRITICAL, f"{WORDS}: {words}", ref=incident.ref, title=incident.title)
