from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import pytest
import responses
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from notifier.channels.twilio import Twilio
from notifier.channels.twilio_errors import ERRORS
from notifier.channels.wire import Wire
from notifier.core.outcome import Outcome, Result
from tests.channels.support import PHONE, Server, answer, make_message, reset, soon

if TYPE_CHECKING:
    import socket

    from notifier.core.message import Message

ACCOUNT = "AC" + "a" * 32
KEY = "SK" + "b" * 32
SERVICE = "MG" + "c" * 32
SID = "SM" + "0" * 32
AUTH_TOKEN = "not-a-real-auth-token"
SENDER = "+15005550006"
OTHER_PHONE = "+15555550102"
URL = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


def twilio(**changes: Any) -> Twilio:
    settings: dict[str, Any] = {
        "account_sid": ACCOUNT,
        "auth_token": AUTH_TOKEN,
        "sender": SENDER,
        "phones": (PHONE, OTHER_PHONE),
    }
    return Twilio(Wire(), **{**settings, **changes})


def answered(body: object, status: int = 400, headers: dict[str, str] | None = None) -> Outcome:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    with responses.RequestsMock() as mocked:
        mocked.post(URL, body=content, status=status, headers=headers)
        return twilio().send(make_message(), soon())


def created(**changes: object) -> dict[str, object]:
    return {"sid": SID, "status": "queued", "error_code": None, "num_segments": "1", "tags": {}, **changes}


