"""The shared HTTP client: one request, an absolute deadline, and whether anything can have arrived.

The providers' APIs cannot be asked twice safely, so the one thing that must never be guessed is
whether the message may have reached them. Our own connection class marks the moment before the
first byte of the body; an exception's type or text never decides it.

What is said about a failure names the host and nothing else of a URL: a webhook's path is its password.
"""

from __future__ import annotations

import http.client
import logging
import math
import re
import socket
import ssl
import threading
import time
from email.utils import parsedate_to_datetime
from functools import cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import certifi
import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError, ProxyError

from notifier.core.alert import cut, printable
from notifier.core.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

BODY_BYTES = 64 * 1024
"""How much of an answer to a post is read. Slack's is 2 bytes, Twilio's 1 KiB, Discord's 3 KiB."""
RETRY_AFTER_SECONDS = 3_600.0
"""The longest `Retry-After` we obey: a page held for a day by one header would be a page lost."""
SAID_CHARACTERS = 200
"""How much of a provider's own words is passed on."""

# A time-out of 0 would mean "do not block", and one below 0 is an error.
_A_MOMENT = 0.001
_HEADERS = {"User-Agent": "notifier/0.1", "Accept-Encoding": "identity", "Connection": "close"}

# urllib3 writes the whole URL of each request to its log, at DEBUG, and at WARNING when an answer's
# headers are malformed. A webhook's URL is a password, so it gets no log at all.
logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, of whatever status."""

    host: str
    status: int
    body: bytes = b""
    """As much of it as was asked for, at most."""
    whole: bool = True
    """Whether `body` is all of it: False when it was longer, or the deadline or the network cut it."""
    retry_after: float | None = None
    """Seconds, 0 to RETRY_AFTER_SECONDS."""


class Watchdog:
    """Cuts every connection it guards at the deadline: no drip of bytes outlasts it.

    A socket's own time-out starts again with each byte. Shutting the connection down from a second
    thread ends any wait: the TLS handshake, the headers, the body, a proxy's or a mail server's
    conversation. It costs a thread per send. Looking up a name is the one wait nothing can end; the
    deadline is checked right after it.
    """

    def __init__(self, deadline: float) -> None:
        """`deadline`: seconds of `time.monotonic`."""
        self.bitten = False
        """Whether connections were cut: from then on an end of data proves nothing."""
        self._deadline = deadline
        self._guarded: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(max(self.remaining(), 0), self._bite)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        for connection in self._guarded:
            connection.close()

    def remaining(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self._deadline - time.monotonic()

    def check(self) -> None:
        """Raise TimeoutError once the deadline has passed."""
        if self.remaining() <= 0:
            raise TimeoutError

    def connect(self, host: str, port: int) -> socket.socket:
        """Open a guarded TCP connection to the first of the host's addresses that answers.

        Each address gets a fair share of the time left, so that a dead IPv6 route leaves some for IPv4.
        Raises OSError; TimeoutError past the deadline.
        """
        try:
            addresses = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
        trouble: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
        for place, (family, kind, protocol, _, address) in enumerate(addresses):
            self.check()
            share = self.remaining() / (len(addresses) - place)
            try:
                connection = _open(family, kind, protocol, address, share)
            except OSError as error:
                trouble = error
                continue
            self._guard(connection)
            connection.settimeout(max(self.remaining(), _A_MOMENT))
            return connection
        raise trouble

    def _guard(self, connection: socket.socket) -> None:
        # A duplicate: wrapping a socket in TLS takes the descriptor away from the one we were given.
        duplicate = connection.dup()
        with self._lock:
            self._guarded.append(duplicate)
            if self.bitten:
                _shut(duplicate)

    def _bite(self) -> None:
        with self._lock:
            self.bitten = True
            for connection in self._guarded:
                _shut(connection)


def _open(family: int, kind: int, protocol: int, address: Any, timeout: float) -> socket.socket:
    connection = socket.socket(family, kind, protocol)
    try:
        connection.settimeout(max(timeout, _A_MOMENT))
        connection.connect(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        connection.close()
        raise
    return connection


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was quicker


_reading_authorities = threading.Lock()


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """A context that verifies certificates and host names; one for all sends.

    `ca_file`: PEM bundle of trusted authorities, default certifi's. Reading that costs 20 ms of CPU, so whoever sends
    at the same time waits for the first to have done it.
    """
    with _reading_authorities:
        return _tls_context(ca_file or certifi.where())


@cache
def _tls_context(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


class Wire:
    """Posts to providers. Safe to use from many threads; keeps nothing between two sends.

    Each send has its own connection: a kept one may have gone stale, and a message lost on it may
    have been sent.
    """

    def __init__(self, *, ca_file: str | None = None) -> None:
        """`ca_file`: PEM bundle of trusted authorities, default certifi's."""
        self._ca_file = ca_file

    def post(
        self,
        url: str,
        body: bytes,
        *,
        deadline: float,
        headers: Mapping[str, str],
        auth: tuple[str, str] | None = None,
    ) -> Reply | Outcome:
        """POST `body` once; the answer, or how it failed when there was none.

        `deadline`: seconds of `time.monotonic`. Past it no byte of the body is written any more.
        `auth`: user and password for HTTP Basic. Redirects are not followed.
        A failure is `retry` when certainly nothing arrived, `unknown` when the body was begun,
        and `rejected` when `url` is no address one can post to. It is `elsewhere` when this host was
        tried and could not be reached, and not when the deadline left no time to try.
        """
        return self._exchange("POST", url, body, deadline=deadline, headers=headers, auth=auth, most=BODY_BYTES)

    def get(
        self,
        url: str,
        *,
        deadline: float,
        headers: Mapping[str, str],
        auth: tuple[str, str] | None = None,
        most: int = BODY_BYTES,
    ) -> Reply | Outcome:
        """GET once, as `post` does. `most`: how many bytes of the answer are read."""
        return self._exchange("GET", url, None, deadline=deadline, headers=headers, auth=auth, most=most)

    def _exchange(
        self,
        method: str,
        url: str,
        body: bytes | None,
        *,
        deadline: float,
        headers: Mapping[str, str],
        auth: tuple[str, str] | None,
        most: int,
    ) -> Reply | Outcome:
        host = host_of(url)
        if deadline <= time.monotonic():
            return Outcome(Result.RETRY, f"no time was left to send to {host}")
        with Watchdog(deadline) as watchdog:
            exchange = _Exchange(watchdog)
            adapter = _Adapter(exchange, None if url.startswith("http:") else tls_context(self._ca_file))
            try:
                # Without a Session: it would add what a .netrc says, and read a redirect's whole body.
                request = requests.Request(
                    method,
                    url,
                    data=body,
                    headers={**_HEADERS, **headers},
                    auth=(auth[0].encode(), auth[1].encode()) if auth else None,
                ).prepare()
                # A proxy tunnels https and sees nothing; plain http (to loopback) it would read.
                proxies = get_environ_proxies(url) if url.startswith("https:") else {}
                timeout = max(watchdog.remaining(), _A_MOMENT)
                response = adapter.send(request, stream=True, timeout=timeout, proxies=proxies)
                return _reply(host, response, watchdog, most)
            except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
                words = f"the address of {host}, or of the proxy to it, is not valid"
                return Outcome(Result.REJECTED, words, elsewhere=True)
            except requests.exceptions.MissingSchema:
                return Outcome(Result.REJECTED, "the address does not begin with https://", elsewhere=True)
            except (requests.RequestException, HTTPError, http.client.HTTPException, OSError) as error:
                why = "timed out" if watchdog.bitten else reason(error)
                if exchange.begun:
                    arrived = "" if body is None else "; it may have arrived"
                    return Outcome(Result.UNKNOWN, f"no answer from {host}: {why}{arrived}")
                return Outcome(Result.RETRY, f"could not connect to {host}: {why}", elsewhere=True)
            finally:
                adapter.close()


