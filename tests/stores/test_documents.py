"""Incident and Ledger as documents, without a store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from hypothesis import given

from notifier.core.incident import SCHEMA, Incident
from notifier.core.ledger import Ledger
from notifier.ports import DocumentUnreadable, StoreRefused
from notifier.stores.documents import from_fields, from_json, to_fields, to_json
from tests.stores.examples import NOON, an_incident, claimed, incidents, ledgers

NAME = "incidents/0123"


@given(incidents)
def test_an_incident_survives_json(incident: Incident) -> None:
    assert from_json(NAME, to_json(incident), Incident) == incident


@given(incidents)
def test_an_incident_survives_fields(incident: Incident) -> None:
    assert from_fields(NAME, to_fields(incident), Incident) == incident


@given(ledgers)
def test_a_ledger_survives_both(ledger: Ledger) -> None:
    assert from_json("ledger/sms", to_json(ledger), Ledger) == ledger
    assert from_fields("ledger/sms", to_fields(ledger), Ledger) == ledger


def test_times_are_fields_as_they_are_so_that_firestore_can_compare_them() -> None:
    assert to_fields(an_incident(next_due=NOON))["next_due"] == NOON


def test_firestores_own_datetimes_become_plain_ones() -> None:
    google = DatetimeWithNanoseconds(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)  # type: ignore[no-untyped-call]
    incident = from_fields(NAME, to_fields(an_incident()) | {"next_due": google}, Incident)
    assert incident.next_due == NOON
    assert type(incident.next_due) is datetime


def test_a_field_this_version_does_not_know_is_ignored() -> None:
    assert from_fields(NAME, to_fields(an_incident()) | {"colour": "red"}, Incident) == an_incident()


def test_every_top_level_name_is_a_plain_word() -> None:
    """Firestore's `update` would take any other for a path."""
    for field in {**to_fields(an_incident()), **to_fields(Ledger())}:
        assert field.isidentifier()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": SCHEMA + 1}, f"newer notifier (schema {SCHEMA + 1}, this one reads up to {SCHEMA})"),
        ({"schema": None}, "no schema number"),
        ({"schema": "1"}, "no schema number"),
        ({"schema": True}, "no schema number"),
        ({"title": 5}, "Expected `str`, got `int` - at `$.title`"),
        ({"state": "S3CRET"}, "unexpected value at `$.state`"),
        ({"opened_at": "S3CRET"}, "unexpected value at `$.opened_at`"),
        ({"deliveries": {"S3CRET": {"kind": "S3CRET"}}}, "$.deliveries[...]"),
        ({"labels": [{"name": "S3CRET"}]}, "Object missing required field `value` - at `$.labels[0]`"),
    ],
)
def test_an_unreadable_document_says_where_and_shows_nothing_of_it(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DocumentUnreadable) as raised:
        from_fields(NAME, to_fields(claimed("a")) | change, Incident)
    assert str(raised.value).startswith(NAME)
    assert message in str(raised.value)
    assert "S3CRET" not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize("text", ["", "S3CRET", '"S3CRET"', "[1]", '{"title": "S3CRET"}'])
def test_text_that_is_no_document_of_ours_is_unreadable(text: str) -> None:
    with pytest.raises(DocumentUnreadable, match=NAME) as raised:
        from_json(NAME, text, Incident)
    assert "S3CRET" not in str(raised.value)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(StoreRefused):
        to_json(an_incident(title="\udfff"))
