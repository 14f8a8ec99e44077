"""Recorded alerts: which files are read, when each body came, and what is said of the rest."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.recording import APART, BEGINS, Problem, Recorded, in_time, length_of, moment_of, recorded, told_at
from tests.end_to_end.alerts import cloud_monitoring

FIRST = {"text": "Disk full", "id": "disk"}
SECOND = {"text": "Disk fuller", "id": "disk-2"}
THREE = datetime(2026, 1, 31, 3, tzinfo=UTC)


def read(content: bytes | str | object) -> list[Recorded | Problem]:
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    return list(recorded("night.json", text if isinstance(text, bytes) else text.encode()))


def titles(found: list[Recorded | Problem]) -> list[str]:
    return [alert.title for one in found if isinstance(one, Recorded) for alert in one.reading.alerts]


FILES = {
    "one body": json.dumps(FIRST),
    "one body on several lines": json.dumps(FIRST, indent=2),
    "with a byte order mark": "\ufeff" + json.dumps(FIRST),
    "an array": json.dumps([FIRST]),
    "one line": json.dumps(FIRST) + "\n",
    "with its time": json.dumps({"at": "90s", "body": FIRST}),
    "without its time": json.dumps({"body": FIRST}),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_a_file_holds_bodies_in_any_of_these_forms(content: str) -> None:
    (one,) = read(content)
    assert titles([one]) == ["Disk full"]


@pytest.mark.parametrize("joined", ["[{},\n{}]", "{}\n\n{}\n", "{}\r\n{}"], ids=["array", "lines", "CRLF"])
def test_several_bodies_keep_their_order(joined: str) -> None:
    found = read(joined.replace("{}", json.dumps(FIRST), 1).replace("{}", json.dumps(SECOND), 1))
    assert titles(found) == ["Disk full", "Disk fuller"]


def test_a_body_in_any_dialect_is_read() -> None:
    assert titles(read(cloud_monitoring("0.1"))) == ["Database CPU on db-1 (CPU utilization)"]


UNREADABLE = {
    "no JSON": ("oh no", ["night.json"], "expected JSON"),
    "nothing": ("", ["night.json"], "an empty body"),
    "no alert": ('{"hello": 1}', ["night.json"], "expected"),
    "a ping": ("{}", ["night.json"], "a ping"),
    "a body in an array": (json.dumps([FIRST, 3]), ["night.json, body 2"], "expected a JSON object"),
    "a line": (f"{json.dumps(FIRST)}\n{{oh\n{json.dumps(SECOND)}", ["night.json, line 2"], "expected JSON"),
    "a time": (json.dumps({"at": "soon", "body": FIRST}), ["night.json"], "'soon'"),
    "a body cut off": ('{"text":\n"Disk full"', ["night.json"], "the end of the body"),
    "too large": (json.dumps({"text": "x" * 1_048_576}), ["night.json"], "413"),
    "too deep": ("[" * 100_000, ["night.json"], "nested"),
}


@pytest.mark.parametrize(("content", "where", "words"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_named_with_its_place(content: str, where: list[str], words: str) -> None:
    problems = [one for one in read(content) if isinstance(one, Problem)]
    assert [one.where for one in problems] == where
    assert words in problems[0].words


def test_what_can_be_read_goes_on_beside_what_cannot() -> None:
    found = read(f"{json.dumps(FIRST)}\n{{oh\n{json.dumps(SECOND)}")
    assert titles(found) == ["Disk full", "Disk fuller"]


def test_of_a_body_with_a_bad_alert_the_others_are_played() -> None:
    alert = {"status": "firing", "fingerprint": "a", "labels": {"alertname": "Down"}}
    body = {"version": "4", "status": "firing", "receiver": "r", "alerts": [alert, {**alert, "status": 3}]}
    problem, one = read(body)
    assert isinstance(problem, Problem)
    assert "alerts[1].status" in problem.words
    assert titles([one]) == ["Down"]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_a_problem(content: bytes) -> None:
    assert all(isinstance(one, Recorded | Problem) for one in recorded("night.json", content))


LENGTHS = {"90s": 90, "10m": 600, "1h": 3_600, "31d": 2_678_400, "0s": 0}


@pytest.mark.parametrize(("words", "seconds"), LENGTHS.items())
def test_a_length_of_time_is_read(words: str, seconds: int) -> None:
    assert length_of(words) == timedelta(seconds=seconds)


@pytest.mark.parametrize("words", ["", "10", "m", "-1m", "1.5h", "10 m", "1w", "10m ", "32d", "745h", "١s"])
def test_what_is_no_length_of_time_is_refused(words: str) -> None:
    assert length_of(words) is None


MOMENTS: list[tuple[object, object]] = [
    ("2026-01-31T03:00:00Z", THREE),
    ("2026-01-31T04:00:00+01:00", THREE),
    ("2026-01-31T03:00:00", None),
    ("10m", timedelta(minutes=10)),
    (90, timedelta(seconds=90)),
    (1.5, timedelta(seconds=1.5)),
    (THREE.timestamp(), THREE),
    (-1, None),
    (1e300, None),
    (True, None),
    (None, None),
    ([], None),
]


@pytest.mark.parametrize(("value", "moment"), MOMENTS)
def test_when_a_body_came_is_a_time_or_so_long_after_the_beginning(value: object, moment: object) -> None:
    assert moment_of(value) == moment


def incident(**times: object) -> dict[str, object]:
    return {"incident": {"incident_id": "0.1", "state": "open", **times}}


def alerts(*times: dict[str, str]) -> dict[str, object]:
    return {"alerts": list(times)}


STAMP = THREE.timestamp()
PUBLISHED = {"data": base64.b64encode(json.dumps(incident(started_at=STAMP)).encode()).decode(), "messageId": "1"}
TOLD: dict[str, tuple[object, datetime | None]] = {
    "opened": (incident(started_at=STAMP, ended_at=None), THREE),
    "closed": (incident(started_at=STAMP - 60, ended_at=STAMP), THREE),
    "a test's zeros": (incident(started_at=0, ended_at=0), None),
    "firing, with an end that is a guess": (
        alerts({"status": "firing", "startsAt": "2026-01-31T03:00:00Z", "endsAt": "2026-01-31T04:00:00Z"}),
        THREE,
    ),
    "firing": (
        alerts({"status": "firing", "startsAt": "2026-01-31T03:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}),
        THREE,
    ),
    "resolved": (
        alerts({"status": "resolved", "startsAt": "2026-01-31T02:00:00Z", "endsAt": "2026-01-31T03:00:00Z"}),
        THREE,
    ),
    "the newest of several": (
        alerts(
            {"status": "firing", "startsAt": "2026-01-31T03:00:00Z"},
            {"status": "firing", "startsAt": "2026-01-31T02:00:00Z"},
        ),
        THREE,
    ),
    "published": ({"message": {**PUBLISHED, "publishTime": "2026-01-31T03:00:00Z"}, "subscription": "s"}, THREE),
    "published, we do not know when": ({"message": PUBLISHED, "subscription": "s"}, THREE),
    "plain": (FIRST, None),
    "odd": ({"incident": 3, "alerts": [3, {"startsAt": 3}]}, None),
}


@pytest.mark.parametrize(("body", "at"), TOLD.values(), ids=TOLD.keys())
def test_a_body_says_itself_when_it_came(body: object, at: datetime | None) -> None:
    assert told_at(body) == at


def at(*times: object, every: timedelta | None = None) -> list[tuple[timedelta, str]]:
    """When bodies that say so came, after three o'clock, and which."""
    bodies = [{"at": time, "body": {"text": str(number)}} for number, time in enumerate(times)]
    found = [one for one in read(bodies) if isinstance(one, Recorded)]
    return [(moment - THREE, one.reading.alerts[0].title) for moment, one in in_time(found, every)]


