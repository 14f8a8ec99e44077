from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import responses

from notifier.channels.messagebird import MessageBird
from notifier.channels.wire import Wire
from notifier.core.outcome import Outcome, Result
from tests.channels.support import PHONE, Server, answer, make_message, reset, soon

if TYPE_CHECKING:
    from notifier.core.message import Message

KEY = "made-up-live-key"
SENDER = "+15005550006"
OTHER_PHONE = "+15555550102"
ID = "f28bbe526fc14974b3e7e663a6139b53"
URL = "https://rest.messagebird.com/messages"
SENT = Outcome(Result.SENT, provider_id=ID)


def messagebird(**changes: Any) -> MessageBird:
    settings: dict[str, Any] = {"access_key": KEY, "sender": SENDER, "phones": (PHONE, OTHER_PHONE)}
    return MessageBird(Wire(), **{**settings, **changes})


def created(status: object = "sent", **changes: object) -> dict[str, object]:
    """A message as MessageBird answers it."""
    recipient = {"recipient": int(PHONE[1:]), "status": status, "messagePartCount": 1}
    return {
        "id": ID,
        "href": f"{URL}/{ID}",
        "direction": "mt",
        "type": "sms",
        "validity": 300,
        "recipients": {"totalCount": 1, "totalSentCount": 1, "items": [recipient]},
        **changes,
    }


def error(code: object, parameter: object = None, said: object = "words of theirs") -> dict[str, object]:
    return {"code": code, "description": said, "parameter": parameter}


def errors(*entries: dict[str, object]) -> dict[str, object]:
    return {"errors": list(entries)}


def answered(body: object, status: int = 201, headers: dict[str, str] | None = None) -> Outcome:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    with responses.RequestsMock() as mocked:
        mocked.post(URL, body=content, status=status, headers=headers)
        return messagebird().send(make_message(), soon())


def sent_body(message: Message, **changes: Any) -> dict[str, Any]:
    with responses.RequestsMock() as mocked:
        mocked.post(URL, json=created(), status=201)
        messagebird(**changes).send(message, soon())
        content = mocked.calls[0].request.body
    assert isinstance(content, bytes)
    body: dict[str, Any] = json.loads(content)
    return body


def to_server(server: Server, **changes: Any) -> MessageBird:
    return messagebird(api_url=f"http://127.0.0.1:{server.port}", **changes)


# What goes out


def test_the_request_says_what_messagebirds_own_library_says() -> None:
    """As messagebird 2.2.0 for the same text, but for the order, and for the recipients, which it joins by commas."""
    with Server(answer(json.dumps(created()).encode(), "201 Created")) as server:
        message = make_message(delivery="opened/sms/0/1", sms="Größe € 😀 & [x] #7F3K")
        assert to_server(server).send(message, soon()) == SENT
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == "POST /messages HTTP/1.1"
    assert {
        f"Authorization: AccessKey {KEY}",
        "Content-Type: application/json; charset=utf-8",
        "Accept: application/json",
        "Connection: close",
    } <= set(headers)
    assert json.loads(body) == {
        "originator": SENDER[1:],
        "recipients": [PHONE[1:]],
        "body": "Größe € 😀 & [x] #7F3K",
        "datacoding": "unicode",
        "reference": "7F3K/opened/sms/0/1",
        "validity": 300,
    }


@pytest.mark.parametrize(
    ("words", "coding"),
    [
        ("CRITICAL: Database unreachable #7F3K", "plain"),
        ("Größe @ £ [x] {y} ~ € ^ #7F3K", "plain"),
        ("Prüfung “x” #7F3K", "unicode"),
        ("база #7F3K", "unicode"),
        ("😀 #7F3K", "unicode"),
    ],
)
def test_what_gsm_7_cannot_write_goes_as_unicode(words: str, coding: str) -> None:
    body = sent_body(make_message(sms=words))
    assert (body["body"], body["datacoding"]) == (words, coding)


@pytest.mark.parametrize(("phone", "number"), [(0, PHONE), (1, OTHER_PHONE)])
def test_the_message_names_the_phone_by_its_place(phone: int, number: str) -> None:
    assert sent_body(make_message(phone=phone))["recipients"] == [number[1:]]


@pytest.mark.parametrize(("sender", "written"), [(SENDER, SENDER[1:]), ("Pager24", "Pager24")])
def test_the_sender_is_a_number_without_plus_or_a_name(sender: str, written: str) -> None:
    assert sent_body(make_message(), sender=sender)["originator"] == written


