"""Which way text runs: right-to-left words within our own, so that neither turns the other around.

A severity, then a Hebrew title, then "#7F3K": without a word on it, a screen draws the ref's digit on the wrong side of
the title, and a mixed title in the wrong order (Unicode's rules, https://www.unicode.org/reports/tr9/). So a title that
has such words is isolated, and what could turn ours around from within an alert is taken out where it comes in.
"""

from __future__ import annotations

import re
import unicodedata

LEFT_TO_RIGHT_MARK = "\u200e"
_ISOLATE, _END = "\u2068", "\u2069"
# Embeddings, overrides and isolates. The two plain marks stay: they move nothing but their own neighbours.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT = {"R", "AL"}


def steady(text: str) -> str:
    """`text` without the controls that change how all that follows them is drawn."""
    return _TURNING.sub("", text)


def has_right_to_left(text: str) -> bool:
    """Whether any of it is drawn from right to left."""
    return not text.isascii() and any(unicodedata.bidirectional(one) in _RIGHT_TO_LEFT for one in text)


def isolated(text: str) -> str:
    """`text`, to stand among left-to-right words; unchanged where nothing of it runs the other way.

    It may hold no isolate of its own: `steady` takes them out.
    """
    return f"{_ISOLATE}{text}{_END}" if has_right_to_left(text) else text


def ended(text: str) -> str:
    """`text` that was cut, with the end of each isolate that it begins: what follows is outside of it."""
    return text + _END * max(0, text.count(_ISOLATE) - text.count(_END))
