"""The bodies of tests/fixtures/alerts, whole or with some fields changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "fixtures" / "alerts"

ABSENT = object()
"""Stands for a field that is taken out."""


def raw(name: str) -> bytes:
    return (FOLDER / f"{name}.json").read_bytes()


def changed(name: str, /, **fields: object) -> bytes:
    """The body with top-level fields changed or ABSENT."""
    body: dict[str, object] = json.loads(raw(name))
    _change(body, fields)
    return json.dumps(body).encode()


def incident(name: str = "cloud_monitoring_open", /, **fields: object) -> bytes:
    """A Cloud Monitoring body with fields of its incident changed or ABSENT."""
    body: dict[str, dict[str, object]] = json.loads(raw(name))
    _change(body["incident"], fields)
    return json.dumps(body).encode()


def alerts(*changes: Mapping[str, object], name: str = "alertmanager", **fields: object) -> bytes:
    """A body with one alert for each of `changes`, all made from the first of the fixture."""
    body: dict[str, object] = json.loads(raw(name))
    listed = body["alerts"]
    assert isinstance(listed, list)
    body["alerts"] = [_change(dict(listed[0]), change) for change in changes]
    _change(body, fields)
    return json.dumps(body).encode()


def envelope(data: object, **fields: object) -> bytes:
    """A push of `data`; bytes are put into base64, all else stands as it is."""
    encoded = base64.b64encode(data).decode() if isinstance(data, bytes) else data
    message = {"data": encoded, "messageId": "77", "message_id": "77", **fields}
    return json.dumps(
        {"message": _change({}, message), "subscription": "projects/larch-prod/subscriptions/notifier"}
    ).encode()


def _change(target: dict[str, object], fields: Mapping[str, object]) -> dict[str, object]:
    for name, value in fields.items():
        if value is ABSENT:
            target.pop(name, None)
        else:
            target[name] = value
    return target
