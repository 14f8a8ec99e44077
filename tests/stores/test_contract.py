"""What every store promises (ports.Store), over SQLite and over Google's own emulator."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from notifier.core.alert import Label
from notifier.core.digest import MOST
from notifier.core.incident import KEEP_AFTER_END, SCHEMA, Incident, IncidentState
from notifier.core.ledger import Ledger, Slot
from notifier.ports import Conflict, DocumentUnreadable, Found, Gathered, Store, StoreDown, StoreRefused
from notifier.stores.documents import to_fields
from tests.instances import Instance, VirtualClock
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


def stored(store: Store, key: str, **changes: Any) -> Incident:
    """An incident that stands in the store under `key`."""
    incident = an_incident(key=key, **changes)
    store.commit(read(store, key), soon(), incident=incident)
    return incident


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


class TestDue:
    """What the tick looks for."""

    def test_finds_what_is_due_the_oldest_first(self, store: Store) -> None:
        for key, minutes in (("b", 2), ("a", 1), ("d", 4), ("c", 3)):
            stored(store, key, next_due=at(minutes))
        assert [one.key for one in store.due(at(3), 10, soon())] == ["a", "b", "c"]

    def test_gives_the_incident_as_it_stands(self, store: Store) -> None:
        incident = stored(store, KEY, next_due=NOON, deliveries=claimed("a").deliveries)
        assert store.due(NOON, 10, soon()) == [Found(KEY, incident)]

    def test_is_due_at_its_moment_and_not_a_microsecond_before(self, store: Store) -> None:
        stored(store, KEY, next_due=NOON)
        assert store.due(NOON - timedelta(microseconds=1), 10, soon()) == []
        assert len(store.due(NOON, 10, soon())) == 1

    def test_is_limited_to_the_oldest(self, store: Store) -> None:
        for minutes in range(5):
            stored(store, str(minutes), next_due=at(-minutes))
        assert [one.key for one in store.due(NOON, 2, soon())] == ["4", "3"]

    def test_nothing_is_ever_due_of_what_has_no_moment(self, store: Store) -> None:
        stored(store, "none")
        stored(store, "once", next_due=NOON)
        store.commit(read(store, "once"), soon(), incident=an_incident(key="once"))
        assert store.due(at(10**7), 10, soon()) == []

    def test_the_ledger_is_never_due(self, store: Store) -> None:
        store.commit(read(store), soon(), ledger=Ledger(unreadable_told=(NOON,)))
        store.ticked(NOON, soon())
        assert store.due(at(10**7), 10, soon()) == []

    def test_a_document_that_cannot_be_read_hides_no_other(self, store: Store, place: Place) -> None:
        stored(store, "a", next_due=at(1))
        stored(store, "c", next_due=at(3))
        newer = to_fields(an_incident(key="b", next_due=at(2))) | {"schema": SCHEMA + 1}
        place.plant("incidents/b", newer)
        found = store.due(at(3), 10, soon())
        assert [(one.key, one.incident is None) for one in found] == [("a", False), ("b", True), ("c", False)]
        assert "written by a newer notifier" in found[1].trouble

    def test_the_trouble_shows_nothing_of_the_content(self, store: Store, place: Place) -> None:
        store.gather(KEY, soon())
        place.plant(f"incidents/{KEY}", to_fields(an_incident(next_due=NOON)) | {"state": "S3CRET"})
        (found,) = store.due(NOON, 10, soon())
        assert found.incident is None
        assert "S3CRET" not in found.trouble

    def test_past_the_deadline_nothing_is_asked(self, store: Store) -> None:
        with pytest.raises(StoreDown):
            store.due(NOON, 10, time.monotonic() - 1)


class TestPutOff:
    """What cannot be read is passed over for a while."""

    def test_is_found_again_afterwards(self, store: Store, place: Place) -> None:
        store.gather(KEY, soon())
        place.plant(f"incidents/{KEY}", to_fields(an_incident(next_due=NOON)) | {"schema": 99})
        store.put_off(KEY, at(60), soon())
        assert store.due(at(59), 10, soon()) == []
        assert [one.key for one in store.due(at(60), 10, soon())] == [KEY]

    def test_leaves_all_else_as_it_stands(self, store: Store, place: Place) -> None:
        store.gather(KEY, soon())
        place.plant(f"incidents/{KEY}", to_fields(an_incident(next_due=NOON)) | {"state": "S3CRET"})
        store.put_off(KEY, at(60), soon())
        with pytest.raises(DocumentUnreadable, match="state"):
            read(store)

    def test_of_what_is_gone_changes_nothing(self, store: Store) -> None:
        store.put_off(KEY, at(60), soon())
        assert read(store).incident is None
        assert store.due(at(10**7), 10, soon()) == []


class TestWaiting:
    """Pages that the cap holds back."""

    def test_finds_the_longest_waiting_first(self, store: Store) -> None:
        for key, minutes in (("b", 2), ("a", 1), ("c", 3)):
            stored(store, key, waiting_since=at(minutes))
        stored(store, "none", next_due=NOON)
        assert [one.key for one in store.waiting(10, soon())] == ["a", "b", "c"]
        assert [one.key for one in store.waiting(2, soon())] == ["a", "b"]

    def test_finds_no_longer_what_was_paged(self, store: Store) -> None:
        stored(store, KEY, waiting_since=NOON)
        store.commit(read(store), soon(), incident=an_incident())
        assert store.waiting(10, soon()) == []

    def test_a_document_that_cannot_be_read_hides_no_other(self, store: Store, place: Place) -> None:
        stored(store, "b", waiting_since=at(2))
        place.plant("incidents/a", to_fields(an_incident(waiting_since=at(1))) | {"schema": 99})
        assert [(one.key, one.incident is None) for one in store.waiting(10, soon())] == [("a", True), ("b", False)]


class TestRead:
    """Several incidents by their keys."""

    def test_finds_those_that_are_there_and_leaves_out_the_others(self, store: Store) -> None:
        incidents = {key: stored(store, key, title=key) for key in ("a", "b", "c")}
        found = store.read(["c", "missing", "a"], soon())
        assert sorted((one.key, one.incident) for one in found) == [("a", incidents["a"]), ("c", incidents["c"])]

    def test_finds_them_whatever_their_state(self, store: Store) -> None:
        for state in IncidentState:
            stored(store, state.value, state=state)
        keys = [state.value for state in IncidentState]
        assert sorted(one.key for one in store.read(keys, soon())) == sorted(keys)

    def test_finds_nothing_in_an_empty_store(self, store: Store) -> None:
        assert store.read([KEY], soon()) == []

    def test_finds_as_many_as_a_digest_may_hold(self, store: Store) -> None:
        keys = [f"{number:032x}" for number in range(MOST)]
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda key: stored(store, key), keys))
        assert sorted(one.key for one in store.read(keys, soon())) == keys

    def test_a_document_that_cannot_be_read_hides_no_other(self, store: Store, place: Place) -> None:
        stored(store, "a")
        place.plant("incidents/b", to_fields(an_incident(key="b")) | {"schema": SCHEMA + 1, "title": "S3CRET"})
        a, b = sorted(store.read(["a", "b"], soon()), key=lambda one: one.key)
        assert (a.incident, b.incident) == (an_incident(key="a"), None)
        assert "incidents/b was written by a newer notifier" in b.trouble
        assert "S3CRET" not in b.trouble

    def test_without_keys_nobody_is_asked(self, store: Store) -> None:
        assert store.read([], time.monotonic() - 1) == []

    def test_past_the_deadline_nothing_is_asked(self, store: Store) -> None:
        with pytest.raises(StoreDown):
            store.read([KEY], time.monotonic() - 1)


class TestOpen:
    """What is open."""

    def test_finds_every_open_incident_and_no_other(self, store: Store, place: Place) -> None:
        for state in IncidentState:
            stored(store, state.value, state=state)
        place.plant("incidents/newer", to_fields(an_incident()) | {"schema": 99})
        found = {one.key: one.incident is None for one in store.open_incidents(soon())}
        assert found == {"open": False, "newer": True}


class TestUnresolved:
    """What is not over."""

    def test_finds_what_is_open_or_acknowledged_and_nothing_else(self, store: Store, place: Place) -> None:
        for state in IncidentState:
            stored(store, state.value, state=state)
        place.plant("incidents/newer", to_fields(an_incident(state=IncidentState.ACKNOWLEDGED)) | {"schema": 99})
        found = {one.key: one.incident is None for one in store.unresolved(soon())}
        assert found == {"open": False, "acknowledged": False, "newer": True}


class TestEndedSince:
    """What was over lately."""

    def ended(self, store: Store, key: str, minutes: float) -> None:
        stored(store, key, state=IncidentState.RESOLVED, expire_at=at(minutes) + KEEP_AFTER_END)

    def test_finds_the_latest_first(self, store: Store) -> None:
        for key, minutes in (("b", 2), ("a", 1), ("d", 4), ("c", 3)):
            self.ended(store, key, minutes)
        assert [one.key for one in store.ended_since(NOON, 10, soon())] == ["d", "c", "b", "a"]

    def test_finds_what_ended_at_that_moment_and_not_a_microsecond_before(self, store: Store) -> None:
        self.ended(store, "then", 1)
        self.ended(store, "before", 1 - 1 / 60_000_000)
        assert [one.key for one in store.ended_since(at(1), 10, soon())] == ["then"]

    def test_is_limited_to_the_latest(self, store: Store) -> None:
        for key, minutes in (("b", 2), ("a", 1), ("c", 3)):
            self.ended(store, key, minutes)
        assert [one.key for one in store.ended_since(NOON, 2, soon())] == ["c", "b"]

    def test_finds_nothing_of_what_has_not_ended(self, store: Store) -> None:
        stored(store, "open", expire_at=None)
        assert store.ended_since(NOON - timedelta(days=999), 10, soon()) == []

    def test_a_document_that_cannot_be_read_hides_no_other(self, store: Store, place: Place) -> None:
        self.ended(store, "fine", 1)
        place.plant("incidents/newer", to_fields(an_incident(expire_at=at(2) + KEEP_AFTER_END)) | {"schema": 99})
        assert [(one.key, one.incident is None) for one in store.ended_since(NOON, 10, soon())] == [
            ("newer", True),
            ("fine", False),
        ]


class TestTicked:
    """When the tick was last through."""

    def test_is_read_with_every_incident(self, store: Store) -> None:
        assert read(store).last_tick is None
        store.ticked(NOON, soon())
        store.ticked(at(1), soon())
        assert read(store).last_tick == read(store, OTHER_KEY).last_tick == at(1)

    def test_is_no_part_of_what_a_commit_compares(self, store: Store) -> None:
        seen = store.commit(read(store), soon(), incident=an_incident())
        store.ticked(NOON, soon())
        store.commit(seen, soon(), incident=an_incident(title="again"))
        assert read(store).incident == an_incident(title="again")

    @pytest.mark.parametrize("fields", [{}, {"at": "soon"}, {"at": None}])
    def test_that_cannot_be_read_counts_as_never(self, store: Store, place: Place, fields: dict[str, Any]) -> None:
        store.commit(read(store), soon(), incident=an_incident())
        place.plant("ticks/last", fields)
        assert (read(store).last_tick, read(store).incident) == (None, an_incident())


@pytest.mark.parametrize("count", [10, 1_000])
def test_a_tick_costs_what_is_due_and_not_what_is_open(store: Store, count: int) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: stored(store, f"{number}", next_due=at(number + 1)), range(count)))
    instance = Instance(store, VirtualClock())
    assert instance.clock.now() < NOON
    done = instance.tick.run(instance.clock.monotonic())
    assert (done.incidents, done.error) == (0, None)
    assert instance.store.calls == ["due", "waiting", "ticked"]
    assert store.due(NOON, 500, soon()) == []


def test_a_store_proves_that_it_works_and_leaves_nothing_behind(store: ClosableStore, place: Place) -> None:
    seen = store.commit(read(store), soon(), incident=an_incident(), ledger=FULL)
    store.prove(soon())
    store.prove(soon())
    assert read(store) == seen
    assert place.names("proofs") == []


def test_a_store_without_time_left_proves_nothing(store: ClosableStore) -> None:
    with pytest.raises(StoreDown):
        store.prove(time.monotonic() - 1)
