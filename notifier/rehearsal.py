"""The pager played on a virtual clock: the real road, rules and words, and nothing leaves this process.

What happens is told as it is: each message as its channel got it, and each change of an incident as it was stored.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar

import msgspec

from notifier.core.alert import Alert, Severity
from notifier.core.answering import answerer
from notifier.core.incident import Incident, IncidentState
from notifier.core.ledger import Ledger
from notifier.core.message import Message
from notifier.core.moments import expires_at
from notifier.core.outcome import Outcome, Result
from notifier.core.policy import Policy
from notifier.ports import Channel, Gathered
from notifier.sending import Deadlines
from notifier.settings import read_settings
from notifier.stores.sqlite import SqliteStore
from notifier.wiring import Outside, build, channels_of

T = TypeVar("T")

PHONES_MOST = 20
MINUTE = timedelta(minutes=1)
"""The scheduler's: whatever falls due is done at the next full one."""
_FIRST_PHONE = 15555550100
"""Numbers that nobody has (https://www.nanpa.com, 555-0100 to 555-0199)."""
_SOON = 3_600.0


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as it was stored."""

    at: datetime
    before: Incident | None
    """None for the first of its generation."""
    incident: Incident


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a channel took, of one incident."""

    at: datetime
    channel: str
    message: Message
    posted: Message
    """What the channel got: `message` itself, or the roundup that told it with others."""
    incident: Incident
    preview: Callable[[], str]
    """What would have been put on the wire."""


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that changed nothing."""

    at: datetime
    incident: Incident


Event = Changed | Told | Repeated


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What people do, so long after an incident opened; None: nobody does."""

    acknowledge_after: timedelta | None = None
    resolve_after: timedelta | None = None
    """Its sender says that it is over."""


class Rehearsal:
    """One pager, its state in memory. Play it once."""

    def __init__(self, policy: Policy, *, phones: int = 2, answers: Answers = Answers()) -> None:  # noqa: B008 - frozen
        """`phones`: how many are on call, 1 to PHONES_MOST, with numbers that nobody has."""
        numbers = tuple(f"+{_FIRST_PHONE + number}" for number in range(phones))
        settings = read_settings({**_SETTINGS, "ONCALL_PHONE": ",".join(numbers)})
        self._clock = _VirtualClock()
        self._store = _WatchedStore(self._clock, self._happened)
        self._answers = answers
        self._events: list[Event] = []
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = count()
        self._left = 0
        real, texts = channels_of(settings, numbers, self._clock, _NoLog())
        channels: dict[str, Channel] = {name: _Heard(channel, self._heard) for name, channel in real.items()}
        outside = Outside(
            store=self._store,
            channels=channels,
            texts=texts,
            clock=self._clock,
            ids=_CountedIds(),
            log=_NoLog(),
            all_at_once=_one_after_the_other,
        )
        self._app = build(settings, policy, outside)

    @property
    def now(self) -> datetime:
        return self._clock.now()

    @property
    def left(self) -> int:
        """How many bodies are still to come."""
        return self._left

    @property
    def unanswered(self) -> list[Incident]:
        """What is still open and no digest, in the order it was opened."""
        found = (one for one in self._store.incidents.values() if one.state is IncidentState.OPEN and not one.members)
        return sorted(found, key=lambda incident: incident.opened_at)

    def play(self, alerts: Iterable[tuple[datetime, Sequence[Alert]]]) -> Iterator[list[Event]]:
        """Take the alerts of each body at its moment, and then let the ladder play to its end; what happened at each.

        It ends when nobody has anything left to do; that an incident expires days later is not waited for.
        """
        for at, body in alerts:
            self._plan(at, self._taking(body))
            self._left += 1
        while self._agenda or self._store.acts():
            planned = self._agenda[0][0] if self._agenda else None
            due = self._store.next_due(expiries=planned is not None)
            tick_at = None if due is None else max(_full_minute(due), _full_minute(self._clock.now(), after=True))
            if planned is not None and (tick_at is None or planned <= tick_at):
                at, _, action = heapq.heappop(self._agenda)
                self._clock.set(at)
                action()
            elif tick_at is not None:
                self._clock.set(tick_at)
                self._app.tick.run(self._clock.monotonic())
            yield self._events
            self._events = []

    def _plan(self, at: datetime, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), action))

    def _taking(self, body: Sequence[Alert]) -> Callable[[], None]:
        def take() -> None:
            self._left -= 1
            # One at a time, in the order in which the road takes the alerts of a body: each run is the same.
            for places in self._app.relay.turns(body):
                for place in places:
                    so_far = len(self._events)
                    incident = self._app.relay.take(body[place], self._deadlines())
                    if len(self._events) == so_far:
                        self._events.append(Repeated(at=self._clock.now(), incident=incident))
                    self._plan_answers(incident, body[place])

        return take

    def _plan_answers(self, incident: Incident, alert: Alert) -> None:
        now, key, generation = self._clock.now(), incident.key, incident.generation
        if incident.opened_at != now or incident.state is not IncidentState.OPEN:
            return

        def acknowledge() -> None:
            known = self._store.incidents[key]
            by = answerer("", "by text")
            self._app.relay.acknowledge(known, generation, by, self._deadlines())

        def resolve() -> None:
            known = self._store.incidents[key]
            if known.generation == generation and known.state is not IncidentState.RESOLVED:
                self._app.relay.take(msgspec.structs.replace(alert, closed=True), self._deadlines())

        if self._answers.acknowledge_after is not None:
            self._plan(now + self._answers.acknowledge_after, acknowledge)
        if self._answers.resolve_after is not None and not incident.one_off:
            self._plan(now + self._answers.resolve_after, resolve)

    def _deadlines(self) -> Deadlines:
        now = self._clock.monotonic()
        return Deadlines.of_request(now, now)

    def _happened(self, before: Incident | None, incident: Incident) -> None:
        self._events.append(Changed(at=self._clock.now(), before=before, incident=incident))

    def _heard(self, channel: Channel, posted: Message) -> Outcome:
        def preview() -> str:
            return channel.preview(posted)

        at = self._clock.now()
        self._events += [
            Told(
                at=at,
                channel=channel.name,
                message=message,
                posted=posted,
                incident=self._store.incidents[message.incident],
                preview=preview,
            )
            for message in posted.roundup or (posted,)
        ]
        return Outcome(Result.SENT)


