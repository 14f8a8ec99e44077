"""What Twilio posts to us, from the raw request to a value."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree as ET

import pytest
import responses
from flask import Request
from hypothesis import example, given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse
from werkzeug.datastructures import MultiDict
from werkzeug.test import EnvironBuilder

from notifier.auth import Forged, TwilioSignatures, twilio_signature
from notifier.callbacks import (
    FIELDS,
    FORM_BYTES,
    STATUS_PATH,
    TEXT_PATH,
    Callbacks,
    DeliveryReport,
    Fields,
    Ignored,
    ReceivedText,
    twiml,
)
from notifier.channels.twilio import Twilio
from notifier.channels.wire import Wire
from notifier.core.alert import printable
from notifier.core.report import Report
from tests.builders import ROOT
from tests.channels.support import make_message, soon
from tests.web.twilio_posts import ACCOUNT, AUTH_TOKEN, PHONES, PUBLIC_URL, SENDER, SID, reported, texted

SPECIFICATION = ROOT.parent / "shared" / "vectors" / "twilio_messages_openapi.augmented.json"
KEY = "0123456789abcdef" * 2
DELIVERY = "opened/sms/0/1"


STATUSES = ["accepted", "scheduled", "queued", "sending", "sent", "delivered", "undelivered", "failed", "canceled"]
STATUSES += ["read", "partially_delivered"]


def judge(status: str, code: int | None) -> Report | None:
    """Stands for the table of Twilio's errors; shows what it was asked."""
    return Report(trouble=f"{status} {code}") if status in STATUSES else None


def callbacks(token: str = AUTH_TOKEN, public_url: str = PUBLIC_URL) -> Callbacks:
    signatures = TwilioSignatures(auth_tokens=(token,), public_url=public_url)
    return Callbacks(account_sid=ACCOUNT, signatures=signatures, phones=PHONES, judge=judge)


def test_a_text_to_another_number_of_the_account_is_nothing_to_us() -> None:
    signatures = TwilioSignatures(auth_tokens=(AUTH_TOKEN,), public_url=PUBLIC_URL)
    ours = Callbacks(account_sid=ACCOUNT, signatures=signatures, phones=PHONES, sender=SENDER, judge=judge)
    assert isinstance(ours.read_text(texted()), ReceivedText)
    assert isinstance(ours.read_text(texted(To="+15005550009")), Ignored)


def query_of(url: str) -> str:
    return urlsplit(url).query


QUERY = query_of(callbacks().report_url(KEY, 2, 3, DELIVERY))

# The address for the reports


def test_the_address_names_the_attempt_and_asks_for_more_tries() -> None:
    assert callbacks().report_url(KEY, 2, 3, DELIVERY) == (
        f"https://pager.example.com/twilio/status?delivery={KEY}.2.3.opened-sms-0-1#rc=5&rp=all"
    )


deliveries = st.lists(st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=12), min_size=1, max_size=6)
counts = st.integers(1, 9_999_999_999)


@given(st.binary(min_size=16, max_size=16), counts, counts, deliveries.map("/".join))
def test_every_attempt_is_read_back_from_its_address(key: bytes, generation: int, number: int, delivery: str) -> None:
    query = query_of(callbacks().report_url(key.hex(), generation, number, delivery))
    report = callbacks().read_report(reported(), query)
    assert isinstance(report, DeliveryReport)
    assert (report.key, report.generation, report.number, report.delivery) == (key.hex(), generation, number, delivery)


@given(st.binary(min_size=16, max_size=16), counts, counts, deliveries.map("/".join))
def test_no_proxy_has_a_reason_to_encode_the_address_in_another_way(
    key: bytes, generation: int, number: int, delivery: str
) -> None:
    query = query_of(callbacks().report_url(key.hex(), generation, number, delivery))
    assert re.fullmatch(r"delivery=[A-Za-z0-9._~-]+", query)


@given(counts, counts, deliveries.map("/".join))
def test_the_address_stays_far_below_twilios_limit(generation: int, number: int, delivery: str) -> None:
    assert len(callbacks().report_url(KEY, generation, number, delivery)) < 300


