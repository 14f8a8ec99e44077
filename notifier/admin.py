"""Who may see the status page: whoever shows ADMIN_TOKEN, or the cookie that was given for it."""

from __future__ import annotations

import base64
import hmac
import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

SESSION = timedelta(hours=12)
"""A shift: whoever stays longer signs in again."""
_TIME_BYTES, _MAC_BYTES = 8, 16


class Admin:
    """Checks the token, and makes and reads the cookie that stands for it.

    The cookie holds the moment it ends, signed with a key derived from ADMIN_TOKEN: it gives nobody the token, no
    instance has to remember it, and a new token ends all sessions.
    """

    def __init__(self, *, admin_token: str, public_url: str) -> None:
        """Without `admin_token` nobody may. `public_url`: under which browsers reach us; empty on one's own machine."""
        self._token = admin_token.encode()
        self._secret = hmac.digest(self._token, b"notifier status session", "sha256")
        address = urlsplit(public_url)
        self._is_https = address.scheme == "https"
        # An address of the form HOST/NAME shares its host with other functions: they are not to get the cookie.
        self._path = f"{address.path.rstrip('/')}/status"

    @property
    def usable(self) -> bool:
        return bool(self._token)

    def is_token(self, presented: str | None) -> bool:
        """Whether it is ADMIN_TOKEN; in the same time for all that are not."""
        return self.usable and hmac.compare_digest(self._token, (presented or "").encode("utf-8", "surrogatepass"))

    def is_signed_in(self, value: str, now: datetime) -> bool:
        """Whether the value of the cookie `cookie_name` is one of ours, and has not ended."""
        if not self.usable or not re.fullmatch("[A-Za-z0-9_-]{32}", value):
            return False
        said = base64.urlsafe_b64decode(value)[:_TIME_BYTES]
        ends = int.from_bytes(said)
        return hmac.compare_digest(value, self._signed(said)) and now.timestamp() < ends

    def signed_in(self, now: datetime) -> str:
        """The Set-Cookie header for somebody who has shown the token."""
        ends = int((now + SESSION).timestamp())
        return self._set_cookie(self._signed(ends.to_bytes(_TIME_BYTES)), int(SESSION.total_seconds()))

    def signed_out(self) -> str:
        """The Set-Cookie header that ends it in this browser."""
        return self._set_cookie("", 0)

    @property
    def cookie_name(self) -> str:
        # With this prefix a browser takes it over https only
        # (https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes).
        return "__Secure-notifier" if self._is_https else "notifier"

    def _set_cookie(self, value: str, seconds: int) -> str:
        secure = "; Secure" if self._is_https else ""
        # Lax, so that a link in a chat opens the page: a GET changes nothing.
        return f"{self.cookie_name}={value}; Max-Age={seconds}; Path={self._path}; HttpOnly; SameSite=Lax{secure}"

    def _signed(self, said: bytes) -> str:
        mac = hmac.digest(self._secret, said, "sha256")[:_MAC_BYTES]
        return base64.urlsafe_b64encode(said + mac).decode()
