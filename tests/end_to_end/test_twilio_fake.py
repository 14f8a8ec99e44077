"""The fake Twilio, by Twilio's own library and by what its customers' addresses get."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.messaging_response import MessagingResponse

from tests.end_to_end.courses import Course, Shown, Step, failed, undelivered
from tests.end_to_end.serving import Answer, Lost, Reaction, Request, serving
from tests.end_to_end.twilio import FakeTwilio, fake_twilio
from tests.end_to_end.twilio_api import (
    ACCOUNT,
    AUTH_TOKEN,
    KEY,
    KEY_SECRET,
    NUMBER,
    PATH,
    PHONES,
    SERVICE,
    SERVICE_NUMBER,
    UNAVAILABLE,
    error,
)
from tests.end_to_end.waiting import wait_until

PUBLIC_URL = "https://pager.example.com/notify"
STATUS_URL = f"{PUBLIC_URL}/twilio/status?delivery=opened%2Fsms%2F0%7E1&x=a+b"
ANA, BEN = PHONES
BY_NUMBER, BY_SERVICE = {"from_": NUMBER}, {"messaging_service_sid": SERVICE}
ALL_FIVE = "#rc=5&rp=all"


class Customer:
    """Whoever is behind PUBLIC_URL: remembers what it got."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.answers: list[Answer | Lost] = []
        """The next ones; 204 when there is none left."""
        self._lock = threading.Lock()

    def react(self, request: Request) -> Reaction:
        with self._lock:
            self.got.append(request)
            return Reaction(self.answers.pop(0) if self.answers else Answer(204, ""))

    @property
    def statuses(self) -> list[str]:
        return [request.form["MessageStatus"] for request in self.got]


class Party:
    """Twilio, its customer, and the library the customer uses."""

    def __init__(self, twilio: FakeTwilio, customer: Customer, client: Client) -> None:
        self.twilio = twilio
        self.customer = customer
        self.client = client

    def text(self, body: str = "hello #7F3K", to: str = ANA, **more: Any) -> Any:
        return self.client.messages.create(
            to=to, body=body, **({} if "messaging_service_sid" in more else BY_NUMBER), **more
        )

    def refused(self, **more: Any) -> tuple[int, int]:
        """Status and code of the error that a text meets."""
        with pytest.raises(TwilioRestException) as met:
            self.text(**more)
        return met.value.status, met.value.code

    def told(self, **more: Any) -> Any:
        """A text whose customer wants to hear what becomes of it, when all has become of it."""
        made = self.text(**{"status_callback": STATUS_URL, **more})
        self.twilio.rest()
        return made

    def listed(self, to: str = ANA) -> list[Any]:
        return list(self.client.messages.list(to=to))


@contextmanager
def library(twilio: FakeTwilio, user: str = ACCOUNT, password: str = AUTH_TOKEN) -> Iterator[Client]:
    client = Client(user, password, ACCOUNT)
    client.api.base_url = twilio.server.url
    client.http_client.timeout = 5
    try:
        yield client
    finally:
        client.http_client.session.close()


@pytest.fixture
def party() -> Iterator[Party]:
    customer = Customer()
    with (
        serving(customer.react) as server,
        fake_twilio(PUBLIC_URL, server.url) as twilio,
        library(twilio) as client,
    ):
        yield Party(twilio, customer, client)


def statuses(texts: list[Any]) -> list[str]:
    return [text.status for text in texts]


# A text is posted


def test_a_text_is_created_as_the_api_says(party: Party) -> None:
    made = party.text()
    assert re.fullmatch("SM[0-9a-f]{32}", made.sid)
    assert (made.status, made.direction, made.num_segments, made.num_media) == ("queued", "outbound-api", "1", "0")
    assert (made.to, made.from_, made.body, made.messaging_service_sid) == (ANA, NUMBER, "hello #7F3K", None)
    assert (made.price, made.price_unit, made.error_code, made.error_message) == (None, "USD", None, None)
    assert (made.account_sid, made.uri) == (ACCOUNT, f"{PATH}/{made.sid}.json")
    assert abs(made.date_created - datetime.now(UTC)) < timedelta(seconds=5)
    assert made.date_sent is None


