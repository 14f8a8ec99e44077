"""What the road adds to its round trips (python -m bench.page).

A new critical alert, a duplicate and a tick that finds nothing due, each against the bare library calls that it needs:
the same documents read, and the same written. In turns in one process, on Google's Firestore emulator; channels answer
at once, so that what is left is the store and our own work. Our own CPU is what the medians differ by.

Then each once more through a proxy that counts what Firestore is asked for.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

from google.cloud.firestore import Client
from google.cloud.firestore_v1.base_query import FieldFilter

from bench._turns import MILLISECONDS, Figure, Measured, in_turns, rounds, show
from notifier.core.alert import Alert, Severity
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from notifier.sending import Deadlines
from notifier.settings import read_settings
from notifier.stores.documents import INCIDENTS, LEDGER_ID, LEDGERS, TICK_ID, TICKS, to_fields
from notifier.stores.firestore import FirestoreStore
from notifier.wiring import App, Outside, SystemClock, build
from tests.builders import POLICY, SHIPPED, known, opened, recorded
from tests.end_to_end.tick_cost import Between
from tests.firestore_emulator import any_emulator

ROUNDS = 200
WARM_UP = 20
FIGURES = [Figure("time", "ms", MILLISECONDS), Figure("CPU", "ms", MILLISECONDS)]
CLOCK = SystemClock()


class Silent:
    """A channel that takes everything at once."""

    def __init__(self, name: str) -> None:
        self.name = name

    def send(self, _message: Message, deadline: float) -> Outcome:  # noqa: ARG002
        return Outcome(Result.SENT)

    def preview(self, message: Message) -> str:
        return message.headline


class NoLog:
    """Writes nothing: its cost is the terminal's."""

    def write(self, severity: Severity, message: str, **fields: object) -> None:
        """Nothing."""


class Asked(NamedTuple):
    """Of Firestore."""

    round_trips: int
    read: int
    """Documents, by name or by a query, and missing ones too; a query that finds none is billed as one."""
    written: int


