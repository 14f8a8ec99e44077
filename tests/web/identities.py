"""Google's part in OIDC, played here: keys, their certificates, and tokens signed with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

AUDIENCE = "https://pager.example.com"
CALLER = "caller@example.iam.gserviceaccount.com"


class SigningKey:
    """A key pair with its self-made certificate."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made up")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, self._key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token as Google makes it; `header` and `claims` change it, and a claim of None is left out."""
        signed = _signed_part({"alg": "RS256", "kid": self.key_id, **(header or {})}, _claims(claims))
        return f"{signed}.{_base64(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def token_hashed_with_the_certificate(self, **claims: Any) -> str:
        """The classic forgery: HS256, with what everybody can download as the secret."""
        signed = _signed_part({"alg": "HS256", "kid": self.key_id}, _claims(claims))
        return f"{signed}.{_base64(hmac.digest(self.certificate.encode(), signed.encode(), hashlib.sha256))}"


def unsigned_token(header: object, payload: object | None = None, signature: bytes = b"x") -> str:
    """A token nobody signed."""
    return f"{_signed_part(header, _claims({}) if payload is None else payload)}.{_base64(signature)}"


def _claims(changes: dict[str, Any]) -> dict[str, Any]:
    now = int(time.time())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "email": CALLER,
        "email_verified": True,
        "iat": now - 5,
        "exp": now + 3_600,
        "sub": "100000000000000000001",
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def _signed_part(header: object, payload: object) -> str:
    return ".".join(
        _base64(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, payload)
    )


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
