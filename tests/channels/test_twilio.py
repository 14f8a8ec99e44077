from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses
from responses.registries import OrderedRegistry
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from notifier.channels.twilio import VALIDITY_SECONDS, Twilio
from notifier.channels.twilio_errors import ERRORS, words_of
from notifier.channels.wire import Wire
from notifier.core.listing import Listing, Text
from notifier.core.outcome import Outcome, Result
from notifier.core.report import Progress, Report
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
REPORT_URL = "https://pager.example.com/twilio/status?delivery=opened%2Fsms%2F0%2F1&mac=0123456789abcdef"
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
@pytest.mark.parametrize("report_url", ["", REPORT_URL])
def test_the_request_is_the_one_of_twilios_own_library(words: str, sender: str, key: str, report_url: str) -> None:
    settings: dict[str, Any] = {"api_key": KEY, "api_secret": AUTH_TOKEN, "auth_token": ""} if key else {}
    with Server(answer(json.dumps(created()).encode(), "201 Created")) as server:
        base = f"http://127.0.0.1:{server.port}"
        message = make_message(sms=words, report_url=report_url)
        twilio(api_url=base, sender=sender, **settings).send(message, soon())
        client = Client(key or ACCOUNT, AUTH_TOKEN, ACCOUNT)
        client.api.base_url = base
        fields: dict[str, Any] = {"messaging_service_sid" if sender == SERVICE else "from_": sender}
        if report_url:
            fields["status_callback"] = report_url
        client.messages.create(to=PHONE, body=words, validity_period=300, risk_check="disable", **fields)
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


def sent(message: Message, *answers: tuple[int, object]) -> tuple[Outcome, list[dict[str, str]]]:
    """How it ended, and the fields of each request."""
    with responses.RequestsMock(registry=OrderedRegistry) as mocked:
        for status, body in answers:
            mocked.post(URL, json=body, status=status)
        outcome = twilio().send(message, soon())
        bodies = [call.request.body for call in mocked.calls]
    return outcome, [dict(parse_qsl((body or b"").decode(), strict_parsing=True)) for body in bodies]  # type: ignore[union-attr]


def test_nothing_else_is_sent() -> None:
    outcome, requests = sent(make_message(sms="hello\ud800"), (201, created()))
    assert outcome.result is Result.SENT
    assert requests == [
        {"To": PHONE, "ValidityPeriod": "300", "RiskCheck": "disable", "From": SENDER, "Body": "hello"},
    ]


def test_a_page_is_dropped_once_it_is_old() -> None:
    """Twilio's own limit, ten hours, would deliver it long after the next phone was paged."""
    _, (fields,) = sent(make_message(), (201, created()))
    assert int(fields["ValidityPeriod"]) == VALIDITY_SECONDS == 300


def test_reports_are_asked_for_where_the_message_says() -> None:
    _, (fields,) = sent(make_message(report_url=REPORT_URL), (201, created()))
    assert fields["StatusCallback"] == REPORT_URL


# An address for reports that Twilio does not take

BAD_CALLBACK = {"code": 21609, "message": "The StatusCallback URL is not a valid url.", "status": 400}


def test_a_bad_address_for_reports_does_not_hold_up_the_page() -> None:
    outcome, (first, second) = sent(make_message(report_url=REPORT_URL), (400, BAD_CALLBACK), (201, created()))
    assert (outcome.result, outcome.provider_id) == (Result.SENT, SID)
    assert second == {name: value for name, value in first.items() if name != "StatusCallback"}


def test_without_reports_a_page_goes_out_with_a_warning() -> None:
    outcome, _ = sent(make_message(report_url=REPORT_URL), (400, BAD_CALLBACK), (201, created()))
    assert outcome.warning == (
        "21609: Twilio does not accept the address for delivery reports, so there are none: check PUBLIC_URL"
    )


def test_a_bad_address_for_reports_is_left_out_once_only() -> None:
    outcome, requests = sent(make_message(report_url=REPORT_URL), (400, BAD_CALLBACK), (400, BAD_CALLBACK))
    assert (outcome.result, len(requests)) == (Result.REJECTED, 2)


