"""The store on one machine: a SQLite file, for `./dev run`, the simulator and whoever runs a single host."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from notifier.core.incident import KEEP_AFTER_END, UNRESOLVED, Incident, IncidentState
from notifier.core.ledger import Ledger
from notifier.ports import Conflict, Found, Gathered, NoTimeLeft, StoreDown, StoreRefused
from notifier.stores.documents import (
    INCIDENTS,
    LEDGER_ID,
    LEDGERS,
    PROOFS,
    TICK_ID,
    TICKS,
    found,
    from_json,
    tick_from_text,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# AUTOINCREMENT never gives a number twice, so a document deleted and made again never looks unchanged.
_TABLE = """
CREATE TABLE IF NOT EXISTS documents (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    state TEXT,
    next_due INTEGER,
    waiting_since INTEGER,
    expire_at INTEGER
)
"""
# What is searched for stands beside the body; times in microseconds since 1970.
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS due ON documents (next_due) WHERE next_due IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS waiting ON documents (waiting_since) WHERE waiting_since IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS ended ON documents (expire_at) WHERE expire_at IS NOT NULL",
)
_LEDGER = f"{LEDGERS}/{LEDGER_ID}"
_TICK = f"{TICKS}/{TICK_ID}"
_LOCK_POLL_SECONDS = 0.01
_EPOCH = datetime.fromtimestamp(0, UTC)

_WHAT_TO_CHECK = {
    sqlite3.SQLITE_BUSY: "is locked by another process: end it, or give each its own file",
    sqlite3.SQLITE_LOCKED: "is locked by another process: end it, or give each its own file",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
    sqlite3.SQLITE_READONLY: "cannot be written: check its rights and its folder's",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: check that it is a file, and its rights and its folder's",
    sqlite3.SQLITE_PERM: "cannot be opened: check its rights and its folder's",
    sqlite3.SQLITE_NOTADB: "is no SQLite database: name another file in STATE",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore it, or name another file in STATE",
    sqlite3.SQLITE_IOERR: "cannot be read or written: check the disk",
    sqlite3.SQLITE_ERROR: "is not a database of notifier's: name another file in STATE",
}
"""SQLite's result codes (sqlite.org/rescode.html) that mean the store is down, and what a person should look at.
SQLITE_ERROR is there because our statements never change: only a foreign table makes them wrong."""


class SqliteStore:
    """ports.Store on one file, used by many threads and many processes at once.

    The file is made on first use, its folder is not. Threads take turns on one connection (SQLite has one writer
    anyway); processes wait for each other inside SQLite. Nothing waits past the deadline but for the disk itself.
    """

    def __init__(self, file: str | Path) -> None:
        self._file = Path(file)
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def gather(self, key: str, deadline: float) -> Gathered:
        """As the port says. A missing ledger is an empty one."""
        name = f"{INCIDENTS}/{key}"
        with self._database(deadline) as database:
            rows = database.execute(
                "SELECT name, version, body FROM documents WHERE name IN (?, ?, ?)", (name, _LEDGER, _TICK)
            ).fetchall()
        rows_by_name = {row[0]: row[1:] for row in rows}
        gathered = Gathered(key)
        if name in rows_by_name:
            version, body = rows_by_name[name]
            gathered = msgspec.structs.replace(
                gathered, incident=from_json(name, body, Incident), incident_version=version
            )
        if _LEDGER in rows_by_name:
            version, body = rows_by_name[_LEDGER]
            gathered = msgspec.structs.replace(
                gathered, ledger=from_json(_LEDGER, body, Ledger), ledger_version=version
            )
        if _TICK in rows_by_name:
            gathered = msgspec.structs.replace(gathered, last_tick=tick_from_text(rows_by_name[_TICK][1]))
        return gathered

    def commit(
        self,
        seen: Gathered,
        deadline: float,
        *,
        incident: Incident | None = None,
        ledger: Ledger | None = None,
    ) -> Gathered:
        """As the port says. A document that is not written carries no precondition, as in Firestore."""
        if incident is None and ledger is None:
            return seen
        incident_columns = None if incident is None else _columns(incident)
        ledger_columns = None if ledger is None else (to_json(ledger), None, None, None, None)
        with self._database(deadline) as database, database:
            database.execute("BEGIN IMMEDIATE")
            if incident_columns is not None:
                version = _write(database, f"{INCIDENTS}/{seen.key}", incident_columns, seen.incident_version)
                seen = msgspec.structs.replace(seen, incident=incident, incident_version=version)
            if ledger_columns is not None:
                version = _write(database, _LEDGER, ledger_columns, seen.ledger_version)
                seen = msgspec.structs.replace(seen, ledger=ledger, ledger_version=version)
        return seen

    def due(self, now: datetime, limit: int, deadline: float) -> list[Found]:
        """As the port says."""
        return self._search(deadline, "next_due <= ? ORDER BY next_due LIMIT ?", _microseconds(now), limit)

    def waiting(self, limit: int, deadline: float) -> list[Found]:
        """As the port says."""
        return self._search(deadline, "waiting_since IS NOT NULL ORDER BY waiting_since LIMIT ?", limit)

    def read(self, keys: Sequence[str], deadline: float) -> list[Found]:
        """As the port says."""
        if not keys:
            return []
        places = ", ".join("?" * len(keys))
        return self._search(deadline, f"name IN ({places})", *(f"{INCIDENTS}/{key}" for key in keys))

    def open_incidents(self, deadline: float) -> list[Found]:
        """As the port says."""
        return self._search(deadline, "state = ?", IncidentState.OPEN.value)

    def unresolved(self, deadline: float) -> list[Found]:
        """As the port says."""
        return self._search(deadline, "state IN (?, ?)", *(state.value for state in UNRESOLVED))

    def ended_since(self, since: datetime, limit: int, deadline: float) -> list[Found]:
        """As the port says."""
        expires = _microseconds(since + KEEP_AFTER_END)
        return self._search(deadline, "expire_at >= ? ORDER BY expire_at DESC LIMIT ?", expires, limit)

    def put_off(self, key: str, until: datetime, deadline: float) -> None:
        """As the port says."""
        with self._database(deadline) as database:
            database.execute(
                "UPDATE documents SET next_due = ? WHERE name = ?", (_microseconds(until), f"{INCIDENTS}/{key}")
            )

    def ticked(self, at: datetime, deadline: float) -> None:
        """As the port says."""
        with self._database(deadline) as database:
            database.execute("INSERT OR REPLACE INTO documents (name, body) VALUES (?, ?)", (_TICK, at.isoformat()))

    def prove(self, deadline: float) -> None:
        """As the port says."""
        name = f"{PROOFS}/{secrets.token_hex(16)}"
        with self._database(deadline) as database:
            database.execute("INSERT INTO documents (name, body) VALUES (?, ?)", (name, "{}"))
            row = database.execute("SELECT body FROM documents WHERE name = ?", (name,)).fetchone()
            database.execute("DELETE FROM documents WHERE name = ?", (name,))
        if row != ("{}",):
            raise StoreRefused("SQLite does not give back what was written")

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._turn:
            self._drop()

    def _search(self, deadline: float, narrowed: str, *values: object) -> list[Found]:
        """The incidents that one query finds. `narrowed`: the end of its statement, none of it from outside."""
        with self._database(deadline) as database:
            rows = database.execute(f"SELECT name, body FROM documents WHERE {narrowed}", values).fetchall()  # noqa: S608
        return [found(name.rpartition("/")[2], partial(from_json, name, body, Incident)) for name, body in rows]

    @contextmanager
    def _database(self, deadline: float) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone. Raises StoreDown for every error of SQLite's inside."""
        if not self._turn.acquire(timeout=max(deadline - time.monotonic(), 0)):
            raise StoreDown(f"{self._file} is in use by other requests for too long")
        try:
            if deadline <= time.monotonic():
                raise NoTimeLeft(f"no time was left to open {self._file}")
            yield self._opened(deadline)
        except sqlite3.Error as error:
            self._drop()  # The next call starts afresh: the file may have been replaced or its rights mended.
            raise self._down(error) from error
        finally:
            self._turn.release()

    def _opened(self, deadline: float) -> sqlite3.Connection:
        if self._connection is None:
            if not self._file.parent.is_dir():
                raise StoreDown(f"the folder of {self._file} is not there: make it, or correct STATE")
            self._connection = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
            _set_up(self._connection, deadline)
        _wait_at_most(self._connection, deadline)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _down(self, error: sqlite3.Error) -> StoreDown | StoreRefused:
        # The low byte is the kind of error, the others are its details.
        words = _WHAT_TO_CHECK.get(getattr(error, "sqlite_errorcode", -1) & 0xFF)
        if words is None:
            return StoreRefused(f"SQLite does not take what we asked ({type(error).__name__})")
        return StoreDown(f"{self._file} {words}")