def test_a_services_text_has_no_sender_and_no_segments_yet(party: Party) -> None:
    made = party.text(**BY_SERVICE)
    assert (made.status, made.from_, made.num_segments) == ("accepted", None, "0")
    assert made.messaging_service_sid == SERVICE
    party.twilio.rest()
    (shown,) = party.listed()
    assert (shown.status, shown.from_, shown.num_segments) == ("delivered", SERVICE_NUMBER, "1")


def test_what_was_posted_is_remembered(party: Party) -> None:
    party.text(validity_period=600, risk_check="disable", status_callback=f"{STATUS_URL}{ALL_FIVE}")
    (text,) = party.twilio.texts
    assert text.form == {
        "To": ANA,
        "From": NUMBER,
        "Body": "hello #7F3K",
        "ValidityPeriod": "600",
        "RiskCheck": "disable",
        "StatusCallback": f"{STATUS_URL}{ALL_FIVE}",
    }
    assert party.twilio.texts_of("7F3K") == [text]


@pytest.mark.parametrize(("user", "password", "passes"), [(ACCOUNT, "wrong", False), (KEY, KEY_SECRET, True)])
def test_only_the_token_or_a_key_signs_in(party: Party, user: str, password: str, *, passes: bool) -> None:
    with library(party.twilio, user, password) as client:
        other = Party(party.twilio, party.customer, client)
        if passes:
            other.text()
        else:
            assert other.refused() == (401, 20003)
    assert len(party.twilio.texts) == passes


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "banana"}, 21211),
        ({"From": ""}, 21603),
        ({"From": "+15005550008"}, 21606),
        ({"To": NUMBER}, 21266),
        ({"From": "", "MessagingServiceSid": "MG" + "1" * 32}, 21701),
        ({"MessagingServiceSid": SERVICE}, 21606),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1_601}, 21617),
        ({"StatusCallback": "pager.example.com/status"}, 21609),
        ({"StatusCallback": "https://my_pager.example.com/status"}, 21609),
        ({"StatusCallback": "http://localhost:8080/status"}, 21609),
        ({"StatusCallback": f"https://pager.example.com/{'x' * 4_000}"}, 21609),
        ({"ValidityPeriod": "36001"}, 20001),
        ({"ValidityPeriod": "soon"}, 20001),
        ({"RiskCheck": "maybe"}, 20001),
    ],
    ids=str,
)
def test_a_request_with_a_mistake_is_refused(party: Party, form: dict[str, str], code: int) -> None:
    whole = {"To": ANA, "From": NUMBER, "Body": "hello", **form}
    url = f"{party.twilio.server.url}{PATH}.json"
    answer = requests.post(url, whole, auth=(ACCOUNT, AUTH_TOKEN), timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (404 if code == 21701 else 400, code)
    assert party.twilio.texts == []


def test_json_is_no_form(party: Party) -> None:
    whole = {"To": ANA, "From": NUMBER, "Body": "hello"}
    url = f"{party.twilio.server.url}{PATH}.json"
    assert requests.post(url, json=whole, auth=(ACCOUNT, AUTH_TOKEN), timeout=5).json()["code"] == 21604


def test_a_path_of_nobody_is_not_found(party: Party) -> None:
    url = f"{party.twilio.server.url}/2010-04-01/Accounts/AC1/Messages.json"
    assert requests.get(url, auth=(ACCOUNT, AUTH_TOKEN), timeout=5).json()["code"] == 20404


# How it goes with it


@pytest.mark.parametrize("course", [Course(delay=0.3), Course(answer_delay=0.3)], ids=["before", "after"])
def test_the_answer_comes_late(party: Party, course: Course) -> None:
    party.twilio.plan(course)
    began = time.monotonic()
    at = party.text() and party.twilio.texts[0].at
    assert time.monotonic() - began >= 0.3
    assert (datetime.now(UTC) - at > timedelta(seconds=0.3)) == (course.answer_delay > 0)


@pytest.mark.parametrize("lost", Lost)
@pytest.mark.parametrize("taken", [True, False])
def test_the_connection_is_lost_once_the_text_is_taken_or_before(party: Party, lost: Lost, *, taken: bool) -> None:
    party.twilio.plan(Course(answered=lost) if taken else Course(refused=lost))
    party.client.http_client.timeout = 0.3
    with pytest.raises(requests.ReadTimeout if lost is Lost.NO_ANSWER else requests.ConnectionError):
        party.text()
    assert len(party.twilio.texts) == taken
    assert len(party.listed()) == taken


def test_a_reset_is_one_on_the_wire(party: Party) -> None:
    party.twilio.plan(Course(answered=Lost.RESET))
    with pytest.raises(requests.ConnectionError, match="ConnectionResetError"):
        party.text()


@pytest.mark.parametrize(("code", "status"), [(21610, 400), (20429, 429), (20003, 401), (21608, 400), (20500, 500)])
def test_a_text_is_refused_with_an_error(party: Party, code: int, status: int) -> None:
    party.twilio.plan(Course(refused=error(code)))
    assert party.refused() == (status, code)
    assert party.twilio.texts == []
    party.text()
    assert len(party.twilio.texts) == 1


def test_what_stands_before_the_api_answers_in_html(party: Party) -> None:
    party.twilio.plan(Course(refused=UNAVAILABLE))
    url = f"{party.twilio.server.url}{PATH}.json"
    answer = requests.post(url, {"To": ANA, "From": NUMBER, "Body": "hello"}, auth=(ACCOUNT, AUTH_TOKEN), timeout=5)
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/html")
    assert party.twilio.texts == []


def test_a_text_is_taken_and_its_answer_is_an_error(party: Party) -> None:
    party.twilio.plan(Course(answered=error(20500)))
    assert party.refused() == (500, 20500)
    assert len(party.listed()) == 1


def test_only_a_request_with_a_callback_is_refused_for_it(party: Party) -> None:
    party.twilio.usual = Course(refused=error(21609))
    assert party.refused(status_callback=STATUS_URL) == (400, 21609)
    party.text()
    assert len(party.twilio.texts) == 1


def test_a_plan_is_for_so_many_texts(party: Party) -> None:
    party.twilio.plan(Course(refused=error(20429)), texts=2)
    assert party.refused() == party.refused() == (429, 20429)
    party.text()


def test_a_plan_is_for_one_phone(party: Party) -> None:
    party.twilio.plan(Course(refused=error(20429)), to=BEN)
    party.text()
    assert party.refused(to=BEN) == (429, 20429)


def test_it_refuses_connections_and_comes_back_under_its_address(party: Party) -> None:
    party.text()
    with party.twilio.unreachable(), pytest.raises(requests.ConnectionError, match="Connection refused"):
        party.text()
    party.text()
    assert len(party.twilio.texts) == 2


def test_texts_come_from_many_threads(party: Party) -> None:
    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda number: party.text(f"number {number}"), range(60)))
    assert len({one.sid for one in made}) == 60
    assert {text.body for text in party.twilio.texts} == {f"number {number}" for number in range(60)}


