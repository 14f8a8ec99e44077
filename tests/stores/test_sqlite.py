"""What only SQLite can do wrong: locks, rights, disks and files that are something else."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from notifier.core.incident import KEEP_AFTER_END, IncidentState
from notifier.ports import Gathered, StoreDown, StoreRefused
from notifier.stores.sqlite import SqliteStore
from tests.stores.examples import KEY, NOON, an_incident


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(file)
    yield store
    store.close()


def soon(seconds: float = 30) -> float:
    return time.monotonic() + seconds


def connection_of(store: SqliteStore) -> sqlite3.Connection:
    store.gather(KEY, soon())
    assert store._connection is not None
    return store._connection


def test_a_commit_survives_a_power_cut(store: SqliteStore) -> None:
    connection = connection_of(store)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_reader_does_not_wait_for_a_writer(store: SqliteStore, file: Path) -> None:
    written = store.commit(Gathered(KEY), soon(), incident=an_incident())
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM documents")
        assert store.gather(KEY, soon()) == written


def test_several_are_read_with_one_statement(store: SqliteStore) -> None:
    statements: list[str] = []
    connection_of(store).set_trace_callback(statements.append)
    store.read(["a", "b", "c"], soon())
    assert [one for one in statements if not one.startswith("PRAGMA busy_timeout")] == [
        "SELECT name, body FROM documents WHERE name IN ('incidents/a', 'incidents/b', 'incidents/c')"
    ]


def test_locked_by_another_process_past_the_deadline_is_down(store: SqliteStore, file: Path) -> None:
    connection_of(store)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(StoreDown, match="is locked by another process"):
            store.commit(Gathered(KEY), began + 0.2, incident=an_incident())
        assert 0.1 < time.monotonic() - began < 2
    store.commit(Gathered(KEY), soon(), incident=an_incident())


@pytest.mark.parametrize("lock", ["EXCLUSIVE", "IMMEDIATE"])
def test_a_new_file_that_is_locked_is_waited_for_until_the_deadline(store: SqliteStore, file: Path, lock: str) -> None:
    """SQLite refuses the second at once, whatever its `busy_timeout`."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute(f"BEGIN {lock}")
        began = time.monotonic()
        with pytest.raises(StoreDown, match="is locked by another process"):
            store.gather(KEY, began + 0.2)
        assert 0.15 < time.monotonic() - began < 2
    assert store.gather(KEY, soon()) == Gathered(KEY)


def test_a_thread_waits_for_its_turn_until_its_deadline_only(store: SqliteStore) -> None:
    with store._turn, pytest.raises(StoreDown, match="in use by other requests"):
        store.gather(KEY, soon(0.05))


def test_many_who_open_a_new_file_at_once_all_succeed(file: Path) -> None:
    stores = [SqliteStore(file) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda store: store.gather(KEY, soon()), stores)) == [Gathered(KEY)] * 8
    for store in stores:
        store.close()


def test_a_full_disk_is_down_and_nothing_is_half_written(store: SqliteStore) -> None:
    connection_of(store).execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreDown, match="the disk is full"):
        store.commit(Gathered(KEY), soon(), incident=an_incident(text="x" * 100_000))
    assert store.gather(KEY, soon()) == Gathered(KEY)


def test_a_file_that_cannot_be_written_is_down_until_it_can(store: SqliteStore) -> None:
    connection_of(store).execute("PRAGMA query_only = ON")
    with pytest.raises(StoreDown, match="cannot be written: check its rights"):
        store.commit(Gathered(KEY), soon(), incident=an_incident())
    store.commit(Gathered(KEY), soon(), incident=an_incident())


def test_a_missing_folder_is_down_and_says_what_to_do(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "missing" / "state.sqlite")
    with pytest.raises(StoreDown, match="make it, or correct STATE"):
        store.gather(KEY, soon())


def test_a_folder_in_place_of_the_file_is_down(tmp_path: Path) -> None:
    with pytest.raises(StoreDown, match="cannot be opened"):
        SqliteStore(tmp_path).gather(KEY, soon())


def test_a_file_of_something_else_is_down_and_left_alone(store: SqliteStore, file: Path) -> None:
    file.write_text("Dear diary, " * 1_000)
    with pytest.raises(StoreDown, match="is no SQLite database"):
        store.gather(KEY, soon())
    assert file.read_text().startswith("Dear diary")


def test_a_database_of_something_else_is_down(store: SqliteStore, file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE documents (pages)")
    with pytest.raises(StoreDown, match="is not a database of notifier's"):
        store.gather(KEY, soon())


def test_a_table_that_only_has_our_name_is_not_changed(store: SqliteStore, file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE documents (pages)")
        with pytest.raises(StoreDown):
            store.gather(KEY, soon())
        assert [row[1] for row in other.execute("PRAGMA table_info(documents)")] == ["pages"]


def a_file_of_before(file: Path) -> None:
    """As the release before `expire_at` was searched for left it, with an open incident in it."""
    with closing(SqliteStore(file)) as store:
        store.commit(Gathered(KEY), soon(), incident=an_incident())
    with closing(sqlite3.connect(file)) as other:
        other.execute("DROP INDEX ended")
        other.execute("ALTER TABLE documents DROP COLUMN expire_at")


def test_a_file_of_an_earlier_release_goes_on(store: SqliteStore, file: Path) -> None:
    a_file_of_before(file)
    seen = store.gather(KEY, soon())
    assert seen.incident == an_incident()
    over = an_incident(state=IncidentState.RESOLVED, expire_at=NOON + KEEP_AFTER_END)
    store.commit(seen, soon(), incident=over)
    assert [one.incident for one in store.ended_since(NOON, 10, soon())] == [over]


def test_many_who_open_a_file_of_an_earlier_release_at_once_all_succeed(file: Path) -> None:
    a_file_of_before(file)
    stores = [SqliteStore(file) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(lambda store: store.gather(KEY, soon()).incident, stores))
    assert seen == [an_incident()] * 8
    for store in stores:
        store.close()


def test_what_sqlite_never_takes_is_our_own_bug(store: SqliteStore) -> None:
    connection_of(store).setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000)
    with pytest.raises(StoreRefused):
        store.commit(Gathered(KEY), soon(), incident=an_incident(text="x" * 2_000))


def test_a_database_in_memory_is_enough_for_a_simulation() -> None:
    store = SqliteStore(":memory:")
    written = store.commit(Gathered(KEY), soon(), incident=an_incident())
    assert store.gather(KEY, soon()) == written
    store.close()