class _Exchange:
    """One request and what has become of it."""

    def __init__(self, watchdog: Watchdog) -> None:
        self.watchdog = watchdog
        # Guilty until our own connection says otherwise: were it ever bypassed, a lost
        # message would count as "may have been sent" and not as "send it again".
        self.begun = True

    def begin_body(self) -> None:
        """Mark the last moment at which nothing can have arrived. Raises TimeoutError past the deadline."""
        self.watchdog.check()
        self.begun = True


class _Connection(HTTPConnection):
    """A connection that keeps the deadline, and tells when the body is begun."""

    def __init__(self, exchange: _Exchange, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._exchange = exchange
        exchange.begun = False

    def _new_conn(self) -> socket.socket:
        try:
            return self._exchange.watchdog.connect(self._dns_host, self.port)
        except OSError as error:
            # Not as an OSError: urllib3 forgives a reset while it sends, and would go on without a socket.
            raise NewConnectionError(self, "not connected") from error

    def connect(self) -> None:
        super().connect()
        self._exchange.watchdog.check()

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        # urllib3 ends the headers first and sends the body afterwards. Without their body they are
        # no request, so a loss up to here is a certain "not sent".
        super().endheaders(message_body, encode_chunked=encode_chunked)
        self._exchange.begin_body()


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Adapter(HTTPAdapter):
    """Puts our connections and our TLS context under requests. Retries nothing: its default is 0."""

    def __init__(self, exchange: _Exchange, context: ssl.SSLContext | None) -> None:
        super().__init__()
        self._exchange = exchange
        self._context = context

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        kind = _TlsConnection if pool.scheme == "https" else _Connection
        pool.ConnectionCls = partial(kind, self._exchange)
        return pool

    def build_connection_pool_key_attributes(self, *args: Any, **options: Any) -> tuple[Any, Any]:
        where, how = super().build_connection_pool_key_attributes(*args, **options)
        return where, {**how, "ssl_context": self._context}

    def cert_verify(self, *_: Any) -> None:
        """Nothing: the context verifies, and reading the bundle again would cost its 20 ms each send."""


def _reply(host: str, response: requests.Response, watchdog: Watchdog, most: int) -> Reply:
    try:
        if watchdog.bitten:
            # A cut in the headers looks like their end.
            raise TimeoutError
        body, whole = _read(response, watchdog, most)
    finally:
        response.close()
    return Reply(
        host=host,
        status=response.status_code,
        body=body,
        whole=whole,
        retry_after=_retry_after(response.headers),
    )


def _read(response: requests.Response, watchdog: Watchdog, most: int) -> tuple[bytes, bool]:
    """At most `most` bytes of the body, and whether that is all. Once the status has come, the provider has decided."""
    body = b""
    try:
        # As it comes, so that what has come is not lost with what has not.
        while len(body) <= most and (more := response.raw.read1(BODY_BYTES, decode_content=True)):
            body += more
    except (HTTPError, http.client.HTTPException, OSError):
        return body[:most], False
    return body[:most], len(body) <= most and not watchdog.bitten


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for: a number, or a date measured by the answer's own clock."""
    asked = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,20})?", asked):
        return seconds(float(asked))
    try:
        wait = parsedate_to_datetime(asked).timestamp() - parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None
    return seconds(max(wait, 0.0))


