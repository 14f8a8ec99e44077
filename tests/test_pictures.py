"""The pictures in docs/pictures can be taken again, and are those that the script takes and README.md shows."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from tests.builders import ROOT
from tests.pictures import FOLDER, MOST_BYTES, PICTURES, take
from tests.web.browser import NoBrowser, browser


def size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, as its header says."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def size_of(name: str) -> tuple[int, int]:
    """What the picture's screen has."""
    width, height, scale = PICTURES[name].screen
    return width * scale, height * scale


def test_there_are_just_the_pictures_that_the_script_takes() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}.png" for name in PICTURES}


def test_the_readme_shows_each_of_them_and_no_other() -> None:
    shown = re.findall(r'(?:src|srcset)="docs/pictures/([^"]+)', (ROOT / "README.md").read_text("utf-8"))
    assert set(shown) == {f"{name}.png" for name in PICTURES}


@pytest.mark.parametrize("name", PICTURES)
def test_each_is_small_and_of_the_size_of_its_screen(name: str) -> None:
    png = (FOLDER / f"{name}.png").read_bytes()
    assert size(png) == size_of(name)
    assert len(png) <= MOST_BYTES


@pytest.mark.browser
@pytest.mark.parametrize("name", ["status", "mail"])
def test_the_script_takes_the_longest_of_them(tmp_path: Path, name: str) -> None:
    try:
        with browser(tmp_path / "profile") as window:
            png = take(name, window)
    except NoBrowser as error:
        pytest.skip(str(error))
    assert size(png) == size_of(name)
    assert len(png) <= MOST_BYTES
