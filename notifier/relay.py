"""The one road: gather, decide, claim, send, record.

Everything that happens takes it. Nothing is sent before its claim is durable, nothing is sent inside a store retry,
and nothing runs after the answer was given.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import msgspec

from notifier.core.advance import advance
from notifier.core.alert import Alert, Severity
from notifier.core.beginning import key_of
from notifier.core.digest import digest_alert, held_back
from notifier.core.events import (
    Acknowledged,
    Alerted,
    Attempt,
    Claim,
    Collected,
    Decision,
    Event,
    Finding,
    OptedOut,
    Settled,
    State,
    Texted,
    Ticked,
)
from notifier.core.incident import Incident
from notifier.core.ledger import Ledger
from notifier.core.looking_up import listed_since
from notifier.core.message import Message, message_of
from notifier.core.outcome import Outcome
from notifier.core.policy import Policy
from notifier.core.replying import key_of_text
from notifier.core.settling import second_try_at
from notifier.degraded import Degraded
from notifier.ports import (
    Clock,
    Conflict,
    DocumentUnreadable,
    Gathered,
    Ids,
    Log,
    NoTimeLeft,
    Store,
    StoreDown,
    StoreError,
    StoreRefused,
)
from notifier.sending import LOOK_UP_SECONDS, Deadlines, Sender, our_mistake

T = TypeVar("T")

ALERTS_AT_ONCE = 32
"""Of one body. Each holds a thread and up to five sends; one channel that hangs holds it for the whole request."""
STORED_AT_ONCE = 8
STORE_ONLY_SECONDS = 1.0
"""What is left of the time to claim for alerts whose turn has not come: they are stored as owed, and not sent here."""
LOOK_FIRST_SECONDS = 1.5
"""What reading the provider's list may take before an alert is stored."""
LOOK_AGAIN_SECONDS = 1.5
"""For a commit whose answer did not come: has it landed?"""
CONFLICT_PAUSE_SECONDS = 0.1
CONFLICT_PAUSE_MOST_SECONDS = 0.4
"""At most, before what somebody else changed is read again; a random part of it, doubled at each conflict.

Without it, of many requests that want one of the last slots each round lets one through, and the others' failing
commits queue up in the store. With it most of them find the slots taken when they read again.
"""


NO_INCIDENT = "0" * 32
"""A key that no incident has: for the ledger alone."""


class Taken(msgspec.Struct, frozen=True):
    """What became of one event."""

    incident: Incident | None
    """As it stands in the store; None when it is not there, or could not be stored."""
    error: StoreError | None = None
    attempts: tuple[Attempt, ...] = ()
    """What was sent, and how that ended."""
    last_tick: datetime | None = None
    """When the tick was last through, as the store said."""


class _Claimed(msgspec.Struct, frozen=True):
    """An event that is durable, and what this request has to send of it."""

    seen: Gathered
    decision: Decision
    claim_id: str


def _pause(claim_id: str, conflicts: int) -> float:
    """Seconds to wait after so many conflicts: random, as the claim id is, and so another for each request."""
    most = min(CONFLICT_PAUSE_SECONDS * (1 << min(conflicts - 1, 10)), CONFLICT_PAUSE_MOST_SECONDS)
    return most * zlib.crc32(f"{claim_id} {conflicts}".encode()) / 2**32


def _attempts(incident: Incident, ends: Mapping[str, Outcome]) -> tuple[Attempt, ...]:
    """How the sends of `incident` have ended, by delivery."""
    return tuple(
        Attempt(
            delivery=key,
            generation=incident.generation,
            number=incident.deliveries[key].attempts,
            outcome=outcome,
        )
        for key, outcome in ends.items()
    )


def _about(incident: Incident, *, whole: bool) -> dict[str, object]:
    """What a log entry says of its incident; `whole`: enough to act on for somebody who has only the log."""
    about: dict[str, object] = {"ref": incident.ref, "incident": incident.key, "state": incident.state}
    if whole:
        labels = {label.name: label.value for label in incident.labels}
        about |= {"source": incident.source, "sender_id": incident.incident_id, "text": incident.text}
        about |= {"documentation": incident.documentation, "url": incident.url, "labels": labels}
    return about