def test_the_reference_is_the_same_at_every_try() -> None:
    message = make_message(delivery="opened/sms/0/1")
    assert sent_body(message) == sent_body(message)


def test_what_cannot_be_written_is_left_out() -> None:
    assert sent_body(make_message(sms="hello\ud800"))["body"] == "hello"


@pytest.mark.parametrize("phone", [None, -1, 2])
def test_no_other_number_is_ever_texted(phone: int | None) -> None:
    outcome = messagebird().send(make_message(phone=phone), soon())
    assert outcome == Outcome(Result.REJECTED, "ONCALL_PHONE holds 2 numbers: nobody to text")


def test_an_empty_text_is_not_sent() -> None:
    assert messagebird().send(make_message(sms=""), soon()) == Outcome(Result.REJECTED, "there is no text to send")


def test_each_text_has_a_connection_of_its_own() -> None:
    with Server(answer(json.dumps(created()).encode(), "201 Created")) as server:
        channel = to_server(server)
        assert [channel.send(make_message(), soon()) for _ in range(2)] == [SENT, SENT]
    assert server.accepted == 2


# What comes back


@pytest.mark.parametrize("status", ["scheduled", "sent", "buffered", "delivered", "a new one", None])
def test_created_is_sent_with_the_id(status: str | None) -> None:
    assert answered(created(status)) == SENT


def test_created_without_a_word_on_the_recipient_is_sent() -> None:
    assert answered({"id": ID}) == SENT


@pytest.mark.parametrize("status", ["delivery_failed", "expired"])
def test_created_but_failed_is_rejected(status: str) -> None:
    assert answered(created(status)) == Outcome(
        Result.REJECTED, f"MessageBird made a message of it that is {status}", provider_id=ID
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[]",
        b"[" * 60_000,
        b"{}",
        b'{"id": null}',
        b'{"id": 7}',
        b'{"id": ""}',
        b'{"id": "not an id"}',
        b'{"errors": [{"code": 2}]}',
    ],
)
def test_created_but_unreadable_is_unknown(body: bytes) -> None:
    assert answered(body) == Outcome(Result.UNKNOWN, "rest.messagebird.com took it, but its answer could not be read")


def test_created_but_cut_off_is_unknown() -> None:
    long = json.dumps(created(padding="x" * 70_000)).encode()
    with Server(answer(long, "201 Created")) as server:
        assert to_server(server).send(make_message(), soon()).result is Result.UNKNOWN


@pytest.mark.parametrize("status", [200, 202, 204])
def test_another_success_than_created_is_unknown(status: int) -> None:
    assert answered(created(), status).result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("status", "code", "parameter", "said"),
    [
        (401, 2, "access_key", "MessageBird did not accept the key: check MESSAGEBIRD_ACCESS_KEY"),
        (422, 9, "originator", "MessageBird does not accept the sender: check SMS_FALLBACK_FROM"),
        (422, 10, "originator", "MessageBird does not accept the sender: check SMS_FALLBACK_FROM"),
        (422, 9, "recipient", "MessageBird does not text this number in ONCALL_PHONE"),
        (422, 10, "recipients", "MessageBird does not text this number in ONCALL_PHONE"),
        (422, 9, "body", "MessageBird did not accept a parameter of our request: a bug of this notifier"),
        (422, 10, None, "MessageBird did not accept a parameter of our request: a bug of this notifier"),
        (404, 20, None, "MessageBird does not know this: check SMS_FALLBACK_URL"),
        (400, 21, None, "MessageBird did not accept a parameter of our request: a bug of this notifier"),
        (422, 25, None, "the MessageBird account is out of money: top it up"),
        (404, 98, None, "MessageBird does not know this: check SMS_FALLBACK_URL"),
    ],
)
def test_a_refusal_is_certainly_not_sent_and_says_what_to_do(
    status: int, code: int, parameter: str | None, said: str
) -> None:
    outcome = answered(errors(error(code, parameter)), status)
    assert outcome.result is Result.REJECTED
    assert outcome.detail.startswith(f"rest.messagebird.com answered {status}: {said}")
    assert outcome.detail.endswith(f" (MessageBird error {code})")
    assert "theirs" not in outcome.detail


def test_a_code_as_text_is_a_code() -> None:
    assert "top it up" in answered(errors(error("25")), 422).detail


