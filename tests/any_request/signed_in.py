"""The sign-in of the status page, worked out anew from docs/decisions/status-page.md: its form and its cookie."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
from datetime import datetime, timedelta
from enum import Enum
from urllib.parse import parse_qsl

from tests.any_request.asked import Asked

ADMIN_TOKEN = "made-up-token-of-the-admin"
COOKIE = "__Secure-notifier"
PURPOSE = b"notifier status session"
SESSION = timedelta(hours=12)
FORM_BYTES = 1_048_576
FORM_FIELDS = 10


class Form(Enum):
    """What a form posted to `/status` is, and the status it is answered with."""

    OTHER_SITE = "a browser says that another site has it post this", 403
    NOT_WHOLE = "too large, or of too many fields", 400
    SIGN_OUT = "sign out", 303
    TRUE = "the token", 303
    WRONG = "another token, or none", 401

    @property
    def status(self) -> int:
        return self.value[1]

    @property
    def taken(self) -> bool:
        return self in (Form.SIGN_OUT, Form.TRUE)


def form_of(asked: Asked) -> Form:
    """Judge a POST by its header, and by its body as if all of it had come."""
    if asked.header("Sec-Fetch-Site") not in (None, "same-origin", "none"):
        return Form.OTHER_SITE
    if len(asked.body) > FORM_BYTES or asked.body.count(b"&") >= FORM_FIELDS:
        return Form.NOT_WHOLE
    # A field left empty is none: so the first counts that is not.
    fields = [pair for pair in parse_qsl(asked.body.decode("utf-8", "replace"), keep_blank_values=True) if pair[1]]
    if any(name == "sign-out" for name, _ in fields):
        return Form.SIGN_OUT
    tokens = [value.strip() for name, value in fields if name == "token"]
    return Form.TRUE if tokens[:1] == [ADMIN_TOKEN] else Form.WRONG


def set_cookie_for(form: Form, now: datetime) -> str | None:
    """The Set-Cookie header that must answer it, to the letter; None where there must be none."""
    if not form.taken:
        return None
    value, seconds = (session(int((now + SESSION).timestamp())), 43_200) if form is Form.TRUE else ("", 0)
    return f"{COOKIE}={value}; Max-Age={seconds}; Path=/status; HttpOnly; SameSite=Lax; Secure"


def session(ends: int, token: str = ADMIN_TOKEN, purpose: bytes = PURPOSE) -> str:
    """The cookie's value. `ends`: in seconds since 1970."""
    said = struct.pack(">Q", ends)
    key = hmac.new(token.encode(), purpose, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(said + hmac.new(key, said, hashlib.sha256).digest()[:16]).decode()


def is_signed_in(asked: Asked, now: datetime) -> bool:
    """Whether the first cookie of the name is true, and has not ended."""
    cookies = [part.strip(" \t").partition("=") for part in (asked.header("Cookie") or "").split(";")]
    values = [value.strip(' \t"') for name, _, value in cookies if name.strip(" \t") == COOKIE]
    # What has a space in it is no cookie (cookie-octet, https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1).
    value = next((value for value in values if not re.search('[ \t"]', value)), "")
    try:
        (ends,) = struct.unpack(">Q", base64.b64decode(value, b"-_", validate=True)[:8])
    except (ValueError, struct.error):
        return False
    return value == session(ends) and now.timestamp() < ends
