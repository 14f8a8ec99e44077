"""What the road adds to its round trips (python -m bench.page).

A new critical alert and a duplicate, against the bare library calls they need, in turns in the same run, on Google's
Firestore emulator. Channels answer at once. Prints the median of each, its spread (10th to 90th percentile), and the
ratio of the medians.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from uuid import uuid4

from google.cloud import firestore

from notifier.core.alert import Alert, Severity
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from notifier.core.policy import parse_policy
from notifier.sending import Deadlines
from notifier.settings import read_settings
from notifier.stores.documents import to_fields
from notifier.stores.firestore import FirestoreStore
from notifier.wiring import Outside, SystemClock, build
from tests.builders import POLICY, ROOT, known, opened
from tests.firestore_emulator import any_emulator

ROUNDS = 200
WARM_UP = 20


class Silent:
    """A channel that takes everything at once."""

    def __init__(self, name: str) -> None:
        self.name = name

    def send(self, _message: Message, deadline: float) -> Outcome:  # noqa: ARG002
        return Outcome(Result.SENT)

    def preview(self, message: Message) -> str:
        return message.headline


class NoLog:
    """Writes nothing: its cost is the terminal's."""

    def write(self, severity: Severity, message: str, **fields: object) -> None:
        """Nothing."""


def main() -> None:
    with any_emulator() as host:
        os.environ["FIRESTORE_EMULATOR_HOST"] = host
        measure()


def measure() -> None:
    prefix = uuid4().hex
    client = firestore.Client(project="bench")
    policy = parse_policy((ROOT / "policy.toml").read_text("utf-8").replace("max_per_hour = 5", "max_per_hour = 30"))
    outside = Outside(
        store=FirestoreStore("bench", prefix=prefix),
        channels={name: Silent(name) for name in ("slack", "discord", "email", "sms")},
        log=NoLog(),
    )
    relay = build(read_settings({"ONCALL_PHONE": "", "SIMULATE": "1"}), policy, outside).relay
    clock = SystemClock()

    def take(incident_id: str) -> None:
        now = clock.monotonic()
        alert = Alert(source="bench", incident_id=incident_id, title="Database unreachable", severity="critical")
        relay.take(alert, Deadlines.of_request(now, now))

    fields = to_fields(known(opened(policy=POLICY)))

    def bare_new() -> None:
        document = client.document(f"{prefix}bare", uuid4().hex)
        list(client.get_all([document, client.document(f"{prefix}ledger", "bare")], retry=None, timeout=5))
        batch = client.batch()
        batch.create(document, fields)
        (written,) = batch.commit(retry=None, timeout=5)
        batch = client.batch()
        batch.update(document, fields, option=client.write_option(last_update_time=written.update_time))
        batch.commit(retry=None, timeout=5)

    def bare_duplicate() -> None:
        documents = [client.document(f"{prefix}bare", "same"), client.document(f"{prefix}ledger", "bare")]
        list(client.get_all(documents, retry=None, timeout=5))

    take("same")
    client.document(f"{prefix}bare", "same").set(fields)
    compare("new critical alert", lambda: take(uuid4().hex), bare_new)
    compare("duplicate", lambda: take("same"), bare_duplicate)


def compare(name: str, ours: Callable[[], None], bare: Callable[[], None]) -> None:
    """Time both in turns, so that whatever else the machine does falls on both."""
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    cpu: dict[str, list[float]] = {"ours": [], "bare": []}
    for turn in range(WARM_UP + ROUNDS):
        for who, call in (("ours", ours), ("bare", bare)):
            wall, used = time.perf_counter(), time.process_time()
            call()
            if turn >= WARM_UP:
                times[who].append(time.perf_counter() - wall)
                cpu[who].append(time.process_time() - used)
    for who in ("ours", "bare"):
        tenths = statistics.quantiles(times[who], n=10)
        print(
            f"{name:20} {who}: {statistics.median(times[who]) * 1e3:6.2f} ms"
            f"  (10-90 %: {tenths[0] * 1e3:.2f} to {tenths[-1] * 1e3:.2f})"
            f"  CPU {statistics.median(cpu[who]) * 1e3:.2f} ms"
        )
    ratio = statistics.median(times["ours"]) / statistics.median(times["bare"])
    print(f"{name:20} ours / bare: {ratio:.2f}\n")


if __name__ == "__main__":
    main()
