"""What the provider says became of a text it has taken: by a delivery report, or in its list."""

from __future__ import annotations

from enum import Enum

import msgspec


class Progress(Enum):
    """How far a text has come; in a delivery this only moves down the list, and the last two are its end."""

    TAKEN = "taken"
    """The provider has it."""
    SENT = "sent"
    """The carrier has it. Some carriers say no more than this."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """It did not arrive, and will not."""

    @property
    def is_final(self) -> bool:
        return self in (Progress.DELIVERED, Progress.FAILED)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's word on one text."""

    progress: Progress = Progress.TAKEN
    trouble: str = ""
    """For `failed`: why, and what a human can do about it, in plain words; else empty."""
    passes: bool = False
    """For `failed`: what was in the way may be gone later, so the phone keeps its place in the next walk."""
    opted_out: bool = False
    """For `failed`: the phone has answered STOP."""
