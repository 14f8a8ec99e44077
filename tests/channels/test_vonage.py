from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
import responses

from notifier.channels.vonage import STATUSES, Vonage
from notifier.channels.wire import Wire
from notifier.core.outcome import Outcome, Result
from tests.channels.support import PHONE, Server, answer, make_message, reset, soon

if TYPE_CHECKING:
    from notifier.core.message import Message

KEY, SECRET = "abcd1234", "made-up-secret16"
SENDER = "+15005550006"
OTHER_PHONE = "+15555550102"
ID = "0A0000000123ABCD1"
URL = "https://rest.nexmo.com/sms/json"
SENT = Outcome(Result.SENT, provider_id=ID)


def vonage(**changes: Any) -> Vonage:
    settings: dict[str, Any] = {"api_key": KEY, "api_secret": SECRET, "sender": SENDER, "phones": (PHONE, OTHER_PHONE)}
    return Vonage(Wire(), **{**settings, **changes})


def taken(**changes: object) -> dict[str, object]:
    """One part as Vonage answers it."""
    return {
        "to": PHONE[1:],
        "message-id": ID,
        "status": "0",
        "remaining-balance": "3.14159265",
        "message-price": "0.03330000",
        "network": "12345",
        **changes,
    }


def refused(status: object, said: object = "words of theirs") -> dict[str, object]:
    return {"status": status, "error-text": said}


def parts(*entries: dict[str, object]) -> dict[str, object]:
    return {"message-count": str(len(entries)), "messages": list(entries)}


def answered(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Outcome:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    with responses.RequestsMock() as mocked:
        mocked.post(URL, body=content, status=status, headers=headers)
        return vonage().send(make_message(), soon())


def sent_form(message: Message, **changes: Any) -> dict[str, str]:
    with responses.RequestsMock() as mocked:
        mocked.post(URL, json=parts(taken()))
        vonage(**changes).send(message, soon())
        body = mocked.calls[0].request.body
    assert isinstance(body, bytes)
    return dict(parse_qsl(body.decode(), strict_parsing=True))


def to_server(server: Server, **changes: Any) -> Vonage:
    return vonage(api_url=f"http://127.0.0.1:{server.port}", **changes)


# What goes out


def test_the_request_is_the_one_of_vonages_own_library() -> None:
    """The body as vonage-sms 1.2.0 wrote it for the same text; it signs in with Basic, too."""
    with Server(answer(json.dumps(parts(taken())).encode())) as server:
        message = make_message(delivery="opened/sms/0/1", sms="Größe € 😀 & [x] #7F3K")
        assert to_server(server).send(message, soon()) == SENT
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == "POST /sms/json HTTP/1.1"
    assert {
        "Authorization: Basic YWJjZDEyMzQ6bWFkZS11cC1zZWNyZXQxNg==",
        "Content-Type: application/x-www-form-urlencoded",
        "Accept: application/json",
        "Connection: close",
    } <= set(headers)
    assert body == (
        b"to=15555550101&from=15005550006&text=Gr%C3%B6%C3%9Fe+%E2%82%AC+%F0%9F%98%80+%26+%5Bx%5D+%237F3K"
        b"&client-ref=7F3K%2Fopened%2Fsms%2F0%2F1&type=unicode&ttl=300000"
    )


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("CRITICAL: Database unreachable #7F3K", "text"),
        ("Größe @ £ [x] {y} ~ € ^ #7F3K", "text"),
        ("Prüfung “x” #7F3K", "unicode"),
        ("база #7F3K", "unicode"),
        ("😀 #7F3K", "unicode"),
    ],
)
def test_what_gsm_7_cannot_write_goes_as_unicode(words: str, kind: str) -> None:
    form = sent_form(make_message(sms=words))
    assert (form["text"], form["type"]) == (words, kind)


@pytest.mark.parametrize(("phone", "number"), [(0, PHONE), (1, OTHER_PHONE)])
def test_the_message_names_the_phone_by_its_place(phone: int, number: str) -> None:
    assert sent_form(make_message(phone=phone))["to"] == number[1:]


@pytest.mark.parametrize(("sender", "written"), [(SENDER, SENDER[1:]), ("Pager24", "Pager24")])
def test_the_sender_is_a_number_without_plus_or_a_name(sender: str, written: str) -> None:
    assert sent_form(make_message(), sender=sender)["from"] == written


def test_the_reference_is_the_same_at_every_try_and_fits() -> None:
    long = make_message(delivery="acknowledged/sms/1000000000000000000000000/2", generation=7)
    assert sent_form(long)["client-ref"] == "7F3K/acknowledged/sms/100000000000000000"[:40]
    assert sent_form(long) == sent_form(long)