_Columns: TypeAlias = "tuple[str, str | None, int | None, int | None, int | None]"
"""Body, state, next_due, waiting_since, expire_at."""


def _columns(incident: Incident) -> _Columns:
    next_due, waiting_since, expire_at = (
        None if moment is None else _microseconds(moment)
        for moment in (incident.next_due, incident.waiting_since, incident.expire_at)
    )
    return to_json(incident), incident.state.value, next_due, waiting_since, expire_at


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _write(database: sqlite3.Connection, name: str, columns: _Columns, version: object) -> int:
    """Replace the document `name` at `version` (None: there must be none yet); its new version. Raises Conflict."""
    if version is not None:
        removed = database.execute("DELETE FROM documents WHERE name = ? AND version = ?", (name, version))
        if removed.rowcount != 1:
            raise Conflict("somebody else wrote first")
    try:
        row = database.execute(
            "INSERT INTO documents (name, body, state, next_due, waiting_since, expire_at)"
            " VALUES (?, ?, ?, ?, ?, ?) RETURNING version",
            (name, *columns),
        ).fetchone()
    except sqlite3.IntegrityError as error:
        raise Conflict("somebody else made it first") from error
    return int(row[0])


def _wait_at_most(database: sqlite3.Connection, deadline: float) -> None:
    milliseconds = max(int((deadline - time.monotonic()) * 1_000), 1)  # 0 would mean: give up at once
    database.execute(f"PRAGMA busy_timeout = {milliseconds}")


