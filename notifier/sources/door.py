"""The one way in: which dialect a body is in, told by its shape and never by a header."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

import msgspec

from notifier.core.alert import bounded
from notifier.sources import alertmanager, cloud_monitoring, error_reporting, plain, pubsub
from notifier.sources.decode import decode
from notifier.sources.fields import Fields
from notifier.sources.reading import Reading, Unreadable, shown
from notifier.sources.refusals import refuse_list, refuse_object

# Tried in this order. Plain last: anything may have a title or a text besides.
_DIALECTS: tuple[tuple[Callable[[Fields], bool], Callable[[Fields], Reading]], ...] = (
    (cloud_monitoring.recognises, cloud_monitoring.read),
    (alertmanager.recognises, alertmanager.read),
    (error_reporting.recognises, error_reporting.read),
    (plain.recognises, plain.read),
)


def read(body: bytes) -> Reading:
    """The alerts of a request's body (at most 1 MiB), whichever dialect it is in.

    Raises Unreadable, and nothing else whatever the bytes are.
    """
    payload = decode(body)
    reading = _read_envelope(Fields(payload)) if _is_envelope(payload) else _read_payload(payload)
    return msgspec.structs.replace(reading, alerts=tuple(map(bounded, reading.alerts)))


def _is_envelope(payload: object) -> TypeGuard[dict[str, object]]:
    return isinstance(payload, dict) and pubsub.recognises(Fields(payload))


def _read_envelope(envelope: Fields) -> Reading:
    message_id = pubsub.message_id(envelope)
    try:
        reading = _read_content(decode(pubsub.data(envelope)))
    except Unreadable as exc:
        raise Unreadable(f"in a Pub/Sub message: {exc.reason}", pubsub=True, message_id=message_id) from exc
    alerts = tuple(msgspec.structs.replace(alert, message_id=message_id) for alert in reading.alerts)
    return msgspec.structs.replace(reading, alerts=alerts, pubsub=True, message_id=message_id)


def _read_content(payload: object) -> Reading:
    if _is_envelope(payload):
        raise Unreadable("expected an alert in message.data, got another envelope")
    return _read_payload(payload)


def _read_payload(payload: object) -> Reading:
    if isinstance(payload, list):
        raise refuse_list(payload)
    if not isinstance(payload, dict):
        raise Unreadable(f"expected a JSON object, got {shown(payload)}")
    if not payload:
        return Reading(ping=True)
    body = Fields(payload)
    for recognises, read_dialect in _DIALECTS:
        if recognises(body):
            return read_dialect(body)
    raise refuse_object(body)
