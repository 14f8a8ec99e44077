"""The rows of a rehearsal, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.cli.played import Row, columns_of, fitted, heading, line, rows_of, since, totals_of
from notifier.core.alert import Alert
from notifier.policy_file import read_policy
from notifier.rehearsal import Answers, Rehearsal

BEGAN = datetime(2026, 1, 31, 3, 12, tzinfo=UTC)
PRICE = 0.01
CAP = 5


def alert(severity: str = "critical", name: str = "a", **fields: object) -> Alert:
    return Alert(**{"source": "plain", "incident_id": name, "severity": severity, "title": "Disk full", **fields})  # type: ignore[arg-type]


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def played(*alerts: tuple[float, Alert], answers: Answers = Answers()) -> list[Row]:  # noqa: B008 - frozen
    """The rows after these alerts, each with the minutes after the beginning it came."""
    rehearsal = Rehearsal(read_policy(), answers=answers)
    bodies = [(BEGAN + minutes(at), [one]) for at, one in alerts]
    return [row for events in rehearsal.play(bodies) for row in rows_of(events)]


def shown(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    return [(row.event, row.what, " ".join(row.channels)) for row in rows]


ALL = "slack discord email"


def test_an_unanswered_warning_row_by_row() -> None:
    rows = played((0, alert("warning")))
    assert shown(rows) == [
        ("opened", "opened as warning", "slack discord"),
        ("escalated", "unanswered: now error", "email"),
        ("escalated", "unanswered: now critical", ""),
        ("page", "page 1 to phone 1", "sms"),
        ("page", "page 2 to phone 2", "sms"),
        ("page", "page 3 to phone 1", "sms"),
        ("capped", "capped: phone 2 not texted", ALL),
        ("page", "page 4 to phone 2", "sms"),
    ]
    assert [row.phone for row in rows if row.event == "page"] == [1, 2, 1, 2]


def test_an_answered_critical_row_by_row() -> None:
    answers = Answers(acknowledge_after=minutes(5), resolve_after=minutes(10))
    assert shown(played((0, alert()), answers=answers)) == [
        ("opened", "opened as critical", ALL),
        ("page", "page 1 to phone 1", "sms"),
        ("acknowledged", "acknowledged", ALL),
        ("resolved", "resolved", ALL),
    ]


CASES: dict[str, tuple[list[tuple[float, Alert]], tuple[str, str, str]]] = {
    "raised by its sender": (
        [(0, alert("info")), (1, alert("error"))],
        ("raised", "raised to error", "email"),
    ),
    "a repeat": ([(0, alert("info")), (1, alert("info"))], ("repeat", "repeat: nothing new", "")),
    "a close": ([(0, alert("info")), (1, alert("info", closed=True))], ("resolved", "resolved", "slack discord")),
    "a second close": (
        [(0, alert("info")), (1, alert("info", closed=True)), (2, alert("info", closed=True))],
        ("repeat", "late: it is over already", ""),
    ),
    "a close before its open": (
        [(0, alert("info", closed=True))],
        ("closed unopened", "closed before it opened", ""),
    ),
    "the same again": (
        [(0, alert("info")), (1, alert("info", closed=True)), (2, alert("info"))],
        ("opened", "opened again as info", "slack discord"),
    ),
    "a test": ([(0, alert("", test=True))], ("test", "test: never texted", ALL)),
    "an end without news": (
        [(0, alert("info")), (9 * 24 * 60, alert("info", "b"))],
        ("expired", "expired", "slack discord"),
    ),
}


@pytest.mark.parametrize(("alerts", "row"), CASES.values(), ids=CASES.keys())
def test_what_happens_is_named(alerts: list[tuple[float, Alert]], row: tuple[str, str, str]) -> None:
    assert row in shown(played(*alerts))


def storm() -> list[Row]:
    return played(*((number / 60, alert(name=f"{number}", title=f"db-{number} is down")) for number in range(20)))


def test_a_digest_is_named_and_each_of_its_members_says_so() -> None:
    rows = storm()
    (digest,) = [row for row in rows if row.event == "digest"]
    assert (digest.what, digest.channels) == ("digest of 20 incidents", [])
    assert [row.what for row in rows if row.event == "digested"] == [f"texted in digest #{digest.incident.ref}"] * 20


def test_the_totals_are_counted_from_what_the_channels_took() -> None:
    rows = storm()
    totals = totals_of(rows, 20, PRICE, CAP)
    texts = [row.at for row in rows if row.event == "page"]
    assert (totals.alerts, totals.incidents, totals.digests, totals.repeats) == (20, 20, 1, 0)
    assert totals.texts == len(texts) == totals.segments
    assert totals.usd == pytest.approx(len(texts) * PRICE)
    assert totals.capped == sum(row.event == "capped" for row in rows)
    assert totals.messages == {"slack": totals.messages["email"], "discord": totals.messages["email"]} | totals.messages
    assert (totals.most_texts_in_an_hour, totals.cap_was_kept) == (CAP, True)


def test_a_passed_cap_is_seen() -> None:
    assert not totals_of(storm(), 20, PRICE, CAP - 1).cap_was_kept


@pytest.mark.parametrize(
    ("apart", "most"), [(minutes(59), 2), (timedelta(hours=1), 1), (minutes(1), 3)], ids=["59 min", "1 h", "1 min"]
)
def test_the_fullest_hour_is_found(apart: timedelta, most: int) -> None:
    (page,) = [row for row in played((0, alert()), answers=Answers(acknowledge_after=minutes(1))) if row.phone]
    rows = [Row(at=BEGAN + apart * n, incident=page.incident, event="page", what="", told=page.told) for n in range(3)]
    assert totals_of(rows, 1, PRICE, CAP).most_texts_in_an_hour == most


def test_nothing_comes_to_nothing() -> None:
    totals = totals_of([], 0, PRICE, CAP)
    assert (totals.texts, totals.most_texts_in_an_hour, totals.messages) == (0, 0, {})


# Lines


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_lines_fit_the_terminal(width: int) -> None:
    rows = played((0, alert(title="重启 the database of the whole company, which is down " * 3)))
    assert max(columns_of(line(row, BEGAN, width, PRICE)) for row in rows) <= width
    assert columns_of(heading(width)) <= width


def test_a_line_says_when_which_what_where_and_for_how_much() -> None:
    opened, page, *_ = played((0, alert()))
    assert line(opened, BEGAN, 80, PRICE) == (
        f"00:00:00 03:12 #{opened.incident.ref}  opened as critical: Disk f… slack discord email"
    )
    assert line(page, BEGAN - minutes(90), 80, PRICE) == (
        f"01:30:00 03:12 #{page.incident.ref}  page 1 to phone 1: Disk fu… sms                   1   1.00"
    )


def test_what_nobody_is_told_stands_in_the_log() -> None:
    _, row = played((0, alert("info")), (1, alert("info")))
    assert line(row, BEGAN, 80, PRICE).endswith(" log")


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(), "00:00:00"),
        (timedelta(hours=99, minutes=59, seconds=59), "99:59:59"),
        (timedelta(hours=100), "4d 04h"),
        (timedelta(days=100, hours=23), "100d 23h"),
        (timedelta(days=4_000), "4000d"),
    ],
)
def test_the_time_since_the_beginning_stays_readable(length: timedelta, words: str) -> None:
    assert since(length) == words


@given(st.text(max_size=60), st.integers(1, 40))
def test_whatever_the_words_they_take_their_columns(text: str, columns: int) -> None:
    assert columns_of(fitted(text, columns)) == columns


def test_what_fits_is_whole() -> None:
    assert (fitted("重启", 4), fitted("重启", 5), fitted("重启x", 4)) == ("重启", "重启 ", "重… ")


def test_a_message_that_tells_of_several_counts_as_one() -> None:
    rows = played(*[(number / 100, alert("warning", f"{number}")) for number in range(1, 7)])
    told = [row for row in rows if row.what == "unanswered: now error"]
    assert [row.channels for row in told] == [["email"]] * 6
    assert totals_of(told, 6, PRICE, CAP).messages == {"email": 1}
