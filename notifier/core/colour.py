"""The colour of a message: the same on every channel."""

from __future__ import annotations

from notifier.core.alert import Severity
from notifier.core.incident import Kind
from notifier.core.message import Message

_COLOURS = {
    Severity.INFO: "#439fe0",
    Severity.WARNING: "#f2c744",
    Severity.ERROR: "#e8912d",
    Severity.CRITICAL: "#d50200",
}
_GREEN = "#2eb67d"


def colour_of(message: Message) -> str:
    """Its severity's, or green once it is over: "#d50200"."""
    return _GREEN if message.kind is Kind.RESOLVED else _COLOURS[message.severity]
