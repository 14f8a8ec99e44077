"""The tick: what is due is found with one search and taken along the one road, pages first, then the oldest."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta

import msgspec

from notifier.core.alert import Severity
from notifier.core.digest import to_collect
from notifier.core.escalation import pages_with_room
from notifier.core.events import Collected
from notifier.core.moments import OVERDUE, has_page_due, tells_only
from notifier.core.policy import Policy
from notifier.core.roundup import APART
from notifier.core.unreadable import unreadable_document
from notifier.digests import Digests
from notifier.ports import Clock, Found, Heartbeat, Log, NoTimeLeft, Store, StoreError, StoreRefused
from notifier.relay import NO_INCIDENT, Relay
from notifier.sending import AtOnce, Deadlines, our_mistake

TICK_SECONDS = 50.0
"""Cloud Run ends the request after 60 s (deploy.sh)."""
INCIDENTS_AT_ONCE = 8
TOGETHER = 100
"""Incidents whose messages are told in few: claimed, told and recorded well within a lease, at a post a second."""
FOR_PAGES_SECONDS = 12.0
"""Kept of a tick for pages that the cap held back: however slow a channel is, no page waits for posts."""
DUE_AT_ONCE = 500
"""At most, of one search: one more is made when they are done and time is left."""
WAITING_AT_MOST = 200
PUT_OFF = timedelta(minutes=5)
"""How long a document that cannot be read is passed over: during a deployment it may be one of the newer notifier's."""
LEAST_SECONDS = 3.0
"""What an incident must have left to be begun with: a read, a claim, a send and a record."""
BEAT_SECONDS = 5.0
"""What the sign of life may take: it is the last thing a tick does."""
FEW = 3
"""How many due incidents an alert's request does beside its own, when the scheduler has stopped."""


class Done(msgspec.Struct, kw_only=True):
    """What a tick did."""

    incidents: int = 0
    """Taken along the road."""
    sent: Counter[str] = msgspec.field(default_factory=Counter)
    """How each send ended, counted."""
    unreadable: int = 0
    failed: int = 0
    """Incidents the store did not let through, or we could not take; the next tick finds them again."""
    left: int = 0
    """Found due, and no time was left for them."""
    error: StoreError | None = None
    """The search itself failed."""