class _VirtualClock:
    """Wall time is set; no time passes while something is done, so nothing comes too late on a slow machine."""

    def __init__(self) -> None:
        self.set(datetime.fromtimestamp(0, UTC))

    def set(self, now: datetime) -> None:
        self._now = now
        # Ahead of the machine's own, by which the store waits.
        self._monotonic = time.monotonic() + _SOON

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        pass


class _CountedIds:
    """The same at each run."""

    def __init__(self) -> None:
        self._count = count(1)

    def claim(self) -> str:
        return f"{next(self._count):032x}"

    def fraction(self) -> float:
        return 0.5


class _NoLog:
    """Whatever is logged is seen as it is stored and told."""

    def write(self, severity: Severity, message: str, **fields: object) -> None:
        pass


class _WatchedStore(SqliteStore):
    """A store in memory that tells of each incident that is stored, and knows when the next one is due."""

    def __init__(self, clock: _VirtualClock, happened: Callable[[Incident | None, Incident], None]) -> None:
        super().__init__(":memory:")
        self._clock = clock
        self._happened = happened
        self.incidents: dict[str, Incident] = {}
        self._acts: list[tuple[datetime, str]] = []
        self._expiries: list[tuple[datetime, str]] = []
        self._waiting: set[str] = set()

    def commit(
        self, seen: Gathered, deadline: float, *, incident: Incident | None = None, ledger: Ledger | None = None
    ) -> Gathered:
        after = super().commit(seen, deadline, incident=incident, ledger=ledger)
        if incident is not None:
            self.incidents[seen.key] = incident
            if incident.next_due:
                only_ends = incident.next_due == expires_at(incident)
                heapq.heappush(self._expiries if only_ends else self._acts, (incident.next_due, seen.key))
            (self._waiting.add if incident.waiting_since else self._waiting.discard)(seen.key)
            known = seen.incident if seen.incident and seen.incident.generation == incident.generation else None
            self._happened(known, incident)
        return after

    def acts(self) -> bool:
        """Whether anything is still to be done but to expire."""
        return self._first(self._acts) is not None or bool(self._waiting)

    def next_due(self, *, expiries: bool) -> datetime | None:
        """The next moment at which something is due; None when nothing is. `expiries`: those too."""
        moments = [self._first(self._acts)] + ([self._first(self._expiries)] if expiries else [])
        # Of what the cap holds back nobody knows when its turn is: the tick looks each minute.
        moments += [self._clock.now()] if self._waiting else []
        return min((moment for moment in moments if moment), default=None)

    def _first(self, heap: list[tuple[datetime, str]]) -> datetime | None:
        # What has been stored again since is due at another moment.
        while heap and self.incidents[heap[0][1]].next_due != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None


class _Heard:
    """Stands for a channel: hears what that would send, and calls it sent."""

    def __init__(self, channel: Channel, heard: Callable[[Channel, Message], Outcome]) -> None:
        self._channel = channel
        self._heard = heard

    @property
    def name(self) -> str:
        return self._channel.name

    def send(self, message: Message, deadline: float) -> Outcome:  # noqa: ARG002 nothing here takes time
        return self._heard(self._channel, message)

    def preview(self, message: Message) -> str:
        return self._channel.preview(message)


def _one_after_the_other(tasks: Sequence[Callable[[], T]], seconds: float) -> list[T | None]:  # noqa: ARG001 AtOnce's
    return [task() for task in tasks]


def _full_minute(moment: datetime, *, after: bool = False) -> datetime:
    """The first full minute from `moment` on; `after`: a later one."""
    full = moment.replace(second=0, microsecond=0)
    return full + MINUTE if after or full < moment else full


_SETTINGS = {
    "SIMULATE": "1",
    "STATE": "sqlite::memory:",
    "PUBLIC_URL": "https://pager.example.com",
    "WEBHOOK_TOKEN": "made-up-for-a-rehearsal",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "0" * 32,
    "TWILIO_FROM": "+15005550006",
}
"""As if every channel were configured, and a text could be answered."""