class Case(NamedTuple):
    """One thing that happens, by us and by the bare calls. `prepare` is not measured."""

    what: str
    prepare: Callable[[], object]
    ours: Callable[[], object]
    bare: Callable[[], object]
    asked: Asked
    """What it may ask of Firestore, and no more (DESIGN.md, "Compare-and-set")."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=rounds, default=ROUNDS, help=f"of each (default: {ROUNDS})")
    times = parser.parse_args().rounds
    with any_emulator() as host:
        os.environ["FIRESTORE_EMULATOR_HOST"] = host
        for case in cases():
            compare(case, times)
        with Between(host) as between:
            os.environ["FIRESTORE_EMULATOR_HOST"] = between.host
            wrong = [case.what for case in cases() if not count(case, between)]
    if wrong:
        sys.exit(f"Firestore is asked for more or less than DESIGN.md says: {', '.join(wrong)}")


def cases() -> list[Case]:
    """Each on a store of its own: one is prepared as if pages had been sent before, in the other nothing is due."""
    new, quiet = Store(), Store()
    return [
        Case("new critical alert", new.one_slot_taken, lambda: new.take(uuid4().hex), new.bare_new, Asked(3, 3, 3)),
        Case("duplicate", new.known_alert, lambda: new.take("same"), new.bare_duplicate, Asked(1, 3, 0)),
        Case("tick, nothing due", lambda: None, quiet.tick, quiet.bare_tick, Asked(3, 0, 1)),
    ]


class Store:
    """A pager on a part of the emulator of its own, and the bare calls on the same documents."""

    def __init__(self) -> None:
        prefix = uuid4().hex
        self._app = pager(prefix)
        self._client = Client(project="bench")
        self._incidents = self._client.collection(f"{prefix}{INCIDENTS}")
        self._ledger = self._client.document(f"{prefix}{LEDGERS}", LEDGER_ID)
        self._tick = self._client.document(f"{prefix}{TICKS}", TICK_ID)
        claimed = opened(policy=POLICY)
        self._claimed = to_fields(known(claimed))
        self._recorded = to_fields(known(recorded(claimed)))
        self._slot = to_fields(claimed.ledger)
        self._same: Any = None
        self._app.tick.run(CLOCK.monotonic())

    def one_slot_taken(self) -> None:
        """The ledger as a page leaves it: written anew, so that the cap is never reached."""
        self._ledger.set(self._slot)

    def known_alert(self) -> None:
        if self._same is None:
            self.take("same")
            self._same = self._incidents.document("same")
            self._same.set(self._recorded)

    def take(self, incident_id: str) -> None:
        now = CLOCK.monotonic()
        alert = Alert(source="bench", incident_id=incident_id, title="Database unreachable", severity="critical")
        taken = self._app.relay.take(alert, Deadlines.of_request(now, now))
        if {one.state.value for one in taken.deliveries.values()} != {"sent"}:
            raise SystemExit(f"that was no page: {taken.deliveries}")

    def bare_new(self) -> None:
        incident = self._incidents.document(uuid4().hex)
        ledger = self._read(incident)
        batch = self._client.batch()
        batch.create(incident, self._claimed)
        batch.update(self._ledger, self._slot, option=self._client.write_option(last_update_time=ledger.update_time))
        written = batch.commit(retry=None, timeout=5)[0]
        batch = self._client.batch()
        batch.update(incident, self._recorded, option=self._client.write_option(last_update_time=written.update_time))
        batch.commit(retry=None, timeout=5)

    def bare_duplicate(self) -> None:
        self._read(self._same)

    def tick(self) -> None:
        self._app.tick.run(CLOCK.monotonic())

    def bare_tick(self) -> None:
        now = datetime.now(UTC)
        due = self._incidents.where(filter=FieldFilter("next_due", "<=", now)).order_by("next_due").limit(500)
        due.get(timeout=5)
        waiting = self._incidents.where(filter=FieldFilter("waiting_since", ">", datetime.fromtimestamp(0, UTC)))
        waiting.order_by("waiting_since").limit(1).get(timeout=5)
        self._tick.set({"at": now}, retry=None, timeout=5)

    def _read(self, incident: Any) -> Any:
        """The ledger, of the three that are read together, each made into fields."""
        documents = list(self._client.get_all([incident, self._ledger, self._tick], retry=None, timeout=5))
        by_path = {one.reference.path: (one, one.to_dict()) for one in documents}
        return by_path[self._ledger.path][0]


def pager(prefix: str) -> App:
    outside = Outside(
        store=FirestoreStore("bench", prefix=prefix),
        channels={name: Silent(name) for name in ("slack", "discord", "email", "sms")},
        log=NoLog(),
    )
    return build(read_settings({"ONCALL_PHONE": "", "SIMULATE": "1"}), SHIPPED, outside)


def timed(prepare: Callable[[], object], call: Callable[[], object]) -> Measured:
    prepare()
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return {"time": time.perf_counter() - wall, "CPU": time.process_time() - cpu}


def compare(case: Case, times: int) -> None:
    contenders = {name: partial(timed, case.prepare, call) for name, call in (("ours", case.ours), ("bare", case.bare))}
    measured = in_turns(contenders, times, WARM_UP)
    show(case.what, measured, FIGURES, "bare")
    ours, bare = (statistics.median(turn["CPU"] for turn in measured[name]) for name in ("ours", "bare"))
    print(f"  our own CPU: {(ours - bare) * MILLISECONDS:.2f} ms\n")


def count(case: Case, between: Between) -> bool:
    """Print what Firestore is asked for by one more of it; whether that is what it may ask."""
    case.prepare()
    case.ours()  # the first makes the connection
    case.prepare()
    before = asked_of(between)
    case.ours()
    asked = Asked(*(now - then for now, then in zip(asked_of(between), before, strict=True)))
    words = f"{asked.round_trips} round trips, {asked.read} documents read, {asked.written} written"
    print(f"{case.what:20} {words}{'' if asked == case.asked else f': expected {case.asked}'}")
    return asked == case.asked


def asked_of(between: Between) -> Asked:
    return Asked(between.calls.total(), between.looked_up + between.read, between.written)


if __name__ == "__main__":
    main()
