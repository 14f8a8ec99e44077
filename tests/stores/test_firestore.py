"""What only Firestore can do wrong: connections that die, hang, or lose an answer. On Google's own emulator."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core.exceptions import DeadlineExceeded
from google.cloud.firestore import Client, FieldFilter

from notifier.ports import Conflict, Gathered, StoreDown
from notifier.stores.firestore import FirestoreStore
from tests.firestore_emulator import Emulator, NoEmulator, own_emulator
from tests.stores.examples import KEY, NOON, an_incident, claimed
from tests.stores.places import PROJECT
from tests.stores.proxy import Proxy

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def own() -> Iterator[Emulator]:
    """An emulator that may be stopped and killed; the session's is never."""
    try:
        with own_emulator() as emulator:
            yield emulator
    except NoEmulator as error:
        pytest.skip(str(error))


@pytest.fixture
def store(own: Emulator, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[FirestoreStore]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", own.host)
    store = FirestoreStore(PROJECT, prefix=f"{request.node.name}_")
    yield store
    store.close()


@pytest.fixture
def proxy(own: Emulator, store: FirestoreStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Between the store and its emulator."""
    with Proxy(own.host) as proxy:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", proxy.host)
        yield proxy
        store.close()


def soon(seconds: float = 30) -> float:
    return time.monotonic() + seconds


def test_a_firestore_that_hangs_is_down_within_the_deadline(own: Emulator, store: FirestoreStore) -> None:
    seen = store.gather(KEY, soon())
    own.pause()
    try:
        began = time.monotonic()
        with pytest.raises(StoreDown):
            store.gather(KEY, began + 1.2)
        with pytest.raises(StoreDown):
            store.commit(seen, time.monotonic() + 1.2, incident=an_incident())
        assert time.monotonic() - began < 2.9
    finally:
        own.resume()
    store.gather(KEY, soon())


def test_a_firestore_killed_and_started_again_is_reached_by_the_very_next_call(
    own: Emulator, store: FirestoreStore
) -> None:
    store.gather(KEY, soon())
    own.kill()
    own.start()
    store.gather(KEY, soon(8))


def test_a_firestore_found_dead_is_reached_as_soon_as_it_is_back(own: Emulator, store: FirestoreStore) -> None:
    store.gather(KEY, soon())
    own.kill()
    try:
        with pytest.raises(StoreDown, match="cannot be reached"):
            store.gather(KEY, soon())
    finally:
        own.start()
    store.gather(KEY, soon(8))


def test_a_half_open_connection_costs_one_try_for_all_who_use_it(store: FirestoreStore, proxy: Proxy) -> None:
    store.gather(KEY, soon())
    proxy.lose_answers()
    with ThreadPoolExecutor(8) as threads:
        began = time.monotonic()
        list(threads.map(lambda _: store.gather(KEY, began + 4), range(8)))
    assert 2 <= time.monotonic() - began < 3.9
    assert proxy.connections == 2


def test_a_call_that_times_out_leaves_the_calls_of_others_alone(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is only slow: whoever gives up takes a new client, and cuts off nobody."""
    read = store._read
    reading, given_up = threading.Event(), threading.Event()

    def read_slowly(client: Client, timeout: float, key: str) -> Gathered:
        if key == KEY:
            reading.set()
            assert given_up.wait(10)
        elif not given_up.is_set():
            raise DeadlineExceeded("slow")  # type: ignore[no-untyped-call]
        return read(client, timeout, key)

    monkeypatch.setattr(store, "_read", read_slowly)
    with ThreadPoolExecutor(1) as threads:
        patient = threads.submit(store.gather, KEY, soon())
        assert reading.wait(10)
        with store._connections.borrowed(soon()) as before:
            with pytest.raises(StoreDown):
                store.gather("0" * 32, soon())
            given_up.set()
            assert patient.result() == Gathered(KEY)
        with store._connections.borrowed(soon()) as after:
            assert after is not before


def test_a_commit_whose_answer_is_lost_is_a_conflict_and_a_read_finds_its_claim(
    store: FirestoreStore, proxy: Proxy
) -> None:
    seen = store.commit(store.gather(KEY, soon()), soon(), incident=an_incident())
    proxy.lose_answers()
    with pytest.raises(Conflict):
        store.commit(seen, soon(2), incident=claimed("mine"), ledger=seen.ledger.with_slot("a", NOON, NOON))
    again = store.gather(KEY, soon())
    assert again.incident == claimed("mine")
    assert again.ledger.taken(NOON) == 1


def test_a_creation_whose_answer_is_lost_is_a_conflict_and_a_read_finds_its_claim(
    store: FirestoreStore, proxy: Proxy
) -> None:
    seen = store.gather(KEY, soon())
    proxy.lose_answers()
    with pytest.raises(Conflict):
        store.commit(seen, soon(2), incident=claimed("mine"))
    assert store.gather(KEY, soon()).incident == claimed("mine")


def test_prefixes_keep_several_notifiers_in_one_database_apart(store: FirestoreStore) -> None:
    store.commit(store.gather(KEY, soon()), soon(), incident=an_incident())
    other = FirestoreStore(PROJECT, prefix="another_")
    assert other.gather(KEY, soon()) == Gathered(KEY)
    other.close()


def test_times_are_timestamps_so_that_the_ticks_query_finds_them(own: Emulator, store: FirestoreStore) -> None:
    store.commit(store.gather(KEY, soon()), soon(), incident=an_incident(next_due=NOON))
    with store._connections.borrowed(soon()) as connection:
        incidents = connection.thing.client.collection(store._incidents)
        due = incidents.where(filter=FieldFilter("next_due", "<=", NOON)).get(timeout=10)
    assert [document.id for document in due] == [KEY]
