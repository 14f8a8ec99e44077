"""Whatever is asked, in whatever order: no mistake of ours, and nothing for whoever has shown nothing.

The long run of the same is `python -m bench.fuzz`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.core.alert import Severity
from notifier.web import _URLS
from tests.any_request.asked import Asked, asked_with
from tests.any_request.function import PACES, Answer, Fuzzed, google_served, identities
from tests.any_request.judging import SLOW_SECONDS, Judge
from tests.any_request.making import Known, any_request
from tests.any_request.places import PLACES, place_of
from tests.any_request.rightful import ADMIN_TOKEN, WEBHOOK_TOKEN, Keys, may, signature
from tests.any_request.rounds import Finding, play, smallest
from tests.sources.bodies import raw
from tests.web.pager import basic


@pytest.fixture(autouse=True)
def google() -> Iterator[None]:
    with google_served():
        yield


@given(st.randoms(use_true_random=False), st.integers(0, len(PACES) - 1), st.integers(1, 12))
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_any_few_requests(dice: Random, pace: int, requests: int) -> None:
    """Every path, method, credential, header, query and body; the dice are hypothesis's, which makes failures small."""
    fuzzed = Fuzzed(pace)
    judge = Judge(fuzzed)
    for _ in range(requests):
        fuzzed.turn(dice)
        known = fuzzed.known()
        asked = any_request(dice, known)
        assert judge.ask(asked, known).problems == (), asked
    fuzzed.close()


@pytest.mark.parametrize("number", range(len(PACES)))
def test_a_round_of_the_long_run(number: int) -> None:
    """At each pace; and it does not only meet refusals, or it would prove nothing."""
    played = play(1, number)
    assert played.findings == ()
    assert played.sent > 50
    reached = {(place, status) for place, admitted, status in played.ways if admitted}
    assert reached >= {("alerts", 200), ("alerts", 400), ("tick", 200), ("link", 200), ("report", 204), ("text", 200)}
    refused = {(place, status) for place, admitted, status in played.ways if not admitted}
    assert refused >= {("alerts", 401), ("alerts", 403), ("link", 404), ("report", 403), ("text", 403)}


def test_every_path_of_the_function_is_in_the_table() -> None:
    rules = {str(rule.rule).partition("<")[0]: rule.methods for rule in _URLS.iter_rules()}
    asked = {place.path: set(place.methods) for place in PLACES}
    # The status page is still to come.
    assert {path: methods for path, methods in asked.items() if path in rules} == rules
    assert asked.keys() - rules.keys() <= {"/status"}


# The judge itself: what it is there to find


TRUE: dict[str, Any] = {"headers": (("Authorization", f"Bearer {WEBHOOK_TOKEN}"),)}
STRANGER = Asked()


def told(fuzzed: Fuzzed) -> None:
    fuzzed.sent.append(("slack", next(message for _, message in fuzzed.sent)))


def written(fuzzed: Fuzzed) -> None:
    Fuzzed.ask(fuzzed, asked_with(b"", path="/tick", **TRUE))


def connected(_: Fuzzed) -> None:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", 9), timeout=0.1)


def logged(fuzzed: Fuzzed) -> None:
    fuzzed.log.write(Severity.INFO, f"a caller came with {WEBHOOK_TOKEN}")


def failed(_: Fuzzed) -> None:
    raise ZeroDivisionError("by itself")


def slept(_: Fuzzed) -> None:
    until = time.perf_counter() + SLOW_SECONDS
    while time.perf_counter() < until:
        pass


CARELESS: dict[str, tuple[Callable[[Fuzzed], None], str]] = {
    "tells people": (told, "slack told for somebody who may not"),
    "writes": (written, "1 documents were written for somebody who may not"),
    "connects": (connected, "it touched socket.getaddrinfo"),
    "logs a secret": (logged, f"{WEBHOOK_TOKEN} in the log"),
    "raises": (failed, "it raised ZeroDivisionError: by itself"),
    "takes its time": (slept, "slow: 1.0"),
}


class Careless(Fuzzed):
    """Does something else beside its answer."""

    def __init__(self, also: Callable[[Fuzzed], None]) -> None:
        super().__init__(0)
        self.also = also

    def ask(self, asked: Asked) -> Answer:
        answer = super().ask(asked)
        self.also(self)
        return answer


@pytest.mark.parametrize(("also", "problem"), CARELESS.values(), ids=CARELESS.keys())
def test_the_judge_sees_what_a_refused_caller_brought_about(also: Callable[[Fuzzed], None], problem: str) -> None:
    careless = Careless(lambda _: None)
    careless.ask(asked_with(raw("cloud_monitoring_open"), **TRUE))
    careless.also = also
    (found, *_) = Judge(careless).ask(STRANGER, Known()).problems
    assert found.startswith(problem)


def test_the_judge_sees_nothing_wrong_with_a_refusal() -> None:
    assert Judge(Fuzzed(0)).ask(STRANGER, Known()).problems == ()