def test_several_errors_are_told_once_each_and_no_more_than_three() -> None:
    told = answered(errors(error(9, "originator"), error(9, "originator"), error(25), *[error(2)] * 9), 422).detail
    assert told == (
        "rest.messagebird.com answered 422: MessageBird does not accept the sender: check SMS_FALLBACK_FROM"
        " (MessageBird error 9); the MessageBird account is out of money: top it up (MessageBird error 25)"
    )


def test_an_unknown_code_is_passed_on_with_redacted_words() -> None:
    told = answered(errors(error(77, "x", f"To {PHONE} with {KEY} is bad")), 422).detail
    assert told == ("rest.messagebird.com answered 422: To +1555*****01 with *** is bad (MessageBird error 77)")


@pytest.mark.parametrize("said", ["", None])
def test_an_unknown_code_may_come_without_words(said: str | None) -> None:
    assert answered(errors(error(77, None, said)), 422).detail.endswith(": no reason given (MessageBird error 77)")


@pytest.mark.parametrize("status", [400, 422, 500])
def test_an_internal_error_may_have_been_sent(status: int) -> None:
    outcome = answered(errors(error(25), error(99)), status)
    assert outcome == Outcome(Result.UNKNOWN, "MessageBird had an internal failure: the text may have been sent")


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, Result.UNKNOWN),
        (302, Result.REJECTED),
        (400, Result.REJECTED),
        (401, Result.REJECTED),
        (402, Result.REJECTED),
        (404, Result.REJECTED),
        (405, Result.REJECTED),
        (408, Result.UNKNOWN),
        (422, Result.REJECTED),
        (429, Result.RETRY),
        (500, Result.UNKNOWN),
        (502, Result.UNKNOWN),
        (503, Result.UNKNOWN),
    ],
)
@pytest.mark.parametrize(
    "body",
    [json.dumps(errors(error(77))), json.dumps(errors(error(25))), '{"errors": [{"code": "?"}]}', "<html>", ""],
    ids=["an unknown code", "no money", "no code", "a page", "nothing"],
)
def test_whether_it_was_taken_is_said_by_the_status_alone(status: int, body: str, result: Result) -> None:
    assert answered(body, status).result is result


@pytest.mark.parametrize(
    ("status", "setting"), [(401, "MESSAGEBIRD_ACCESS_KEY"), (404, "SMS_FALLBACK_URL"), (405, "SMS_FALLBACK_URL")]
)
def test_a_refusal_without_a_code_names_the_setting_to_check(status: int, setting: str) -> None:
    assert answered("<html>", status).detail == f"rest.messagebird.com answered {status}: check {setting}"


def test_a_429_waits_by_its_header() -> None:
    assert answered("", 429, {"Retry-After": "7"}).retry_after == 7


def test_no_redirect_is_followed() -> None:
    with Server(answer(b"", "307 Temporary Redirect", "Location: /messages")) as server:
        assert to_server(server).send(make_message(), soon()).result is Result.REJECTED
    assert len(server.requests) == 1


# What breaks on the way


def test_a_reset_after_the_request_may_mean_sent() -> None:
    with Server(lambda _, connection: reset(connection)) as server:
        assert to_server(server).send(make_message(), soon()).result is Result.UNKNOWN
    assert len(server.requests) == 1


def test_no_connection_is_certainly_not_sent() -> None:
    assert messagebird(api_url="http://127.0.0.1:1").send(make_message(), soon()).result is Result.RETRY


def test_past_the_deadline_nothing_is_put_on_the_wire() -> None:
    with Server(answer(b"")) as server:
        outcome = to_server(server).send(make_message(), soon(-1))
    assert (outcome.result, server.requests) == (Result.RETRY, [])


def test_it_is_back_by_the_deadline_and_then_it_may_have_been_sent() -> None:
    def silent(server: Server, _: socket.socket) -> None:
        server.stopped.wait()

    with Server(silent) as server:
        started = time.monotonic()
        outcome = to_server(server).send(make_message(), soon(0.3))
        took = time.monotonic() - started
    assert outcome.result is Result.UNKNOWN
    assert took < 2


# The preview


def test_the_preview_shows_the_text_and_masks_the_numbers() -> None:
    assert messagebird().preview(make_message()) == (
        "By: MessageBird\nTo: +1555*****01\nFrom: +1500*****06\n"
        "Body (36 characters): CRITICAL: Database unreachable #7F3K"
    )


def test_the_preview_says_when_there_is_nobody_to_text() -> None:
    assert "\nTo: nobody: no such phone in ONCALL_PHONE\n" in messagebird().preview(make_message(phone=7))
