"""Screenshots as PNGs of 256 colours: a third of the bytes, and nobody sees a difference on pages of text."""

from __future__ import annotations

import base64
import struct
import zlib
from collections import Counter

from tests.web.browser import Browser

COLOURS = 256
"""All that an 8-bit palette holds (https://www.w3.org/TR/png-3/#11PLTE)."""
_PIXELS = """
const image = new Image();
image.onload = () => {
  const pen = new OffscreenCanvas(image.width, image.height).getContext("2d");
  pen.drawImage(image, 0, 0);
  const reader = new FileReader();
  reader.onload = () => done(reader.result.split(",")[1]);
  reader.readAsDataURL(new Blob([pen.getImageData(0, 0, image.width, image.height).data]));
};
image.src = "data:image/png;base64,%s";
"""


def with_palette(png: bytes, window: Browser) -> bytes:
    """`png`, opaque, in its most frequent colours; each other one becomes the nearest of these. Leaves the page."""
    window.open("about:blank")
    pixels = base64.b64decode(window.run_until_done(_PIXELS % base64.b64encode(png).decode()))
    return packed(struct.unpack(">II", png[16:24])[0], [pixels[at : at + 3] for at in range(0, len(pixels), 4)])


def packed(width: int, pixels: list[bytes]) -> bytes:
    """A PNG of `pixels` (red, green and blue of each, line by line), each line `width` of them."""
    count = Counter(pixels)
    palette = [colour for colour, _ in count.most_common(COLOURS)]
    index = {colour: min(range(len(palette)), key=lambda at: _apart(colour, palette[at])) for colour in count}
    lines = bytes(index[pixel] for pixel in pixels)
    unfiltered = b"".join(b"\0" + lines[at : at + width] for at in range(0, len(lines), width))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, len(pixels) // width, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(palette)),
        (b"IDAT", zlib.compress(unfiltered, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def _apart(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
