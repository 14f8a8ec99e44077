"""Moments and lengths of time as a person reads them."""

from __future__ import annotations

from datetime import datetime, timedelta

CHANNEL_NAMES = {"log": "log", "slack": "Slack", "discord": "Discord", "email": "email", "sms": "SMS"}
"""As a person writes them."""


def clock_time(moment: datetime) -> str:
    """A moment as a person reads it in a message: `03:12 UTC`."""
    return f"{moment:%H:%M} UTC"


def clock_beside(moment: datetime, other: datetime) -> str:
    """A moment beside another one, UTC: `03:12`, and with its date where that is not the other's: `31 Jan 23:50`."""
    return f"{moment:%H:%M}" if moment.date() == other.date() else f"{moment.day} {moment:%b %H:%M}"


def some(number: int, thing: str) -> str:
    """So many of something: `1 text`, `2 texts`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def cost(segments: int, price: float) -> str:
    """What so many segments come to, as a rough guide: `$0.12`."""
    return f"${segments * price:.2f}"


def duration(length: timedelta) -> str:
    """A length of time in its largest unit that keeps it readable: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds} s"
    for large, small, size, part in (("d", "h", 86_400, 3_600), ("h", "min", 3_600, 60)):
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size} {large} {rest} {small}" if rest else f"{seconds // size} {large}"
    return f"{seconds // 60} min"