# The list


def test_the_list_is_of_one_phone_and_newest_first(party: Party) -> None:
    for number, phone in enumerate((ANA, BEN, ANA)):
        party.text(f"number {number}", phone)
    party.twilio.rest()
    listed = party.listed()
    assert [(one.body, one.status, one.direction) for one in listed] == [
        ("number 2", "delivered", "outbound-api"),
        ("number 0", "delivered", "outbound-api"),
    ]
    assert listed[0].date_sent is not None


def test_the_list_comes_in_pages(party: Party) -> None:
    for number in range(5):
        party.text(f"number {number}")
    shown = party.client.messages.list(to=ANA, page_size=2)
    assert [one.body for one in shown] == [f"number {number}" for number in (4, 3, 2, 1, 0)]


def test_a_text_is_listed_late(party: Party) -> None:
    party.twilio.plan(Course(listed_after=0.3))
    party.text()
    assert party.listed() == []
    wait_until(lambda: len(party.listed()) == 1, 2)


def test_the_list_is_without_bodies(party: Party) -> None:
    party.text()
    party.twilio.shown = Shown(bodies=False)
    assert [one.body for one in party.listed()] == [""]


def test_the_list_is_refused(party: Party) -> None:
    party.twilio.shown = Shown(answer=error(70051))
    with pytest.raises(TwilioException, match="70051"):
        party.listed()
    party.text()


