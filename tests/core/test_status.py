"""Which incidents the status page shows, in which order, and what it says of the rest."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from notifier.core.conversation import Conversation
from notifier.core.incident import Incident, IncidentState
from notifier.core.ledger import Ledger
from notifier.core.status import (
    ENDED_AT_MOST,
    UNRESOLVED_AT_MOST,
    Known,
    Phone,
    Status,
    Unreadable,
    status_of,
    tick_words,
)
from notifier.core.totals import Month, Totals
from tests.builders import NOON, POLICY, SHIPPED, an_alert, known, opened, recorded, texting

PHONES = ("+1555*****01", "+1555*****02")


def an_incident(name: str, severity: str = "critical", *, minutes: float = 0, **fields: object) -> Incident:
    told = recorded(opened(an_alert(severity, name)))
    at = NOON + timedelta(minutes=minutes)
    return msgspec.structs.replace(known(told), opened_at=at, **fields)


def answered(name: str, severity: str = "critical") -> Incident:
    return an_incident(name, severity, state=IncidentState.ACKNOWLEDGED, acknowledged_at=NOON, acknowledged_by="Ada")


def ended(name: str, minutes: float) -> Incident:
    return an_incident(name, state=IncidentState.RESOLVED, resolved_at=NOON + timedelta(minutes=minutes))


def shown(*incidents: Incident, ledger: Ledger | None = None, **fields: object) -> Status:
    given: dict[str, object] = {"unreadable": (), "ended_left_out": False, "last_tick": NOON, **fields}
    found = Known(incidents=incidents, ledger=ledger or Ledger(), **given)  # type: ignore[arg-type]
    return status_of(found, POLICY, PHONES, NOON + timedelta(hours=1))


def titles(status: Status) -> list[str]:
    return [one.title.removesuffix(" is down") for one in status.unresolved]


def test_open_comes_first_then_the_loudest_then_the_newest() -> None:
    status = shown(
        answered("answered"),
        an_incident("mail", "error"),
        an_incident("old"),
        an_incident("new", minutes=5),
        an_incident("note", "info", minutes=9),
    )
    assert titles(status) == ["new", "old", "mail", "note", "answered"]
    assert status.unanswered == 4


def test_what_has_ended_stands_apart_the_latest_first() -> None:
    status = shown(ended("first", 1), an_incident("open"), ended("last", 2))
    assert [one.title for one in status.ended] == ["last is down", "first is down"]
    assert titles(status) == ["open"]


def test_what_ends_between_two_reads_is_shown_once_as_it_is_then() -> None:
    status = shown(an_incident("db"), ended("db", 3))
    assert (len(status.unresolved), len(status.ended)) == (0, 1)


def test_of_too_many_the_least_urgent_are_left_out_and_counted() -> None:
    many = [an_incident(f"note-{number}", "info") for number in range(UNRESOLVED_AT_MOST)]
    status = shown(*many, an_incident("db"))
    assert titles(status)[0] == "db"
    assert (len(status.unresolved), status.unresolved_left_out) == (UNRESOLVED_AT_MOST, 1)
    assert status.unanswered == UNRESOLVED_AT_MOST + 1


def test_what_ended_is_cut_and_said_to_be() -> None:
    status = shown(*[ended(f"{number}", number) for number in range(ENDED_AT_MOST + 1)], ended_left_out=True)
    assert (len(status.ended), status.ended_left_out) == (ENDED_AT_MOST, True)
    assert not shown(ended("db", 1)).ended_left_out


def test_a_test_is_kept_with_what_is_over() -> None:
    test = an_incident("test", state=IncidentState.TEST, expire_at=NOON + timedelta(days=14))
    status = shown(test, ended("db", 1))
    assert [one.state.value for one in status.ended] == ["resolved", "test"]


def test_what_follows_is_said_of_what_is_open_alone() -> None:
    status = shown(an_incident("db"), answered("web"))
    assert [bool(one.follows) for one in status.unresolved] == [True, False]


def test_an_unreadable_document_is_passed_on() -> None:
    assert shown(unreadable=(Unreadable("ab", "schema 99"),)).unreadable == (Unreadable("ab", "schema 99"),)


@pytest.mark.parametrize(
    ("last_tick", "words", "overdue"),
    [
        (NOON + timedelta(hours=1), "The last tick was just now.", False),
        (NOON + timedelta(minutes=59), "The last tick was 1 min ago.", False),
        (NOON + timedelta(minutes=57), "The last tick was 3 min ago.", False),
        (
            NOON + timedelta(minutes=56),
            "The last tick was 4 min ago: until it comes, nothing gets louder or is sent again. See Cloud Scheduler.",
            True,
        ),
        (None, "The tick has never come: nothing gets louder, and nothing is sent again. See Cloud Scheduler.", True),
    ],
)
def test_a_tick_that_is_overdue_is_said_to_be(last_tick: datetime | None, words: str, overdue: bool) -> None:  # noqa: FBT001
    status = shown(last_tick=last_tick)
    assert (tick_words(status), status.tick_is_overdue) == (words, overdue)


def test_the_months_are_counted_and_priced_the_present_one_first() -> None:
    totals = Totals({"2025-12": Month(10, 12), "2026-01": Month(4, 5)})
    months = shown(ledger=Ledger(totals=totals)).months
    assert [(one.month, one.texts, one.segments, one.usd) for one in months] == [
        ("2026-01", 4, 5, 0.0),
        ("2025-12", 10, 12, 0.0),
    ]
    priced = SHIPPED.deployed({"log", "sms"}, texting(2, price=0.0083))
    found = Known(incidents=(), unreadable=(), ended_left_out=False, ledger=Ledger(totals=totals), last_tick=None)
    assert status_of(found, priced, PHONES, NOON).months[0].usd == 0.0415


def test_a_month_without_texts_is_said_to_have_none() -> None:
    assert [(one.month, one.texts) for one in shown().months] == [("2026-01", 0)]


def test_a_phone_that_has_opted_out_is_marked() -> None:
    conversation = Conversation().with_opt_out("mark1", NOON)
    assert shown(ledger=Ledger(conversation=conversation)).phones == (
        Phone(PHONES[0], opted_out=False),
        Phone(PHONES[1], opted_out=True),
    )


def test_channels_that_are_not_configured_are_named() -> None:
    policy = SHIPPED.deployed({"log", "slack"}, texting(0))
    found = Known(incidents=(), unreadable=(), ended_left_out=False, ledger=Ledger(), last_tick=None)
    status = status_of(found, policy, (), NOON)
    assert (status.channels, status.not_used) == (("log", "slack"), ("discord", "email", "sms"))


def test_a_text_of_a_shown_incident_stands_where_it_was_sent() -> None:
    told = recorded(opened())
    status = shown(known(told), ledger=told.ledger)
    assert [text.at for text in status.window.texts] == [NOON]
