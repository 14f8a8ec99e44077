from __future__ import annotations

import base64
import json

import msgspec
import pytest

from notifier.sources import Reading, Unreadable, read
from tests.sources.bodies import ABSENT, alerts, envelope, raw


def refusal(body: bytes) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(body)
    return caught.value


@pytest.mark.parametrize(
    "name", ["cloud_monitoring_open", "cloud_monitoring_log_match", "error_reporting", "alertmanager", "plain"]
)
def test_an_alert_is_the_same_by_either_way(name: str) -> None:
    """The same incident by webhook and by Pub/Sub is one incident; only the message's id is added."""
    bare, pushed = read(raw(name)), read(envelope(raw(name)))
    assert (pushed.pubsub, pushed.message_id) == (True, "77")
    assert pushed.alerts == tuple(msgspec.structs.replace(alert, message_id="77") for alert in bare.alerts)


def test_a_push_as_google_sends_it_is_read() -> None:
    """Both spellings of the ids, a publish time, a subscription."""
    reading = read(raw("pubsub_push"))
    assert [(alert.incident_id, alert.message_id) for alert in reading.alerts] == [
        ("0.n1a2b3c4d5e6", "9000000000000001")
    ]


@pytest.mark.parametrize(
    ("fields", "message_id"),
    [
        ({"messageId": ABSENT}, "77"),
        ({"message_id": ABSENT}, "77"),
        ({"messageId": 78}, "78"),
        ({"messageId": ["x"]}, "77"),
        ({"messageId": ABSENT, "message_id": ABSENT}, ""),
    ],
    ids=str,
)
def test_the_message_id_has_two_spellings(fields: dict[str, object], message_id: str) -> None:
    """A body without any is still taken."""
    assert read(envelope(raw("plain"), **fields)).alerts[0].message_id == message_id


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.rstrip("="),
        lambda text: text.replace("+", "-").replace("/", "_"),
        lambda text: text.replace("+", "-").replace("/", "_").rstrip("="),
        lambda text: "\n".join(text[at : at + 60] for at in range(0, len(text), 60)) + "\r\n",
    ],
    ids=["no padding", "urlsafe", "urlsafe without padding", "wrapped"],
)
def test_base64_is_read_in_its_dialects(encode: object) -> None:
    """The characters that differ between the alphabets are in the body."""
    assert callable(encode)
    body = json.dumps({"text": "ÿþ>>>???~~~ÿÿ"}, ensure_ascii=False).encode()
    text = base64.b64encode(body).decode()
    assert {"+", "/", "="} <= set(text)
    assert read(envelope(encode(text))).alerts[0].title == "ÿþ>>>???~~~ÿÿ"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (ABSENT, "in a Pub/Sub message: expected base64 in message.data, got nothing"),
        ("", "in a Pub/Sub message: expected base64 in message.data, got ''"),
        (7, "in a Pub/Sub message: expected base64 in message.data, got 7"),
        ("no base64!", "in a Pub/Sub message: expected base64 in message.data, got 'no base64!'"),
        ("abcde", "in a Pub/Sub message: expected base64 in message.data, got 'abcde'"),
        ("ä", "in a Pub/Sub message: expected base64 in message.data, got 'ä'"),
        (b"Hello", "in a Pub/Sub message: expected JSON, got 'H' at line 1 column 1"),
        (b"\x01", r"in a Pub/Sub message: expected JSON, got '\x01' at line 1 column 1"),
        (b"[]", "in a Pub/Sub message: expected a JSON object, got a list"),
        (envelope(b"{}"), "in a Pub/Sub message: expected an alert in message.data, got another envelope"),
        (b'{"incident": {}}', "in a Pub/Sub message: expected 'open' or 'closed' in incident.state, got nothing"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_message_without_an_alert_is_refused_as_pubsub(data: object, reason: str) -> None:
    """Whoever answers it has to know that a 400 would bring it back for a week."""
    error = refusal(envelope(data))
    assert (error.reason, error.pubsub, error.message_id) == (reason, True, "77")


@pytest.mark.parametrize(
    ("said", "kept"),
    [("\ud83d", ""), ("a\ud800b\x00", "ab"), (" \x01 ", ""), ("7" * 9_000, "7" * 500), (7, "7"), ([7], "")],
    ids=["a lone surrogate", "with some", "nothing else", "long", "a number", "a list"],
)
def test_an_id_that_no_store_takes_is_cleaned(said: object, kept: str) -> None:
    """Of a message that is read and of one that is not: its notice is stored under it."""
    ids = {"messageId": said, "message_id": ABSENT}
    assert read(envelope(b'{"text": "x"}', **ids)).alerts[0].message_id == kept
    assert refusal(envelope(b"?", **ids)).message_id == kept


def test_a_ping_may_come_in_an_envelope() -> None:
    """Somebody tries whether we are there, by way of Pub/Sub."""
    assert read(envelope(b"{}")) == Reading(ping=True, pubsub=True, message_id="77")


def test_what_could_not_be_read_is_told_of_a_message_too() -> None:
    """The readable alerts of a message have its id, and so has the notice of the others."""
    reading = read(envelope(alerts({"status": "?"}, {})))
    assert [alert.message_id for alert in reading.alerts] == ["77"]
    assert reading.unreadable == ("expected 'firing' or 'resolved' in alerts[0].status, got '?'",)


def test_an_unwrapped_message_is_its_alert() -> None:
    """A subscription without the envelope posts the data as it is."""
    assert not read(raw("cloud_monitoring_open")).pubsub