def on_the_wire(request: bytes) -> tuple[str, dict[str, str], bytes]:
    """Request line, headers that mean something, body."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    kept = ("Authorization", "Content-Type", "Accept", "Accept-Charset", "Content-Length")
    return first, {name: headers[name] for name in kept}, body


# What goes out


@pytest.mark.parametrize(
    "words",
    [
        "CRITICAL: Database unreachable #7F3K",
        "Größe & Co: 100% + 1 = ~2 * 3 (π) 😀\nnext line #7F3K",
        "http://x.example/?a=1&b=[2] @ £ ' \" #7F3K",
    ],
)
@pytest.mark.parametrize("sender", [SENDER, SERVICE])
@pytest.mark.parametrize("key", ["", KEY])
def test_the_request_is_the_one_of_twilios_own_library(words: str, sender: str, key: str) -> None:
    settings: dict[str, Any] = {"api_key": KEY, "api_secret": AUTH_TOKEN, "auth_token": ""} if key else {}
    with Server(answer(json.dumps(created()).encode(), "201 Created")) as server:
        base = f"http://127.0.0.1:{server.port}"
        twilio(api_url=base, sender=sender, **settings).send(make_message(sms=words), soon())
        client = Client(key or ACCOUNT, AUTH_TOKEN, ACCOUNT)
        client.api.base_url = base
        who = {"messaging_service_sid": sender} if sender == SERVICE else {"from_": sender}
        client.messages.create(to=PHONE, body=words, **who)
        client.http_client.session.close()
    ours, theirs = server.requests
    assert on_the_wire(ours) == on_the_wire(theirs)


def test_the_api_key_signs_in_and_the_account_stays_in_the_path() -> None:
    with responses.RequestsMock() as mocked:
        mocked.post(URL, json=created(), status=201)
        twilio(api_key=KEY, api_secret="secret").send(make_message(), soon())
        (call,) = mocked.calls
    assert call.request.headers["Authorization"].startswith("Basic U0tiYm")


@pytest.mark.parametrize(("phone", "number"), [(0, PHONE), (1, OTHER_PHONE)])
def test_the_message_names_the_phone_by_its_place(phone: int, number: str) -> None:
    with responses.RequestsMock() as mocked:
        mocked.post(URL, json=created(), status=201)
        twilio().send(make_message(phone=phone), soon())
        body = mocked.calls[0].request.body
    assert isinstance(body, bytes)
    assert dict(parse_qsl(body.decode()))["To"] == number


def test_nothing_but_to_sender_and_body_is_sent() -> None:
    with responses.RequestsMock() as mocked:
        mocked.post(URL, json=created(), status=201)
        twilio().send(make_message(sms="hello\ud800"), soon())
        body = mocked.calls[0].request.body
    assert body == urlencode([("To", PHONE), ("From", SENDER), ("Body", "hello")]).encode()


@pytest.mark.parametrize("phone", [None, -1, 2])
def test_no_other_number_is_ever_texted(phone: int | None) -> None:
    outcome = twilio().send(make_message(phone=phone), soon())
    assert outcome == Outcome(Result.REJECTED, "ONCALL_PHONE holds 2 numbers: nobody to text")


def test_an_empty_text_is_not_sent() -> None:
    assert twilio().send(make_message(sms=""), soon()) == Outcome(Result.REJECTED, "there is no text to send")


# What comes back


def test_created_is_sent_with_the_sid() -> None:
    assert answered(created(), 201) == Outcome(Result.SENT, provider_id=SID)


@pytest.mark.parametrize("status", ["accepted", "scheduled", "queued", "sending", "sent", None])
def test_each_early_status_is_sent(status: str | None) -> None:
    assert answered(created(status=status), 201).result is Result.SENT


@pytest.mark.parametrize("status", ["failed", "undelivered", "canceled"])
def test_created_but_failed_is_rejected(status: str) -> None:
    outcome = answered(created(status=status), 201)
    assert (outcome.result, outcome.provider_id) == (Result.REJECTED, SID)


def test_created_with_a_known_error_is_judged_by_it() -> None:
    outcome = answered(created(status="failed", error_code=30001), 201)
    assert (outcome.result, outcome.provider_id, outcome.retry_after) == (Result.RETRY, SID, 600)


def test_created_with_an_unknown_error_may_have_been_sent() -> None:
    assert answered(created(error_code=39999), 201).result is Result.UNKNOWN


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[]",
        b"[" * 60_000,
        b"{}",
        b'{"sid": null}',
        b'{"sid": 7}',
        b'{"sid": "hello"}',
        b'{"sid": "SM1 or not"}',
    ],
)
def test_created_but_unreadable_is_unknown(body: bytes) -> None:
    outcome = answered(body, 201)
    assert outcome == Outcome(Result.UNKNOWN, "api.twilio.com took it, but its answer could not be read")


def test_created_but_cut_off_is_unknown() -> None:
    long = json.dumps(created(padding="x" * 70_000)).encode()
    with Server(answer(long, "201 Created")) as server:
        outcome = twilio(api_url=f"http://127.0.0.1:{server.port}").send(make_message(), soon())
    assert outcome.result is Result.UNKNOWN


def test_created_and_readable_is_sent_even_if_the_answer_never_ends() -> None:
    """Its JSON ends by itself; to look the text up again would cost minutes for nothing."""

    def endless(server: Server, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 201 Created\r\n\r\n" + json.dumps(created()).encode())
        server.stopped.wait()

    with Server(endless) as server:
        outcome = twilio(api_url=f"http://127.0.0.1:{server.port}").send(make_message(), soon(0.5))
    assert outcome == Outcome(Result.SENT, provider_id=SID)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_another_success_than_created_is_unknown(status: int) -> None:
    assert answered(created(), status).result is Result.UNKNOWN


@pytest.mark.parametrize("code", sorted(ERRORS))
@pytest.mark.parametrize("status", [400, 503])
def test_the_code_decides_before_the_status(code: int, status: int) -> None:
    outcome = answered({"code": code, "message": f"about {PHONE}", "status": status}, status)
    assert outcome.result is ERRORS[code].result
    assert outcome.detail == f"{ERRORS[code].words} (Twilio error {code})"


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (302, Result.REJECTED),
        (400, Result.REJECTED),
        (401, Result.REJECTED),
        (403, Result.REJECTED),
        (404, Result.REJECTED),
        (429, Result.RETRY),
        (500, Result.UNKNOWN),
        (502, Result.UNKNOWN),
        (503, Result.UNKNOWN),
        (504, Result.UNKNOWN),
    ],
)
@pytest.mark.parametrize("body", ['{"code": 99999, "message": "new"}', "<html>", '{"code": "?"}', ""])
def test_without_a_known_code_the_status_decides(status: int, body: str, result: Result) -> None:
    assert answered(body, status).result is result


def test_a_code_as_text_is_a_code() -> None:
    assert answered({"code": "20429"}).result is Result.RETRY


def test_an_unknown_code_is_passed_on_with_redacted_words() -> None:
    outcome = answered({"code": 99999, "message": f"To {PHONE} with {AUTH_TOKEN} is bad"})
    assert outcome.detail == "api.twilio.com answered 400: To +1555*****01 with *** is bad (Twilio error 99999)"


@pytest.mark.parametrize(
    ("code", "header", "wait"),
    [(20429, {}, None), (20429, {"Retry-After": "5"}, 5), (21611, {}, 600), (21611, {"Retry-After": "5"}, 600)],
)
def test_a_429_waits_by_its_code_and_header(code: int, header: dict[str, str], wait: float | None) -> None:
    outcome = answered({"code": code}, 429, header)
    assert (outcome.result, outcome.retry_after) == (Result.RETRY, wait)


@pytest.mark.parametrize("body", [{"code": 20003, "detail": "x"}, {}])
def test_a_refused_login_names_the_settings_to_check(body: dict[str, object]) -> None:
    detail = answered(body, 401).detail
    for setting in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_API_KEY", "TWILIO_API_SECRET"):
        assert setting in detail


def test_a_reset_after_the_request_is_unknown() -> None:
    with Server(lambda _, connection: reset(connection)) as server:
        outcome = twilio(api_url=f"http://127.0.0.1:{server.port}").send(make_message(), soon())
    assert outcome.result is Result.UNKNOWN


def test_a_refusal_is_one_twilios_library_would_raise_too() -> None:
    with responses.RequestsMock() as mocked:
        mocked.post(URL, json={"code": 21211, "message": "bad", "status": 400}, status=400)
        client = Client(ACCOUNT, AUTH_TOKEN)
        with pytest.raises(TwilioRestException) as raised:
            client.messages.create(to=PHONE, from_=SENDER, body="hello")
        client.http_client.session.close()
    assert raised.value.code in ERRORS


# The preview


def preview(message: Message, **changes: Any) -> str:
    return twilio(**changes).preview(message)


def test_the_preview_shows_the_text_and_masks_the_numbers() -> None:
    assert preview(make_message()) == (
        "To: +1555*****01\nFrom: +1500*****06\nBody (36 characters): CRITICAL: Database unreachable #7F3K"
    )


def test_the_preview_says_when_there_is_nobody_to_text() -> None:
    shown = preview(make_message(phone=7), sender=SERVICE)
    assert shown.startswith("To: nobody: no such phone in ONCALL_PHONE\nMessagingServiceSid: MGccc***")
