"""The store in production: Firestore, changed by compare-and-set (DESIGN.md, "Compare-and-set").

Importing this costs 0.25 s of a cold start, so only `wiring` does, and only when this store is wanted.
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import grpc  # type: ignore[import-untyped]
import msgspec
from google.api_core import exceptions as google_errors
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore import Client, Query
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport

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
    from_fields,
    tick_from_fields,
    to_fields,
)
from notifier.stores.renewable import Renewable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")

TRIES = 2
USEFUL_SECONDS = 0.5
"""The least a try is given while there is time: a new TLS connection and a new token take 0.3 s. A try that had
less proves nothing about its connection."""

_NO_RETRY = Retry(predicate=if_exception_type())
"""For a query. With None the library (2.34) meets an error in the middle of the stream with an AttributeError."""

_EPOCH = datetime.fromtimestamp(0, UTC)

_CONNECTION_ERRORS = (
    google_errors.DeadlineExceeded,
    google_errors.ServiceUnavailable,
    google_errors.Cancelled,
)
"""What a half-open connection answers, to every call, for over a minute: only a new client helps."""

_WHAT_TO_CHECK: tuple[tuple[type[Exception], str], ...] = (
    (google_errors.DeadlineExceeded, "Firestore did not answer in time"),
    (
        google_errors.ServiceUnavailable,
        "Firestore cannot be reached: check the network and status.cloud.google.com",
    ),
    (
        google_errors.PermissionDenied,
        "Firestore refuses us: give the function's service account the role roles/datastore.user",
    ),
    (
        google_errors.Unauthenticated,
        "Firestore does not know us: check the function's service account and its clock",
    ),
    (
        google_errors.NotFound,
        "there is no Firestore database {database}: run deploy.sh, or correct FIRESTORE_DATABASE",
    ),
    (
        google_errors.FailedPrecondition,
        "{database} is not a Firestore database in native mode: make one, and name it in FIRESTORE_DATABASE",
    ),
    (google_errors.ResourceExhausted, "Firestore's quota is used up: check the project's quotas and billing"),
    (google_errors.Aborted, "Firestore is too busy"),
    (google_errors.Cancelled, "Firestore broke off the call"),
    (google_errors.ServerError, "Firestore failed inside: check status.cloud.google.com"),
    (google_errors.RetryError, "Firestore did not answer in time"),
    (
        GoogleAuthError,
        "no Google credentials: check the service account, or run `gcloud auth application-default login`",
    ),
    (TimeoutError, "no connection to Firestore could be made in time: check the network and the credentials"),
    (OSError, "cannot tell the Google project, or read the credentials: set GOOGLE_CLOUD_PROJECT"),
)
"""The errors that mean the store is down (DESIGN.md, "When the store is down"), and what a person should look at.
The first that fits. Google's own words stay in `__cause__`: they may quote what we sent."""