def after(**length: float) -> timedelta:
    return timedelta(**length)


def test_bodies_come_in_the_order_of_their_times() -> None:
    assert at("2026-01-31T03:10:00Z", "2026-01-31T03:00:00Z") == [(after(), "1"), (after(minutes=10), "0")]


def test_those_of_one_moment_keep_their_order() -> None:
    assert [name for _, name in at(*["2026-01-31T03:00:00Z"] * 5)] == list("01234")


def test_a_length_counts_from_the_first_known_moment() -> None:
    times = at("5m", "2026-01-31T03:00:00Z", "1h")
    assert times == [(after(), "1"), (after(minutes=5), "0"), (after(hours=1), "2")]


def test_what_says_nothing_comes_a_little_after_the_one_before() -> None:
    times = at("2026-01-31T03:00:00Z", None, None, "2026-01-31T04:00:00Z")
    assert times == [(after(), "0"), (APART, "1"), (2 * APART, "2"), (after(hours=1), "3")]


def test_without_any_time_a_recording_begins_always_at_the_same_moment() -> None:
    assert at(None, None)[0][0] == BEGINS - THREE


def test_spaced_by_hand_they_keep_their_order_and_begin_when_the_newest_is_known() -> None:
    times = at("2026-01-31T03:10:00Z", "2026-01-31T03:00:00Z", None, every=after(minutes=1))
    assert times == [(after(minutes=10), "0"), (after(minutes=11), "1"), (after(minutes=12), "2")]


def test_spaced_by_nothing_they_all_come_at_once() -> None:
    times = at("2026-01-31T03:10:00Z", "2026-01-31T03:00:00Z", every=after())
    assert times == [(after(minutes=10), "0"), (after(minutes=10), "1")]
