"""One part after the other is away for a while: who hears of it meanwhile, and what is made up for afterwards.

README's table "If something is down" names these tests; what it says of other parts is proven elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from notifier.core.alert import Alert
from notifier.core.outcome import Outcome, Result
from notifier.ports import StoreDown
from notifier.stores.sqlite import SqliteStore
from tests.builders import an_alert
from tests.instances import Instance, VirtualClock

AWAY = Outcome(Result.RETRY, "no connection")
REMOVED = Outcome(Result.REJECTED, "404: this webhook was removed")
FREE = ("slack", "discord", "email")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    store = SqliteStore(tmp_path / "state.sqlite")
    yield Instance(store, VirtualClock())
    store.close()


def take(instance: Instance, *alerts: Alert) -> None:
    assert not [one.error for one in instance.relay.take_all(alerts, instance.deadlines()) if one.error]


def minutes_pass(instance: Instance, minutes: int) -> None:
    """With the tick once a minute, whatever comes of it."""
    for _ in range(minutes):
        instance.clock.pass_time(minutes=1)
        instance.tick.run(instance.clock.monotonic())


def heard(instance: Instance) -> Counter[str]:
    """How many messages each channel was given."""
    return Counter({name: len(channel.told) for name, channel in instance.channels.items() if channel.told})


@pytest.mark.parametrize("away", [*FREE, "sms"])
def test_a_channel_that_is_away_costs_no_other_its_message(instance: Instance, away: str) -> None:
    instance.channels[away].ends = [AWAY] * 99
    take(instance, an_alert())
    others = {name: len(channel.told) for name, channel in instance.channels.items() if name != away}
    assert others == dict.fromkeys(others, 1)


@pytest.mark.parametrize("away", [*FREE, "sms"])
def test_a_channel_that_was_away_for_an_hour_hears_it_once_when_it_is_back(instance: Instance, away: str) -> None:
    channel = instance.channels[away]
    channel.ends = [AWAY] * 999
    take(instance, an_alert())
    minutes_pass(instance, 60)
    channel.ends.clear()
    channel.told.clear()
    minutes_pass(instance, 11)  # it is tried every ten minutes at least
    opened = [message.headline for message in channel.told if message.delivery.startswith("opened/")]
    assert opened == ["CRITICAL: db is down"]


@pytest.mark.parametrize("gone", FREE)
def test_a_webhook_that_is_gone_for_good_is_said_on_the_others(instance: Instance, gone: str) -> None:
    instance.channels[gone].ends = [REMOVED] * 99
    take(instance, an_alert())
    for other in set(FREE) - {gone}:
        assert "404: this webhook was removed" in instance.channels[other].headlines[-1]
    assert len(instance.texts) == 1


def test_with_every_free_channel_away_the_phone_is_paged(instance: Instance) -> None:
    for name in FREE:
        instance.channels[name].ends = [AWAY] * 99
    take(instance, an_alert())
    assert len(instance.texts) == 1


def test_what_was_open_while_the_store_was_away_climbs_when_it_is_back(instance: Instance) -> None:
    take(instance, an_alert("warning"))

    def away(_: str) -> None:
        raise StoreDown("the store does not answer")

    instance.store.before = away
    minutes_pass(instance, 30)
    assert heard(instance) == {"slack": 1, "discord": 1}
    instance.store.before = lambda _: None
    minutes_pass(instance, 1)
    assert len(instance.channels["email"].told) == 1
    assert instance.texts[0].startswith("WARNING unanswered")


def test_what_was_due_while_no_instance_ran_is_done_by_the_first_tick(instance: Instance) -> None:
    take(instance, an_alert("warning"))
    instance.clock.pass_time(hours=2)
    minutes_pass(instance, 1)
    assert len(instance.channels["email"].told) == len(instance.texts) == 1


def test_an_alert_that_comes_again_because_nobody_answered_its_sender_is_one(instance: Instance) -> None:
    """Cloud Monitoring tries a few times, Pub/Sub for a week; it may have been stored all the same."""
    began = instance.clock.now()
    take(instance, an_alert(started_at=began))
    instance.clock.pass_time(hours=1)
    take(instance, an_alert(started_at=began))
    assert heard(instance) == {"slack": 1, "discord": 1, "email": 1, "sms": 1}