@given(st.text(), st.integers(), st.integers(), st.text())
def test_what_could_not_be_read_back_has_no_address(key: str, generation: int, number: int, delivery: str) -> None:
    url = callbacks().report_url(key, generation, number, delivery)
    report = callbacks().read_report(reported(), query_of(url))
    assert not url or (isinstance(report, DeliveryReport) and report.delivery == delivery)


@pytest.mark.parametrize(
    ("key", "generation", "number", "delivery"),
    [
        (KEY[:-1], 1, 1, DELIVERY),
        (KEY.upper(), 1, 1, DELIVERY),
        (KEY, 0, 1, DELIVERY),
        (KEY, 1, 0, DELIVERY),
        (KEY, 1, -1, DELIVERY),
        (KEY, 1, 1, "opened-sms/0/1"),
        (KEY, 1, 1, "notice/a&b=c#d/slack"),
        (KEY, 1, 1, "opened/sms/0/1\n"),
        (KEY, 1, 1, "a" * 101),
        (KEY, 1, 1, ""),
    ],
)
def test_an_attempt_of_another_form_has_no_address(key: str, generation: int, number: int, delivery: str) -> None:
    assert callbacks().report_url(key, generation, number, delivery) == ""


@pytest.mark.parametrize("missing", [{"token": ""}, {"public_url": ""}], ids=["no token", "no address"])
def test_without_signatures_there_is_no_address(missing: dict[str, str]) -> None:
    assert callbacks(**missing).report_url(KEY, 1, 1, DELIVERY) == ""


# The raw request


def admitted(body: bytes, signed: Fields, path: str = TEXT_PATH, query: str = "") -> Fields:
    url = f"{PUBLIC_URL}{path}?{query}" if query else f"{PUBLIC_URL}{path}"
    return callbacks().admit(path, query, body, twilio_signature(AUTH_TOKEN, url, signed))


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"From=%2B15555550101&Body=&FromCity=", [("From", "+15555550101"), ("Body", ""), ("FromCity", "")]),
        (b"Body=++ack+1+%0A", [("Body", "  ack 1 \n")]),
        (b"Body=%20ack%201", [("Body", " ack 1")]),
        (b"Body=a%26b%3Dc%2Bd%25", [("Body", "a&b=c+d%")]),
        (b"Body=a=b", [("Body", "a=b")]),
        ("Body=é%F0%9F%91%8D".encode(), [("Body", "é👍")]),
        (b"Digits=2&Digits=1", [("Digits", "2"), ("Digits", "1")]),
        (b"Body=100%&Flag", [("Body", "100%"), ("Flag", "")]),
        (b"", []),
    ],
)
def test_a_form_is_decoded_and_nothing_of_it_is_lost(body: bytes, fields: Fields) -> None:
    assert admitted(body, fields) == fields


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.text("a é+%&=\n👍")), max_size=20))
def test_any_form_that_is_signed_is_admitted(fields: list[tuple[str, str]]) -> None:
    for encoded in (urlencode(fields), urlencode(fields, quote_via=quote)):
        # A pair that is empty on both sides is written as "=".
        assert admitted(encoded.encode(), fields) == fields


@pytest.mark.parametrize("body", [b"Body=%FF", b"Body=\xff", b"Body=%ED%A0%80", b"%C3=1", b"Body=%C3%28"])
def test_bytes_that_are_no_utf_8_break_nothing_and_are_not_what_was_signed(body: bytes) -> None:
    with pytest.raises(Forged, match="X-Twilio-Signature is not true"):
        admitted(body, [("Body", "\xff")])


anything = st.text(st.characters())


@example(b"Body=%ED%A0%80", "\ud800", "\ud800")
@given(st.binary(), anything | st.none(), anything)
def test_whatever_comes_without_a_signature_is_forged(body: bytes, signature: str | None, query: str) -> None:
    with pytest.raises(Forged):
        callbacks().admit(STATUS_PATH, query, body, signature)


def test_as_many_fields_as_twilio_may_send_are_taken() -> None:
    fields = [(f"Field{number}", "x") for number in range(FIELDS)]
    assert admitted(urlencode(fields).encode(), fields) == fields


def test_more_fields_are_refused_though_they_are_signed() -> None:
    fields = [(f"Field{number}", "x") for number in range(FIELDS + 1)]
    with pytest.raises(Forged, match="at most 200 fields"):
        admitted(urlencode(fields).encode(), fields)


