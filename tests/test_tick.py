"""The tick: what is due, in which order, each of it once, whatever comes in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from notifier.core.alert import Alert, Severity
from notifier.core.beginning import key_of
from notifier.core.events import Alerted
from notifier.core.incident import DeliveryState, Incident, IncidentState, Kind
from notifier.core.listing import Listing, Text
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from notifier.ports import StoreDown, StoreRefused
from notifier.sending import at_once
from notifier.stores.documents import to_fields
from notifier.stores.sqlite import SqliteStore
from notifier.tick import Done, Tick
from tests.builders import NOON, POLICY, a_claim, an_alert, decide, failed_report, known
from tests.instances import SENT, Instance, VirtualClock
from tests.stores.places import SqlitePlace

T = TypeVar("T")


class RunningClock(VirtualClock):
    """The store's deadlines are in the machine's time: many of them one after the other need that to pass."""

    def monotonic(self) -> float:
        return time.monotonic()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def instance(file: Path) -> Iterator[Instance]:
    store = SqliteStore(file)
    yield Instance(store, VirtualClock())
    store.close()


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifier.tick.INCIDENTS_AT_ONCE", 1)
    monkeypatch.setattr("notifier.tick.APART", 99)


def tick(instance: Instance) -> Done:
    return instance.tick.run(instance.clock.monotonic())


def take(instance: Instance, *alerts: Alert) -> None:
    assert not [one.error for one in instance.relay.take_all(alerts, instance.deadlines()) if one.error]


def owe(instance: Instance, alert: Alert, minutes: float = 1) -> str:
    """Store an alert of so many minutes ago of which nothing has been sent; its key."""
    then = NOON - timedelta(minutes=minutes)
    store, key = instance.store.inner, key_of(alert, "")
    seen = store.gather(key, instance.clock.monotonic() + 30)
    unsent = decide(Alerted(alert), None, seen.ledger, now=then, claim=a_claim(then, send_seconds=-1))
    store.commit(seen, instance.clock.monotonic() + 30, incident=known(unsent))
    return key


def stored(instance: Instance, key: str) -> Incident:
    incident = instance.store.inner.gather(key, instance.clock.monotonic() + 30).incident
    assert incident is not None
    return incident


def titles(instance: Instance, channel: str = "slack") -> list[str]:
    """Of all that a channel was told, also in roundups."""
    told = [one for message in instance.channels[channel].told for one in message.roundup or (message,)]
    return [one.headline.partition(": ")[2].removesuffix(" is down") for one in told]


@pytest.mark.usefixtures("one_at_a_time")
def test_pages_go_first_and_then_the_oldest(instance: Instance) -> None:
    for name, severity, minutes in (
        ("new", "warning", 2),
        ("old", "warning", 4),
        ("young page", "critical", 1),
        ("old page", "critical", 3),
        ("older", "info", 5),
    ):
        owe(instance, an_alert(severity, name), minutes)
    done = tick(instance)
    assert titles(instance) == ["old page", "young page", "older", "old", "new"]
    assert (done.incidents, done.left, done.failed) == (5, 0, 0)
    assert done.sent == {"sent": 5 + 5 + 2 + 2}


def test_what_it_did_is_counted_by_how_it_ended(instance: Instance) -> None:
    owe(instance, an_alert("error"))
    instance.channels["slack"].ends = [Outcome(Result.RETRY, "busy")] * 2
    instance.channels["email"].ends = [Outcome(Result.REJECTED, "no such mailbox")]
    assert tick(instance).sent == {"retry": 2, "rejected": 1, "sent": 1 + 2}  # the notices: Slack and Discord


def test_eight_pages_are_taken_at_a_time_and_not_more(instance: Instance) -> None:
    eight = threading.Barrier(8, timeout=20)
    for number in range(24):
        owe(instance, an_alert("critical", f"{number}"))

    def wait_for_the_others(message: Message) -> None:
        if message.kind is Kind.OPENED:
            eight.wait()

    instance.channels["slack"].on_send = wait_for_the_others
    begun: list[int] = []

    def all_at_once(tasks: Sequence[Callable[[], T]], seconds: float) -> list[T | None]:
        begun.append(len(tasks))
        return at_once(tasks, seconds)

    instance.tick._all_at_once = all_at_once
    assert tick(instance).incidents == 24
    assert begun == [8]


def test_five_hundred_due_incidents_are_told_once_each(file: Path, instance: Instance) -> None:
    for number in range(500):
        owe(instance, an_alert("warning", f"{number}"))
    fresh = Instance(instance.store.inner, RunningClock())
    done = tick(fresh)
    assert (done.incidents, done.left, done.failed) == (500, 0, 0)
    assert sorted(titles(fresh)) == sorted(titles(fresh, "discord")) == sorted(map(str, range(500)))
    assert tick(fresh).incidents == 0


def test_more_than_one_search_finds_are_found_by_the_next(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifier.tick.DUE_AT_ONCE", 3)
    for number in range(7):
        owe(instance, an_alert("info", f"{number}"))
    assert tick(instance).incidents == 7
    assert instance.store.calls.count("due") == 4


def test_what_stays_due_is_taken_once_a_tick(instance: Instance) -> None:
    """Else one incident that the store refuses would hold the tick until its time is over."""
    owe(instance, an_alert("info"))

    def refuse(call: str) -> None:
        if call == "commit":
            raise StoreRefused("our own mistake")

    instance.store.before = refuse
    assert tick(instance).failed == 1
    assert instance.store.calls.count("due") == 2


def test_two_ticks_at_once_tell_everything_once(file: Path) -> None:
    store = SqliteStore(file)
    clock = VirtualClock()
    one, other = Instance(store, clock, name="one"), Instance(store, clock, name="other")
    for number in range(20):
        owe(one, an_alert("critical" if number < 4 else "warning", f"{number}"))
    both = threading.Barrier(2, timeout=20)

    def wait_for_each_other(instance: Instance) -> Callable[[str], None]:
        def before(call: str) -> None:
            # The first commit of each, once both have found and read.
            if call == "commit" and instance.store.calls.count("commit") == 1:
                both.wait()

        return before

    one.store.before, other.store.before = wait_for_each_other(one), wait_for_each_other(other)
    threads = [threading.Thread(target=tick, args=(instance,)) for instance in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for channel in ("slack", "discord"):
        assert sorted(titles(one, channel) + titles(other, channel)) == sorted(map(str, range(20)))
    assert len(one.texts) + len(other.texts) == 4
    store.close()


def test_a_late_tick_catches_up_in_one_go(instance: Instance) -> None:
    take(instance, an_alert("warning"))
    instance.clock.pass_time(minutes=25)
    tick(instance)
    assert instance.channels["email"].headlines == ["WARNING unanswered 25 min: db is down"]
    assert len(instance.texts) == 1
    instance.clock.pass_time(minutes=1)
    assert tick(instance).incidents == 0


def test_a_missed_hour_pages_each_phone_in_its_turn_and_not_all_at_once(instance: Instance) -> None:
    take(instance, an_alert())
    instance.clock.pass_time(hours=2)
    tick(instance)
    assert [message.phone for message in instance.channels["sms"].told] == [0, 1]


@pytest.mark.usefixtures("one_at_a_time")
def test_when_its_time_is_over_the_rest_is_left_to_the_next(instance: Instance) -> None:
    for number in range(12):
        owe(instance, an_alert("info", f"{number:02}"), minutes=60 - number)
    instance.channels["slack"].on_send = lambda _: instance.clock.pass_time(seconds=10)
    done = tick(instance)
    assert (done.incidents, done.left) == (5, 7)
    assert "ticked" in instance.store.calls
    instance.channels["slack"].on_send = lambda _: None
    assert tick(instance).incidents == 7
    assert titles(instance) == [f"{number:02}" for number in range(12)]


def test_without_the_time_for_one_it_begins_none(instance: Instance) -> None:
    owe(instance, an_alert())
    done = instance.tick.run(instance.clock.monotonic() - 48)
    assert (done.incidents, instance.channels["slack"].told) == (0, [])


class TestTogether:
    """Many messages that are due at once on one channel."""

    def owe_many(self, instance: Instance, *severities: str) -> list[str]:
        """Incidents named 0, 1, ..., the first of them the oldest; their keys."""
        count = len(severities)
        alerts = [an_alert(severity, f"{number}") for number, severity in enumerate(severities)]
        return [owe(instance, alert, minutes=(count - number) / 60) for number, alert in enumerate(alerts)]

    def test_are_told_one_by_one_up_to_four(self, instance: Instance) -> None:
        self.owe_many(instance, *["warning"] * 4)
        tick(instance)
        assert sorted(instance.channels["slack"].headlines) == [f"WARNING: {number} is down" for number in range(4)]

    def test_are_told_in_one_the_loudest_first_and_then_the_oldest(self, instance: Instance) -> None:
        self.owe_many(instance, "info", "warning", "error", "info", "error", "warning")
        assert tick(instance).incidents == 6
        assert instance.channels["slack"].headlines == ["6 alerts: 2 error, 2 warning, 2 info"]
        assert instance.channels["discord"].headlines == ["6 alerts: 2 error, 2 warning, 2 info"]
        # Of those the mail is owed two.
        assert sorted(instance.channels["email"].headlines) == ["ERROR: 2 is down", "ERROR: 4 is down"]
        assert titles(instance) == ["2", "4", "1", "5", "0", "3"]

    def test_are_each_recorded_with_how_they_were_told(self, instance: Instance) -> None:
        keys = self.owe_many(instance, *["warning"] * 5)
        assert tick(instance).sent == {"sent": 10}
        for key in keys:
            incident = stored(instance, key)
            assert incident.deliveries["opened/slack"].state is DeliveryState.SENT
            assert "slack told (in one message with 4 others)" in [entry.text for entry in incident.history]
        assert tick(instance).incidents == 0

    def test_hold_up_no_page(self, instance: Instance) -> None:
        self.owe_many(instance, *["warning"] * 9, "critical")
        tick(instance)
        assert titles(instance)[0] == "9"
        assert len(instance.texts) == 1

    def test_are_claimed_before_anything_is_sent(self, instance: Instance) -> None:
        keys = self.owe_many(instance, *["warning"] * 5)
        seen: list[DeliveryState] = []
        instance.channels["slack"].on_send = lambda _: seen.extend(
            stored(instance, key).deliveries["opened/slack"].state for key in keys
        )
        tick(instance)
        assert seen == [DeliveryState.CLAIMED] * 5

    def test_come_again_when_a_busy_channel_has_asked_for(self, instance: Instance) -> None:
        self.owe_many(instance, *["warning"] * 20)
        instance.channels["discord"].ends = [SENT, Outcome(Result.RETRY, "too many requests", retry_after=2)]
        began = instance.clock.now()
        assert tick(instance).sent == {"sent": 40}
        assert [len(message.roundup) for message in instance.channels["discord"].told] == [15, 5, 5]
        assert instance.clock.now() == began + timedelta(seconds=2)

    def test_are_not_hammered_at_a_busy_channel_that_asks_for_no_time(self, instance: Instance) -> None:
        self.owe_many(instance, *["warning"] * 5)
        instance.channels["slack"].ends = [Outcome(Result.RETRY, "too many requests", retry_after=0)] * 50
        assert tick(instance).sent == {"sent": 5, "retry": 5}
        assert len(instance.channels["slack"].told) < 10

    def test_that_a_channel_is_too_busy_for_are_left_to_the_next_tick(self, instance: Instance) -> None:
        keys = self.owe_many(instance, *["warning"] * 5)
        instance.channels["slack"].ends = [Outcome(Result.RETRY, "too many requests", retry_after=30)]
        assert tick(instance).sent == {"sent": 5, "retry": 5}
        page = stored(instance, keys[0]).deliveries["opened/slack"]
        assert (page.state, page.due_at) == (DeliveryState.PENDING, instance.clock.now() + timedelta(seconds=30))
        instance.clock.pass_time(minutes=1)
        assert tick(instance).sent == {"sent": 5}

    def test_that_are_refused_together_are_told_one_by_one(self, instance: Instance) -> None:
        keys = self.owe_many(instance, *["warning"] * 5)
        no = Outcome(Result.REJECTED, "invalid_blocks")
        instance.channels["slack"].ends = [no, SENT, no, SENT, SENT, SENT]
        tick(instance)
        states = [stored(instance, key).deliveries["opened/slack"].state for key in keys]
        assert states == [DeliveryState.SENT, DeliveryState.FAILED, *[DeliveryState.SENT] * 3]

    def test_that_may_have_been_told_are_told_again(self, instance: Instance) -> None:
        keys = self.owe_many(instance, *["warning"] * 5)
        instance.channels["slack"].ends = [Outcome(Result.UNKNOWN, "no answer")]
        tick(instance)
        assert {stored(instance, key).deliveries["opened/slack"].state for key in keys} == {DeliveryState.UNKNOWN}
        instance.clock.pass_time(minutes=1)
        assert tick(instance).sent == {"sent": 5}

    def test_that_have_no_time_left_are_not_begun_with(self, instance: Instance) -> None:
        keys = self.owe_many(instance, *["warning"] * 40)
        instance.channels["discord"].on_send = lambda _: instance.clock.pass_time(seconds=4)
        tick(instance)
        told = len(instance.channels["discord"].told)
        assert told == 2
        left = [
            key for key in keys if stored(instance, key).deliveries["opened/discord"].state is DeliveryState.PENDING
        ]
        assert len(left) == 10
        instance.channels["discord"].on_send = lambda _: None
        instance.clock.pass_time(minutes=1)
        tick(instance)
        assert {stored(instance, key).deliveries["opened/discord"].state for key in keys} == {DeliveryState.SENT}

    def test_leave_a_tick_the_time_for_a_page_that_the_cap_held_back(self, instance: Instance) -> None:
        take(instance, *[an_alert(incident_id=name) for name in "abcde"])
        take(instance, an_alert(incident_id="f"))
        for name in "abcde":
            instance.acknowledge(key_of(an_alert(incident_id=name), ""))
        instance.clock.pass_time(minutes=61)
        for number in range(700):
            owe(instance, an_alert("info", f"{number}"))
        instance.channels["slack"].on_send = lambda _: instance.clock.pass_time(seconds=4)
        tick(instance)
        assert instance.texts[-1].startswith("CRITICAL: f is down")
        assert len(instance.texts) == 6

    def test_that_become_pages_meanwhile_are_texted_each_by_itself(self, instance: Instance) -> None:
        policy = msgspec.structs.replace(POLICY, sms=msgspec.structs.replace(POLICY.sms, max_per_hour=20))
        instance.relay._policy = instance.tick._policy = policy
        keys = self.owe_many(instance, *["warning"] * 6)
        instance.clock.pass_time(minutes=POLICY.escalation[Severity.CRITICAL] / timedelta(minutes=1) - 0.2)

        def pass_time(call: str) -> None:
            # As the posts of a hundred before these take it.
            if call == "due" and instance.store.calls.count("due") == 1:
                instance.clock.pass_time(seconds=20)

        instance.store.before = pass_time
        tick(instance)
        assert [len(told.roundup) for told in instance.channels["sms"].told] == [0] * 6
        pages = [stored(instance, key).deliveries["escalated/sms/0/1"].state for key in keys]
        assert pages == [DeliveryState.SENT] * 6

    def test_of_which_one_conflicts_are_told_all_the_same(self, instance: Instance) -> None:
        keys = self.owe_many(instance, *["warning"] * 6)
        other = Instance(instance.store.inner, instance.clock, name="other")

        def answer_the_first(call: str) -> None:
            if call == "commit" and instance.store.calls.count("commit") == 1:
                other.acknowledge(keys[0])

        instance.store.before = answer_the_first
        done = tick(instance)
        assert (done.incidents, done.failed) == (6, 0)
        assert stored(instance, keys[0]).state is IncidentState.ACKNOWLEDGED
        assert sorted(titles(instance) + titles(other)) == ["0", *map(str, range(6))]

    def test_of_which_the_store_refuses_one_are_told_all_the_same(self, instance: Instance) -> None:
        self.owe_many(instance, *["warning"] * 6)

        def refuse(call: str) -> None:
            if call == "commit" and instance.store.calls.count("commit") == 1:
                raise StoreRefused("our own mistake")

        instance.store.before = refuse
        done = tick(instance)
        assert (done.incidents, done.failed) == (5, 1)
        assert len(titles(instance)) == 5

    def test_of_which_one_meets_a_bug_of_ours_are_told_all_the_same(self, instance: Instance) -> None:
        self.owe_many(instance, *["warning"] * 6)

        def stumble(call: str) -> None:
            if call == "commit" and instance.store.calls.count("commit") == 1:
                raise ZeroDivisionError

        instance.store.before = stumble
        done = tick(instance)
        assert (done.incidents, done.failed) == (5, 1)
        assert any(
            severity is Severity.CRITICAL and "ZeroDivisionError" in line for severity, line in instance.log.lines
        )

    def test_are_found_again_by_the_next_tick_after_a_crash(self, instance: Instance) -> None:
        keys = self.owe_many(instance, *["warning"] * 5)

        def crash(_: Message) -> None:
            raise KeyboardInterrupt

        instance.channels["slack"].on_send = crash
        with pytest.raises(KeyboardInterrupt):
            tick(instance)
        instance.channels["slack"].on_send = lambda _: None
        assert {stored(instance, key).deliveries["opened/slack"].state for key in keys} == {DeliveryState.CLAIMED}
        instance.clock.pass_time(minutes=1)
        tick(instance)
        assert {stored(instance, key).deliveries["opened/slack"].state for key in keys} == {DeliveryState.SENT}


class TestUnreadable:
    """A document that nobody can read."""

    def plant(self, instance: Instance, file: Path, minutes: float = 30) -> None:
        key = owe(instance, an_alert("info", "newer"), minutes)
        place = SqlitePlace(file)
        fields = to_fields(stored(instance, key))
        place.remove(f"incidents/{key}")
        place.plant(f"incidents/{key}", fields | {"schema": 99})

    def test_is_told_put_off_and_holds_up_nobody(self, instance: Instance, file: Path) -> None:
        self.plant(instance, file)
        owe(instance, an_alert("info"))
        done = tick(instance)
        assert (done.unreadable, done.incidents, done.failed) == (1, 1, 0)
        assert sorted(instance.channels["email"].headlines) == ["ERROR: A stored incident we could not read"]
        (message,) = instance.channels["email"].told
        assert "written by a newer notifier (schema 99" in message.body
        assert "db is down" in str(instance.channels["slack"].headlines)
        assert "ticked" in instance.store.calls

    def test_is_passed_over_for_five_minutes_and_not_told_again(self, instance: Instance, file: Path) -> None:
        self.plant(instance, file)
        tick(instance)
        instance.clock.pass_time(minutes=4, seconds=59)
        assert tick(instance).unreadable == 0
        instance.clock.pass_time(seconds=1)
        assert tick(instance).unreadable == 1
        assert len(instance.channels["email"].told) == 1

    def test_is_not_put_off_before_it_is_told(self, instance: Instance, file: Path) -> None:
        self.plant(instance, file)

        def down(call: str) -> None:
            if call == "commit":
                raise StoreDown("the store does not answer")

        instance.store.before = down
        assert tick(instance).failed == 1
        assert "put_off" not in instance.store.calls
        instance.store.before = lambda _: None
        assert tick(instance).unreadable == 1


class TestWaiting:
    """Pages the cap holds back."""

    def hold_back(self, instance: Instance, *names: str) -> None:
        """Two texts, half an hour later three, and then these wait."""
        take(instance, an_alert(incident_id="a"), an_alert(incident_id="b"))
        instance.clock.pass_time(minutes=30)
        take(instance, *[an_alert(incident_id=name) for name in "cde"])
        for name in names:
            instance.clock.pass_time(minutes=1)
            take(instance, an_alert(incident_id=name))
        # Nobody's next phone is of interest here.
        for name in "abcde":
            instance.acknowledge(key_of(an_alert(incident_id=name), ""))
        instance.channels["sms"].told.clear()

    def make_room(self, instance: Instance) -> None:
        instance.clock.pass_time(minutes=30)

    def page_on(self, instance: Instance) -> None:
        """The next phone is due, and there is room for a page that is no first one."""
        instance.clock.pass_time(minutes=40)
        tick(instance)

    def test_wait_until_the_window_has_room(self, instance: Instance) -> None:
        self.hold_back(instance, "first", "second", "third")
        instance.clock.pass_time(minutes=27)
        assert tick(instance).incidents == 0
        instance.clock.pass_time(seconds=40)
        assert tick(instance).incidents == 1

    def test_go_out_as_one_text_the_longest_waiting_first(self, instance: Instance) -> None:
        self.hold_back(instance, "first", "second", "third")
        self.make_room(instance)
        assert tick(instance).sent == {"sent": 1}
        (text,) = instance.texts
        assert text.startswith("3 open: first is down, second is down, third is down #")

    def test_that_were_told_in_one_text_are_not_told_again(self, instance: Instance) -> None:
        self.hold_back(instance, "first", "second")
        self.make_room(instance)
        tick(instance)
        instance.clock.pass_time(minutes=10)
        tick(instance)
        assert len(instance.texts) == 1
        page = stored(instance, key_of(an_alert(incident_id="first"), "")).deliveries["opened/sms/0/1"]
        assert page.state is DeliveryState.DIGESTED

    def test_that_nobody_answers_go_to_the_next_phone_as_one_text(self, instance: Instance) -> None:
        self.hold_back(instance, "first", "second", "third")
        self.make_room(instance)
        tick(instance)
        instance.acknowledge(key_of(an_alert(incident_id="second"), ""))
        self.page_on(instance)
        assert [text.rpartition(" #")[0] for text in instance.texts] == [
            "3 open: first is down, second is down, third is down",
            "2 open: first is down, third is down",
        ]
        assert [message.phone for message in instance.channels["sms"].told] == [0, 1]

    def test_that_were_all_answered_go_to_nobody_else(self, instance: Instance) -> None:
        self.hold_back(instance, "first", "second")
        self.make_room(instance)
        tick(instance)
        for name in ("first", "second"):
            instance.acknowledge(key_of(an_alert(incident_id=name), ""))
        self.page_on(instance)
        assert len(instance.texts) == 1

    def test_that_cannot_be_read_any_more_count_as_open(self, instance: Instance, file: Path) -> None:
        self.hold_back(instance, "first", "second")
        self.make_room(instance)
        tick(instance)
        key = key_of(an_alert(incident_id="first"), "")
        newer = to_fields(stored(instance, key)) | {"schema": 99}
        SqlitePlace(file).remove(f"incidents/{key}")
        SqlitePlace(file).plant(f"incidents/{key}", newer)
        instance.acknowledge(key_of(an_alert(incident_id="second"), ""))
        self.page_on(instance)
        assert instance.texts[-1].startswith("1 open: first is down #")

    def test_alone_goes_out_in_its_own_words(self, instance: Instance) -> None:
        self.hold_back(instance, "first")
        self.make_room(instance)
        tick(instance)
        (text,) = instance.texts
        assert text.startswith("CRITICAL: first is down #")

    def test_are_sent_by_an_alerts_request_when_the_scheduler_is_dead(self, instance: Instance) -> None:
        self.hold_back(instance, "first", "second")
        self.make_room(instance)
        instance.tick.catch_up(None, instance.clock.monotonic() + 8)
        assert len(instance.texts) == 1

    def test_are_not_all_read_while_the_window_is_full(self, instance: Instance) -> None:
        self.hold_back(instance, "first", "second")
        instance.store.calls.clear()
        tick(instance)
        assert instance.store.calls.count("waiting") == 1

    def test_that_were_acknowledged_wait_no_more(self, instance: Instance) -> None:
        self.hold_back(instance, "first", "second")
        for name in ("first", "second"):
            instance.acknowledge(key_of(an_alert(incident_id=name), ""))
        instance.clock.pass_time(hours=2)
        tick(instance)
        assert instance.texts == []


class TestReported:
    """A text the provider took: what became of it."""

    def ask(self, instance: Instance, minutes: float) -> int:
        """How often the provider is asked within so many minutes after a page went out."""
        take(instance, an_alert())
        for _ in range(round(minutes * 2)):
            instance.clock.pass_time(seconds=30)
            tick(instance)
        return len(instance.list.asked)

    @pytest.mark.parametrize(("minutes", "times"), [(5, 0), (5.5, 1), (14, 1)])
    def test_is_asked_for_once_when_no_word_of_it_came(self, instance: Instance, minutes: float, times: int) -> None:
        assert self.ask(instance, minutes) == times

    def test_is_not_asked_for_once_somebody_has_answered(self, instance: Instance) -> None:
        take(instance, an_alert())
        instance.acknowledge(key_of(an_alert(), ""))
        instance.clock.pass_time(minutes=6)
        tick(instance)
        assert instance.list.asked == []

    def test_and_the_list_says_that_it_failed_so_the_next_phone_is_paged(self, instance: Instance) -> None:
        instance.channels["sms"].ends = [Outcome(Result.SENT, provider_id="SM1")]
        failed = Text(id="SM1", created_at=NOON, report=failed_report("30003: the phone is off"))
        instance.list.listing = Listing(texts=(failed,))
        self.ask(instance, 5.5)
        assert [message.phone for message in instance.channels["sms"].told] == [0, 1]
        assert "NOT texted to phone 1: 30003: the phone is off; phone 2 is next" in instance.channels["email"].headlines


class RecordedHeartbeat:
    """Somebody else's watchdog."""

    def __init__(self, why: str = "") -> None:
        self.why = why
        self.deadlines: list[float] = []

    def beat(self, deadline: float) -> str:
        self.deadlines.append(deadline)
        return self.why


