"""The function as it is deployed: functions-framework and gunicorn, over a real socket."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from notifier.auth import AcknowledgeLinks
from notifier.core.incident import incident_key
from tests.web.pager import ROOT, TOKEN, basic, sample

PUBLIC_URL = "https://pager.example.com"
LARGE = 10 * 1_048_576
HEADERS = {"Authorization": basic("cloud-monitoring", TOKEN)}
STRANGER = {"Authorization": basic("somebody", "wrong-token-of-somebody")}


class Served:
    """A process that serves the function."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        chunked: bool = False,
        headers: dict[str, str] = HEADERS,
        timeout: float = 30,
    ) -> tuple[HTTPResponse, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        connection.request(method, path, body=body, headers=headers, encode_chunked=chunked)
        answer = connection.getresponse()
        said = json.loads(answer.read() or b"null")
        connection.close()
        return answer, said

    def send(self, raw: bytes) -> bytes:
        """Send `raw`, then no more; what is answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "FUNCTION_TARGET": "notify",
        "FUNCTION_SOURCE": str(ROOT / "main.py"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "THREADS": "4",
        "WEBHOOK_TOKEN": TOKEN,
        "PUBLIC_URL": PUBLIC_URL,
        "SIMULATE": "1",
        "STATE": f"sqlite:{folder / 'state.sqlite'}",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", "from functions_framework._cli import _cli; _cli()"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, text=True
        )
        try:
            wait_for(process, port)
            yield Served(process, port, folder / "log")
        finally:
            process.terminate()
            process.wait(30)


def wait_for(process: subprocess.Popen[str], port: int) -> None:
    """Until the port is listened on; connecting is what takes the time."""
    while process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError(f"the process ended with {process.returncode}")


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // 65_536):
        yield b" " * 65_536


def test_an_alert_over_the_wire_is_stored_and_answered(served: Served) -> None:
    answer, said = served.ask("POST", "/", sample("cloud_monitoring_open"))
    assert answer.status == 200
    assert said["incidents"][0]["deliveries"]["opened/sms/0/1"] == "sent"


def test_a_chunked_alert_is_taken(served: Served) -> None:
    answer, said = served.ask("POST", "/", iter([b'{"title": ', b'"Disk"}']), chunked=True)
    assert answer.status == 200
    assert said["incidents"][0]["severity"] == "warning"


@pytest.mark.parametrize("chunked", [False, True], ids=["length given", "chunked"])
def test_413_reaches_the_sender_of_ten_megabytes(served: Served, *, chunked: bool) -> None:
    answer, said = served.ask("POST", "/", pieces(LARGE) if chunked else b" " * LARGE, chunked=chunked)
    assert answer.status == 413
    assert said == {"error": "expected at most 1048576 bytes"}


def test_404_reaches_the_sender_of_a_megabyte(served: Served) -> None:
    answer, _ = served.ask("POST", "/other", pieces(1_000_000), chunked=True)
    assert answer.status == 404


def head(*more: str, headers: dict[str, str] = HEADERS) -> bytes:
    lines = ["POST / HTTP/1.1", "Host: 127.0.0.1", f"Authorization: {headers['Authorization']}", *more, "", ""]
    return "\r\n".join(lines).encode()


BROKEN_OFF = {
    "in the middle": head("Content-Length: 900") + b'{"title": "Da',
    "before the body": head("Content-Length: 900"),
    "in a chunk": head("Transfer-Encoding: chunked") + b'ff\r\n{"title": "Da',
    "no chunk": head("Transfer-Encoding: chunked") + b'zz\r\n{"title": "Da"}\r\n0\r\n\r\n',
}


@pytest.mark.parametrize("request_bytes", BROKEN_OFF.values(), ids=BROKEN_OFF.keys())
def test_a_request_that_breaks_off_is_refused_and_told_to_nobody(served: Served, request_bytes: bytes) -> None:
    before = len(served.log.read_text())
    answer = served.send(request_bytes)
    assert not answer or answer.startswith(b"HTTP/1.1 400")
    logged = served.log.read_text()[before:]
    assert "could not read" not in logged
    assert "our own mistake" not in logged


def test_401_reaches_a_stranger_with_a_hundred_kilobytes(served: Served) -> None:
    answer, said = served.ask("POST", "/", b" " * 100_000, headers=STRANGER)
    assert answer.status == 401
    assert said["error"].startswith("expected WEBHOOK_TOKEN")


class Dripping:
    """A sender whose body comes byte by byte, without an end, whatever is answered."""

    def __init__(self, port: int, request_head: bytes, drops: bytes = b" ", every: float = 0.2) -> None:
        self._drops = drops
        self._every = every
        self._enough = threading.Event()
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._connection.sendall(request_head)
        self._thread = threading.Thread(target=self._drip)
        self._thread.start()

    def _drip(self) -> None:
        with suppress(OSError):
            while not self._enough.wait(self._every):
                self._connection.sendall(self._drops)

    def answered(self) -> bytes:
        """All that comes back, to the end of the connection."""
        answer = b""
        with suppress(ConnectionError):
            while piece := self._connection.recv(65_536):
                answer += piece
        return answer

    def stop(self) -> None:
        self._enough.set()
        self._thread.join()
        self._connection.close()


@pytest.fixture
def dripping(served: Served) -> Iterator[Callable[..., Dripping]]:
    """Starts senders, and ends them."""
    with ExitStack() as ends:

        def start(*arguments: Any, **options: Any) -> Dripping:
            sender = Dripping(served.port, *arguments, **options)
            ends.callback(sender.stop)
            return sender

        yield start


LONG = {"length given": ["Content-Length: 500000"], "chunked": ["Transfer-Encoding: chunked", "", "7a120"]}


@pytest.mark.parametrize("long", LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/health", None), ("POST", "/", b'{"title": "Disk"}')],
    ids=["health", "an alert"],
)
def test_dripping_strangers_delay_nobody(
    served: Served, dripping: Callable[..., Dripping], long: list[str], method: str, path: str, body: bytes | None
) -> None:
    for _ in range(8):
        dripping(head(*long, headers=STRANGER))
    begun = time.monotonic()
    answer, _ = served.ask(method, path, body, timeout=5)
    assert answer.status == 200
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("path", ["/robots.txt", "/favicon.ico"])
def test_strangers_at_the_frameworks_own_paths_delay_nobody(
    served: Served, dripping: Callable[..., Dripping], path: str
) -> None:
    for _ in range(8):
        dripping(head("Content-Length: 500000", headers=STRANGER).replace(b"POST / ", f"POST {path} ".encode()))
    begun = time.monotonic()
    answer, _ = served.ask("GET", "/health", None, timeout=5)
    assert answer.status == 200
    assert time.monotonic() - begun < 2
    assert served.ask("GET", path, None)[0].status == 404


def test_a_dripping_stranger_is_answered_and_cut(served: Served, dripping: Callable[..., Dripping]) -> None:
    begun = time.monotonic()
    answer = dripping(head("Content-Length: 500000", headers=STRANGER)).answered()
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"expected WEBHOOK_TOKEN" in answer
    assert time.monotonic() - begun < 1.5


def test_the_rest_of_a_body_is_never_the_next_request(dripping: Callable[..., Dripping]) -> None:
    smuggled = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = dripping(head("Content-Length: 2000000", headers=STRANGER), smuggled, 0.0005).answered()
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("long", LONG.values(), ids=LONG.keys())
def test_a_dripping_alert_is_408_stored_nowhere_and_told_to_nobody(
    served: Served, dripping: Callable[..., Dripping], long: list[str]
) -> None:
    before = len(served.log.read_text())
    begun = time.monotonic()
    answer = dripping(head(*long), b'{"title": "Dripped"}').answered()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'{"error":"expected all of the body within 2 seconds"}' in answer
    assert 1.5 < time.monotonic() - begun < 3.5
    (line,) = served.log.read_text()[before:].splitlines()
    assert "WARNING" in line
    assert "a body that was not all here after 2 s was refused" in line
    assert not any(b"Dripped" in file.read_bytes() for file in served.log.parent.glob("state.sqlite*"))


def test_a_dripping_form_is_answered_with_the_page_and_acknowledges_nothing(
    served: Served, dripping: Callable[..., Dripping]
) -> None:
    served.ask("POST", "/", b'{"id": "dripped", "title": "Disk"}')
    links = AcknowledgeLinks(webhook_token=TOKEN, public_url=PUBLIC_URL)
    path = links.url(incident_key("plain", "dripped"), 1, "slack").removeprefix(PUBLIC_URL)
    request_head = head("Content-Length: 500000", headers=STRANGER).replace(b"POST / ", f"POST {path} ".encode())
    answer = dripping(request_head, b"name=").answered()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"<h1>Not acknowledged</h1>" in answer
    _, said = served.ask("POST", "/", b'{"id": "dripped", "title": "Disk"}')
    assert said["incidents"][0]["state"] == "open"


def test_an_alert_in_two_parts_a_second_apart_is_taken(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(head("Content-Length: 17", "Connection: close") + b'{"title": ')
        time.sleep(1)
        connection.sendall(b'"Disk"}')
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")


def test_a_kept_connection_is_kept_after_a_body_that_was_read(served: Served) -> None:
    connection = HTTPConnection("127.0.0.1", served.port, timeout=30)
    with closing(connection):
        connection.connect()
        first = connection.sock
        for headers, status in ((HEADERS, 200), (STRANGER, 401), (HEADERS, 200)):
            connection.request("POST", "/", body=b"{}", headers=headers)
            with connection.getresponse() as answer:
                answer.read()
            assert answer.status == status
        assert connection.sock is first


# What the process writes, on both its outputs: ours, functions-framework's and gunicorn's

MARK = "marked-secret-that-nobody-may-log"
SHOWN: dict[str, bytes] = {
    "in the query": head(headers={"Authorization": "x"}).replace(b"POST / ", f"POST /?auth_token={MARK} ".encode()),
    "in the query of no path": f"GET /none?auth_token={MARK} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "in the query of the framework's path": f"GET /robots.txt?a={MARK} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "as a password": head("Content-Length: 0", headers={"Authorization": basic("cloud-monitoring", MARK)}),
    "as a bearer token": head("Content-Length: 0", headers={"Authorization": f"Bearer {MARK}"}),
    "as an identity": head("Content-Length: 0", headers={"Authorization": f"Bearer {MARK}.{MARK}.{MARK}"}),
    "as a signature": head("Content-Length: 1", f"X-Twilio-Signature: {MARK}").replace(b"/ ", b"/twilio/sms ") + b"x",
    "in a link": f"GET /a/{MARK} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "in a link that is posted": f"POST /a/{MARK} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode(),
    "in a path": f"GET /{MARK} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "in a cookie": head("Content-Length: 0", f"Cookie: status={MARK}"),
    "with a header that is none": head(f"Authorization {MARK}").replace(b"POST / ", f"POST /?a={MARK} ".encode()),
    "in a header's name": head(f"{MARK} : x"),
    "in a header with a NUL": head(f"X-A: \0{MARK}"),
    "in the version": f"GET /?auth_token={MARK} HTTP/9.{MARK}\r\n\r\n".encode(),
    "in the method": f"{MARK} / HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "in a line that is no HTTP": f"{MARK}\r\n\r\n".encode(),
    "in a length": head(f"Content-Length: {MARK}"),
    "in a coding": head(f"Transfer-Encoding: {MARK}"),
    "in a chunk's size": head("Transfer-Encoding: chunked") + f"{MARK}\r\n".encode(),
    "with two lengths": head("Content-Length: 1", "Content-Length: 2").replace(b"/ ", f"/?a={MARK} ".encode()),
    "to a proxy": f"CONNECT {MARK}.example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "for somebody else": f"GET http://user:{MARK}@a.example/?auth_token={MARK} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "before it hangs up": head("Content-Length: 900").replace(b"/ ", f"/?auth_token={MARK} ".encode()),
}


@pytest.mark.parametrize("request_bytes", SHOWN.values(), ids=SHOWN.keys())
def test_no_secret_of_a_request_is_written_to_the_log_of_the_process(served: Served, request_bytes: bytes) -> None:
    assert MARK.encode() in request_bytes or basic("cloud-monitoring", MARK).encode() in request_bytes
    answer = served.send(request_bytes)
    # Whatever is written of it is there when the next request is answered.
    assert served.ask("POST", "/", b"?")[0].status == 400
    assert "an alert we could not read" in served.log.read_text()
    assert MARK not in served.log.read_text()
    assert not answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("query", ["", f"auth_token={TOKEN}"], ids=["basic", "query"])
def test_the_token_itself_is_written_to_no_log(served: Served, query: str) -> None:
    headers = {} if query else HEADERS
    answer, said = served.ask(
        "POST", f"/?{query}", b'{"id": "logged%d", "title": "Disk"}' % len(query), headers=headers
    )
    assert (answer.status, said["incidents"][0]["state"]) == (200, "open")
    links = AcknowledgeLinks(webhook_token=TOKEN, public_url=PUBLIC_URL)
    path = links.url(incident_key("plain", f"logged{len(query)}"), 1, "slack").removeprefix(PUBLIC_URL)
    for method in (b"GET", b"POST"):
        page = served.send(method + b" %s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" % path.encode())
        assert page.startswith(b"HTTP/1.1 200")
    log = served.log.read_text()
    assert "Disk" in log
    assert TOKEN not in log
    assert HEADERS["Authorization"].removeprefix("Basic ") not in log
    # The simulated channels write what they would send, and that has the link; nothing else does.
    assert [line for line in log.splitlines() if path in line and "would send this" not in line] == []


@pytest.mark.parametrize(
    ("query", "status"),
    [(b"\xff", 400), (b"auth_token=\xff", 400), (b"auth_token=%ff", 401), (b"%ff=%ff", 401), (b"%", 401)],
)
def test_a_query_of_any_bytes_is_refused(served: Served, query: bytes, status: int) -> None:
    """Gunicorn takes no letters but ASCII's; not every server is so strict."""
    answer = served.send(head("Content-Length: 0", headers=STRANGER).replace(b"POST / ", b"POST /?%s " % query))
    assert answer.startswith(b"HTTP/1.1 %d" % status)


@pytest.mark.parametrize(
    "target", ["/", "/tick", "/health", "/a/x", "/twilio/sms", "a.example:443", "http://a.example/"]
)
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "TRACK", "PROPFIND"])
def test_a_method_that_echoes_or_tunnels_is_refused(served: Served, method: str, target: str) -> None:
    answer = served.send(f"{method} {target} HTTP/1.1\r\nHost: a\r\nX-Mine: {MARK}\r\n\r\n".encode())
    assert re.match(rb"HTTP/1.1 (400|404|405) ", answer)
    assert MARK.encode() not in answer


def test_health_over_the_wire(served: Served) -> None:
    answer, said = served.ask("GET", "/health")
    assert (answer.status, said) == (200, {"status": "ok"})