def test_the_longest_text_that_twilio_may_send_is_taken() -> None:
    fields = texted(
        Body="👍" * 800 + "漢" * 800, **{f"MediaUrl{number}": "https://" + "x" * 500 for number in range(10)}
    )
    assert admitted(urlencode(fields).encode(), fields) == fields


@pytest.mark.parametrize("size", [FORM_BYTES + 1, 1_000_000])
def test_a_form_that_is_longer_than_any_of_twilios_is_refused_though_it_is_signed(size: int) -> None:
    fields = [("Body", "x" * (size - len("Body=")))]
    with pytest.raises(Forged, match="at most 65536 bytes"):
        admitted(urlencode(fields).encode(), fields)


@pytest.mark.parametrize("path", [STATUS_PATH, TEXT_PATH])
def test_a_form_for_one_path_is_not_admitted_at_another(path: str) -> None:
    other = {STATUS_PATH: TEXT_PATH, TEXT_PATH: STATUS_PATH}[path]
    fields = reported()
    signature = twilio_signature(AUTH_TOKEN, PUBLIC_URL + other, fields)
    with pytest.raises(Forged):
        callbacks().admit(path, "", urlencode(fields).encode(), signature)


def test_a_request_as_twilio_makes_it_is_read_through_flask() -> None:
    """The address with its fragment goes out; what comes in is its path and query, signed, and a form."""
    requested = callbacks().report_url(KEY, 2, 3, DELIVERY).partition("#")[0]
    signature = RequestValidator(AUTH_TOKEN).compute_signature(requested, MultiDict(reported()))
    path_and_query = requested.removeprefix(PUBLIC_URL)
    builder = EnvironBuilder(path_and_query, method="POST", data=urlencode(reported()).encode())
    builder.headers["X-Twilio-Signature"] = signature
    request = Request(builder.get_environ())
    query = request.query_string.decode("utf-8", "replace")
    fields = callbacks().admit(request.path, query, request.get_data(), request.headers.get("X-Twilio-Signature"))
    report = callbacks().read_report(fields, query)
    assert report == DeliveryReport(
        key=KEY,
        generation=2,
        number=3,
        delivery=DELIVERY,
        sid=SID,
        phone=1,
        report=Report(trouble="delivered None"),
    )


# Delivery reports


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_judged_elsewhere(status: str) -> None:
    report = callbacks().read_report(reported(MessageStatus=status, ErrorCode="30003"), QUERY)
    assert isinstance(report, DeliveryReport)
    assert report.report == Report(trouble=f"{status} 30003")


@pytest.mark.skipif(not SPECIFICATION.exists(), reason="the specification is here only where the project is developed")
def test_every_status_of_twilios_own_specification_is_known() -> None:
    found = json.loads(SPECIFICATION.read_text("utf-8"))["components"]["schemas"]["message_enum_status"]["enum"]
    assert {*found} - {"receiving", "received"} == {*STATUSES}


@pytest.mark.parametrize(
    ("code", "judged"),
    [
        (None, None),
        ("", None),
        ("0", None),
        ("30003", 30003),
        ("99999", 99999),
        ("nonsense", None),
        ("-1", None),
        ("٣", None),
        ("9" * 5_000, None),
    ],
)
def test_an_error_code_may_be_missing_or_new(code: str | None, judged: int | None) -> None:
    report = callbacks().read_report(reported(ErrorCode=code), QUERY)
    assert isinstance(report, DeliveryReport)
    assert report.report == Report(trouble=f"delivered {judged}")


@pytest.mark.parametrize(("number", "phone"), [(PHONES[0], 0), (PHONES[1], 1)])
def test_a_report_names_the_phone_by_its_place(number: str, phone: int) -> None:
    report = callbacks().read_report(reported(To=number), QUERY)
    assert isinstance(report, DeliveryReport)
    assert report.phone == phone


STRANGE_REPORTS: dict[str, tuple[dict[str, str | None], str]] = {
    "another account": ({"AccountSid": "AC" + "0" * 32}, "another Twilio account"),
    "no account": ({"AccountSid": None}, "another Twilio account"),
    "another number": ({"To": "+15555550199"}, "not in ONCALL_PHONE"),
    "no number": ({"To": None}, "not in ONCALL_PHONE"),
    "an empty number": ({"To": ""}, "not in ONCALL_PHONE"),
    "no sid": ({"MessageSid": None}, "without a sid"),
    "a sid of something else": ({"MessageSid": "CA" + "0" * 32}, "without a sid"),
    "a new status": ({"MessageStatus": "levitating"}, "a status we do not know"),
    "a status in capitals": ({"MessageStatus": "DELIVERED"}, "a status we do not know"),
    "no status": ({"MessageStatus": None}, "a status we do not know"),
}


