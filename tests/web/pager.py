"""A pager for tests: the real web, relay and SQLite store; channels and log that only remember."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from flask import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from notifier.admin import Admin
from notifier.auth import AcknowledgeLinks, Callers, TwilioSignatures
from notifier.callbacks import Callbacks
from notifier.channels.twilio_errors import report_of
from notifier.core.alert import Severity
from notifier.core.incident import Incident
from notifier.core.ledger import Ledger
from notifier.core.listing import Listing
from notifier.core.message import Message
from notifier.core.outcome import Outcome, Result
from notifier.core.policy import parse_policy
from notifier.degraded import Degraded
from notifier.ports import Found, Gathered, Store
from notifier.relay import Relay
from notifier.replies import Replies
from notifier.sending import Sender, at_once
from notifier.status import StatusDoor
from notifier.stores.sqlite import SqliteStore
from notifier.tick import Tick
from notifier.web import Web
from notifier.wiring import RandomIds
from tests.builders import texting
from tests.web.twilio_posts import ACCOUNT, AUTH_TOKEN, PHONES, PUBLIC_URL

ROOT = Path(__file__).parents[2]
TOKEN = "made-up-token-of-the-tests"
ADMIN_TOKEN = "made-up-admin-token-of-the-tests"
POLICY = parse_policy((ROOT / "policy.toml").read_text("utf-8"))
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
FREE = ["discord", "email", "slack"]


def sample(name: str) -> bytes:
    """One of the recorded alerts."""
    return (ROOT / "tests" / "fixtures" / "alerts" / f"{name}.json").read_bytes()


class TurnableClock:
    """Wall time only moves when it is turned; deadlines are real, as the store's are."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self.turn(timedelta(seconds=seconds))

    def turn(self, by: timedelta) -> None:
        self.time += by


class VirtualClock(TurnableClock):
    """Nothing in it moves by itself."""

    def monotonic(self) -> float:
        return (self.time - NOON).total_seconds()


class MemoryLog:
    """Remembers what was written."""

    def __init__(self) -> None:
        self.lines: list[tuple[Severity, str, dict[str, object]]] = []

    def write(self, severity: Severity, message: str, **fields: object) -> None:
        self.lines.append((severity, message, fields))

    def __str__(self) -> str:
        return "\n".join(f"{severity.name} {message} {fields}" for severity, message, fields in self.lines)


class RecordingChannel:
    """Remembers what it was told. Each text has a sid, as at Twilio: `SM0...01`, `SM0...02`, ..."""

    def __init__(self, name: str, sent: list[tuple[str, Message]]) -> None:
        self.name = name
        self.on_send: Callable[[Message], None] = lambda _: None
        self._sent = sent
        self._texts = 0

    def send(self, message: Message, deadline: float) -> Outcome:
        self._sent.append((self.name, message))
        self._texts += message.phone is not None
        outcome = Outcome(Result.SENT, provider_id=f"SM{self._texts:032}" if message.phone is not None else "")
        self.on_send(message)
        return outcome

    def preview(self, message: Message) -> str:
        return message.headline


class EmptyList:
    """A provider that has made no text."""

    def look_up(self, phone: int, since: datetime, deadline: float) -> Listing:
        return Listing()