class TestHeartbeat:
    """Somebody else's watchdog hears of each good tick, and of no other."""

    def ticked(self, instance: Instance, heartbeat: RecordedHeartbeat) -> Done:
        watched = Tick(
            relay=instance.relay,
            store=instance.store,
            policy=POLICY,
            clock=instance.clock,
            log=instance.log,
            all_at_once=at_once,
            heartbeat=heartbeat,
        )
        return watched.run(instance.clock.monotonic())

    def test_it_comes_after_all_is_done_and_remembered(self, instance: Instance) -> None:
        owe(instance, an_alert("info"))
        heartbeat = RecordedHeartbeat()
        assert self.ticked(instance, heartbeat).incidents == 1
        assert "ticked" in instance.store.calls
        assert heartbeat.deadlines == [instance.clock.monotonic() + 5]

    def test_not_when_the_store_could_not_be_searched(self, instance: Instance) -> None:
        def down(call: str) -> None:
            raise StoreDown(f"{call}: the store does not answer")

        instance.store.before = down
        heartbeat = RecordedHeartbeat()
        self.ticked(instance, heartbeat)
        assert heartbeat.deadlines == []

    def test_not_when_an_incident_could_not_be_taken(self, instance: Instance) -> None:
        owe(instance, an_alert("info"))

        def refuse(call: str) -> None:
            if call == "commit":
                raise StoreRefused("our own mistake")

        instance.store.before = refuse
        heartbeat = RecordedHeartbeat()
        assert self.ticked(instance, heartbeat).failed == 1
        assert heartbeat.deadlines == []

    def test_one_that_is_not_heard_is_logged_and_the_tick_is_good_all_the_same(self, instance: Instance) -> None:
        done = self.ticked(instance, RecordedHeartbeat("hc.example.com answered 404; check HEARTBEAT_URL"))
        assert done.error is None
        assert "the heartbeat was not heard: hc.example.com answered 404; check HEARTBEAT_URL" in instance.log.text


