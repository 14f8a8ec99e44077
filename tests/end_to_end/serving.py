"""A server on 127.0.0.1 that can fail as real ones do: be late, give no answer, break off, or not be there."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

HANG_SECONDS = 60
"""No caller of ours waits longer than its own deadline."""
END_SECONDS = 10
"""What the end waits for those who are still answering; it has cut their connections before."""
MOST_BYTES = 1024 * 1024
FORM = "application/x-www-form-urlencoded"


class Lost(Enum):
    """What can come instead of an answer."""

    NO_ANSWER = auto()
    """The connection is left open."""
    RESET = auto()


class Answer(NamedTuple):
    status: int
    kind: str = "text/plain"
    """Its Content-Type; without one when empty."""
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Reaction(NamedTuple):
    """The answer, and what is done once it is on its way or will never be."""

    answer: Answer | Lost
    then: Callable[[], None] = lambda: None


class Request(NamedTuple):
    method: str
    target: str
    """Path and query, as they came."""
    headers: Message
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        """Empty for a body of another kind."""
        if self.headers.get_content_type() != FORM:
            return {}
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


def json_answer(status: int, content: object, *headers: tuple[str, str]) -> Answer:
    return Answer(status, "application/json", json.dumps(content).encode(), headers)


class Server:
    """Answers every request with what `react` says, each in a thread of its own. Use it by `serving`."""

    def __init__(self, react: Callable[[Request], Reaction]) -> None:
        self.react = react
        self.latency: Callable[[], float] = lambda: 0.0
        """Seconds before a request is taken, and again before it is answered."""
        self.ended = threading.Event()
        self.errors: list[Exception] = []
        """What `react` has raised: raised again at the end."""
        self._lock = threading.Lock()
        self._answering: dict[threading.Thread, socket.socket] = {}
        self._http = _Http(self, 0)
        self.port: int = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread: threading.Thread | None = None
        self.listen()

    def listen(self) -> None:
        """Be there; again, after `refuse`."""
        if self._thread is None:
            self._http.server_activate()
            self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
            self._thread.start()

    def refuse(self) -> None:
        """Refuse every new connection. The port is kept: nobody else can be given it meanwhile."""
        if self._thread is not None:
            self._stop()
            self._http = _Http(self, self.port)

    def pause(self, seconds: float) -> None:
        """Sleep; no longer than the server lives."""
        self.ended.wait(seconds)

    def end(self) -> None:
        self.ended.set()
        self._stop()
        with self._lock:
            left = dict(self._answering)
        for connection in left.values():
            with contextlib.suppress(OSError):  # it may be over by now
                connection.shutdown(socket.SHUT_RDWR)
        for thread in left:
            thread.join(END_SECONDS)

    def _stop(self) -> None:
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.server_close()

    @contextmanager
    def answering(self, connection: socket.socket) -> Iterator[None]:
        """Known to be answered by this thread, so that the end can cut it."""
        thread = threading.current_thread()
        with self._lock:
            self._answering[thread] = connection
        try:
            yield
        finally:
            with self._lock:
                del self._answering[thread]


@contextmanager
def serving(react: Callable[[Request], Reaction]) -> Iterator[Server]:
    """A server, up until the block ends; nothing of it is left then."""
    server = Server(react)
    try:
        yield server
    finally:
        server.end()
    if server.errors:
        raise ExceptionGroup("what answers here has failed itself", server.errors)


class _Http(ThreadingHTTPServer):
    """Bound to its port, and not listening yet."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, server: Server, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler, bind_and_activate=False)
        self.ours = server
        try:
            self.server_bind()
        except OSError:
            self.server_close()
            raise

    def process_request_thread(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        with self.ours.answering(request):
            super().process_request_thread(request, client_address)

    def handle_error(self, *_: object) -> None:
        error = sys.exception()
        if isinstance(error, Exception) and not isinstance(error, OSError):  # callers may hang up, and be killed
            self.ours.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    timeout = HANG_SECONDS
    server: _Http

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST_BYTES:
            self._answer(Answer(413))
            return
        body = self.rfile.read(length)
        if len(body) == length:  # else its sender died
            self._react(body)

    def do_GET(self) -> None:
        self._react(b"")

    def _react(self, body: bytes) -> None:
        ours = self.server.ours
        ours.pause(ours.latency())
        reaction = ours.react(Request(self.command, self.path, self.headers, body))
        if reaction.answer is Lost.NO_ANSWER:
            reaction.then()
        try:
            self._answer(reaction.answer)
        finally:
            if reaction.answer is not Lost.NO_ANSWER:
                reaction.then()

    def _answer(self, answer: Answer | Lost) -> None:
        if answer is Lost.NO_ANSWER:
            self.connection.recv(1)  # ends when the caller hangs up
        elif answer is Lost.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(self.connection.detach())
        elif not isinstance(answer, Lost):
            self.server.ours.pause(self.server.ours.latency())
            self.send_response(answer.status)
            if answer.kind:
                self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Nothing: what was taken is remembered."""
