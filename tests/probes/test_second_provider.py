"""The second provider: credentials and balance, and nothing is texted."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import responses

from notifier.channels.wire import Wire
from notifier.probes.probe import Shown, Verdict
from notifier.probes.second_provider import messagebird, vonage
from tests.end_to_end.vonage import KEY, SECRET, FakeVonage, fake_vonage

BIRD = "https://rest.messagebird.com"


@pytest.fixture
def fake() -> Iterator[FakeVonage]:
    with fake_vonage() as fake:
        yield fake


def ask_vonage(fake: FakeVonage, secret: str = SECRET) -> Shown:
    shown = vonage(Wire(), api_key=KEY, api_secret=secret, api_url=fake.server.url).run(time.monotonic() + 10)
    assert not fake.texts
    assert secret not in shown.words
    return shown


def test_vonage_tells_what_is_left(fake: FakeVonage) -> None:
    assert ask_vonage(fake) == Shown(Verdict.PROVEN, "the credentials are taken, and 3.14 EUR is left")


def test_little_money_at_vonage_is_told(fake: FakeVonage) -> None:
    fake.balance = 0.99
    assert ask_vonage(fake) == Shown(Verdict.WARNING, "the credentials are taken, and 0.99 EUR is left: top it up")


def test_a_wrong_secret_at_vonage_fails(fake: FakeVonage) -> None:
    shown = ask_vonage(fake, "another-secret")
    words = "Vonage did not accept the credentials: check VONAGE_API_KEY and VONAGE_API_SECRET"
    assert shown == Shown(Verdict.FAILED, words)


def test_a_vonage_that_is_not_there_fails(fake: FakeVonage) -> None:
    fake.server.refuse()
    shown = ask_vonage(fake)
    assert shown.verdict is Verdict.FAILED
    assert "connection refused; check the network here, and SMS_FALLBACK_URL" in shown.words


@pytest.mark.parametrize(
    ("status", "body", "verdict", "words"),
    [
        (200, {"payment": "prepaid", "type": "euros", "amount": 103}, "proven", "and 103.00 euros is left"),
        (200, {"payment": "prepaid", "type": "credits", "amount": 0.5}, "warning", "0.50 credits is left: top it up"),
        (200, {"payment": "postpaid", "type": "euros", "amount": 0}, "proven", "the account pays by invoice"),
        (401, {"errors": [{"code": 2}]}, "failed", "check MESSAGEBIRD_ACCESS_KEY"),
        (500, {}, "failed", "rest.messagebird.com answered 500"),
        (200, {"payment": "prepaid"}, "failed", "rest.messagebird.com answered 200"),
    ],
)
def test_messagebird_tells_what_is_left(status: int, body: dict[str, object], verdict: str, words: str) -> None:
    with responses.RequestsMock() as mocked:
        wanted = responses.matchers.header_matcher({"Authorization": "AccessKey live-key"})
        mocked.get(f"{BIRD}/balance", json=body, status=status, match=[wanted])
        shown = messagebird(Wire(), access_key="live-key", api_url=BIRD).run(time.monotonic() + 10)
    assert shown.verdict.value == verdict
    assert words in shown.words
