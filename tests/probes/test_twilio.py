"""What is found out about an account at Twilio, from a real server that answers as Twilio does: nothing is texted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import responses

from notifier.channels.wire import Wire
from notifier.probes.probe import Shown, Verdict
from notifier.probes.twilio import TwilioProbes
from tests.end_to_end.serving import Answer, Lost
from tests.end_to_end.twilio import FakeTwilio, fake_twilio
from tests.end_to_end.twilio_api import ACCOUNT, AUTH_TOKEN, KEY, KEY_SECRET, NUMBER, SERVICE, SERVICE_NUMBER

PUBLIC_URL = "https://pager.example.com"
ALL = ["Twilio account", "Twilio texts", "Twilio sender", "Twilio answers", "Twilio balance"]
KEY_ALONE: dict[str, Any] = {"auth_token": "", "api_key": KEY, "api_secret": KEY_SECRET}


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with fake_twilio(PUBLIC_URL) as twilio:
        yield twilio


def shown(twilio: FakeTwilio, seconds: float = 10, **changes: Any) -> dict[str, Shown]:
    """What each probe shows, by its name."""
    given = {
        "account_sid": ACCOUNT,
        "auth_token": AUTH_TOKEN,
        "api_key": "",
        "api_secret": "",
        "sender": NUMBER,
        "api_url": twilio.server.url,
        "answers_url": f"{PUBLIC_URL}/twilio/sms",
        "text_price": 0.01,
    }
    probes = TwilioProbes(Wire(), **{**given, **changes}).all()
    found = {probe.name: probe.run(time.monotonic() + seconds) for probe in probes}
    assert not twilio.texts, "something was texted"
    for one in found.values():
        for secret in (AUTH_TOKEN, KEY_SECRET, NUMBER, SERVICE_NUMBER):
            assert secret not in one.words
    return found


def verdicts(found: dict[str, Shown]) -> dict[str, str]:
    return {name: one.verdict.value for name, one in found.items()}


@pytest.mark.parametrize("sender", [NUMBER, SERVICE], ids=["a number", "a service"])
def test_an_account_in_order_is_proven(twilio: FakeTwilio, sender: str) -> None:
    assert verdicts(shown(twilio, sender=sender)) == dict.fromkeys(ALL, "proven")


def test_what_is_left_is_said_in_texts(twilio: FakeTwilio) -> None:
    assert shown(twilio)["Twilio balance"].words == "12.29 USD is left, about 1229 texts"


def test_an_api_key_is_not_blamed_for_what_no_key_may_read(twilio: FakeTwilio) -> None:
    found = shown(twilio, **KEY_ALONE)
    assert verdicts(found) == {**dict.fromkeys(ALL, "proven"), "Twilio account": "skipped"}
    assert "the API key may not read the account" in found["Twilio account"].words


def test_with_a_key_and_a_token_the_account_is_asked_by_the_token(twilio: FakeTwilio) -> None:
    found = shown(twilio, api_key=KEY, api_secret=KEY_SECRET)
    assert verdicts(found) == dict.fromkeys(ALL, "proven")
    assert found["Twilio texts"].words.startswith("the API key is taken")


def test_a_wrong_token_is_no_key_that_may_not(twilio: FakeTwilio) -> None:
    assert verdicts(shown(twilio, auth_token="another"))["Twilio account"] == "failed"


def test_a_key_without_the_right_to_read_texts_is_told_what_it_needs(twilio: FakeTwilio) -> None:
    twilio.account.key_reads -= {"Messages"}
    found = shown(twilio, **KEY_ALONE)
    assert found["Twilio texts"] == Shown(
        Verdict.FAILED, "70051: TWILIO_API_KEY may not do this: give it Messages, create and read"
    )


def test_a_key_that_may_not_read_the_balance_is_no_fault(twilio: FakeTwilio) -> None:
    twilio.account.key_reads -= {"Balance"}
    assert shown(twilio, **KEY_ALONE)["Twilio balance"].verdict is Verdict.SKIPPED


@pytest.mark.parametrize(
    "wrong",
    [{"auth_token": "another"}, {**KEY_ALONE, "api_secret": "another"}],
    ids=["the token", "the key's secret"],
)
def test_wrong_credentials_fail_and_say_which_settings(twilio: FakeTwilio, wrong: dict[str, Any]) -> None:
    texts = shown(twilio, **wrong)["Twilio texts"]
    assert texts.verdict is Verdict.FAILED
    assert "20003: Twilio did not accept the credentials: check TWILIO_ACCOUNT_SID" in texts.words
    assert "another" not in texts.words


@pytest.mark.parametrize(("status", "verdict"), [("suspended", "failed"), ("closed", "failed"), ("active", "proven")])
def test_an_account_that_is_not_active_fails(twilio: FakeTwilio, status: str, verdict: str) -> None:
    twilio.account.status = status
    assert verdicts(shown(twilio))["Twilio account"] == verdict


def test_a_trial_account_is_told(twilio: FakeTwilio) -> None:
    twilio.account.kind = "Trial"
    account = shown(twilio)["Twilio account"]
    assert account.verdict is Verdict.WARNING
    assert "it is a trial account" in account.words


def test_a_number_of_another_account_fails(twilio: FakeTwilio) -> None:
    twilio.account.numbers = [SERVICE_NUMBER, f"{NUMBER}7"]
    sender = shown(twilio)["Twilio sender"]
    assert sender.verdict is Verdict.FAILED
    assert "TWILIO_FROM is not a number of this Twilio account" in sender.words


def test_a_number_that_cannot_text_fails(twilio: FakeTwilio) -> None:
    twilio.account.can_text = False
    sender = shown(twilio)["Twilio sender"]
    assert sender.verdict is Verdict.FAILED
    assert "can send no texts" in sender.words


@pytest.mark.parametrize("sender", [NUMBER, SERVICE], ids=["a number", "a service"])
@pytest.mark.parametrize(
    ("url", "method", "words"),
    [
        ("", "POST", "goes nowhere"),
        ("https://demo.twilio.com/welcome/sms/reply", "POST", "goes elsewhere (demo.twilio.com)"),
        (f"{PUBLIC_URL}/twilio/status", "POST", "goes elsewhere (pager.example.com)"),
        (f"{PUBLIC_URL}/twilio/sms", "GET", "comes by GET"),
    ],
    ids=["nowhere", "Twilio's demo", "another path", "by GET"],
)
def test_answers_that_do_not_come_to_us_fail_and_say_where_to_set_it(
    twilio: FakeTwilio, sender: str, url: str, method: str, words: str
) -> None:
    twilio.sms_url, twilio.account.sms_method = url, method
    answers = shown(twilio, sender=sender)["Twilio answers"]
    assert answers.verdict is Verdict.FAILED
    assert words in answers.words
    assert ("A message comes in" if sender == NUMBER else "Send a webhook") in answers.words


def test_retries_asked_for_behind_the_address_are_no_other_address(twilio: FakeTwilio) -> None:
    twilio.sms_url += "#rc=2"
    assert verdicts(shown(twilio))["Twilio answers"] == "proven"


def test_a_twiml_app_that_takes_the_answers_fails(twilio: FakeTwilio) -> None:
    twilio.account.application = "AP" + "0" * 32
    answers = shown(twilio)["Twilio answers"]
    assert answers.verdict is Verdict.FAILED
    assert "a TwiML app takes what is texted to it" in answers.words


def test_without_an_address_for_them_answers_are_not_looked_at(twilio: FakeTwilio) -> None:
    assert "Twilio answers" not in shown(twilio, answers_url="")


def test_a_service_that_is_not_there_fails(twilio: FakeTwilio) -> None:
    found = shown(twilio, sender="MG" + "1" * 32)
    words = "21701: the Messaging Service in TWILIO_FROM does not exist in this account: correct the setting"
    assert found["Twilio sender"] == found["Twilio answers"] == Shown(Verdict.FAILED, words)


def test_a_service_without_a_number_is_told(twilio: FakeTwilio) -> None:
    twilio.account.pool = []
    assert shown(twilio, sender=SERVICE)["Twilio sender"].verdict is Verdict.WARNING


def test_a_service_whose_numbers_decide_where_answers_go_is_told(twilio: FakeTwilio) -> None:
    twilio.account.number_decides = True
    answers = shown(twilio, sender=SERVICE)["Twilio answers"]
    assert answers.verdict is Verdict.WARNING
    assert "each number of the service says for itself" in answers.words


@pytest.mark.parametrize(
    ("balance", "currency", "verdict", "words"),
    [
        ("0.99", "USD", "warning", "0.99 USD is left, about 99 texts: top it up"),
        ("1.00", "USD", "proven", "1.00 USD is left, about 100 texts"),
        ("0.99", "EUR", "proven", "0.99 EUR is left"),
        ("0", "USD", "warning", "0.00 USD is left: top it up, unless the account is one that pays by invoice"),
        ("-3.5", "EUR", "warning", "-3.50 EUR is left: top it up, unless the account is one that pays by invoice"),
        (None, "USD", "skipped", "Twilio tells no balance, as of a subaccount: see its main account's in the console"),
    ],
)
def test_a_low_balance_is_told(
    twilio: FakeTwilio, balance: str | None, currency: str, verdict: str, words: str
) -> None:
    twilio.account.balance, twilio.account.currency = balance, currency
    assert shown(twilio)["Twilio balance"] == Shown(Verdict(verdict), words)


def test_a_black_hole_costs_no_more_than_the_time_given(twilio: FakeTwilio) -> None:
    twilio.account.lost["Balance"] = Lost.NO_ANSWER
    began = time.monotonic()
    balance = shown(twilio, seconds=0.5)["Twilio balance"]
    assert time.monotonic() - began < 2
    assert balance.verdict is Verdict.FAILED
    assert "no answer from 127.0.0.1: timed out; check the network here, and TWILIO_API_URL" in balance.words


def test_an_api_that_is_not_there_fails_everywhere(twilio: FakeTwilio) -> None:
    with twilio.unreachable():
        found = shown(twilio)
    assert verdicts(found) == dict.fromkeys(ALL, "failed")
    assert "could not connect to 127.0.0.1: connection refused" in found["Twilio account"].words


@pytest.mark.parametrize(
    "answer",
    [
        Answer(503, "text/html", b"<h1>down</h1>"),
        Answer(200, "text/html", b"<h1>hello</h1>"),
        Answer(200, "application/json", b"[]"),
    ],
    ids=["a gateway's", "no JSON", "another's JSON"],
)
def test_an_answer_that_is_none_of_twilios_fails(twilio: FakeTwilio, answer: Answer) -> None:
    twilio.account.lost = dict.fromkeys(("Account", "Messages", "IncomingPhoneNumbers", "Balance"), answer)
    found = shown(twilio)
    assert verdicts(found) == dict.fromkeys(ALL, "failed")
    assert found["Twilio account"].words.startswith(f"127.0.0.1 answered {answer.status}")


@pytest.mark.parametrize(
    ("api_url", "host"),
    [
        ("https://api.twilio.com", "messaging.twilio.com"),
        ("https://api.dublin.ie1.twilio.com", "messaging.dublin.ie1.twilio.com"),
    ],
)
def test_a_service_is_asked_for_at_its_own_host_of_the_same_region(twilio: FakeTwilio, api_url: str, host: str) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        mocked.get(f"https://{host}/v1/Services/{SERVICE}/PhoneNumbers", json={"phone_numbers": []})
        found = shown(twilio, sender=SERVICE, api_url=api_url)
    assert found["Twilio sender"].verdict is Verdict.WARNING
