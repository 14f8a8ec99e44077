"""Who may call: the shared token, a Google identity we know, Twilio by its signature, whoever holds a signed link."""

from __future__ import annotations

import base64
import hmac
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import msgspec
import requests

from notifier.ports import Clock

CERTIFICATES_URL = "https://www.googleapis.com/oauth2/v1/certs"
"""Google's public keys for identity tokens, as PEM
(https://developers.google.com/identity/gsi/web/guides/verify-google-id-token)."""
ISSUERS = ("accounts.google.com", "https://accounts.google.com")
CERTIFICATES_SECONDS = 3_600
"""How long Google's certificates are kept when its answer does not say; it rotates them about weekly."""
REFETCH_SECONDS = 60
"""For an unknown key id they are fetched again, but not more often: anybody can invent key ids."""
FETCH_SECONDS = 1.5
"""What a request waits for them: its share of the 9 s of DESIGN.md."""
ABANDONED_SECONDS = 10
"""After so long another fetch is begun beside one that still hangs."""
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


LINK_CHANNELS = ("slack", "discord", "email")
_KEY_BYTES, _MAC_BYTES = 16, 16


class Link(msgspec.Struct, frozen=True):
    """What an acknowledge link stands for."""

    key: str
    """The incident's."""
    generation: int
    channel: str
    """Where it was posted."""


class AcknowledgeLinks:
    """Makes and reads the links that answer an incident: its key and generation, signed.

    The MAC is made with a key of its own, derived from WEBHOOK_TOKEN: a link gives nobody the token, and a new token
    makes all old links void.
    """

    def __init__(self, *, webhook_token: str, public_url: str) -> None:
        """Without either there are no links: nobody could tell a true one, or reach it."""
        self._url = f"{public_url}/a/" if webhook_token and public_url else ""
        self._secret = hmac.digest(webhook_token.encode(), b"notifier acknowledge link", "sha256")

    def url(self, key: str, generation: int, channel: str) -> str:
        """The link for the readers of `channel`; empty where there are none."""
        if not self._url or channel not in LINK_CHANNELS:
            return ""
        said = bytes.fromhex(key) + bytes([LINK_CHANNELS.index(channel)]) + generation.to_bytes(4)
        return self._url + self._signed(said)

    def read(self, token: str) -> Link | None:
        """What the last part of a link's path stands for; None when it is none of ours."""
        if not self._url or not re.fullmatch("[A-Za-z0-9_-]{50}", token):
            return None
        said = base64.urlsafe_b64decode(token + "==")[:-_MAC_BYTES]
        # The whole of it: base64 has several spellings of the same bytes.
        if not hmac.compare_digest(token, self._signed(said)) or said[_KEY_BYTES] >= len(LINK_CHANNELS):
            return None
        return Link(said[:_KEY_BYTES].hex(), int.from_bytes(said[_KEY_BYTES + 1 :]), LINK_CHANNELS[said[_KEY_BYTES]])

    def _signed(self, said: bytes) -> str:
        mac = hmac.digest(self._secret, said, "sha256")[:_MAC_BYTES]
        return base64.urlsafe_b64encode(said + mac).rstrip(b"=").decode()


class TwilioSignatures:
    """Tells Twilio's requests from everybody else's by their X-Twilio-Signature.

    https://www.twilio.com/docs/usage/security. It signs no time, so a request may come again; and not where the name
    of a field ends, nor how often it stands there, so nobody may rely on the order of fields of one name.
    """

    def __init__(self, *, auth_tokens: tuple[str, ...], public_url: str) -> None:
        """Not usable without either; an API key is no token here, as Twilio signs with the account's own.

        `auth_tokens`: the account's, and while it is being changed the next one; the empty ones do not count.
        `public_url`: what Twilio calls us by, whatever a proxy makes of it on the way.
        """
        self._tokens = tuple(token for token in auth_tokens if token)
        self._bases: tuple[str, ...] = _with_and_without_port(public_url) if public_url else ()

    @property
    def usable(self) -> bool:
        return bool(self._tokens and self._bases)

    def url(self, path: str, query: str = "") -> str:
        """The address under which Twilio may call us; empty when not usable, as we could not tell that it does."""
        return self._bases[0] + _target(path, query) if self.usable else ""

    def check(
        self,
        path: str,
        query: str,
        fields: Sequence[tuple[str, str]],
        signature: str | None,
        *,
        body: bytes | None = None,
    ) -> None:
        """Let a request of Twilio pass, or raise Forged.

        `path`, `query`: as they were requested, the query byte for byte. `fields`: of the form, decoded and untrimmed,
        the empty ones too; none for a GET. `body`: as it came where it is no form; its hash stands in the query then.
        """
        if not self.usable:
            raise Forged("Twilio's requests are not taken without TWILIO_AUTH_TOKEN and PUBLIC_URL")
        if not signature:
            raise Forged("expected an X-Twilio-Signature: only Twilio may call here")
        presented = signature.encode("utf-8", "surrogatepass")
        target = _target(path, query)
        # All of them at any rate: the time it takes tells nobody which one came near.
        matches = [
            hmac.compare_digest(presented, twilio_signature(token, base + target, fields).encode())
            for token in self._tokens
            for base in self._bases
        ]
        if not any(matches) or not _is_whole(body, query):
            raise Forged(
                "this X-Twilio-Signature is not true: TWILIO_AUTH_TOKEN must be the account's primary token,"
                " and PUBLIC_URL the address that Twilio calls"
            )


