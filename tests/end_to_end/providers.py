"""Twilio, Slack and Discord on 127.0.0.1: they take what is posted, answer as the real ones do, and remember it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


class Providers:
    """What the providers took, in the order it came."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.texts: list[dict[str, str]] = []
        self.slack: list[dict[str, Any]] = []
        self.discord: list[dict[str, Any]] = []
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

    def take(self, path: str, body: str) -> tuple[int, str, bytes]:
        """Status, content type and body of the answer."""
        with self.lock:
            if path.endswith("/Messages.json"):
                self.texts.append({name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()})
                sid = f"SM{len(self.texts):032x}"
                return 201, "application/json", json.dumps({"sid": sid, "status": "queued"}).encode()
            if path == "/slack":
                self.slack.append(json.loads(body))
                return 200, "text/plain", b"ok"
            self.discord.append(json.loads(body))
            return 200, "application/json", b'{"id": "1"}'


@contextmanager
def providers() -> Iterator[Providers]:
    """The providers, up until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, kind, answer = taken.take(self.path.partition("?")[0], body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing: what was taken is remembered."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        taken = Providers(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield taken
        finally:
            server.shutdown()
            thread.join()