def test_what_had_no_address_for_reports_is_not_sent_again_without_it() -> None:
    """The service of TWILIO_FROM has an address of its own."""
    outcome, requests = sent(make_message(), (400, BAD_CALLBACK))
    assert (outcome.result, len(requests)) == (Result.REJECTED, 1)


def test_without_reports_it_ends_as_the_second_request_does() -> None:
    outcome, _ = sent(make_message(report_url=REPORT_URL), (400, BAD_CALLBACK), (400, {"code": 21610}))
    assert (outcome.result, outcome.opted_out) == (Result.REJECTED, True)


@pytest.mark.parametrize("status", [201, 500])
def test_what_may_have_been_created_is_never_sent_again_whatever_it_says(status: int) -> None:
    _, requests = sent(make_message(report_url=REPORT_URL), (status, BAD_CALLBACK))
    assert len(requests) == 1


def test_both_requests_share_one_deadline() -> None:
    refusal = answer(json.dumps(BAD_CALLBACK).encode(), "400 Bad Request")

    def refuse_late(server: Server, connection: socket.socket) -> None:
        time.sleep(0.4)
        refusal(server, connection)

    with Server(refuse_late) as server:
        channel = twilio(api_url=f"http://127.0.0.1:{server.port}")
        started = time.monotonic()
        outcome = channel.send(make_message(report_url=REPORT_URL), soon(0.6))
        assert time.monotonic() - started < 1.1
        assert server.accepted == 2
    assert outcome.result is Result.UNKNOWN


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


@pytest.mark.parametrize("status", ["accepted", "queued", "sending", "sent", None])
@pytest.mark.parametrize("code", [39999, 30001, 30008, 30026])
def test_created_with_an_error_but_not_failed_is_looked_up_before_it_is_sent_again(
    status: str | None, code: int
) -> None:
    outcome = answered(created(status=status, error_code=code), 201)
    assert outcome == Outcome(Result.UNKNOWN, words_of(code), provider_id=SID)


@pytest.mark.parametrize("status", ["failed", "undelivered", "canceled", "queued", None])
def test_created_with_an_error_that_is_final_is_a_failure(status: str | None) -> None:
    outcome = answered(created(status=status, error_code=30034), 201)
    assert outcome == Outcome(Result.REJECTED, words_of(30034), provider_id=SID, elsewhere=True)


@pytest.mark.parametrize("status", ["failed", "undelivered", "canceled"])
def test_created_and_failed_with_an_error_nobody_knows_is_a_failure(status: str) -> None:
    outcome = answered(created(status=status, error_code=39999), 201)
    assert outcome == Outcome(Result.REJECTED, words_of(39999), provider_id=SID)


def test_created_for_a_phone_that_has_opted_out_says_so() -> None:
    outcome = answered(created(status="failed", error_code=21610), 201)
    assert (outcome.result, outcome.opted_out) == (Result.REJECTED, True)


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
    assert outcome.detail == f"{code}: {ERRORS[code].words}"
    assert (outcome.opted_out, outcome.elsewhere) == (ERRORS[code].opted_out, ERRORS[code].elsewhere)


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
    outcome = answered(body, status)
    assert (outcome.result, outcome.opted_out) == (result, False)


@pytest.mark.parametrize(
    ("status", "body", "elsewhere"),
    [
        # What never reached the API says nothing of the phone.
        (302, "", True),
        (400, "<html>", True),
        (401, "", True),
        (403, "<html>", True),
        # The account, and the address of the API.
        (401, '{"code": 99999}', True),
        (403, '{"code": 99999}', True),
        (404, '{"code": 99999}', True),
        # It may be the phone, or the text.
        (400, '{"code": 99999}', False),
        (422, '{"code": 99999}', False),
        # In seconds it may take the text itself.
        (429, '{"code": 99999}', False),
        (429, "", False),
        # It may have been sent.
        (408, "", False),
        (500, "", False),
        (502, "<html>", False),
        (200, "", False),
    ],
)
def test_another_provider_is_asked_only_for_what_this_one_certainly_will_not_send(
    status: int, body: str, *, elsewhere: bool
) -> None:
    assert answered(body, status).elsewhere is elsewhere


