"""What the channel tests share: a message, and servers on 127.0.0.1 that misbehave on purpose."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from notifier.core.alert import Severity
from notifier.core.incident import Kind
from notifier.core.message import Message

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

TOKEN = "xoxb-not-a-real-token-0000-1111"
PHONE = "+15555550101"


def make_message(**changes: Any) -> Message:
    fields: dict[str, Any] = {
        "delivery": "opened/slack",
        "incident": "00112233445566778899aabbccddeeff",
        "generation": 1,
        "kind": Kind.OPENED,
        "severity": Severity.CRITICAL,
        "headline": "CRITICAL: Database unreachable",
        "body": "No connection for 5 minutes.",
        "facts": (("Since", "2026-01-31 03:12 UTC"), ("Project", "shop")),
        "url": "https://console.example.com/alerts/1?project=shop&x=1",
        "ref": "7F3K",
        "sms": "CRITICAL: Database unreachable #7F3K",
        "phone": 0,
    }
    return Message(**{**fields, **changes})


def soon(seconds: float = 10) -> float:
    """A deadline so many seconds ahead."""
    return time.monotonic() + seconds


def reset(connection: socket.socket) -> None:
    """Close with a RST, as a crashed machine or a firewall does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def drip(stopped: threading.Event, connection: socket.socket, first: bytes, byte: bytes, *, every: float) -> None:
    """Send `first`, then `byte` every so many seconds, until it is stopped or somebody hangs up."""
    connection.sendall(first)
    while not stopped.wait(every):
        connection.sendall(byte)


def parts_of_request(connection: socket.socket) -> Iterator[bytes]:
    """An HTTP request as it comes, up to its end. Raises ConnectionError when that does not come."""
    request = b""
    wanted = None
    while wanted is None or len(request) < wanted:
        data = connection.recv(65536)
        if not data:
            raise ConnectionError
        yield data
        request += data
        head, end, _ = request.partition(b"\r\n\r\n")
        if end and wanted is None:
            lengths = [
                line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
            ]
            wanted = len(head) + 4 + int(lengths[0] if lengths else 0)


def answer(body: bytes, status: str = "200 OK", *headers: str) -> Callable[[object, socket.socket], None]:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]

    def run(_: object, connection: socket.socket) -> None:
        connection.sendall("\r\n".join(lines).encode() + body)

    return run


class Server:
    """Takes connections, keeps every byte of each HTTP request, and lets `run` answer."""

    def __init__(
        self, run: Callable[[Server, socket.socket], None], *, read: bool = True, tls: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[bytes] = []
        self.accepted = 0
        self.done = threading.Event()
        self.stopped = threading.Event()
        self._run = run
        self._read = read
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}/services/{TOKEN}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def drip(self, connection: socket.socket, first: bytes, byte: bytes) -> None:
        """Send `first`, then `byte` every 20 ms until somebody hangs up."""
        drip(self.stopped, connection, first, byte, every=0.02)

    def _serve(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            with connection, suppress(OSError):
                connection.settimeout(5)
                if self._tls:
                    with self._tls.wrap_socket(connection, server_side=True) as secured:
                        self._handle(secured)
                else:
                    self._handle(connection)
            self.done.set()

    def _handle(self, connection: socket.socket) -> None:
        if self._read:
            self.requests.append(b"")
            for part in parts_of_request(connection):
                self.requests[-1] += part
        self._run(self, connection)
