"""The deployed function in this process: everything but gunicorn, the store's disk, the channels and Google."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any, TypeVar
from unittest.mock import patch
from urllib.parse import urlsplit

import functions_framework
import msgspec
import responses

from notifier.auth import CERTIFICATES_URL
from notifier.core.message import Message
from notifier.settings import NAMES, read_settings
from notifier.stores.sqlite import SqliteStore
from notifier.wiring import App, Outside, app_from_environment, build
from tests.any_request.asked import Asked
from tests.any_request.making import Known
from tests.any_request.rightful import WEBHOOK_TOKEN
from tests.any_request.signed_in import ADMIN_TOKEN
from tests.web.identities import CALLER, SigningKey, unsigned_token
from tests.web.pager import FREE, POLICY, ROOT, EmptyList, MemoryLog, RecordingChannel, TurnableClock
from tests.web.twilio_posts import ACCOUNT, AUTH_TOKEN, PHONES, PUBLIC_URL, SENDER

T = TypeVar("T")

SETTINGS = {
    "WEBHOOK_TOKEN": WEBHOOK_TOKEN,
    "ADMIN_TOKEN": ADMIN_TOKEN,
    "OIDC_EMAILS": CALLER,
    "PUBLIC_URL": PUBLIC_URL,
    "TWILIO_ACCOUNT_SID": ACCOUNT,
    "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
    "TWILIO_FROM": SENDER,
    "ONCALL_PHONE": ",".join(PHONES),
    "STATE": "sqlite::memory:",
}
PACES = ([0, 0, 0, 1, 5], [0, 0, 1, 20, 61], [0, 1, 61, 601, 1_201, 3_700])
"""Seconds between two requests, one of each for an instance: in bursts the caps are met, by the minute leases end and
pages go on to the next phone, by the hour the ladder is climbed and the window opens again."""


class Answer(msgspec.Struct, frozen=True):
    """What a request was answered, byte for byte."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def cookie(self) -> str:
        """The value of the cookie it sets; empty where it sets none or takes one away."""
        return (self.header("Set-Cookie") or "").partition(";")[0].partition("=")[2]


class Fuzzed:
    """One instance over an empty store. Its time only moves between requests, and by the dice."""

    def __init__(self, seed: int) -> None:
        self.clock = TurnableClock()
        self._steps = PACES[seed % len(PACES)]
        self.log = MemoryLog()
        self.sent: list[tuple[str, Message]] = []
        self.store = SqliteStore(":memory:")
        channels = {name: RecordingChannel(name, self.sent) for name in (*FREE, "sms")}
        outside = Outside(
            store=self.store,
            channels=dict(channels),
            texts=EmptyList(),
            clock=self.clock,
            ids=_Dice(seed),
            log=self.log,
            all_at_once=_one_after_the_other,
        )
        self.app: App = build(read_settings(SETTINGS), POLICY, outside)
        self.log.lines.clear()
        self._links: dict[str, None] = {}
        self._reports: list[tuple[str, str, str]] = []
        self._cookies: dict[str, None] = {}
        self._read = 0

    def ask(self, asked: Asked) -> Answer:
        """One request, from the WSGI environment to the last byte of its answer. Raises whatever gets through."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _error: object = None
        ) -> Callable[[bytes], None]:
            started.append((status, headers))
            return lambda _: None

        wsgi = _the_function()
        _main()._app = self.app
        answer: Iterable[bytes] = wsgi(asked.environ(), start_response)
        body = b"".join(answer)
        if close := getattr(answer, "close", None):
            close()
        status, headers = started[-1]
        answered = Answer(int(status.split()[0]), tuple(headers), body)
        if answered.cookie:
            self._cookies[answered.cookie] = None
        return answered

    def turn(self, dice: Random) -> None:
        """Let time pass."""
        self.clock.turn(timedelta(seconds=dice.choice(self._steps)))

    @property
    def changes(self) -> int:
        """How many documents were written so far, each counted as often as it was."""
        connection = self.store._connection
        return connection.total_changes if connection else 0

    def known(self) -> Known:
        """What the channels were told and browsers given so far, and Google's tokens."""
        for _, message in self.sent[self._read :]:
            if message.acknowledge_url:
                self._links[message.acknowledge_url.rpartition("/")[2]] = None
            if message.report_url and message.phone is not None:
                sid = f"SM{len(self._reports) + 1:032}"
                self._reports.append((urlsplit(message.report_url).query, sid, PHONES[message.phone]))
        self._read = len(self.sent)
        true, forged = identities()
        return Known(tuple(self._links), tuple(self._reports), true, forged, tuple(self._cookies), self.clock.now())

    def close(self) -> None:
        self.store.close()