def test_an_address_without_a_server_is_no_fault_of_the_phone() -> None:
    with Server(answer(b"")) as server:
        port = server.port
    outcome = twilio(api_url=f"http://127.0.0.1:{port}").send(make_message(), soon())
    assert (outcome.result, outcome.elsewhere) == (Result.RETRY, True)


def test_a_deadline_that_has_passed_says_nothing_of_the_provider() -> None:
    outcome = twilio().send(make_message(), soon(-1))
    assert (outcome.result, outcome.elsewhere) == (Result.RETRY, False)


def test_a_code_as_text_is_a_code() -> None:
    assert answered({"code": "20429"}).result is Result.RETRY


def test_an_unknown_code_is_passed_on_with_redacted_words() -> None:
    outcome = answered({"code": 99999, "message": f"To {PHONE} with {AUTH_TOKEN} is bad"})
    assert outcome.detail == (
        "api.twilio.com answered 400: 99999: To +1555*****01 with *** is bad: "
        "see https://www.twilio.com/docs/api/errors/99999"
    )


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


# The list

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
DATE = "Sat, 31 Jan 2026 12:00:00 +0000"
BODY = "CRITICAL: Database unreachable #7F3K"


def listed(**changes: object) -> dict[str, object]:
    """One message as Twilio lists it."""
    return {
        "sid": SID,
        "account_sid": ACCOUNT,
        "date_created": DATE,
        "date_sent": None,
        "direction": "outbound-api",
        "from": SENDER,
        "to": PHONE,
        "messaging_service_sid": None,
        "body": BODY,
        "status": "delivered",
        "error_code": None,
        "num_segments": "1",
        **changes,
    }


def a_page(*messages: dict[str, object], **changes: object) -> str:
    return json.dumps({"messages": list(messages), "page": 0, "next_page_uri": None, **changes})


def looked_up(body: str | bytes, status: int = 200, *, since: datetime = NOON, **settings: Any) -> Listing:
    with responses.RequestsMock() as mocked:
        mocked.get(URL, body=body, status=status)
        return twilio(**settings).look_up(0, since, soon())


def request_line_and_headers(request: bytes) -> tuple[str, dict[str, str]]:
    head, _, body = request.partition(b"\r\n\r\n")
    assert body == b""
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return first, {name: headers[name] for name in ("Authorization", "Accept", "Accept-Charset")}


@pytest.mark.parametrize("key", ["", KEY])
def test_the_list_is_asked_for_as_twilios_own_library_does(key: str) -> None:
    settings: dict[str, Any] = {"api_key": KEY, "api_secret": AUTH_TOKEN, "auth_token": ""} if key else {}
    with Server(answer(a_page().encode())) as server:
        base = f"http://127.0.0.1:{server.port}"
        assert twilio(api_url=base, **settings).look_up(0, NOON, soon()) == Listing()
        client = Client(key or ACCOUNT, AUTH_TOKEN, ACCOUNT)
        client.api.base_url = base
        assert client.messages.list(to=PHONE, page_size=200) == []
        client.http_client.session.close()
    ours, theirs = server.requests
    assert request_line_and_headers(ours) == request_line_and_headers(theirs)


def test_the_list_is_that_of_the_phone_at_its_place() -> None:
    with responses.RequestsMock() as mocked:
        mocked.get(URL, body=a_page())
        twilio().look_up(1, NOON, soon())
        (call,) = mocked.calls
    assert dict(parse_qsl(urlsplit(call.request.url or "").query)) == {"To": OTHER_PHONE, "PageSize": "200"}


@pytest.mark.parametrize("phone", [-1, 2])
def test_no_other_number_is_ever_looked_up(phone: int) -> None:
    assert twilio().look_up(phone, NOON, soon()) == Listing(trouble="this phone is no longer in ONCALL_PHONE")