class Answering(Fuzzed):
    """Gives one answer to everything."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(0)
        self._answer = answer

    def ask(self, asked: Asked) -> Answer:
        return self._answer


SOUND = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
    "WWW-Authenticate": "Basic",
    "Allow": "POST",
}
ANSWERS: dict[str, tuple[int, dict[str, str], bytes, list[str]]] = {
    "a refusal": (401, {}, b"{}", []),
    "let in": (200, {}, b"{}", ["status 200 for somebody who may not"]),
    "our mistake": (500, {}, b"{}", ["status 500", "status 500 for somebody who may not"]),
    "kept": (401, {"Cache-Control": "private"}, b"{}", ["Cache-Control: private"]),
    "sniffed": (401, {"X-Content-Type-Options": ""}, b"{}", ["X-Content-Type-Options: "]),
    "without a policy": (401, {"Content-Security-Policy": ""}, b"{}", ["no Content-Security-Policy"]),
    "no way to sign in": (401, {"WWW-Authenticate": ""}, b"{}", ["401 without WWW-Authenticate"]),
    "no other method": (405, {"Allow": ""}, b"{}", ["405 without Allow"]),
    "two lines": (401, {"Retry-After": "1\r\nSet-Cookie: a=b"}, b"{}", ["a header of several lines"]),
    "another type": (401, {"Content-Type": "text/html"}, b"{}", ["Content-Type: text/html"]),
    "a list": (401, {}, b"[]", ["the answer is no JSON object"]),
    "a secret": (401, {}, f'{{"a": "{WEBHOOK_TOKEN}"}}'.encode(), [f"{WEBHOOK_TOKEN} in the answer"]),
}


@pytest.mark.parametrize(("status", "headers", "body", "problems"), ANSWERS.values(), ids=ANSWERS.keys())
def test_the_judge_sees_what_is_wrong_with_an_answer(
    status: int, headers: dict[str, str], body: bytes, problems: list[str]
) -> None:
    answer = Answer(status, tuple((SOUND | headers).items()), body)
    assert list(Judge(Answering(answer)).ask(STRANGER, Known()).problems) == problems


def test_the_judge_sees_who_is_turned_away_with_the_true_token() -> None:
    refusal = Answer(401, tuple(SOUND.items()), b"{}")
    assert Judge(Answering(refusal)).ask(Asked(**TRUE), Known()).problems == ("status 401 for somebody who may",)


FIELDS = [("a", "b"), ("c", "")]
FORM = urlencode(FIELDS).encode()


def signed(path: str) -> tuple[tuple[str, str], ...]:
    return (("X-Twilio-Signature", signature(path, "", FIELDS)),)


LINK = "A" * 50
SHOWN: list[tuple[Asked, bool]] = [
    (Asked(), False),
    (Asked(**TRUE), True),
    (Asked(query=f"auth_token={WEBHOOK_TOKEN}"), True),
    (Asked(query=f"auth_token=x&auth_token={WEBHOOK_TOKEN}"), False),
    (Asked(query=f"x={WEBHOOK_TOKEN}"), False),
    (Asked(headers=(("Authorization", f"Bearer {WEBHOOK_TOKEN}x"),)), False),
    (Asked(headers=(("Cookie", WEBHOOK_TOKEN),)), False),
    (Asked(body=WEBHOOK_TOKEN.encode()), False),
    (Asked(path="/tick", headers=(("Authorization", basic("u", WEBHOOK_TOKEN)),)), True),
    (Asked(path="/tick", headers=(("Authorization", basic(WEBHOOK_TOKEN, "u")),)), False),
    (Asked(path=f"/a/{LINK}"), True),
    (Asked(path=f"/a/{LINK}A", **TRUE), False),
    (Asked(path="/twilio/sms", body=FORM, **TRUE), False),
    (Asked(path="/twilio/sms", body=FORM, headers=signed("/twilio/sms")), True),
    (Asked(path="/twilio/sms", body=FORM, headers=signed("/twilio/status")), False),
    (Asked(path="/status", **TRUE), False),
    (Asked(path="/status", headers=(("Authorization", basic("u", ADMIN_TOKEN)),)), True),
]


@pytest.mark.parametrize(("asked", "shown"), SHOWN, ids=range(len(SHOWN)))
def test_the_judge_knows_who_has_shown_what_a_path_asks_for(asked: Asked, shown: bool) -> None:  # noqa: FBT001
    assert may(asked, place_of(asked.path), Keys(frozenset({LINK}), frozenset())) is shown


@pytest.mark.parametrize("number", range(len(identities()[1])))
def test_the_judge_takes_no_forged_identity_for_a_true_one(number: int) -> None:
    true, forged = identities()
    asked = Asked(headers=(("Authorization", f"Bearer {forged[number]}"),))
    assert not may(asked, place_of("/"), Keys(frozenset(), frozenset(true)))


def test_a_finding_is_made_small_and_can_be_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body over which the function stumbles, among all else of its request."""

    def ask(self: Fuzzed, asked: Asked) -> Answer:
        if b"\xff" in asked.body:
            raise ZeroDivisionError("by itself")
        return Answer(401, tuple(SOUND.items()), b"{}")

    monkeypatch.setattr(Fuzzed, "ask", ask)
    asked = asked_with(b"abcdefg\xffhijk" * 3, query="a=b", headers=(("Accept", "x"),))
    finding = smallest(Finding(1, 2, 3, ("it raised ZeroDivisionError: by itself",), asked, alone=False))
    assert finding.alone
    assert finding.asked == asked_with(b"\xff")
    assert msgspec.json.decode(msgspec.json.encode(finding), type=Finding) == finding
