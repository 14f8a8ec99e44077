"""What arrives: bytes from a sender in, alerts out. Pure, and the same whatever way a body came in.

A dialect is one small file with `recognises` and `read`; the door holds the table of them.
"""

from __future__ import annotations

from notifier.sources.door import read
from notifier.sources.reading import Reading, Unreadable

__all__ = ["Reading", "Unreadable", "read"]
