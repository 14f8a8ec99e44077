"""Fixtures of the web tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import responses

from tests.web.identities import SigningKey
from tests.web.pager import BrokenStore, Pager


@pytest.fixture
def pager(tmp_path: Path) -> Iterator[Pager]:
    pager = Pager(tmp_path / "state.sqlite")
    yield pager
    pager.sqlite.close()


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[Exception], Pager]:
    """A pager whose store fails."""
    return lambda error: Pager(tmp_path / "state.sqlite", store=BrokenStore(error))


@pytest.fixture(scope="session")
def google_key() -> SigningKey:
    return SigningKey("key-1")


@pytest.fixture(scope="session")
def other_key() -> SigningKey:
    """Signs as well as Google's, and is not Google's."""
    return SigningKey("key-2")


@pytest.fixture
def google() -> Iterator[responses.RequestsMock]:
    """The network: whoever is not registered in it cannot be reached."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as network:
        yield network
