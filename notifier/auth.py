"""Who may call: the shared token, or a Google OIDC token of a service account we know."""

from __future__ import annotations

import hmac
import re
import threading
from typing import Any

from notifier.ports import Clock

CERTIFICATES_SECONDS = 3_600
"""How long Google's certificates are kept when its answer does not say; it rotates them about weekly."""
REFETCH_SECONDS = 60
"""For an unknown key id they are fetched again, but not more often: anybody can invent key ids."""
FETCH_SECONDS = 1.5
CLOCK_SKEW_SECONDS = 10


class Refused(Exception):
    """The caller may not. `words` say what to do, and hold nothing of what was presented."""

    status = 401

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Forged(Refused):
    """An identity was presented, and it is not a true one of ours."""

    status = 403


class Unverifiable(Refused):
    """The identity may be true, but Google's certificates cannot be had: worth another try."""

    status = 503


class Callers:
    """Decides who may send alerts. Safe to use from many threads."""

    def __init__(self, *, webhook_token: str, oidc_emails: tuple[str, ...], audience: str, clock: Clock) -> None:
        self._token = webhook_token.encode()
        self._emails = oidc_emails
        self._audience = audience
        self._certificates = Certificates(clock)

    def admit(self, authorization: str | None, presented: str | None) -> None:
        """Let the caller pass, or raise Refused.

        `authorization`: the credential of the Authorization header, whatever its scheme: a password or a bearer
        token. `presented`: the `auth_token` of the query, as Google's token webhook sends it
        (https://docs.cloud.google.com/error-reporting/docs/notifications).
        """
        if not self._token and not self._emails:
            return
        if self._is_token(authorization) or self._is_token(presented):
            return
        if authorization and self._emails and re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]*", authorization, re.ASCII):
            self._check_identity(authorization)
            return
        raise Refused("expected WEBHOOK_TOKEN as the basic-auth password, as a bearer token, or as ?auth_token=")

    def _is_token(self, candidate: str | None) -> bool:
        return bool(self._token and candidate) and hmac.compare_digest(
            self._token, (candidate or "").encode("utf-8", "surrogatepass")
        )

    def _check_identity(self, token: str) -> None:
        claims = self._certificates.verified(token, self._audience)
        # Google signs for anybody: without this check every Google account could call us.
        if claims.get("email_verified") is not True or str(claims.get("email", "")).lower() not in self._emails:
            raise Forged("this Google identity is not one of OIDC_EMAILS")


class Certificates:
    """Google's public keys, kept: google-auth alone would fetch them at every check."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answer: Any = None
        self._fetched_at = 0.0
        self._fresh_until = 0.0

    def verified(self, token: str, audience: str) -> dict[str, Any]:
        """The claims of a token that Google signed for `audience`. Raises Forged, Unverifiable."""
        # An SQLite or token-only deployment never pays for this import.
        from google.auth import exceptions, jwt  # noqa: PLC0415
        from google.oauth2 import id_token  # noqa: PLC0415

        try:
            key_id = str(jwt.decode_header(token).get("kid", ""))
            with self._lock:
                self._refresh(key_id)
                answer = self._answer
            return dict(
                id_token.verify_oauth2_token(
                    token, lambda *_, **__: answer, audience, clock_skew_in_seconds=CLOCK_SKEW_SECONDS
                )
            )
        except exceptions.TransportError as error:
            raise Unverifiable("Google's certificates cannot be fetched; try again") from error
        except (ValueError, KeyError, exceptions.GoogleAuthError) as error:
            raise Forged("this is no Google identity token for PUBLIC_URL, or it has expired") from error

    def _refresh(self, key_id: str) -> None:
        """Fetch when there is nothing fresh, or when a key is asked for that was not there a while ago."""
        import google.auth.transport.requests  # noqa: PLC0415
        from google.oauth2.id_token import _GOOGLE_OAUTH2_CERTS_URL  # noqa: PLC0415 - the library's own default

        now = self._clock.monotonic()
        known = self._answer is not None and key_id.encode() in self._answer.data
        if self._answer is not None and now < self._fresh_until and (known or now < self._fetched_at + REFETCH_SECONDS):
            return
        answer = google.auth.transport.requests.Request()(_GOOGLE_OAUTH2_CERTS_URL, method="GET", timeout=FETCH_SECONDS)
        if answer.status != 200:  # noqa: PLR2004
            raise google.auth.exceptions.TransportError("certificates not served")
        max_age = re.search(r"max-age=(\d{1,6})", answer.headers.get("cache-control", ""))
        self._answer, self._fetched_at = answer, now
        self._fresh_until = now + (int(max_age[1]) if max_age else CERTIFICATES_SECONDS)
