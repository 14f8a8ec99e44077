"""The pictures in docs/pictures, taken of the real pages: `python -m tests.pictures`.

One night is taken through the real app on a virtual clock, and a real browser shows what it serves: at each run on one
machine the same pictures. Another machine's fonts give others.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from tests.builders import ROOT
from tests.story import ADMIN_TOKEN, Stage, night, stage
from tests.web.browser import Browser, NoBrowser, browser

FOLDER = ROOT / "docs" / "pictures"
MOST_BYTES = 150_000
"""Of each: they are in every clone for good."""
PHONE = (320, 568, 2)
DESK = (1280, 1005, 1)

Shot = Callable[[Stage, Browser, str], None]
"""Brings the browser (of an app that is served at an address) to what is to be seen."""


def acknowledge_light(on: Stage, window: Browser, address: str) -> None:
    window.size(*PHONE)
    window.open(address + on.link("queue"))


def acknowledge_dark(on: Stage, window: Browser, address: str) -> None:
    window.size(*PHONE)
    window.dark()
    window.open(address + on.link("queue"))


def acknowledged(on: Stage, window: Browser, address: str) -> None:
    window.size(*PHONE)
    window.open(address + on.link("queue"))
    window.type("input", "Ada")
    window.press("button")


def status(on: Stage, window: Browser, address: str) -> None:
    window.size(*DESK)
    window.open(f"{address}/status")
    window.type("input", ADMIN_TOKEN)
    window.press("button")


PICTURES: dict[str, Shot] = {
    "acknowledge-light": acknowledge_light,
    "acknowledge-dark": acknowledge_dark,
    "acknowledged": acknowledged,
    "status": status,
}


def take(name: str, window: Browser) -> bytes:
    """One picture, as a PNG. Each begins with the same night: none sees what another has pressed."""
    with stage() as on:
        night(on)
        with on.served() as address:
            window.forget()
            window.dark(on=False)
            PICTURES[name](on, window, address)
            return window.picture()


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(sorted(PICTURES)))
@click.option("--to", type=click.Path(path_type=Path), default=FOLDER, help="The folder; default: docs/pictures.")
def main(names: tuple[str, ...], to: Path) -> None:
    """Write the pictures of `names`, or all."""
    to.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as window:
            for name in names or PICTURES:
                png = take(name, window)
                if len(png) > MOST_BYTES:
                    sys.exit(f"{name}.png would be {len(png):,} bytes; at most {MOST_BYTES:,} are kept")
                (to / f"{name}.png").write_bytes(png)
                click.echo(f"{name}.png  {len(png):,} bytes")
    except NoBrowser as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
