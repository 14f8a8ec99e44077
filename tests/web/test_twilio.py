"""POST /twilio/status and /twilio/sms: what Twilio reports of our texts, and what people on call text to us."""

from __future__ import annotations

import io
import itertools
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree as ET

import pytest
from flask import Response

from notifier.auth import twilio_signature
from notifier.body import BODY_BYTES
from notifier.callbacks import STATUS_PATH, TEXT_PATH, Fields
from notifier.core.alert import Severity
from notifier.core.incident import Delivery, DeliveryState, Incident, IncidentState, incident_key, ref_of
from notifier.core.message import Message
from notifier.core.replying import HOW_TO_ASK, NOT_HEEDED
from notifier.core.report import Progress
from notifier.core.sms_text import size_of
from notifier.ports import StoreDown
from tests.web.pager import FREE, NOON, Pager, content
from tests.web.twilio_posts import AUTH_TOKEN, PHONES, PUBLIC_URL, reported, texted

PAGE = "opened/sms/0/1"
SECOND_PAGE = "opened/sms/1/1"
NOTHING_SAID = "<Response/>"
UNREGISTERED = "30034: the sender is not registered for texts to the US (A2P 10DLC): register it in the Twilio console"

_sids = (f"SM{number:032x}" for number in itertools.count(0xABC000))


@pytest.fixture
def pager(tmp_path: Path) -> Iterator[Pager]:
    """One with two phones."""
    pager = Pager(tmp_path / "state.sqlite", phones=2)
    yield pager
    pager.sqlite.close()


@pytest.fixture
def one_phone(tmp_path: Path) -> Iterator[Pager]:
    pager = Pager(tmp_path / "state.sqlite")
    yield pager
    pager.sqlite.close()


def post(pager: Pager, path: str, body: bytes, signature: str, query: str = "") -> Response:
    """A form comes in at `path`."""
    return pager.call(
        "POST",
        path,
        token=None,
        query_string=query,
        data=body,
        headers={"X-Twilio-Signature": signature},
        content_type="application/x-www-form-urlencoded",
    )


def signed(pager: Pager, path: str, fields: Fields, query: str = "") -> Response:
    """Twilio posts a form."""
    url = f"{PUBLIC_URL}{path}?{query}" if query else f"{PUBLIC_URL}{path}"
    return post(pager, path, urlencode(fields).encode(), twilio_signature(AUTH_TOKEN, url, fields), query)


def open_incident(pager: Pager, name: str = "db", severity: str = "critical", title: str = "") -> str:
    """An alert opens an incident, which is told; its ref."""
    alert = {"id": name, "title": title or f"{name} is down", "severity": severity}
    (shown,) = content(pager.post(alert))["incidents"]
    return str(shown["ref"])


def stored(pager: Pager, name: str = "db") -> Incident:
    incident = pager.sqlite.gather(incident_key("plain", name), pager.clock.monotonic() + 5).incident
    assert incident is not None
    return incident


def page_of(pager: Pager, key: str = PAGE) -> Delivery:
    """How a page of `db` stands."""
    return stored(pager).deliveries[key]


def is_open(pager: Pager, name: str = "db") -> bool:
    return stored(pager, name).state is IncidentState.OPEN


def everything(pager: Pager) -> list[tuple[object, ...]]:
    """All that is stored, with a version that is another after each write."""
    with closing(sqlite3.connect(pager.file)) as database:
        return database.execute("SELECT name, version, body, next_due FROM documents ORDER BY name").fetchall()


def tick(pager: Pager, minutes: float) -> None:
    """So many minutes later."""
    pager.clock.turn(timedelta(minutes=minutes))
    assert pager.call("POST", "/tick").status_code == 200


def pages(pager: Pager) -> list[tuple[int | None, str]]:
    """The texts that were sent: to which phone, and what happened there."""
    texts = [message for name, message in pager.sent if name == "sms"]
    return [(message.phone, message.headline.partition(": ")[2]) for message in texts]


