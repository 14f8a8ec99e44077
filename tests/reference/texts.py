"""Random texts that are hard to count: every alphabet, what joins, and what falls on the end of a segment."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from random import Random

from notifier.core import gsm7

_BASIC, _ESCAPED, _PLAIN = "".join(sorted(gsm7.BASIC)), "".join(sorted(gsm7.ESCAPED)), "".join(sorted(gsm7.PLAIN))


def _run(first: int, last: int) -> str:
    return "".join(map(chr, range(first, last + 1)))


_ACCENTED = "áíóúâêîôûãõçëïÿšžčřůąęłńśźżđőűğıİşțÁÍÓÚÂÊÎÔÛÃÕŠŽ"
_ACCENTS = _run(0x300, 0x36F) + "\u1dcd\u20d0\u20e3\ufe20"
_HANDS = "👍👋✋☝🖐💪🤘🤚"
_TONES = "🏻🏼🏽🏾🏿"
_FAMILIES = (
    "👩\u200d👩\u200d👧\u200d👦",
    "👨🏿\u200d🚀",
    "🏳\ufe0f\u200d🌈",
    "🧑🏽\u200d🤝\u200d🧑🏻",
    "🐻\u200d❄\ufe0f",
    "❤\ufe0f\u200d🔥",
)
_ALPHABETS: dict[str, tuple[str, ...]] = {
    "GSM-7": tuple(_BASIC + "abcdefghij " * 20),
    "escapes": tuple(_BASIC[:20] + _ESCAPED),
    "marks made plain": tuple("abc def " + _PLAIN),
    "Latin": tuple("abcdefgh " + _ACCENTED),
    "Latin, decomposed": tuple(unicodedata.normalize("NFD", one) for one in "abc " + _ACCENTED + "éèàñü"),
    "accents in heaps": tuple("aeo" + _ACCENTS),
    "Greek": tuple(_run(0x370, 0x3FF)),
    "Cyrillic": tuple(_run(0x400, 0x4FF)),
    "Hebrew": tuple(_run(0x590, 0x5FF)),
    "Arabic": tuple(_run(0x600, 0x6FF) + "\u200c\u200d"),
    "Syriac": tuple(_run(0x700, 0x74F)),
    "Devanagari": (*_run(0x900, 0x97F), *("क्ष", "र्\u200dक", "न्\u200cन", "कि", "त्त्व") * 5),
    "Bengali to Gujarati": tuple(_run(0x980, 0xAFF)),
    "Oriya to Kannada": tuple(_run(0xB00, 0xCFF)),
    "Malayalam and Sinhala": tuple(_run(0xD00, 0xDFF)),
    "Thai to Tibetan": tuple(_run(0xE00, 0xFFF)),
    "Burmese": (*_run(0x1000, 0x109F), "က္က", "ကျွ"),
    "Khmer and Mongolian": tuple(_run(0x1780, 0x18AF)),
    "Tai Tham to Lepcha": tuple(_run(0x1A00, 0x1C4F)),
    "Brahmi and later": tuple(_run(0x11000, 0x119FF)),
    "Hangul": tuple("서버가다운되었습니다각갂"),
    "Hangul letters": tuple(_run(0x1100, 0x11FF) + "가각" + _run(0xA960, 0xA97C) + _run(0xD7B0, 0xD7FB)),
    "kana": tuple(_run(0x3040, 0x30FF) + _run(0xFF60, 0xFF9F)),
    "Han": tuple("服务器数据库停止𠮷𠀀𪚥。、"),
    "emoji": tuple(_run(0x1F300, 0x1F64F) + _run(0x1F900, 0x1F9FF) + "☀⚠❤✈♀♂"),
    "emoji that join": (*_FAMILIES, *_HANDS, *_TONES, *"\u200d\ufe0f👩👨👧💻🔬🚀♀♂"),
    "flags": (
        *_run(0x1F1E6, 0x1F1FF),
        "a",
        "\u0301",
        "\u200d",
        "🏴" + "".join(chr(0xE0000 + ord(one)) for one in "gbsct\x7f"),
    ),
    "ends of lines": ("\r\n", "\r", "\n", "a", "\u2028", "\u0301"),
    "unseen": tuple(_run(0x00, 0x1F) + _run(0x7F, 0xAD) + _run(0x2000, 0x206F) + "\ufeff\U000e0001\U000e0041\ufff9a"),
    # High ones alone: with a low one after it, it would be one character in JavaScript and two in Python.
    "lone surrogates": ("\ud83d", "a", "b", "é", "ж"),
}
_ENDS = (67, 70, 134, 153, 160, 201, 306, 459)
"""Units after which a segment is full, or a text too long for the segments it had."""
_FILLINGS = ("a", "ж", "é", "€", "😀", "👩\u200d👩\u200d👧", "e\u0301", "각", "각", "\r\n", "{")
MOST = 500
"""Pieces in one text, as many as in a title."""


def random_text(random: Random) -> str:
    """One text; the same `random` gives the same one."""
    shapes = (_in_gsm7, _of_some_alphabets, _of_some_alphabets, _around_an_end, _around_an_end, _of_anything)
    return random.choice(shapes)(random)


def _pieces(random: Random) -> Callable[[int], str]:
    alphabets = [_ALPHABETS[name] for name in random.sample(sorted(_ALPHABETS), random.choice((1, 1, 2, 3)))]
    return lambda count: "".join(random.choice(random.choice(alphabets)) for _ in range(count))


def _in_gsm7(random: Random) -> str:
    """Nothing else, or one character that costs it the alphabet."""
    letters = _BASIC + _ESCAPED * random.choice((0, 1, 10))
    text = "".join(random.choice(letters) for _ in range(random.choice(_ENDS) + random.randint(-60, 10)))
    return text + random.choice(("", "", random.choice(_PLAIN), random.choice(_ACCENTED)))


def _of_some_alphabets(random: Random) -> str:
    return _pieces(random)(random.choice((random.randint(0, 20), random.randint(0, 90), random.randint(0, MOST))))


def _around_an_end(random: Random) -> str:
    """Full to a few units before or after an end, then something that may not fit."""
    pieces = _pieces(random)
    filling = random.choice(_FILLINGS)
    each = 2 if filling in gsm7.ESCAPED else len(filling.encode("utf-16-le")) // 2
    ends = random.choice(_ENDS) + random.randint(-8, 3)
    start = random.choice(("", "", "ж", pieces(1), pieces(3)))
    text = start + filling * (max(ends - len(start), 0) // each) + pieces(random.randint(0, 8))
    return text + random.choice(_FILLINGS) * random.choice((0, 0, random.randint(0, 160)))


def _of_anything(random: Random) -> str:
    """Any code points at all, unassigned ones too."""
    top = random.choice((0x250, 0x3000, 0x11FFF, 0x1FFFF, 0x10FFFF))
    points = (random.randint(0, top) for _ in range(random.randint(0, 100)))
    return "".join(chr(point) for point in points if not 0xD800 <= point <= 0xDFFF)
