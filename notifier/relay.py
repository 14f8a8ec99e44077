"""The one road: gather, decide, claim, send, record.

Everything that happens takes it. Nothing is sent before its claim is durable, nothing is sent inside a store retry,
and nothing runs after the answer was given.
"""

from __future__ import annotations

import traceback
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial

import msgspec

from notifier.core.advance import advance
from notifier.core.alert import Alert, Severity
from notifier.core.beginning import key_of
from notifier.core.events import Alerted, Attempt, Claim, Decision, Event, Settled, State
from notifier.core.incident import Incident
from notifier.core.message import message_of
from notifier.core.outcome import Outcome, Result
from notifier.core.policy import Policy
from notifier.core.settling import second_try_at
from notifier.ports import Channel, Clock, Conflict, Gathered, Ids, Log, Store, StoreDown, StoreError, StoreRefused

ALERTS_AT_ONCE = 32
"""Of one body. Each holds a thread and up to five sends; one channel that hangs holds it for the whole request."""
STORED_AT_ONCE = 8
STORE_ONLY_SECONDS = 1.0
"""What is left of the time to claim for alerts whose turn has not come: they are stored as owed, and not sent here."""
LOOK_AGAIN_SECONDS = 1.5
"""For a commit whose answer did not come: has it landed?"""
GRACE = 0.25
"""Seconds a send may come back late: it has stopped writing by its deadline, and its thread is on the way."""

CONFLICT_PAUSE_SECONDS = 0.1
CONFLICT_PAUSE_MOST_SECONDS = 0.4
"""At most, before what somebody else changed is read again; a random part of it, doubled at each conflict.

Without it, of many requests that want one of the last slots each round lets one through, and the others' failing
commits queue up in the store. With it most of them find the slots taken when they read again.
"""

CLAIM_SECONDS = 4.0
SEND_SECONDS = 7.5
RECORD_SECONDS = 9.0
"""Pub/Sub gives up on a push at 10 s by default (ackDeadlineSeconds)."""


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """When each stretch of the road ends, in seconds of the monotonic clock."""

    claim_by: float
    send_by: float
    record_by: float

    @classmethod
    def of_alert(cls, started: float, now: float) -> Deadlines:
        """For a request that began at `started` and is authorised `now`."""
        send_by = started + SEND_SECONDS
        return cls(claim_by=min(now + CLAIM_SECONDS, send_by), send_by=send_by, record_by=started + RECORD_SECONDS)


class Taken(msgspec.Struct, frozen=True):
    """What became of one alert."""

    alert: Alert
    incident: Incident | None
    """As it stands in the store; None when it could not be stored."""
    error: StoreError | None = None


class _Claimed(msgspec.Struct, frozen=True):
    """An alert that is durable, and what this request has to send of it."""

    seen: Gathered
    decision: Decision
    claim_id: str


def at_once(tasks: Sequence[Callable[[], Outcome]], seconds: float) -> list[Outcome | None]:
    """Run all `tasks`, each in its own thread; None for one that is not back after `seconds`."""
    # A pool of its own: a thread held by a name server that does not answer delays no later request.
    pool = ThreadPoolExecutor(max_workers=len(tasks))
    futures = [pool.submit(task) for task in tasks]
    wait(futures, timeout=max(seconds, 0))
    pool.shutdown(wait=False)
    return [future.result() if future.done() else None for future in futures]


def _pause(claim_id: str, conflicts: int) -> float:
    """Seconds to wait after so many conflicts: random, as the claim id is, and so another for each request."""
    most = min(CONFLICT_PAUSE_SECONDS * (1 << min(conflicts - 1, 10)), CONFLICT_PAUSE_MOST_SECONDS)
    return most * zlib.crc32(f"{claim_id} {conflicts}".encode()) / 2**32


def _about(incident: Incident, *, whole: bool) -> dict[str, object]:
    """What a log entry says of its incident; `whole`: enough to act on for somebody who has only the log."""
    about: dict[str, object] = {"ref": incident.ref, "incident": incident.key, "state": incident.state}
    if whole:
        labels = {label.name: label.value for label in incident.labels}
        about |= {"source": incident.source, "sender_id": incident.incident_id, "text": incident.text}
        about |= {"url": incident.url, "labels": labels}
    return about


