"""What every store promises (ports.Store), over SQLite and over Google's own emulator."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from notifier.core.alert import Label
from notifier.core.incident import SCHEMA, Incident
from notifier.core.ledger import Ledger, Slot
from notifier.ports import Conflict, DocumentUnreadable, Gathered, Store, StoreDown, StoreRefused
from notifier.stores.documents import to_fields
from tests.stores import contender
from tests.stores.examples import HOSTILE, KEY, NOON, an_incident, claimed, incidents, ledgers
from tests.stores.places import ClosableStore, Place

ROOT = Path(__file__).resolve().parents[2]
OTHER_KEY = "f" * 32
FULL = Ledger().with_slot("a", NOON, NOON)


def soon() -> float:
    """A deadline that is met on a busy machine, too."""
    return time.monotonic() + 30


def read(store: Store, key: str = KEY) -> Gathered:
    return store.gather(key, soon())


def test_an_empty_store_has_no_incident_and_an_empty_ledger(store: Store) -> None:
    assert read(store) == Gathered(KEY)


def test_what_is_committed_is_read_by_every_other_instance(
    store: Store, place: Place, opened: Callable[[Place], ClosableStore]
) -> None:
    written = store.commit(read(store), soon(), incident=an_incident(), ledger=FULL)
    assert read(opened(place)) == written


def test_incidents_are_kept_apart_by_their_keys(store: Store) -> None:
    store.commit(read(store), soon(), incident=an_incident())
    assert read(store, OTHER_KEY).incident is None


def test_the_answer_of_a_commit_is_the_next_precondition_without_a_read(store: Store) -> None:
    first = store.commit(read(store), soon(), incident=an_incident(), ledger=FULL)
    second = store.commit(first, soon(), incident=an_incident(title="recorded"), ledger=FULL.without_slot("a"))
    third = store.commit(second, soon(), incident=an_incident(title="again"))
    assert read(store) == third


def test_a_commit_of_nothing_changes_nothing(store: Store) -> None:
    seen = store.commit(read(store), soon(), incident=an_incident())
    assert store.commit(seen, soon()) == seen == read(store)


def test_an_update_replaces_the_whole_document(store: Store) -> None:
    seen = store.commit(read(store), soon(), incident=claimed("a"), ledger=FULL)
    store.commit(seen, soon(), incident=an_incident(), ledger=Ledger())
    assert (read(store).incident, read(store).ledger) == (an_incident(), Ledger())


def test_the_second_of_two_creations_conflicts(store: Store) -> None:
    seen = read(store)
    store.commit(seen, soon(), incident=an_incident(title="first"))
    with pytest.raises(Conflict):
        store.commit(seen, soon(), incident=an_incident(title="second"))
    assert read(store).incident == an_incident(title="first")


def test_an_update_after_somebody_elses_update_conflicts(store: Store) -> None:
    seen = store.commit(read(store), soon(), incident=an_incident())
    store.commit(seen, soon(), incident=an_incident(title="theirs"))
    with pytest.raises(Conflict):
        store.commit(seen, soon(), incident=an_incident(title="ours"))
    assert read(store).incident == an_incident(title="theirs")


def test_the_second_of_two_first_slots_conflicts(store: Store) -> None:
    seen = read(store)
    store.commit(seen, soon(), ledger=FULL)
    with pytest.raises(Conflict):
        store.commit(seen, soon(), ledger=Ledger().with_slot("b", NOON, NOON))
    assert read(store).ledger == FULL


def test_a_stale_ledger_keeps_the_incident_from_being_written(store: Store) -> None:
    seen = store.commit(read(store), soon(), incident=an_incident(), ledger=FULL)
    store.commit(read(store, OTHER_KEY), soon(), ledger=FULL.with_slot("b", NOON, NOON))
    with pytest.raises(Conflict):
        store.commit(seen, soon(), incident=an_incident(title="ours"), ledger=Ledger())
    assert read(store).incident == an_incident()


def test_a_stale_incident_keeps_the_ledger_from_being_written(store: Store) -> None:
    seen = store.commit(read(store), soon(), incident=an_incident(), ledger=FULL)
    store.commit(seen, soon(), incident=an_incident(title="theirs"))
    with pytest.raises(Conflict):
        store.commit(seen, soon(), incident=an_incident(title="ours"), ledger=Ledger())
    assert read(store).ledger == FULL


def test_a_stale_ledger_does_not_matter_to_a_commit_that_leaves_it_alone(store: Store) -> None:
    seen = store.commit(read(store), soon(), incident=an_incident(), ledger=FULL)
    store.commit(read(store, OTHER_KEY), soon(), ledger=Ledger())
    store.commit(seen, soon(), incident=an_incident(title="ours"))
    assert read(store).incident == an_incident(title="ours")


def test_a_write_of_the_same_bytes_leaves_a_version_to_go_on_with(store: Store) -> None:
    seen = store.commit(read(store), soon(), incident=an_incident())
    same = store.commit(seen, soon(), incident=an_incident())
    assert read(store) == same
    store.commit(same, soon(), incident=an_incident(title="next"))


def test_of_two_claims_of_one_page_the_claim_id_lets_only_one_stand(store: Store) -> None:
    seen = store.commit(read(store), soon(), incident=an_incident())
    store.commit(seen, soon(), incident=claimed("mine"))
    with pytest.raises(Conflict):
        store.commit(seen, soon(), incident=claimed("yours"))
    assert read(store).incident == claimed("mine")


def test_a_deleted_document_conflicts_with_an_update(store: Store, place: Place) -> None:
    seen = store.commit(read(store), soon(), incident=an_incident())
    place.remove(f"incidents/{KEY}")
    with pytest.raises(Conflict):
        store.commit(seen, soon(), incident=an_incident(title="ours"))


def test_a_document_deleted_and_made_again_is_not_the_one_that_was_seen(store: Store, place: Place) -> None:
    seen = store.commit(read(store), soon(), incident=an_incident())
    place.remove(f"incidents/{KEY}")
    store.commit(read(store), soon(), incident=an_incident())
    with pytest.raises(Conflict):
        store.commit(seen, soon(), incident=an_incident(title="ours"))


def test_hostile_words_come_back_as_they_were(store: Store) -> None:
    page = claimed("a").deliveries["opened/sms/0/1"]
    incident = an_incident(
        labels=tuple(Label(text, text) for text in HOSTILE),
        deliveries={f"notice/{text}": msgspec.structs.replace(page, words=text) for text in HOSTILE},
    )
    ledger = Ledger(slots={f"{KEY}/1/{text}": Slot(NOON) for text in HOSTILE})
    seen = store.commit(read(store), soon(), incident=an_incident(), ledger=FULL)
    store.commit(seen, soon(), incident=incident, ledger=ledger)
    assert (read(store).incident, read(store).ledger) == (incident, ledger)


def test_deliveries_are_read_in_the_order_of_their_keys(store: Store) -> None:
    page = claimed("a").deliveries["opened/sms/0/1"]
    store.commit(read(store), soon(), incident=an_incident(deliveries={"b": page, "c": page, "a": page}))
    incident = read(store).incident
    assert incident is not None
    assert list(incident.deliveries) == ["a", "b", "c"]


# The same store serves all examples: what a document was before must not shine through, either. Not shrunk:
# that takes minutes against the emulator.
@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(incident=incidents, ledger=ledgers)
def test_any_incident_and_ledger_come_back_exactly(store: Store, incident: Incident, ledger: Ledger) -> None:
    store.commit(read(store), soon(), incident=incident, ledger=ledger)
    seen = read(store)
    assert (seen.incident, seen.ledger) == (incident, ledger)


@pytest.mark.parametrize("name", [f"incidents/{KEY}", "ledger/sms"])
def test_a_document_of_a_newer_notifier_is_left_alone(store: Store, place: Place, name: str) -> None:
    read(store)
    place.plant(name, to_fields(an_incident()) | {"schema": SCHEMA + 1, "title": "S3CRET", "opened_at": "later"})
    with pytest.raises(DocumentUnreadable, match=name) as raised:
        read(store)
    assert "S3CRET" not in str(raised.value)


def test_a_lone_surrogate_is_our_own_bug_and_not_an_outage(store: Store) -> None:
    with pytest.raises(StoreRefused):
        store.commit(read(store), soon(), incident=an_incident(title="\ud800"))
    assert read(store).incident is None


def test_past_the_deadline_nothing_is_asked(store: Store) -> None:
    seen = read(store)
    began = time.monotonic()
    with pytest.raises(StoreDown):
        store.gather(KEY, began - 1)
    with pytest.raises(StoreDown):
        store.commit(seen, began - 1, incident=an_incident())
    assert time.monotonic() - began < 0.1
    assert read(store).incident is None


def test_a_closed_store_opens_again(store: ClosableStore) -> None:
    store.commit(read(store), soon(), incident=an_incident())
    store.close()
    store.close()
    assert read(store).incident == an_incident()


def test_a_thousand_reservations_from_fifty_threads_are_granted_just_the_cap(store: Store) -> None:
    with ThreadPoolExecutor(50) as threads:
        granted = list(threads.map(lambda number: contender.reserve(store, f"{KEY}/{number}/opened"), range(1_000)))
    assert sum(granted) == contender.CAP
    assert read(store).ledger.taken(NOON) == contender.CAP


def test_no_update_of_eight_threads_is_lost(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: [contender.update(store) for _ in range(20)], range(8)))
    incident = read(store).incident
    assert incident is not None
    assert incident.generation == 160


def test_several_processes_keep_the_same_promises(store: Store, place: Place) -> None:
    """They begin at the same moment and with nothing there, so they also make the file together."""
    command = [sys.executable, "-m", "tests.stores.contender", "10", "20", *place.arguments]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert sum(map(int, answers)) == contender.CAP
    seen = read(store)
    assert seen.incident is not None
    assert seen.incident.generation == 40
    assert seen.ledger.taken(NOON) == contender.CAP
