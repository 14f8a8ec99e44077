"""Work that many do at once on one store; as a program, from a process of its own.

`python -m tests.stores.contender UPDATES RESERVATIONS (sqlite FILE | firestore PREFIX)` prints how many slots it got.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

from notifier.core.incident import Incident
from notifier.ports import Conflict, Store
from tests.stores.examples import KEY, NOON, an_incident
from tests.stores.places import FirestorePlace, Place, SqlitePlace

CAP = 5
PATIENCE_SECONDS = 60.0


def update(store: Store) -> Incident:
    """Count the incident's generation up by one, however often somebody else is faster; what was written."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        seen = store.gather(KEY, deadline)
        before = seen.incident or an_incident(generation=0)
        after = msgspec.structs.replace(before, generation=before.generation + 1)
        try:
            store.commit(seen, deadline, incident=after)
        except Conflict:
            continue
        return after


def reserve(store: Store, name: str) -> bool:
    """Take a slot, unless the cap is reached."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        seen = store.gather(KEY, deadline)
        if not seen.ledger.has_room(CAP, 0, NOON, first_page=True):
            return False
        try:
            store.commit(seen, deadline, ledger=seen.ledger.with_slot(name, NOON, NOON))
        except Conflict:
            continue
        return True


def main(updates: str, reservations: str, kind: str, where: str) -> None:
    place: Place = SqlitePlace(Path(where)) if kind == "sqlite" else FirestorePlace(where)
    store = place.store()
    for _ in range(int(updates)):
        update(store)
    granted = sum(reserve(store, f"{time.monotonic_ns()}/{number}") for number in range(int(reservations)))
    store.close()
    sys.stdout.write(f"{granted}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
