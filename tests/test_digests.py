"""Somebody answers a digest, not by text: by a link in what is said of it, or on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifier.core.incident import Incident
from notifier.core.message import Message
from notifier.ports import Gathered, StoreDown
from notifier.stores.sqlite import SqliteStore
from tests.builders import an_alert
from tests.instances import Instance, VirtualClock
from tests.test_replies import Stubborn

MANY = 20


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """With many critical incidents, all but five of whose pages the cap has held back."""
    store = SqliteStore(tmp_path / "state.sqlite")
    one = Instance(store, VirtualClock())
    for number in range(MANY):
        one.relay.take_all([an_alert(incident_id=f"db-{number}")], one.deadlines())
    yield one
    store.close()


def still_open(instance: Instance) -> list[Incident]:
    found = instance.store.inner.open_incidents(instance.clock.monotonic() + 5)
    return [one.incident for one in found if one.incident]


def digest_of(instance: Instance) -> Incident:
    """The text for all that the cap held back, once the window has room."""
    instance.clock.pass_time(hours=1, minutes=1)
    instance.tick.run(instance.clock.monotonic())
    (digest,) = [one for one in still_open(instance) if one.members]
    return digest


def test_a_digest_pages_on_while_one_of_its_members_could_not_be_acknowledged(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = digest_of(instance)
    commit = instance.store.commit

    def all_but_one(seen: Gathered, deadline: float, **state: Any) -> Gathered:
        if seen.key == digest.members[3].key:
            raise StoreDown("the store does not answer")
        return commit(seen, deadline, **state)

    monkeypatch.setattr(instance.store, "commit", all_but_one)
    with pytest.raises(StoreDown):
        instance.relay.acknowledge(digest, 1, "Ana", instance.deadlines())
    left = {one.key for one in still_open(instance)}
    assert left & {digest.key, *(member.key for member in digest.members)} == {digest.key, digest.members[3].key}


def test_a_slow_provider_costs_its_members_no_word_and_the_tick_no_end(tmp_path: Path) -> None:
    """Sending took longer than there is to claim; the members are told all the same, in the time to record."""
    clock = VirtualClock()
    store = Stubborn(tmp_path / "state.sqlite", clock)
    instance = Instance(store, clock)
    for number in range(7):
        instance.relay.take_all([an_alert(incident_id=f"db-{number}")], instance.deadlines())
    for one in still_open(instance)[:5]:
        instance.relay.acknowledge(one, 1, "Ana", instance.deadlines())
    clock.pass_time(minutes=59)
    instance.tick.run(clock.monotonic())
    clock.pass_time(minutes=2)

    def slowly(message: Message) -> None:
        clock.pass_time(seconds=6)

    instance.channels["sms"].on_send = slowly
    done = instance.tick.run(clock.monotonic())
    assert done.error is None
    (digest,) = [one for one in still_open(instance) if one.members]
    assert digest.members_told
    store.close()
