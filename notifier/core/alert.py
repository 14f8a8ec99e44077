"""An alert: one message from a monitoring system, already read and cut to size."""

from __future__ import annotations

import re
from datetime import datetime
from enum import Enum
from functools import total_ordering

import msgspec

from notifier.core.direction import steady

# Bounds of what is kept of an alert (DESIGN.md, "State"): a document has to stay far below Firestore's 1 MiB.
TITLE_CHARACTERS = 500
TEXT_CHARACTERS = 8_000
URL_CHARACTERS = 2_000
LABELS = 50
LABEL_CHARACTERS = 200
ID_CHARACTERS = 500
WORD_CHARACTERS = 60

# C0 and C1 controls but for tab and line feed, and surrogates: no channel can carry them, and UTF-8 refuses the last.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@total_ordering
class Severity(Enum):
    """How bad it is; ordered, so that escalation is a maximum."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    def __lt__(self, other: Severity) -> bool:
        return _RANK[self] < _RANK[other]


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


class Label(msgspec.Struct, frozen=True):
    """One label; a pair of fields, as Firestore holds no list of lists and no empty map key."""

    name: str
    value: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something opened or closed, in the words of its sender.

    Made by the sources through `bounded`, so that every text is printable and cut to size.
    """

    source: str
    """The dialect: part of the incident's key, so that two senders never share an incident."""
    incident_id: str
    """The sender's own id. Empty: a one-off told apart by its words."""
    closed: bool = False
    severity: str = ""
    """The sender's word in lower case; empty when the sender set none."""
    title: str
    text: str = ""
    documentation: str = ""
    """What the team wrote for whoever is paged, in Markdown."""
    url: str = ""
    labels: tuple[Label, ...] = ()
    started_at: datetime | None = None
    """When the sender says it began (UTC)."""
    one_off: bool = False
    """Can never close: a log match, a plain text without an id."""
    test: bool = False
    """The console's test notification: told every time, never by SMS."""
    unreadable: bool = False
    """Not from the sender: we could not read what it sent, and say so."""
    message_id: str = ""
    """The transport's id (Pub/Sub): the same message again has the same one."""


def printable(text: str) -> str:
    """`text` without control characters and lone surrogates; line ends become line feeds."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def cut(text: str, characters: int) -> str:
    """`text` in at most `characters` code points, the last of them "…" when something was cut."""
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def bounded(alert: Alert) -> Alert:
    """`alert` with every field printable and within its bound, whatever came in."""

    def line(text: str, characters: int) -> str:
        # Cleaned after a first cut: nobody waits for the cleaning of a megabyte that is thrown away.
        return cut(" ".join(steady(printable(text[: characters * 4])).split()), characters)

    def words(text: str, characters: int) -> str:
        return cut(steady(printable(text[: characters * 4])).strip(), characters)

    return msgspec.structs.replace(
        alert,
        incident_id=printable(alert.incident_id)[:ID_CHARACTERS],
        severity=line(alert.severity, WORD_CHARACTERS).lower(),
        title=line(alert.title, TITLE_CHARACTERS) or "(no title)",
        text=words(alert.text, TEXT_CHARACTERS),
        documentation=words(alert.documentation, TEXT_CHARACTERS),
        url=alert.url if is_web_address(alert.url) else "",
        labels=tuple(
            Label(line(label.name, LABEL_CHARACTERS), line(label.value, LABEL_CHARACTERS))
            for label in alert.labels[:LABELS]
        ),
        message_id=printable(alert.message_id)[:ID_CHARACTERS],
    )


def is_web_address(url: str) -> bool:
    """Whether `url` may stand behind a link: no `javascript:`, no spaces, no markup, nothing that turns text around."""
    return (
        len(url) <= URL_CHARACTERS
        and re.fullmatch(r"https?://[^\s<>\"'|\\^`{}\x00-\x20\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+", url)
        is not None
    )
