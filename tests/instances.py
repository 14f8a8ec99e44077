"""Instances of the app for tests: a virtual clock, recording channels, and a store that counts its round trips."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Lock

from notifier.core.alert import Severity
from notifier.core.incident import Incident
from notifier.core.ledger import Ledger
from notifier.core.listing import Listing
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from notifier.core.policy import Policy
from notifier.degraded import Degraded
from notifier.ports import Channel, Found, Gathered, Store
from notifier.relay import Relay, Taken
from notifier.sending import Deadlines, Sender, at_once
from notifier.tick import Tick
from tests.builders import NOON, POLICY

SENT = Outcome(Result.SENT)


class VirtualClock:
    """Time that passes only when it is told to. Its monotonic side begins at the machine's: stores wait in that."""

    def __init__(self) -> None:
        self._passed = timedelta()
        self._began = time.monotonic()

    def now(self) -> datetime:
        return NOON + self._passed

    def monotonic(self) -> float:
        return self._began + self._passed.total_seconds()

    def sleep(self, seconds: float) -> None:
        self.pass_time(seconds=seconds)

    def pass_time(self, **length: float) -> None:
        self._passed += timedelta(**length)


class CountingIds:
    """Claim ids `<name>-1`, `<name>-2`, ..."""

    def __init__(self, name: str = "claim") -> None:
        self._name = name
        self._count = 0
        self._lock = Lock()

    def claim(self) -> str:
        with self._lock:
            self._count += 1
            return f"{self._name}-{self._count}"

    def fraction(self) -> float:
        return 0.5


class RecordingChannel:
    """Remembers what it was told, and answers what it is asked to: `ends` first, then `sent`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: list[Message] = []
        self.deadlines: list[float] = []
        self.ends: list[Outcome] = []
        self.on_send: Callable[[Message], None] = lambda _: None
        self._lock = Lock()

    def send(self, message: Message, deadline: float) -> Outcome:
        with self._lock:
            self.told.append(message)
            self.deadlines.append(deadline)
            outcome = self.ends.pop(0) if self.ends else SENT
        self.on_send(message)
        return outcome

    def preview(self, message: Message) -> str:
        return message.headline

    @property
    def headlines(self) -> list[str]:
        return [message.headline for message in self.told]


class RecordedList:
    """The provider's list, as a test fills it; remembers what was asked: phone, since."""

    def __init__(self) -> None:
        self.listing = Listing()
        self.asked: list[tuple[int, datetime]] = []
        self.on_look: Callable[[], None] = lambda: None

    def look_up(self, phone: int, since: datetime, deadline: float) -> Listing:
        self.asked.append((phone, since))
        self.on_look()
        return self.listing


class RecordingLog:
    """Remembers its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[Severity, str]] = []

    def write(self, severity: Severity, message: str, **_fields: object) -> None:
        self.lines.append((severity, message))

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)


class CountingStore:
    """A store that counts round trips and documents written; `before` is called with the name of each call."""

    def __init__(self, store: Store) -> None:
        self.inner = store
        self.before: Callable[[str], None] = lambda _: None
        self.after_commit: Callable[[int], None] = lambda _: None
        """Called with the number of a commit that has landed; what it raises is all that the caller hears."""
        self.calls: list[str] = []
        self.written = 0

    def gather(self, key: str, deadline: float) -> Gathered:
        self._count("gather")
        return self.inner.gather(key, deadline)

    def commit(
        self, seen: Gathered, deadline: float, *, incident: Incident | None = None, ledger: Ledger | None = None
    ) -> Gathered:
        self._count("commit")
        self.written += (incident is not None) + (ledger is not None)
        done = self.inner.commit(seen, deadline, incident=incident, ledger=ledger)
        self.after_commit(self.calls.count("commit"))
        return done

    def due(self, now: datetime, limit: int, deadline: float) -> list[Found]:
        self._count("due")
        return self.inner.due(now, limit, deadline)

    def waiting(self, limit: int, deadline: float) -> list[Found]:
        self._count("waiting")
        return self.inner.waiting(limit, deadline)

    def read(self, keys: Sequence[str], deadline: float) -> list[Found]:
        self._count("read")
        return self.inner.read(keys, deadline)

    def open_incidents(self, deadline: float) -> list[Found]:
        self._count("open_incidents")
        return self.inner.open_incidents(deadline)

    def unresolved(self, deadline: float) -> list[Found]:
        self._count("unresolved")
        return self.inner.unresolved(deadline)

    def ended_since(self, since: datetime, limit: int, deadline: float) -> list[Found]:
        self._count("ended_since")
        return self.inner.ended_since(since, limit, deadline)

    def put_off(self, key: str, until: datetime, deadline: float) -> None:
        self._count("put_off")
        self.inner.put_off(key, until, deadline)

    def ticked(self, at: datetime, deadline: float) -> None:
        self._count("ticked")
        self.inner.ticked(at, deadline)

    def _count(self, call: str) -> None:
        self.calls.append(call)
        self.before(call)


class Instance:
    """One instance of the road, with everything outside of it recorded."""

    def __init__(self, store: Store, clock: VirtualClock, policy: Policy = POLICY, name: str = "claim") -> None:
        self.clock = clock
        self.store = CountingStore(store)
        self.log = RecordingLog()
        names = {channel for route in policy.routes.values() for channel in route if channel != "log"}
        self.channels = {channel: RecordingChannel(channel) for channel in names}
        self.ids = CountingIds(name)
        self.list = RecordedList()
        channels: dict[str, Channel] = {**self.channels}
        self.sender = Sender(channels=channels, texts=self.list, clock=clock, log=self.log, all_at_once=at_once)
        self.degraded = Degraded(policy=policy, sender=self.sender, clock=clock, ids=self.ids, log=self.log)
        self.relay = Relay(
            policy=policy,
            store=self.store,
            sender=self.sender,
            degraded=self.degraded,
            clock=clock,
            ids=self.ids,
            log=self.log,
            lease=timedelta(seconds=30),
        )
        self.tick = Tick(
            relay=self.relay, store=self.store, policy=policy, clock=clock, log=self.log, all_at_once=at_once
        )

    def deadlines(self) -> Deadlines:
        now = self.clock.monotonic()
        return Deadlines.of_request(now, now)

    def acknowledge(self, key: str) -> Taken:
        """Ana answers."""
        known = self.relay.look(key, self.deadlines())
        assert known is not None
        return self.relay.acknowledge(known, 1, "Ana", self.deadlines())

    @property
    def texts(self) -> list[str]:
        return [message.sms for message in self.channels["sms"].told]
