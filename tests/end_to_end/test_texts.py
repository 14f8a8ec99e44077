"""A page and all that comes back for it, on a real process, with Google's Firestore emulator and the fake Twilio.

What takes minutes is not waited for, but made to have passed (`Pager.pass_time`): half a minute until a text whose
answer was lost is looked up, five and a half until one without a last report is. What happens in every order of all of
this is the simulator's to try (tests/simulation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from notifier.core.incident import DeliveryState
from notifier.core.report import Progress
from tests.end_to_end.courses import Course, Step, failed, undelivered
from tests.end_to_end.pager import NEXT_TOKEN, PUBLIC_URL, Pager, pager
from tests.end_to_end.serving import Lost, Reaction, Request
from tests.end_to_end.twilio_api import AUTH_TOKEN, NUMBER, PHONES, SERVICE, SERVICE_NUMBER, error
from tests.end_to_end.vonage import SENDER, FakeVonage, fake_vonage
from tests.end_to_end.webhooks import Twiml, read_twiml

pytestmark = pytest.mark.emulator

ANA, BEN = PHONES
SILENT = (Step("sent", told=0), Step("delivered", told=0))
"""Delivered, and nobody is told."""
NOT_REGISTERED = (
    "30034: the sender is not registered for texts to the US (A2P 10DLC): register it in the Twilio console, a brand"
    " and a campaign"
)
LEASE_ENDS = 31
"""Seconds after its claim; with an answer lost, the list is read from here on."""
LOOKED_UP = 331
"""Seconds after its claim, without a last report."""


@contextmanager
def up(
    emulator: str, folder: Path, settings: Mapping[str, str], policy: Mapping[str, str] | None = None
) -> Iterator[Pager]:
    with pytest.MonkeyPatch.context() as patch, pager(emulator, folder, settings, policy or {}) as one:
        patch.setenv("FIRESTORE_EMULATOR_HOST", emulator)
        yield one


@pytest.fixture(scope="module")
def running(firestore_emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pager]:
    with up(firestore_emulator, tmp_path_factory.mktemp("texts"), {}, {"hour = 5 ": "hour = 30"}) as one:
        yield one


@pytest.fixture
def ours(running: Pager) -> Iterator[Pager]:
    yield running
    running.forget()


# What became of a text


def test_a_delivered_page_is_recorded_with_its_sid(ours: Pager) -> None:
    told = ours.alert("db-1")
    ours.twilio.rest()
    (text,) = told.texts
    assert (told.page.state, told.page.report) == (DeliveryState.SENT, Progress.DELIVERED)
    assert told.page.provider_id == text.sid
    assert [webhook.status for webhook in ours.twilio.webhooks.about(text.sid)] == [204, 204]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((Step("sent", early=True), Step("delivered", early=True)), id="before the text has its answer"),
        pytest.param((Step("delivered"), Step("sent")), id="in the wrong order"),
        pytest.param((Step("sent", told=2), Step("delivered", told=2)), id="twice"),
    ],
)
def test_a_report_is_heeded_however_it_comes(ours: Pager, steps: tuple[Step, ...]) -> None:
    ours.twilio.plan(Course(answer_delay=0.2, steps=steps))
    told = ours.alert("db-1")
    ours.twilio.rest()
    (text,) = told.texts
    assert (told.page.report, told.page.provider_id) == (Progress.DELIVERED, text.sid)
    assert len(told.posts) == 1


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((Step("undelivered", 30003, early=True),), id="before the text has its answer"),
        pytest.param((Step("undelivered", 30003), Step("sent")), id="in the wrong order"),
        pytest.param((Step("undelivered", 30003, told=2),), id="twice"),
    ],
)
def test_a_failure_is_heeded_once_however_it_comes(ours: Pager, steps: tuple[Step, ...]) -> None:
    ours.twilio.plan(Course(answer_delay=0.2, steps=steps), to=ANA)
    told = ours.alert("db-1")
    ours.twilio.rest()
    assert told.phones == [ANA, BEN]
    assert (told.page.state, told.page.report) == (DeliveryState.FAILED, Progress.FAILED)
    assert len(told.posts) == 2


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (undelivered(30003), "30003: the phone is off or out of reach: reach whoever holds it in another way"),
        (failed(30034), NOT_REGISTERED),
    ],
    ids=["30003", "30034"],
)
def test_of_a_text_that_did_not_arrive_the_next_phone_and_everybody_else_hear_at_once(
    ours: Pager, steps: tuple[Step, ...], words: str
) -> None:
    ours.twilio.plan(Course(steps=steps), to=ANA)
    told = ours.alert("db-1")
    ours.twilio.rest()
    assert told.phones == [ANA, BEN]
    assert told.texts[1].body == told.texts[0].body
    for heard in (told.posts, told.mails):
        assert sorted(heard) == [f"CRITICAL: {told.title}", f"NOT texted to phone 1: {words}; phone 2 is next"]


def test_a_report_that_nobody_took_comes_again(ours: Pager, monkeypatch: pytest.MonkeyPatch) -> None:
    # Five more tries, as we ask for: time enough for the next process to be up.
    monkeypatch.setattr(ours.twilio.webhooks, "retry_seconds", 2)
    ours.twilio.plan(Course(steps=()))
    told = ours.alert("db-1")
    (text,) = told.texts
    ours.function.kill()
    with ThreadPoolExecutor(1) as pool:
        webhook = pool.submit(ours.twilio.report, text, "delivered")
        ours.start()
        attempts = webhook.result().attempts
    *in_vain, last = attempts
    assert {attempt.status for attempt in in_vain} == {0}
    assert last.status == 204
    assert told.page.report is Progress.DELIVERED


def test_a_failure_that_was_never_reported_is_found_by_looking_the_text_up(ours: Pager) -> None:
    ours.twilio.plan(Course(steps=(Step("sent"), Step("undelivered", 30003, told=0))), to=ANA)
    told = ours.alert("db-1")
    ours.twilio.rest()
    ours.tick()
    assert (told.page.report, told.phones) == (Progress.SENT, [ANA])
    ours.pass_time(LOOKED_UP)
    ours.tick()
    assert told.page.detail.startswith("30003: the phone is off")
    assert told.phones == [ANA, BEN]


def test_a_text_of_which_twilio_knows_no_end_is_looked_up_once(ours: Pager, monkeypatch: pytest.MonkeyPatch) -> None:
    ours.twilio.plan(Course(steps=(Step("sent"),)))
    told = ours.alert("db-1")
    asked = lists_read(ours, monkeypatch)
    for _ in range(2):
        ours.pass_time(LOOKED_UP)
        ours.tick()
    assert len(asked) == 1
    assert told.phones == [ANA]
    words = "whether phone 1 got the text is not known: Twilio says no more than sent"
    assert words in [entry.text for entry in told.incident.history]


# The answer to a text is lost


def test_a_text_whose_answer_was_lost_is_found_in_the_list_and_not_sent_again(ours: Pager) -> None:
    ours.twilio.plan(Course(answered=Lost.RESET, steps=SILENT))
    told = ours.alert("db-1")
    assert (told.page.state, told.page.provider_id) == (DeliveryState.UNKNOWN, "")
    ours.pass_time(LEASE_ENDS)
    ours.tick()
    (text,) = told.texts
    assert (told.page.state, told.page.provider_id) == (DeliveryState.SENT, text.sid)
    assert told.page.report is Progress.DELIVERED
    ours.pass_time(LEASE_ENDS)
    ours.tick()
    assert len(ours.twilio.texts) == 1


def test_a_text_whose_answer_was_lost_is_known_by_its_report_before_any_list_is_read(
    ours: Pager, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = lists_read(ours, monkeypatch)
    ours.twilio.plan(Course(answered=Lost.RESET))
    told = ours.alert("db-1")
    ours.twilio.rest()
    (text,) = told.texts
    assert (told.page.state, told.page.provider_id) == (DeliveryState.SENT, text.sid)
    ours.pass_time(LEASE_ENDS)
    ours.tick()
    assert (len(ours.twilio.texts), asked) == (1, [])


def test_a_text_that_twilio_never_took_is_sent_again_when_two_lists_do_not_show_it(ours: Pager) -> None:
    ours.twilio.plan(Course(refused=Lost.RESET))
    told = ours.alert("db-1")
    ours.pass_time(LEASE_ENDS)
    ours.tick()
    assert (told.page.state, told.texts) == (DeliveryState.UNKNOWN, [])
    ours.pass_time(LEASE_ENDS)
    ours.tick()
    assert (told.page.state, told.phones) == (DeliveryState.SENT, [ANA])


# What people answer


def test_ack_acknowledges_what_the_phone_was_paged_for_and_everybody_hears_it(ours: Pager) -> None:
    told = ours.alert("db-1")
    reply = ours.twilio.receive(ANA, "Ack")
    assert reply.texts == (f"1 acknowledged: #{told.ref} {told.title}",)
    assert told.state == "acknowledged"
    (post,) = told.posts[1:]
    assert told.mails[1:] == [post]
    assert post.startswith("ACKNOWLEDGED by phone 1, by text at ")
    assert post.endswith(f" UTC: {told.title}")


def test_ack_with_a_ref_acknowledges_that_one_alone(ours: Pager) -> None:
    first, second = ours.alert("db-1"), ours.alert("db-2")
    assert ours.twilio.receive(ANA, f"ack {second.ref.lower()}").texts[0].startswith(f"1 acknowledged: #{second.ref}")
    assert (first.state, second.state) == ("open", "acknowledged")


def test_ack_from_a_phone_that_was_not_paged_acknowledges_nothing(ours: Pager) -> None:
    told = ours.alert("db-1")
    assert ours.twilio.receive(BEN, "ack").texts == ("Nothing you were paged for is open. Send status, or ack all.",)
    assert told.state == "open"


def test_ack_all_acknowledges_everything(ours: Pager) -> None:
    told = [ours.alert("db-1"), ours.alert("db-2"), ours.alert("web-1", "Warning")]
    assert ours.twilio.receive(BEN, "ack all").texts[0].startswith("3 acknowledged: #")
    assert {one.state for one in told} == {"acknowledged"}
    assert all(one.posts[1].startswith("ACKNOWLEDGED by phone 2, by text") for one in told)


def test_status_says_what_is_open_and_what_the_texts_come_to(ours: Pager) -> None:
    told = ours.alert("db-1")
    (answer,) = ours.twilio.receive(BEN, "status").texts
    assert answer == f"1 open: #{told.ref} {told.title}. 1 of 30 texts this hour, $0.01 this month"


def test_a_stranger_gets_no_answer(ours: Pager) -> None:
    told = ours.alert("db-1")
    reply = ours.twilio.receive("+15555550199", "ack all", to=NUMBER)
    assert (reply.webhook.status, reply.texts, reply.error) == (200, (), 0)
    assert told.state == "open"


def test_a_forged_ack_is_refused(ours: Pager, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ours.alert("db-1")
    monkeypatch.setattr(ours.twilio.webhooks, "signed_with", "somebody-elses-token")
    assert ours.twilio.receive(ANA, "ack").webhook.status == 403
    assert told.state == "open"


def test_an_ack_without_a_signature_is_refused(ours: Pager) -> None:
    told = ours.alert("db-1")
    form = ours.twilio.receive(ANA, "status").webhook.form
    forged = requests.post(f"{ours.function.url}/twilio/sms", {**form, "Body": "ack", "MessageSid": "SM9"}, timeout=20)
    assert forged.status_code == 403
    assert told.state == "open"


def test_the_same_ack_again_acknowledges_nothing_that_came_since(ours: Pager) -> None:
    ours.alert("db-1")
    ack = ours.twilio.receive(ANA, "ack").webhook
    since = ours.alert("db-2")
    assert read_twiml(ours.twilio.webhooks.repeat(ack).answer) == Twiml()
    assert since.state == "open"


# Who wants no texts


def test_after_a_stop_the_other_phone_is_paged_until_a_start(ours: Pager) -> None:
    assert ours.twilio.receive(ANA, "STOP")[1:] == ((), 0)
    words = "ERROR: Phone 1 has opted out of texts (STOP): from now on phone 2 is paged"
    assert [first for first, _ in ours.mails] == [words]
    assert [post["text"].rpartition(" #")[0] for post in ours.providers.slack] == [words]
    while_stopped = ours.alert("db-1")
    assert while_stopped.phones == [BEN]
    why = "NOT texted to phone 1: it has answered STOP, and takes no texts before it answers START; phone 2 is next"
    assert why in while_stopped.posts
    assert why in while_stopped.mails
    assert ours.twilio.receive(ANA, "START")[1:] == ((), 0)
    assert ours.alert("db-2").phones == [ANA]


def test_the_last_stop_says_that_nobody_can_be_texted(ours: Pager) -> None:
    for phone in PHONES:
        ours.twilio.receive(phone, "stop")
    words = "ERROR: Phone 2 has opted out of texts (STOP): NOBODY CAN BE TEXTED"
    assert ours.mails[-1][0] == words
    assert ours.providers.slack[-1]["text"].startswith(words)
    told = ours.alert("db-1")
    assert told.texts == []
    assert any(
        post.endswith("there is no other phone to text, so it is tried again 15 min later") for post in told.posts
    )


def test_a_phone_of_which_twilio_says_that_it_opted_out_is_passed_over(ours: Pager) -> None:
    ours.twilio.opted_out.add((NUMBER, ANA))  # and nobody passed its STOP on to us
    first, second = ours.alert("db-1"), ours.alert("db-2")
    assert first.phones == second.phones == [BEN]
    assert first.posts[1] == (
        "NOT texted to phone 1: 21610: this phone has answered STOP: answer START from it, and it gets texts again;"
        " phone 2 is next"
    )
    assert (first.page.attempts, second.page.attempts) == (1, 0)


# Twilio's side of it


def test_a_text_whose_address_for_reports_is_refused_goes_out_once_without(ours: Pager) -> None:
    ours.twilio.plan(Course(refused=error(21609)))
    told = ours.alert("db-1")
    (text,) = told.texts
    assert "StatusCallback" not in text.form
    assert told.page.state is DeliveryState.SENT
    assert told.posts[1] == (
        "phone 1 told: 21609: Twilio does not accept the address for delivery reports, so there are"
        " none: check PUBLIC_URL"
    )


@pytest.mark.parametrize("token", [AUTH_TOKEN, NEXT_TOKEN])
def test_while_the_token_is_changed_twilio_may_sign_with_either(
    ours: Pager, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setattr(ours.twilio.webhooks, "signed_with", token)
    told = ours.alert("db-1")
    ours.twilio.rest()
    assert told.page.report is Progress.DELIVERED
    assert len(ours.twilio.receive(ANA, "ack").texts) == 1


def test_reports_come_to_the_public_address_and_ask_for_more_tries(ours: Pager) -> None:
    (text,) = ours.alert("db-1").texts
    assert text.form["StatusCallback"].startswith(f"{PUBLIC_URL}/twilio/status?delivery=")
    assert text.form["StatusCallback"].endswith("#rc=5&rp=all")


@pytest.fixture(scope="module")
def by_service(firestore_emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pager]:
    """Whose texts a Messaging Service sends."""
    with up(firestore_emulator, tmp_path_factory.mktemp("service"), {"TWILIO_FROM": SERVICE}) as one:
        yield one


@pytest.fixture
def service(by_service: Pager) -> Iterator[Pager]:
    yield by_service
    by_service.forget()


def test_a_service_takes_a_text_to_a_phone_that_opted_out_and_its_report_is_heeded(service: Pager) -> None:
    service.twilio.opted_out.add((SERVICE, ANA))
    first = service.alert("db-1")
    service.twilio.rest()
    assert first.phones == [ANA, BEN]
    assert first.page.detail.startswith("21610: this phone has answered STOP")
    assert service.alert("db-2").phones == [BEN]


def test_a_service_says_which_words_mean_a_stop(service: Pager) -> None:
    service.twilio.advanced_opt_out = True
    assert service.twilio.receive(ANA, "basta", to=SERVICE_NUMBER, opt_out_type="STOP").texts == ()
    assert service.alert("db-1").phones == [BEN]


# Another provider, where Twilio cannot


class WithVonage:
    def __init__(self, ours: Pager, vonage: FakeVonage) -> None:
        self.ours = ours
        self.vonage = vonage


@pytest.fixture(scope="module")
def both(firestore_emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WithVonage]:
    with (
        fake_vonage() as vonage,
        up(firestore_emulator, tmp_path_factory.mktemp("vonage"), vonage.settings) as one,
    ):
        yield WithVonage(one, vonage)


@pytest.fixture
def fallback(both: WithVonage) -> Iterator[WithVonage]:
    yield both
    both.ours.forget()
    both.vonage.texts.clear()


def test_where_twilio_is_not_reached_vonage_sends_as_many_as_the_cap_allows(fallback: WithVonage) -> None:
    with fallback.ours.twilio.unreachable():
        told = [fallback.ours.alert(f"db-{number}") for number in range(6)]
        fallback.ours.tick()
    assert [(text["to"], text["from"]) for text in fallback.vonage.texts] == [(ANA[1:], SENDER)] * 5
    assert [text["text"].partition("#")[2][:4] for text in fallback.vonage.texts] == [one.ref for one in told[:5]]
    assert [one.page.state for one in told] == [DeliveryState.SENT] * 5 + [DeliveryState.CAPPED]
    assert len(fallback.ours.ledger.slots) == 5
    assert fallback.ours.twilio.texts == []


def test_what_twilio_does_not_let_us_send_vonage_sends_once(fallback: WithVonage) -> None:
    fallback.ours.twilio.plan(Course(refused=error(20003)))
    told = fallback.ours.alert("db-1")
    (text,) = fallback.vonage.texts
    assert text["client-ref"].startswith(told.ref)
    assert (told.page.state, told.page.via) == (DeliveryState.SENT, "vonage")
    assert told.page.provider_id.startswith("0A")
    assert fallback.ours.twilio.texts == []


def test_a_number_that_is_none_goes_to_the_next_phone_and_not_to_vonage(fallback: WithVonage) -> None:
    fallback.ours.twilio.plan(Course(refused=error(21211)), to=ANA)
    assert fallback.ours.alert("db-1").phones == [BEN]
    assert fallback.vonage.texts == []


def lists_read(ours: Pager, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Filled with what reads Twilio's list from here on."""
    asked: list[Request] = []
    react = ours.twilio.server.react

    def watching(request: Request) -> Reaction:
        if request.method == "GET":
            asked.append(request)
        return react(request)

    monkeypatch.setattr(ours.twilio.server, "react", watching)
    return asked
