"""SMS text: the alphabet it costs, its segments, and fitting it into them.

Rules of 3GPP TS 23.038 as Twilio applies them (https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding):
GSM-7 gives 160 septets in one segment and 153 in each of several; one character outside it makes the whole text
UCS-2, with 70 and 67 code units. Neither an escape pair nor a surrogate pair may straddle a boundary.
"""

from __future__ import annotations

import unicodedata

import msgspec

_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_ESCAPED = frozenset("\f^{}\\[~]|€")
"""Two septets each: an escape and the character."""

# What writers' software puts in place of plain marks: each would turn 160 characters into 70.
_PLAIN = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "–": "-",
        "—": "-",
        "…": "...",
        "•": "-",
        "\u00a0": " ",
        "\t": " ",
        "`": "'",
    }
)
_ELLIPSIS = "..."


class Size(msgspec.Struct, frozen=True):
    """What a text costs."""

    encoding: str
    """GSM-7 or UCS-2."""
    segments: int


def size_of(text: str) -> Size:
    """The encoding and segments of `text`, as it will be billed."""
    if all(character in _GSM7 or character in _GSM7_ESCAPED for character in text):
        units, one, several, encoding = [1 + (character in _GSM7_ESCAPED) for character in text], 160, 153, "GSM-7"
    else:
        units, one, several, encoding = [len(_utf16(cluster)) // 2 for cluster in clusters(text)], 70, 67, "UCS-2"
    if sum(units) <= one:
        return Size(encoding, 1)
    segments, room = 1, several
    for unit in units:
        if room < unit <= several:
            segments, room = segments + 1, several
        # A cluster longer than a whole segment is split, as no other way is left.
        over = max(unit - room, 0)
        segments += -(-over // several)
        room = room - unit if not over else -over % several
    return Size(encoding, segments)


def fit(head: str, middle: str, tail: str, max_segments: int) -> str:
    """`head + middle + tail` in at most `max_segments`; of a longer text `middle` is cut, at a cluster, with "...".

    `head` and `tail` are kept whole: severity, ref and how to answer must not be lost. Typographic marks are made
    plain first where that keeps the text in GSM-7.
    """
    head, middle, tail = (unicodedata.normalize("NFC", part) for part in (head, middle, tail))
    if size_of(plain := middle.translate(_PLAIN)).encoding == "GSM-7":
        middle = plain
    if size_of(head + middle + tail).segments <= max_segments:
        return head + middle + tail
    parts = clusters(middle)
    least, most = 0, len(parts)
    while least < most:
        half = (least + most + 1) // 2
        if size_of(_cut(head, parts[:half], tail)).segments <= max_segments:
            least = half
        else:
            most = half - 1
    return _cut(head, parts[:least], tail)


def clusters(text: str) -> list[str]:
    """`text` parted where a reader sees characters: marks, joiners and flags stay with what they belong to."""
    parts: list[str] = []
    for character in text:
        if parts and _joins(parts[-1], character):
            parts[-1] += character
        else:
            parts.append(character)
    return parts


def _cut(head: str, parts: list[str], tail: str) -> str:
    return head + "".join(parts).rstrip() + _ELLIPSIS + tail


def _joins(before: str, character: str) -> bool:
    if before == "\r" and character == "\n":
        return True
    if before[-1] == "\u200d" or character == "\u200d":
        return True
    if _is_flag_letter(character):
        return len(before) == 1 and _is_flag_letter(before)
    return (
        unicodedata.category(character) in ("Mn", "Me", "Mc")
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= character <= "\U000e007f"  # tags of subdivision flags
    )


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")
