from __future__ import annotations

import gc
import gzip
import io
import logging
import socket
import ssl
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
import trustme
import urllib3
from urllib3.connection import HTTPConnection

from notifier.channels import wire
from notifier.channels.wire import (
    BODY_BYTES,
    Reply,
    Watchdog,
    Wire,
    fit,
    host_of,
    mask_phone,
    reason,
    redact,
    seconds,
    tls_context,
    verdict,
)
from notifier.core.outcome import Outcome, Result
from notifier.sending import at_once
from tests.channels.support import PHONE, TOKEN, Server, answer, reset, soon

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADERS = {"Content-Type": "application/json"}
BODY = b'{"text": "hello"}'


def post(url: str, deadline: float | None = None, ca_file: str | None = None) -> Reply | Outcome:
    return Wire(ca_file=ca_file).post(url, BODY, deadline=deadline or soon(), headers=HEADERS)


def failed(result: Reply | Outcome) -> Outcome:
    assert isinstance(result, Outcome), result
    return result


def replied(result: Reply | Outcome) -> Reply:
    assert isinstance(result, Reply), result
    return result


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def server_context(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


# What comes back


def test_the_answer_comes_back_with_its_status_and_body() -> None:
    with Server(answer(b"ok")) as server:
        reply = replied(post(server.url))
    assert (reply.status, reply.body, reply.whole, reply.host) == (200, b"ok", True, "127.0.0.1")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /services/{TOKEN} HTTP/1.1\r\n".encode())
    assert body == BODY


def test_every_send_has_its_own_connection() -> None:
    with Server(answer(b"ok")) as server:
        client = Wire()
        for _ in range(2):
            client.post(server.url, BODY, deadline=soon(), headers=HEADERS)
        assert server.accepted == 2


def test_tls_is_verified_against_the_given_authority(authority: trustme.CA, ca_file: str) -> None:
    with Server(answer(b"ok"), tls=server_context(authority)) as server:
        assert replied(post(server.url, ca_file=ca_file)).status == 200


def test_a_certificate_of_an_unknown_authority_is_a_certain_not_sent(authority: trustme.CA) -> None:
    with Server(answer(b"ok"), tls=server_context(authority)) as server:
        outcome = failed(post(server.url))
        assert server.requests == []
    words = "could not connect to 127.0.0.1: its certificate was not accepted"
    assert outcome == Outcome(Result.RETRY, words, elsewhere=True)


def test_who_sends_at_the_same_time_has_the_authorities_read_once(ca_file: str) -> None:
    tasks = [partial(tls_context, ca_file)] * 8
    wire._tls_context.cache_clear()
    assert len(set(at_once(tasks, 10))) == 1


def test_a_certificate_for_another_name_is_not_accepted(authority: trustme.CA, ca_file: str) -> None:
    with Server(answer(b"ok"), tls=server_context(authority, "hooks.example.com")) as server:
        assert failed(post(server.url, ca_file=ca_file)).result is Result.RETRY


def test_what_is_no_tls_is_a_certain_not_sent(ca_file: str) -> None:
    def chatter(_: Server, connection: socket.socket) -> None:
        connection.sendall(b"220 this is not TLS\r\n" * 10)
        connection.recv(65536)

    with Server(chatter, read=False) as server:
        outcome = failed(post(server.url.replace("http:", "https:"), ca_file=ca_file))
    assert outcome == Outcome(Result.RETRY, "could not connect to 127.0.0.1: TLS failed", elsewhere=True)


def test_a_long_body_is_cut_and_said_to_be() -> None:
    """50 MB are offered; they are neither held nor waited for."""
    block = b"x" * 1_000_000

    def flood(_: Server, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _block in range(50):
            connection.sendall(block)

    with Server(flood) as server:
        reply = replied(post(server.url))
    assert (len(reply.body), reply.whole) == (BODY_BYTES, False)


def test_a_compressed_flood_is_cut_too() -> None:
    bomb = gzip.compress(b"x" * 5_000_000)
    with Server(answer(bomb, "200 OK", "Content-Encoding: gzip")) as server:
        reply = replied(post(server.url))
    assert (len(reply.body), reply.whole) == (BODY_BYTES, False)


def test_a_body_in_chunks_is_read() -> None:
    def chunks(_: Server, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n")

    with Server(chunks) as server:
        reply = replied(post(server.url))
    assert (reply.body, reply.whole) == (b"ok", True)


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    """Neither is its body read to the end, which requests does even when told not to follow."""
    with Server(answer(b"")) as other:
        moved = answer(b"x" * 70_000, "302 Found", f"Location: {other.url}")
        with Server(moved) as server:
            reply = replied(post(server.url))
        assert (reply.status, len(reply.body), other.accepted) == (302, BODY_BYTES, 0)


def test_a_body_cut_off_by_the_server_is_not_whole() -> None:
    def half(_: Server, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf")

    with Server(half) as server:
        reply = replied(post(server.url))
    assert (reply.status, reply.body, reply.whole) == (201, b"half", False)


# The deadline


def test_a_body_that_drips_ends_at_the_deadline() -> None:
    def drip(server: Server, connection: socket.socket) -> None:
        server.drip(connection, b"HTTP/1.1 201 Created\r\n\r\n", b"x")

    with Server(drip) as server:
        deadline = soon(0.6)
        reply = replied(post(server.url, deadline))
        late = time.monotonic() - deadline
    assert (reply.status, reply.whole) == (201, False)
    assert late < 0.5


def test_an_end_of_data_after_the_cut_proves_nothing() -> None:
    response = requests.Response()
    response.raw = urllib3.HTTPResponse(io.BytesIO(b"ok"), preload_content=False)
    with Watchdog(soon()) as watchdog:
        watchdog.bitten = True
        assert wire._read(response, watchdog, 64) == (b"ok", False)


def test_headers_that_drip_end_at_the_deadline_as_unknown() -> None:
    """Also when the status has come: headers cut short look like headers, and say something else."""

    def drip(server: Server, connection: socket.socket) -> None:
        server.drip(connection, b"HTTP/1.1 201 Created\r\nX-Slow: ", b"x")

    with Server(drip) as server:
        deadline = soon(0.6)
        outcome = failed(post(server.url, deadline))
        late = time.monotonic() - deadline
    assert outcome.result is Result.UNKNOWN
    assert late < 0.5


def test_headers_that_drip_over_tls_end_at_the_deadline(authority: trustme.CA, ca_file: str) -> None:
    def drip(server: Server, connection: socket.socket) -> None:
        server.drip(connection, b"HTTP/1.1 201 Created\r\nX-Slow: ", b"x")

    with Server(drip, tls=server_context(authority)) as server:
        deadline = soon(0.6)
        outcome = failed(post(server.url, deadline, ca_file))
        late = time.monotonic() - deadline
    assert outcome.result is Result.UNKNOWN
    assert late < 0.5


def test_a_status_that_drips_is_unknown_at_the_deadline() -> None:
    def drip(server: Server, connection: socket.socket) -> None:
        server.drip(connection, b"HTTP/1.1 ", b"2")

    with Server(drip) as server:
        deadline = soon(0.5)
        outcome = failed(post(server.url, deadline))
        late = time.monotonic() - deadline
    assert outcome.result is Result.UNKNOWN
    assert late < 0.5


def test_no_answer_at_all_is_unknown_at_the_deadline() -> None:
    def sleep(server: Server, connection: socket.socket) -> None:
        server.stopped.wait()

    with Server(sleep) as server:
        outcome = failed(post(server.url, soon(0.5)))
    assert outcome == Outcome(Result.UNKNOWN, "no answer from 127.0.0.1: timed out; it may have arrived")


def test_a_tls_handshake_that_never_ends_is_a_certain_not_sent(ca_file: str) -> None:
    def sleep(server: Server, connection: socket.socket) -> None:
        server.stopped.wait()

    with Server(sleep, read=False) as server:
        deadline = soon(0.5)
        outcome = failed(post(server.url.replace("http:", "https:"), deadline, ca_file))
        late = time.monotonic() - deadline
    assert outcome == Outcome(Result.RETRY, "could not connect to 127.0.0.1: timed out", elsewhere=True)
    assert late < 0.5


def test_past_the_deadline_nothing_is_tried() -> None:
    with Server(answer(b"ok")) as server:
        outcome = failed(post(server.url, time.monotonic() - 1))
        assert server.accepted == 0
    assert outcome == Outcome(Result.RETRY, "no time was left to send to 127.0.0.1")


def test_a_name_looked_up_too_late_posts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    deadline = soon(0.3)

    def slow(*args: Any, **options: Any) -> object:
        time.sleep(max(deadline - time.monotonic(), 0) + 0.01)
        return real(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setattr(wire, "_open", lambda *_: pytest.fail("it connected"))
    outcome = failed(post("http://127.0.0.1:1/", deadline))
    assert outcome == Outcome(Result.RETRY, "could not connect to 127.0.0.1: timed out", elsewhere=True)


@pytest.mark.parametrize("step", ["connect", "endheaders"])
def test_when_the_deadline_passes_before_the_body_the_body_is_never_written(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """As if the thread were asleep between that step and the next; the watchdog too."""
    deadline = soon(0.5)
    real: Callable[..., None] = getattr(HTTPConnection, step)

    def slow(self: object, *args: object, **options: object) -> None:
        real(self, *args, **options)
        time.sleep(max(deadline - time.monotonic(), 0) + 0.01)

    monkeypatch.setattr(HTTPConnection, step, slow)
    monkeypatch.setattr(Watchdog, "_bite", lambda self: None)
    with Server(answer(b"ok")) as server:
        outcome = failed(post(server.url, deadline))
        server.done.wait()
    assert outcome.result is Result.RETRY
    written = b"".join(server.requests)
    # Not even the headers, with the password in them, when it had passed before those.
    assert written == b"" if step == "connect" else written.endswith(b"\r\n\r\n")


def test_no_thread_outlives_a_send() -> None:
    before = threading.active_count()
    with Server(answer(b"ok")) as server:
        post(server.url)
        assert threading.active_count() == before + 1  # the server's
    assert threading.active_count() == before


def test_a_connection_made_too_late_for_the_watchdog_is_cut_at_once() -> None:
    started = time.monotonic()
    with Server(answer(b"ok")) as server, Watchdog(soon(5)) as watchdog:
        watchdog._bite()
        with watchdog.connect("127.0.0.1", server.port) as connection:
            assert connection.recv(1) == b""
    assert time.monotonic() - started < 1


def test_to_cut_what_is_already_gone_is_no_error() -> None:
    with socket.socket() as never_connected:
        wire._shut(never_connected)


# Whether anything can have arrived


def test_a_refused_connection_is_a_certain_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = failed(post(f"http://127.0.0.1:{port}/services/{TOKEN}"))
    assert outcome == Outcome(Result.RETRY, "could not connect to 127.0.0.1: connection refused", elsewhere=True)


@pytest.mark.parametrize("host", ["nowhere.invalid", "x" * 70 + ".example"])
def test_an_unknown_name_is_a_certain_not_sent(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def offline(name: str, *args: Any, **options: Any) -> object:
        if name == "nowhere.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return real(name, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    outcome = failed(post(f"http://{host}/{TOKEN}"))
    assert outcome.result in {Result.RETRY, Result.REJECTED}
    assert TOKEN not in outcome.detail


def test_an_unencodable_name_is_not_found() -> None:
    with Watchdog(soon()) as watchdog, pytest.raises(socket.gaierror):
        watchdog.connect("x" * 70 + ".example", 80)


def test_a_name_without_addresses_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    outcome = failed(post("http://127.0.0.1:1/"))
    words = "could not connect to 127.0.0.1: its name could not be looked up"
    assert outcome == Outcome(Result.RETRY, words, elsewhere=True)


def test_a_dead_address_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = listener.getsockname()[1]

    def both(host: str, port: int, **options: int) -> list[object]:
        return [*real(host, dead, type=socket.SOCK_STREAM), *real(host, port, type=socket.SOCK_STREAM)]

    with Server(answer(b"ok")) as server:
        monkeypatch.setattr(socket, "getaddrinfo", both)
        assert replied(post(server.url)).status == 200


def test_each_address_gets_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []

    def dead(*address: Any) -> socket.socket:
        shares.append(address[-1])
        raise TimeoutError

    monkeypatch.setattr(wire, "_open", dead)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ())] * 4)
    with Watchdog(soon(8)) as watchdog, pytest.raises(TimeoutError):
        watchdog.connect("hooks.example.com", 443)
    assert [round(share) for share in shares] == [2, 3, 4, 8]


def test_a_reset_after_the_body_is_unknown() -> None:
    with Server(lambda _, connection: reset(connection)) as server:
        outcome = failed(post(server.url))
    assert outcome == Outcome(
        Result.UNKNOWN, "no answer from 127.0.0.1: the connection was closed; it may have arrived"
    )


def test_a_close_after_the_body_is_unknown() -> None:
    with Server(lambda _, connection: connection.close()) as server:
        assert failed(post(server.url)).result is Result.UNKNOWN


def test_a_reset_before_the_headers_is_a_certain_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Watchdog.connect
    with Server(lambda _, connection: reset(connection), read=False) as server:

        def connect_then_wait(self: Watchdog, host: str, port: int) -> socket.socket:
            connection = real(self, host, port)
            server.done.wait(1)
            return connection

        monkeypatch.setattr(Watchdog, "connect", connect_then_wait)
        outcome = failed(post(server.url))
    assert outcome.result is Result.RETRY


# CPython 3.11 leaves its half-made SSLSocket to the garbage collector when the reset is there before the handshake.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_a_reset_in_the_tls_handshake_is_a_certain_not_sent(ca_file: str) -> None:
    with Server(lambda _, connection: reset(connection), read=False) as server:
        outcome = failed(post(server.url.replace("http:", "https:"), ca_file=ca_file))
    assert outcome.result is Result.RETRY
    gc.collect()  # here, where it is known, and not in the middle of another test


def test_what_is_no_http_is_unknown() -> None:
    with Server(lambda _, connection: connection.sendall(b"SSH-2.0-x\r\n\r\n")) as server:
        assert failed(post(server.url)).result is Result.UNKNOWN


def test_were_our_connection_bypassed_a_loss_would_count_as_unknown() -> None:
    with responses.RequestsMock() as mocked:
        mocked.post("https://hooks.example.com/x", body=requests.ConnectionError("lost"))
        assert failed(post("https://hooks.example.com/x")).result is Result.UNKNOWN


# The address, the environment


@pytest.mark.parametrize("url", ["", "hooks.example.com/x", "ftp://hooks.example.com/x", "https:///x", "http://[::1/x"])
def test_what_is_no_address_is_rejected_and_another_provider_may_have_one(url: str) -> None:
    outcome = failed(post(url))
    assert (outcome.result, outcome.elsewhere) == (Result.REJECTED, True)


def test_netrc_adds_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Server(answer(b"ok")) as server:
        post(server.url)
    assert b"authorization" not in server.requests[0].lower()


def test_given_credentials_go_out_as_basic_auth() -> None:
    with Server(answer(b"ok")) as server:
        Wire().post(server.url, BODY, deadline=soon(), headers=HEADERS, auth=("user", "pässword"))
    assert b"Authorization: Basic dXNlcjpww6Rzc3dvcmQ=" in server.requests[0]


def test_plain_http_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(answer(b"proxied")) as proxy, Server(answer(b"ok")) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        post(server.url)
        assert (proxy.accepted, server.accepted) == (0, 1)


def test_https_is_tunnelled_and_a_proxy_that_refuses_is_a_certain_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bytes] = []

    def refuse(_: Server, connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    with Server(refuse, read=False) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        outcome = failed(post(f"https://hooks.example.com/{TOKEN}"))
    assert seen[0].startswith(b"CONNECT hooks.example.com:443 ")
    assert TOKEN.encode() not in seen[0]
    words = "could not connect to hooks.example.com: the proxy failed"
    assert outcome == Outcome(Result.RETRY, words, elsewhere=True)


def test_the_url_never_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    malformed = answer(b"ok", "200 OK", "no colon here", "X: y")
    with Server(malformed) as server:
        post(server.url)
    assert TOKEN not in caplog.text


# Retry-After


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        (["Retry-After: 7"], 7.0),
        (["Retry-After: 0.35"], 0.35),
        (["Retry-After: 999999"], 3600.0),
        (["Retry-After: -5"], None),
        (["Retry-After: inf"], None),
        (["Retry-After: 1e3"], None),
        (["Retry-After: soon"], None),
        ([], None),
        (["Date: Sat, 31 Jan 2026 03:00:00 GMT", "Retry-After: Sat, 31 Jan 2026 03:00:42 GMT"], 42.0),
        (["Date: Sat, 31 Jan 2026 03:00:00 GMT", "Retry-After: Sat, 31 Jan 2026 02:00:00 GMT"], 0.0),
        (["Retry-After: Sat, 31 Jan 2026 03:00:42 GMT"], None),
        (["Date: Sat, 31 Jan 2026 03:00:00 GMT", "Retry-After: Sat, 31 Jan 99999999999 03:00:42 GMT"], None),
    ],
)
def test_retry_after_is_read_as_seconds_or_by_the_answers_own_clock(headers: list[str], wait: float | None) -> None:
    with Server(answer(b"", "429 Too Many Requests", *headers)) as server:
        assert replied(post(server.url)).retry_after == wait


@pytest.mark.parametrize(("asked", "wait"), [(1.5, 1.5), (float("inf"), None), (float("nan"), None), (-1, None)])
def test_a_wait_is_finite_and_not_negative(asked: float, wait: float | None) -> None:
    assert seconds(asked) == wait


# The verdict by status


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, Result.UNKNOWN),
        (302, Result.REJECTED),
        (400, Result.REJECTED),
        (404, Result.REJECTED),
        (408, Result.UNKNOWN),
        (429, Result.RETRY),
        (499, Result.REJECTED),
        (500, Result.UNKNOWN),
        (503, Result.UNKNOWN),
        (103, Result.UNKNOWN),
    ],
)
def test_a_status_alone_has_a_verdict(status: int, result: Result) -> None:
    outcome = verdict(Reply(host="hooks.example.com", status=status, retry_after=3), "words")
    assert outcome.result is result
    assert f"hooks.example.com answered {status}" in outcome.detail
    assert outcome.retry_after == (None if result is Result.REJECTED else 3)