class FirestoreStore:
    """ports.Store on Firestore: `{prefix}incidents/{key}`, `{prefix}ledger/sms` and `{prefix}ticks/last`.

    `project`: None asks the environment, as Google's libraries do; FIRESTORE_EMULATOR_HOST is theirs, too.
    The client is made on first use. A call is tried twice at most, the first time with half of what is left until
    its deadline; a try that finds the connection dead is followed by one on a new client.
    """

    def __init__(self, project: str | None = None, database: str = "(default)", prefix: str = "") -> None:
        self._database = database
        self._incidents = prefix + INCIDENTS
        self._ledgers = prefix + LEDGERS
        self._ticks = prefix + TICKS
        self._proofs = prefix + PROOFS
        self._connections = Renewable(
            lambda: _connect(project, database), lambda connection: connection.channel.close()
        )

    def gather(self, key: str, deadline: float) -> Gathered:
        """As the port says. A missing ledger is an empty one."""
        return self._ask(deadline, lambda client, timeout: self._read(client, timeout, key))

    def commit(
        self,
        seen: Gathered,
        deadline: float,
        *,
        incident: Incident | None = None,
        ledger: Ledger | None = None,
    ) -> Gathered:
        """As the port says. A document that is not written carries no precondition.

        The ledger is written only when a slot is taken or given back: were it compared at every commit, each alert
        would conflict with the texts of all others, and at the cap the contention would never end.
        A commit whose first try landed, its answer lost, ends in Conflict at the second: the caller gathers again,
        and finds its claim id.
        """
        writes: list[_Write] = []
        if incident is not None:
            writes.append((self._incidents, seen.key, incident, seen.incident_version))
        if ledger is not None:
            writes.append((self._ledgers, LEDGER_ID, ledger, seen.ledger_version))
        if not writes:
            return seen
        versions = iter(self._ask(deadline, lambda client, timeout: _write(client, timeout, writes)))
        if incident is not None:
            seen = msgspec.structs.replace(seen, incident=incident, incident_version=next(versions))
        if ledger is not None:
            seen = msgspec.structs.replace(seen, ledger=ledger, ledger_version=next(versions))
        return seen

    def due(self, now: datetime, limit: int, deadline: float) -> list[Found]:
        """As the port says. A comparison leaves out every document without a time in that field: null is none."""
        return self._search(deadline, FieldFilter("next_due", "<=", now), "next_due", limit)

    def waiting(self, limit: int, deadline: float) -> list[Found]:
        """As the port says."""
        return self._search(deadline, FieldFilter("waiting_since", ">", _EPOCH), "waiting_since", limit)

    def read(self, keys: Sequence[str], deadline: float) -> list[Found]:
        """As the port says."""

        def read(client: Client, timeout: float) -> list[Found]:
            references = [client.document(self._incidents, key) for key in keys]
            snapshots = client.get_all(references, retry=None, timeout=timeout)
            return _found(one for one in snapshots if one.exists)

        return self._ask(deadline, read) if keys else []

    def open_incidents(self, deadline: float) -> list[Found]:
        """As the port says."""
        return self._search(deadline, FieldFilter("state", "==", IncidentState.OPEN.value))

    def unresolved(self, deadline: float) -> list[Found]:
        """As the port says."""
        return self._search(deadline, FieldFilter("state", "in", [state.value for state in UNRESOLVED]))

    def ended_since(self, since: datetime, limit: int, deadline: float) -> list[Found]:
        """As the port says: an incident's end is known by when it expires, which is indexed."""
        return self._search(deadline, FieldFilter("expire_at", ">=", since + KEEP_AFTER_END), "-expire_at", limit)

    def put_off(self, key: str, until: datetime, deadline: float) -> None:
        """As the port says."""

        def put_off(client: Client, timeout: float) -> None:
            with suppress(google_errors.NotFound):  # deleted meanwhile: it is not due any more
                client.document(self._incidents, key).update({"next_due": until}, retry=None, timeout=timeout)

        self._ask(deadline, put_off)

    def ticked(self, at: datetime, deadline: float) -> None:
        """As the port says."""
        self._ask(
            deadline,
            lambda client, timeout: client.document(self._ticks, TICK_ID).set({"at": at}, retry=None, timeout=timeout),
        )

    def prove(self, deadline: float) -> None:
        """As the port says: what the function does to its documents, in the rights that it needs."""

        def prove(client: Client, timeout: float) -> None:
            until = time.monotonic() + timeout

            def left() -> float:
                return max(until - time.monotonic(), 0.001)

            proof = client.document(self._proofs, secrets.token_hex(16))
            proof.set({"proof": True}, retry=None, timeout=left())
            read = proof.get(retry=None, timeout=left()).to_dict()
            proof.delete(retry=None, timeout=left())
            if read != {"proof": True}:
                raise StoreRefused("Firestore does not give back what was written")

        self._ask(deadline, prove)

    def close(self) -> None:
        """Close the connection; the next call makes a new one."""
        self._connections.close()

    def _read(self, client: Client, timeout: float, key: str) -> Gathered:
        references = [
            client.document(self._incidents, key),
            client.document(self._ledgers, LEDGER_ID),
            client.document(self._ticks, TICK_ID),
        ]
        snapshots = {
            snapshot.reference.path: snapshot
            for snapshot in client.get_all(references, retry=None, timeout=timeout)
            if snapshot.exists
        }
        gathered = Gathered(key)
        if incident := snapshots.get(references[0].path):
            gathered = msgspec.structs.replace(
                gathered,
                incident=from_fields(references[0].path, incident.to_dict(), Incident),
                incident_version=incident.update_time,
            )
        if ledger := snapshots.get(references[1].path):
            gathered = msgspec.structs.replace(
                gathered,
                ledger=from_fields(references[1].path, ledger.to_dict(), Ledger),
                ledger_version=ledger.update_time,
            )
        if tick := snapshots.get(references[2].path):
            gathered = msgspec.structs.replace(gathered, last_tick=tick_from_fields(tick.to_dict()))
        return gathered

    def _search(
        self, deadline: float, narrowed: FieldFilter, order: str | None = None, limit: int | None = None
    ) -> list[Found]:
        """The incidents that one query finds. `order`: a field; with "-" before it, the greatest first."""

        def search(client: Client, timeout: float) -> list[Found]:
            query = client.collection(self._incidents).where(filter=narrowed)
            if order:
                direction = Query.DESCENDING if order.startswith("-") else Query.ASCENDING
                query = query.order_by(order.removeprefix("-"), direction)
            query = query.limit(limit) if limit is not None else query
            return _found(query.get(retry=_NO_RETRY, timeout=timeout))

        return self._ask(deadline, search)

    def _ask(self, deadline: float, call: Callable[[Client, float], T]) -> T:
        """The answer of `call(client, timeout)`, tried within `deadline`. Raises StoreDown, StoreRefused."""
        tries = TRIES
        down: StoreDown = NoTimeLeft("no time was left to ask Firestore")
        while tries and (left := deadline - time.monotonic()) > 0:
            allowed = left if tries == 1 else max(left / 2, min(left, USEFUL_SECONDS))
            until = time.monotonic() + allowed
            tries -= 1
            try:
                with self._connections.borrowed(until) as connection:
                    try:
                        return call(connection.thing.client, max(until - time.monotonic(), 0.001))
                    except _CONNECTION_ERRORS:
                        if allowed >= USEFUL_SECONDS:
                            self._connections.retire(connection)
                        raise
            except (google_errors.GoogleAPIError, GoogleAuthError, OSError, ValueError) as error:
                down = StoreDown(self._what_to_check(error))
                down.__cause__ = error
        raise down

    def _what_to_check(self, error: Exception) -> str:
        """Plain words for an error that means the store is down. Raises StoreRefused for any other."""
        for kind, words in _WHAT_TO_CHECK:
            if isinstance(error, kind):
                return words.format(database=self._database)
        raise StoreRefused(f"Firestore does not take what we sent ({type(error).__name__})") from error


