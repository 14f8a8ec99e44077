"""A request's body, within bytes and time."""

from __future__ import annotations

import io
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Timer

from flask import Request, Response
from werkzeug.exceptions import ClientDisconnected

BODY_BYTES = 1_048_576
UNWANTED_BYTES = BODY_BYTES
UNWANTED_SECONDS = 0.25
"""What a stranger may hold of us: this long one of the few threads that also take alerts."""
TOO_LARGE_BYTES = 32 * BODY_BYTES
"""Cloud Run lets no larger request through (https://cloud.google.com/run/quotas)."""
TOO_LARGE_SECONDS = 2
PIECE_BYTES = 65_536


class TooLarge(Exception):
    """It is larger than anybody's alert."""


class Late(Exception):
    """Not all of it came in time."""


class Body:
    """The body of one request: taken, or dropped."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._declared = request.content_length or 0
        self._came = 0
        self._ended = not self._declared and "Transfer-Encoding" not in request.headers
        self._broken = False
        self._late = False
        self._drop_bytes, self._drop_seconds = UNWANTED_BYTES, UNWANTED_SECONDS
        # Other servers do not show it; with them only the bytes are bounded.
        self._connection: socket.socket | None = request.environ.get("gunicorn.socket")

    def take(self, seconds: float) -> bytes:
        """All of it, when it comes within these seconds. Raises TooLarge, Late, ClientDisconnected."""
        if self._declared > BODY_BYTES:
            raise self._too_large()
        with self._within(seconds):
            content = b"".join(self._pieces(BODY_BYTES + 1))
        if len(content) > BODY_BYTES:
            raise self._too_large()
        # Half an alert is nobody's to be told of.
        if self._broken:
            raise Late if self._late else ClientDisconnected
        return content

    def finish(self, answer: Response) -> None:
        """Drop what was not taken, for its sender has no answer before all is sent; if it is too much, hang up."""
        with self._within(self._drop_seconds):
            deque(self._pieces(self._drop_bytes), maxlen=0)
        # functions-framework reads the stream after us: all of it at once, into memory, and from anybody.
        self._request.stream = io.BytesIO()
        if self._connection is not None and not self._ended:
            # gunicorn would wait for the rest, and might take it for the next request; it heeds no "Connection: close".
            answer.call_on_close(partial(_shut, self._connection, socket.SHUT_RDWR))

    def _too_large(self) -> TooLarge:
        self._drop_bytes, self._drop_seconds = TOO_LARGE_BYTES, TOO_LARGE_SECONDS
        return TooLarge()

    def _pieces(self, most: int) -> Iterator[bytes]:
        """The body as it comes, at most `most` bytes of it."""
        while most > 0 and not self._broken:
            try:
                piece = self._request.stream.read(min(most, PIECE_BYTES))
            except Exception:  # noqa: BLE001 - each server has its own errors for a body that is no HTTP
                self._broken = True
                return
            if not piece:
                # gunicorn ends a body of a given length alike when its sender breaks off.
                self._ended = self._came >= self._declared
                self._broken = not self._ended
                return
            self._came += len(piece)
            most -= len(piece)
            yield piece

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Inside, no read waits for the sender longer than these seconds, all together."""
        if self._connection is None or self._ended or self._broken:
            yield
            return
        # Not a time-out of the socket: that begins again with every byte.
        timer = Timer(seconds, self._stop_reading, [self._connection])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            # Else it might yet hit the connection's next request.
            timer.join()

    def _stop_reading(self, connection: socket.socket) -> None:
        self._late = True
        _shut(connection, socket.SHUT_RD)


def _shut(connection: socket.socket, how: int) -> None:
    with suppress(OSError):  # the sender hung up before
        connection.shutdown(how)
