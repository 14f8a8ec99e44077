"""The pictures in docs/pictures, taken in a real browser: `python -m tests.pictures`.

One night is taken through the real app on a virtual clock. The pages are shown as the app serves them; what Slack,
Discord and the mail are sent is drawn by us as they show it (tests/drawing.py). At each run on one machine the same
pictures. Another machine's fonts give others.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click
import msgspec

from notifier.channels import discord, slack
from notifier.channels.email import Email
from notifier.core.message import Message
from tests import drawing
from tests.builders import NOON, ROOT
from tests.instances import VirtualClock
from tests.palette import with_palette
from tests.story import ADMIN_TOKEN, Stage, night, stage
from tests.web.browser import Browser, NoBrowser, browser

FOLDER = ROOT / "docs" / "pictures"
MOST_BYTES = 100_000
"""Of each: they are in every clone for good."""


class Picture(msgspec.Struct, frozen=True):
    """`shot` brings the browser (of an app that is served at an address) to what is to be seen."""

    screen: tuple[int, int, int]
    """Width and height, and pixels for each of these."""
    shot: Callable[[Stage, Browser, str], None]


def acknowledge(on: Stage, window: Browser, address: str) -> None:
    window.open(address + on.link("orders"))


def acknowledge_dark(on: Stage, window: Browser, address: str) -> None:
    window.dark()
    acknowledge(on, window, address)


def acknowledged(on: Stage, window: Browser, address: str) -> None:
    acknowledge(on, window, address)
    window.type("input", "Ada")
    window.press("button")


def status(_on: Stage, window: Browser, address: str) -> None:
    window.open(f"{address}/status")
    window.type("input", ADMIN_TOKEN)
    window.press("button")


def in_slack(on: Stage, window: Browser, _address: str) -> None:
    _draw(window, drawing.slack(drawing.Post(at, slack.payload(told)) for at, told in _thread(on, "slack")))


def in_discord(on: Stage, window: Browser, _address: str) -> None:
    _draw(window, drawing.discord(drawing.Post(at, discord.payload(told)) for at, told in _thread(on, "discord")))


def as_mail(on: Stage, window: Browser, _address: str) -> None:
    _draw(window, drawing.mail(_mail(*_thread(on, "email")[0])))


PICTURES = {
    "acknowledge-light": Picture((360, 780, 2), acknowledge),
    "acknowledge-dark": Picture((360, 780, 2), acknowledge_dark),
    "acknowledged": Picture((360, 780, 2), acknowledged),
    "status": Picture((1280, 1005, 1), status),
    "slack": Picture((430, 640, 2), in_slack),
    "discord": Picture((430, 720, 2), in_discord),
    "mail": Picture((430, 720, 2), as_mail),
}


def take(name: str, window: Browser) -> bytes:
    """One picture, as a PNG. Each begins with the same night: none sees what another has pressed."""
    picture = PICTURES[name]
    with stage() as on:
        night(on)
        with on.served() as address:
            window.forget()
            window.dark(on=False)
            window.size(*picture.screen)
            picture.shot(on, window, address)
            return with_palette(window.picture(), window)


def _thread(on: Stage, channel: str) -> list[tuple[datetime, Message]]:
    """What a channel was told of the incident until somebody answered, and when."""
    on.acknowledge("orders", "Ada", "by the link in Slack")
    told = on.told(channel, "orders")
    deliveries = on.stored("orders").deliveries
    return [(deliveries[one.delivery].created_at, one) for one in told]


def _mail(at: datetime, message: Message) -> bytes:
    clock = VirtualClock()
    clock.pass_time(seconds=(at - NOON).total_seconds())
    sender = "Pager <pager@example.com>"
    return Email(host="127.0.0.1", port=25, sender=sender, recipients=["oncall@example.com"], clock=clock).raw(message)


def _draw(window: Browser, html: str) -> None:
    window.open(f"data:text/html;base64,{base64.b64encode(html.encode()).decode()}")
    cut = window.run("return document.documentElement.scrollHeight - innerHeight")
    assert cut <= 0, f"the drawing is {cut} pixels higher than its picture"


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
