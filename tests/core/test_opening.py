"""What an alert that opens something leads to."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from notifier.core.advance import advance
from notifier.core.alert import Alert, Severity
from notifier.core.beginning import key_of
from notifier.core.events import Alerted, Decision, State
from notifier.core.incident import Incident, IncidentState
from notifier.core.ledger import Ledger
from notifier.core.message import message_of
from notifier.core.moments import next_page_due
from tests.builders import (
    ALL_CHANNELS,
    NOON,
    POLICY,
    SHIPPED,
    a_claim,
    an_alert,
    decide,
    known,
    opened,
    recorded,
    settle_all,
    states,
    texting,
)

FREE = {"opened/slack", "opened/discord"}


def decide_as(key: str, alert: Alert) -> Incident:
    """The incident that `alert` begins under `key`."""
    return known(advance(State(key, None, Ledger()), Alerted(alert), POLICY, NOON, a_claim()))


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("info", FREE),
        ("good", FREE),
        ("ok", FREE),
        ("warning", FREE),
        ("", FREE),
        ("error", FREE | {"opened/email"}),
        ("banana", FREE | {"opened/email"}),
        ("critical", FREE | {"opened/email", "opened/sms/0/1"}),
    ],
)
def test_a_severity_is_told_on_exactly_the_channels_of_its_route(word: str, told: set[str]) -> None:
    decision = opened(an_alert(word))
    assert set(decision.send) == told
    assert states(decision) == dict.fromkeys(told, "claimed")


def test_an_unset_severity_is_a_warning_and_the_message_says_why() -> None:
    incident = known(opened(an_alert("")))
    assert incident.severity is Severity.WARNING
    facts = dict(message_of(incident, "opened/slack", POLICY).facts)
    assert facts["Severity"] == "the sender set no severity, so it is taken as warning"


def test_an_unknown_severity_is_an_error_and_the_message_says_so() -> None:
    incident = known(opened(an_alert("banana")))
    assert incident.severity is Severity.ERROR
    assert "'banana' is unknown" in dict(message_of(incident, "opened/email", POLICY).facts)["Severity"]


def test_channels_that_are_not_configured_are_owed_nothing() -> None:
    assert set(opened(policy=SHIPPED.deployed({"log", "email"}, texting(0))).send) == {"opened/email"}


def test_a_claim_holds_the_request_id_its_lease_and_the_first_attempt() -> None:
    slack = known(opened()).deliveries["opened/slack"]
    assert (slack.claim, slack.due_at, slack.attempts) == ("mine", NOON + timedelta(seconds=30), 1)


def test_the_tick_must_look_at_the_end_of_the_lease() -> None:
    assert known(opened()).next_due == NOON + timedelta(seconds=30)


def test_once_everything_is_sent_the_next_page_is_due() -> None:
    assert next_page_due(known(recorded(opened())), POLICY) == NOON + POLICY.sms.next_phone


def test_past_the_last_moment_to_send_everything_is_owed_and_nothing_claimed() -> None:
    decision = decide(Alerted(an_alert()), claim=a_claim(send_seconds=-1))
    assert decision.send == ()
    assert set(states(decision).values()) == {"pending"}
    assert known(decision).next_due == NOON
    assert decision.ledger.taken(NOON) == 0


def test_a_repeat_of_an_open_incident_changes_nothing() -> None:
    first = recorded(opened())
    again = decide(Alerted(an_alert()), known(first), first.ledger, claim=a_claim(claim_id="other"))
    assert (again.incident, again.ledger, again.send) == (first.incident, first.ledger, ())
    assert "repeat" in again.notes[0].text


def test_what_this_claim_holds_already_is_found_after_a_conflict() -> None:
    """Our commit landed and its answer was lost: the same event, decided again, sends and claims nothing twice."""
    first = opened()
    again = decide(Alerted(an_alert()), first.incident, first.ledger)
    assert again.send == first.send
    assert (again.incident, again.ledger) == (first.incident, first.ledger)


def test_what_this_claim_holds_is_cancelled_when_the_incident_ended_before_its_answer_came() -> None:
    """Certainly nothing was sent yet, so nothing is, and the slot is given back."""
    first = opened()
    closer = a_claim(claim_id="closer")
    closed = decide(Alerted(an_alert(closed=True)), first.incident, first.ledger, claim=closer)
    again = decide(Alerted(an_alert()), closed.incident, closed.ledger)
    assert again.send == ()
    assert set(states(again).values()) == {"cancelled"}
    assert again.ledger.taken(NOON) == 0
    assert known(again).next_due is None


def test_somebody_elses_claim_is_left_alone() -> None:
    first = opened()
    assert decide(Alerted(an_alert()), first.incident, first.ledger, claim=a_claim(claim_id="other")).send == ()


def test_a_raised_severity_tells_only_the_channels_newly_reached() -> None:
    first = recorded(opened(an_alert("warning")))
    raised = decide(Alerted(an_alert("critical")), first.incident, first.ledger)
    assert set(raised.send) == {"escalated/email", "escalated/sms/0/1"}
    assert (known(raised).severity, known(raised).effective) == (Severity.CRITICAL, Severity.CRITICAL)


def test_a_lower_severity_changes_nothing() -> None:
    first = recorded(opened(an_alert("error")))
    assert decide(Alerted(an_alert("info")), first.incident, first.ledger).incident == first.incident


def resolved_at(started_minutes: int | None) -> object:
    started_at = None if started_minutes is None else NOON + timedelta(minutes=started_minutes)
    first = recorded(opened(an_alert(started_at=started_at)))
    closed = decide(Alerted(an_alert(closed=True, started_at=started_at)), first.incident, first.ledger)
    return recorded(closed).incident


@pytest.mark.parametrize(
    ("resolved_start", "opened_start", "generation"),
    [(0, 0, 1), (0, -1, 1), (0, 1, 2), (0, None, 2), (None, None, 2), (None, 0, 2)],
    ids=["same start", "earlier", "later", "start unknown", "both unknown", "old one unknown"],
)
def test_an_open_after_its_resolve_begins_a_new_generation_unless_it_is_late(
    resolved_start: int | None, opened_start: int | None, generation: int
) -> None:
    before = resolved_at(resolved_start)
    started_at = None if opened_start is None else NOON + timedelta(minutes=opened_start)
    decision = decide(Alerted(an_alert(started_at=started_at)), before, claim=a_claim(claim_id="other"))  # type: ignore[arg-type]
    assert known(decision).generation == generation
    assert bool(decision.send) is (generation == 2)
    assert known(decision).state is (IncidentState.OPEN if generation == 2 else IncidentState.RESOLVED)


@pytest.mark.parametrize(("hours", "kept"), [(1, True), (1.01, False), (24 * 365, False)])
def test_a_start_far_in_the_future_is_no_start(hours: float, *, kept: bool) -> None:
    """Else every opening after the resolve would be older than it, and nobody told."""
    started_at = NOON + timedelta(hours=hours)
    assert (known(opened(an_alert(started_at=started_at))).started_at == started_at) is kept


def test_a_new_generation_has_a_ref_of_its_own() -> None:
    before = resolved_at(None)
    after = known(decide(Alerted(an_alert()), before, claim=a_claim(claim_id="other")))  # type: ignore[arg-type]
    assert after.ref != before.ref  # type: ignore[attr-defined]


def test_the_same_message_again_is_no_new_generation() -> None:
    first = recorded(opened(an_alert(message_id="m1")))
    closed = recorded(decide(Alerted(an_alert(closed=True, message_id="m2")), first.incident, first.ledger))
    again = decide(Alerted(an_alert(message_id="m1")), closed.incident, claim=a_claim(claim_id="other"))
    assert again.send == ()
    assert known(again).state is IncidentState.RESOLVED


class TestRedelivery:
    """Pub/Sub delivers at least once: a message that was taken in before changes nothing, however late it comes."""

    def walk(self, *alerts: Alert) -> list[Decision]:
        """Each decision, with everything it sends sent."""
        decisions: list[Decision] = []
        for number, alert in enumerate(alerts):
            incident = decisions[-1].incident if decisions else None
            ledger = decisions[-1].ledger if decisions else None
            claim = a_claim(claim_id=f"request {number}")
            decision = decide(Alerted(alert), incident, ledger, claim=claim)
            sent = decide(settle_all(decision), decision.incident, decision.ledger, claim=claim)
            decisions.append(decision if not decision.send else msgspec.structs.replace(sent, send=decision.send))
        return decisions

    def test_of_an_open_of_an_earlier_generation_is_no_third(self) -> None:
        m1, close, m3 = an_alert(message_id="m1"), an_alert(closed=True, message_id="m2"), an_alert(message_id="m3")
        *_, last = self.walk(m1, close, m3, an_alert(closed=True, message_id="m4"), m1)
        assert (last.send, known(last).generation, known(last).state) == ((), 2, IncidentState.RESOLVED)

    def test_of_a_close_leaves_the_next_generation_open(self) -> None:
        close = an_alert(closed=True, message_id="m2")
        *_, last = self.walk(an_alert(message_id="m1"), close, an_alert(message_id="m3"), close)
        assert (last.send, known(last).state) == ((), IncidentState.OPEN)

    def test_of_what_raised_it_is_no_new_generation(self) -> None:
        raising = an_alert("critical", message_id="m2")
        close = an_alert(closed=True, message_id="m3")
        *_, last = self.walk(an_alert("warning", message_id="m1"), raising, close, raising)
        assert (last.send, known(last).generation) == ((), 1)

    def test_one_message_may_open_close_and_open_again(self) -> None:
        """Several alerts of one incident in one envelope are no redelivery of each other."""
        start = NOON + timedelta(minutes=1)
        again = an_alert(message_id="m1", started_at=start)
        first = an_alert(message_id="m1", started_at=NOON)
        *_, last = self.walk(first, an_alert(closed=True, message_id="m1", started_at=NOON), again)
        assert (known(last).generation, known(last).state) == (2, IncidentState.OPEN)
        assert last.send

    def test_one_message_may_raise_what_it_opened(self) -> None:
        *_, last = self.walk(an_alert("warning", message_id="m1"), an_alert("critical", message_id="m1"))
        assert "escalated/sms/0/1" in last.send

    def test_one_message_may_open_and_close(self) -> None:
        *_, last = self.walk(an_alert(message_id="m1"), an_alert(closed=True, message_id="m1"))
        assert known(last).state is IncidentState.RESOLVED


@pytest.mark.parametrize(("minutes", "told"), [(9.99, False), (10, True)])
def test_the_same_words_are_one_one_off_for_ten_minutes(minutes: float, *, told: bool) -> None:
    words = an_alert("error", "", one_off=True)
    first = recorded(opened(words))
    later = NOON + timedelta(minutes=minutes)
    again = decide(Alerted(words), first.incident, first.ledger, now=later, claim=a_claim(later, "other"))
    assert bool(again.send) is told


def test_other_words_are_another_one_off() -> None:
    one, other = (an_alert("error", "", one_off=True, text=text) for text in ("a", "b"))
    assert key_of(one, "") != key_of(other, "")


def test_the_same_id_is_one_one_off_however_late() -> None:
    match = an_alert("error", "0.match", one_off=True)
    later = NOON + timedelta(days=1)
    first = recorded(opened(match))
    assert not decide(Alerted(match), first.incident, first.ledger, now=later, claim=a_claim(later, "other")).send


def test_two_senders_never_share_an_incident() -> None:
    assert key_of(an_alert(source="plain"), "") != key_of(an_alert(source="grafana"), "")


def test_the_way_an_alert_came_is_not_part_of_its_incident() -> None:
    assert key_of(an_alert(message_id="m1"), "request 1") == key_of(an_alert(), "request 2")


class TestTestNotification:
    """The console's test: told every time on the free channels, never by SMS."""

    alert = an_alert("", "12345", test=True)

    def test_is_told_on_every_free_channel_and_never_by_sms(self) -> None:
        decision = opened(self.alert)
        assert set(decision.send) == {"opened/slack", "opened/discord", "opened/email"}
        assert known(decision).state is IncidentState.TEST

    def test_is_an_incident_of_its_own_at_each_request(self) -> None:
        assert key_of(self.alert, "request 1") != key_of(self.alert, "request 2")

    def test_brought_again_by_pubsub_is_the_same_test(self) -> None:
        alert = an_alert("", "12345", test=True, message_id="m1")
        assert key_of(alert, "request 1") == key_of(alert, "request 2")

    def test_has_a_ref_of_its_own_and_the_key_it_is_stored_under(self) -> None:
        """Else mail programs take the second test for the first."""
        first, second = (decide_as(f"{number}" * 32, self.alert) for number in (1, 2))
        assert first.key == "1" * 32
        assert first.ref != second.ref

    def test_is_removed_from_the_store_by_itself(self) -> None:
        assert known(opened(self.alert)).expire_at == NOON + timedelta(days=14)


