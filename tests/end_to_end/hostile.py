"""Servers that fail in every way a provider or the store can: a table of names, and what each does with a connection.

Each stands in for a provider's server or the store's for as long as the fault lasts: `Fault.begin` and `Fault.end` on
the proxy before it.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trustme

from tests.channels.support import answer, drip, parts_of_request, reset
from tests.stores.proxy import Meeting, Proxy, connected, pass_on

if TYPE_CHECKING:
    from collections.abc import Callable

DRIP_SECONDS = 0.5
RETRY_AFTER_SECONDS = 120
FLOOD_BYTES = 50_000_000
NOISE = bytes(range(128, 256)) * 16
"""Neither HTTP nor SMTP nor gRPC, nor text of any kind."""
NO_TLS = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nThis port speaks no TLS.\r\n"
TLS_ALERT = bytes.fromhex("15030300020228")
"""A handshake failure, in TLS 1.2's words."""


@dataclass(frozen=True)
class Fault:
    """One way to fail."""

    meetings: Mapping[str, Meeting]
    """What becomes of a connection, by what it speaks: http, smtp, grpc. What is not there cannot fail so."""
    secured: bool = True
    """Whether the TLS handshake comes first."""
    silent: bool = False
    """Whether connections that are there already hear nothing any more; else they are cut, as when it is over."""
    refuses: bool = False

    def begin(self, proxy: Proxy, speaks: str) -> None:
        """Let what stands behind `proxy` fail so."""
        if self.refuses:
            proxy.refuse()
        else:
            proxy.meet(self.meetings[speaks], secured=self.secured)
        if self.silent:
            proxy.lose_answers()
        else:
            proxy.cut()

    def end(self, proxy: Proxy) -> None:
        """What stands behind `proxy` is well again; nobody is told of a connection that had gone silent."""
        proxy.meet(pass_on)
        if not self.silent:
            proxy.cut()


def faults(elsewhere: str, broken: str, overloaded: str) -> dict[str, Fault]:
    """All faults, by name.

    `elsewhere`: host:port to which redirects lead. `broken`, `overloaded`: host:port of a Firestore that answers each
    call with INTERNAL, and of one that does with RESOURCE_EXHAUSTED.
    """
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(stranger)
    moved = f"Location: http://{elsewhere}/"
    return {
        "refused": Fault(_all(hang), refuses=True),
        "black hole": Fault(_all(hang), secured=False, silent=True),
        "no answer": Fault(_after(hang)),
        "slow headers": Fault(
            {"http": _read(_slow(b"HTTP/1.1 200 OK\r\nX-Slow: ")), "smtp": _slow(b"220-"), "grpc": _slow(b"\0")}
        ),
        "slow body": Fault({"http": _good(_slow_body), "smtp": _mailed(_slow(b"250-"))}),
        "reset at once": Fault(_all(_reset), secured=False),
        "reset after the request": Fault({**_after(_reset), "grpc": _heard(_reset)}),
        "500": Fault(
            {
                "http": _read(answer(b"", "500 Internal Server Error")),
                "smtp": _say(b"554 no service here\r\n"),
                "grpc": partial(pass_on, to=broken),
            }
        ),
        "429": Fault(
            {
                "http": _read(answer(b"", "429 Too Many Requests")),
                "smtp": _say(b"421 too busy\r\n"),
                "grpc": partial(pass_on, to=overloaded),
            }
        ),
        "429, Retry-After": Fault(
            {"http": _read(answer(b"", "429 Too Many Requests", f"Retry-After: {RETRY_AFTER_SECONDS}"))}
        ),
        "garbage": Fault({"http": _read(_say(NOISE)), "smtp": _say(NOISE + b"\r\n"), "grpc": _say(NOISE)}),
        "garbage body": Fault({"http": _good(_garbage_body), "smtp": _mailed(_say(NOISE + b"\r\n"))}),
        "50 MB": Fault({"http": _good(_large_body), "smtp": _flood(b"220-"), "grpc": _flood(b"")}),
        "untrusted certificate": Fault(
            {"http": _in_between(stranger), "smtp": _in_between(stranger)},
            secured=False,
        ),
        "no TLS": Fault(
            {"http": _say(NO_TLS), "smtp": _say(b"220 plain words\r\n"), "grpc": _heard(_say(TLS_ALERT))}, secured=False
        ),
        "307": Fault(
            {
                "http": _read(answer(b"", "307 Temporary Redirect", moved)),
                "smtp": _mailed(_say(f"551 User not local; please try <oncall@[{elsewhere}]>\r\n".encode())),
                "grpc": _heard(answer(b"", "307 Temporary Redirect", moved)),
            }
        ),
        "302": Fault({"http": _read(answer(b"", "302 Found", moved))}),
        "taken, then no answer": Fault({"http": _taken(hang)}),
        "taken, then reset": Fault({"http": _taken(_reset)}),
        "taken, then 500": Fault({"http": _taken(answer(b"", "500 Internal Server Error"))}),
    }


