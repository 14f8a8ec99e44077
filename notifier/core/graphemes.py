"""Where a text parts into characters: as Twilio's calculator counts them, and as a reader sees them.

The calculator (npm sms-segments-calculator 1.3.0) splits by the rules of Unicode 10
(https://www.unicode.org/reports/tr29/tr29-31.html) through grapheme-splitter 1.0.4, never brought up to date. Here the
properties come from Python's own tables, which are younger; listed is only where the two differ, up to Unicode 18.
"""

from __future__ import annotations

import unicodedata
from enum import Enum, auto
from functools import lru_cache


class _Kind(Enum):
    """What decides whether a character joins the one before it."""

    CONTROL = auto()
    """Stands alone."""
    MARK = auto()
    SPACING_MARK = auto()
    JOINER = auto()
    PREFIX = auto()
    """Joins whatever comes after it."""
    FLAG = auto()
    """Half a flag."""
    PERSON = auto()
    """May take a skin tone."""
    RELATIVE = auto()
    """A person that joins others to a family."""
    TONE = auto()
    THING = auto()
    """Joins a person, through a joiner."""
    LEADING = auto()
    VOWEL = auto()
    TRAILING = auto()
    OPEN_SYLLABLE = auto()
    CLOSED_SYLLABLE = auto()
    OTHER = auto()


_RANGES = {
    # Unassigned, but set apart for what is never shown.
    _Kind.CONTROL: "2065 FFF0-FFF8 E0000-E001F E0080-E00FF E01F0-E0FFF",
    _Kind.MARK: """
        9BE 9D7 B3E B57 BBE BD7 CC2 CD5-CD6 D3E D57 DCF DDF 1734 200C 302E-302F FF9E-FF9F 1133E 11357 114B0 114BD 115AF
        1171E 1D165 1D16E-1D172 E0020-E007F""",
    _Kind.SPACING_MARK: "E33 EB3 1CF2-1CF3 A9BD 11A07-11A08",
    _Kind.JOINER: "200D",
    _Kind.PREFIX: "600-605 6DD 70F 8E2 D4E 110BD 111C2-111C3 11A3A 11A86-11A89 11D46",
    _Kind.FLAG: "1F1E6-1F1FF",
    _Kind.PERSON: """
        261D 26F9 270A-270D 1F385 1F3C2-1F3C4 1F3C7 1F3CA-1F3CC 1F442-1F443 1F446-1F450 1F46E 1F470-1F478 1F47C
        1F481-1F483 1F485-1F487 1F4AA 1F574-1F575 1F57A 1F590 1F595-1F596 1F645-1F647 1F64B-1F64F 1F6A3 1F6B4-1F6B6
        1F6C0 1F6CC 1F918-1F91C 1F91E-1F91F 1F926 1F930-1F939 1F93D-1F93E 1F9D1-1F9DD""",
    _Kind.RELATIVE: "1F466-1F469",
    _Kind.TONE: "1F3FB-1F3FF",
    _Kind.THING: """
        2640 2642 2695-2696 2708 2764 1F308 1F33E 1F373 1F393 1F3A4 1F3A8 1F3EB 1F3ED 1F48B 1F4BB-1F4BC 1F527 1F52C
        1F5E8 1F680 1F692""",
    _Kind.LEADING: "1100-115F A960-A97C",
    _Kind.VOWEL: "1160-11A7 D7B0-D7C6",
    _Kind.TRAILING: "11A8-11FF D7CB-D7FB",
    # Marks by their category that the calculator takes for letters: Myanmar's and Tai Tham's vowels, which do not
    # join by rule, and all marks and controls that Unicode got after version 10.
    _Kind.OTHER: """
        5C8-5C9 7FD 890-891 897-89F 8CA-8D3 9FE B53-B55 C04 C3C CF3 D81 EBA ECE 102B-102C 1038 1062-1064 1067-106D 1083
        1087-108C 108F 109A-109C 1715 180F 1A61 1A63-1A64 1ABF-1AF0 1DFA A82C A8FF AA7B AA7D 10D24-10D27 10D69-10D6D
        10EAB-10EAC 10ECB-10ECF 10EF0-10EFF 10F46-10F50 10F82-10F85 11070 11073-11074 110C2 110CD 11145-11146 111C9
        111CE-111CF 11241 1133B 113B8-113C0 113C2 113C5 113C7-113CA 113CC-113D0 113D2 113E1-113E2 1145E 1182C-1183A
        11930-11935 11937-11938 1193B-1193E 11940 11942-11943 119D1-119D7 119DA-119E0 119E4 11B60-11B67 11D8A-11D8E
        11D90-11D91 11D93-11D97 11DF0 11EF3-11EF6 11F00-11F01 11F03 11F34-11F3A 11F3E-11F42 11F5A 13430-13440
        13447-13455 1611E-1612F 16F4F 16F7F-16F87 16FE4 16FF0-16FF1 1CF00-1CF2D 1CF30-1CF46 1D127-1D128 1D250-1D252
        1D25B-1D25C 1D25F 1D280-1D281 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF 1E4EC-1E4EF 1E5EE-1E5EF 1E6E3 1E6E6
        1E6EE-1E6EF 1E6F5""",
}