def seconds(asked: float) -> float | None:
    """A wait a provider asked for, 0 to RETRY_AFTER_SECONDS; None when it makes no sense."""
    return min(asked, RETRY_AFTER_SECONDS) if math.isfinite(asked) and asked >= 0 else None


def verdict(reply: Reply, words: str) -> Outcome:
    """The outcome by status alone, for any answer that is not the provider's "taken".

    `words`: what a human should know about a refusal, already redacted.
    A 4xx was not taken. 408 may come from a gateway that had passed the body on, and a 5xx or a
    strange 2xx from after the work was done: Twilio says so of its own 500
    (https://www.twilio.com/docs/api/errors/20500).
    """
    answered = f"{reply.host} answered {reply.status}"
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Outcome(Result.RETRY, f"{answered}: too many requests", reply.retry_after)
    if 300 <= reply.status < 400:  # noqa: PLR2004 the classes of HTTP
        return Outcome(Result.REJECTED, f"{answered}, a redirect, which is never followed: {words}")
    if 400 <= reply.status < 500 and reply.status != HTTPStatus.REQUEST_TIMEOUT:  # noqa: PLR2004
        return Outcome(Result.REJECTED, f"{answered}: {words}")
    return Outcome(Result.UNKNOWN, f"{answered}: it may have arrived", reply.retry_after)


