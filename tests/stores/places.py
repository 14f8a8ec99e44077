"""Where a store keeps its documents in a test: opened as often as wanted, and reached past the store as well."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from google.cloud.firestore import Client

from notifier.ports import ProvableStore
from notifier.stores.firestore import FirestoreStore
from notifier.stores.sqlite import SqliteStore, _microseconds

PROJECT = "notifier-tests"


class ClosableStore(ProvableStore, Protocol):
    def close(self) -> None: ...


class Place(Protocol):
    arguments: list[str]
    """How a child process names this place (see contender.py)."""

    def store(self) -> ClosableStore:
        """A store object of its own, as another instance has it."""
        ...

    def plant(self, name: str, fields: dict[str, Any]) -> None:
        """Put a document there that no store wrote; it is searched for like any other."""
        ...

    def remove(self, name: str) -> None: ...

    def names(self, collection: str) -> list[str]:
        """The documents that are in it."""
        ...


class SqlitePlace:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.arguments = ["sqlite", str(file)]

    def store(self) -> SqliteStore:
        return SqliteStore(self.file)

    def plant(self, name: str, fields: dict[str, Any]) -> None:
        moments = [fields.get(name) for name in ("next_due", "waiting_since", "expire_at")]
        columns = [None if moment is None else _microseconds(moment) for moment in moments]
        self.execute(
            "INSERT INTO documents (name, body, state, next_due, waiting_since, expire_at) VALUES (?, ?, ?, ?, ?, ?)",
            name,
            json.dumps(fields, default=datetime.isoformat),
            fields.get("state"),
            *columns,
        )

    def remove(self, name: str) -> None:
        self.execute("DELETE FROM documents WHERE name = ?", name)

    def names(self, collection: str) -> list[str]:
        with closing(sqlite3.connect(self.file)) as database:
            rows = database.execute("SELECT name FROM documents WHERE name GLOB ?", (f"{collection}/*",)).fetchall()
        return [row[0] for row in rows]

    def execute(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.file)) as database, database:
            database.execute(statement, values)


class FirestorePlace:
    """In the emulator FIRESTORE_EMULATOR_HOST names, under a prefix of its own."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.arguments = ["firestore", prefix]

    def store(self) -> FirestoreStore:
        return FirestoreStore(PROJECT, prefix=self.prefix)

    def plant(self, name: str, fields: dict[str, Any]) -> None:
        client = Client(project=PROJECT)
        client.document(self.prefix + name).set(fields)
        client._firestore_api.transport.close()

    def remove(self, name: str) -> None:
        client = Client(project=PROJECT)
        client.document(self.prefix + name).delete()
        client._firestore_api.transport.close()

    def names(self, collection: str) -> list[str]:
        client = Client(project=PROJECT)
        found = [one.id for one in client.collection(self.prefix + collection).stream()]
        client._firestore_api.transport.close()
        return found
