"""What the Firestore store puts on the wire, and what it makes of each error that comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError, TransportError
from google.cloud.firestore import Client
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport

from notifier.core.ledger import Ledger
from notifier.ports import Conflict, Gathered, StoreDown, StoreRefused
from notifier.stores import firestore
from notifier.stores.firestore import FirestoreStore
from tests.stores.examples import KEY, an_incident
from tests.stores.fake_firestore import FailingFirestore

NEW = Gathered(KEY)
SEEN = Gathered(KEY, incident_version=datetime(2026, 7, 1, tzinfo=UTC), ledger_version=datetime(2026, 7, 1, tzinfo=UTC))


@pytest.fixture
def store() -> Iterator[FirestoreStore]:
    store = FirestoreStore("a-project", "pager")
    yield store
    store.close()


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, code: grpc.StatusCode) -> Iterator[FailingFirestore]:
    """The server that a store first used within this block talks to."""
    with FailingFirestore(code) as server:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", server.host)
        yield server


def soon(seconds: float = 20) -> float:
    return time.monotonic() + seconds


def test_a_read_is_one_call_tried_twice_with_a_timeout_each(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own retry would go on for 5 minutes, whatever the time-out."""
    with failing(monkeypatch, grpc.StatusCode.UNAVAILABLE) as server:
        with pytest.raises(StoreDown):
            store.gather(KEY, soon(20))
        assert [call.method for call in server.calls] == ["BatchGetDocuments"] * 2
        assert 5 < server.calls[0].seconds <= 10
        assert 10 < server.calls[1].seconds <= 20


def test_a_read_of_several_is_one_call_tried_twice_with_a_timeout_each(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, grpc.StatusCode.UNAVAILABLE) as server:
        with pytest.raises(StoreDown):
            store.read(["a", "b", "c"], soon(20))
        assert [call.method for call in server.calls] == ["BatchGetDocuments"] * 2
        assert 5 < server.calls[0].seconds <= 10
        assert 10 < server.calls[1].seconds <= 20


def test_a_commit_is_one_call_tried_twice_with_a_timeout_each(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, grpc.StatusCode.UNAVAILABLE) as server:
        with pytest.raises(StoreDown):
            store.commit(NEW, soon(20), incident=an_incident(), ledger=Ledger())
        assert [call.method for call in server.calls] == ["Commit"] * 2
        assert 5 < server.calls[0].seconds <= 10
        assert 10 < server.calls[1].seconds <= 20


def test_a_short_first_try_still_gets_a_useful_minimum(store: FirestoreStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with failing(monkeypatch, grpc.StatusCode.UNAVAILABLE) as server:
        with pytest.raises(StoreDown):
            store.gather(KEY, soon())  # so that the client is there
        server.calls.clear()
        with pytest.raises(StoreDown):
            store.gather(KEY, soon(0.6))
        assert 0.3 < server.calls[0].seconds <= 0.5


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("UNAVAILABLE", "check the network"),
        ("DEADLINE_EXCEEDED", "did not answer in time"),
        ("INTERNAL", "failed inside"),
        ("UNKNOWN", "failed inside"),
        ("DATA_LOSS", "failed inside"),
        ("CANCELLED", "broke off"),
        ("ABORTED", "too busy"),
        ("RESOURCE_EXHAUSTED", "quota"),
        ("PERMISSION_DENIED", "roles/datastore.user"),
        ("UNAUTHENTICATED", "service account"),
        ("NOT_FOUND", "no Firestore database pager"),
        ("FAILED_PRECONDITION", "native mode"),
    ],
)
def test_a_read_answered_with_this_is_an_outage_said_in_plain_words(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    with failing(monkeypatch, grpc.StatusCode[code]) as server:
        with pytest.raises(StoreDown, match=words) as raised:
            store.gather(KEY, soon())
        assert len(server.calls) == 2
    assert "S3CRET" not in str(raised.value)


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "OUT_OF_RANGE"])
def test_what_firestore_never_takes_is_our_own_bug_and_no_outage(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    with failing(monkeypatch, grpc.StatusCode[code]) as server:
        with pytest.raises(StoreRefused) as read:
            store.gather(KEY, soon())
        with pytest.raises(StoreRefused) as several:
            store.read([KEY], soon())
        with pytest.raises(StoreRefused) as written:
            store.commit(NEW, soon(), incident=an_incident())
        assert len(server.calls) == 3
    assert "S3CRET" not in f"{read.value} {several.value} {written.value}"


@pytest.mark.parametrize("code", ["FAILED_PRECONDITION", "ALREADY_EXISTS", "ABORTED", "NOT_FOUND"])
def test_an_update_answered_with_this_is_a_conflict_and_not_tried_again(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    with failing(monkeypatch, grpc.StatusCode[code]) as server:
        with pytest.raises(Conflict):
            store.commit(SEEN, soon(), incident=an_incident())
        assert len(server.calls) == 1


def test_a_creation_that_finds_nothing_misses_the_database(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        failing(monkeypatch, grpc.StatusCode.NOT_FOUND),
        pytest.raises(StoreDown, match="no Firestore database pager"),
    ):
        store.commit(NEW, soon(), incident=an_incident())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DefaultCredentialsError, "gcloud auth application-default login"),
        (TransportError, "no Google credentials"),
        (OSError, "set GOOGLE_CLOUD_PROJECT"),
    ],
)
def test_without_credentials_or_project_the_store_is_down(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch, error: type[Exception], words: str
) -> None:
    def no_client(**_: object) -> None:
        raise error("S3CRET")

    monkeypatch.setattr(firestore, "Client", no_client)
    with pytest.raises(StoreDown, match=words) as raised:
        store.gather(KEY, soon())
    assert "S3CRET" not in str(raised.value)


def test_a_metadata_server_that_does_not_answer_is_waited_for_until_the_deadline_only(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def slow_client(**_: object) -> None:
        answered.wait()
        raise OSError

    monkeypatch.setattr(firestore, "Client", slow_client)
    began = time.monotonic()
    with pytest.raises(StoreDown, match="no connection to Firestore could be made in time"):
        store.gather(KEY, began + 0.2)
    assert time.monotonic() - began < 1
    answered.set()


def test_in_production_the_connection_is_googles_and_shared_with_no_other_client(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, Any] = {}
    create_channel = FirestoreGrpcTransport.create_channel

    def noted(host: str, **arguments: Any) -> grpc.Channel:
        made.update(arguments, host=host)
        return create_channel(host, **arguments)

    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
    monkeypatch.setattr(firestore, "Client", partial(Client, credentials=anonymous))
    monkeypatch.setattr(FirestoreGrpcTransport, "create_channel", noted)
    with store._connections.borrowed(soon()) as connection:
        client = connection.thing.client
    assert made["host"] == "firestore.googleapis.com"
    assert ("grpc.use_local_subchannel_pool", 1) in made["options"]
    assert (client.project, client._database) == ("a-project", "pager")