@pytest.mark.parametrize(("changes", "reason"), STRANGE_REPORTS.values(), ids=STRANGE_REPORTS.keys())
def test_a_report_that_is_nothing_to_us_is_ignored(changes: dict[str, str | None], reason: str) -> None:
    ignored = callbacks().read_report(reported(**changes), QUERY)
    assert isinstance(ignored, Ignored)
    assert reason in ignored.reason


DAMAGED = {
    "no query": "",
    "another field": f"attempt={KEY}.2.3.opened-sms-0-1",
    "empty": "delivery=",
    "cut off": QUERY[:-20],
    "longer": f"{QUERY}-",
    "a key in capitals": QUERY.replace("abcdef", "ABCDEF"),
    "attempt 0": QUERY.replace(".2.3.", ".2.0."),
    "a number with zeros before it": QUERY.replace(".2.3.", ".02.3."),
    "a number of another alphabet": QUERY.replace(".2.3.", ".٢.3."),
    "a very large number": QUERY.replace(".2.3.", f".{'9' * 5_000}.3."),
    "a slash": QUERY.replace("opened-sms", "opened%2Fsms"),
    "a line end": f"{QUERY}%0A",
    "two of them": f"{QUERY}&{QUERY.replace('.3.', '.4.')}",
    "very many fields": f"{QUERY}{'&a=1' * 5_000}",
    "no UTF-8": "delivery=%ff%fe",
}