# Words


def test_an_error_nobody_knows_still_has_words() -> None:
    assert reason(RuntimeError("https://hooks.example.com/secret")) == "the connection was lost"


def test_a_loop_of_causes_ends() -> None:
    error = RuntimeError()
    error.__cause__ = error
    assert reason(error) == "the connection was lost"


@pytest.mark.parametrize(
    ("number", "masked"),
    [(PHONE, "+1555*****01"), ("+4412345", "+4****45"), ("112", "11***12")],
)
def test_a_phone_number_shows_its_ends_only(number: str, masked: str) -> None:
    assert mask_phone(number) == masked


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"The 'To' number {PHONE} is not valid.", "The 'To' number +1555*****01 is not valid."),
        ("call (555) 555-0101 now", "call (555) ******01 now"),
        ("To=%2B15555550101", "To=%2B15555****01"),
        ("see https://user:pw@hooks.example.com/services/T0/B0?x=1 now", "see https://hooks.example.com/*** now"),
        ("mail to oncall@example.com bounced", "mail to o***@example.com bounced"),
        (f"token {TOKEN}9 is bad", "token *** is bad"),
        ("posting_to_general_channel_denied", "posting_to_general_channel_denied"),
        ("it was s3cret", "it was ***"),
        ("two\r\nlines\x00", "two lines"),
        ("code 21211, status 400", "code 21211, status 400"),
    ],
)
def test_a_providers_words_are_redacted(said: str, shown: str) -> None:
    assert redact(said, "s3cret", "") == shown


