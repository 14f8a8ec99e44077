"""One thing that is tried out, and what that has shown."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import msgspec

from notifier.channels.wire import Reply, redact
from notifier.core.outcome import Outcome


class Verdict(Enum):
    PROVEN = "proven"
    WARNING = "warning"
    """It works, and somebody should look at it."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """It was not tried, or could not be."""


class Shown(msgspec.Struct, frozen=True):
    """What came out: the verdict, and in plain words what was proven, or what to do. No secret, no whole number."""

    verdict: Verdict
    words: str


class Probe(msgspec.Struct, frozen=True):
    name: str
    run: Callable[[float], Shown]
    """Is back by the deadline it is given (seconds of `time.monotonic`); raises for nothing the outside does."""


def proven(words: str) -> Shown:
    return Shown(Verdict.PROVEN, words)


def warned(words: str) -> Shown:
    return Shown(Verdict.WARNING, words)


def failed(words: str) -> Shown:
    return Shown(Verdict.FAILED, words)


def skipped(words: str) -> Shown:
    return Shown(Verdict.SKIPPED, words)


def unanswered(answer: Outcome, setting: str) -> Shown:
    """No answer came. `setting`: what may be wrong."""
    return failed(f"{answer.detail}; check the network here, and {setting}")


def odd(answer: Reply, *secrets: str) -> Shown:
    """An answer that says nothing we know."""
    said = redact(answer.body[:2_000].decode("utf-8", "replace"), *secrets)
    return failed(f"{answer.host} answered {answer.status}" + (f": {said}" if said else ""))