def _all(meeting: Meeting) -> dict[str, Meeting]:
    return dict.fromkeys(("http", "smtp", "grpc"), meeting)


def _after(meeting: Meeting) -> dict[str, Meeting]:
    """When all that was to be said has been read."""
    return {"http": _read(meeting), "smtp": _mailed(meeting)}


def hang(_: Proxy, connection: socket.socket) -> None:
    """Hear everything, and say nothing."""
    while connection.recv(65_536):
        pass


def _reset(_: Proxy, connection: socket.socket) -> None:
    reset(connection)


def _say(words: bytes) -> Meeting:
    def say(_: Proxy, connection: socket.socket) -> None:
        connection.sendall(words)
        connection.shutdown(socket.SHUT_WR)
        # Closed at once, unread bytes would make a reset of it.
        while connection.recv(65_536):
            pass

    return say


def _slow(first: bytes) -> Meeting:
    def say(proxy: Proxy, connection: socket.socket) -> None:
        drip(proxy.stopped, connection, first, b"\0" if first == b"\0" else b"x", every=DRIP_SECONDS)

    return say


def _flood(first: bytes) -> Meeting:
    def say(_: Proxy, connection: socket.socket) -> None:
        connection.sendall(first)
        block = b"x" * 1_000_000
        for _block in range(FLOOD_BYTES // len(block)):
            connection.sendall(block)

    return say


def _heard(meeting: Meeting) -> Meeting:
    """After the first bytes."""

    def meet(proxy: Proxy, connection: socket.socket) -> None:
        connection.recv(65_536)
        meeting(proxy, connection)

    return meet


def _in_between(context: ssl.SSLContext) -> Meeting:
    """Under another name, and passed on: whoever says anything here is heard by both."""

    def meet(proxy: Proxy, connection: socket.socket) -> None:
        with proxy.secured(connection, context) as secured:
            pass_on(proxy, secured)

    return meet


def _read(meeting: Meeting) -> Meeting:
    """After a whole request of HTTP."""

    def meet(proxy: Proxy, connection: socket.socket) -> None:
        b"".join(parts_of_request(connection))
        meeting(proxy, connection)

    return meet


def _taken(meeting: Meeting) -> Meeting:
    """After the request was passed on, and answered: whoever sent it is told something else."""

    def meet(proxy: Proxy, connection: socket.socket) -> None:
        request = b"".join(parts_of_request(connection))
        with connected(proxy.target) as target:
            target.sendall(request)
            target.recv(65_536)
        meeting(proxy, connection)

    return meet


def _good(meeting: Callable[[Proxy, socket.socket, bytes], None]) -> Meeting:
    """After a whole request of HTTP, with the status line of a provider that has taken it."""

    def meet(proxy: Proxy, connection: socket.socket) -> None:
        target = b"".join(parts_of_request(connection)).partition(b"\r\n")[0]
        status = b"201 Created" if b"/Messages.json" in target else b"200 OK"
        meeting(proxy, connection, b"HTTP/1.1 " + status + b"\r\n")

    return meet


def _slow_body(proxy: Proxy, connection: socket.socket, status: bytes) -> None:
    _slow(status + b"\r\n")(proxy, connection)


def _garbage_body(proxy: Proxy, connection: socket.socket, status: bytes) -> None:
    _say(status + f"Content-Length: {len(NOISE)}\r\n\r\n".encode() + NOISE)(proxy, connection)


def _large_body(proxy: Proxy, connection: socket.socket, status: bytes) -> None:
    _flood(status + f"Content-Length: {FLOOD_BYTES}\r\n\r\n".encode())(proxy, connection)


def _mailed(meeting: Meeting) -> Meeting:
    """After a whole mail."""

    def meet(proxy: Proxy, connection: socket.socket) -> None:
        connection.sendall(b"220 mail.example.com\r\n")
        with connection.makefile("rb") as lines, suppress(StopIteration):
            while not next(lines).upper().startswith(b"DATA"):
                connection.sendall(b"250 fine\r\n")
            connection.sendall(b"354 go on\r\n")
            while next(lines) != b".\r\n":
                pass
            meeting(proxy, connection)

    return meet