def test_what_cannot_be_written_is_left_out() -> None:
    assert sent_form(make_message(sms="hello\ud800"))["text"] == "hello"


@pytest.mark.parametrize("phone", [None, -1, 2])
def test_no_other_number_is_ever_texted(phone: int | None) -> None:
    outcome = vonage().send(make_message(phone=phone), soon())
    assert outcome == Outcome(Result.REJECTED, "ONCALL_PHONE holds 2 numbers: nobody to text")


def test_an_empty_text_is_not_sent() -> None:
    assert vonage().send(make_message(sms=""), soon()) == Outcome(Result.REJECTED, "there is no text to send")


def test_each_text_has_a_connection_of_its_own() -> None:
    with Server(answer(json.dumps(parts(taken())).encode())) as server:
        channel = to_server(server)
        assert [channel.send(make_message(), soon()) for _ in range(2)] == [SENT, SENT]
    assert server.accepted == 2


# What comes back


def test_status_0_is_sent_with_the_id() -> None:
    assert answered(parts(taken())) == SENT


def test_a_status_may_be_a_number() -> None:
    assert answered(parts(taken(status=0))) == SENT


def test_a_new_form_of_id_is_an_id() -> None:
    uuid = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
    assert answered(parts(taken(**{"message-id": uuid}))).provider_id == uuid


def test_several_parts_are_sent_when_each_is_with_the_id_of_the_first() -> None:
    assert answered(parts(taken(), taken(**{"message-id": "0A2"}))) == SENT


NOT_SENT = {
    1: Result.RETRY,
    2: Result.REJECTED,
    3: Result.REJECTED,
    4: Result.REJECTED,
    6: Result.REJECTED,
    7: Result.REJECTED,
    8: Result.REJECTED,
    9: Result.REJECTED,
    10: Result.RETRY,
    11: Result.REJECTED,
    12: Result.REJECTED,
    13: Result.RETRY,
    14: Result.REJECTED,
    15: Result.REJECTED,
    16: Result.REJECTED,
    19: Result.REJECTED,
    20: Result.REJECTED,
    22: Result.REJECTED,
    23: Result.REJECTED,
    29: Result.REJECTED,
    32: Result.REJECTED,
    33: Result.REJECTED,
}


@pytest.mark.parametrize("status", sorted(NOT_SENT))
def test_what_vonage_certainly_did_not_take_is_not_sent(status: int) -> None:
    assert answered(parts(refused(str(status)))).result is NOT_SENT[status]


def test_an_internal_error_may_have_been_sent() -> None:
    assert answered(parts(refused("5"))).result is Result.UNKNOWN


@pytest.mark.parametrize("status", ["17", "99", "-1", "101"])
def test_a_status_we_do_not_know_may_have_been_sent(status: str) -> None:
    assert answered(parts(refused(status))).result is Result.UNKNOWN


def test_every_status_is_judged_here_and_has_words() -> None:
    assert set(STATUSES) == {*NOT_SENT, 5}
    for _, words in STATUSES.values():
        assert len(words) > 20
        assert not words.endswith(".")


@pytest.mark.parametrize(
    ("status", "named"),
    [
        (3, "SMS_FALLBACK_FROM and ONCALL_PHONE"),
        (4, "VONAGE_API_KEY and VONAGE_API_SECRET"),
        (9, "top it up"),
        (12, "max_segments"),
        (15, "SMS_FALLBACK_FROM"),
        (29, "list of test numbers"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, named: str) -> None:
    detail = answered(parts(refused(status))).detail
    assert named in detail
    assert detail.endswith(f" (Vonage status {status})")


def test_the_words_of_a_known_status_are_ours() -> None:
    assert "theirs" not in answered(parts(refused("4"))).detail


def test_the_words_of_an_unknown_status_are_passed_on_redacted() -> None:
    outcome = answered(parts(refused("99", f"To {PHONE} by {KEY} with {SECRET} is bad")))
    assert outcome.detail == "To +1555*****01 by *** with *** is bad (Vonage status 99)"


@pytest.mark.parametrize("said", ["", None])
def test_an_unknown_status_may_come_without_words(said: str | None) -> None:
    assert answered(parts(refused("99", said))).detail == "no reason given (Vonage status 99)"


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("Throughput Rate Exceeded - please wait [ 978 ] and retry", 1),
        ("Throughput Rate Exceeded - please wait [ 2500 ] and retry", 2.5),
        ("Throughput Rate Exceeded - please wait [ 999999999 ] and retry", 3_600),
        ("Throttled", 1),
        (None, 1),
    ],
)
def test_a_throttled_text_waits_as_long_as_vonage_asks(said: str | None, wait: float) -> None:
    outcome = answered(parts(refused("1", said)))
    assert (outcome.result, outcome.retry_after) == (Result.RETRY, wait)


