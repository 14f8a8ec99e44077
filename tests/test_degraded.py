"""The road when the store is down: somebody is still woken, and no one too often."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from notifier.core.alert import Alert
from notifier.core.beginning import key_of
from notifier.core.incident import IncidentState, ref_of
from notifier.core.listing import Listing, Text
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from notifier.core.unreadable import unreadable_alert
from notifier.ports import Conflict, DocumentUnreadable, StoreDown, StoreError, StoreRefused
from notifier.stores.sqlite import SqliteStore
from tests.builders import NOON, SHIPPED, an_alert, texting
from tests.instances import Instance, VirtualClock

UNREADABLE = Listing(trouble="403: no right to read")
FREE = {"slack", "discord", "email"}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    store = SqliteStore(tmp_path / "state.sqlite")
    yield down(Instance(store, VirtualClock()))
    store.close()


def down(instance: Instance, error: StoreError | None = None) -> Instance:
    def fail(_: str) -> None:
        raise error or StoreDown("the store does not answer")

    instance.store.before = fail
    return instance


def up(instance: Instance) -> None:
    instance.store.before = lambda _: None


def take(instance: Instance, *alerts: Alert) -> None:
    """They come while the store is down."""
    taken = instance.relay.take_all(alerts or (an_alert(),), instance.deadlines())
    assert all(isinstance(one.error, StoreError) and one.incident is None for one in taken)


def store_again(instance: Instance, *alerts: Alert) -> None:
    taken = instance.relay.take_all(alerts or (an_alert(),), instance.deadlines())
    assert not [one.error for one in taken if one.error]


def told(instance: Instance) -> dict[str, int]:
    return {name: len(channel.told) for name, channel in instance.channels.items()}


def a_text(incident_id: str, created_at: datetime = NOON) -> Text:
    ref = ref_of(key_of(an_alert(incident_id=incident_id), ""), 1)
    return Text(id=f"SM{incident_id}", created_at=created_at, body=f"CRITICAL: {incident_id} is down #{ref}")


def lists_what_it_texted(*instances: Instance) -> None:
    """The provider's list shows every text of these instances to the phone that is asked for, at once."""
    texts: list[tuple[int | None, Text]] = []

    def look_up(phone: int, since: datetime, deadline: float) -> Listing:
        return Listing(texts=tuple(text for to, text in texts if to == phone and text.created_at >= since))

    for instance in instances:

        def listed(message: Message, instance: Instance = instance) -> None:
            text = Text(id=f"SM{len(texts)}", created_at=instance.clock.now(), body=message.sms)
            texts.append((message.phone, text))

        instance.channels["sms"].on_send = listed
        instance.list.look_up = look_up  # type: ignore[method-assign]


