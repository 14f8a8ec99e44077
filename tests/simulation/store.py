"""A store in memory that keeps the port's promises, and one instance's way to it, which does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from random import Random
from typing import Protocol, TypeVar

import msgspec

from notifier.core.incident import Incident, IncidentState
from notifier.core.ledger import Ledger
from notifier.ports import Conflict, Found, Gathered, StoreDown

Answer = TypeVar("Answer")


class Documents:
    """The documents themselves, changed by compare-and-set; `watch` sees each change that landed."""

    def __init__(self) -> None:
        self.incidents: dict[str, tuple[Incident, int]] = {}
        self.ledger = Ledger()
        self.ledger_version: int | None = None
        self.last_tick: Callable[[], datetime | None] = lambda: None
        self.watch: Callable[[Incident | None, Incident], None] = lambda _before, _after: None
        self._version = 0

    def gather(self, key: str) -> Gathered:
        incident, version = self.incidents.get(key, (None, None))
        return Gathered(key, incident, self.ledger, version, self.ledger_version, self.last_tick())

    def commit(self, seen: Gathered, incident: Incident | None, ledger: Ledger | None) -> Gathered:
        before, version = self.incidents.get(seen.key, (None, None))
        if incident is not None and version != seen.incident_version:
            raise Conflict("somebody else wrote first")
        if ledger is not None and self.ledger_version != seen.ledger_version:
            raise Conflict("somebody else took a slot first")
        if incident is not None:
            # As Firestore: a write of the same bytes keeps the version.
            version = version if incident == before and version is not None else self._next_version()
            self.incidents[seen.key] = (incident, version)
            seen = msgspec.structs.replace(seen, incident=incident, incident_version=version)
            self.watch(before, incident)
        if ledger is not None:
            if ledger != self.ledger or self.ledger_version is None:
                self.ledger, self.ledger_version = ledger, self._next_version()
            seen = msgspec.structs.replace(seen, ledger=ledger, ledger_version=self.ledger_version)
        return seen

    def due(self, now: datetime, limit: int) -> list[Found]:
        found = [one for one, _ in self.incidents.values() if one.next_due is not None and one.next_due <= now]
        found.sort(key=lambda one: one.next_due or now)
        return [Found(one.key, one) for one in found[:limit]]

    def waiting(self, limit: int) -> list[Found]:
        found = [one for one, _ in self.incidents.values() if one.waiting_since is not None]
        found.sort(key=lambda one: one.waiting_since or one.opened_at)
        return [Found(one.key, one) for one in found[:limit]]

    def read(self, keys: Sequence[str]) -> list[Found]:
        return [Found(key, self.incidents[key][0]) for key in keys if key in self.incidents]

    def open_incidents(self) -> list[Found]:
        return [Found(one.key, one) for one, _ in self.incidents.values() if one.state is IncidentState.OPEN]

    def _next_version(self) -> int:
        self._version += 1
        return self._version


class Line(Protocol):
    """What an instance's way to the store needs of the instance."""

    store_dead_until: float

    @property
    def random(self) -> Random: ...

    def monotonic(self) -> float: ...

    def touch(self, what: str, seconds: float) -> None:
        """Let time pass on the way; the instance may die here."""
        ...

    def draw(self, kind: str) -> str:
        """A fault of a `kind` (a field of Rates), or none."""
        ...

    def store_is_down(self) -> StoreDown:
        """What the request gets to hear."""
        ...


class FaultyStore:
    """ports.Store over a line on which requests and answers are late, get lost, or never arrive."""

    def __init__(self, documents: Documents, line: Line) -> None:
        self._documents = documents
        self._line = line

    def gather(self, key: str, deadline: float) -> Gathered:
        return self._ask("gather", deadline, lambda: self._documents.gather(key))

    def commit(
        self, seen: Gathered, deadline: float, *, incident: Incident | None = None, ledger: Ledger | None = None
    ) -> Gathered:
        line = self._line
        fault = line.draw("commit")
        self._on_the_way("commit", deadline, slow=fault == "commit slow")
        if fault == "conflict":
            raise Conflict("too much contention")
        if fault == "commit lost":
            self._time_out(deadline)
        done = self._documents.commit(seen, incident, ledger)
        if fault == "commit done, answer lost":
            self._time_out(deadline)
        if fault == "commit done, sent again by the library":
            line.touch("commit sent again", 0.05)
            done = self._documents.commit(seen, incident, ledger)
        self._on_the_way("commit's answer", deadline)
        return done

    def due(self, now: datetime, limit: int, deadline: float) -> list[Found]:
        return self._ask("search due", deadline, lambda: self._documents.due(now, limit))

    def waiting(self, limit: int, deadline: float) -> list[Found]:
        return self._ask("search waiting", deadline, lambda: self._documents.waiting(limit))

    def read(self, keys: Sequence[str], deadline: float) -> list[Found]:
        return self._ask("read", deadline, lambda: self._documents.read(keys))

    def open_incidents(self, deadline: float) -> list[Found]:
        return self._ask("search open", deadline, self._documents.open_incidents)

    def unresolved(self, deadline: float) -> list[Found]:
        raise AssertionError("nobody looks at the status of a simulated day")

    def ended_since(self, since: datetime, limit: int, deadline: float) -> list[Found]:
        raise AssertionError("nobody looks at the status of a simulated day")

    def put_off(self, key: str, until: datetime, deadline: float) -> None:
        raise AssertionError("every document of the simulator can be read")

    def ticked(self, at: datetime, deadline: float) -> None:
        self._ask("ticked", deadline, lambda: None)

    def _ask(self, what: str, deadline: float, answer: Callable[[], Answer]) -> Answer:
        fault = self._line.draw("read")
        self._on_the_way(what, deadline, slow=fault == "read slow")
        if fault == "read lost":
            self._time_out(deadline)
        result = answer()
        self._on_the_way(f"{what}'s answer", deadline)
        return result

    def _on_the_way(self, what: str, deadline: float, *, slow: bool = False) -> None:
        line = self._line
        if deadline <= line.monotonic():
            raise line.store_is_down()
        line.touch(what, line.random.uniform(0.5, 3.0) if slow else line.random.uniform(0.002, 0.06))
        if line.store_dead_until > line.monotonic():
            self._time_out(deadline)
        if deadline <= line.monotonic():
            raise line.store_is_down()

    def _time_out(self, deadline: float) -> None:
        self._line.store_is_down()
        self._line.touch("no answer from the store", max(deadline - self._line.monotonic(), 0.0))
        raise self._line.store_is_down()
