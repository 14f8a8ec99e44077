"""The pictures in docs/pictures can be taken again, and are those that the script takes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.pictures import DESK, FOLDER, MOST_BYTES, PHONE, PICTURES, take
from tests.web.browser import NoBrowser, browser

SIZES = {name: DESK if name == "status" else PHONE for name in PICTURES}


def size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, as its header says."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_there_are_just_the_pictures_that_the_script_takes() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(PICTURES)


@pytest.mark.parametrize("name", PICTURES)
def test_each_is_small_and_of_the_size_of_its_screen(name: str) -> None:
    png = (FOLDER / f"{name}.png").read_bytes()
    width, height, scale = SIZES[name]
    assert size(png) == (width * scale, height * scale)
    assert len(png) <= MOST_BYTES


@pytest.mark.browser
def test_the_script_takes_the_longest_of_them(tmp_path: Path) -> None:
    try:
        with browser(tmp_path / "profile") as window:
            assert size(take("status", window)) == DESK[:2]
    except NoBrowser as error:
        pytest.skip(str(error))
