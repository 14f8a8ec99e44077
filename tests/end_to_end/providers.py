"""Twilio, Slack and Discord on 127.0.0.1: they take what is posted, answer as the real ones do, and remember it."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

HANG_SECONDS = 60
"""No caller of ours waits longer than its own deadline."""


class Text(NamedTuple):
    """One text that Twilio took."""

    to: str
    sender: str
    body: str
    sid: str
    at: datetime


class Fault(Enum):
    """What Twilio can be made to do wrong."""

    NO_ANSWER = auto()
    """The text is taken, and the connection left open."""
    RESET = auto()
    """The text is taken, and the connection reset."""
    BUSY = auto()
    """No text is taken: 429."""
    LIST_REFUSED = auto()
    """As to a key without the right to read."""
    LIST_WITHOUT_BODIES = auto()


Answer = tuple[int, str, bytes]
"""Status, content type, body."""


class Providers:
    """What the providers took, in the order it came."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.texts: list[Text] = []
        self.slack: list[dict[str, Any]] = []
        self.discord: list[dict[str, Any]] = []
        self.faults: set[Fault] = set()
        self.latency: Callable[[], float] = lambda: 0.0
        """Seconds before something is taken, and again before it is answered."""
        self.lock = threading.Lock()

    @property
    def settings(self) -> dict[str, str]:
        """Settings that lead every HTTP channel here."""
        return {
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN": "token-of-no-worth",
            "TWILIO_FROM": "+15005550006",
            "ONCALL_PHONE": "+15555550101, +15555550102",
            "TWILIO_API_URL": self.url,
            "SLACK_WEBHOOK_URL": f"{self.url}/slack",
            "DISCORD_WEBHOOK_URL": f"{self.url}/discord",
        }

    def posts_of(self, ref: str) -> list[str]:
        """The first lines of what Slack took about one incident."""
        return [post["text"] for post in self.slack if post["text"].endswith(f"#{ref}")]

    def texts_of(self, ref: str) -> list[Text]:
        return [text for text in self.texts if text.body.endswith(f"#{ref}")]

    def take(self, path: str, body: str) -> Answer | Fault:
        with self.lock:
            if path.endswith("/Messages.json"):
                return self._take_text(body)
            if path == "/slack":
                self.slack.append(json.loads(body))
                return 200, "text/plain", b"ok"
            self.discord.append(json.loads(body))
            return 200, "application/json", b'{"id": "1"}'

    def show(self, query: str) -> Answer:
        """The list of texts to one number, newest first."""
        asked = parse_qs(query, strict_parsing=True)
        with self.lock:
            if Fault.LIST_REFUSED in self.faults:
                return _json(403, {"code": 70051, "message": "Authorization error", "status": 403})
            found = [text for text in reversed(self.texts) if text.to == asked["To"][0]]
            page = found[: int(asked["PageSize"][0])]
            return _json(
                200,
                {
                    "messages": [self._shown(text) for text in page],
                    "next_page_uri": f"/next?{query}" if len(found) > len(page) else None,
                },
            )

    def _take_text(self, body: str) -> Answer | Fault:
        if Fault.BUSY in self.faults:
            return _json(429, {"code": 20429, "message": "Too Many Requests", "status": 429})
        form = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
        sid = f"SM{len(self.texts):032x}"
        self.texts.append(Text(form["To"], form["From"], form["Body"], sid, datetime.now(UTC)))
        lost = self.faults & {Fault.NO_ANSWER, Fault.RESET}
        return lost.pop() if lost else _json(201, {"sid": sid, "status": "queued"})

    def _shown(self, text: Text) -> dict[str, str]:
        return {
            "sid": text.sid,
            "date_created": format_datetime(text.at),
            "body": "" if Fault.LIST_WITHOUT_BODIES in self.faults else text.body,
            "direction": "outbound-api",
            "from": text.sender,
            "to": text.to,
            "status": "delivered",
        }


def _json(status: int, content: object) -> Answer:
    return status, "application/json", json.dumps(content).encode()


@contextmanager
def providers() -> Iterator[Providers]:
    """The providers, up until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            time.sleep(taken.latency())
            if len(body) == length:  # else its sender died
                self._answer(taken.take(urlsplit(self.path).path, body.decode()))

        def do_GET(self) -> None:
            time.sleep(taken.latency())
            self._answer(taken.show(urlsplit(self.path).query))

        def _answer(self, answer: Answer | Fault) -> None:
            if answer is Fault.NO_ANSWER:
                self.connection.settimeout(HANG_SECONDS)
                self.connection.recv(1)  # ends when the caller hangs up
            elif answer is Fault.RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                socket.close(self.connection.detach())
            elif not isinstance(answer, Fault):
                status, kind, content = answer
                time.sleep(taken.latency())
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing: what was taken is remembered."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """Nothing: callers may hang up, and be killed."""

    with Server(("127.0.0.1", 0), Handler) as server:
        taken = Providers(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield taken
        finally:
            server.shutdown()
            thread.join()