_Write: TypeAlias = "tuple[str, str, Incident | Ledger, object]"
"""Collection, document id, what to write, and the version it replaces (None: there must be none yet)."""


def _found(snapshots: Iterable[Any]) -> list[Found]:
    return [found(one.id, partial(from_fields, one.reference.path, one.to_dict(), Incident)) for one in snapshots]


def _write(client: Client, timeout: float, writes: list[_Write]) -> list[object]:
    """Commit all of `writes` or none; their new update times. Raises Conflict."""
    batch = client.batch()
    for collection, document_id, state, version in writes:
        reference = client.document(collection, document_id)
        if version is None:
            batch.create(reference, to_fields(state))
        else:
            option = client.write_option(last_update_time=version)
            batch.update(reference, to_fields(state), option=option)
    try:
        return [result.update_time for result in batch.commit(retry=None, timeout=timeout)]
    except (google_errors.FailedPrecondition, google_errors.AlreadyExists, google_errors.Aborted) as error:
        raise Conflict("somebody else wrote first") from error
    except google_errors.NotFound as error:
        if all(version is None for *_, version in writes):
            raise  # Nothing had to be there but the database.
        raise Conflict("somebody else deleted it first") from error


class _Connection(NamedTuple):
    client: Client
    channel: grpc.Channel


def _connect(project: str | None, database: str) -> _Connection:
    """A client with a connection of its own.

    Left to itself, gRPC gives channels to one address the same connection: a new client would go on with the dead one
    for as long as any call on that is open. The library (2.34) has no public way to set a channel's options, nor to
    close it (`Client.close` closes an HTTP session); its private names are used here and nowhere else.
    Made at once and not on first use, as the library does without a lock: two threads would make two.
    """
    client = Client(project=project, database=database)
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.keepalive_time_ms", 30_000)]
    if client._emulator_host:  # noqa: SLF001
        channel = grpc.insecure_channel(client._emulator_host, options)  # noqa: SLF001
    else:
        channel = FirestoreGrpcTransport.create_channel(
            FirestoreClient.DEFAULT_ENDPOINT,
            credentials=client._credentials,  # noqa: SLF001
            options=options,
        )
    client._firestore_api_internal = FirestoreClient(transport=FirestoreGrpcTransport(channel=channel))  # noqa: SLF001
    return _Connection(client, channel)
