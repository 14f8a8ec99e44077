"""What happened to an incident, as it is shown: what stands there, in which order, and in which words."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from notifier.core.events import Alerted, Decision
from notifier.core.incident import Delivery, DeliveryState, Incident, Kind
from notifier.core.report import Progress
from notifier.core.timeline import LANES, Mark, Moment, timeline
from tests.builders import (
    NOON,
    a_claim,
    acknowledge,
    an_alert,
    decide,
    full,
    known,
    opened,
    recorded,
    report,
    tick,
)


def shown(moments: tuple[Moment, ...]) -> list[tuple[str, str]]:
    return [(f"{moment.at:%H:%M}", moment.words) for moment in moments]


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_a_night_is_told_in_its_order() -> None:
    told = recorded(opened())
    answered = recorded(acknowledge(told, NOON + minutes(4)), now=NOON + minutes(4))
    end = NOON + minutes(30)
    close = Alerted(an_alert(closed=True))
    over = recorded(decide(close, known(answered), answered.ledger, now=end, claim=a_claim(end, "close")), now=end)
    assert shown(timeline(known(over))) == [
        ("12:00", "opened"),
        ("12:00", "Slack told"),
        ("12:00", "Discord told"),
        ("12:00", "email told"),
        ("12:00", "text to phone 1: sent"),
        ("12:04", "acknowledged by Ana, by the link in Slack"),
        ("12:04", "Slack told who acknowledged it"),
        ("12:04", "Discord told who acknowledged it"),
        ("12:04", "email told who acknowledged it"),
        ("12:30", "resolved after 30 min"),
        ("12:30", "Slack told that it is over"),
        ("12:30", "Discord told that it is over"),
        ("12:30", "email told that it is over"),
    ]


def test_what_got_louder_says_so() -> None:
    told = recorded(opened(an_alert("warning")))
    mailed = recorded(tick(told, NOON + minutes(10)), now=NOON + minutes(10))
    assert shown(timeline(known(mailed)))[-1] == ("12:10", "email told that it got louder")


def test_a_page_held_back_stands_where_the_window_was_full() -> None:
    (page,) = sms(known(opened_at_the_cap()))
    assert (page.mark, page.at, page.words) == (Mark.CAPPED, NOON, "text to phone 1: held back, the cap is reached")


def opened_at_the_cap() -> Decision:
    return decide(Alerted(an_alert()), None, full(5))


def sms(incident: Incident) -> list[Moment]:
    return [moment for moment in timeline(incident) if moment.lane == "sms"]


@pytest.mark.parametrize(
    ("progress", "trouble", "mark", "words"),
    [
        (Progress.SENT, "", Mark.SMS, "text to phone 1: sent, the carrier has it"),
        (Progress.DELIVERED, "", Mark.SMS, "text to phone 1: delivered"),
        (Progress.FAILED, "30003: off", Mark.FAILED, "text to phone 1: failed (30003: off)"),
    ],
)
def test_a_text_says_how_far_it_came(progress: Progress, trouble: str, mark: Mark, words: str) -> None:
    after = report(recorded(opened()), progress, NOON + minutes(1), text_id="SM1", trouble=trouble)
    first = sms(known(after))[0]
    assert (first.mark, first.words) == (mark, words)


STATES = [
    (DeliveryState.PENDING, {}, Mark.OWED, "Slack: not sent yet"),
    (
        DeliveryState.PENDING,
        {"attempts": 2, "detail": "503", "due_at": NOON + timedelta(minutes=2)},
        Mark.OWED,
        "Slack: not sent yet (503); again at 12:02 UTC",
    ),
    (DeliveryState.CLAIMED, {"attempts": 1}, Mark.OWED, "Slack: being sent"),
    (DeliveryState.SENT, {}, Mark.SLACK, "Slack told"),
    (DeliveryState.SENT, {"kind": Kind.NOTICE, "words": "not texted"}, Mark.SLACK, "Slack told: not texted"),
    (
        DeliveryState.UNKNOWN,
        {"detail": "no answer"},
        Mark.OWED,
        "Slack: nobody can tell yet whether it was sent (no answer)",
    ),
    (DeliveryState.FAILED, {"detail": "404: gone"}, Mark.FAILED, "Slack: failed (404: gone)"),
    (DeliveryState.SENT, {"channel": "sms", "phone": 1}, Mark.SMS, "text to phone 2: sent"),
    (DeliveryState.SENT, {"channel": "sms", "phone": 0, "via": "vonage"}, Mark.SMS, "text to phone 1 by vonage: sent"),
    (
        DeliveryState.DIGESTED,
        {"channel": "sms", "phone": 0, "digest": "D1GE"},
        Mark.CAPPED,
        "text to phone 1: held back by the cap, then told in one text with others, #D1GE",
    ),
]


@pytest.mark.parametrize(("state", "fields", "mark", "words"), STATES)
def test_each_state_of_a_message_has_its_mark_and_words(
    state: DeliveryState, fields: dict[str, object], mark: Mark, words: str
) -> None:
    _, told = timeline(with_delivery(state, **fields))
    assert (told.mark, told.words, told.lane) == (mark, words, fields.get("channel", "slack"))


def test_what_nobody_needed_any_more_is_left_out() -> None:
    assert [moment.words for moment in timeline(with_delivery(DeliveryState.CANCELLED))] == ["opened"]


def with_delivery(state: DeliveryState, **fields: object) -> Incident:
    given = {"kind": Kind.OPENED, "channel": "slack", "created_at": NOON, **fields}
    one = Delivery(state=state, **given)  # type: ignore[arg-type]
    return msgspec.structs.replace(known(opened()), deliveries={"one": one})


@pytest.mark.parametrize("state", DeliveryState)
@pytest.mark.parametrize("channel", LANES[1:])
@pytest.mark.parametrize("kind", Kind)
def test_every_message_there_can_be_has_a_lane(state: DeliveryState, channel: str, kind: Kind) -> None:
    moments = timeline(with_delivery(state, channel=channel, kind=kind, phone=0 if channel == "sms" else None))
    assert {moment.lane for moment in moments} <= set(LANES)
    assert all(moment.words and "\n" not in moment.words for moment in moments)


def test_what_began_long_before_we_heard_of_it_says_so() -> None:
    known_late = known(opened(an_alert(started_at=NOON - minutes(9))))
    assert timeline(known_late)[0].words == "opened; it began 9 min before"
    in_time = known(opened(an_alert(started_at=NOON - minutes(0.5))))
    assert timeline(in_time)[0].words == "opened"


def test_an_incident_that_expired_is_not_said_to_be_resolved() -> None:
    expired = msgspec.structs.replace(known(opened()), resolved_at=NOON + timedelta(days=8), expired=True)
    assert timeline(expired)[-1].words == "expired after 8 d without news"


def test_a_message_counts_from_when_it_was_sent_last() -> None:
    sent_late = with_delivery(DeliveryState.SENT, claimed_at=NOON + minutes(3))
    assert shown(timeline(sent_late)) == [("12:00", "opened"), ("12:03", "Slack told")]