def twilio_signature(token: str, url: str, fields: Iterable[tuple[str, str]]) -> str:
    """What Twilio sends as X-Twilio-Signature with a form. `url`: as requested, without its fragment."""
    # Of fields of one name and one value Twilio signs one.
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    mac = hmac.digest(token.encode(), signed.encode("utf-8", "surrogatepass"), "sha1")
    return base64.b64encode(mac).decode()


def _with_and_without_port(public_url: str) -> tuple[str, str]:
    """First as it is: Twilio signs some requests with the port and some without, and does not say which."""
    parts = urlsplit(public_url)
    bare = re.sub(r":[0-9]*\Z", "", parts.netloc)
    usual = f"{bare}:{443 if parts.scheme == 'https' else 80}"
    other = usual if parts.netloc == bare else bare
    return urlunsplit(parts), urlunsplit(parts._replace(netloc=other))


def _target(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _is_whole(body: bytes | None, query: str) -> bool:
    """Whether it is the body that was signed; a form is signed by its fields."""
    if body is None:
        return True
    # Nothing secret: whoever has the body can tell its hash.
    return parse_qs(query).get("bodySHA256") == [sha256(body).hexdigest()]


class _Kept(msgspec.Struct, frozen=True):
    """Certificates (PEM) by key id, and on the monotonic clock when they were asked for and until when they do."""

    by_key_id: dict[str, str]
    fetched_at: float
    fresh_until: float


class Certificates:
    """Google's public keys, kept: google-auth alone would fetch them at every check."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        self._fetch: Future[_Kept] | None = None
        self._fetch_begun = 0.0

    def verified(self, token: str, audience: str) -> Mapping[str, Any]:
        """The claims of a token that Google signed for `audience`. Raises Forged, Unverifiable."""
        # A deployment that takes only the shared token never pays for this import.
        from google.auth import exceptions, jwt  # noqa: PLC0415

        # Pub/Sub's own default is the push endpoint as it is written, slash and all.
        audiences = [audience, f"{audience}/"]
        try:
            certificates = self._certificates(str(jwt.decode_header(token).get("kid", "")))
            claims: Mapping[str, Any] = jwt.decode(
                token, certs=certificates, audience=audiences, clock_skew_in_seconds=CLOCK_SKEW_SECONDS
            )
        # The last three: whoever forges a token chooses the types in it, and how deep it is nested.
        except (exceptions.GoogleAuthError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise Forged("this is no Google identity token for PUBLIC_URL, or it has expired") from error
        if claims.get("iss") not in ISSUERS:
            raise Forged("this identity token is not Google's")
        return claims

    def _certificates(self, key_id: str) -> Mapping[str, str]:
        """By key id; fetched when none are fresh, or when a key is asked for that was not there a while ago."""
        with self._lock:
            now, kept = self._clock.monotonic(), self._kept
            if kept and now < kept.fresh_until:
                known = not key_id or key_id in kept.by_key_id
                if known or now < kept.fetched_at + REFETCH_SECONDS:
                    return kept.by_key_id
            if self._fetch is None or self._fetch.done() or now >= self._fetch_begun + ABANDONED_SECONDS:
                self._fetch, self._fetch_begun = in_background(lambda: self._fetched(now)), now
            fetch = self._fetch
        # Waited for without the lock, and not by the time-outs of requests: those begin again with every byte.
        try:
            return fetch.result(FETCH_SECONDS).by_key_id
        except (requests.RequestException, ValueError, TimeoutError) as error:
            raise Unverifiable("Google's certificates cannot be fetched; try again") from error

    def _fetched(self, now: float) -> _Kept:
        kept = fetch_certificates(now)
        with self._lock:
            self._kept = kept
        return kept


def fetch_certificates(now: float) -> _Kept:
    """Ask Google. Raises requests.RequestException; ValueError for an answer that holds no certificates."""
    from google.auth import crypt  # noqa: PLC0415

    answer = requests.get(CERTIFICATES_URL, timeout=FETCH_SECONDS, allow_redirects=False)
    if answer.status_code != requests.codes.ok:
        raise ValueError(f"status {answer.status_code}")
    by_key_id = msgspec.json.decode(answer.content, type=dict[str, str])
    if not by_key_id:
        raise ValueError("no certificates")
    for certificate in by_key_id.values():
        crypt.RSAVerifier.from_string(certificate)
    max_age = re.search(r"max-age=(\d{1,6})", answer.headers.get("Cache-Control", ""))
    seconds = max(int(max_age[1]), REFETCH_SECONDS) if max_age else CERTIFICATES_SECONDS
    return _Kept(by_key_id, now, now + seconds)


def in_background(task: Callable[[], _Kept]) -> Future[_Kept]:
    """Run `task` in a thread that nobody has to wait for, not even the end of the process."""
    future: Future[_Kept] = Future()

    def run() -> None:
        try:
            future.set_result(task())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the result judges it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