def test_the_list_comes_late(party: Party) -> None:
    party.twilio.shown = Shown(delay=0.3)
    began = time.monotonic()
    party.listed()
    assert time.monotonic() - began >= 0.3


def test_a_filter_it_does_not_know_is_refused(party: Party) -> None:
    with pytest.raises(TwilioException, match="20001"):
        party.client.messages.list(date_sent_after=datetime(2026, 1, 1, tzinfo=UTC))


def test_one_message_is_shown_by_its_sid(party: Party) -> None:
    made = party.text()
    party.twilio.rest()
    assert party.client.messages(made.sid).fetch().status == "delivered"
    with pytest.raises(TwilioRestException) as met:
        party.client.messages("SM" + "f" * 32).fetch()
    assert (met.value.status, met.value.code) == (404, 20404)


# What becomes of it


def test_a_text_is_reported_as_sent_and_then_as_delivered(party: Party) -> None:
    made = party.told()
    assert party.customer.statuses == ["sent", "delivered"]
    form = party.customer.got[1].form
    assert re.fullmatch("[0-9]{10}", form.pop("RawDlrDoneDate"))
    assert form == {
        "SmsSid": made.sid,
        "SmsStatus": "delivered",
        "MessageStatus": "delivered",
        "To": ANA,
        "MessageSid": made.sid,
        "AccountSid": ACCOUNT,
        "From": NUMBER,
        "ApiVersion": "2010-04-01",
    }


def test_a_report_is_signed_over_the_public_address_and_brought_to_the_real_one(party: Party) -> None:
    party.told()
    for request in party.customer.got:
        assert request.target == STATUS_URL.removeprefix(PUBLIC_URL)
        assert request.headers["Host"] == "pager.example.com"
        assert request.headers.get_content_type() == "application/x-www-form-urlencoded"
        signature = request.headers["X-Twilio-Signature"]
        assert RequestValidator(AUTH_TOKEN).validate(STATUS_URL, request.form, signature)


def test_reports_may_be_signed_with_another_token(party: Party) -> None:
    party.twilio.webhooks.signed_with = "promoted-token"
    party.told()
    request = party.customer.got[0]
    signature = request.headers["X-Twilio-Signature"]
    assert RequestValidator("promoted-token").validate(STATUS_URL, request.form, signature)
    assert not RequestValidator(AUTH_TOKEN).validate(STATUS_URL, request.form, signature)


