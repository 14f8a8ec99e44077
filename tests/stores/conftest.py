"""The places the contract is tested in."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.stores.places import ClosableStore, FirestorePlace, Place, SqlitePlace


@pytest.fixture(params=["sqlite", pytest.param("firestore", marks=pytest.mark.emulator)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "state.sqlite")
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", request.getfixturevalue("firestore_emulator"))
    return FirestorePlace(f"t{uuid.uuid4().hex}_")


@pytest.fixture
def opened() -> Iterator[Callable[[Place], ClosableStore]]:
    """Opens stores that are closed after the test."""
    stores: list[ClosableStore] = []

    def open_store(place: Place) -> ClosableStore:
        stores.append(place.store())
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def store(place: Place, opened: Callable[[Place], ClosableStore]) -> ClosableStore:
    return opened(place)
