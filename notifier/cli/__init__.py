"""python -m notifier ...: one small file for each command."""

from __future__ import annotations

import click

from notifier.cli.ack import ack
from notifier.cli.drill import drill
from notifier.cli.policy import policy
from notifier.cli.settings import settings
from notifier.cli.simulate import simulate


@click.group()
def cli() -> None:
    """The pager a small team owns. `./dev run` shows it at work."""


for command in (ack, drill, policy, settings, simulate):
    cli.add_command(command)