def test_a_services_text_is_queued_first_and_its_reports_name_the_service(party: Party) -> None:
    party.told(**BY_SERVICE)
    assert party.customer.statuses == ["queued", "sent", "delivered"]
    form = party.customer.got[0].form
    assert (form["MessagingServiceSid"], form["From"]) == (SERVICE, SERVICE_NUMBER)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(undelivered(30003), ["sent", "undelivered"]), (failed(30007), ["failed"])],
    ids=["undelivered", "failed"],
)
def test_the_last_report_says_what_went_wrong(party: Party, steps: tuple[Step, ...], expected: list[str]) -> None:
    party.twilio.plan(Course(steps=steps))
    party.told()
    assert party.customer.statuses == expected
    assert party.customer.got[-1].form["ErrorCode"] == str(steps[-1].error_code)
    assert ["ErrorCode" in request.form for request in party.customer.got[:-1]] == [False] * (len(expected) - 1)
    (shown,) = party.listed()
    assert (shown.status, shown.error_code) == (expected[-1], steps[-1].error_code)


@pytest.mark.parametrize(
    "course",
    [Course(steps=()), Course(steps=(Step("sent", told=0), Step("delivered", told=0)))],
    ids=["none", "silent"],
)
def test_a_text_is_never_reported(party: Party, course: Course) -> None:
    party.twilio.plan(course)
    party.told()
    assert party.customer.got == []
    assert statuses(party.listed()) == ["delivered" if course.steps else "queued"]


def test_reports_come_out_of_order_and_the_status_stays(party: Party) -> None:
    party.twilio.plan(Course(steps=(Step("delivered"), Step("sent"))))
    party.told()
    assert party.customer.statuses == ["delivered", "sent"]
    assert statuses(party.listed()) == ["delivered"]


def test_a_report_comes_twice_with_the_same_token(party: Party) -> None:
    party.twilio.plan(Course(steps=(Step("delivered", told=2),)))
    party.told()
    assert party.customer.statuses == ["delivered", "delivered"]
    assert len({request.headers["I-Twilio-Idempotency-Token"] for request in party.customer.got}) == 1


def test_a_report_comes_before_the_text_is_answered(party: Party) -> None:
    party.twilio.plan(Course(steps=(Step("delivered", early=True),), answer_delay=0.2))
    with ThreadPoolExecutor(1) as pool:
        posting = pool.submit(party.text, status_callback=STATUS_URL)
        wait_until(lambda: party.customer.statuses == ["delivered"], 2)
        assert not posting.done()
        assert posting.result().status == "queued"


def test_a_text_whose_answer_is_lost_is_reported(party: Party) -> None:
    party.twilio.plan(Course(answered=Lost.RESET))
    with pytest.raises(requests.ConnectionError):
        party.told()
    party.twilio.rest()
    assert party.customer.statuses == ["sent", "delivered"]


def test_a_text_is_reported_by_hand(party: Party) -> None:
    party.twilio.plan(Course(steps=()))
    made = party.told()
    party.customer.answers = [Answer(403, "application/json", b'{"error": "..."}')]
    webhook = party.twilio.report(party.twilio.texts[0], "undelivered", 30005)
    assert (webhook.status, webhook.answer.body) == (403, b'{"error": "..."}')
    assert party.customer.got[0].form["ErrorCode"] == "30005"
    assert party.twilio.webhooks.about(made.sid) == [webhook]


def test_what_came_back_is_remembered(party: Party) -> None:
    party.customer.answers = [Answer(200, "text/plain", b"thanks"), Answer(404)]
    party.told()
    assert [(webhook.status, webhook.answer.body) for webhook in party.twilio.webhooks.posted] == [
        (200, b"thanks"),
        (404, b""),
    ]


# Tried again


def test_a_report_is_tried_again_five_times_when_its_address_says_so(party: Party) -> None:
    party.twilio.usual = Course(steps=(Step("delivered"),))
    party.customer.answers = [Answer(503), Lost.RESET, Answer(404), Answer(500), Answer(500), Answer(500)]
    party.told(status_callback=f"{STATUS_URL}{ALL_FIVE}")
    (webhook,) = party.twilio.webhooks.posted
    assert [attempt.status for attempt in webhook.attempts] == [503, 0, 404, 500, 500, 500]
    assert len({request.headers["I-Twilio-Idempotency-Token"] for request in party.customer.got}) == 1
    assert {request.target for request in party.customer.got} == {STATUS_URL.removeprefix(PUBLIC_URL)}
    signature = party.customer.got[0].headers["X-Twilio-Signature"]
    assert RequestValidator(AUTH_TOKEN).validate(STATUS_URL, party.customer.got[0].form, signature)


