"""What each channel is told, from an incident. The channels only put it into their own form."""

from __future__ import annotations

import msgspec

from notifier.core.alert import Severity
from notifier.core.incident import Kind


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery's words, in plain text: each channel escapes and cuts them for itself."""

    delivery: str
    """The delivery's key: with `incident` and `generation`, the name of this message."""
    incident: str
    generation: int
    kind: Kind
    severity: Severity
    headline: str
    """One line: what happened, e.g. "CRITICAL: Database unreachable"."""
    body: str = ""
    """Some paragraphs, each worth reading; may hold line feeds."""
    facts: tuple[tuple[str, str], ...] = ()
    """Short named values: ("Since", "2026-01-31 03:12 UTC")."""
    url: str = ""
    """The sender's own page about it; http(s) only, or empty."""
    ref: str
    sms: str = ""
    """The text for the phone, already fitted to its segments; empty for other channels."""
    phone: int | None = None
    """Index into ONCALL_PHONE; SMS only."""