class TestTrouble:
    """The store, or one incident, does not do as it should."""

    def test_a_search_that_fails_is_said(self, instance: Instance) -> None:
        def down(call: str) -> None:
            if call == "due":
                raise StoreDown("the store does not answer")

        instance.store.before = down
        done = tick(instance)
        assert isinstance(done.error, StoreDown)
        assert "ticked" not in instance.store.calls
        assert "the tick cannot go on: the store does not answer" in instance.log.text

    def test_an_incident_the_store_does_not_let_through_holds_up_no_other(self, instance: Instance) -> None:
        for number in range(3):
            owe(instance, an_alert("info", f"{number}"))
        refused = iter([True])

        def refuse(call: str) -> None:
            if call == "commit" and next(refused, False):
                raise StoreRefused("our own mistake")

        instance.store.before = refuse
        done = tick(instance)
        assert (done.incidents, done.failed) == (2, 1)
        assert "ticked" in instance.store.calls  # else every alert would take the scheduler for dead
        assert "an incident that is due was not taken: our own mistake" in instance.log.text
        assert tick(instance).incidents == 1

    def test_our_own_mistake_with_one_holds_up_no_other(
        self, instance: Instance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = owe(instance, an_alert("info", "bad"), minutes=9)
        owe(instance, an_alert("info"))
        right = instance.relay.tick

        def stumble(key: str, *arguments: object, **more: object) -> object:
            if key == bad:
                raise ZeroDivisionError("https://hooks.example.com/secret")
            return right(key, *arguments, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(instance.relay, "tick", stumble)
        done = tick(instance)
        assert (done.incidents, done.failed) == (1, 1)
        assert "ZeroDivisionError" in instance.log.text
        assert "secret" not in instance.log.text

    def test_nothing_due_costs_two_searches_and_one_mark(self, instance: Instance) -> None:
        take(instance, an_alert("info"))
        instance.store.calls.clear()
        tick(instance)
        assert instance.store.calls == ["due", "waiting", "ticked"]


class TestCatchingUp:
    """The scheduler has stopped: an alert's request does a few."""

    def catch_up(self, instance: Instance, minutes: float | None, seconds: float = 8) -> list[str]:
        """What is told when the tick was last here so many minutes ago."""
        for number in range(5):
            owe(instance, an_alert("info", f"{number}"), minutes=60 - number)
        last = None if minutes is None else instance.clock.now() - timedelta(minutes=minutes)
        instance.store.calls.clear()
        instance.tick.catch_up(last, instance.clock.monotonic() + seconds)
        return sorted(titles(instance))

    @pytest.mark.parametrize("minutes", [None, 3.1, 10_000])
    def test_three_are_done_the_oldest_first(self, instance: Instance, minutes: float | None) -> None:
        assert self.catch_up(instance, minutes) == ["0", "1", "2"]
        assert "the minute tick has" in instance.log.text

    @pytest.mark.parametrize("minutes", [0, 3, -1])
    def test_none_where_the_tick_was_here(self, instance: Instance, minutes: float) -> None:
        assert self.catch_up(instance, minutes) == []
        assert instance.store.calls == []

    def test_none_without_the_time_for_it(self, instance: Instance) -> None:
        assert self.catch_up(instance, None, seconds=2.9) == []
        assert instance.store.calls == []

    def test_nothing_due_is_not_worth_a_word(self, instance: Instance) -> None:
        instance.tick.catch_up(None, instance.clock.monotonic() + 8)
        assert instance.log.lines == []

    def test_a_search_that_fails_costs_the_request_nothing(self, instance: Instance) -> None:
        def down(_: str) -> None:
            raise StoreDown("the store does not answer")

        instance.store.before = down
        assert self.catch_up(instance, None) == []
        assert "what is due cannot be searched for: the store does not answer" in instance.log.text

    def test_an_alert_learns_when_the_tick_was_here(self, instance: Instance) -> None:
        (before,) = instance.relay.take_all([an_alert("info")], instance.deadlines())
        tick(instance)
        (after,) = instance.relay.take_all([an_alert("info", "web")], instance.deadlines())
        assert (before.last_tick, after.last_tick) == (None, NOON)


class TestLost:
    """A page whose record never came."""

    def lose(self, instance: Instance) -> str:
        """Everything of a critical alert is sent, and the instance dies before the record."""

        def before(call: str) -> None:
            if call == "commit" and instance.store.calls.count("commit") == 2:
                raise StoreDown("dead")

        instance.store.before = before
        instance.relay.take_all([an_alert()], instance.deadlines())
        instance.store.before = lambda _: None
        assert len(instance.texts) == 1
        return key_of(an_alert(), "")

    def test_is_looked_up_twice_and_sent_again_when_the_list_does_not_show_it(self, instance: Instance) -> None:
        self.lose(instance)
        sent: list[int] = []
        for _ in range(4):
            instance.clock.pass_time(seconds=30)
            tick(instance)
            sent.append(len(instance.texts))
        assert sent == [1, 2, 2, 2]
        assert len(instance.list.asked) == 2
        assert len(instance.channels["slack"].told) == 2

    def test_is_asked_for_with_its_phone_and_since_its_claim_or_the_hour(self, instance: Instance) -> None:
        self.lose(instance)
        instance.clock.pass_time(seconds=30)
        tick(instance)
        ((phone, since),) = instance.list.asked
        assert phone == 0
        assert NOON - timedelta(hours=1, minutes=1) <= since <= NOON - timedelta(seconds=5)

    def test_our_own_mistake_in_reading_the_list_is_no_answer(self, instance: Instance) -> None:
        key = self.lose(instance)

        def stumble() -> None:
            raise ZeroDivisionError

        instance.list.on_look = stumble
        instance.clock.pass_time(seconds=30)
        tick(instance)
        page = stored(instance, key).deliveries["opened/sms/0/1"]
        assert (page.state, page.not_found_at) == (DeliveryState.UNKNOWN, None)
        assert len(instance.texts) == 1

    def test_answered_while_it_is_looked_up_it_is_not_sent_again(self, instance: Instance) -> None:
        key = self.lose(instance)
        instance.clock.pass_time(seconds=30)
        tick(instance)
        instance.clock.pass_time(seconds=30)
        other = Instance(instance.store.inner, instance.clock, name="other")

        def answer() -> None:
            other.acknowledge(key)

        instance.list.on_look = answer
        tick(instance)
        assert len(instance.texts) == 1
        assert stored(instance, key).deliveries["opened/sms/0/1"].due_at is None
