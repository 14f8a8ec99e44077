"""What people on call ask by text is done for all that it concerns, whatever fails or hangs in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from notifier.callbacks import ReceivedText
from notifier.core.beginning import key_of
from notifier.core.incident import Incident, IncidentState
from notifier.core.message import Message
from notifier.ports import Gathered, NoTimeLeft, StoreDown
from notifier.replies import Replies
from notifier.stores.documents import to_fields
from notifier.stores.sqlite import SqliteStore
from tests.builders import SHIPPED, an_alert, texting
from tests.instances import Instance, VirtualClock
from tests.stores.places import SqlitePlace

POLICY = SHIPPED.deployed({"log", "slack", "discord", "email", "sms"}, texting(2, replies=True))


class Stubborn(SqliteStore):
    """Keeps its deadlines by the clock of the test, and does not give out what is `unreachable`."""

    def __init__(self, file: Path, clock: VirtualClock) -> None:
        super().__init__(file)
        self.clock = clock
        self.unreachable: set[str] = set()

    def gather(self, key: str, deadline: float) -> Gathered:
        if key in self.unreachable:
            raise StoreDown("the store does not answer")
        return super().gather(key, deadline)

    @contextmanager
    def _database(self, deadline: float) -> Iterator[sqlite3.Connection]:
        if deadline <= self.clock.monotonic():
            raise NoTimeLeft("no time was left")
        with super()._database(deadline) as database:
            yield database


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Stubborn]:
    store = Stubborn(tmp_path / "state.sqlite", VirtualClock())
    yield store
    store.close()


@pytest.fixture
def instance(store: Stubborn) -> Instance:
    return Instance(store, store.clock, POLICY)


def text(instance: Instance, body: str, *, phone: int = 0, sid: str = "SM1") -> str:
    """Somebody texts; what is answered."""
    replies = Replies(relay=instance.relay, store=instance.store, policy=POLICY, clock=instance.clock, log=instance.log)
    return replies.take(ReceivedText(phone=phone, sid=sid, body=body), instance.deadlines())


def key_of_incident(name: str) -> str:
    return key_of(an_alert(incident_id=name), "")


def take(instance: Instance, *names: str, severity: str = "critical") -> None:
    """These are opened one after the other, and told."""
    for name in names:
        assert not instance.relay.take_all([an_alert(severity, name)], instance.deadlines())[0].error
        instance.clock.pass_time(seconds=1)
    instance.store.calls.clear()


def stored(instance: Instance, name: str) -> Incident:
    found = instance.relay.look(key_of_incident(name), instance.deadlines())
    assert found is not None
    return found


def are_acknowledged(instance: Instance, *names: str) -> list[bool]:
    return [stored(instance, name).state is IncidentState.ACKNOWLEDGED for name in names]


def tick(instance: Instance, **later: float) -> None:
    instance.clock.pass_time(**later)
    assert instance.tick.run(instance.clock.monotonic()).error is None


# Done, and what it costs


def test_one_acknowledgement_costs_nine_round_trips(instance: Instance) -> None:
    take(instance, "db")
    text(instance, "ack")
    assert instance.store.calls == [
        *("gather", "open_incidents"),  # has this text come before, and what is open?
        *("gather", "commit"),  # the acknowledgement
        *("gather", "commit"),  # the text, and that it is answered
        *("gather", "commit", "commit"),  # Slack, Discord and email
    ]


def test_the_same_text_again_costs_one_round_trip_and_writes_nothing(instance: Instance) -> None:
    take(instance, "db")
    text(instance, "ack")
    instance.store.calls.clear()
    instance.store.written = 0
    text(instance, "ack")
    assert (instance.store.calls, instance.store.written) == (["gather"], 0)


def test_the_same_text_twice_at_the_same_moment_is_answered_once(instance: Instance) -> None:
    take(instance, "db")
    answers: list[str] = []

    def come_again(call: str) -> None:
        if call == "open_incidents":
            instance.store.before = lambda _: None
            answers.append(text(instance, "status"))

    instance.store.before = come_again
    answers.append(text(instance, "status"))
    assert [bool(answer) for answer in answers] == [True, False]


def test_what_somebody_else_acknowledged_meanwhile_counts_as_done(instance: Instance) -> None:
    take(instance, "db")

    def answer(call: str) -> None:
        if call == "open_incidents":
            instance.store.before = answer_now

    def answer_now(_: str) -> None:
        instance.store.before = lambda _: None
        instance.acknowledge(key_of_incident("db"))

    instance.store.before = answer
    assert text(instance, "ack").startswith("1 acknowledged: ")
    assert stored(instance, "db").acknowledged_by == "Ana"


def test_an_incident_that_cannot_be_read_is_in_nobodys_way(instance: Instance, store: Stubborn) -> None:
    take(instance, "db")
    place = SqlitePlace(store._file)
    place.plant(f"incidents/{'f' * 32}", to_fields(stored(instance, "db")) | {"schema": 99})
    assert text(instance, "ack all").startswith("1 acknowledged: ")


# The store fails in between


def test_what_the_store_did_not_take_is_answered_by_how_many(instance: Instance, store: Stubborn) -> None:
    take(instance, "a", "b", "c")
    store.unreachable = {key_of_incident("b")}
    assert text(instance, "ack") == "NOT acknowledged: 1 of 3, the pager cannot reach its database. Send it again."
    store.unreachable = set()
    assert are_acknowledged(instance, "a", "b", "c") == [True, False, True]


def test_sent_again_it_acknowledges_what_is_left(instance: Instance, store: Stubborn) -> None:
    take(instance, "a", "b", "c")
    store.unreachable = {key_of_incident("b")}
    text(instance, "ack")
    store.unreachable = set()
    assert text(instance, "ack", sid="SM2").startswith("1 acknowledged: ")
    assert are_acknowledged(instance, "a", "b", "c") == [True, True, True]


# Channels that are slow


def takes_seconds(instance: Instance, seconds: float) -> None:
    """Slack, for each message."""

    def send(_: Message) -> None:
        instance.clock.pass_time(seconds=seconds)

    instance.channels["slack"].on_send = send


def test_all_are_acknowledged_however_slow_a_channel_is(instance: Instance) -> None:
    names = [f"db-{number}" for number in range(12)]
    take(instance, *names, severity="warning")
    takes_seconds(instance, 2)
    assert text(instance, "ack all").startswith("12 acknowledged: ")
    assert are_acknowledged(instance, *names) == [True] * 12


def test_whoever_acknowledged_hears_so_however_slow_a_channel_is(instance: Instance) -> None:
    take(instance, "db")
    takes_seconds(instance, 6)
    assert text(instance, "ack").startswith("1 acknowledged: ")


def test_others_are_told_of_it_in_the_same_request(instance: Instance) -> None:
    take(instance, "a", "b")
    instance.channels["slack"].told.clear()
    text(instance, "ack")
    told = sorted(words.rpartition(": ")[2] for words in instance.channels["slack"].headlines)
    assert told == ["a is down", "b is down"]


def test_of_what_there_was_no_time_to_tell_the_tick_does(instance: Instance) -> None:
    names = [f"db-{number}" for number in range(12)]
    take(instance, *names, severity="warning")
    instance.channels["slack"].told.clear()
    takes_seconds(instance, 2)
    text(instance, "ack all")
    assert 1 <= len(instance.channels["slack"].told) < 12
    instance.channels["slack"].on_send = lambda _: None
    tick(instance, minutes=1)
    # Some perhaps twice: whoever was told too late for the record is told again.
    told = [one for message in instance.channels["slack"].told for one in message.roundup or (message,)]
    assert len({one.headline for one in told}) == 12


# A digest: one text for what the cap held back


def gather_a_digest(instance: Instance, *names: str) -> None:
    """Phone 1 is texted once of all these."""
    take(instance, "1", "2", "3", "4", "5")
    text(instance, "ack all", sid="SM-before")
    take(instance, *names)
    tick(instance, hours=1, minutes=1)
    assert instance.texts[-1].startswith(f"{len(names)} open: ")
    instance.store.calls.clear()


def test_ack_of_a_digest_acknowledges_all_that_it_tells_of(instance: Instance) -> None:
    gather_a_digest(instance, "a", "b", "c")
    assert text(instance, "ack").startswith("3 acknowledged: ")
    assert are_acknowledged(instance, "a", "b", "c") == [True, True, True]


def test_a_digest_can_be_acknowledged_by_its_ref(instance: Instance) -> None:
    gather_a_digest(instance, "a", "b")
    ref = instance.texts[-1].partition("#")[2].split()[0]
    assert text(instance, f"ack {ref}", phone=1).startswith("2 acknowledged: ")
    assert are_acknowledged(instance, "a", "b") == [True, True]


def test_ack_all_counts_what_a_digest_tells_of_and_not_the_digest(instance: Instance) -> None:
    gather_a_digest(instance, "a", "b")
    assert text(instance, "ack all").startswith("2 acknowledged: ")


def test_status_counts_what_a_digest_tells_of_and_not_the_digest(instance: Instance) -> None:
    gather_a_digest(instance, "a", "b")
    assert text(instance, "status").startswith("2 open: ")


def test_a_member_acknowledged_by_its_own_ref_leaves_the_others_open(instance: Instance) -> None:
    gather_a_digest(instance, "a", "b")
    text(instance, f"ack {stored(instance, 'a').ref}")
    assert are_acknowledged(instance, "a", "b") == [True, False]


def test_a_member_that_was_opened_anew_is_not_acknowledged_with_the_digest(instance: Instance) -> None:
    gather_a_digest(instance, "a", "b")
    closed = an_alert(incident_id="a", closed=True)
    instance.relay.take_all([closed], instance.deadlines())
    take(instance, "a")
    text(instance, f"ack {instance.texts[-2].partition('#')[2].split()[0]}")
    assert are_acknowledged(instance, "a", "b") == [False, True]


def test_a_digest_whose_members_the_store_does_not_take_stays_open_itself(instance: Instance, store: Stubborn) -> None:
    gather_a_digest(instance, "a", "b")
    store.unreachable = {key_of_incident("b")}
    assert text(instance, "ack").startswith("NOT acknowledged: 1 of 2")
    store.unreachable = set()
    assert are_acknowledged(instance, "a", "b") == [True, False]
    assert text(instance, "ack", sid="SM2").startswith("2 acknowledged: ")
    assert are_acknowledged(instance, "a", "b") == [True, True]


def test_all_of_a_digest_is_acknowledged_however_slow_a_channel_is(instance: Instance) -> None:
    names = [f"db-{number}" for number in range(8)]
    gather_a_digest(instance, *names)
    takes_seconds(instance, 2)
    assert text(instance, "ack").startswith("8 acknowledged: ")
    assert are_acknowledged(instance, *names) == [True] * 8


def test_so_it_is_where_somebody_answers_it_in_another_way(instance: Instance) -> None:
    names = [f"db-{number}" for number in range(8)]
    gather_a_digest(instance, *names)
    takes_seconds(instance, 2)
    instance.acknowledge(instance.channels["sms"].told[-1].incident)
    assert are_acknowledged(instance, *names) == [True] * 8