def test_a_providers_words_are_cut() -> None:
    assert len(redact("word " * 1_000)) == 200


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://hooks.example.com/services/x", "hooks.example.com"),
        ("https://user:pw@hooks.example.com:8443/", "hooks.example.com"),
        ("nonsense", "the provider"),
        ("http://[::1", "the provider"),
    ],
)
def test_only_the_host_of_a_url_is_shown(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("limit", "fitted"), [(9, "a&amp;bcd"), (8, "a&amp;b…"), (7, "a&amp;…"), (6, "a…"), (2, "a…"), (1, "…")]
)
def test_a_text_is_cut_between_pieces_only(limit: int, fitted: str) -> None:
    assert fit(["a", "&amp;", "b", "c", "d"], limit) == fitted


# Asking


def get(url: str, deadline: float | None = None, most: int = BODY_BYTES) -> Reply | Outcome:
    return Wire().get(url, deadline=deadline or soon(), headers={"Accept": "application/json"}, most=most)


def test_a_get_has_no_body_and_says_what_it_accepts() -> None:
    with Server(answer(b"[]")) as server:
        reply = replied(Wire().get(server.url, deadline=soon(), headers={"Accept": "a/b"}, auth=("user", "key")))
    assert (reply.status, reply.body, reply.whole) == (200, b"[]", True)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"GET /services/{TOKEN} HTTP/1.1\r\n".encode())
    assert b"\r\nAccept: a/b" in head
    assert b"\r\nAuthorization: Basic dXNlcjprZXk=" in head
    assert b"Content-Length" not in head
    assert body == b""


