"""A sender's times, which may be missing, zero, a word, or out of all reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime

# Outside of these it is a placeholder (0, year 1) or another unit (milliseconds). An absurd time is worse
# than none: an open that seems older than its resolve would be taken for a late one, and not told.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_RFC3339_CHARACTERS = 40


def from_unix(seconds: object) -> datetime | None:
    """Unix seconds, as a number or as digits, in UTC; None when it is neither or outside of 2000 to 2100."""
    if isinstance(seconds, str) and re.fullmatch("[0-9]{1,12}", seconds):
        seconds = int(seconds)
    if not isinstance(seconds, (int, float)):
        return None
    if not _EARLIEST.timestamp() <= seconds < _LATEST.timestamp():
        return None
    return datetime.fromtimestamp(seconds, UTC)


def from_rfc3339(text: str) -> datetime | None:
    """A time with its offset in UTC, to the microsecond; None when it is none or outside of 2000 to 2100."""
    if len(text) > _RFC3339_CHARACTERS:
        return None
    try:
        time = datetime.fromisoformat(text)
        # Without an offset nobody knows when it was.
        return time.astimezone(UTC) if time.tzinfo and _EARLIEST <= time < _LATEST else None
    except ValueError:
        return None
