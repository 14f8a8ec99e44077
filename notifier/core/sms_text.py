"""SMS text: the alphabet it costs, its segments, and fitting it into them.

Rules of 3GPP TS 23.038 as Twilio applies them (https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding):
GSM-7 gives 160 septets in one segment and 153 in each of several; one character outside it makes the whole text
UCS-2, with 70 and 67 code units. Neither an escape pair nor a character as a reader sees it straddles a boundary.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import msgspec

from notifier.core import gsm7
from notifier.core.graphemes import clusters, counted

_ELLIPSIS = "..."


class Size(msgspec.Struct, frozen=True):
    """What a text costs, in the figures of Twilio's calculator (npm sms-segments-calculator 1.3.0)."""

    encoding: str
    """GSM-7 or UCS-2."""
    segments: int
    characters: int
    """Septets in GSM-7, so that an escaped character is two; in UCS-2 what it counts as one character."""
    units: int
    """Septets in GSM-7, UTF-16 code units in UCS-2."""


class _Room(msgspec.Struct, frozen=True):
    """Units in a text of one segment, and in each segment of a longer one."""

    one: int
    several: int


_ROOM = {"GSM-7": _Room(160, 153), "UCS-2": _Room(70, 67)}


def size_of(text: str) -> Size:
    """The size of `text`, as it will be billed."""
    if _is_gsm7(text):
        units = [1 + (character in gsm7.ESCAPED) for character in text]
        return Size("GSM-7", _segments(units, _ROOM["GSM-7"]), sum(units), sum(units))
    units = [len(character.encode("utf-16-le", "surrogatepass")) // 2 for character in counted(text)]
    return Size("UCS-2", _segments(units, _ROOM["UCS-2"]), len(units), sum(units))


def fit(head: str, middle: str, tail: str, max_segments: int) -> str:
    """`head + middle + tail` in at most `max_segments`; of a longer text `middle` is cut, at a cluster, with "...".

    `head` and `tail` are kept whole: severity, ref and how to answer must not be lost. UCS-2 has less than half the
    room, so `middle` is rewritten where that makes the text GSM-7: quotes, dashes and the like wherever it costs no
    segment; accents, which a reader misses more, only where the text would have to be cut.
    """
    head, middle, tail = (unicodedata.normalize("NFC", part) for part in (head, middle, tail))
    written, plain, bare = (f"{head}{way}{tail}" for way in (middle, gsm7.plain(middle), gsm7.bare(middle)))
    if _is_gsm7(plain) and size_of(plain).segments <= size_of(written).segments and _fits(plain, max_segments):
        return plain
    if _fits(written, max_segments):
        return written
    if _is_gsm7(bare) and _fits(bare, max_segments):
        return bare
    parts = clusters(middle)
    as_written = _cut(head, parts, tail, lambda text: _fits(text, max_segments))
    bared = [gsm7.bare(part) for part in parts]
    without_accents = _cut(head, bared, tail, lambda text: _is_gsm7(text) and _fits(text, max_segments))
    # A script that GSM-7 lacks gains nothing from it, and would lose what changes its words.
    return without_accents.text if without_accents.kept > as_written.kept else as_written.text


class _Cut(msgspec.Struct, frozen=True):
    text: str
    kept: int
    """How many clusters of the middle are left."""


def _cut(head: str, parts: Sequence[str], tail: str, fits: Callable[[str], bool]) -> _Cut:
    """As many of `parts` as the text can hold; none where not even the ends fit, which are kept all the same."""
    least, most = 0, len(parts)
    while least < most:
        half = (least + most + 1) // 2
        if fits(_joined(head, parts[:half], tail)):
            least = half
        else:
            most = half - 1
    return _Cut(_joined(head, parts[:least], tail), least)


def _joined(head: str, parts: Sequence[str], tail: str) -> str:
    end = len(parts)
    while end and (not parts[end - 1] or parts[end - 1].isspace()):
        end -= 1
    return f"{head}{''.join(parts[:end])}{_ELLIPSIS}{tail}"


def _is_gsm7(text: str) -> bool:
    return gsm7.ALPHABET.issuperset(text)


def _fits(text: str, max_segments: int) -> bool:
    size = size_of(text)
    room = _ROOM[size.encoding]
    # The calculator takes a character longer than a segment for one that fits; a phone network does not.
    most = room.one if max_segments == 1 else room.several * max_segments
    return size.segments <= max_segments and size.units <= most


def _segments(units: Sequence[int], room: _Room) -> int:
    """How many segments characters of so many `units` take."""
    segments = 1
    used = displaced = 0
    for unit in units:
        if used + unit <= (room.one if segments == 1 else room.several):
            used += unit
            if segments == 1 and used > room.several:
                displaced += unit
        else:
            # The first segment is taken for the only one until it is full. Then its header displaces what stands at
            # its end, which begins the second one together with this character, even beyond that one's end.
            segments, used, displaced = segments + 1, displaced + unit, 0
    return segments