def words_on(pager: Pager, channel: str) -> list[str]:
    return [message.headline for name, message in pager.sent if name == channel]


# Who may


PATHS = {
    "a report": (STATUS_PATH, reported(To=PHONES[0])),
    "a text": (TEXT_PATH, texted(From=PHONES[0])),
}


def _of_another_token(path: str, fields: Fields) -> str:
    return twilio_signature("somebody-elses-auth-token", PUBLIC_URL + path, fields)


def _of_another_address(path: str, fields: Fields) -> str:
    return twilio_signature(AUTH_TOKEN, f"https://other.example.com{path}", fields)


def _of_the_other_path(path: str, fields: Fields) -> str:
    return twilio_signature(AUTH_TOKEN, PUBLIC_URL + ({STATUS_PATH, TEXT_PATH} - {path}).pop(), fields)


def _of_other_fields(path: str, fields: Fields) -> str:
    return twilio_signature(AUTH_TOKEN, PUBLIC_URL + path, [*fields, ("Body", "ack all")])


FORGED: dict[str, Callable[[str, Fields], str]] = {
    "nonsense": lambda _path, _fields: "nonsense",
    "another token": _of_another_token,
    "another address": _of_another_address,
    "the other path": _of_the_other_path,
    "other fields": _of_other_fields,
}


@pytest.mark.parametrize("sign", FORGED.values(), ids=FORGED.keys())
@pytest.mark.parametrize(("path", "fields"), PATHS.values(), ids=PATHS.keys())
def test_a_forged_signature_is_403_and_does_nothing(
    pager: Pager, path: str, fields: Fields, sign: Callable[[str, Fields], str]
) -> None:
    answer = post(pager, path, urlencode(fields).encode(), sign(path, fields))
    assert answer.status_code == 403
    assert content(answer).keys() == {"error"}
    assert not pager.file.exists()
    assert pager.sent == []


@pytest.mark.parametrize("headers", [{}, {"X-Twilio-Signature": ""}], ids=["missing", "empty"])
@pytest.mark.parametrize(("path", "fields"), PATHS.values(), ids=PATHS.keys())
def test_without_a_signature_it_is_403_and_does_nothing(
    pager: Pager, path: str, fields: Fields, headers: dict[str, str]
) -> None:
    answer = pager.call("POST", path, data=urlencode(fields), headers=headers)
    assert answer.status_code == 403
    assert content(answer) == {"error": "expected a request of Twilio, with its X-Twilio-Signature"}
    assert not pager.file.exists()


class CountedBody(io.BytesIO):
    """Counts what was read of it before somebody was refused."""

    def __init__(self, pager: Pager, size: int) -> None:
        super().__init__(b"x" * size)
        self.read_before_refusal = 0
        self._pager = pager

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        self.read_before_refusal += len(piece) * ("refused" not in str(self._pager.log))
        return piece


@pytest.mark.parametrize("path", [STATUS_PATH, TEXT_PATH])
def test_nothing_of_a_body_is_read_before_its_sender_is_refused_for_want_of_a_signature(
    pager: Pager, path: str
) -> None:
    body = CountedBody(pager, 10_000)
    environ = {"wsgi.input": body, "CONTENT_LENGTH": "10000"}
    assert pager.call("POST", path, environ_overrides=environ).status_code == 403
    assert body.read_before_refusal == 0
    assert body.tell() == 10_000  # dropped afterwards, so that its sender reads the answer


@pytest.mark.parametrize("path", [STATUS_PATH, TEXT_PATH])
def test_a_body_over_a_mebibyte_is_413_whoever_signed_it(pager: Pager, path: str) -> None:
    fields = [*PATHS["a text"][1], ("Padding", "x" * BODY_BYTES)]
    assert signed(pager, path, fields).status_code == 413
    assert not pager.file.exists()
    assert pager.sent == []