@pytest.mark.parametrize(("size", "whole"), [(100_000, True), (100_001, False)])
def test_a_get_reads_as_much_as_it_was_told(size: int, *, whole: bool) -> None:
    with Server(answer(b"x" * size)) as server:
        reply = replied(get(server.url, most=100_000))
    assert (len(reply.body), reply.whole) == (100_000, whole)


def test_a_get_that_is_cut_off_is_not_whole() -> None:
    def half(_: Server, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1, 2")

    with Server(half) as server:
        assert not replied(get(server.url)).whole


def test_a_get_that_drips_ends_at_the_deadline() -> None:
    def drip(server: Server, connection: socket.socket) -> None:
        server.drip(connection, b"HTTP/1.1 200 OK\r\n\r\n", b"x")

    with Server(drip) as server:
        deadline = soon(0.4)
        assert not replied(get(server.url, deadline)).whole
        assert time.monotonic() - deadline < 0.5


def test_a_get_follows_no_redirect() -> None:
    with Server(answer(b"")) as other, Server(answer(b"", "302 Found", f"Location: {other.url}")) as server:
        assert replied(get(server.url)).status == 302
        assert other.accepted == 0


def test_a_get_without_an_answer_says_why_and_of_no_arrival() -> None:
    with Server(lambda _, connection: reset(connection)) as server:
        outcome = failed(get(server.url))
    assert (outcome.result, outcome.detail) == (
        Result.UNKNOWN,
        "no answer from 127.0.0.1: the connection was closed",
    )


def test_a_get_past_its_deadline_asks_nobody() -> None:
    with Server(answer(b"")) as server:
        assert failed(get(server.url, soon(-1))).result is Result.RETRY
        assert server.accepted == 0
