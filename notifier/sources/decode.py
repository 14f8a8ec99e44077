"""Bytes to a JSON value, forgiving in what a page could be lost over and safe against what could hang us."""

from __future__ import annotations

import json
import math

from notifier.sources.reading import Unreadable, shown

# Longer numbers stay text: int() of a million digits takes minutes (Python refuses over 4,300 of them).
_NUMBER_CHARACTERS = 40


def decode(body: bytes) -> object:
    """The JSON value in `body`, which is UTF-8 of at most 1 MiB (the limit is the web layer's to keep).

    Accepted: a byte order mark, bad UTF-8 (replaced), control characters and lone surrogates in strings,
    NaN and Infinity (as null), duplicate keys (the last one counts).

    Raises Unreadable: no JSON, or nested deeper than Python's stack.
    """
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    if not text or text.isspace():
        raise Unreadable("expected JSON, got an empty body")
    try:
        value: object = _DECODER.decode(text)
    except json.JSONDecodeError as exc:
        got = shown(text[exc.pos]) if exc.pos < len(text) else "the end of the body"
        raise Unreadable(f"expected JSON, got {got} at line {exc.lineno} column {exc.colno}") from exc
    except RecursionError as exc:
        raise Unreadable("expected JSON nested a few levels deep, got hundreds of levels") from exc
    return value


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _NUMBER_CHARACTERS else digits


def _number(digits: str) -> float | str:
    number = float(digits) if len(digits) <= _NUMBER_CHARACTERS else math.inf
    return number if math.isfinite(number) else digits


def _null(_constant: str) -> None:
    """NaN and the infinities, which are no JSON but are what Python and Go senders write."""


_DECODER = json.JSONDecoder(strict=False, parse_int=_integer, parse_float=_number, parse_constant=_null)
