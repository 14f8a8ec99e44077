"""Whatever comes in: a Reading or Unreadable, bounded and printable, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.core.alert import Alert, bounded
from notifier.sources import Unreadable, read
from tests.sources.bodies import FOLDER, envelope

BODIES = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.json"))}

# A surrogate can be said in JSON, though not in UTF-8; the words are what the dialects look for.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    ["open", "closed", "firing", "resolved", "test", "1", "4", "No severity", "null", "https://a.example/", "", "\x00"]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.integers(min_value=-(10**60), max_value=10**60) | st.floats() | TEXTS
)
KEYS = TEXTS | st.sampled_from(
    [
        *["incident", "incident_id", "state", "severity", "policy_user_labels", "started_at", "condition", "resource"],
        *["labels", "documentation", "links", "observed_value", "summary", "version", "alerts", "status", "startsAt"],
        *["fingerprint", "annotations", "values", "orgId", "group_info", "exception_info", "event_info", "subject"],
        *["message", "data", "messageId", "subscription", "text", "title", "id", "level", "url", "truncatedAlerts"],
    ]
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8),
    max_leaves=30,
)

# Milliseconds for one small body on a busy machine; making up such bodies may take longer.
PATIENT = settings(deadline=1000, suppress_health_check=[HealthCheck.too_slow])
FEWER = settings(PATIENT, max_examples=60)


def is_sound(body: bytes) -> None:
    """Read `body` and check what holds for any answer."""
    try:
        reading = read(body)
    except Unreadable as error:
        is_sound_reason(error.reason)
        return
    assert bool(reading.alerts) is not reading.ping
    for reason in reading.unreadable:
        is_sound_reason(reason)
    for alert in reading.alerts:
        is_sound_alert(alert)


def is_sound_reason(reason: str) -> None:
    assert 0 < len(reason) <= 300
    assert "\n" not in reason
    reason.encode()


def is_sound_alert(alert: Alert) -> None:
    assert bounded(alert) == alert
    assert alert.source in {"cloud-monitoring", "error-reporting", "alertmanager", "grafana", "plain"}
    assert alert.incident_id or alert.one_off
    assert not (alert.one_off and alert.closed)
    repr(alert).encode()


@PATIENT
@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    """Bytes of no format at all."""
    is_sound(body)


@PATIENT
@given(JSON)
def test_any_json(value: object) -> None:
    """JSON of any shape, with the names the dialects look for."""
    is_sound(json.dumps(value).encode())


@PATIENT
@given(JSON)
def test_any_json_in_a_message(value: object) -> None:
    """The same by way of Pub/Sub."""
    is_sound(envelope(json.dumps(value).encode()))


@PATIENT
@given(st.dictionaries(KEYS, JSON, max_size=12), st.sampled_from(["open", "closed", "OPEN"]))
def test_any_incident_with_an_id_and_a_state_is_accepted(fields: dict[str, object], state: str) -> None:
    """All else is optional: no page is lost over it."""
    body = json.dumps({"incident": {**fields, "incident_id": "0.x", "state": state}}).encode()
    (alert,) = read(body).alerts
    assert (alert.incident_id, alert.closed) == ("0.x", state == "closed")
    is_sound_alert(alert)


@PATIENT
@given(st.dictionaries(KEYS, JSON, max_size=12), st.sampled_from(["firing", "resolved"]))
def test_any_alert_with_a_fingerprint_and_a_status_is_accepted(fields: dict[str, object], status: str) -> None:
    """All else is optional here, too."""
    body = json.dumps({"alerts": [{**fields, "fingerprint": "f", "status": status}]}).encode()
    (alert,) = read(body).alerts
    assert (alert.incident_id, alert.closed) == ("f", status == "resolved")
    is_sound_alert(alert)


@pytest.mark.parametrize("name", BODIES)
@FEWER
@given(data=st.data())
def test_a_real_body_with_one_value_changed(name: str, data: st.DataObject) -> None:
    """Each place of each body may hold anything."""
    body = json.loads(BODIES[name])
    holder, key = data.draw(st.sampled_from(list(_places(body))))
    holder[key] = data.draw(JSON)
    is_sound(json.dumps(body).encode())


@pytest.mark.parametrize("name", BODIES)
@FEWER
@given(data=st.data())
def test_a_real_body_with_some_bytes_changed(name: str, data: st.DataObject) -> None:
    """Cut, overwritten or doubled on its way."""
    body = BODIES[name]
    at, end = sorted(data.draw(st.tuples(*[st.integers(0, len(body))] * 2)))
    is_sound(body[:at] + data.draw(st.binary(max_size=10)) + body[end:])


def _places(value: object) -> Iterator[tuple[Any, Any]]:
    """Every container at or below `value`, with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])  # type: ignore[index]