_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ProxyError,), "the proxy failed"),
    ((ssl.SSLCertVerificationError,), "its certificate was not accepted"),
    ((socket.gaierror,), "its name could not be looked up"),
    ((ConnectionRefusedError,), "connection refused"),
    ((TimeoutError,), "timed out"),
    ((ssl.SSLError,), "TLS failed"),
    ((ConnectionError,), "the connection was closed"),
)


def reason(error: BaseException) -> str:
    """Why a connection failed, in words of ours: the exception's own text may hold a URL."""
    causes = tuple(_causes(error))
    for kinds, words in _REASONS:
        if any(isinstance(cause, kinds) for cause in causes):
            return words
    return "the connection was lost"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def host_of(url: str) -> str:
    """The host of `url`, the only part of it that may be shown."""
    try:
        return urlsplit(url).hostname or "the provider"
    except ValueError:
        return "the provider"


def mask_phone(number: str) -> str:
    """Show enough of a phone number to tell which: "+1555*****01"."""
    shown = 5 if len(number) >= 10 else 2  # noqa: PLR2004 a short number would be shown whole
    return number[:shown] + "*" * max(len(number) - shown - 2, 3) + number[-2:]


_URL = re.compile(r"(https?://)([^\s/?#\"'<>]*@)?([^\s/?#\"'<>@]*)[^\s\"'<>]*", re.IGNORECASE)
_EMAIL = re.compile(r"([^\s@<>()\[\]\",;:])[^\s@<>()\[\]\",;:]*@([A-Za-z0-9.-]+)")
_TOKEN = re.compile(r"(?=[A-Za-z_\-+=]*[0-9])[A-Za-z0-9_\-+=]{24,}")
_PHONE = re.compile(r"\+?[0-9](?:[\s().-]{0,2}[0-9]){6,}")


def redact(said: str, *secrets: str) -> str:
    """A provider's own words, safe to pass on: one line, at most SAID_CHARACTERS.

    Of a URL only the host stays, of a mail address the domain, of seven digits or more the ends; any
    long run that may be a token goes, and so does each of `secrets`.
    """
    said = " ".join(printable(said[:4_000]).split())
    for secret in filter(None, secrets):
        said = said.replace(secret, "***")
    said = _URL.sub(r"\1\3/***", said)
    said = _EMAIL.sub(r"\1***@\2", said)
    said = _TOKEN.sub("***", said)
    return cut(_PHONE.sub(lambda found: mask_phone(found[0]), said), SAID_CHARACTERS)


def fit(pieces: Iterable[str], limit: int, measure: Callable[[str], int] = len) -> str:
    """As many whole `pieces` as `limit` holds; a "…" stands for the rest.

    `measure`: what a piece counts. An escape is one piece, and so is never cut in two.
    """
    kept: list[str] = []
    used = whole = 0
    for piece in pieces:
        used += measure(piece)
        if used > limit:
            return "".join(kept[:whole]) + "…"
        kept.append(piece)
        if used < limit:
            whole = len(kept)
    return "".join(kept)