def test_it_is_tried_no_more_once_it_is_taken(party: Party) -> None:
    party.twilio.usual = Course(steps=(Step("delivered"),))
    party.customer.answers = [Answer(503)]
    party.told(status_callback=f"{STATUS_URL}{ALL_FIVE}")
    assert [attempt.status for attempt in party.twilio.webhooks.posted[0].attempts] == [503, 204]


@pytest.mark.parametrize(
    ("fragment", "first", "tries"),
    [
        ("", Answer(503), 1),
        ("", Lost.RESET, 1),
        ("#rc=2&rp=5xx", Answer(503), 2),
        ("#rc=2&rp=5xx", Answer(404), 1),
        ("#rc=2&rp=4xx,rt", Lost.RESET, 2),
        ("#rc=0&rp=all", Answer(503), 1),
        ("#rt=100&rc=1&rp=rt", Lost.NO_ANSWER, 2),
    ],
    ids=str,
)
def test_the_address_says_what_is_tried_again(party: Party, fragment: str, first: Answer | Lost, tries: int) -> None:
    party.twilio.usual = Course(steps=(Step("delivered"),))
    party.customer.answers = [first]
    party.told(status_callback=f"{STATUS_URL}{fragment}")
    assert len(party.twilio.webhooks.posted[0].attempts) == tries


def test_nobody_there_is_tried_once_more_anyway(party: Party) -> None:
    party.twilio.usual = Course(steps=(Step("delivered"),))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    party.twilio.webhooks.deliver_to = f"http://127.0.0.1:{port}"
    party.told()
    (webhook,) = party.twilio.webhooks.posted
    assert [(attempt.status, attempt.trouble) for attempt in webhook.attempts] == [(0, "ct"), (0, "ct")]


def test_nothing_is_posted_to_another_machine(party: Party) -> None:
    party.twilio.webhooks.deliver_to = ""
    party.twilio.usual = Course(steps=(Step("delivered"),))
    party.told()
    (webhook,) = party.twilio.webhooks.posted
    assert (webhook.status, webhook.answer.trouble) == (0, "pager.example.com is not on this machine")


# People answer


def answers_with(party: Party, *texts: str) -> None:
    response = MessagingResponse()
    for text in texts:
        response.message(text)
    party.customer.answers = [Answer(200, "text/xml; charset=utf-8", str(response).encode())]


def test_an_inbound_message_is_posted_as_recorded_ones_were(party: Party) -> None:
    reply = party.twilio.receive(ANA, " ack 7F3K é")
    (request,) = party.customer.got
    assert request.target == "/twilio/sms"
    sid = request.form["MessageSid"]
    assert re.fullmatch("SM[0-9a-f]{32}", sid)
    assert request.form == {
        **dict.fromkeys(("ToState", "ToCity", "ToZip", "FromState", "FromCity", "FromZip"), ""),
        **dict.fromkeys(("ToCountry", "FromCountry"), "US"),
        **dict.fromkeys(("MessageSid", "SmsSid", "SmsMessageSid"), sid),
        "SmsStatus": "received",
        "NumMedia": "0",
        "NumSegments": "1",
        "Body": " ack 7F3K é",
        "From": ANA,
        "To": NUMBER,
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
    }
    signature = request.headers["X-Twilio-Signature"]
    assert RequestValidator(AUTH_TOKEN).validate(f"{PUBLIC_URL}/twilio/sms", request.form, signature)
    assert (reply.texts, reply.error) == ((), 0)