class Relay:
    """Takes events along the road. One for all requests of an instance; holds no state of its own."""

    def __init__(  # noqa: PLR0913 - all that the road needs from outside
        self,
        *,
        policy: Policy,
        store: Store,
        sender: Sender,
        degraded: Degraded,
        clock: Clock,
        ids: Ids,
        log: Log,
        lease: timedelta,
        acknowledge_url: Callable[[str, int, str], str] = lambda _key, _generation, _channel: "",
        report_url: Callable[[str, int, int, str], str] = lambda _key, _generation, _number, _delivery: "",
    ) -> None:
        """`acknowledge_url`: the link that answers an incident (key, generation), for the readers of one channel.

        `report_url`: where the provider reports on one attempt at a page (key, generation, attempt, delivery).
        """
        self._policy = policy
        self._store = store
        self._sender = sender
        self._degraded = degraded
        self._clock = clock
        self._ids = ids
        self._log = log
        self._lease = lease
        self._acknowledge_url = acknowledge_url
        self._report_url = report_url

    def take_all(self, alerts: Sequence[Alert], deadlines: Deadlines) -> list[Taken]:
        """Take every alert of a body, critical first, some at a time; alerts of one incident stay in their order.

        However long their channels hang, all are stored: those whose turn to be sent did not come are left to the tick.
        What cannot be stored is told without the store.
        """
        turns = self.turns(alerts)
        taken: dict[int, Taken] = {}

        def take_in_order(places: list[int], deadlines: Deadlines) -> None:
            # All are stored before any is sent: a channel that hangs costs the next one no place in the store.
            claimed = {place: self._claim_or_fail(alerts[place], deadlines) for place in places}
            for place, one in claimed.items():
                taken[place] = one if isinstance(one, Taken) else self._finish(one, deadlines)

        if len(turns) == 1:
            take_in_order(turns[0], deadlines)
            return [taken[place] for place in range(len(alerts))]
        with ThreadPoolExecutor(ALERTS_AT_ONCE) as pool, ThreadPoolExecutor(STORED_AT_ONCE) as storing:
            begun = {pool.submit(take_in_order, places, deadlines): places for places in turns}
            wait(begun, timeout=deadlines.claim_by - STORE_ONLY_SECONDS - self._clock.monotonic())
            store_only = deadlines.to_store_only(self._clock.monotonic())
            # `cancel` succeeds only where nothing has begun.
            left = [storing.submit(take_in_order, places, store_only) for one, places in begun.items() if one.cancel()]
            for future in (*begun, *left):
                if not future.cancelled():
                    future.result()
        return [taken[place] for place in range(len(alerts))]

    def turns(self, alerts: Sequence[Alert]) -> list[list[int]]:
        """The places of a body's alerts: those of one incident together and in their order, the most urgent first."""
        by_incident: dict[str, list[int]] = {}
        for place in sorted(range(len(alerts)), key=lambda place: self._urgency(alerts[place])):
            by_incident.setdefault(key_of(alerts[place], ""), []).append(place)
        return [sorted(places) for places in by_incident.values()]

    def take(self, alert: Alert, deadlines: Deadlines) -> Incident:
        """Take one alert all the way: durable, told to whom it is owed, and recorded.

        Raises StoreError when nobody can tell whether it is durable, or it certainly is not; then nothing was sent.
        """
        incident = self._finish(self._claim_alert(alert, deadlines), deadlines).incident
        if incident is None:
            raise StoreRefused("nothing was decided about an alert")
        return incident

    def tick(
        self, key: str, deadlines: Deadlines, *, release: bool = False, open_members: frozenset[str] | None = None
    ) -> Taken:
        """Do what is due of one incident. Raises StoreError.

        `release`: it is the turn of its page that was held back, and there is room. `open_members`: see Ticked.
        """
        return self.take_event(key, Ticked(release=release, open_members=open_members), deadlines)

    def tick_together(self, keys: Sequence[str], deadlines: Deadlines) -> dict[str, Taken]:
        """Do what is due of several incidents, by their keys; many messages on one free channel are told in a few.

        Each is claimed and recorded as by `tick`. Those that were not taken carry their error.
        """
        claimed = self._some_at_a_time(
            keys,
            lambda key: self._claim_tick(key, deadlines),
            begin_by=deadlines.claim_by,
            # A claim whose answer was lost is looked for a little longer.
            back_by=deadlines.send_by,
        )
        taken = {key: one for key, one in claimed.items() if isinstance(one, Taken)}
        held = {key: one for key, one in claimed.items() if isinstance(one, _Claimed)}
        messages = {
            (key, delivery): message
            for key, one in held.items()
            if one.decision.incident and not one.decision.look_up
            for delivery, message in self._messages(one.decision.incident, one.decision.send).items()
        }
        ends: dict[str, dict[str, Outcome]] = defaultdict(dict)
        for (key, delivery), outcome in self._sender.send_together(messages, deadlines.send_by).items():
            ends[key][delivery] = outcome

        def finish(key: str) -> Taken:
            incident = held[key].decision.incident
            made = _attempts(incident, ends[key]) if incident else ()
            try:
                return self._finish(held[key], deadlines, made)
            except Exception as error:  # noqa: BLE001 - our own mistake with one incident must not silence the others
                return Taken(None, StoreRefused(our_mistake(error)))

        return taken | self._some_at_a_time(
            list(held), finish, begin_by=deadlines.record_by, back_by=deadlines.record_by
        )

    def collect(self, event: Collected, deadlines: Deadlines) -> Taken:
        """Send one text for several pages that were held back. Raises StoreError."""
        claim_id = self._ids.claim()
        claimed = self._claim_sends(key_of(digest_alert(claim_id), claim_id), event, claim_id, deadlines)
        return self._finish(claimed, deadlines)

    def acknowledge(self, known: Incident, generation: int, by: str, deadlines: Deadlines) -> Taken:
        """Take somebody's answer to generation `generation` of an incident, and to all that it tells of.

        Of what it tells of the channels hear by the next tick: a slow one would use up the time to store the others.
        Raises StoreError when nobody can tell whether all of it is durable.
        """
        members = known.members if known.generation == generation else ()
        answers = {member.key: Acknowledged(by=by, generation=member.generation) for member in members}
        for one in self.take_events(answers, deadlines.to_store_only(self._clock.monotonic())).values():
            if one.error:
                raise one.error
        return self.take_event(known.key, Acknowledged(by=by, generation=generation), deadlines)

    def acknowledge_all(self, known: Sequence[Incident], by: str, deadlines: Deadlines) -> dict[str, Taken]:
        """Take somebody's answer to several incidents and to all that these tell of; what became of each, by its key.

        Nobody is told of that yet, so that a slow channel costs none of them its turn: a `Ticked` does it.
        """
        store_only = deadlines.to_store_only(self._clock.monotonic())
        digests = [one for one in known if one.members]
        generations = {member.key: member.generation for digest in digests for member in digest.members}
        generations |= {one.key: one.generation for one in known if not one.members}
        answers = {key: Acknowledged(by=by, generation=generation) for key, generation in generations.items()}
        taken = self.take_events(answers, store_only)
        # A digest pages for its members, so it ends only when each of them is answered.
        whole = [one for one in digests if not any(taken[member.key].error for member in one.members)]
        ends = {one.key: Acknowledged(by=by, generation=one.generation) for one in whole}
        return taken | self.take_events(ends, store_only)

    def opt_out(self, event: OptedOut, deadlines: Deadlines) -> Taken:
        """Take a phone's word that it wants no texts, or wants them again. Raises StoreError."""
        return self.take_event(key_of_text(event.id), event, deadlines)

    def answer(self, event: Texted, deadlines: Deadlines) -> str:
        """Remember a text that came; what to answer, empty for nothing. Raises StoreError."""
        return self._claim_sends(NO_INCIDENT, event, self._ids.claim(), deadlines).decision.answer

    def take_event(self, key: str, event: Event, deadlines: Deadlines) -> Taken:
        """Take one event of incident `key` all the way. Raises StoreError when nobody can tell if it is durable."""
        return self._finish(self._claim_sends(key, event, self._ids.claim(), deadlines), deadlines)

    def take_events(self, events: Mapping[str, Event], deadlines: Deadlines) -> dict[str, Taken]:
        """Take one event of each of several incidents, by their keys, all the way; some at a time, in this order.

        A hundred of them one after the other would take longer than a request has. Those for which it was not enough
        are not stored either, and carry their error.
        """

        def take(key: str) -> Taken:
            try:
                return self.take_event(key, events[key], deadlines)
            except StoreError as error:
                return Taken(None, error)

        return self._some_at_a_time(list(events), take, begin_by=deadlines.record_by, back_by=deadlines.record_by)

    def look(self, key: str, deadlines: Deadlines) -> Incident | None:
        """How an incident stands; changes nothing. Raises StoreError."""
        return self._store.gather(key, deadlines.claim_by).incident

    def _some_at_a_time(
        self, keys: Sequence[str], take: Callable[[str], T], *, begin_by: float, back_by: float
    ) -> dict[str, T | Taken]:
        """Of each key what `take` makes of it, in this order; of those there was no time for an error."""
        done: list[T | None] = []
        for first in range(0, len(keys), STORED_AT_ONCE):
            tasks = [partial(take, key) for key in keys[first : first + STORED_AT_ONCE]]
            done += self._sender.run(tasks, back_by) if self._clock.monotonic() < begin_by else [None] * len(tasks)
        late = Taken(None, NoTimeLeft("no time was left for it"))
        return {key: one or late for key, one in zip(keys, done, strict=True)}

    def _claim_tick(self, key: str, deadlines: Deadlines) -> _Claimed | Taken:
        try:
            return self._claim_sends(key, Ticked(), self._ids.claim(), deadlines)
        except StoreError as error:
            return Taken(None, error)
        except Exception as error:  # noqa: BLE001 - our own mistake with one incident must not silence the others
            return Taken(None, StoreRefused(our_mistake(error)))

    def _claim_alert(self, alert: Alert, deadlines: Deadlines) -> _Claimed:
        """The first three steps of the road, for an alert. Raises StoreError."""
        claim_id = self._ids.claim()
        claimed = self._claim_sends(key_of(alert, claim_id), Alerted(alert), claim_id, deadlines)
        if claimed.decision.instead is not None:
            return self._claim_alert(claimed.decision.instead, deadlines)
        return claimed

    def _claim_sends(self, key: str, event: Event, claim_id: str, deadlines: Deadlines) -> _Claimed:
        """The first three steps of the road. Raises StoreError."""
        seen, decision = self._step(key, event, claim_id, deadlines, deadlines.claim_by)
        return _Claimed(seen, decision, claim_id)

    def _claim_or_fail(self, alert: Alert, deadlines: Deadlines) -> _Claimed | Taken:
        try:
            return self._claim_alert(alert, deadlines)
        except StoreError as error:
            self._log.write(Severity.CRITICAL, f"an alert could not be stored: {error}", title=alert.title)
            # What the store refuses is our own mistake, and a text for each repeat of that would help nobody.
            may_text = isinstance(error, StoreDown | DocumentUnreadable)
            self._degraded.take(key_of(alert, self._ids.claim()), alert, deadlines.send_by, may_text=may_text)
            return Taken(None, error)

    def _urgency(self, alert: Alert) -> tuple[bool, int]:
        severity, _ = self._policy.severity_of(alert.severity)
        return (alert.closed, -list(Severity).index(severity))

    def _finish(self, claimed: _Claimed, deadlines: Deadlines, made: tuple[Attempt, ...] = ()) -> Taken:
        """Look up or send what is to be, record how it ended, and go on while the record claims more.

        `made`: what has been sent of it already, and is only recorded.
        """
        seen, decision, claim_id = claimed.seen, claimed.decision, claimed.claim_id
        incident = decision.incident
        attempts = made
        sent = 0
        while incident is not None:
            if made:
                event, made = Settled(attempts=made, second_try=False), ()
            elif decision.look_up and self._clock.monotonic() < deadlines.send_by:
                by = min(self._clock.monotonic() + LOOK_UP_SECONDS, deadlines.send_by)
                event = Settled(findings=self._look_up(incident, decision.look_up, by), second_try=False)
            elif decision.send or (sent == 1 and self._waits_for_second_try(incident, claim_id, deadlines)):
                sent += 1
                event = Settled(attempts=self._send(incident, decision.send, deadlines), second_try=sent == 1)
                attempts += event.attempts
            else:
                break
            # What was looked up may be sent now, so its claim leaves time for that.
            send_first = min(self._clock.monotonic() + LOOK_UP_SECONDS, deadlines.send_by)
            by = deadlines.record_by if event.attempts else send_first
            try:
                seen, decision = self._step(seen.key, event, claim_id, deadlines, by, seen)
            except StoreError as error:
                # The claims are durable, so what was sent is looked up or sent again once their lease ends.
                self._log.write(
                    Severity.ERROR,
                    f"{'sent' if event.attempts else 'looked up'}, but not recorded: {error}",
                    ref=incident.ref,
                    outcomes={attempt.delivery: attempt.outcome.result for attempt in event.attempts},
                )
                break
            incident = seen.incident or incident
        return Taken(incident, attempts=attempts, last_tick=seen.last_tick)

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
            seen = seen or self._gather(key, by)
            if unsure and unsure.incident and isinstance(event, Alerted):
                event = msgspec.structs.replace(event, generation=unsure.incident.generation)
            now = self._clock.now()
            claim = self._claim(claim_id, now, deadlines)
            # What was seen and sent without the store is entered as soon as it is back.
            known = State(key, seen.incident, self._degraded.entered_into(seen.ledger, now))
            if isinstance(event, Collected):
                event = self._still_held_back(event, known.ledger, by)
            decision = advance(known, event, self._policy, now, claim)
            if findings := self._look_first(event, decision, by):
                event = msgspec.structs.replace(event, findings=findings)
                continue
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
            except StoreDown as error:
                self._remember(error)
                # It may have landed: looked for once, a little beyond its time, while there is time to send.
                if by >= look_until:
                    raise
                seen, unsure, by = None, decision, look_until
            else:
                self._tell_log(decision)
                return after, decision

    def _gather(self, key: str, by: float) -> Gathered:
        try:
            return self._store.gather(key, by)
        except StoreDown as error:
            self._remember(error)
            raise

    def _still_held_back(self, event: Collected, ledger: Ledger, by: float) -> Collected:
        """Read after the ledger: a digest that is done with its members stands in them only."""
        found = self._store.read([member.key for member in event.members], by)
        return held_back([one.incident for one in found if one.incident], ledger)

    def _remember(self, error: StoreDown) -> None:
        if not isinstance(error, NoTimeLeft):
            self._degraded.store_is_down()

    def _tell_log(self, decision: Decision) -> None:
        incident = decision.incident
        for note in decision.notes:
            about = {} if incident is None else _about(incident, whole=note.begins)
            self._log.write(note.severity, note.text, **about)

    def _send(self, incident: Incident, keys: Sequence[str], deadlines: Deadlines) -> tuple[Attempt, ...]:
        return _attempts(incident, self._sender.send(self._messages(incident, keys), deadlines.send_by))

    def _messages(self, incident: Incident, keys: Sequence[str]) -> dict[str, tuple[str, Message]]:
        """What each delivery tells, and on which channel."""
        messages = {}
        for key in keys:
            channel = incident.deliveries[key].channel
            url = self._acknowledge_url(incident.key, incident.generation, channel)
            message = message_of(incident, key, self._policy, url)
            if channel == "sms" and not message.via:
                number = incident.deliveries[key].attempts
                report_url = self._report_url(incident.key, incident.generation, number, key)
                message = msgspec.structs.replace(message, report_url=report_url)
            messages[key] = (channel, message)
        return messages

    def _look_first(self, event: Event, decision: Decision, by: float) -> tuple[Finding, ...]:
        """For an alert whose page may have gone out without the store: the list, before anything is stored.

        So it costs no commit more. Without the time for it the alert is stored first, and then looked up.
        """
        is_first = isinstance(event, Alerted) and not event.findings
        look_by = min(self._clock.monotonic() + LOOK_FIRST_SECONDS, by - LOOK_FIRST_SECONDS)
        if not is_first or not decision.look_up or decision.incident is None or look_by < self._clock.monotonic():
            return ()
        return self._look_up(decision.incident, decision.look_up, look_by)

    def _look_up(self, incident: Incident, keys: Sequence[str], deadline: float) -> tuple[Finding, ...]:
        asked_at = self._clock.now()
        deliveries = {key: incident.deliveries[key] for key in keys}
        since = min(listed_since(incident, key, asked_at) for key in keys)
        phones = sorted({delivery.phone or 0 for delivery in deliveries.values()})
        listings = self._sender.look_up(phones, since, deadline)
        return tuple(
            Finding(
                delivery=key,
                generation=incident.generation,
                number=delivery.attempts,
                asked_at=asked_at,
                listing=listings[delivery.phone or 0],
            )
            for key, delivery in deliveries.items()
        )