@pytest.mark.parametrize("query", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_report_to_a_damaged_address_is_ignored(query: str) -> None:
    assert callbacks().read_report(reported(), query) == Ignored(
        "a delivery report whose address names no delivery of ours"
    )


@pytest.mark.parametrize("name", ["AccountSid", "To", "MessageSid", "MessageStatus"])
def test_a_field_that_is_there_with_two_values_counts_as_missing(name: str) -> None:
    fields = [*reported(), (name, "another")]
    assert isinstance(callbacks().read_report(fields, QUERY), Ignored)


@pytest.mark.parametrize("name", ["AccountSid", "To", "MessageSid", "MessageStatus"])
def test_a_field_that_is_there_twice_with_one_value_is_taken(name: str) -> None:
    fields = [*reported(), *((key, value) for key, value in reported() if key == name)]
    assert isinstance(callbacks().read_report(fields, QUERY), DeliveryReport)


@pytest.mark.parametrize(
    "sid", [SID, "MM" + "0" * 32, "SM1", "SM" + "z" * 62, "SM", "SM" + "z" * 63, "SM-1", "sm1", ""]
)
def test_a_sid_is_taken_just_where_the_channel_takes_it(sid: str) -> None:
    report = callbacks().read_report(reported(MessageSid=sid), QUERY)
    channel = Twilio(Wire(), account_sid=ACCOUNT, auth_token=AUTH_TOKEN, sender=SENDER, phones=PHONES)
    with responses.RequestsMock() as mocked:
        url = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        mocked.post(url, json={"sid": sid, "status": "queued"}, status=201)
        outcome = channel.send(make_message(), soon())
    assert isinstance(report, DeliveryReport) is bool(outcome.provider_id)
    assert isinstance(callbacks().read_text(texted(MessageSid=sid)), ReceivedText) is bool(outcome.provider_id)


# Texts to our number


@pytest.mark.parametrize(("number", "phone"), [(PHONES[0], 0), (PHONES[1], 1)])
def test_a_text_of_an_on_call_phone_is_read(number: str, phone: int) -> None:
    assert callbacks().read_text(texted(From=number)) == ReceivedText(phone=phone, sid=SID, body="ack")


@pytest.mark.parametrize("body", ["", "  ack 1 \n", "ack 👍 & café", "\x00", "x" * 1_600])
def test_a_body_is_left_as_it_was_written(body: str) -> None:
    text = callbacks().read_text(texted(Body=body))
    assert isinstance(text, ReceivedText)
    assert text.body == body


def test_a_body_is_cut_where_twilio_would_not_send_more() -> None:
    text = callbacks().read_text(texted(Body="x" * 1_601))
    assert isinstance(text, ReceivedText)
    assert text.body == "x" * 1_600


def test_a_text_without_a_body_is_an_empty_one() -> None:
    text = callbacks().read_text(texted(Body=None))
    assert isinstance(text, ReceivedText)
    assert text.body == ""


@pytest.mark.parametrize(
    ("word", "opt_out"),
    [("STOP", "STOP"), ("START", "START"), ("HELP", "HELP"), ("", ""), (None, ""), ("stop", ""), ("OTHER", "")],
)
def test_what_twilio_took_for_an_opt_out_is_told(word: str | None, opt_out: str) -> None:
    text = callbacks().read_text(texted(OptOutType=word))
    assert isinstance(text, ReceivedText)
    assert text.opt_out == opt_out


STRANGE_TEXTS: dict[str, tuple[dict[str, str | None], str]] = {
    "another number": ({"From": "+15555550199"}, "not in ONCALL_PHONE"),
    "no number": ({"From": None}, "not in ONCALL_PHONE"),
    "an empty number": ({"From": ""}, "not in ONCALL_PHONE"),
    "our own number": ({"From": SENDER}, "not in ONCALL_PHONE"),
    "a number by another medium": ({"From": f"whatsapp:{PHONES[0]}"}, "not in ONCALL_PHONE"),
    "another account": ({"AccountSid": "AC" + "0" * 32}, "another Twilio account"),
    "no account": ({"AccountSid": None}, "another Twilio account"),
    "no sid": ({"MessageSid": None}, "without a sid"),
    "a sid of something else": ({"MessageSid": "CA" + "0" * 32}, "without a sid"),
}


@pytest.mark.parametrize(("changes", "reason"), STRANGE_TEXTS.values(), ids=STRANGE_TEXTS.keys())
def test_a_text_that_is_nothing_to_us_is_ignored(changes: dict[str, str | None], reason: str) -> None:
    ignored = callbacks().read_text(texted(**changes))
    assert isinstance(ignored, Ignored)
    assert reason in ignored.reason


@pytest.mark.parametrize(
    "read",
    [
        lambda changes: callbacks().read_report(reported(**changes), QUERY),
        lambda changes: callbacks().read_text(texted(**changes)),
    ],
)
@pytest.mark.parametrize("changes", [changes for changes, _ in [*STRANGE_REPORTS.values(), *STRANGE_TEXTS.values()]])
def test_the_log_is_told_nothing_of_what_was_sent(read: Any, changes: dict[str, str | None]) -> None:
    found = read(changes)
    assert not isinstance(found, Ignored) or not re.search(r"\d", found.reason)


@example([("To", "\ud800")], "delivery=\ud800")
@given(st.lists(st.tuples(anything, anything)), anything)
def test_whatever_was_signed_is_read_or_ignored(fields: Fields, query: str) -> None:
    assert isinstance(callbacks().read_report(fields, query), Ignored)
    assert isinstance(callbacks().read_text(fields), Ignored)


# The answer


def test_an_empty_answer_makes_twilio_say_nothing() -> None:
    assert twiml("") == "<Response/>"


def test_a_text_is_one_message() -> None:
    assert twiml("Acknowledged #7F3K") == "<Response><Message>Acknowledged #7F3K</Message></Response>"


@pytest.mark.parametrize("words", ["<b> & </Message> ]]> \"x\" 'y'", "é 👍 你好", "two\nlines"])
def test_the_answer_is_read_as_the_one_of_twilios_library(words: str) -> None:
    theirs = MessagingResponse()
    theirs.message(words)
    assert ET.canonicalize(twiml(words)) == ET.canonicalize(str(theirs))


@given(anything | st.text("<>&;\"'\x00\x08\x0b\r\n\t\ufffe\uffff\ud800]"))
def test_any_text_makes_well_formed_xml_and_comes_out_as_it_was(text: str) -> None:
    response = ET.fromstring(twiml(text).encode())
    said = re.sub("[\ufffe\uffff]", "", printable(text))
    assert [message.text for message in response] == ([said] if said else [])
