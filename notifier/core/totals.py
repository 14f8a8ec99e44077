"""What the texts of a month come to: each costs money."""

from __future__ import annotations

from datetime import datetime

import msgspec

MONTHS = 3
"""That are kept."""


class Month(msgspec.Struct, frozen=True):
    """What was texted in one month, as far as we know of it: claimed, and not given back."""

    texts: int = 0
    segments: int = 0


class Totals(msgspec.Struct, frozen=True):
    """By month (UTC). Never changed, always replaced."""

    months: dict[str, Month] = {}
    """By `2026-01`."""

    def of(self, at: datetime) -> Month:
        """The month that `at` lies in, so far."""
        return self.months.get(f"{at:%Y-%m}", Month())

    def counted(self, at: datetime, *, texts: int, segments: int) -> Totals:
        """So many more; fewer where they are negative."""
        if not texts:
            return self
        before = self.of(at)
        month = Month(max(before.texts + texts, 0), max(before.segments + segments, 0))
        return Totals(dict(sorted({**self.months, f"{at:%Y-%m}": month}.items())[-MONTHS:]))
