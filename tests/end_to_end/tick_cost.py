"""What a tick asks of Firestore while many incidents are open, of which none is due.

`python -m tests.end_to_end.tick_cost 10 1000 10000` counts it on Google's emulator, between a real process and it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self
from uuid import uuid4

import grpc  # type: ignore[import-untyped]
import msgspec
from google.cloud.firestore import Client
from google.cloud.firestore_v1.types import BatchGetDocumentsResponse, CommitRequest, RunQueryResponse

from notifier.core.incident import Incident, incident_key
from notifier.stores.documents import INCIDENTS, to_fields
from tests.builders import known, opened
from tests.end_to_end.processes import PROJECT, Function, emulator_settings, function
from tests.firestore_emulator import any_emulator

BATCH = 500
METHODS = ("BatchGetDocuments", "Commit", "RunQuery")


class Cost(NamedTuple):
    """Of one tick."""

    calls: Counter[str]
    """Of each method of Firestore."""
    read: int
    """Documents that its queries were given."""
    seconds: float


class Between:
    """Stands between the function and the store, passes everything on, and counts."""

    def __init__(self, target: str) -> None:
        self.calls: Counter[str] = Counter()
        self.read = 0
        """Documents that queries were given."""
        self.looked_up = 0
        """Documents that were read by name, missing ones too: Firestore bills a read for each of either."""
        self.written = 0
        self._channel = grpc.insecure_channel(target)
        handlers = {method: grpc.stream_stream_rpc_method_handler(self._passing(method)) for method in METHODS}
        self._server = grpc.server(ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("google.firestore.v1.Firestore", handlers)]
        )
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(1).wait()
        self._channel.close()

    def _passing(self, method: str) -> Callable[[Iterator[bytes], Any], Iterator[bytes]]:
        call = self._channel.stream_stream(f"/google.firestore.v1.Firestore/{method}")

        def passing(asked: Iterator[bytes], context: Any) -> Iterator[bytes]:
            self.calls[method] += 1
            asked = map(self._count_writes, asked) if method == "Commit" else asked
            metadata = [(name, value) for name, value in context.invocation_metadata() if name.startswith("x-goog-")]
            for answer in call(asked, metadata=metadata):
                if method == "RunQuery":
                    self.read += bool(RunQueryResponse.deserialize(answer).document.name)
                if method == "BatchGetDocuments":
                    one = BatchGetDocumentsResponse.deserialize(answer)
                    self.looked_up += bool(one.found.name or one.missing)
                yield answer

        return passing

    def _count_writes(self, asked: bytes) -> bytes:
        self.written += len(CommitRequest.deserialize(asked).writes)
        return asked


class Pager:
    """A running function, its store, and what it asks of that."""

    def __init__(self, running: Function, between: Between, client: Client, prefix: str) -> None:
        self._function = running
        self._between = between
        self._client = client
        self._incidents = client.collection(f"{prefix}{INCIDENTS}")
        self._open = 0

    def plant(self, count: int) -> None:
        """Open so many incidents in all, each of them due in a week, as one that was told and climbs no more is."""
        for first in range(self._open, count, BATCH):
            batch = self._client.batch()
            for number in range(first, min(first + BATCH, count)):
                incident = _incident(f"0.{number}", due_in=timedelta(days=7))
                batch.create(self._incidents.document(incident.key), to_fields(incident))
            batch.commit()
        self._open = count

    def plant_due(self) -> None:
        incident = _incident("0.due", due_in=timedelta(minutes=-1))
        self._incidents.document(incident.key).create(to_fields(incident))

    def tick(self) -> Cost:
        self._between.calls.clear()
        self._between.read = 0
        began = time.monotonic()
        assert self._function.tick().ok
        return Cost(self._between.calls.copy(), self._between.read, time.monotonic() - began)


def _incident(incident_id: str, due_in: timedelta) -> Incident:
    now = datetime.now(UTC)
    return msgspec.structs.replace(
        known(opened(now=now)),
        key=incident_key("plain", incident_id),
        incident_id=incident_id,
        deliveries={},
        next_due=now + due_in,
    )


@contextmanager
def pager(host: str, folder: Path) -> Iterator[Pager]:
    """A function whose every call to the emulator at `host` is counted, up until the block ends.

    FIRESTORE_EMULATOR_HOST must be `host`, for the planting.
    """
    prefix = uuid4().hex
    with ExitStack() as stack:
        between = stack.enter_context(Between(host))
        settings = {"SIMULATE": "1", **emulator_settings(between.host, prefix)}
        running = stack.enter_context(function(settings, folder / "log"))
        client = Client(project=PROJECT)
        stack.callback(client._firestore_api.transport.close)
        one = Pager(running, between, client, prefix)
        one.tick()  # its first: the connection is made
        yield one


def main() -> None:
    with ExitStack() as stack:
        os.environ["FIRESTORE_EMULATOR_HOST"] = host = stack.enter_context(any_emulator())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        one = stack.enter_context(pager(host, folder))
        for count in map(int, sys.argv[1:] or ("10", "1000", "10000")):
            one.plant(count)
            one.tick()  # the emulator's first look at so many is slow
            cost = one.tick()
            shown = ", ".join(f"{number} {method}" for method, number in sorted(cost.calls.items()))
            sys.stdout.write(f"{count:6} open: {shown}; {cost.read} documents read; {cost.seconds:.3f} s\n")


if __name__ == "__main__":
    main()