def test_the_phone_is_answered_what_the_customer_says(party: Party) -> None:
    answers_with(party, "Acknowledged #7F3K & <all>", "Bye")
    assert party.twilio.receive(ANA, "ack").texts == ("Acknowledged #7F3K & <all>", "Bye")
    assert [reply.body for reply in party.twilio.replies] == ["Acknowledged #7F3K & <all>", "Bye"]


def test_what_comes_in_and_goes_back_is_listed_and_is_no_text_of_ours(party: Party) -> None:
    answers_with(party, "Acknowledged #7F3K")
    party.twilio.receive(ANA, "ack")
    assert [(one.direction, one.from_, one.body) for one in party.listed(ANA)] == [
        ("outbound-reply", NUMBER, "Acknowledged #7F3K")
    ]
    assert [(one.direction, one.from_, one.status) for one in party.listed(NUMBER)] == [("inbound", ANA, "received")]
    assert party.twilio.texts == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(204, ""), 0),
        (Answer(200, "text/xml", b"<Response/>"), 0),
        (Answer(200, "text/html"), 0),
        (Answer(200, ""), 11200),
        (Answer(403, "application/json", b"{}"), 11200),
        (Lost.RESET, 11200),
        (Answer(200, "application/json", b"{}"), 12300),
        (Answer(200, "text/xml", b"Acknowledged"), 12100),
        (Answer(200, "text/xml", b"<Message>Acknowledged</Message>"), 12100),
        (Answer(200, "text/xml", b"<Response>" + b" " * 65_536 + b"</Response>"), 11750),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_answer_without_texts_is_judged(party: Party, answer: Answer | Lost, code: int) -> None:
    party.customer.answers = [answer]
    reply = party.twilio.receive(ANA, "ack")
    assert (reply.texts, reply.error) == ((), code)
    assert party.twilio.replies == []


def test_a_text_may_stand_in_a_body_and_beside_a_verb_that_is_none_of_messaging(party: Party) -> None:
    twiml = b"<Response><Message><Body>Acknowledged</Body></Message><Say>Acknowledged</Say></Response>"
    party.customer.answers = [Answer(200, "application/xml", twiml)]
    reply = party.twilio.receive(ANA, "ack")
    assert (reply.texts, reply.error) == (("Acknowledged",), 12200)


def test_a_message_comes_in_twice_when_its_answer_is_lost(party: Party) -> None:
    reply = party.twilio.receive(ANA, "ack")
    party.twilio.webhooks.repeat(reply.webhook)
    first, second = party.customer.got
    assert first.form == second.form
    assert first.headers["X-Twilio-Signature"] == second.headers["X-Twilio-Signature"]


def test_people_answer_the_number_that_texted_them(party: Party) -> None:
    party.text(**BY_SERVICE)
    party.text(to=BEN)
    party.twilio.receive(ANA, "ack")
    party.twilio.receive(BEN, "ack")
    party.twilio.receive(BEN, "ack", to=SERVICE_NUMBER)
    assert [(request.form["To"], request.form.get("MessagingServiceSid")) for request in party.customer.got] == [
        (SERVICE_NUMBER, SERVICE),
        (NUMBER, None),
        (SERVICE_NUMBER, SERVICE),
    ]


# STOP


@pytest.mark.parametrize("word", ["STOP", "stopall", "Unsubscribe", "cancel", "END", "quit", "optout", " revoke\n"])
def test_after_a_stop_the_phone_can_be_texted_no_more(party: Party, word: str) -> None:
    party.twilio.receive(ANA, word)
    assert party.customer.got[0].form["Body"] == word
    assert party.refused() == (400, 21610)
    assert party.twilio.texts == []
    party.text(to=BEN)


@pytest.mark.parametrize("words", ["STOP PLEASE", "stopped", "ack", "HELP"])
def test_other_words_are_no_stop(party: Party, words: str) -> None:
    party.twilio.receive(ANA, words)
    party.text()