class Relay:
    """Takes events along the road. One for all requests of an instance; holds no state of its own."""

    def __init__(  # noqa: PLR0913 - all that the road needs from outside
        self,
        *,
        policy: Policy,
        store: Store,
        channels: Mapping[str, Channel],
        clock: Clock,
        ids: Ids,
        log: Log,
        lease: timedelta,
        run_all: Callable[[Sequence[Callable[[], Outcome]], float], list[Outcome | None]] = at_once,
    ) -> None:
        self._policy = policy
        self._store = store
        self._channels = channels
        self._clock = clock
        self._ids = ids
        self._log = log
        self._lease = lease
        self._run_all = run_all

    def take_all(self, alerts: Sequence[Alert], deadlines: Deadlines) -> list[Taken]:
        """Take every alert of a body, critical first, some at a time; alerts of one incident stay in their order.

        However long their channels hang, all are stored: those whose turn to be sent did not come are left to the tick.
        """
        by_incident: dict[str, list[int]] = {}
        for place in sorted(range(len(alerts)), key=lambda place: self._urgency(alerts[place])):
            by_incident.setdefault(key_of(alerts[place], ""), []).append(place)
        taken: dict[int, Taken] = {}

        def take_in_order(places: list[int], deadlines: Deadlines) -> None:
            # All are stored before any is sent: a channel that hangs costs the next one no place in the store.
            claimed = {place: self._claim_or_fail(alerts[place], deadlines) for place in sorted(places)}
            for place, one in claimed.items():
                taken[place] = one if isinstance(one, Taken) else Taken(alerts[place], self._finish(one, deadlines))

        if len(by_incident) == 1:
            take_in_order(next(iter(by_incident.values())), deadlines)
            return [taken[place] for place in range(len(alerts))]
        with ThreadPoolExecutor(ALERTS_AT_ONCE) as pool, ThreadPoolExecutor(STORED_AT_ONCE) as storing:
            begun = {pool.submit(take_in_order, places, deadlines): places for places in by_incident.values()}
            wait(begun, timeout=deadlines.claim_by - STORE_ONLY_SECONDS - self._clock.monotonic())
            past = self._clock.monotonic() - 1  # nothing is claimed past the time to send
            store_only = msgspec.structs.replace(deadlines, send_by=past)
            # `cancel` succeeds only where nothing has begun.
            left = [storing.submit(take_in_order, places, store_only) for one, places in begun.items() if one.cancel()]
            for future in (*begun, *left):
                if not future.cancelled():
                    future.result()
        return [taken[place] for place in range(len(alerts))]

    def take(self, alert: Alert, deadlines: Deadlines) -> Incident:
        """Take one alert all the way: durable, told to whom it is owed, and recorded.

        Raises StoreError when nobody can tell whether it is durable, or it certainly is not; then nothing was sent.
        """
        return self._finish(self._claim_sends(alert, deadlines), deadlines)

    def _claim_sends(self, alert: Alert, deadlines: Deadlines) -> _Claimed:
        """The first three steps of the road. Raises StoreError."""
        claim_id = self._ids.claim()
        key = key_of(alert, claim_id)
        seen, decision = self._step(key, Alerted(alert), claim_id, deadlines, deadlines.claim_by)
        if decision.instead is not None:
            return self._claim_sends(decision.instead, deadlines)
        return _Claimed(seen, decision, claim_id)

    def _claim_or_fail(self, alert: Alert, deadlines: Deadlines) -> _Claimed | Taken:
        try:
            return self._claim_sends(alert, deadlines)
        except StoreError as error:
            self._log.write(Severity.CRITICAL, f"an alert could not be stored: {error}", title=alert.title)
            return Taken(alert, None, error)

    def _urgency(self, alert: Alert) -> tuple[bool, int]:
        severity, _ = self._policy.severity_of(alert.severity)
        return (alert.closed, -list(Severity).index(severity))

    def _finish(self, claimed: _Claimed, deadlines: Deadlines) -> Incident:
        """Send what is claimed, record how it ended, and go on while the record claims more (a second try)."""
        seen, decision, claim_id = claimed.seen, claimed.decision, claimed.claim_id
        incident = decision.incident
        if incident is None:
            raise StoreRefused("nothing was decided about an alert")
        rounds = 0
        while decision.send or (rounds == 1 and self._waits_for_second_try(incident, claim_id, deadlines)):
            rounds += 1
            event = Settled(attempts=self._send(incident, decision.send, deadlines), second_try=rounds == 1)
            try:
                seen, decision = self._step(seen.key, event, claim_id, deadlines, deadlines.record_by, seen)
            except StoreError as error:
                # The claims are durable, so what was sent is looked up or sent again once their lease ends.
                self._log.write(
                    Severity.ERROR,
                    f"sent, but not recorded: {error}",
                    ref=incident.ref,
                    outcomes={attempt.delivery: attempt.outcome.result for attempt in event.attempts},
                )
                break
            incident = seen.incident or incident
        return incident

    def _waits_for_second_try(self, incident: Incident, claim_id: str, deadlines: Deadlines) -> bool:
        """Let the time pass that a provider asked for, if it is short: at once would be refused again."""
        now = self._clock.now()
        due_at = second_try_at(incident, self._claim(claim_id, now, deadlines))
        if due_at is None:
            return False
        self._clock.sleep(max((due_at - now).total_seconds(), 0))
        return True

    def _claim(self, claim_id: str, now: datetime, deadlines: Deadlines) -> Claim:
        left = timedelta(seconds=deadlines.send_by - self._clock.monotonic())
        return Claim(id=claim_id, lease_until=now + self._lease, send_until=now + left)

    def _step(
        self, key: str, event: Event, claim_id: str, deadlines: Deadlines, by: float, seen: Gathered | None = None
    ) -> tuple[Gathered, Decision]:
        """Decide on what is stored, and commit it; after a conflict decide again on what is stored then.

        Raises StoreError past `by`.
        """
        look_until = min(by + LOOK_AGAIN_SECONDS, deadlines.send_by)
        conflicts = 0
        unsure: Decision | None = None
        while True:
            seen = seen or self._store.gather(key, by)
            if unsure and unsure.incident and isinstance(event, Alerted):
                event = Alerted(event.alert, unsure.incident.generation)
            now = self._clock.now()
            claim = self._claim(claim_id, now, deadlines)
            decision = advance(State(key, seen.incident, seen.ledger), event, self._policy, now, claim)
            incident = None if decision.incident == seen.incident else decision.incident
            ledger = None if decision.ledger == seen.ledger else decision.ledger
            if incident is None and ledger is None:
                # What we hold without having written it now, the commit before has written: its reasons are ours.
                self._tell_log(unsure if unsure and decision.send else decision)
                return seen, decision
            try:
                after = self._store.commit(seen, by, incident=incident, ledger=ledger)
            except Conflict:
                # Perhaps with our own commit: the time to look for that is there, however late it is.
                seen, unsure, by, conflicts = None, decision, max(by, look_until), conflicts + 1
                self._clock.sleep(_pause(claim_id, conflicts))
            except StoreDown:
                # It may have landed: looked for once, a little beyond its time, while there is time to send.
                if by >= look_until:
                    raise
                seen, unsure, by = None, decision, look_until
            else:
                self._tell_log(decision)
                return after, decision

    def _tell_log(self, decision: Decision) -> None:
        incident = decision.incident
        for note in decision.notes:
            about = {} if incident is None else _about(incident, whole=note.begins)
            self._log.write(note.severity, note.text, **about)

    def _send(self, incident: Incident, keys: Sequence[str], deadlines: Deadlines) -> tuple[Attempt, ...]:
        if not keys:
            return ()
        left = deadlines.send_by - self._clock.monotonic() + GRACE
        outcomes = self._run_all([partial(self._send_one, incident, key, deadlines.send_by) for key in keys], left)
        return tuple(
            Attempt(
                delivery=key,
                generation=incident.generation,
                number=incident.deliveries[key].attempts,
                outcome=outcome or Outcome(Result.UNKNOWN, "no answer before the deadline"),
            )
            for key, outcome in zip(keys, outcomes, strict=True)
        )

    def _send_one(self, incident: Incident, key: str, deadline: float) -> Outcome:
        name = incident.deliveries[key].channel
        channel = self._channels.get(name)
        if channel is None:
            return Outcome(Result.REJECTED, f"{name} is no longer configured")
        try:
            return channel.send(message_of(incident, key, self._policy), deadline)
        except Exception as error:  # noqa: BLE001 - our own bug in one channel must not silence the others
            # Its words stay out of the log: they may hold an address or a number.
            where = traceback.extract_tb(error.__traceback__)[-1]
            words = f"our own mistake: {type(error).__name__} in {where.name}, line {where.lineno}"
            self._log.write(Severity.CRITICAL, f"{name}: {words}", ref=incident.ref)
            return Outcome(Result.UNKNOWN, words)
