from __future__ import annotations

import re
import struct
import zlib

from tests.palette import COLOURS, packed

RED, BLACK = b"\xff\0\0", b"\0\0\0"


def read(png: bytes) -> tuple[tuple[int, int], list[bytes]]:
    """Its size and the colours of its pixels, by the chunks' own lengths and sums."""
    chunks, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        named = png[at + 4 : at + 8 + length]
        assert png[at + 8 + length : at + 12 + length] == struct.pack(">I", zlib.crc32(named))
        chunks[named[:4]] = named[4:]
        at += 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    assert chunks[b"IHDR"][8:] == b"\x08\x03\0\0\0"  # eight bits into a palette, not interlaced
    lines = zlib.decompress(chunks[b"IDAT"])
    palette = re.findall(b"(?s)...", chunks[b"PLTE"])
    assert len(lines) == height * (width + 1)
    assert not any(lines[:: width + 1])  # no filter
    return (width, height), [palette[index] for at, index in enumerate(lines) if at % (width + 1)]


def test_few_colours_stay_as_they_are() -> None:
    pixels = [RED, BLACK, BLACK, RED, RED, RED]
    assert read(packed(3, pixels)) == ((3, 2), pixels)


def test_what_is_too_many_becomes_the_nearest_of_the_frequent_ones() -> None:
    greys = [bytes([level] * 3) for level in range(COLOURS - 1)]
    pixels = [*greys, RED] * 2 + [b"\xfe\0\0"]
    assert read(packed(len(pixels), pixels)) == ((len(pixels), 1), [*greys, RED] * 2 + [RED])
