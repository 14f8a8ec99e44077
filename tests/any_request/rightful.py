"""Whether a request carries what its path asks for, judged without the code that judges it in earnest.

Twilio's signature is made by Twilio's own library; links are those that the channels were really told; the status
page's form and cookie are in tests.any_request.signed_in.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from datetime import datetime
from urllib.parse import parse_qsl

import msgspec
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from tests.any_request.asked import Asked
from tests.any_request.places import Place, Who
from tests.any_request.signed_in import ADMIN_TOKEN, form_of, is_signed_in
from tests.web.twilio_posts import AUTH_TOKEN, PUBLIC_URL

WEBHOOK_TOKEN = "made-up-token-of-the-fuzzer"
SECRETS = (WEBHOOK_TOKEN, ADMIN_TOKEN, AUTH_TOKEN)

_TWILIO = RequestValidator(AUTH_TOKEN)
_BASES = (PUBLIC_URL, f"{PUBLIC_URL}:443")


class Keys(msgspec.Struct, frozen=True):
    """What this pager has given out."""

    links: frozenset[str]
    """The last parts of the links that answer an incident."""
    identities: frozenset[str]
    """Google's tokens for those who may call."""
    now: datetime
    """By the pager's clock."""


def may(asked: Asked, place: Place, keys: Keys) -> bool:
    """Whether whoever asks has shown what `place` asks for. True is "may be let in", and False "must not be"."""
    match place.who:
        case Who.ANYBODY:
            return True
        case Who.SENDER:
            return not {WEBHOOK_TOKEN, *keys.identities}.isdisjoint(_in_the_header(asked) | _in_the_query(asked))
        case Who.LINK:
            return asked.path.removeprefix(place.path) in keys.links
        case Who.TWILIO:
            return _is_signed(asked)
        case Who.ADMIN:
            if asked.method.upper() == "POST":
                # Whoever signs out need not have been signed in: it takes something from nobody but that browser.
                return form_of(asked).taken
            return ADMIN_TOKEN in _in_the_header(asked) or is_signed_in(asked, keys.now)


def _in_the_header(asked: Asked) -> set[str]:
    """What the Authorization header shows: each whole word of it, and its password."""
    header = asked.header("Authorization") or ""
    shown = {*re.split(r'[\s=",;:]+', header)}
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "basic":
        shown.add(_decoded(rest).partition(":")[2])
    return shown


def _in_the_query(asked: Asked) -> set[str]:
    # The first of a name counts; an empty one is one.
    return set([value for name, value in _pairs(asked.query) if name == "auth_token"][:1])


def _is_signed(asked: Asked) -> bool:
    fields = MultiDict(_pairs(asked.body.decode("utf-8", "replace")))
    target = f"{asked.path}?{asked.query}" if asked.query else asked.path
    true = {_TWILIO.compute_signature(base + target, fields) for base in _BASES}
    return asked.header("X-Twilio-Signature") in true


def signature(path: str, query: str, fields: Collection[tuple[str, str]]) -> str:
    """What Twilio's own library signs a form with."""
    target = f"{path}?{query}" if query else path
    return str(_TWILIO.compute_signature(PUBLIC_URL + target, MultiDict(fields)))


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except ValueError:
        return ""