def test_a_listed_text_is_read() -> None:
    (text,) = looked_up(a_page(listed())).texts
    assert text == Text(id=SID, created_at=NOON, body=BODY, report=Report(progress=Progress.DELIVERED))


def test_several_are_read_in_their_order() -> None:
    page = a_page(listed(sid="SM2", body="second"), listed(sid="SM1", body="first"))
    assert [text.id for text in looked_up(page).texts] == ["SM2", "SM1"]


@pytest.mark.parametrize(
    ("changes", "ours"),
    [
        ({}, True),
        ({"direction": "outbound-reply"}, False),
        ({"direction": "outbound-call"}, False),
        ({"direction": "inbound"}, False),
        ({"direction": None}, False),
        ({"from": OTHER_PHONE}, False),
        ({"from": OTHER_PHONE, "messaging_service_sid": SERVICE}, False),
        ({"from": None}, True),
        ({"from": ""}, True),
    ],
)
def test_only_what_we_may_have_sent_is_read(changes: dict[str, object], *, ours: bool) -> None:
    assert bool(looked_up(a_page(listed(**changes))).texts) is ours


@pytest.mark.parametrize(("service", "ours"), [(SERVICE, True), ("MG" + "d" * 32, False), (None, False)])
def test_of_a_service_its_own_are_read_whatever_number_sent_them(service: str | None, *, ours: bool) -> None:
    page = a_page(listed(messaging_service_sid=service))
    assert bool(looked_up(page, sender=SERVICE).texts) is ours


def test_one_queued_at_a_service_has_no_number_yet() -> None:
    page = a_page(listed(**{"from": None}, messaging_service_sid=SERVICE, status="accepted"))
    assert len(looked_up(page, sender=SERVICE).texts) == 1


@pytest.mark.parametrize("body", ["", None])
def test_a_text_without_its_words_is_listed_without(body: str | None) -> None:
    assert looked_up(a_page(listed(body=body, status="queued"))).texts == (Text(id=SID, created_at=NOON),)


@pytest.mark.parametrize(
    ("status", "code", "progress", "trouble"),
    [
        ("failed", 30006, Progress.FAILED, words_of(30006)),
        ("undelivered", 39999, Progress.FAILED, words_of(39999)),
        ("sent", 30006, Progress.SENT, ""),
        ("queued", None, Progress.TAKEN, ""),
        ("delivered", None, Progress.DELIVERED, ""),
        ("a new word", None, Progress.TAKEN, ""),
        (None, None, Progress.TAKEN, ""),
    ],
)
def test_a_listed_text_says_how_far_it_has_come(
    status: str | None, code: int | None, progress: Progress, trouble: str
) -> None:
    (text,) = looked_up(a_page(listed(status=status, error_code=code))).texts
    assert (text.report.progress, text.trouble) == (progress, trouble)


@pytest.mark.parametrize(("seconds", "kept"), [(-1, True), (0, True), (1, True), (1.001, False), (60, False)])
def test_what_was_made_before_is_left_out(seconds: float, *, kept: bool) -> None:
    """Twilio cuts to the second."""
    assert bool(looked_up(a_page(listed()), since=NOON + timedelta(seconds=seconds)).texts) is kept


@pytest.mark.parametrize(
    "date", ["Sat, 31 Jan 2026 13:00:00 +0100", "31 Jan 2026 12:00:00 GMT", "Sat, 31 Jan 2026 06:00:00 -0600"]
)
def test_a_date_of_any_zone_is_the_same_moment(date: str) -> None:
    assert looked_up(a_page(listed(date_created=date))).texts[0].created_at == NOON