class Tick:
    """Does what is due. One for all requests of an instance; holds no state of its own."""

    def __init__(
        self,
        *,
        relay: Relay,
        store: Store,
        policy: Policy,
        clock: Clock,
        log: Log,
        all_at_once: AtOnce,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        """`heartbeat`: who hears of each good tick; None for nobody."""
        self._relay = relay
        self._digests = Digests(relay=relay, store=store)
        self._store = store
        self._policy = policy
        self._clock = clock
        self._log = log
        self._all_at_once = all_at_once
        self._heartbeat = heartbeat

    def run(self, started: float) -> Done:
        """Everything that is due, until the tick's time is over. `started`: seconds of the monotonic clock."""
        done = Done()
        until = started + TICK_SECONDS
        try:
            self._do_all(done, until)
            self._do_waiting(done, until)
            self._store.ticked(self._clock.now(), until)
            self._beat(done, until)
        except StoreError as error:
            self._log.write(Severity.ERROR, f"the tick cannot go on: {error}")
            done.error = error
        return done

    def _beat(self, done: Done, until: float) -> None:
        """Say that all is well, if it is: an incident that cannot be taken is what the watchdog is for."""
        if self._heartbeat is None or done.failed:
            return
        if why := self._heartbeat.beat(min(self._clock.monotonic() + BEAT_SECONDS, until)):
            self._log.write(Severity.WARNING, f"the heartbeat was not heard: {why}")

    def catch_up(self, last_tick: datetime | None, until: float) -> None:
        """For a request that has time left until `until`: do a few due incidents if the scheduler has stopped."""
        now = self._clock.now()
        if (last_tick is not None and now - last_tick <= OVERDUE) or until - self._clock.monotonic() < LEAST_SECONDS:
            return
        done = Done()
        try:
            self._take(self._pages_first(self._store.due(now, DUE_AT_ONCE, until), now)[:FEW], done, until)
            self._do_waiting(done, until, most=FEW)
        except StoreError as error:
            self._log.write(Severity.ERROR, f"what is due cannot be searched for: {error}")
        if done.incidents:
            silence = "never been here" if last_tick is None else f"not been here since {last_tick:%Y-%m-%d %H:%M} UTC"
            words = f"the minute tick has {silence}: this request did what was due of {done.incidents} incidents"
            self._log.write(Severity.ERROR, words)

    def _do_all(self, done: Done, until: float) -> None:
        """Search and take, until a search finds nothing new or the time is over."""
        seen: set[str] = set()
        while until - self._clock.monotonic() >= LEAST_SECONDS:
            now = self._clock.now()
            found = [one for one in self._store.due(now, DUE_AT_ONCE, until) if one.key not in seen]
            if not found:
                return
            seen |= {one.key for one in found}
            self._take_due(found, done, until, now)

    def _pages_first(self, found: list[Found], now: datetime) -> list[Found]:
        """In the order of the search, the oldest first, but whoever is to be paged before all others."""
        return sorted(found, key=lambda one: one.incident is None or not has_page_due(one.incident, self._policy, now))

    def _do_waiting(self, done: Done, until: float, *, most: int = WAITING_AT_MOST) -> None:
        """Tell what the cap held back, once the window has room: several in one text, or each in its own."""
        if until - self._clock.monotonic() < LEAST_SECONDS:
            return
        # One at first: while the window is full nobody reads all who wait, every minute.
        if not self._store.waiting(1, until):
            return
        ledger = self._store.gather(NO_INCIDENT, until).ledger
        if not ledger.has_room(self._policy.sms.max_per_hour, 0, self._clock.now(), first_page=True):
            return
        found = self._store.waiting(WAITING_AT_MOST, until)
        waiting = [one.incident for one in found if one.incident is not None]
        if together := to_collect(waiting, ledger, self._policy, self._clock.now()):
            self._collect(together, done, until)
            # The others have their turn at the next tick, when it is certain what this took.
            return
        chosen = {one.key for one in pages_with_room(waiting, ledger, self._policy, self._clock.now())}
        self._take([one for one in found if one.key in chosen][:most], done, until, release=True)

    def _collect(self, together: Collected, done: Done, until: float) -> None:
        deadlines = Deadlines.within(self._clock.monotonic(), until)
        try:
            taken = self._digests.collect(together, deadlines)
        except StoreError as error:
            self._log.write(Severity.ERROR, f"what was held back could not be told together: {error}")
            done.failed += 1
            return
        done.incidents += 1
        done.sent.update(attempt.outcome.result.value for attempt in taken.attempts)

    def _take_due(self, found: list[Found], done: Done, until: float, now: datetime) -> None:
        """Take pages first; of many that only tell free channels something, those are told in few messages."""
        telling = [one.incident for one in found if one.incident and tells_only(one.incident, self._policy, now)]
        if len(telling) <= APART:
            self._take(self._pages_first(found, now), done, until)
            return
        apart = {one.key for one in telling}
        self._take(self._pages_first([one for one in found if one.key not in apart], now), done, until)
        telling.sort(key=lambda one: one.effective, reverse=True)
        for first in range(0, len(telling), TOGETHER):
            self._take_together([one.key for one in telling[first : first + TOGETHER]], done, until - FOR_PAGES_SECONDS)

    def _take_together(self, keys: list[str], done: Done, until: float) -> None:
        now = self._clock.monotonic()
        if until - now < LEAST_SECONDS:
            done.left += len(keys)
            return
        for key, taken in self._relay.tick_together(keys, Deadlines.within(now, until)).items():
            if isinstance(taken.error, NoTimeLeft):
                done.left += 1
                continue
            if taken.error:
                bug = isinstance(taken.error, StoreRefused)
                self._failed(
                    key, done, threading.Lock(), Severity.CRITICAL if bug else Severity.ERROR, str(taken.error)
                )
                continue
            done.incidents += 1
            done.sent.update(attempt.outcome.result.value for attempt in taken.attempts)

    def _take(self, found: list[Found], done: Done, until: float, *, release: bool = False) -> None:
        """Take each along the road, some at a time, in this order; whoever is done takes the next."""
        if not found:
            return
        queue = iter(found)
        lock = threading.Lock()

        def next_one() -> Found | None:
            with lock:
                return next(queue, None) if until - self._clock.monotonic() >= LEAST_SECONDS else None

        def work() -> None:
            while one := next_one():
                self._take_one(one, done, lock, until, release=release)

        self._all_at_once([work] * min(INCIDENTS_AT_ONCE, len(found)), until - self._clock.monotonic())
        with lock:
            done.left += len(list(queue))

    def _take_one(self, one: Found, done: Done, lock: threading.Lock, until: float, *, release: bool) -> None:
        deadlines = Deadlines.within(self._clock.monotonic(), until)
        try:
            if one.incident is None:
                # Told first: put off and not told, it would be silent for an hour.
                self._relay.take(unreadable_document(one.key, one.trouble), deadlines)
                self._store.put_off(one.key, self._clock.now() + PUT_OFF, deadlines.record_by)
                with lock:
                    done.unreadable += 1
                return
            if one.incident.members:
                taken = self._digests.tick(one.incident, deadlines, release=release)
            else:
                taken = self._relay.tick(one.key, deadlines, release=release)
        except StoreError as error:
            self._failed(one.key, done, lock, Severity.ERROR, str(error))
            return
        except Exception as error:  # noqa: BLE001 - our own mistake with one incident must not silence the others
            self._failed(one.key, done, lock, Severity.CRITICAL, our_mistake(error))
            return
        with lock:
            done.incidents += 1
            done.sent.update(attempt.outcome.result.value for attempt in taken.attempts)

    def _failed(self, key: str, done: Done, lock: threading.Lock, severity: Severity, why: str) -> None:
        self._log.write(severity, f"an incident that is due was not taken: {why}", incident=key)
        with lock:
            done.failed += 1
