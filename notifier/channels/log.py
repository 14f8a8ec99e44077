"""The log: one entry a call on standard output, where Google's Cloud Logging or a person reads it."""

from __future__ import annotations

import json
import math
import re
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TextIO

import msgspec

if TYPE_CHECKING:
    from notifier.core.alert import Severity

STRING_CHARACTERS = 20_000
"""Cloud Logging refuses an entry over 256 KiB (https://cloud.google.com/logging/quotas)."""
DEPTH = 6
ITEMS = 200

# Line ends, and what can change how a terminal shows the rest: escape sequences, direction overrides.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class StreamLog:
    """Writes to a stream. Safe to use from many threads; never raises."""

    def __init__(self, form: Literal["json", "text", "auto"] = "auto", *, stream: TextIO | None = None) -> None:
        """`form`: "auto" is "text" on a terminal, else "json". `stream`: default standard output."""
        self._form = form
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, severity: Severity, message: str, **fields: object) -> None:
        """Write one line; as text, a field of several lines stands below it, behind bars.

        As JSON, `severity` is one of Google's names and the fields stand flat beside `message`
        (https://cloud.google.com/logging/docs/structured-logging).
        """
        stream = self._stream or sys.stdout
        try:
            as_text = self._form == "text" or (self._form == "auto" and stream.isatty())
            line = _text(severity, message, fields) if as_text else _json(severity, message, fields)
            encoding = stream.encoding or "utf-8"
            with self._lock:
                stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
                stream.flush()
        except (OSError, ValueError):
            return  # the stream is closed or full: there is nowhere left to say so


def _json(severity: Severity, message: str, fields: Mapping[str, object]) -> str:
    line = {"severity": severity.name, "message": plain(message)}
    line.update({name: plain(value) for name, value in fields.items()})
    return json.dumps(line)


def _text(severity: Severity, message: str, fields: Mapping[str, object]) -> str:
    words = [f"{severity.name:<8} {plain(message)}"]
    below: list[str] = []
    for name, value in fields.items():
        shown = plain(value)
        if isinstance(shown, str) and "\n" in shown:
            # Behind bars, so that no line of an alert can pass for one of ours.
            below += [f"         | {line}" for line in shown.rstrip("\n").split("\n")]
        else:
            words.append(f"{name}={shown if _is_word(shown) else json.dumps(shown, ensure_ascii=False)}")
    return "\n".join(_UNSAFE.sub(lambda found: repr(found[0])[1:-1], line) for line in (" ".join(words), *below))


def _is_word(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[^\s\"=]+", value) is not None


def plain(value: object, depth: int = DEPTH) -> object:
    """`value` as JSON can hold it, whatever it is; cut to STRING_CHARACTERS, ITEMS and `depth`."""
    if value is None or isinstance(value, bool):
        return value
    for kinds, form in _FORMS:
        if isinstance(value, kinds):
            return form(value, depth)
    return _string(_shown(value))


def _mapping(value: Mapping[Any, Any], depth: int) -> object:
    if depth == 0:
        return "{...}"
    return {str(plain(name, 0)): plain(item, depth - 1) for name, item in list(value.items())[:ITEMS]}


def _collection(value: Collection[Any], depth: int) -> object:
    return [plain(item, depth - 1) for item in list(value)[:ITEMS]] if depth else "[...]"


_FORMS: tuple[tuple[tuple[type, ...], Callable[[Any, int], object]], ...] = (
    ((str,), lambda value, _: _string(value)),
    ((bytes,), lambda value, _: _string(value[:STRING_CHARACTERS].decode("utf-8", "backslashreplace"))),
    ((Enum,), lambda value, depth: plain(value.value, depth)),
    # Past 2**63 Cloud Logging would round it, and past 4,300 digits Python refuses to print it.
    ((int,), lambda value, _: int(value) if abs(value) < 2**63 else _string(hex(value))),
    ((float,), lambda value, _: value if math.isfinite(value) else str(value)),
    ((date,), lambda value, _: value.isoformat()),
    ((timedelta,), lambda value, _: value.total_seconds()),
    ((msgspec.Struct,), lambda value, depth: _mapping(msgspec.structs.asdict(value), depth)),
    ((Mapping,), _mapping),
    ((list, tuple, AbstractSet), _collection),
)


def _string(text: str) -> str:
    return text[:STRING_CHARACTERS].encode("utf-8", "backslashreplace").decode()


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 somebody else's __str__ may raise anything, and a log line must not end a send
        return f"<{type(value).__name__}>"
