"""One request as a WSGI server hands it over, in a form that can be written down and asked again."""

from __future__ import annotations

import io
from typing import Any

import msgspec

REMOTE = "203.0.113.9"
"""TEST-NET-3 (RFC 5737): nobody's address."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked. All strings are of characters up to U+00FF, as WSGI has them (PEP 3333)."""

    method: str = "POST"
    path: str = "/"
    """Decoded, as WSGI shows it."""
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    length: str | None = None
    """The Content-Length; None where the request has none."""

    @property
    def whole(self) -> bool:
        """Whether its length is told as it is."""
        return self.length == str(len(self.body)) or (self.length is None and bool(self.header("Transfer-Encoding")))

    def header(self, name: str) -> str | None:
        """What the function sees of a header: servers join those of one name with a comma."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ",".join(values) if values else None

    def environ(self) -> dict[str, Any]:
        """The WSGI environment, made by hand: Werkzeug's builder takes as long as the answer does."""
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "RAW_URI": f"{self.path}?{self.query}",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8080",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": REMOTE,
            "HTTP_HOST": "pager.example.com",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.body),
            # gunicorn: its stream ends where the body does.
            "wsgi.input_terminated": True,
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if self.length is not None:
            environ["CONTENT_LENGTH"] = self.length
        for name, _ in self.headers:
            key = name.upper().replace("-", "_")
            if key != "CONTENT_LENGTH":
                environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = self.header(name)
        return environ


def asked_with(body: bytes, **others: Any) -> Asked:
    """A request with an honest Content-Length."""
    return Asked(body=body, length=str(len(body)), **others)
