"""Pub/Sub's push envelope: the same bodies, as base64 inside of a message.

https://cloud.google.com/pubsub/docs/push: {"message": {"data", "messageId", ...}, "subscription": ...}, the id
in both spellings.
"""

from __future__ import annotations

import base64
import binascii

from notifier.core.alert import ID_CHARACTERS, printable
from notifier.sources.fields import Fields
from notifier.sources.reading import Unreadable, shown

# Base64's other alphabet, and the spaces and line ends of those who wrap it.
_TO_STANDARD = str.maketrans({"-": "+", "_": "/", "=": "", " ": "", "\n": "", "\r": "", "\t": ""})


def recognises(body: Fields) -> bool:
    message = body.values.get("message")
    envelope = {"data", "messageId", "message_id", "attributes"}
    return isinstance(message, dict) and ("subscription" in body.values or not envelope.isdisjoint(message))


def message_id(envelope: Fields) -> str:
    """The message's id, printable and cut, the same at each redelivery; empty when there is none."""
    message = envelope.fields("message")
    # Cleaned here and not with the alert: a message we cannot read is told and stored under it, too.
    return _clean(message.text("messageId")) or _clean(message.text("message_id"))


def data(envelope: Fields) -> bytes:
    """The body inside of the message.

    Raises Unreadable: no data (a message may have attributes only), or no base64.
    """
    encoded = envelope.fields("message").values.get("data")
    if not isinstance(encoded, str) or not encoded:
        raise Unreadable(f"expected base64 in message.data, got {shown(encoded)}")
    bare = encoded.translate(_TO_STANDARD)
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Unreadable(f"expected base64 in message.data, got {shown(encoded)}") from exc


def _clean(message_id: str) -> str:
    return printable(message_id[: ID_CHARACTERS * 4]).strip()[:ID_CHARACTERS]