class TestTelling:
    """The free channels."""

    def test_each_hears_of_an_incident_once_with_the_reason(self, instance: Instance) -> None:
        for _ in range(3):
            take(instance, an_alert("error"))
        assert told(instance) == {"slack": 1, "discord": 1, "email": 1, "sms": 0}
        assert instance.channels["email"].headlines == ["ERROR: db is down (state store unreachable)"]

    def test_only_those_of_its_route_hear_it(self, instance: Instance) -> None:
        take(instance, an_alert("warning"))
        assert told(instance) == {"slack": 1, "discord": 1, "email": 0, "sms": 0}

    def test_raised_meanwhile_those_newly_reached_hear_it_and_no_other(self, instance: Instance) -> None:
        take(instance, an_alert("warning"))
        take(instance, an_alert("critical"))
        assert told(instance) == {"slack": 1, "discord": 1, "email": 1, "sms": 1}

    def test_two_incidents_are_told_apart(self, instance: Instance) -> None:
        take(instance, an_alert("info"), an_alert("info", "web"))
        assert told(instance)["slack"] == 2

    @pytest.mark.parametrize(("result", "count"), [(Result.RETRY, 2), (Result.REJECTED, 2), (Result.UNKNOWN, 1)])
    def test_a_channel_that_certainly_did_not_hear_it_is_told_at_the_next_try(
        self, instance: Instance, result: Result, count: int
    ) -> None:
        instance.channels["slack"].ends = [Outcome(result, "busy")]
        take(instance, an_alert("info"))
        take(instance, an_alert("info"))
        assert told(instance)["slack"] == count
        assert told(instance)["discord"] == 1

    def test_an_outage_of_more_than_a_day_is_told_of_again(self, instance: Instance) -> None:
        take(instance, an_alert("info"))
        instance.clock.pass_time(hours=23, minutes=59)
        take(instance, an_alert("info"))
        assert told(instance)["slack"] == 1
        instance.clock.pass_time(minutes=1)
        take(instance, an_alert("info"))
        assert told(instance)["slack"] == 2

    def test_a_close_is_told_nowhere(self, instance: Instance) -> None:
        take(instance, an_alert(closed=True))
        assert set(told(instance).values()) == {0}

    def test_every_test_notification_is_told(self, instance: Instance) -> None:
        for _ in range(2):
            take(down(instance), an_alert(incident_id="12345", test=True))
        assert told(instance) == {"slack": 2, "discord": 2, "email": 2, "sms": 0}

    def test_an_unreadable_body_is_told_and_not_texted(self, instance: Instance) -> None:
        take(instance, unreadable_alert("1", "expected JSON"))
        assert told(instance) == {"slack": 1, "discord": 1, "email": 1, "sms": 0}

    def test_the_log_says_what_became_of_it(self, instance: Instance) -> None:
        take(instance, an_alert())
        assert "state store unreachable: slack: sent" in instance.log.text
        assert "state store unreachable: phone 1: sent" in instance.log.text

    def test_the_same_alert_in_two_threads_is_told_once(self, instance: Instance) -> None:
        both = threading.Barrier(2, timeout=20)

        def fail(_: str) -> None:
            both.wait()
            raise StoreDown("the store does not answer")

        instance.store.before = fail
        threads = [threading.Thread(target=take, args=(instance,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert told(instance) == {"slack": 1, "discord": 1, "email": 1, "sms": 1}


class TestTexting:
    """The phone."""

    def test_a_critical_alert_is_texted_once(self, instance: Instance) -> None:
        for _ in range(3):
            take(instance)
            instance.clock.pass_time(seconds=15)
        assert len(instance.texts) == 1
        assert instance.texts[0].startswith("CRITICAL: db is down #")
        assert "not texted: this instance has texted it already" in instance.log.text

    @pytest.mark.parametrize("severity", ["info", "warning", "error", ""])
    def test_nothing_below_is(self, instance: Instance, severity: str) -> None:
        take(instance, an_alert(severity))
        assert instance.texts == []
        assert instance.list.asked == []

    def test_the_list_is_read_before_and_of_every_phone(self, instance: Instance) -> None:
        take(instance)
        assert sorted(phone for phone, _ in instance.list.asked) == [0, 1]
        assert all(since <= NOON - timedelta(hours=1) for _, since in instance.list.asked)

    def test_what_the_list_shows_of_it_is_not_texted(self, instance: Instance) -> None:
        instance.list.listing = Listing(texts=(a_text("db"),))
        take(instance)
        assert instance.texts == []
        assert "not texted: it was texted already, says Twilio's list" in instance.log.text
        assert told(instance)["slack"] == 1

    def test_instances_that_come_one_after_the_other_text_once(self, instance: Instance) -> None:
        others = [down(Instance(instance.store.inner, instance.clock, name=f"other {number}")) for number in range(3)]
        lists_what_it_texted(instance, *others)
        for one in (instance, *others):
            take(one)
            instance.clock.pass_time(seconds=1)
        assert [len(one.texts) for one in (instance, *others)] == [1, 0, 0, 0]
        assert [told(one)["slack"] for one in others] == [1, 1, 1]

    def test_never_more_than_the_cap_as_the_list_counts(self, instance: Instance) -> None:
        lists_what_it_texted(instance)
        for number in range(8):
            take(instance, an_alert(incident_id=f"{number}"))
        assert len(instance.texts) == 5
        assert instance.log.text.count("not texted: SMS rate cap (5/hr) hit, says Twilio's list") == 3

    def test_nor_as_this_instance_remembers(self, instance: Instance) -> None:
        """The list shows none of them, however late it is."""
        for number in range(8):
            take(instance, an_alert(incident_id=f"{number}"))
            instance.clock.pass_time(minutes=1)
        assert len(instance.texts) == 5

    def test_the_next_waits_until_the_last_is_listed(self, instance: Instance) -> None:
        """What the list does not show yet of this instance, it may not show of others either."""
        take(instance, an_alert(incident_id="first"))
        take(instance, an_alert(incident_id="second"))
        assert len(instance.texts) == 1
        assert "the last text from here is not in Twilio's list yet" in instance.log.text
        instance.list.listing = Listing(texts=(a_text("first"),))
        take(instance, an_alert(incident_id="second"))
        assert len(instance.texts) == 2

    def test_at_the_cap_the_free_channels_hear_once_what_was_not_texted(self, instance: Instance) -> None:
        refs = [ref_of(str(number), 1) for number in range(5)]
        texts = [Text(id=ref, created_at=NOON, body=f"CRITICAL: web #{ref}") for ref in refs]
        instance.list.listing = Listing(texts=tuple(texts))
        take(instance)
        take(instance)
        assert instance.channels["slack"].headlines == [
            "CRITICAL: db is down (state store unreachable)",
            "SMS rate cap (5/hr) hit, says Twilio's list: not texted: CRITICAL: db is down (state store unreachable)",
        ]

    def test_without_the_time_to_look_nobody_is_texted(self, instance: Instance) -> None:
        """The sender tries again; a text on a list that nobody could read might be one too many."""
        send_by = instance.clock.monotonic() + 1
        instance.degraded.take(key_of(an_alert(), ""), an_alert(), send_by, may_text=True)
        assert instance.texts == []
        assert "no time was left to look into Twilio's list" in instance.log.text

    def test_an_hour_later_there_is_room_again(self, instance: Instance) -> None:
        for number in range(5):
            take(instance, an_alert(incident_id=f"{number}"))
            instance.clock.pass_time(minutes=1)
        instance.clock.pass_time(seconds=3_600 - 5 * 60)
        take(instance, an_alert(incident_id="early"))
        assert len(instance.texts) == 5
        instance.clock.pass_time(seconds=11)
        take(instance, an_alert(incident_id="sixth"))
        assert len(instance.texts) == 6

    def test_without_a_list_one_text_an_hour(self, instance: Instance) -> None:
        instance.list.listing = UNREADABLE
        for number in range(4):
            take(instance, an_alert(incident_id=f"{number}"))
            instance.clock.pass_time(minutes=15)
        assert len(instance.texts) == 1
        instance.clock.pass_time(minutes=15)
        take(instance, an_alert(incident_id="later"))
        assert len(instance.texts) == 2
        assert "Twilio's list cannot be read (403: no right to read)" in instance.log.text

    def test_a_phone_that_refuses_is_followed_by_the_next(self, instance: Instance) -> None:
        instance.channels["sms"].ends = [Outcome(Result.REJECTED, "21211: no such number")]
        take(instance)
        assert [message.phone for message in instance.channels["sms"].told] == [0, 1]

    @pytest.mark.parametrize("result", [Result.RETRY, Result.UNKNOWN])
    def test_any_other_end_is_followed_by_none(self, instance: Instance, result: Result) -> None:
        instance.channels["sms"].ends = [Outcome(result, "busy")]
        take(instance)
        assert len(instance.texts) == 1

    @pytest.mark.parametrize(("result", "count"), [(Result.RETRY, 2), (Result.UNKNOWN, 1)])
    def test_what_was_certainly_not_sent_is_texted_at_the_next_try(
        self, instance: Instance, result: Result, count: int
    ) -> None:
        instance.channels["sms"].ends = [Outcome(result, "busy")]
        take(instance)
        take(instance)
        assert len(instance.texts) == count

    def test_all_phones_that_refuse_leave_the_next_try_free(self, instance: Instance) -> None:
        instance.channels["sms"].ends = [Outcome(Result.REJECTED, "landline")] * 2
        take(instance)
        take(instance)
        assert len(instance.texts) == 3

    def test_it_waits_a_moment_of_its_own_before_it_looks(self, instance: Instance) -> None:
        """Half of two seconds, as the test's chance is always one half."""
        looked_at: list[datetime] = []
        instance.list.on_look = lambda: looked_at.append(instance.clock.now())
        take(instance)
        assert set(looked_at) == {NOON + timedelta(seconds=1)}

    def test_without_sms_nobody_is_texted(self, tmp_path: Path) -> None:
        store = SqliteStore(tmp_path / "other.sqlite")
        instance = down(Instance(store, VirtualClock(), SHIPPED.deployed({"slack"}, texting(0))))
        take(instance)
        assert told(instance) == {"slack": 1}
        store.close()

    def test_the_free_channels_do_not_wait_for_the_list(self, instance: Instance) -> None:
        slack = threading.Event()
        instance.channels["slack"].on_send = lambda _: slack.set()
        heard: list[bool] = []
        instance.list.on_look = lambda: heard.append(slack.wait(20))
        take(instance)
        assert heard == [True, True]


@pytest.mark.parametrize(
    ("error", "texts"),
    [
        (StoreDown("no answer"), 1),
        (DocumentUnreadable("incidents/1 cannot be read"), 1),
        (StoreRefused("our own mistake"), 0),
        (Conflict("too many"), 0),
    ],
)
def test_only_an_outage_or_a_document_nobody_can_read_is_worth_a_text(
    instance: Instance, error: StoreError, texts: int
) -> None:
    """What the store refuses is our own mistake: told on the free channels, and no text for each repeat of it."""

    def fail(call: str) -> None:
        if call == "commit" or not isinstance(error, Conflict):
            raise error
        instance.clock.pass_time(seconds=30)

    instance.store.before = fail
    taken = instance.relay.take_all([an_alert()], instance.deadlines())
    assert taken[0].error is not None
    assert len(instance.texts) == texts


class TestBack:
    """The store is back, and the sender tries again."""

    def test_the_same_alert_sends_no_second_text(self, instance: Instance) -> None:
        lists_what_it_texted(instance)
        take(instance)
        up(instance)
        instance.clock.pass_time(seconds=30)
        store_again(instance)
        assert len(instance.texts) == 1
        assert told(instance)["slack"] == 2  # what the store did not record, the road tells

    def test_nor_on_another_instance_that_saw_no_outage(self, instance: Instance) -> None:
        other = Instance(instance.store.inner, instance.clock, name="other")
        lists_what_it_texted(instance, other)
        began = an_alert(started_at=NOON - timedelta(seconds=50))
        take(instance, began)
        instance.clock.pass_time(seconds=30)
        store_again(other, began)
        assert len(instance.texts) + len(other.texts) == 1

    def test_six_critical_alerts_never_make_more_than_five_texts_in_all(self, instance: Instance) -> None:
        lists_what_it_texted(instance)
        for number in range(3):
            take(instance, an_alert(incident_id=f"{number}"))
        up(instance)
        instance.clock.pass_time(seconds=30)
        for number in range(6):
            store_again(instance, an_alert(incident_id=f"{number}"))
        assert len(instance.texts) == 5

    def test_an_incident_opened_without_the_store_can_be_answered_once_stored(self, instance: Instance) -> None:
        lists_what_it_texted(instance)
        take(instance)
        up(instance)
        store_again(instance)
        taken = instance.acknowledge(key_of(an_alert(), ""))
        assert taken.incident is not None
        assert taken.incident.state is IncidentState.ACKNOWLEDGED
        instance.clock.pass_time(hours=1)
        instance.tick.run(instance.clock.monotonic())
        assert len(instance.texts) == 1
