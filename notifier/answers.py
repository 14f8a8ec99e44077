"""What an HTTP answer of ours looks like: JSON for machines, a page for a browser."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from flask import Request, Response

from notifier.pages.frame import SECURITY_HEADERS

RETRY_AFTER_SECONDS = 10
RETRY_AFTER = {"Retry-After": str(RETRY_AFTER_SECONDS)}
BASIC_CHALLENGE = {"WWW-Authenticate": 'Basic realm="notifier"'}


def json_answer(status: int, content: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(content) + b"\n",
        status=int(status),
        headers=dict(headers or {}),
        content_type="application/json",
    )


def error_answer(status: int, words: str, headers: Mapping[str, str] | None = None) -> Response:
    return json_answer(status, {"error": words}, headers)


def page_answer(status: int, page: str, headers: Mapping[str, str] | None = None) -> Response:
    headers = {**SECURITY_HEADERS, **(headers or {})}
    return Response(page, status=int(status), headers=headers, content_type="text/html; charset=utf-8")


def credential_of(request: Request) -> str | None:
    """The password or token of the Authorization header, whatever its scheme."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    # Werkzeug would read a token with a "=" inside as parameters.
    if scheme.lower() == "bearer":
        return token.strip(" \t")
    try:
        credential = request.authorization
    except ValueError:  # Werkzeug's, for a "Basic" that is not ASCII
        return None
    return (credential.token or credential.password) if credential else None