@pytest.mark.parametrize("word", ["START", "yes", "Unstop"])
def test_start_undoes_it(party: Party, word: str) -> None:
    party.twilio.receive(ANA, "STOP")
    party.twilio.receive(ANA, word)
    party.text()


def test_a_service_takes_the_text_and_reports_that_it_failed(party: Party) -> None:
    party.twilio.receive(ANA, "STOP", to=SERVICE_NUMBER)
    assert party.told(**BY_SERVICE).status == "accepted"
    assert party.customer.got[-1].form["MessageStatus"] == "failed"
    assert party.customer.got[-1].form["ErrorCode"] == "21610"
    (shown,) = party.listed()
    assert (shown.status, shown.error_code) == ("failed", 21610)


def test_a_stop_is_for_one_sender(party: Party) -> None:
    party.twilio.receive(ANA, "STOP")
    party.told(**BY_SERVICE)
    assert statuses(party.listed()) == ["delivered"]
    assert party.refused() == (400, 21610)


def test_what_the_customer_answers_a_stop_is_not_sent(party: Party) -> None:
    answers_with(party, "Sorry to hear that")
    party.twilio.receive(ANA, "STOP")
    (reply,) = party.twilio.replies
    assert (reply.status, reply.error_code) == ("failed", 21610)


@pytest.mark.parametrize(("word", "kind"), [("stop", "STOP"), ("START", "START"), ("info", "HELP"), ("ack", None)])
@pytest.mark.parametrize("advanced", [True, False])
def test_only_advanced_opt_out_says_what_a_word_is(
    party: Party, word: str, kind: str | None, *, advanced: bool
) -> None:
    party.twilio.advanced_opt_out = advanced
    party.twilio.receive(ANA, word, to=SERVICE_NUMBER)
    assert party.customer.got[0].form.get("OptOutType") == (kind if advanced else None)


def test_advanced_opt_out_knows_words_of_its_own(party: Party) -> None:
    party.twilio.receive(ANA, "halt", opt_out_type="STOP")
    assert party.customer.got[0].form["OptOutType"] == "STOP"
    assert party.refused() == (400, 21610)


# The end


def test_nothing_is_left_when_it_ends_in_the_middle_of_everything() -> None:
    before = threading.active_count()
    customer = Customer()
    customer.answers = [Lost.NO_ANSWER]
    with serving(customer.react) as server, ThreadPoolExecutor(2) as pool:
        began = time.monotonic()
        with fake_twilio(PUBLIC_URL, server.url) as twilio, library(twilio) as client:
            party = Party(twilio, customer, client)
            twilio.plan(Course(steps=(Step("delivered"),)))
            party.text(status_callback=STATUS_URL)  # whose report is not answered
            twilio.plan(Course(steps=(Step("delivered", after=60),)))
            party.text()
            twilio.plan(Course(answered=Lost.NO_ANSWER))
            left = [pool.submit(party.text)]
            twilio.plan(Course(delay=60))
            left.append(pool.submit(party.text))
            wait_until(lambda: len(customer.got) == 1 and len(twilio.texts) == 3, 2)
        assert all(one.exception(5) or one.result() for one in left)
    wait_until(lambda: threading.active_count() == before, 2)
    assert time.monotonic() - began < 5


def test_a_fault_of_the_fake_itself_does_not_pass_unseen() -> None:
    def broken(_: Request) -> Reaction:
        raise KeyError("what")

    with pytest.raises(ExceptionGroup) as met, serving(broken) as server, pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=5)
    assert isinstance(met.value.exceptions[0], KeyError)


def test_its_settings_lead_the_function_here(party: Party) -> None:
    assert party.twilio.settings == {
        "PUBLIC_URL": PUBLIC_URL,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "TWILIO_FROM": NUMBER,
        "ONCALL_PHONE": f"{ANA}, {BEN}",
        "TWILIO_API_URL": party.twilio.server.url,
    }
