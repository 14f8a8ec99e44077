"""Whatever is asked, in whatever order: no mistake of ours, and nothing for whoever has shown nothing.

The long run of the same is `python -m bench.fuzz`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
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
from tests.any_request.rightful import WEBHOOK_TOKEN, Keys, may, signature
from tests.any_request.rounds import Finding, play, smallest
from tests.any_request.signed_in import ADMIN_TOKEN, COOKIE, FORM_BYTES, session
from tests.sources.bodies import raw
from tests.web.pager import NOON, basic


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
    assert reached >= {("status", 200), ("status", 303)}
    refused = {(place, status) for place, admitted, status in played.ways if not admitted}
    assert refused >= {("alerts", 401), ("alerts", 403), ("link", 404), ("report", 403), ("text", 403)}
    assert refused >= {("status", 401), ("status", 403)}


def test_every_path_of_the_function_is_in_the_table() -> None:
    rules = {str(rule.rule).partition("<")[0]: rule.methods for rule in _URLS.iter_rules()}
    assert {place.path: set(place.methods) for place in PLACES} == rules


# The judge itself: what it is there to find


TRUE: dict[str, Any] = {"headers": (("Authorization", f"Bearer {WEBHOOK_TOKEN}"),)}
STRANGER = Asked()
SESSION = session(int((NOON + timedelta(hours=12)).timestamp()))


def told(fuzzed: Fuzzed) -> None:
    fuzzed.sent.append(("slack", next(message for _, message in fuzzed.sent)))


def written(fuzzed: Fuzzed) -> None:
    Fuzzed.ask(fuzzed, asked_with(b"", path="/tick", **TRUE))


def connected(_: Fuzzed) -> None:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", 9), timeout=0.1)


def logged(fuzzed: Fuzzed) -> None:
    fuzzed.log.write(Severity.INFO, f"a caller came with {WEBHOOK_TOKEN}")


def told_of_a_browser(fuzzed: Fuzzed) -> None:
    fuzzed.log.write(Severity.INFO, f"somebody came with {SESSION}")


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
    "logs a cookie": (told_of_a_browser, "a cookie's value in the log"),
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
    (found, *_) = Judge(careless).ask(STRANGER, Known(cookies=(SESSION,))).problems
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


def posted(form: str, **headers: str) -> Asked:
    """A form to the status page."""
    return asked_with(
        form.encode(), path="/status", headers=tuple((k.replace("_", "-"), v) for k, v in headers.items())
    )


def shown(name: str, value: str) -> Asked:
    """A header to the status page."""
    return Asked(method="GET", path="/status", headers=((name, value),))


SIGNS_IN = posted(f"token={ADMIN_TOKEN}")
COOKIE_SET = f"{COOKIE}={SESSION}; Max-Age=43200; Path=/status; HttpOnly; SameSite=Lax; Secure"
HTML = {"Content-Type": "text/html; charset=utf-8"}
SIGNED_IN = {"Location": "status", "Set-Cookie": COOKIE_SET}
ASKED_BACK = "it sets 1 cookies, of which none was to be"
NO_FORM = "status 303 for somebody who has posted no true form"
AT_THE_STATUS_PAGE: dict[str, tuple[Asked, int, dict[str, str], list[str]]] = {
    "signed in": (SIGNS_IN, 303, SIGNED_IN, []),
    "no cookie": (SIGNS_IN, 303, {"Location": "status"}, [f"it sets 0 cookies, of which {COOKIE_SET} was to be"]),
    "a cookie for scripts": (
        SIGNS_IN,
        303,
        {"Location": "status", "Set-Cookie": COOKIE_SET.replace(" HttpOnly;", "")},
        [f"it sets 1 cookies, of which {COOKIE_SET} was to be"],
    ),
    "sent elsewhere": (SIGNS_IN, 303, SIGNED_IN | {"Location": "//a.example"}, ["Location: //a.example"]),
    "turned away": (SIGNS_IN, 401, {}, ["status 401 for somebody who may", "status 401 for a form that is TRUE"]),
    "told the cookie": (
        SIGNS_IN,
        303,
        SIGNED_IN | {"X-Also": SESSION},
        ["a cookie's value in the answer"],
    ),
    "in with a wrong one": (
        posted("token=x"),
        303,
        SIGNED_IN,
        [
            "status 303 for somebody who may not",
            NO_FORM,
            ASKED_BACK,
            "status 303 for a form that is WRONG",
        ],
    ),
    "refused with a cookie": (posted("token=x"), 401, {"Set-Cookie": COOKIE_SET}, [ASKED_BACK]),
    "of another site": (
        posted(f"token={ADMIN_TOKEN}", Sec_Fetch_Site="cross-site"),
        303,
        SIGNED_IN,
        [
            "status 303 for somebody who may not",
            NO_FORM,
            ASKED_BACK,
            "status 303 for a form that is OTHER_SITE",
        ],
    ),
    "a cookie to who looks": (shown("Cookie", f"{COOKIE}={SESSION}"), 200, {"Set-Cookie": COOKIE_SET}, [ASKED_BACK]),
    "shown to a stranger": (shown("Cookie", "a=b"), 200, {}, ["status 200 for somebody who may not"]),
    "a page for a machine": (
        shown("Accept", "application/json"),
        401,
        HTML,
        [
            "a page of 0 style sheets under default-src 'none'",
            "text/html; charset=utf-8 for a machine",
        ],
    ),
    "no page for a browser": (
        shown("Accept", "text/html,*/*"),
        401,
        {},
        ["application/json for a browser", "a browser is asked for a password by its dialog"],
    ),
}


@pytest.mark.parametrize(
    ("asked", "status", "headers", "problems"), AT_THE_STATUS_PAGE.values(), ids=AT_THE_STATUS_PAGE.keys()
)
def test_the_judge_sees_what_is_wrong_at_the_status_page(
    asked: Asked, status: int, headers: dict[str, str], problems: list[str]
) -> None:
    answer = Answer(status, tuple((SOUND | headers).items()), b"{}")
    assert list(Judge(Answering(answer)).ask(asked, Known()).problems) == problems


@pytest.mark.parametrize("policy", ["style-src 'unsafe-inline'", "style-src 'sha256-AAAA'", ""])
def test_the_judge_sees_a_style_that_is_not_let_through_by_its_hash(policy: str) -> None:
    headers = SOUND | HTML | {"Content-Security-Policy": f"default-src 'none'; {policy}"}
    answer = Answer(404, tuple(headers.items()), b"<style>a{}</style>")
    (problem,) = Judge(Answering(answer)).ask(Asked(method="GET", path="/a/x"), Known()).problems
    assert problem.startswith("a page of 1 style sheets")


def test_the_judge_sees_a_refusal_that_tells_what_is_open() -> None:
    answering = Answering(Answer(401, tuple(SOUND.items()), b'{"open": 0}'))
    judge = Judge(answering)
    assert judge.ask(shown("Cookie", "a=b"), Known()).problems == ()
    answering._answer = Answer(401, tuple(SOUND.items()), b'{"open": 1}')
    assert judge.ask(shown("Cookie", "a=b"), Known()).problems == ("a refusal that is not like the one before",)


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
    (Asked(method="GET", path="/status", **TRUE), False),
    (shown("Authorization", basic("u", ADMIN_TOKEN)), True),
    (shown("Authorization", f"Bearer {ADMIN_TOKEN}"), True),
    (Asked(method="GET", path="/status", query=f"auth_token={ADMIN_TOKEN}"), False),
    (Asked(path="/status", headers=(("Authorization", basic("u", ADMIN_TOKEN)),)), False),
    (shown("Cookie", f"{COOKIE}={SESSION}"), True),
    (shown("Cookie", f"a=b; {COOKIE}={SESSION}; {COOKIE}=x"), True),
    (shown("Cookie", f"{COOKIE}=x; {COOKIE}={SESSION}"), False),
    (shown("Cookie", f"notifier={SESSION}"), False),
    (shown("Cookie", f"{COOKIE}={ADMIN_TOKEN}"), False),
    (shown("Cookie", f"{COOKIE}={session(int(NOON.timestamp()))}"), False),
    (shown("Cookie", f"{COOKIE}={session(int(NOON.timestamp()) + 1)}"), True),
    (shown("Cookie", f"{COOKIE}={session(2**40, WEBHOOK_TOKEN)}"), False),
    (shown("Cookie", f"{COOKIE}={session(2**40, purpose=b'')}"), False),
    (shown("Cookie", f"{COOKIE}={SESSION[:-1]}A"), False),
    (SIGNS_IN, True),
    (posted(f"token=&token=+{ADMIN_TOKEN}%0A"), True),
    (posted(f"token=x&token={ADMIN_TOKEN}"), False),
    (posted(f"Token={ADMIN_TOKEN}"), False),
    (posted("sign-out=1"), True),
    (posted("sign-out="), False),
    (posted("sign-out=1", Sec_Fetch_Site="same-site"), False),
    (posted(f"token={ADMIN_TOKEN}", Sec_Fetch_Site="same-origin"), True),
    (posted(f"token={ADMIN_TOKEN}", Origin="null"), True),
    (posted(f"token={ADMIN_TOKEN}{'&x=1' * 10}"), False),
    (posted(f"token={ADMIN_TOKEN}{' ' * FORM_BYTES}"), False),
]


@pytest.mark.parametrize(("asked", "may_be_let_in"), SHOWN, ids=range(len(SHOWN)))
def test_the_judge_knows_who_has_shown_what_a_path_asks_for(asked: Asked, may_be_let_in: bool) -> None:  # noqa: FBT001
    assert may(asked, place_of(asked.path), Keys(frozenset({LINK}), frozenset(), NOON)) is may_be_let_in


@pytest.mark.parametrize("number", range(len(identities()[1])))
def test_the_judge_takes_no_forged_identity_for_a_true_one(number: int) -> None:
    true, forged = identities()
    asked = Asked(headers=(("Authorization", f"Bearer {forged[number]}"),))
    assert not may(asked, place_of("/"), Keys(frozenset(), frozenset(true), NOON))


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
