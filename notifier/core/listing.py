"""The provider's own list of texts: what it says was sent, when nobody here can say."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from notifier.core.incident import ref_of
from notifier.core.report import Report

_REF = re.compile("#([0-9A-HJKMNP-TV-Z]{4,6})(?![0-9A-Za-z])")


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """One text that the provider has made and sent to one of our phones."""

    id: str
    """The provider's own (Twilio's sid)."""
    created_at: datetime
    """By the provider's clock, to the second."""
    body: str = ""
    """Empty also when the provider keeps no bodies."""
    report: Report = Report()
    """How far it has come."""

    @property
    def trouble(self) -> str:
        """Why it certainly did not arrive, in plain words; empty for any other text."""
        return self.report.trouble

    @property
    def refs(self) -> frozenset[str]:
        """The refs that stand in it."""
        return frozenset(_REF.findall(self.body))

    @property
    def may_be_ours(self) -> bool:
        """Whether a pager wrote it: each of its texts carries a ref, and an empty body says nothing."""
        return not self.body.strip() or bool(self.refs)


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What reading the list gave."""

    texts: tuple[Text, ...] = ()
    """To one phone, all that were made since the moment that was asked for."""
    trouble: str = ""
    """Why the list could not be read, or not as far back as asked, in plain words; empty when it was."""


def refs_of(key: str, generation: int) -> frozenset[str]:
    """Every ref a text about this generation can carry.

    Without the store a text is written as of the first generation: nobody could look up which one it is.
    """
    return frozenset(ref_of(key, generation, length) for length in (4, 5, 6))
