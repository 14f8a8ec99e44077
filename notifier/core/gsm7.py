"""The GSM 7-bit alphabet, and what may be written in place of characters it lacks.

The alphabet is 3GPP TS 23.038's. The plain forms are those of Twilio's Smart Encoding, as npm sms-segments-calculator
1.3.0 has them (https://www.twilio.com/docs/messaging/services/smart-encoding-char-list).
"""

from __future__ import annotations

import unicodedata

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
ESCAPED = frozenset("\f^{}\\[~]|€")
"""Two septets each: an escape and the character."""
ALPHABET = BASIC | ESCAPED

_SMALL_CAPITALS = dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "ABCDEFGHIJKLMNOPRSTUVWYZ", strict=True))
_FULL_WIDTH = {
    # As far from their ASCII as the block is. Twilio leaves out the small letters and the grave accent.
    chr(point + 0xFEE0): chr(point)
    for point in range(ord("!"), ord("~") + 1)
    if chr(point) not in "`abcdefghijklmnopqrstuvwxyz"
}
_WRITTEN_FOR = {
    "": "\0\x03\x04\x10\x11\x12\x13\x14\x17\x19\u200b\u200c\u2060\ufeff",
    " ": "\u2001\u2028\u2029",
    "  ": "\x80\x8d\x90\x9b\x9f\u00a0\u2000\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "       ": "\t",
    "!": "ǃ︕﹗",
    "!!": "‼",
    '"': "«»ʺˮ“”„‟❝❞〝〞",
    "#": "﹟",
    "$": "﹩",
    "%": "﹪",
    "&": "﹠",
    "'": "`´ʹʻʼʽˈˊˋ\u0313\u0314‘’‛❛❜︐︑",
    "(": "❨❪⟮⦅﹙",
    ")": "❩❫⟯⦆﹚",
    "*": "⁎∗⊛✢✣✤✥✱✲✳✺✻✼✽❃❉❊❋⧆﹡",
    "+": "˖﹢",
    ",": "\u0326‚、﹐﹑､",
    "-": "‐–—―•⁃⎼⎽﹣",
    ".": "。﹒｡",
    "...": "…",
    "/": "÷\u0337\u0338⁄∕⧸",
    "1/2": "½",
    "1/4": "¼",
    "3/4": "¾",
    ":": "ː˸⦂꞉︓",
    ";": "⁏︔﹔",
    "<": "‹﹤",
    "=": "\u0347꞊﹦",
    ">": "›﹥",
    "?": "︖﹖",
    "@": "﹫",
    "\\": "\u20e5⧵⧹﹨",
    "^": "ˆ\u0302\u1dcd",
    "_": "\u0332‗",
    "{": "❴﹛",
    "|": "\u20d2\u20d3∣⎜⎟⎸⎹⏐",
    "}": "❵﹜",
    "~": "˜˷\u0303\u0330\u0334∼",
}
PLAIN = (
    {character: plain for plain, characters in _WRITTEN_FOR.items() for character in characters}
    | _SMALL_CAPITALS
    | _FULL_WIDTH
)

# What no decomposition reaches: letters with a stroke, and the signs that alerts use.
_BARE = {
    "Đ": "D",
    "đ": "d",
    "Ð": "D",
    "ð": "d",
    "Ħ": "H",
    "ħ": "h",
    "ı": "i",
    "Ł": "L",
    "ł": "l",
    "Œ": "OE",
    "œ": "oe",
    "Þ": "Th",
    "þ": "th",
    "Ŧ": "T",
    "ŧ": "t",
    "°": "",
    "±": "+-",
    "µ": "u",
    "×": "x",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
}


def plain(text: str) -> str:
    """`text` with each mark that only looks finer made plain, as Twilio does it: quotes, dashes, blanks."""
    return "".join(PLAIN.get(character, character) for character in text)


def bare(text: str) -> str:
    """`text` plain, and without the accents that the alphabet lacks; what has no like in it stays."""
    return "".join(_bare(character) for character in text)


def _bare(character: str) -> str:
    if character in ALPHABET:
        return character
    if unicodedata.category(character) in _DROPPED:
        return ""
    if character in PLAIN:
        return PLAIN[character]
    if character in _BARE:
        return _BARE[character]
    # Of a letter its base; of a ligature or a superscript the letters and figures.
    parts = unicodedata.normalize("NFKD", character)
    return "".join(part for part in parts if unicodedata.category(part) not in _DROPPED)


_DROPPED = frozenset(("Mn", "Me", "Cf"))
"""Accents, and signs that are not seen."""