@pytest.mark.parametrize("status", [4, 5, 99])
def test_only_a_retry_has_a_wait(status: int) -> None:
    assert answered(parts(refused(status, "please wait [ 978 ] and retry"))).retry_after is None


# Of several parts some


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("status", ["1", "9", "5", "99"])
def test_a_text_of_which_a_part_was_not_taken_is_neither_sent_nor_sent_again(status: str, order: int) -> None:
    outcome = answered(parts(*[taken(), refused(status)][::order]))
    assert (outcome.result, outcome.provider_id) == (Result.UNKNOWN, ID)


def test_a_text_of_which_a_part_was_not_taken_says_how_many_were_and_why() -> None:
    assert answered(parts(taken(), taken(), refused("9"))).detail == (
        "Vonage took 2 of 3 parts, so the phone may show nothing:"
        " the Vonage account is out of money: top it up (Vonage status 9)"
    )


@pytest.mark.parametrize(
    ("statuses", "result"),
    [
        ((9, 9), Result.REJECTED),
        ((1, 1), Result.RETRY),
        ((1, 9), Result.REJECTED),
        ((9, 1), Result.REJECTED),
        ((1, 5), Result.UNKNOWN),
        ((99, 9), Result.UNKNOWN),
    ],
)
def test_of_parts_that_all_failed_the_most_doubtful_decides(statuses: tuple[int, ...], result: Result) -> None:
    assert answered(parts(*map(refused, statuses))).result is result


# What cannot be read


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[]",
        b"[" * 60_000,
        b"{}",
        b'{"messages": null}',
        b'{"messages": []}',
        b'{"messages": [{}]}',
        b'{"messages": [{"status": "?"}]}',
        b'{"messages": [{"status": null, "message-id": "0A1"}]}',
        b'{"messages": [{"status": "0"}]}',
        b'{"messages": [{"status": "0", "message-id": "not an id"}]}',
        b'{"messages": [{"status": "0", "message-id": 7}]}',
    ],
)
def test_an_answer_that_cannot_be_read_may_mean_sent(body: bytes) -> None:
    assert answered(body) == Outcome(Result.UNKNOWN, "rest.nexmo.com answered 200, but what it says could not be read")


def test_an_answer_that_was_cut_off_may_mean_sent() -> None:
    long = json.dumps(parts(taken(padding="x" * 70_000))).encode()
    with Server(answer(long)) as server:
        assert to_server(server).send(make_message(), soon()).result is Result.UNKNOWN


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (201, Result.UNKNOWN),
        (302, Result.REJECTED),
        (400, Result.REJECTED),
        (401, Result.REJECTED),
        (404, Result.REJECTED),
        (408, Result.UNKNOWN),
        (429, Result.RETRY),
        (500, Result.UNKNOWN),
        (502, Result.UNKNOWN),
        (503, Result.UNKNOWN),
    ],
)
@pytest.mark.parametrize("body", [json.dumps(parts(taken())), "<html>", ""], ids=["a taken text", "a page", "nothing"])
def test_another_status_than_200_decides_alone(status: int, body: str, result: Result) -> None:
    assert answered(body, status).result is result


def test_a_refusal_over_http_names_the_settings_to_check() -> None:
    assert answered("", 401).detail == (
        "rest.nexmo.com answered 401: check VONAGE_API_KEY, VONAGE_API_SECRET and SMS_FALLBACK_URL"
    )


def test_a_429_waits_by_its_header() -> None:
    assert answered("", 429, {"Retry-After": "7"}).retry_after == 7


def test_no_redirect_is_followed() -> None:
    with Server(answer(b"", "307 Temporary Redirect", "Location: /sms/json")) as server:
        assert to_server(server).send(make_message(), soon()).result is Result.REJECTED
    assert len(server.requests) == 1


# What breaks on the way


def test_a_reset_after_the_request_may_mean_sent() -> None:
    with Server(lambda _, connection: reset(connection)) as server:
        assert to_server(server).send(make_message(), soon()).result is Result.UNKNOWN
    assert len(server.requests) == 1


def test_no_connection_is_certainly_not_sent() -> None:
    outcome = vonage(api_url="http://127.0.0.1:1").send(make_message(), soon())
    assert outcome.result is Result.RETRY


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
    assert vonage().preview(make_message()) == (
        "By: Vonage\nTo: +1555*****01\nFrom: +1500*****06\nBody (36 characters): CRITICAL: Database unreachable #7F3K"
    )


def test_the_preview_shows_a_name_as_it_is_and_says_when_there_is_nobody_to_text() -> None:
    shown = vonage(sender="Pager").preview(make_message(phone=7))
    assert shown.startswith("By: Vonage\nTo: nobody: no such phone in ONCALL_PHONE\nFrom: Pager\n")
