"""Incident and Ledger as documents: fields for Firestore, JSON for SQLite, and back without loss."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from notifier.core.incident import SCHEMA, Incident
from notifier.core.ledger import Ledger
from notifier.ports import DocumentUnreadable, Found, StoreRefused

State = TypeVar("State", Incident, Ledger)

INCIDENTS = "incidents"
LEDGERS = "ledger"
LEDGER_ID = "sms"
TICKS = "ticks"
TICK_ID = "last"
PROOFS = "proofs"
"""Of documents that only show that the store can be written: no search looks here."""

_SCHEMAS: dict[type, int] = {Incident: SCHEMA, Ledger: Ledger().schema}


def to_fields(state: Incident | Ledger) -> dict[str, Any]:
    """`state` as builtins, times as datetimes: they become Timestamps, which the tick's query needs."""
    fields: dict[str, Any] = msgspec.to_builtins(state, builtin_types=(datetime,))
    return fields


def to_json(state: Incident | Ledger) -> str:
    """`state` as JSON. Raises StoreRefused for a lone surrogate: `core.alert.bounded` lets none through."""
    try:
        return msgspec.json.encode(state).decode()
    except UnicodeEncodeError as error:
        raise StoreRefused("a document is not UTF-8: somewhere a text is not cleaned") from error


def from_fields(name: str, fields: object, kind: type[State]) -> State:
    """The state `to_fields` made `fields` of.

    `name`: of the document, for the error. Raises DocumentUnreadable, which shows none of the content.
    """
    _check_schema(name, fields, _SCHEMAS[kind])
    try:
        return msgspec.convert(_plain(fields), kind)
    except msgspec.ValidationError as error:
        raise DocumentUnreadable(f"{name} cannot be read: {_without_content(str(error))}") from None


def from_json(name: str, text: str, kind: type[State]) -> State:
    """The state `to_json` made `text` of. Raises as `from_fields` does."""
    try:
        fields = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise DocumentUnreadable(f"{name} cannot be read: it is not JSON") from None
    return from_fields(name, fields, kind)


def tick_from_fields(fields: object) -> datetime | None:
    """When the tick was last through; None when the document says nothing we can read: then it counts as stopped."""
    at = _plain(fields.get("at")) if isinstance(fields, dict) else None
    return at if isinstance(at, datetime) else None


def tick_from_text(text: str) -> datetime | None:
    """The same of a moment written as text."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def found(key: str, read: Callable[[], Incident]) -> Found:
    """What a search found under `key`; a document that cannot be read costs no other its place."""
    try:
        return Found(key, read())
    except DocumentUnreadable as error:
        return Found(key, None, str(error))


def _check_schema(name: str, fields: object, known: int) -> None:
    schema = fields.get("schema") if isinstance(fields, dict) else None
    if type(schema) is not int:
        raise DocumentUnreadable(f"{name} is none of notifier's documents: it has no schema number")
    if schema > known:
        raise DocumentUnreadable(
            f"{name} was written by a newer notifier (schema {schema}, this one reads up to {known}): "
            "deploy the newer one everywhere"
        )


def _plain(value: Any) -> Any:
    """`value` with plain datetimes for those of Firestore's own class, which print and pickle otherwise."""
    if isinstance(value, dict):
        # Firestore does not keep the order of a map: sorted, no rule can come to depend on SQLite's.
        return {key: _plain(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz())
    return value


def _without_content(message: str) -> str:
    """What msgspec says, less the value it may quote: that can be anything a sender wrote."""
    what, separator, path = message.rpartition(" - at ")
    if what.startswith(("Expected", "Object missing")):
        return message
    return f"unexpected value at {path}" if separator else "unexpected value"
