"""What an incident costs of the store, in documents: docs/cost.md reckons with these figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from notifier.callbacks import ReceivedText
from notifier.core.beginning import key_of
from notifier.core.events import Reported
from notifier.core.report import Progress, Report
from notifier.replies import Replies
from notifier.stores.sqlite import SqliteStore
from tests.builders import SHIPPED, an_alert, texting
from tests.instances import Instance, VirtualClock

POLICY = SHIPPED.deployed({"log", "slack", "discord", "email", "sms"}, texting(2, replies=True))

GATHERED = 3
"""Documents of one read: the incident, the ledger, and when the tick was last through."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    store = SqliteStore(tmp_path / "state.sqlite")
    yield Instance(store, VirtualClock(), POLICY)
    store.close()


def take(instance: Instance, severity: str, *, closed: bool = False) -> None:
    assert not instance.relay.take_all([an_alert(severity, closed=closed)], instance.deadlines())[0].error


def report(instance: Instance, progress: Progress) -> None:
    """The provider's word on the first page."""
    event = Reported(delivery="opened/sms/0/1", generation=1, number=1, id="SM1", report=Report(progress=progress))
    assert not instance.relay.take_event(key_of(an_alert(), ""), event, instance.deadlines()).error


def read_and_written(instance: Instance) -> tuple[int, int]:
    """Documents. A search that finds nothing is one read: https://firebase.google.com/docs/firestore/pricing."""
    calls = instance.store.calls
    searches = sum(calls.count(name) for name in ("due", "waiting", "open_incidents"))
    return calls.count("gather") * GATHERED + searches, instance.store.written + calls.count("ticked")


def test_a_critical_incident_that_is_answered_by_text_and_then_resolved(instance: Instance) -> None:
    take(instance, "critical")
    for progress in (Progress.SENT, Progress.DELIVERED):
        report(instance, progress)
    replies = Replies(relay=instance.relay, store=instance.store, policy=POLICY, clock=instance.clock, log=instance.log)
    replies.take(ReceivedText(phone=0, sid="SM2", body="ack"), instance.deadlines())
    take(instance, "critical", closed=True)
    assert read_and_written(instance) == (25, 11)


def test_a_warning_that_resolves_by_itself(instance: Instance) -> None:
    take(instance, "warning")
    take(instance, "warning", closed=True)
    assert read_and_written(instance) == (6, 4)


def test_a_tick_with_nothing_due(instance: Instance) -> None:
    assert not instance.tick.run(instance.clock.monotonic()).error
    assert read_and_written(instance) == (2, 1)
