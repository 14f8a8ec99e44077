"""HTTP: which status and words for what, and who is told of what could not be read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from notifier.body import BODY_BYTES, TOO_LARGE_BYTES
from notifier.core.alert import Severity
from notifier.ports import StoreDown, StoreRefused
from tests.web.pager import FREE, Pager, content, push, sample

CRITICAL = {"id": "db", "title": "Database unreachable", "severity": "critical"}


# Alerts


def test_an_alert_is_answered_with_what_became_of_it(pager: Pager) -> None:
    answer = pager.post(sample("cloud_monitoring_open"))
    assert answer.status_code == 200
    (incident,) = content(answer)["incidents"]
    assert len(incident.pop("ref")) == 4
    assert content(answer).keys() == {"incidents"}
    assert incident == {
        "generation": 1,
        "state": "open",
        "severity": "critical",
        "deliveries": {
            "opened/slack": "sent",
            "opened/discord": "sent",
            "opened/email": "sent",
            "opened/sms/0/1": "sent",
        },
    }
    assert pager.told == [*FREE, "sms"]


def test_an_answer_is_json_and_kept_by_nobody(pager: Pager) -> None:
    answer = pager.post(CRITICAL)
    assert (answer.content_type, answer.headers["Cache-Control"]) == ("application/json", "no-store")
    assert answer.get_data().endswith(b"}\n")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", "%"])
def test_an_alert_is_told_by_its_shape_and_not_by_a_header(pager: Pager, content_type: str) -> None:
    assert pager.post(CRITICAL, content_type=content_type).status_code == 200
    assert "sms" in pager.told


def test_a_repeat_is_answered_alike_and_told_to_nobody(pager: Pager) -> None:
    first = content(pager.post(CRITICAL))
    pager.sent.clear()
    assert content(pager.post(CRITICAL)) == first
    assert pager.told == []


def test_several_alerts_are_answered_in_the_senders_order(pager: Pager) -> None:
    body = json.loads(sample("alertmanager"))
    body["alerts"][1]["status"] = "firing"
    answer = content(pager.post(body))
    assert [incident["severity"] for incident in answer["incidents"]] == ["critical", "warning"]


def test_an_alert_in_a_pubsub_push_is_taken(pager: Pager) -> None:
    answer = pager.post(sample("pubsub_push"))
    assert answer.status_code == 200
    assert content(answer)["incidents"][0]["severity"] == "critical"


def test_a_ping_is_answered_200_and_logged(pager: Pager) -> None:
    answer = pager.post({})
    assert (answer.status_code, content(answer)) == (200, {"incidents": []})
    assert "a ping" in str(pager.log)
    assert pager.told == []


def test_a_test_notification_is_told_every_time_on_free_channels(pager: Pager) -> None:
    for _ in range(3):
        pager.sent.clear()
        answer = content(pager.post(sample("cloud_monitoring_test")))
        assert [incident["state"] for incident in answer["incidents"]] == ["test"]
        assert pager.told == FREE


# What cannot be read

UNREADABLE = {
    "not JSON": (b"Disk full!", "expected JSON, got 'D' at line 1 column 1"),
    "empty": (b"", "expected JSON, got an empty body"),
    "a list": (b"[1]", "expected a JSON object, got a list"),
    "no known shape": (b'{"colour": "red"}', "no known shape: expected an 'incident' object (Cloud Monitoring)"),
    "a wrong type": (b'{"incident": "red"}', "expected an object in incident, got 'red'"),
    "an id of a wrong type": (b'{"id": [], "text": "x"}', "id"),
    "nothing said": (b'{"text": ""}', "expected some words in text or title"),
    "nested too deep": (b"[" * 100_000, "expected JSON nested a few levels deep"),
}


@pytest.mark.parametrize(("body", "words"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_400_with_one_line_of_what_was_expected(pager: Pager, body: bytes, words: str) -> None:
    answer = pager.post(body)
    assert answer.status_code == 400
    assert content(answer).keys() == {"error"}
    assert words in content(answer)["error"]
    assert "\n" not in content(answer)["error"]


def test_what_cannot_be_read_is_told_on_the_error_route_and_not_texted(pager: Pager) -> None:
    pager.post(b"Disk full!")
    assert pager.told == FREE
    assert {message.headline for _, message in pager.sent} == {"ERROR: An alert we could not read"}
    assert "expected JSON, got 'D' at line 1 column 1" in pager.sent[0][1].body


def test_the_same_unreadable_body_again_is_told_no_more(pager: Pager) -> None:
    assert [pager.post(b"Disk full!").status_code for _ in range(3)] == [400, 400, 400]
    assert pager.told == FREE


def test_more_than_five_unreadable_bodies_an_hour_are_counted(pager: Pager) -> None:
    for number in range(8):
        assert pager.post(b"unreadable %d" % number).status_code == 400
        pager.clock.turn(timedelta(minutes=1))
    assert len(pager.sent) == 5 * len(FREE)
    assert "over 5 unreadable bodies within the hour: the rest is counted" in str(pager.log)


def test_after_an_hour_an_unreadable_body_is_told_again(pager: Pager) -> None:
    for number in range(6):
        pager.post(b"unreadable %d" % number)
    pager.sent.clear()
    pager.clock.turn(timedelta(hours=1))
    pager.post(b"unreadable at last")
    assert pager.told == FREE


def test_an_unreadable_body_in_a_pubsub_push_is_200_and_told_once(pager: Pager) -> None:
    answers = [pager.post(push(b"Disk full!")) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert content(answers[0])["error"].startswith("in a Pub/Sub message: expected JSON")
    assert pager.told == FREE


def test_an_unreadable_pubsub_push_with_an_id_that_cannot_be_stored_is_told_once(pager: Pager) -> None:
    answers = [pager.post(push(b"Disk full!", "\ud83d")) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert pager.told == FREE


def half_readable() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(sample("alertmanager"))
    good = body["alerts"][0]
    body["alerts"] = [{**good, "status": 7}, good, {**good, "status": 8}]
    return body


def test_an_unreadable_alert_costs_its_neighbour_nothing(pager: Pager) -> None:
    answer = pager.post(half_readable())
    assert answer.status_code == 200
    assert [incident["severity"] for incident in content(answer)["incidents"]] == ["critical"]
    assert [reason.split(" in ")[1].split(",")[0] for reason in content(answer)["unreadable"]] == [
        "alerts[0].status",
        "alerts[2].status",
    ]
    assert pager.told == sorted([*FREE, "sms", *FREE, *FREE])


def test_each_unreadable_alert_of_a_pubsub_message_is_told_once(pager: Pager) -> None:
    body = push(json.dumps(half_readable()).encode())
    for _ in range(2):
        assert pager.post(body).status_code == 200
    notices = [message for name, message in pager.sent if name == "slack" and "could not read" in message.headline]
    assert len(notices) == 2


def test_a_critical_alert_goes_out_before_a_notice_of_its_neighbours(pager: Pager) -> None:
    body = half_readable()
    body["alerts"] = [{**body["alerts"][0], "status": number} for number in range(9)] + [body["alerts"][1]]
    pager.post(body)
    assert {message.severity for _, message in pager.sent[:4]} == {Severity.CRITICAL}
    assert len(pager.sent) > 4


# Hostile bodies

HOSTILE: dict[str, bytes] = {
    "NUL": b'{"id": "a\\u0000b", "title": "x\\u0000y", "text": "\x00"}',
    "lone surrogate": b'{"id": "\\ud800", "title": "\\udfff", "labels": {"\\ud800": "\\udc00"}}',
    "broken UTF-8": b'{"title": "\xff\xfe"}',
    "long title": json.dumps({"title": "x" * 100_000, "id": "y" * 100_000}).encode(),
    "long number": b'{"title": "x", "labels": {"n": ' + b"9" * 1_000_000 + b"}}",
    "long number as id": b'{"title": "x", "id": ' + b"9" * 1_000_000 + b"}",
    "infinite": b'{"title": "x", "labels": {"n": 1e999, "m": NaN, "o": -Infinity}}',
    "deep labels": b'{"title": "x", "labels": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    "many labels": json.dumps({"title": "x", "labels": {str(n): "y" for n in range(20_000)}}).encode(),
    "wrong types": b'{"title": [], "text": {}, "severity": 3, "url": [], "labels": "x"}',
    "a date out of range": b'{"incident": {"incident_id": "a", "state": "open", "started_at": 1e300}}',
    "a name twice": b'{"title": "a", "title": "b"}',
    "many alerts": json.dumps({"alerts": [{"status": 1}] * 20_000}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_never_our_mistake(pager: Pager, body: bytes) -> None:
    assert pager.post(body).status_code in {200, 400}
    assert "our own mistake" not in str(pager.log)


shapes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["incident", "alerts", "message", "data", "text", "title", "id", "state", "labels", "status"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(shapes | st.binary(max_size=40))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_whatever_is_posted_the_answer_is_200_or_400(pager: Pager, body: object) -> None:
    assert pager.post(body).status_code in {200, 400}


# Too large, broken off


def test_the_largest_body_is_taken(pager: Pager) -> None:
    assert pager.post(json.dumps({"title": "x"}).encode().ljust(BODY_BYTES)).status_code == 200


class Endless(io.RawIOBase):
    """A body that does not end; counts what was read of it."""

    read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "all of it at once, into memory"
        self.read_bytes += size
        return b" " * size


@pytest.mark.parametrize("chunked", [False, True], ids=["length given", "chunked"])
def test_a_body_too_large_is_413_logged_and_told_to_nobody(pager: Pager, *, chunked: bool) -> None:
    body = Endless()
    environ = {"wsgi.input": body, "wsgi.input_terminated": True, "CONTENT_LENGTH": "" if chunked else "10485760"}
    answer = pager.call("POST", "/", environ_overrides=environ)
    assert answer.status_code == 413
    assert content(answer) == {"error": "expected at most 1048576 bytes"}
    assert "a body over 1048576 bytes was refused" in str(pager.log)
    assert pager.told == []
    assert not pager.file.exists()
    assert body.read_bytes <= BODY_BYTES + 1 + TOO_LARGE_BYTES


@pytest.mark.parametrize(
    "environ", [{}, {"wsgi.input_terminated": True}], ids=["as the test client has it", "as gunicorn has it"]
)
def test_a_request_that_broke_off_is_told_to_nobody(pager: Pager, environ: dict[str, object]) -> None:
    answer = pager.call(
        "POST", "/", input_stream=io.BytesIO(b'{"title": "Da'), environ_overrides={**environ, "CONTENT_LENGTH": "900"}
    )
    assert answer.status_code == 400
    assert pager.told == []


class Broken(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        raise OSError("chunk without an end")


def test_a_body_that_is_no_http_is_400(pager: Pager) -> None:
    environ = {"wsgi.input": Broken(), "wsgi.input_terminated": True}
    answer = pager.call("POST", "/", environ_overrides=environ)
    assert answer.status_code == 400
    assert "our own mistake" not in str(pager.log)


# Who may not, and what is not there


@pytest.mark.parametrize(
    "body",
    [sample("cloud_monitoring_open"), b"Disk full!", b"{}", b"", b" " * (BODY_BYTES + 1)],
    ids=["an alert", "unreadable", "a ping", "nothing", "too large"],
)
def test_a_stranger_changes_and_sends_nothing(pager: Pager, body: bytes) -> None:
    pager.post({"id": "before", "title": "there is a store"})
    pager.sent.clear()
    pager.sqlite.close()  # so that all is in the file
    before = pager.file.read_bytes()
    assert pager.post(body, token="wrong-token-of-somebody").status_code == 401
    assert pager.post(body, token=None).status_code == 401
    pager.sqlite.close()
    assert pager.file.read_bytes() == before
    assert pager.told == []


@pytest.mark.parametrize("path", ["/alerts", "/health/", "/../", "/%00", "/index.html", "/tick/x"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_404(pager: Pager, method: str, path: str) -> None:
    answer = pager.call(method, path)
    assert answer.status_code == 404
    assert content(answer) == {"error": "no such path; alerts go to POST /"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_another_method_is_405_and_names_the_right_one(pager: Pager, method: str) -> None:
    answer = pager.call(method, "/", data=b"{}")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_another_method_on_health_is_405(pager: Pager) -> None:
    answer = pager.call("POST", "/health")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_is_for_anyone_and_asks_no_store(broken: Callable[[Exception], Pager], method: str) -> None:
    answer = broken(AssertionError()).call(method, "/health", token=None)
    assert (answer.status_code, content(answer)) == (200, {"status": "ok"})


# The store fails


@pytest.mark.parametrize(
    ("body", "told"),
    [(sample("cloud_monitoring_open"), [*FREE, "sms"]), (b"Disk full!", FREE)],
    ids=["an alert", "unreadable"],
)
def test_while_the_store_is_down_people_are_told_without_it_and_the_sender_may_try_again(
    broken: Callable[[Exception], Pager], body: bytes, told: list[str]
) -> None:
    pager = broken(StoreDown("no store"))
    answer = pager.post(body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert pager.told == told


def test_the_answer_says_how_many_alerts_were_not_stored(broken: Callable[[Exception], Pager]) -> None:
    answer = broken(StoreDown("no store")).post(half_readable())
    assert content(answer)["error"] == "3 of 3 alerts could not be stored; send them again"


@pytest.mark.parametrize("body", [sample("cloud_monitoring_open"), b"Disk full!"], ids=["an alert", "unreadable"])
def test_a_store_that_refuses_is_our_mistake_and_its_words_stay_inside(
    broken: Callable[[Exception], Pager], body: bytes
) -> None:
    pager = broken(StoreRefused("inner words"))
    answer = pager.post(body)
    assert (answer.status_code, content(answer)["error"]) == (500, "our own mistake; it is in the log")
    assert "inner words" not in answer.get_data(as_text=True)
    assert pager.told == FREE


def test_what_we_did_not_foresee_is_500_and_logged_without_its_words(broken: Callable[[Exception], Pager]) -> None:
    pager = broken(ZeroDivisionError("secret words"))
    answer = pager.post(CRITICAL)
    assert (answer.status_code, content(answer)) == (500, {"error": "our own mistake; it is in the log"})
    ((severity, words, fields),) = [line for line in pager.log.lines if "our own mistake" in line[1]]
    assert severity is Severity.CRITICAL
    assert words == "our own mistake: ZeroDivisionError; please report it with this log entry"
    assert "in gather" in str(fields["frames"])
    assert "secret words" not in str(pager.log) + answer.get_data(as_text=True)