def _characters(ranges: str) -> list[str]:
    ends = [[int(end, 16) for end in one.split("-")] for one in ranges.split()]
    return [chr(point) for first, *last in ends for point in range(first, (last or [first])[0] + 1)]


_LISTED = {character: kind for kind, ranges in _RANGES.items() for character in _characters(ranges)}
_BY_CATEGORY = {
    "Mn": _Kind.MARK,
    "Me": _Kind.MARK,
    "Mc": _Kind.SPACING_MARK,
    **dict.fromkeys(("Cc", "Cf", "Cs", "Zl", "Zp"), _Kind.CONTROL),
}
_YOUNGER_PREFIXES = "890-891 1CF5-1CF6 110CD 1193F 11941 11A84-11A85 11F02 113D1"
_PREFIXES = frozenset(_characters(f"{_RANGES[_Kind.PREFIX]} {_YOUNGER_PREFIXES}"))
"""With those that the calculator does not know."""

_PEOPLE = (_Kind.PERSON, _Kind.RELATIVE)
_MARKS = (_Kind.MARK, _Kind.SPACING_MARK, _Kind.JOINER)
_SYLLABLES = {
    _Kind.LEADING: (_Kind.LEADING, _Kind.VOWEL, _Kind.OPEN_SYLLABLE, _Kind.CLOSED_SYLLABLE),
    _Kind.VOWEL: (_Kind.VOWEL, _Kind.TRAILING),
    _Kind.OPEN_SYLLABLE: (_Kind.VOWEL, _Kind.TRAILING),
    _Kind.TRAILING: (_Kind.TRAILING,),
    _Kind.CLOSED_SYLLABLE: (_Kind.TRAILING,),
}
"""Hangul: what may follow each in one syllable."""
_JOINER = "\u200d"
_LINKS = 9
"""The combining class of viramas, which bind the next consonant."""


def counted(text: str) -> list[str]:
    """`text` in the characters that Twilio's calculator counts: none of them lies across two segments."""
    parts: list[str] = []
    kinds: list[_Kind] = []
    for character in text:
        kind = _kind(character)
        if kinds and _is_counted_with(kinds, kind):
            parts[-1] += character
            kinds.append(kind)
        else:
            parts.append(character)
            kinds = [kind]
    return parts


def clusters(text: str) -> list[str]:
    """`text` parted where a reader sees characters: a cut between two of them spoils neither.

    By today's Unicode, a little coarser where its tables are not at hand. Never finer than `counted`.
    """
    parts: list[str] = []
    for part in counted(text):
        if parts and _is_seen_with(parts[-1], part[0]):
            parts[-1] += part
        else:
            parts.append(part)
    return parts


@lru_cache(4096)
def _kind(character: str) -> _Kind:
    if character in _LISTED:
        return _LISTED[character]
    if "\uac00" <= character <= "\ud7a3":
        # Each row of the block is a syllable without a final consonant, then that syllable with each of 27.
        return _Kind.CLOSED_SYLLABLE if (ord(character) - 0xAC00) % 28 else _Kind.OPEN_SYLLABLE
    return _BY_CATEGORY.get(unicodedata.category(character), _Kind.OTHER)


def _is_counted_with(before: list[_Kind], kind: _Kind) -> bool:
    """Whether the calculator counts a character of `kind` as one with those `before` it."""
    last = before[-1]
    # The second is a slip of its own: a flag takes one mark, and whatever comes next stands alone.
    if _Kind.CONTROL in (last, kind) or (len(before) == 3 and before[1] is _Kind.FLAG):  # noqa: PLR2004
        return False
    if kind in _MARKS or last is _Kind.PREFIX or kind in _SYLLABLES.get(last, ()):
        return True
    if kind is _Kind.FLAG:
        return before == [_Kind.FLAG]
    if kind is _Kind.TONE:
        # Another: past one mark it finds the person, past two it does not.
        marked = _Kind.MARK in before
        return before[-2] in _PEOPLE if last is _Kind.MARK and len(before) > 1 else last in _PEOPLE and not marked
    return last is _Kind.JOINER and kind in (_Kind.THING, _Kind.RELATIVE)


def _is_seen_with(before: str, character: str) -> bool:
    last = before[-1]
    if last == "\r":
        return character == "\n"
    if last == _JOINER or last in _PREFIXES:
        return True
    # By category too: the calculator does not know the marks of younger scripts.
    kind, category = _kind(character), unicodedata.category(character)
    return kind is _Kind.TONE or kind in _MARKS or category[0] == "M" or (category == "Lo" and _binds(before))


def _binds(cluster: str) -> bool:
    """Whether the marks at the end of `cluster` hold a virama: the next consonant is written into this one."""
    for character in reversed(cluster):
        if unicodedata.combining(character) == _LINKS:
            return True
        if _kind(character) not in _MARKS:
            return False
    return False
