from __future__ import annotations

import contextlib
import json
import sys
import time

import pytest

from notifier.sources import Reading, Unreadable, read
from tests.sources.bodies import alerts, envelope, raw

MEBIBYTE = 1 << 20


def refusal(body: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        read(body)
    return caught.value.reason


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("cloud_monitoring_open", ["cloud-monitoring"]),
        ("error_reporting", ["error-reporting"]),
        ("alertmanager", ["alertmanager", "alertmanager"]),
        ("grafana", ["grafana"]),
        ("plain", ["plain"]),
        ("pubsub_push", ["cloud-monitoring"]),
    ],
)
def test_dialects_are_told_apart_by_shape(name: str, sources: list[str]) -> None:
    """No header, no path: what is there decides."""
    assert [alert.source for alert in read(raw(name)).alerts] == sources


@pytest.mark.parametrize(
    ("body", "source"),
    [
        ({"incident": {"incident_id": 1, "state": "open"}, "text": "x", "alerts": []}, "cloud-monitoring"),
        ({"alerts": [{"fingerprint": 1, "status": "firing"}], "title": "x", "message": "y"}, "alertmanager"),
        ({"group_info": {}, "text": "x"}, "error-reporting"),
        ({"text": "x", "incident": "INC-1", "alerts": 3, "group_info": "a", "message": {"x": 1}}, "plain"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_more_telling_shape_wins(body: dict[str, object], source: str) -> None:
    """Anything may have a text besides; a field of another type is no shape."""
    assert read(json.dumps(body).encode()).alerts[0].source == source


@pytest.mark.parametrize("body", [b"{}", b" {\n} ", b"\xef\xbb\xbf{}"], ids=repr)
def test_an_empty_object_is_a_ping(body: bytes) -> None:
    """Somebody tries whether we are there: nothing to tell anybody."""
    assert read(body) == Reading(ping=True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "expected JSON, got an empty body"),
        (b" \n\t", "expected JSON, got an empty body"),
        (b"\xef\xbb\xbf", "expected JSON, got an empty body"),
        (b"<html>", "expected JSON, got '<' at line 1 column 1"),
        (b'{"a": 1,\n  oops}', "expected JSON, got 'o' at line 2 column 3"),
        (b'{"a": 1', "expected JSON, got the end of the body at line 1 column 8"),
        (b"{} {}", "expected JSON, got '{' at line 1 column 4"),
        (b"\x00", r"expected JSON, got '\x00' at line 1 column 1"),
        (b"\xff\xfe", "expected JSON, got '\ufffd' at line 1 column 1"),
        (b"[]", "expected a JSON object, got a list"),
        (b"null", "expected a JSON object, got nothing"),
        (b"NaN", "expected a JSON object, got nothing"),
        (b'"text"', "expected a JSON object, got 'text'"),
        (b"7", "expected a JSON object, got 7"),
        (b'{"incident": [1]}', "expected an object in incident, got a list"),
        (b'{"alerts": {"a": 1}}', "expected a list in alerts, got an object"),
        (b'{"group_info": null}', "expected an object in group_info, got nothing"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_refusal_says_what_was_expected_and_where(body: bytes, reason: str) -> None:
    """One clear line that whoever owns the sender can act on."""
    assert refusal(body) == reason


def test_an_unknown_shape_is_answered_with_the_known_ones() -> None:
    """All of the dialects are named, and what was there instead."""
    assert refusal(b'{"a": 1, "b": 2, "c": 3}') == (
        "no known shape: expected an 'incident' object (Cloud Monitoring), an 'alerts' list (Alertmanager, Grafana), "
        "'message.data' (Pub/Sub push), 'group_info' (Error Reporting) or a 'text' (plain form); "
        "got an object with keys a, b, c"
    )


def test_a_refusal_shows_no_more_than_a_printable_piece() -> None:
    """A body may hold anything, and the reason goes to people, logs and the sender."""
    keys = {f"{number}\x00\ud800\n\u202e" + "k" * 1000: number for number in range(50)}
    reason = refusal(json.dumps(keys).encode())
    assert len(reason) <= 300
    assert reason.isprintable()
    assert reason.endswith(", ...")


def test_a_reason_is_one_short_line() -> None:
    """Whoever makes one: it goes into a log line, an answer and a message to people."""
    reason = Unreadable("one\x00\ntwo " + "x" * 1000).reason
    assert reason.startswith("one two xxx")
    assert len(reason) == 300


def test_a_long_value_is_cut_in_a_refusal() -> None:
    """Forty characters are enough to find it."""
    body = json.dumps({"incident": {"incident_id": "1", "state": "b" * 5000}}).encode()
    assert refusal(body) == f"expected 'open' or 'closed' in incident.state, got '{'b' * 40}…'"


@pytest.mark.parametrize(
    "body",
    [
        b'[{"ackId": "a", "message": {"data": "e30="}}]',
        b'[{"message": {}}]',
        b'{"receivedMessages": [{"ackId": "a", "message": {"data": "e30="}}]}',
    ],
    ids=["gcloud", "no ackId", "API"],
)
def test_a_pull_response_is_told_to_become_a_push(body: bytes) -> None:
    """It was made for somebody who asks; nobody acknowledges it here."""
    assert refusal(body) == (
        "expected one alert or a Pub/Sub push, got what looks like a Pub/Sub pull response: "
        "use a push subscription to this address"
    )


@pytest.mark.parametrize(
    "budget",
    [
        {"budgetDisplayName": "Larch", "costAmount": 12.5, "budgetAmount": 100.0, "currencyCode": "SEK"},
        {"costAmount": 0, "budgetAmount": 1},
    ],
    ids=["whole", "amounts only"],
)
@pytest.mark.parametrize("wrap", [bytes, envelope], ids=["bare", "in Pub/Sub"])
def test_a_budget_feed_is_no_alert(budget: dict[str, object], wrap: type[bytes]) -> None:
    """It comes several times a day whether or not anything is wrong."""
    reason = refusal(wrap(json.dumps(budget).encode()))
    assert "expected an alert, got a Cloud Billing budget message" in reason


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b'\xef\xbb\xbf{"text": "byte order mark"}', "byte order mark"),
        (b'{"text": "caf\xe9"}', "caf\ufffd"),
        (b'{"text": "a\\ud800b"}', "ab"),
        (b'{"text": "\\ud83d\\ude00"}', "\U0001f600"),
        (b'{"text": "a\\u0000b\x00c"}', "abc"),
        (b'{"text": "tab\there"}', "tab here"),
        (b'{"text": "nan", "labels": {"a": NaN, "b": -Infinity}}', "nan"),
        (b'{"text": "first", "text": "last"}', "last"),
        (b'{"text": 1e999}', "1e999"),
        (b'{"text": 0.5}', "0.5"),
        (b'{"text": 0.' + b"1" * 100 + b"}", "0." + "1" * 100),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_json_is_read_with_forgiveness(body: bytes, title: str) -> None:
    """A page is not lost over a byte."""
    assert read(body).alerts[0].title == title


def test_an_integer_without_end_is_an_id_like_any_other() -> None:
    """Kept as its digits: converting a million of them takes minutes."""
    first, second = (
        read(b'{"incident": {"state": "open", "incident_id": ' + b"9" * 1_000_000 + end + b"}}").alerts[0].incident_id
        for end in (b"1", b"2")
    )
    assert first != second
    assert first.startswith("99999")


DEEP = "expected JSON nested a few levels deep, got hundreds of levels"


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"text":' * 100_000, b'{"incident":' + b"[" * 100_000 + b"]" * 100_000 + b"}"],
    ids=["lists", "objects", "closed"],
)
def test_deep_nesting_is_refused(body: bytes) -> None:
    """Never a RecursionError, also inside of a message."""
    assert refusal(body) == DEEP
    assert refusal(envelope(body)) == f"in a Pub/Sub message: {DEEP}"


def _filled(item: bytes, head: bytes, tail: bytes) -> bytes:
    """About 1 MiB of `item`, comma separated."""
    times = (MEBIBYTE - len(head) - len(tail)) // (len(item) + 1)
    return head + b",".join([item] * times) + tail


FULL_ALERT = json.dumps(json.loads(raw("alertmanager"))["alerts"][0]).encode()
LOOK_ALIKE = json.dumps(
    {
        "incident": {
            "incident_id": "a",
            "state": "open",
            "policy_name": "a" * 300_000,
            "resource_display_name": "a" * 300_000,
            "summary": "1" * 300_000,
            "observed_value": "1" * 40,
        }
    }
).encode()
LOOK_ALIKES = alerts(
    *[
        {
            "labels": {"alertname": "a" * 500, "instance": "a" * 250},
            "annotations": {"summary": "a" * 8000, "description": "a" * 7000 + "b"},
        }
    ]
    * 60
)
TIMED = {
    "alertmanager": _filled(FULL_ALERT, b'{"alerts":[', b"]}"),
    "alertmanager in a message": envelope(_filled(FULL_ALERT, b'{"alerts":[', b"]}")),
    "alerts of a few bytes": _filled(b'{"status":"firing","labels":{"a":"b"}}', b'{"alerts":[', b"]}"),
    "alerts of one byte": _filled(b"1", b'{"alerts":[', b"]}"),
    "labels": b'{"text":"x","labels":{' + b",".join(b'"k%d":1' % number for number in range(90_000)) + b"}}",
    "annotations": b'{"alerts":[{"status":"firing","fingerprint":1,"annotations":{'
    + b",".join(b'"k%d":"a"' % number for number in range(70_000)) + b"}}]}",
    "bad UTF-8": b'{"text":"' + b"\xff" * (MEBIBYTE - 20) + b'"}',
    "surrogates": b'{"text":"' + b"\\ud800" * 170_000 + b'"}',
    "line ends": b"\n" * (MEBIBYTE - 1) + b"x",
    "integer": b'{"text":' + b"7" * (MEBIBYTE - 20) + b"}",
    "exponent": b'{"text":1e' + b"7" * (MEBIBYTE - 20) + b"}",
    "bad base64": envelope("!" * MEBIBYTE),
    "repetitive incident": LOOK_ALIKE,
    "repetitive alerts": LOOK_ALIKES,
}  # fmt: skip


# Coverage slows every line down; without it the slowest of these takes 0.12 s.
SECONDS = 0.3 if sys.gettrace() is None else 3.0


@pytest.mark.parametrize("body", TIMED.values(), ids=TIMED.keys())
def test_a_mebibyte_is_read_at_once(body: bytes) -> None:
    """A request has 9 s for all it does. Our own time is counted: the machine may be busy with others."""
    begun = time.process_time()
    with contextlib.suppress(Unreadable):
        read(body)
    assert time.process_time() - begun < SECONDS