def _set_up(database: sqlite3.Connection, deadline: float) -> None:
    """Make the file ours, however many processes do so at this moment."""
    while True:
        _wait_at_most(database, deadline)
        try:
            # Readers do not wait for the writer, nor it for them.
            database.execute("PRAGMA journal_mode = WAL")
            # A commit is on the disk before it is answered: what we said 200 to survives a power cut.
            database.execute("PRAGMA synchronous = FULL")
            database.execute(_TABLE)
            _add_missing(database)
            for index in _INDEXES:
                database.execute(index)
        except sqlite3.OperationalError as error:
            # SQLite refuses some of this without waiting, where two who wait could wait for each other.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_LOCK_POLL_SECONDS)
        else:
            return


def _add_missing(database: sqlite3.Connection) -> None:
    """Give a file of an earlier release the column that is new. Of what ended before, the end is not searched for."""
    names = {row[1] for row in database.execute("PRAGMA table_info(documents)")}
    # A table of something else, that only has our name for it, stays as it is.
    if "waiting_since" not in names or "expire_at" in names:
        return
    database.execute("BEGIN IMMEDIATE")
    with database:
        # Another process may have been faster.
        if "expire_at" not in {row[1] for row in database.execute("PRAGMA table_info(documents)")}:
            database.execute("ALTER TABLE documents ADD COLUMN expire_at INTEGER")
