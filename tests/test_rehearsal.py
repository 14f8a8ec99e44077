"""The pager on a virtual clock: the shipped policy, as its page says it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from notifier.core.alert import Alert
from notifier.core.incident import IncidentState
from notifier.core.policy import Policy
from notifier.policy_file import read_policy
from notifier.rehearsal import Answers, Changed, Event, Rehearsal, Repeated, Told

BEGAN = datetime(2026, 1, 31, 3, 12, 20, tzinfo=UTC)
"""In the middle of a minute: what is due is done at the next full one."""
POLICY = read_policy()


def alert(severity: str, incident_id: str = "0.a", *, closed: bool = False) -> Alert:
    return Alert(source="plain", incident_id=incident_id, severity=severity, title="Disk full", closed=closed)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


class Night:
    """What happened after these alerts, one after the other, each with the minutes after the beginning it came."""

    def __init__(
        self,
        *alerts: tuple[float, Alert],
        phones: int = 2,
        answers: Answers = Answers(),  # noqa: B008 - frozen
        policy: Policy = POLICY,
    ) -> None:
        self.rehearsal = Rehearsal(policy, phones=phones, answers=answers)
        bodies: Sequence[tuple[datetime, list[Alert]]] = [(BEGAN + minutes(at), [one]) for at, one in alerts]
        self.events: list[Event] = [event for step in self.rehearsal.play(bodies) for event in step]

    def told(self, channel: str) -> list[tuple[float, str]]:
        """What a channel was told: minutes after the beginning, and the first words."""
        return [
            (round((event.at - BEGAN) / minutes(1), 6), event.message.headline.split(":")[0])
            for event in self.events
            if isinstance(event, Told) and event.channel == channel
        ]

    @property
    def phones(self) -> list[int]:
        return [event.message.phone or 0 for event in self.events if isinstance(event, Told) and event.channel == "sms"]

    @property
    def ends(self) -> float:
        return (self.rehearsal.now - BEGAN) / minutes(1)


def at_full_minutes(*numbers: int) -> list[float]:
    """When the scheduler comes that many minutes after the beginning."""
    return [round(number + 40 / 60, 6) for number in numbers]


def test_an_unanswered_warning_climbs_as_the_policy_says() -> None:
    night = Night((0, alert(severity="warning")))
    assert night.told("slack")[0] == (0, "WARNING")
    assert [at for at, _ in night.told("email")][:1] == at_full_minutes(10)
    assert [at for at, _ in night.told("sms")][:3] == at_full_minutes(20, 35, 50)
    assert night.told("sms")[0][1] == "WARNING unanswered 20 min"


def test_a_critical_alert_is_paged_at_once_and_the_phones_take_turns() -> None:
    night = Night((0, alert(severity="critical")))
    assert [at for at, _ in night.told("sms")][:3] == [0, *at_full_minutes(15, 30)]
    assert night.phones == [0, 1, 0, 1]


def test_there_are_as_many_phones_as_are_asked_for() -> None:
    assert Night((0, alert(severity="critical")), phones=3).phones == [0, 1, 2, 0, 1, 2]


def test_the_ladder_is_played_to_its_end_and_not_to_the_expiry() -> None:
    night = Night((0, alert(severity="critical")))
    assert 60 < night.ends < 120
    assert [one.state for one in night.rehearsal.unanswered] == [IncidentState.OPEN]


def test_info_ends_as_soon_as_it_is_told() -> None:
    night = Night((0, alert(severity="info")))
    assert (night.ends, night.told("slack")) == (0, [(0, "INFO")])


def test_an_incident_expires_while_the_recording_goes_on() -> None:
    night = Night((0, alert(severity="info")), (9 * 24 * 60, alert(severity="info", incident_id="0.other")))
    (_, expired, _) = night.told("slack")
    assert expired[1] == "EXPIRED after 8 d without news"
    assert expired[0] == pytest.approx(8 * 24 * 60, abs=1)


def test_a_recorded_close_stops_it() -> None:
    one = alert(severity="critical")
    night = Night((0, one), (5, alert(severity="critical", closed=True)))
    assert night.phones == [0]
    assert [words.split()[0] for _, words in night.told("slack")] == ["CRITICAL", "RESOLVED"]
    assert night.rehearsal.unanswered == []


def test_a_repeat_is_an_event_and_tells_nobody() -> None:
    night = Night((0, alert(severity="info")), (1, alert(severity="info")))
    assert Counter(map(type, night.events))[Repeated] == 1
    assert len(night.told("slack")) == 1


def test_somebody_acknowledges_each_incident_so_long_after_it_opened() -> None:
    night = Night((0, alert(severity="critical")), answers=Answers(acknowledge_after=minutes(5)))
    assert night.phones == [0]
    assert night.told("slack")[1] == (5, "ACKNOWLEDGED by somebody, by text at 03")
    assert night.ends == 5


def test_its_sender_closes_each_incident_so_long_after_it_opened() -> None:
    night = Night((0, alert(severity="critical")), answers=Answers(resolve_after=minutes(20)))
    assert night.phones == [0, 1]
    assert night.told("slack")[-1] == (20, "RESOLVED after 20 min")


def test_an_incident_that_is_over_already_is_not_closed_again() -> None:
    one, closed = alert(severity="info"), alert(severity="info", closed=True)
    night = Night((0, one), (5, closed), answers=Answers(resolve_after=minutes(20)))
    assert [words.split()[0] for _, words in night.told("slack")] == ["INFO", "RESOLVED"]
    assert not any(isinstance(event, Repeated) for event in night.events)


def test_an_end_is_that_of_its_own_generation() -> None:
    one, closed = alert(severity="info"), alert(severity="info", closed=True)
    night = Night((0, one), (5, closed), (10, one), answers=Answers(resolve_after=minutes(20)))
    assert [at for at, words in night.told("slack") if words.startswith("RESOLVED")] == [5, 30]


def test_a_repeat_is_not_answered_once_more() -> None:
    one = alert(severity="critical")
    assert Night((0, one), (1, one), answers=Answers(acknowledge_after=minutes(5))).ends == 5


def test_the_cap_holds_and_what_was_held_back_is_told_in_a_digest() -> None:
    night = Night(*((number / 60, alert(severity="critical", incident_id=f"0.{number}")) for number in range(20)))
    texted = [at for at, _ in night.told("sms")]
    assert max(sum(at <= one < at + 60 for one in texted) for at in texted) == POLICY.sms.max_per_hour
    digests = [event.incident for event in night.events if isinstance(event, Changed) and event.incident.members]
    assert len(digests[0].members) == 20
    assert len(night.rehearsal.unanswered) == 20


def test_two_runs_are_the_same() -> None:
    alerts = [(number / 60, alert(severity="critical", incident_id=f"0.{number}")) for number in range(10)]

    def seen() -> list[tuple[datetime, str, str]]:
        night = Night(*alerts)
        return [(one.at, one.channel, one.preview()) for one in night.events if isinstance(one, Told)]

    assert seen() == seen()


def test_a_body_of_several_alerts_takes_the_urgent_first() -> None:
    rehearsal = Rehearsal(POLICY)
    mild, urgent = alert(severity="info", incident_id="0.mild"), alert(severity="critical", incident_id="0.urgent")
    (step, *_) = rehearsal.play([(BEGAN, [mild, urgent])])
    assert next(event.incident.incident_id for event in step if isinstance(event, Changed)) == "0.urgent"


def test_each_message_is_shown_as_its_channel_would_put_it_on_the_wire() -> None:
    night = Night((0, alert(severity="critical")))
    shown = {event.channel: event.preview() for event in night.events if isinstance(event, Told)}
    assert shown["slack"].startswith("POST https://simulated.invalid/***\n{")
    assert '"embeds"' in shown["discord"]
    assert "Message-ID: <" in shown["email"]
    assert "Reply ack" in shown["sms"]
    assert all("https://pager.example.com/a/" in shown[channel] for channel in ("slack", "discord"))


def test_no_real_time_passes() -> None:
    began = time.monotonic()
    Night((0, alert(severity="warning")))
    assert time.monotonic() - began < 60  # of 80 minutes


def test_what_is_left_is_counted_down() -> None:
    rehearsal = Rehearsal(POLICY)
    bodies = [(BEGAN + minutes(number), [alert(severity="info", incident_id=f"0.{number}")]) for number in range(3)]
    assert [rehearsal.left for _ in rehearsal.play(bodies)] == [2, 1, 0]


def test_what_is_due_of_many_at_once_is_told_in_one_message_and_of_each() -> None:
    # All within one minute, so that the same tick mails them.
    night = Night(*[(number / 100, alert("warning", f"{number}")) for number in range(6)])
    mails = [event for event in night.events if isinstance(event, Told) and event.channel == "email"][:6]
    assert len({event.incident.key for event in mails}) == 6
    assert {event.at for event in mails} == {BEGAN + timedelta(minutes=10, seconds=40)}
    assert {event.posted.headline for event in mails} == {"6 alerts: 6 error"}
    assert {event.message.headline for event in mails} == {"WARNING unanswered 10 min: Disk full"}
    assert all("6 alerts" in event.preview() for event in mails)
