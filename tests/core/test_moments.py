"""When something is due of an incident."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from notifier.core.alert import Severity
from notifier.core.events import Decision
from notifier.core.incident import DeliveryState, IncidentState
from notifier.core.moments import Page, climbed_to, expires_at, has_page_due, next_due_of, next_page, next_page_due
from notifier.core.outcome import Outcome, Result
from tests.builders import (
    NOON,
    POLICY,
    SHIPPED,
    acknowledge,
    an_alert,
    decide,
    known,
    opened,
    recorded,
    settle,
    texting,
    tick,
)

PAGE = "opened/sms/0/1"


def with_page(before: Decision, **fields: object) -> Decision:
    deliveries = known(before).deliveries
    page = msgspec.structs.replace(deliveries[PAGE], **fields)
    incident = msgspec.structs.replace(known(before), deliveries={**deliveries, PAGE: page})
    return msgspec.structs.replace(before, incident=incident)


@pytest.mark.parametrize(
    ("word", "minutes"), [("critical", 5.5), ("error", 20), ("warning", 10), ("", 10), ("info", 8 * 24 * 60)]
)
def test_once_all_is_told_the_next_step_page_or_end_is_due(word: str, minutes: float) -> None:
    incident = known(recorded(opened(an_alert(word))))
    assert next_due_of(incident, POLICY) == NOON + timedelta(minutes=minutes)


def test_what_is_owed_first_is_due_first() -> None:
    first = opened(an_alert("warning"))
    event = settle(first, {"opened/slack": Outcome(Result.RETRY, "busy"), "opened/discord": Outcome(Result.SENT)})
    assert next_due_of(known(decide(event, first.incident)), POLICY) == NOON + timedelta(seconds=5)


def test_a_page_held_back_is_not_due_by_itself() -> None:
    capped = with_page(recorded(opened()), state=DeliveryState.CAPPED, report_due_at=None)
    assert next_due_of(known(capped), POLICY) == NOON + timedelta(days=8)


@pytest.mark.parametrize(
    ("minutes", "severity"),
    [(9.9, None), (10, Severity.ERROR), (19.9, Severity.ERROR), (20, Severity.CRITICAL), (999, Severity.CRITICAL)],
)
def test_a_warning_climbs_by_time(minutes: float, severity: Severity | None) -> None:
    incident = known(recorded(opened(an_alert("warning"))))
    climbed = climbed_to(incident, POLICY, NOON + timedelta(minutes=minutes))
    assert max(climbed, default=None) is severity


def test_a_late_tick_finds_every_step_the_lowest_first() -> None:
    incident = known(recorded(opened(an_alert("warning"))))
    assert climbed_to(incident, POLICY, NOON + timedelta(hours=1)) == [Severity.ERROR, Severity.CRITICAL]


def test_what_has_climbed_does_not_climb_to_the_same_again() -> None:
    step = tick(recorded(opened(an_alert("warning"))), NOON + timedelta(minutes=10))
    assert climbed_to(known(step), POLICY, NOON + timedelta(minutes=19)) == []


@pytest.mark.parametrize(
    ("last", "following"),
    [(Page(1, 0), Page(1, 1)), (Page(1, 1), Page(2, 0)), (Page(2, 0), Page(2, 1)), (Page(2, 1), None)],
)
def test_the_list_of_phones_is_walked_twice(last: Page, following: Page | None) -> None:
    first = with_page(recorded(opened()), phone=last.phone, walk=last.walk)
    assert next_page(known(first), POLICY) == following


def test_the_first_place_is_the_first_phone() -> None:
    assert next_page(known(opened(an_alert("info"))), POLICY) == Page(1, 0)


def test_a_phone_that_failed_has_no_other_place() -> None:
    failed = with_page(recorded(opened()), state=DeliveryState.FAILED)
    assert next_page(known(failed), SHIPPED.deployed({"sms"}, texting(1))) is None
    assert next_page(known(failed), POLICY) == Page(1, 1)


def test_the_next_page_is_due_a_quarter_of_an_hour_after_the_claim_of_the_last() -> None:
    claimed_at = NOON + timedelta(minutes=3)
    assert next_page_due(known(with_page(recorded(opened()), claimed_at=claimed_at)), POLICY) == (
        claimed_at + timedelta(minutes=15)
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"state": DeliveryState.CAPPED},
        {"state": DeliveryState.CLAIMED, "due_at": NOON},
        {"state": DeliveryState.PENDING, "due_at": NOON},
        {"state": DeliveryState.UNKNOWN, "due_at": NOON},
        {"state": DeliveryState.FAILED},
        {"state": DeliveryState.CANCELLED},
    ],
)
def test_no_next_page_is_due_while_one_is_owed_or_none_is_out(fields: dict[str, object]) -> None:
    assert next_page_due(known(with_page(recorded(opened()), **fields)), POLICY) is None


def test_one_that_may_have_been_sent_is_out() -> None:
    unknown = with_page(recorded(opened()), state=DeliveryState.UNKNOWN)
    assert next_page_due(known(unknown), POLICY) == NOON + timedelta(minutes=15)


def test_no_next_page_is_due_after_an_answer() -> None:
    assert next_page_due(known(acknowledge(recorded(opened()), NOON)), POLICY) is None


@pytest.mark.parametrize(
    ("state", "days"),
    [
        (IncidentState.OPEN, 8),
        (IncidentState.ACKNOWLEDGED, 8),
        (IncidentState.RESOLVED, None),
        (IncidentState.TEST, None),
    ],
)
def test_what_is_not_over_expires_eight_days_after_the_last_news(state: IncidentState, days: int | None) -> None:
    incident = msgspec.structs.replace(known(recorded(opened())), state=state)
    assert expires_at(incident) == (None if days is None else NOON + timedelta(days=days))
    heard = msgspec.structs.replace(incident, news_at=NOON + timedelta(days=1))
    assert expires_at(heard) == (None if days is None else NOON + timedelta(days=days + 1))


class TestPageDue:
    """Pages go first."""

    def test_a_text_that_is_owed_or_to_be_looked_up_is_one(self) -> None:
        assert has_page_due(known(opened()), POLICY, NOON + timedelta(seconds=30))
        assert not has_page_due(known(opened()), POLICY, NOON + timedelta(seconds=29))

    def test_so_is_the_next_phone(self) -> None:
        assert has_page_due(known(recorded(opened())), POLICY, NOON + timedelta(minutes=15))

    @pytest.mark.parametrize(("minutes", "page"), [(10, False), (20, True)])
    def test_so_is_a_step_that_reaches_the_phone(self, minutes: int, *, page: bool) -> None:
        incident = known(recorded(opened(an_alert("warning"))))
        assert has_page_due(incident, POLICY, NOON + timedelta(minutes=minutes)) is page

    def test_a_post_is_none(self) -> None:
        assert not has_page_due(known(opened(an_alert("warning"))), POLICY, NOON + timedelta(seconds=30))