@pytest.mark.parametrize(
    "date",
    [
        None,
        "",
        "soon",
        "2026-01-31T12:00:00Z",
        "Sat, 99 Jan 2026 12:00:00 +0000",
        "Sat, 31 Jan 99999 12:00:00 +0000",
        "Sat, 31 Jan 2026 12:00:00 +9999",
        f"Sat, 31 Jan 2026 12:00:00 +{'9' * 20}",
        "Sat, 31 Jan 2026 12:00:00 -0000",
        "Sat, 31 Jan 2026 12:00:00",
        ", ",
        "x" * 10_000,
    ],
)
def test_an_odd_date_makes_a_list_that_cannot_be_read(date: str | None) -> None:
    listing = looked_up(a_page(listed(), listed(date_created=date)))
    assert listing.texts == ()
    assert listing.trouble.startswith("api.twilio.com gave a list ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 60_000,
        b'{"messages": null}',
        b'{"messages": {}}',
        b'{"messages": [{}]}',
        b'{"messages": [7]}',
        b'{"messages": [{"sid": 7}]}',
    ],
)
def test_what_is_no_list_cannot_be_read(body: bytes) -> None:
    assert looked_up(body) == Listing(trouble="api.twilio.com gave a list that could not be read")


def test_a_list_cut_off_cannot_be_read() -> None:
    whole = a_page(*[listed()] * 3).encode()

    def half(_: Server, connection: socket.socket) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(whole)}\r\n\r\n"
        connection.sendall(head.encode() + whole[: len(whole) // 2])

    with Server(half) as server:
        listing = twilio(api_url=f"http://127.0.0.1:{server.port}").look_up(0, NOON, soon())
    assert listing == Listing(trouble="127.0.0.1 gave a list that was cut off")


def test_a_list_of_two_hundred_long_texts_is_read() -> None:
    page = a_page(*[listed(body="\u0416" * 67 * 6)] * 200)
    assert len(looked_up(page).texts) == 200


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, '{"code": 70051, "message": "Authorization failed", "status": 403}', "70051: TWILIO_API_KEY"),
        (401, '{"code": 20003, "message": "Authenticate"}', "20003: Twilio did not accept"),
        (401, "", "check TWILIO_ACCOUNT_SID"),
        (404, "<html>", "check TWILIO_ACCOUNT_SID"),
        (429, '{"code": 20429, "message": "Too many requests"}', "20429: too many"),
        (500, "<html>", "api.twilio.com answered 500"),
        (503, "", "api.twilio.com answered 503"),
        (302, "", "api.twilio.com answered 302"),
        (500, '{"code": 20500, "message": "Internal"}', "api.twilio.com answered 500"),
        (408, "", "api.twilio.com answered 408"),
        (201, json.dumps(created()), "api.twilio.com answered 201"),
        (204, "", "api.twilio.com answered 204"),
    ],
)
def test_any_other_answer_is_no_list_and_says_why(status: int, body: str, words: str) -> None:
    listing = looked_up(body, status)
    assert listing.texts == ()
    assert words in listing.trouble
    assert "may have" not in listing.trouble


def test_a_refusal_to_read_names_no_number() -> None:
    listing = looked_up(json.dumps({"code": 99999, "message": f"no list of {PHONE} with {AUTH_TOKEN}"}), 403)
    assert PHONE not in listing.trouble
    assert AUTH_TOKEN not in listing.trouble


def test_a_reset_is_no_list() -> None:
    with Server(lambda _, connection: reset(connection)) as server:
        listing = twilio(api_url=f"http://127.0.0.1:{server.port}").look_up(0, NOON, soon())
    assert listing.trouble.startswith("no answer from 127.0.0.1: ")
    assert "may have" not in listing.trouble


@pytest.mark.parametrize(("minutes", "read"), [(1, True), (0, False)])
def test_a_further_page_matters_only_if_this_one_does_not_reach_back(minutes: int, *, read: bool) -> None:
    page = a_page(listed(), listed(date_created="Sat, 31 Jan 2026 11:59:30 +0000"), next_page_uri="/2010-04-01/x")
    listing = looked_up(page, since=NOON - timedelta(minutes=1 - minutes))
    if read:
        assert len(listing.texts) == 1
    else:
        assert listing == Listing(trouble="api.twilio.com lists more texts to this phone than are read at once")


def test_an_empty_page_with_a_further_one_is_no_answer() -> None:
    assert looked_up(a_page(next_page_uri="/2010-04-01/x")).trouble


def test_no_time_is_no_list() -> None:
    assert twilio().look_up(0, NOON, soon(-1)).trouble == "no time was left to send to api.twilio.com"