class _Dice:
    """Ids that a seed repeats."""

    def __init__(self, seed: int) -> None:
        self._dice = Random(seed)

    def claim(self) -> str:
        return f"{self._dice.getrandbits(128):032x}"

    def fraction(self) -> float:
        return self._dice.random()


def _one_after_the_other(tasks: Sequence[Callable[[], T]], seconds: float) -> list[T | None]:
    """In place of threads: the channels answer at once, and the same dice give the same course."""
    return [task() for task in tasks]


@cache
def _the_function() -> Any:
    """functions-framework's application around main.py, as gunicorn would get it."""
    quiet = contextlib.redirect_stdout(io.StringIO())
    with patch.dict(os.environ, SETTINGS | {"SIMULATE": "1"}), quiet:
        for name in ({*NAMES, "K_SERVICE"} - SETTINGS.keys()) - {"SIMULATE"}:
            os.environ.pop(name, None)
        app_from_environment.cache_clear()
        app = functions_framework.create_app("notify", str(ROOT / "main.py"))  # type: ignore[no-untyped-call]
        app_from_environment.cache_clear()
    _main_modules.append(sys.modules["main"])
    return app


_main_modules: list[Any] = []


def _main() -> Any:
    """The main.py of `_the_function`; another test may have loaded it again since."""
    return _main_modules[-1]


@cache
def _google_keys() -> tuple[SigningKey, SigningKey]:
    return SigningKey("key-1"), SigningKey("key-2")


@cache
def identities() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Google's tokens for those who may call, and tokens for nobody; good for an hour."""
    google, other = _google_keys()
    true = (google.token(), google.token(iss="accounts.google.com"), google.token(aud=f"{PUBLIC_URL}/"))
    trap = "http://127.0.0.1:9/keys"
    forged = (
        google.token(aud="https://other.example.com"),
        google.token(email="somebody@example.com"),
        google.token(email_verified=False),
        google.token(exp=1_700_000_000, iat=1_699_999_000),
        google.token(iss="https://accounts.example.com"),
        google.token_hashed_with_the_certificate(),
        google.token({"kid": "unknown"}),
        other.token(),
        other.token({"kid": google.key_id}),
        other.token({"kid": google.key_id, "jku": trap, "x5u": trap, "jwk": {"kty": "oct", "k": "AA"}}),
        unsigned_token({"alg": "none"}, signature=b""),
        unsigned_token({"alg": "none", "kid": google.key_id}, signature=b""),
        unsigned_token({"alg": "None", "kid": google.key_id}),
        unsigned_token({"alg": "HS256", "kid": google.key_id}),
        unsigned_token({"alg": "RS256", "kid": google.key_id, "jku": trap, "x5u": trap}),
        unsigned_token({"alg": "RS256", "kid": ["key-1"]}),
        unsigned_token([]),
        unsigned_token(b"[" * 3_000),
    )
    return true, forged


@contextlib.contextmanager
def google_served() -> Iterator[responses.RequestsMock]:
    """Google's certificates are served, and nothing else of the network is there."""
    google, _ = _google_keys()
    # One for each round: it keeps every call.
    with responses.RequestsMock(assert_all_requests_are_fired=False) as network:
        network.get(CERTIFICATES_URL, json={google.key_id: google.certificate})
        yield network