class BrokenStore:
    """Fails, as it is told to."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def gather(self, key: str, deadline: float) -> Gathered:
        raise self._error

    def commit(
        self, seen: Gathered, deadline: float, *, incident: Incident | None = None, ledger: Ledger | None = None
    ) -> Gathered:
        raise self._error

    def due(self, now: datetime, limit: int, deadline: float) -> list[Found]:
        raise self._error

    def waiting(self, limit: int, deadline: float) -> list[Found]:
        raise self._error

    def read(self, keys: Sequence[str], deadline: float) -> list[Found]:
        raise self._error

    def open_incidents(self, deadline: float) -> list[Found]:
        raise self._error

    def unresolved(self, deadline: float) -> list[Found]:
        raise self._error

    def ended_since(self, since: datetime, limit: int, deadline: float) -> list[Found]:
        raise self._error

    def put_off(self, key: str, until: datetime, deadline: float) -> None:
        raise self._error

    def ticked(self, at: datetime, deadline: float) -> None:
        raise self._error


class Pager:
    """One instance, with what it sent and logged."""

    def __init__(
        self,
        file: Path,
        *,
        store: Store | None = None,
        callers: Callers | None = None,
        phones: int = 1,
        admin_token: str = ADMIN_TOKEN,
    ) -> None:
        self.file = file
        self.clock = TurnableClock()
        self.log = MemoryLog()
        self.sent: list[tuple[str, Message]] = []
        self.sqlite = SqliteStore(file)
        self.channels = {name: RecordingChannel(name, self.sent) for name in (*FREE, "sms")}
        signatures = TwilioSignatures(auth_tokens=(AUTH_TOKEN,), public_url=PUBLIC_URL)
        callbacks = Callbacks(account_sid=ACCOUNT, signatures=signatures, phones=PHONES[:phones], judge=report_of)
        policy = POLICY.deployed({"log", *self.channels}, texting(phones, replies=True))
        ids = RandomIds()
        sender = Sender(channels=self.channels, texts=EmptyList(), clock=self.clock, log=self.log, all_at_once=at_once)
        self.links = AcknowledgeLinks(webhook_token=TOKEN, public_url=PUBLIC_URL)
        self.relay = Relay(
            policy=policy,
            store=store or self.sqlite,
            sender=sender,
            degraded=Degraded(policy=policy, sender=sender, clock=self.clock, ids=ids, log=self.log),
            clock=self.clock,
            ids=ids,
            log=self.log,
            lease=timedelta(seconds=30),
            acknowledge_url=self.links.url,
            report_url=callbacks.report_url,
        )
        tick = Tick(
            relay=self.relay,
            store=store or self.sqlite,
            policy=policy,
            clock=self.clock,
            log=self.log,
            all_at_once=at_once,
        )
        token_only = Callers(webhook_token=TOKEN, oidc_emails=(), audience="", clock=self.clock)
        replies = Replies(relay=self.relay, store=store or self.sqlite, policy=policy, clock=self.clock, log=self.log)
        self.web = Web(
            relay=self.relay,
            tick=tick,
            replies=replies,
            callers=callers or token_only,
            links=self.links,
            callbacks=callbacks,
            status=StatusDoor(
                admin=Admin(admin_token=admin_token, public_url=PUBLIC_URL),
                store=store or self.sqlite,
                policy=policy,
                phones=["+1555*****01", "+1555*****02"][:phones],
                clock=self.clock,
                log=self.log,
            ),
            policy=policy,
            clock=self.clock,
            log=self.log,
        )

    def call(self, method: str, path: str, *, token: str | None = TOKEN, **environ: Any) -> Response:
        """One request. `token`: shown as the basic-auth password."""
        headers: dict[str, str] = {"Authorization": basic("cloud-monitoring", token)} if token is not None else {}
        headers |= environ.pop("headers", {})
        request = Request(EnvironBuilder(path=path, method=method, headers=Headers(headers), **environ).get_environ())
        return self.web(request)

    def post(self, content: object, **options: Any) -> Response:
        """POST / with `content`: bytes as they are, anything else as JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.call("POST", "/", data=body, **options)

    @property
    def told(self) -> list[str]:
        """The channels that were told something, in alphabetical order."""
        return sorted(name for name, _ in self.sent)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def content(answer: Response) -> Any:
    """The answer's JSON."""
    assert answer.content_type == "application/json"
    return msgspec.json.decode(answer.get_data())


def push(data: bytes, message_id: str = "9000000000000002") -> dict[str, object]:
    """A Pub/Sub push around `data`."""
    return {
        "message": {"data": base64.b64encode(data).decode(), "messageId": message_id},
        "subscription": "projects/p/s",
    }
