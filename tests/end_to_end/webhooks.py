"""What Twilio posts to its customers: signed by its own library, tried again as the address asks for."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import parse_qsl, urldefrag, urlencode, urlsplit
from uuid import uuid4
from xml.etree import ElementTree as ET

from twilio.request_validator import RequestValidator

from tests.end_to_end.serving import FORM

MOST_BYTES = 64 * 1024
"""Twilio reads no more of an answer."""


class Attempt(NamedTuple):
    """One try, and what came back."""

    at: datetime
    status: int
    """0: there was no answer."""
    trouble: str = ""
    """For no answer: `ct` (no connection), `rt` (nothing came back) as in the address, or in words."""
    kind: str = ""
    """The answer's Content-Type."""
    body: bytes = b""

    @property
    def failure(self) -> str:
        """As `rp=` names it; empty for a good answer."""
        return self.trouble or (f"{self.status // 100}xx" if self.status >= 400 else "")


@dataclass(eq=False)
class Webhook:
    """One thing told to a customer."""

    url: str
    """As the customer gave it."""
    form: Mapping[str, str]
    token: str = field(default_factory=lambda: str(uuid4()))
    """The same in every try (I-Twilio-Idempotency-Token)."""
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def answer(self) -> Attempt:
        """The last."""
        return self.attempts[-1]

    @property
    def status(self) -> int:
        """Of the last answer; 0: there was none."""
        return self.answer.status


class Overrides(NamedTuple):
    """What stands behind the # of an address (https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides).

    It is neither sent nor signed.
    """

    retries: int = 1
    classes: frozenset[str] = frozenset({"ct"})
    connect_seconds: float = 5
    read_seconds: float = 15

    def wants_another(self, attempt: Attempt) -> bool:
        return bool(attempt.failure) and bool(self.classes & {attempt.failure, "all"})


def overrides_of(fragment: str) -> Overrides:
    given = dict(parse_qsl(fragment))
    usual = Overrides()
    return Overrides(
        retries=min(max(int(given.get("rc", usual.retries)), 0), 5),
        classes=frozenset(given["rp"].split(",")) if "rp" in given else usual.classes,
        connect_seconds=int(given.get("ct", usual.connect_seconds * 1_000)) / 1_000,
        read_seconds=int(given.get("rt", usual.read_seconds * 1_000)) / 1_000,
    )


class Webhooks:
    """Posts them, and remembers them. Nothing ever leaves this machine."""

    def __init__(self, auth_token: str, public_url: str = "", deliver_to: str = "") -> None:
        self.signed_with = auth_token
        """The account's primary token; what a test sets here, the next is signed with."""
        self.public_url = public_url.rstrip("/")
        """Where customers say that they are."""
        self.deliver_to = deliver_to.rstrip("/")
        """Where they really are: takes the place of `public_url` in an address when it is delivered."""
        self.retry_seconds = 0.05
        """Between two tries; Twilio's own are longer."""
        self.posted: list[Webhook] = []
        """In the order they were done with."""
        self._lock = threading.Lock()
        self._connections: set[HTTPConnection] = set()
        self._ended = threading.Event()

    def post(self, url: str, form: Mapping[str, str]) -> Webhook:
        """Tell it, and again if its address wants that. Returns when no more is tried."""
        return self._tell(Webhook(url, dict(form)))

    def repeat(self, webhook: Webhook) -> Webhook:
        """The same once more: an answer can be lost on its way to Twilio, and anybody can replay one."""
        return self._tell(Webhook(webhook.url, webhook.form, webhook.token))

    def about(self, sid: str) -> list[Webhook]:
        """What was told of one message."""
        with self._lock:
            return [webhook for webhook in self.posted if webhook.form["MessageSid"] == sid]

    def end(self) -> None:
        """Cut what is under way; nothing is posted any more."""
        self._ended.set()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError, AttributeError):  # over by now, or not yet connected
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _tell(self, webhook: Webhook) -> Webhook:
        signed, fragment = urldefrag(webhook.url)
        overrides = overrides_of(fragment)
        for _ in range(overrides.retries + 1):
            if self._ended.is_set():
                break
            webhook.attempts.append(self._try(webhook, signed, overrides))
            if not overrides.wants_another(webhook.answer):
                break
            self._ended.wait(self.retry_seconds)
        if webhook.attempts:
            with self._lock:
                self.posted.append(webhook)
        return webhook

    def _try(self, webhook: Webhook, signed: str, overrides: Overrides) -> Attempt:
        now = datetime.now(UTC)
        real = signed
        if self.deliver_to and signed.startswith(f"{self.public_url}/"):
            real = self.deliver_to + signed.removeprefix(self.public_url)
        address = urlsplit(real)
        if address.scheme != "http" or not _is_here(address.hostname or ""):
            return Attempt(now, 0, f"{address.hostname} is not on this machine")
        connection = HTTPConnection(address.hostname or "", address.port, timeout=overrides.connect_seconds)
        with self._lock:
            self._connections.add(connection)
        try:
            return self._exchange(connection, webhook, signed, real, overrides)
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _exchange(
        self, connection: HTTPConnection, webhook: Webhook, signed: str, real: str, overrides: Overrides
    ) -> Attempt:
        now = datetime.now(UTC)
        try:
            connection.connect()
        except OSError:
            return Attempt(now, 0, "ct")
        connection.sock.settimeout(overrides.read_seconds)
        if self._ended.is_set():
            return Attempt(now, 0, "the test is over")
        # Not `requests`: it may write the query another way than it was signed.
        target = "/" + real.partition("://")[2].partition("/")[2]
        headers = {
            "Host": urlsplit(signed).netloc,
            "Accept": "*/*",
            "Content-Type": f"{FORM}; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1",
            "X-Home-Region": "us1",
            "I-Twilio-Idempotency-Token": webhook.token,
            "X-Twilio-Signature": RequestValidator(self.signed_with).compute_signature(signed, webhook.form),
        }
        try:
            connection.request("POST", target, urlencode(webhook.form), headers)
            answer = connection.getresponse()
            body = answer.read(MOST_BYTES + 1)
        except (OSError, HTTPException):
            return Attempt(now, 0, "rt")
        return Attempt(now, answer.status, "", answer.headers.get("Content-Type", ""), body)


class Twiml(NamedTuple):
    """An answer to an inbound message, as Twilio reads it."""

    texts: tuple[str, ...] = ()
    error: int = 0
    """What Twilio's debugger shows; 0: nothing."""


def read_twiml(answer: Attempt) -> Twiml:
    """The texts of its <Message>s, or what is wrong with it."""
    if not 200 <= answer.status < 300 or not (answer.kind or answer.status == 204):
        return Twiml(error=11200)  # without a Content-Type, Twilio takes it for a broken gateway's
    if not answer.body:
        return Twiml()
    if answer.kind.partition(";")[0].strip().lower() not in ("text/xml", "application/xml"):
        return Twiml(error=12300)
    if len(answer.body) > MOST_BYTES:
        return Twiml(error=11750)
    try:
        response = ET.fromstring(answer.body.decode())
    except (ET.ParseError, UnicodeDecodeError):
        return Twiml(error=12100)
    texts = tuple((message.findtext("Body") or message.text or "").strip() for message in response.findall("Message"))
    return Twiml(texts, 12100 if response.tag != "Response" else 12200 if len(texts) != len(response) else 0)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