@pytest.mark.parametrize("path", [STATUS_PATH, TEXT_PATH])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_another_method_is_405(pager: Pager, method: str, path: str) -> None:
    answer = pager.call(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


# Delivery reports


def report(
    pager: Pager,
    status: str,
    code: int | None = None,
    *,
    delivery: str = PAGE,
    query: str | None = None,
    **changes: str,
) -> Response:
    """Twilio says what became of a page of `db`."""
    page = page_of(pager, delivery)
    url = next(message.report_url for name, message in pager.sent if (name, message.delivery) == ("sms", delivery))
    fields = reported(
        MessageStatus=status,
        ErrorCode=str(code) if code else None,
        To=PHONES[page.phone or 0],
        **{"MessageSid": page.provider_id, **changes},
    )
    return signed(pager, STATUS_PATH, fields, urlsplit(url).query if query is None else query)


def test_a_report_that_the_text_arrived_is_kept(pager: Pager) -> None:
    open_incident(pager)
    answer = report(pager, "delivered")
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert (page_of(pager).state, page_of(pager).report) == (DeliveryState.SENT, Progress.DELIVERED)


def test_after_the_last_word_on_a_text_nobody_asks_for_it(pager: Pager) -> None:
    open_incident(pager)
    assert page_of(pager).report_due_at == NOON + timedelta(minutes=5, seconds=30)
    report(pager, "delivered")
    assert page_of(pager).report_due_at is None


@pytest.mark.parametrize("status", ["failed", "undelivered"])
def test_a_text_that_did_not_arrive_goes_to_the_next_phone_at_once(pager: Pager, status: str) -> None:
    open_incident(pager)
    assert report(pager, status, 30034).status_code == 204
    assert page_of(pager).state is DeliveryState.FAILED
    assert pages(pager) == [(0, "db is down"), (1, "db is down")]


@pytest.mark.parametrize("channel", FREE)
def test_free_channels_say_in_plain_words_why_a_text_did_not_arrive_and_what_to_do(pager: Pager, channel: str) -> None:
    open_incident(pager)
    report(pager, "undelivered", 30034)
    words = words_on(pager, channel)[-1]
    assert words.startswith(f"NOT texted to phone 1: {UNREGISTERED}")
    assert words.endswith("; phone 2 is next")


def test_without_a_next_phone_that_is_said(one_phone: Pager) -> None:
    open_incident(one_phone)
    report(one_phone, "undelivered", 30034)
    assert words_on(one_phone, "slack")[-1].endswith("; there is no other phone to text")
    assert pages(one_phone) == [(0, "db is down")]


def test_a_text_refused_for_a_stop_keeps_the_phone_from_being_texted(pager: Pager) -> None:
    open_incident(pager)
    report(pager, "failed", 21610)
    pager.sent.clear()
    open_incident(pager, "web")
    assert pages(pager) == [(1, "web is down")]


def test_the_report_on_a_text_of_the_next_phone_is_its_own(pager: Pager) -> None:
    open_incident(pager)
    report(pager, "failed", 30003)
    report(pager, "delivered", delivery=SECOND_PAGE)
    assert page_of(pager).report is Progress.FAILED
    assert page_of(pager, SECOND_PAGE).report is Progress.DELIVERED


def test_reports_may_come_in_any_order(pager: Pager) -> None:
    open_incident(pager)
    for status in ("delivered", "sent", "queued", "undelivered"):
        assert report(pager, status).status_code == 204
    assert page_of(pager).report is Progress.DELIVERED
    assert len(pages(pager)) == 1


def test_a_report_that_comes_before_the_record_of_its_text_finds_it(pager: Pager) -> None:
    def report_at_once(message: Message) -> None:
        fields = reported(MessageSid=f"SM{1:032}", To=PHONES[0])
        signed(pager, STATUS_PATH, fields, urlsplit(message.report_url).query)

    pager.channels["sms"].on_send = report_at_once
    open_incident(pager)
    assert (page_of(pager).state, page_of(pager).report) == (DeliveryState.SENT, Progress.DELIVERED)


def test_a_failure_that_comes_before_the_record_of_its_text_pages_the_next_phone_once(pager: Pager) -> None:
    def fail_the_first(message: Message) -> None:
        if message.phone == 0:
            fields = reported(MessageSid=f"SM{1:032}", To=PHONES[0], MessageStatus="failed", ErrorCode="30003")
            signed(pager, STATUS_PATH, fields, urlsplit(message.report_url).query)

    pager.channels["sms"].on_send = fail_the_first
    open_incident(pager)
    assert page_of(pager).state is DeliveryState.FAILED
    assert sorted(pages(pager)) == [(0, "db is down"), (1, "db is down")]


def test_a_report_on_what_was_acknowledged_pages_nobody(pager: Pager) -> None:
    open_incident(pager)
    text(pager, "ack")
    report(pager, "undelivered", 30003)
    assert page_of(pager).state is DeliveryState.FAILED
    assert len(pages(pager)) == 1


def test_while_the_store_is_down_twilio_is_to_send_a_report_again(broken: Callable[[Exception], Pager]) -> None:
    pager = broken(StoreDown("inner words"))
    key = incident_key("plain", "db")
    answer = signed(pager, STATUS_PATH, reported(To=PHONES[0]), f"delivery={key}.1.1.opened-sms-0-1")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert content(answer) == {"error": "not stored; send it again"}
    assert pager.sent == []


# Texts


def text(pager: Pager, body: str, *, phone: int = 0, sid: str = "", **changes: str | None) -> str:
    """Somebody on call texts; what is answered, empty for nothing. `sid`: a new one unless given."""
    fields = texted(Body=body, From=PHONES[phone], **{"MessageSid": sid or next(_sids), **changes})
    answer = signed(pager, TEXT_PATH, fields)
    assert (answer.status_code, answer.content_type) == (200, "text/xml; charset=utf-8")
    response = ET.fromstring(answer.get_data())
    assert response.tag == "Response"
    return "".join(message.text or "" for message in response.findall("Message"))


@pytest.mark.parametrize("body", ["ack", "ACK", "Ack.", " ack\n", "ok", "Ok!", "Ok !", "OK"])
def test_ack_acknowledges_what_that_phone_was_paged_for(pager: Pager, body: str) -> None:
    ref = open_incident(pager)
    assert text(pager, body) == f"1 acknowledged: #{ref} db is down"
    assert stored(pager).acknowledged_by == "phone 1, by text"


@pytest.mark.parametrize("channel", FREE)
def test_free_channels_are_told_who_acknowledged_by_text(pager: Pager, channel: str) -> None:
    open_incident(pager)
    text(pager, "ack")
    assert words_on(pager, channel)[-1] == "ACKNOWLEDGED by phone 1, by text at 12:00 UTC: db is down"


def test_what_was_acknowledged_by_text_is_paged_no_more(pager: Pager) -> None:
    open_incident(pager)
    text(pager, "ack")
    tick(pager, 60)
    assert len(pages(pager)) == 1


def test_ack_leaves_alone_what_that_phone_was_not_paged_for(pager: Pager) -> None:
    open_incident(pager)
    assert text(pager, "ack", phone=1) == "Nothing you were paged for is open. Send status, or ack all."
    assert is_open(pager)


def test_ack_is_for_the_second_phone_once_it_is_paged_too(pager: Pager) -> None:
    open_incident(pager)
    tick(pager, 15)
    text(pager, "ack", phone=1)
    assert stored(pager).acknowledged_by == "phone 2, by text"


def as_misread(ref: str) -> str:
    """A ref with letters for the digits that look like them."""
    return ref.translate(str.maketrans("01", "OL"))


WAYS_TO_TYPE: dict[str, Callable[[str], str]] = {
    "as it stands": str,
    "small letters": str.lower,
    "a hash": "#{}".format,
    "O for 0, L for 1": as_misread,
    "all of it": lambda ref: f"#{as_misread(ref).lower()}.",
}


@pytest.mark.parametrize("way", WAYS_TO_TYPE.values(), ids=WAYS_TO_TYPE.keys())
def test_a_ref_acknowledges_its_incident_and_no_other(pager: Pager, way: Callable[[str], str]) -> None:
    named = next(name for name in map(str, itertools.count()) if {*"01"} <= {*ref_of(incident_key("plain", name), 1)})
    ref = open_incident(pager, named, "warning")
    open_incident(pager)
    assert text(pager, f"ack {way(ref)}") == f"1 acknowledged: #{ref} {named} is down"
    assert (is_open(pager, named), is_open(pager)) == (False, True)


def test_a_ref_that_is_not_open_is_answered_with_what_to_do(pager: Pager) -> None:
    open_incident(pager)
    assert text(pager, "ack zzzz") == "#ZZZZ is not open. Send status for what is."
    assert is_open(pager)


def test_ack_all_acknowledges_everything_that_is_open(pager: Pager) -> None:
    refs = [open_incident(pager), open_incident(pager, "disk", "warning")]
    answer = text(pager, "Ack All", phone=1)
    assert answer.startswith("2 acknowledged: ")
    assert all(ref in answer for ref in refs)
    assert (is_open(pager), is_open(pager, "disk")) == (False, False)


def test_ack_all_with_nothing_open_says_so(pager: Pager) -> None:
    assert text(pager, "ack all") == "Nothing is open."


def test_status_says_what_is_open_the_worst_first_and_changes_nothing_of_it(pager: Pager) -> None:
    disk = open_incident(pager, "disk", "warning")
    db = open_incident(pager)
    answer = text(pager, "status")
    assert answer.startswith(f"2 open: #{db} db is down, #{disk} disk is down. 1 of 5 texts this hour, ")
    assert (is_open(pager), is_open(pager, "disk")) == (True, True)


def test_status_with_nothing_open_says_so(pager: Pager) -> None:
    assert text(pager, "STATUS") == "Nothing is open. 0 of 5 texts this hour, $0.00 this month"


UNKNOWN_WORDS = ["", "who is this?", "acknowledge", "ack ack ack", "ack 7F3K please", "ack all of it", "👍", "status?"]


@pytest.mark.parametrize("body", UNKNOWN_WORDS)
def test_words_we_do_not_know_are_answered_with_those_we_do(pager: Pager, body: str) -> None:
    open_incident(pager)
    assert text(pager, body) == HOW_TO_ASK
    assert is_open(pager)


LONG = {
    "plain": "The database of the shop is unreachable from all of its replicas " * 7,
    "accents": "Grüße aus Köln, die Übertragung ist ausgefallen " * 9,
    "other alphabets": "数据库无法访问" * 60,
    "emoji": "👩‍👩‍👧🔥" * 50,
}


@pytest.mark.parametrize("title", LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize("body", ["status", "ack all"])
def test_an_answer_is_one_segment(pager: Pager, body: str, title: str) -> None:
    for number in range(12):
        open_incident(pager, f"{number}", "warning", title)
    answer = text(pager, body)
    assert answer.startswith("12 ")
    assert size_of(answer).segments == 1


def test_an_answer_is_counted_in_the_month_and_takes_no_slot(pager: Pager) -> None:
    text(pager, "status")
    ledger = pager.sqlite.gather("", pager.clock.monotonic() + 5).ledger
    assert (ledger.totals.of(NOON).texts, ledger.taken(NOON)) == (1, 0)


def test_a_stranger_gets_no_answer(pager: Pager) -> None:
    open_incident(pager)
    answer = signed(pager, TEXT_PATH, texted(Body="ack all", From="+15555550199"))
    assert (answer.status_code, answer.get_data(as_text=True)) == (200, NOTHING_SAID)
    assert is_open(pager)


def test_words_of_an_alert_cannot_break_out_of_the_answer(pager: Pager) -> None:
    ref = open_incident(pager, title="</Message><Message>x & <y>")
    assert text(pager, "ack") == f"1 acknowledged: #{ref} </Message><Message>x & <y>"


# The same text again


def test_the_same_text_twice_acts_once(pager: Pager) -> None:
    open_incident(pager)
    assert text(pager, "ack", sid="SM1")
    before = everything(pager)
    assert text(pager, "ack", sid="SM1") == ""
    assert everything(pager) == before


@pytest.mark.parametrize("body", ["ack", "ack all"])
def test_the_same_text_again_does_not_acknowledge_what_was_opened_since(pager: Pager, body: str) -> None:
    open_incident(pager)
    text(pager, body, sid="SM1")
    open_incident(pager, "web")
    text(pager, body, sid="SM1")
    assert is_open(pager, "web")


# How often it is answered


def test_a_phone_is_answered_five_times_an_hour(pager: Pager) -> None:
    assert [bool(text(pager, "hello")) for _ in range(7)] == [True] * 5 + [False] * 2


def test_commands_work_when_they_are_not_answered_any_more(pager: Pager) -> None:
    for _ in range(5):
        text(pager, "hello")
    open_incident(pager)
    assert text(pager, "ack") == ""
    assert stored(pager).acknowledged_by == "phone 1, by text"


def test_each_phone_has_its_own_five_answers(pager: Pager) -> None:
    for _ in range(5):
        text(pager, "hello")
    assert text(pager, "hello", phone=1) == HOW_TO_ASK


def test_an_hour_later_a_phone_is_answered_again(pager: Pager) -> None:
    for _ in range(5):
        text(pager, "hello")
        pager.clock.turn(timedelta(minutes=1))
    pager.clock.turn(timedelta(minutes=54))
    assert text(pager, "hello") == ""
    pager.clock.turn(timedelta(minutes=1))
    assert text(pager, "hello") == HOW_TO_ASK


# STOP and its kin


OPT_OUTS = ["STOP", "stop", "Stop", " stop ", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"]


@pytest.mark.parametrize("word", OPT_OUTS)
def test_a_phone_that_opted_out_is_texted_no_more_and_the_next_one_is(pager: Pager, word: str) -> None:
    assert text(pager, word) == ""
    open_incident(pager)
    assert pages(pager) == [(1, "db is down")]


@pytest.mark.parametrize("channel", FREE)
def test_an_opt_out_is_said_on_every_free_channel(pager: Pager, channel: str) -> None:
    text(pager, "STOP")
    assert words_on(pager, channel) == ["ERROR: Phone 1 has opted out of texts (STOP): from now on phone 2 is paged"]


def test_the_opt_out_of_the_last_phone_says_that_nobody_can_be_texted(pager: Pager) -> None:
    text(pager, "STOP")
    text(pager, "STOP", phone=1)
    assert words_on(pager, "slack")[-1] == "ERROR: Phone 2 has opted out of texts (STOP): NOBODY CAN BE TEXTED"


def test_when_nobody_can_be_texted_each_incident_says_so(pager: Pager) -> None:
    text(pager, "STOP")
    text(pager, "STOP", phone=1)
    open_incident(pager)
    assert pages(pager) == []
    assert "there is no other phone to text" in words_on(pager, "slack")[-1]


def test_an_opt_out_is_no_command(pager: Pager) -> None:
    open_incident(pager)
    text(pager, "CANCEL")
    assert is_open(pager)


def test_an_opt_out_by_a_word_of_the_accounts_own_is_one(pager: Pager) -> None:
    """Advanced Opt-Out: Twilio says what it took the text for."""
    assert text(pager, "ack", OptOutType="STOP") == ""
    open_incident(pager)
    assert pages(pager) == [(1, "db is down")]


@pytest.mark.parametrize("word", ["START", "start", "YES", "UNSTOP"])
def test_start_undoes_an_opt_out(pager: Pager, word: str) -> None:
    text(pager, "STOP")
    assert text(pager, word) == ""
    open_incident(pager)
    assert pages(pager) == [(0, "db is down")]


def test_that_a_phone_takes_texts_again_is_said(pager: Pager) -> None:
    text(pager, "STOP")
    text(pager, "START")
    assert words_on(pager, "slack")[-1] == "INFO: Phone 1 takes texts again"


@pytest.mark.parametrize("word", ["START", "YES", "UNSTOP"])
def test_start_of_a_phone_that_never_opted_out_is_told_to_nobody(pager: Pager, word: str) -> None:
    assert text(pager, word) == ""
    assert pager.sent == []


@pytest.mark.parametrize("word", ["HELP", "help", "INFO"])
def test_what_twilio_answers_itself_is_not_answered(pager: Pager, word: str) -> None:
    open_incident(pager)
    before = everything(pager)
    assert text(pager, word) == ""
    assert everything(pager) == before


@pytest.mark.parametrize("body", ["STOP PLEASE", "please stop", "stop it!", "cancel that"])
def test_several_words_are_no_opt_out(pager: Pager, body: str) -> None:
    assert text(pager, body) == HOW_TO_ASK
    open_incident(pager)
    assert pages(pager) == [(0, "db is down")]


def test_a_stranger_opts_nobody_out(pager: Pager) -> None:
    signed(pager, TEXT_PATH, texted(Body="STOP", From="+15555550199"))
    open_incident(pager)
    assert pages(pager) == [(0, "db is down")]
    assert not any("opted out" in words for words in words_on(pager, "slack"))


@pytest.mark.parametrize("repeated", ["SM1", "SM2"], ids=["the first", "one that was no news"])
def test_the_same_stop_again_does_not_undo_the_start_after_it(pager: Pager, repeated: str) -> None:
    text(pager, "STOP", sid="SM1")
    text(pager, "STOP", sid="SM2")
    text(pager, "START")
    pager.sent.clear()
    text(pager, "STOP", sid=repeated)
    assert pager.sent == []
    open_incident(pager)
    assert pages(pager) == [(0, "db is down")]


# While the store is down


@pytest.mark.parametrize("body", ["ack", "ok", "ack 7F3K", "ack all", "status", "START"])
def test_while_the_store_is_down_whoever_asks_for_something_hears_that_it_is_not_done(
    broken: Callable[[Exception], Pager], body: str
) -> None:
    pager = broken(StoreDown("inner words"))
    assert text(pager, body) == NOT_HEEDED
    assert NOT_HEEDED.startswith("NOT done")
    assert size_of(NOT_HEEDED).segments == 1


@pytest.mark.parametrize("body", ["hello", "STOP", "HELP", ""])
def test_while_the_store_is_down_all_else_is_not_answered(broken: Callable[[Exception], Pager], body: str) -> None:
    assert text(broken(StoreDown("inner words")), body) == ""


def test_a_text_that_could_not_be_heeded_is_in_the_log(broken: Callable[[Exception], Pager]) -> None:
    pager = broken(StoreDown("inner words"))
    text(pager, "ack")
    severity, words, _ = pager.log.lines[-1]
    assert severity is Severity.CRITICAL
    assert words == "a text from somebody on call could not be heeded: inner words"


# What Twilio signs, and is nothing to us


class Posted(NamedTuple):
    """A form, and all that stands around it."""

    path: str
    fields: Fields
    query: str = ""
    body: bytes | None = None
    """Where it is another than the fields that were signed."""


def _a_report(**changes: str | None) -> Callable[[str], Posted]:
    fields = reported(**{"To": PHONES[0], "MessageSid": f"SM{1:032}", **changes})
    return lambda query: Posted(STATUS_PATH, fields, query)


def _a_report_at(change: Callable[[str], str]) -> Callable[[str], Posted]:
    return lambda query: _a_report(MessageStatus="failed")(change(query))


def _a_text(**changes: str | None) -> Callable[[str], Posted]:
    fields = texted(**{"From": PHONES[0], "Body": "ack all", "MessageSid": f"SM{2:032}", **changes})
    return lambda _query: Posted(TEXT_PATH, fields)


def _bytes(path: str, body: bytes) -> Callable[[str], Posted]:
    """A body that is no UTF-8, signed as if its bytes were characters."""
    fields = parse_qsl(body.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    return lambda query: Posted(path, fields, query if path == STATUS_PATH else "", body)


ANOTHER_ACCOUNT = "AC" + "0" * 32
NOTHING_TO_US: dict[str, Callable[[str], Posted]] = {
    "a report of another account": _a_report(AccountSid=ANOTHER_ACCOUNT, MessageStatus="failed"),
    "a report on a text to another number": _a_report(To="+15555550199", MessageStatus="failed"),
    "a report on a text with another sid": _a_report(MessageSid="SM" + "e" * 32, MessageStatus="failed"),
    "a report without a sid": _a_report(MessageSid=None, MessageStatus="failed"),
    "a report with a status nobody knows": _a_report(MessageStatus="levitating"),
    "a report on an incident nobody knows": _a_report_at(lambda query: re.sub("=[0-9a-f]{32}", f"={'f' * 32}", query)),
    "a report on an attempt that was never made": _a_report_at(lambda query: query.replace(".1.1.", ".1.2.")),
    "a report on another generation": _a_report_at(lambda query: query.replace(".1.1.", ".2.1.")),
    "a report on a phone that was not paged": _a_report_at(lambda query: query.replace("sms-0-1", "sms-1-1")),
    "a report on a post to Slack": _a_report_at(lambda query: query.replace("opened-sms-0-1", "opened-slack")),
    "a report to no address of ours": _a_report_at(lambda _: "delivery=nonsense"),
    "a report without an address": _a_report_at(lambda _: ""),
    "a report again": _a_report(MessageStatus="sent"),
    "an older report": _a_report(MessageStatus="queued"),
    "a report of 1 MB": _a_report(MessageStatus="failed", Padding="x" * 1_000_000),
    "a report of over 1 MiB": _a_report(MessageStatus="failed", Padding="x" * BODY_BYTES),
    "a report that is no UTF-8": _bytes(
        STATUS_PATH, urlencode(reported(To=PHONES[0], MessageStatus="failed")).encode() + b"&City=K%F6ln"
    ),
    "a report without a form": lambda query: Posted(STATUS_PATH, [], query),
    "a text to another account": _a_text(AccountSid=ANOTHER_ACCOUNT),
    "a text of another number": _a_text(From="+15555550199"),
    "a text of our own number": _a_text(From="+15005550006"),
    "a text without a number": _a_text(From=None),
    "a text without a sid": _a_text(MessageSid=""),
    "a text again": _a_text(MessageSid="SM9"),
    "a text of 1 MB": _a_text(Padding="x" * 1_000_000),
    "a text of 1 MB in its body": _a_text(Body="x" * 1_000_000),
    "a text of over 1 MiB": _a_text(Padding="x" * BODY_BYTES),
    "a text of two numbers": lambda _query: Posted(TEXT_PATH, [*texted(Body="ack all"), ("From", "+15555550199")]),
    "a text that is no UTF-8": _bytes(TEXT_PATH, urlencode(texted(Body="ack all")).encode() + b"&FromCity=K\xf6ln"),
    "a text without a form": lambda _query: Posted(TEXT_PATH, []),
}


@pytest.mark.parametrize("posted", NOTHING_TO_US.values(), ids=NOTHING_TO_US.keys())
def test_what_twilio_signs_and_is_nothing_to_us_changes_nothing_and_sends_nothing(
    pager: Pager, posted: Callable[[str], Posted]
) -> None:
    open_incident(pager, "disk", "warning")
    text(pager, "ack all", sid="SM9")
    open_incident(pager)
    report(pager, "sent")
    query = urlsplit(next(message.report_url for name, message in pager.sent if name == "sms")).query
    pager.sent.clear()
    before = everything(pager)
    path, fields, query, body = posted(query)
    url = f"{PUBLIC_URL}{path}?{query}" if query else f"{PUBLIC_URL}{path}"
    raw = urlencode(fields).encode() if body is None else body
    answer = post(pager, path, raw, twilio_signature(AUTH_TOKEN, url, fields), query)
    assert answer.status_code < 500
    assert answer.status_code in (403, 413) or answer.get_data(as_text=True) in ("", NOTHING_SAID)
    assert everything(pager) == before
    assert pager.sent == []
