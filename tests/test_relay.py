"""The road as a whole: gather, claim, send, record, with a real store and a virtual clock."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from notifier.core.alert import Alert, Severity
from notifier.core.beginning import key_of
from notifier.core.events import Decision
from notifier.core.incident import Incident, IncidentState
from notifier.core.ledger import Ledger
from notifier.core.outcome import Outcome, Result
from notifier.core.unreadable import unreadable_alert
from notifier.ports import Conflict, Gathered, NoTimeLeft, StoreDown, StoreError, StoreRefused
from notifier.relay import _pause
from notifier.sending import Deadlines, at_once
from notifier.stores.sqlite import SqliteStore
from tests.builders import NOON, SHIPPED, an_alert, texting
from tests.instances import SENT, Instance, VirtualClock


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    store = SqliteStore(tmp_path / "state.sqlite")
    yield Instance(store, VirtualClock())
    store.close()


def take(instance: Instance, *alerts: Alert) -> list[Incident]:
    taken = instance.relay.take_all(alerts or (an_alert(),), instance.deadlines())
    assert not [one.error for one in taken if one.error]
    return [one.incident for one in taken if one.incident]


def test_a_new_critical_alert_reaches_every_channel_once_and_is_recorded(instance: Instance) -> None:
    (incident,) = take(instance)
    assert {name: len(channel.told) for name, channel in instance.channels.items()} == {
        "slack": 1,
        "discord": 1,
        "email": 1,
        "sms": 1,
    }
    assert {delivery.state.value for delivery in incident.deliveries.values()} == {"sent"}


def test_a_new_critical_alert_costs_three_round_trips(instance: Instance) -> None:
    take(instance)
    assert instance.store.calls == ["gather", "commit", "commit"]
    assert instance.store.written == 3  # incident and ledger, then the incident with its outcomes


def test_a_late_alert_is_looked_up_before_it_is_stored_and_costs_no_commit_more(instance: Instance) -> None:
    instance.list.on_look = lambda: instance.store.calls.append("look up")
    take(instance, an_alert(started_at=NOON - timedelta(minutes=2)))
    assert instance.store.calls == ["gather", "look up", "commit", "commit"]
    assert len(instance.texts) == 1


def test_a_late_alert_without_the_time_to_look_is_stored_first(instance: Instance) -> None:
    instance.list.on_look = lambda: instance.store.calls.append("look up")
    now = instance.clock.monotonic()
    hurried = Deadlines(claim_by=now + 1, send_by=now + 7, record_by=now + 9)
    instance.relay.take(an_alert(started_at=NOON - timedelta(minutes=2)), hurried)
    assert instance.store.calls == ["gather", "commit", "look up", "commit", "commit"]
    assert len(instance.texts) == 1


def test_our_own_lateness_is_no_outage(instance: Instance) -> None:
    def too_late(_: str) -> None:
        raise NoTimeLeft("no time was left")

    instance.store.before = too_late
    instance.relay.take_all([an_alert("info")], instance.deadlines())
    assert instance.degraded.entered_into(Ledger(), instance.clock.now()) == Ledger()


def test_the_same_alert_again_costs_one_round_trip_writes_nothing_and_tells_nobody(instance: Instance) -> None:
    take(instance)
    told = {name: list(channel.told) for name, channel in instance.channels.items()}
    instance.store.calls.clear()
    instance.store.written = 0
    take(instance)
    assert (instance.store.calls, instance.store.written) == (["gather"], 0)
    assert {name: channel.told for name, channel in instance.channels.items()} == told


def test_eight_critical_alerts_make_five_texts_and_the_rest_is_said(instance: Instance) -> None:
    take(instance, *[an_alert(incident_id=f"db-{number}") for number in range(8)])
    assert len(instance.texts) == 5
    capped = [line for line in instance.channels["slack"].headlines if line.startswith("SMS rate cap (5/hr) hit")]
    assert len(capped) == 3
    assert instance.log.text.count("SMS rate cap (5/hr) hit: not texted: CRITICAL: db-") == 3


def test_when_the_window_has_passed_the_sixth_text_goes_out(instance: Instance) -> None:
    for number in range(8):
        take(instance, an_alert(incident_id=f"db-{number}"))
    instance.clock.pass_time(seconds=3_639)
    take(instance, an_alert(incident_id="too early"))
    assert len(instance.texts) == 5
    instance.clock.pass_time(seconds=1)
    take(instance, an_alert(incident_id="sixth"))
    assert len(instance.texts) == 6
    assert instance.texts[-1].startswith("CRITICAL: sixth is down")


def test_the_ledger_is_not_written_once_the_cap_is_reached(instance: Instance) -> None:
    take(instance, *[an_alert(incident_id=f"db-{number}") for number in range(5)])
    instance.store.written = 0
    take(instance, an_alert(incident_id="sixth"))
    assert instance.store.written == 2  # the incident, twice


def test_nothing_is_sent_before_its_claim_is_durable(tmp_path: Path) -> None:
    stored: list[tuple[str, int]] = []
    store = SqliteStore(tmp_path / "state.sqlite")
    instance = Instance(store, VirtualClock())

    def look(_: object) -> None:
        found = store.gather(key_of(an_alert(), ""), instance.clock.monotonic() + 5)
        assert found.incident is not None
        taken = found.ledger.taken(instance.clock.now())
        stored.append((found.incident.deliveries["opened/sms/0/1"].state.value, taken))

    instance.channels["sms"].on_send = look
    take(instance)
    assert stored == [("claimed", 1)]
    store.close()


def lose_answer(instance: Instance, number: int, error: StoreError) -> None:
    """Commit `number` from now on lands, and ends in `error`."""
    instance.store.calls.clear()

    def after(commit: int) -> None:
        if commit == number:
            raise error

    instance.store.after_commit = after


@pytest.mark.parametrize("call", ["gather", "commit"])
def test_a_store_that_is_down_before_the_claim_is_said_and_told_of_without_it(instance: Instance, call: str) -> None:
    def down(name: str) -> None:
        if name == call:
            raise StoreDown("the store does not answer")

    instance.store.before = down
    (taken,) = instance.relay.take_all([an_alert()], instance.deadlines())
    assert isinstance(taken.error, StoreDown)
    assert taken.incident is None
    assert instance.channels["slack"].headlines == ["CRITICAL: db is down (state store unreachable)"]
    assert len(instance.texts) == 1
    assert (Severity.CRITICAL, "an alert could not be stored: the store does not answer") in instance.log.lines


def test_a_store_that_goes_down_before_the_record_leaves_the_claims_and_the_answer(instance: Instance) -> None:
    def down_at_record(name: str) -> None:
        if name == "commit" and instance.store.calls.count("commit") == 2:
            raise StoreDown("the store does not answer")

    instance.store.before = down_at_record
    (incident,) = take(instance)
    assert len(instance.texts) == 1
    assert {delivery.state.value for delivery in incident.deliveries.values()} == {"claimed"}
    assert incident.next_due is not None
    assert "sent, but not recorded" in instance.log.text


def test_a_lost_answer_of_the_claim_sends_once(instance: Instance) -> None:
    """The commit landed and the store said conflict (or nothing): what holds our claim id is ours."""
    lose_answer(instance, 1, Conflict("our own commit landed; its answer was lost"))
    take(instance)
    assert len(instance.texts) == 1
    assert len(instance.channels["slack"].told) == 1
    assert instance.store.calls == ["gather", "commit", "gather", "commit"]


def test_after_a_lost_answer_the_log_still_says_what_was_decided(instance: Instance) -> None:
    lose_answer(instance, 1, Conflict("its answer was lost"))
    take(instance)
    assert "opened as critical: db is down" in instance.log.text


def test_a_commit_that_landed_though_the_store_went_down_is_found_and_sent(instance: Instance) -> None:
    lose_answer(instance, 1, StoreDown("no answer in time"))
    (incident,) = take(instance)
    assert len(instance.texts) == 1
    assert {delivery.state.value for delivery in incident.deliveries.values()} == {"sent"}


def test_a_conflict_with_our_own_commit_is_looked_into_however_late_it_comes(instance: Instance) -> None:
    """The commit lands; what is said of it comes at the end of the time to claim."""
    deadlines = instance.deadlines()
    asked_until: list[float] = []
    gather = instance.store.inner.gather

    def noting(key: str, deadline: float) -> Gathered:
        asked_until.append(deadline)
        return gather(key, deadline)

    def late(commit: int) -> None:
        if commit == 1:
            instance.clock.pass_time(seconds=3.999)
            raise Conflict("somebody else wrote first")

    instance.store.inner.gather = noting  # type: ignore[method-assign]
    instance.store.after_commit = late
    instance.relay.take(an_alert(), deadlines)
    assert asked_until == [deadlines.claim_by, deadlines.claim_by + 1.5]
    assert len(instance.texts) == 1


def test_a_close_whose_answer_was_lost_leaves_what_was_opened_since(instance: Instance) -> None:
    take(instance)
    other = Instance(instance.store.inner, instance.clock, name="other")
    lose_answer(instance, 1, Conflict("its answer was lost"))
    opened_anew: list[Incident] = []

    def open_anew(name: str) -> None:
        if name == "gather" and instance.store.calls == ["gather", "commit", "gather"]:
            opened_anew.extend(take(other))

    instance.store.before = open_anew
    (incident,) = take(instance, an_alert(closed=True))
    assert opened_anew[0].generation == 2
    assert (incident.generation, incident.state) == (2, IncidentState.OPEN)


def test_every_alert_of_one_incident_is_stored_before_any_is_sent(instance: Instance) -> None:
    stored: list[str] = []

    def look(_: object) -> None:
        found = instance.store.inner.gather(key_of(an_alert(), ""), instance.clock.monotonic() + 5)
        assert found.incident
        stored.append(found.incident.severity.value)

    instance.channels["slack"].on_send = look
    take(instance, an_alert("warning"), an_alert("critical"))
    assert stored == ["critical"]
    assert len(instance.texts) == 1


def test_channels_are_given_the_deadline_of_the_sends(instance: Instance) -> None:
    deadlines = instance.deadlines()
    instance.relay.take(an_alert(), deadlines)
    given = {channel.deadlines[0] for channel in instance.channels.values()}
    assert given == {deadlines.send_by}


def test_a_channel_that_hangs_costs_no_alert_of_the_body_its_place_in_the_store(instance: Instance) -> None:
    release = threading.Event()

    def hang(_: object) -> None:
        release.wait(20)

    instance.channels["slack"].on_send = hang
    now = instance.clock.monotonic()
    deadlines = Deadlines(claim_by=now + 1.5, send_by=now + 2, record_by=now + 9)
    taken = instance.relay.take_all([an_alert("info", f"i{number}") for number in range(40)], deadlines)
    release.set()
    assert not [one.error for one in taken if one.error]
    stored = Counter(one.incident.deliveries["opened/discord"].state.value for one in taken if one.incident)
    assert stored == {"sent": 32, "pending": 8}


def test_a_lost_answer_of_the_record_sends_nothing_again(instance: Instance) -> None:
    lose_answer(instance, 2, Conflict("its answer was lost"))
    (incident,) = take(instance)
    assert len(instance.texts) == 1
    assert instance.store.calls == ["gather", "commit", "commit", "gather"]
    assert {delivery.state.value for delivery in incident.deliveries.values()} == {"sent"}


def test_the_same_alert_on_two_instances_at_once_is_told_once(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.sqlite")
    clock = VirtualClock()
    one, other = Instance(store, clock, name="one"), Instance(store, clock, name="other")
    both_have_read = threading.Barrier(2, timeout=10)

    def wait_for_each_other(instance: Instance) -> None:
        def before(name: str) -> None:
            if name == "commit" and instance.store.calls.count("commit") == 1:
                both_have_read.wait()

        instance.store.before = before

    wait_for_each_other(one)
    wait_for_each_other(other)
    threads = [threading.Thread(target=take, args=(instance,)) for instance in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(one.texts) + len(other.texts) == 1
    assert len(one.channels["slack"].told) + len(other.channels["slack"].told) == 1
    store.close()


def test_after_a_conflict_it_waits_a_moment_that_no_other_request_waits(instance: Instance) -> None:
    """Else the same requests meet again at the next round, and each round lets one through."""
    conflicts = iter(range(6))

    def conflict(name: str) -> None:
        if name == "commit" and next(conflicts, None) is not None:
            raise Conflict("somebody else wrote first")

    began = instance.clock.monotonic()
    instance.store.before = conflict
    take(instance, an_alert("info"))
    assert 0 < instance.clock.monotonic() - began < 0.1 + 0.2 + 4 * 0.4
    first, other = (_pause(claim, 1) for claim in ("one", "other"))
    assert first != other
    assert max(_pause("one", conflicts) for conflicts in range(1, 50)) <= 0.4


def test_a_busy_channel_is_tried_once_more_in_the_same_request(instance: Instance) -> None:
    instance.channels["slack"].ends = [Outcome(Result.RETRY, "busy")]
    (incident,) = take(instance, an_alert("info"))
    assert len(instance.channels["slack"].told) == 2
    assert len(instance.channels["discord"].told) == 1
    assert incident.deliveries["opened/slack"].state.value == "sent"


def test_a_channel_that_asks_for_a_moment_is_given_it(instance: Instance) -> None:
    instance.channels["slack"].ends = [Outcome(Result.RETRY, "429: too many requests", 1.0)]
    began = instance.clock.monotonic()
    (incident,) = take(instance, an_alert("info"))
    assert incident.deliveries["opened/slack"].state.value == "sent"
    assert instance.clock.monotonic() - began == pytest.approx(1)


def test_a_channel_that_asks_for_longer_than_there_is_is_left_for_the_tick(instance: Instance) -> None:
    instance.channels["slack"].ends = [Outcome(Result.RETRY, "429: too many requests", 30.0)]
    began = instance.clock.monotonic()
    (incident,) = take(instance, an_alert("info"))
    assert incident.deliveries["opened/slack"].state.value == "pending"
    assert instance.clock.monotonic() == began


def test_a_channel_that_stays_busy_is_left_for_the_tick(instance: Instance) -> None:
    instance.channels["slack"].ends = [Outcome(Result.RETRY, "busy")] * 9
    (incident,) = take(instance, an_alert("info"))
    assert len(instance.channels["slack"].told) == 2
    assert incident.deliveries["opened/slack"].state.value == "pending"
    assert incident.next_due == incident.deliveries["opened/slack"].due_at


def test_a_rejected_page_goes_to_the_next_phone_in_the_same_request(instance: Instance) -> None:
    instance.channels["sms"].ends = [Outcome(Result.REJECTED, "21211: no such number")]
    take(instance)
    assert [message.phone for message in instance.channels["sms"].told] == [0, 1]
    assert any(line.startswith("NOT texted to phone 1: 21211") for line in instance.channels["slack"].headlines)


def test_our_own_mistake_in_one_channel_leaves_the_others_unharmed(instance: Instance) -> None:
    def stumble(_: object) -> None:
        raise ZeroDivisionError("https://hooks.example.com/secret")

    instance.channels["slack"].on_send = stumble
    (incident,) = take(instance)
    assert incident.deliveries["opened/slack"].state.value == "unknown"
    assert incident.deliveries["opened/email"].state.value == "sent"
    assert "ZeroDivisionError" in instance.log.text
    assert "secret" not in instance.log.text + str(incident)


def test_a_delivery_to_a_channel_no_longer_configured_is_said_on_another(instance: Instance) -> None:
    del instance.sender._channels["slack"]  # type: ignore[attr-defined]
    (incident,) = take(instance, an_alert("warning"))
    assert incident.deliveries["opened/slack"].detail == "slack is no longer configured"
    assert any("slack cannot be told" in line for line in instance.channels["discord"].headlines)


def test_alerts_of_one_body_are_taken_critical_first(instance: Instance) -> None:
    words = ["info", "critical", "warning", "critical", "error", "critical"] * 4
    alerts = [an_alert(word, f"{number}") for number, word in enumerate(words)]
    order = [
        alerts[place].severity
        for place in sorted(range(len(alerts)), key=lambda at: instance.relay._urgency(alerts[at]))
    ]
    assert order == sorted(words, key=["critical", "error", "warning", "info"].index)
    assert [incident.incident_id for incident in take(instance, *alerts)] == [alert.incident_id for alert in alerts]


def test_open_and_close_of_one_incident_in_one_body_stay_in_their_order(instance: Instance) -> None:
    alerts = [an_alert(), an_alert(incident_id="other"), an_alert(closed=True)]
    incidents = take(instance, *alerts)
    assert incidents[-1].state is IncidentState.RESOLVED
    about_db = [line for line in instance.channels["slack"].headlines if "db is down" in line]
    assert about_db == ["CRITICAL: db is down", "RESOLVED after 0 s: db is down"]


def test_what_comes_after_the_claims_deadline_is_not_taken(instance: Instance) -> None:
    past = instance.clock.monotonic() - 60
    late = Deadlines(claim_by=past, send_by=past, record_by=past)
    (taken,) = instance.relay.take_all([an_alert()], late)
    assert isinstance(taken.error, StoreDown)


def test_nothing_is_sent_when_the_claim_took_all_the_time(instance: Instance) -> None:
    now = instance.clock.monotonic()
    deadlines = Deadlines(claim_by=now + 4, send_by=now - 1, record_by=now + 9)
    (taken,) = instance.relay.take_all([an_alert()], deadlines)
    assert not any(channel.told for channel in instance.channels.values())
    assert taken.incident is not None
    assert taken.incident.next_due == instance.clock.now()


def test_the_sixth_unreadable_body_within_the_hour_goes_to_the_counter(instance: Instance) -> None:
    for number in range(7):
        take(instance, unreadable_alert(str(number), "expected JSON"))
    assert len(instance.channels["slack"].told) == 5
    assert not instance.texts


def test_a_decision_without_an_incident_is_our_own_mistake(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifier.relay.advance", lambda state, *_: Decision(incident=None, ledger=state.ledger))
    with pytest.raises(StoreRefused):
        instance.relay.take(an_alert(), instance.deadlines())


def test_the_deadlines_of_an_alert_are_those_of_the_design() -> None:
    assert Deadlines.of_request(100.0, 100.0) == Deadlines(claim_by=104.0, send_by=107.5, record_by=109.0)
    assert Deadlines.of_request(100.0, 101.5).claim_by == 104.5  # 3 s are left to send, or to wake somebody without it
    assert Deadlines.of_request(100.0, 106.0).claim_by == 107.0


def test_a_send_that_is_not_back_in_time_is_not_waited_for() -> None:
    release = threading.Event()

    def late() -> Outcome:
        release.wait(10)
        return SENT

    assert at_once([late, lambda: SENT], 0.05) == [None, SENT]
    release.set()


def test_sends_that_hang_delay_no_later_one() -> None:
    release = threading.Event()
    assert at_once([lambda: release.wait(30)] * 100, 0.05) == [None] * 100
    assert at_once([lambda: SENT], 5) == [SENT]
    release.set()


def test_threads_are_used_again() -> None:
    before = threading.active_count()
    for _ in range(50):
        at_once([lambda: SENT] * 4, 5)
    assert threading.active_count() - before < 50


def test_a_send_not_back_in_time_is_unknown(instance: Instance) -> None:
    instance.sender._all_at_once = lambda tasks, seconds: [None for _ in tasks]  # type: ignore[assignment]
    (incident,) = take(instance, an_alert("info"))
    assert {delivery.state.value for delivery in incident.deliveries.values()} == {"unknown"}


def test_routes_without_channels_still_store_the_incident(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.sqlite")
    instance = Instance(store, VirtualClock(), SHIPPED.deployed({"log"}, texting(0)))
    (incident,) = take(instance)
    assert incident.deliveries == {}
    assert "opened as critical" in instance.log.text
    store.close()