def test_its_own_texts_of_the_last_hour_do_not_lengthen_a_ref() -> None:
    first = recorded(opened())
    closed = recorded(decide(Alerted(an_alert(closed=True)), first.incident, first.ledger))
    again = decide(Alerted(an_alert()), closed.incident, closed.ledger, claim=a_claim(claim_id="other"))
    assert len(known(again).ref) == 4


def test_an_acknowledged_incident_is_not_raised() -> None:
    acknowledged = msgspec.structs.replace(
        known(recorded(opened(an_alert("warning")))), state=IncidentState.ACKNOWLEDGED
    )
    raised = decide(Alerted(an_alert("critical")), acknowledged, claim=a_claim(claim_id="other"))
    assert (raised.send, raised.incident) == ((), acknowledged)


def test_a_ref_in_a_text_of_the_last_hour_is_not_given_to_another_incident(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifier.core.beginning.ref_of", lambda key, _, length=4: "7F3K9Z"[:length] if key else "")
    first = opened(an_alert())
    assert known(first).ref == "7F3K"
    second = decide(Alerted(an_alert(incident_id="web")), None, first.ledger)
    assert known(second).ref != "7F3K"


def test_log_alone_is_owed_nothing() -> None:
    assert opened(policy=SHIPPED.deployed({"log"}, texting(0))).send == ()
    assert opened(policy=SHIPPED.deployed(ALL_CHANNELS, texting(1))).send != ()
