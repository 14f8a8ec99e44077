"""python -m notifier ...: one small file for each command."""

from __future__ import annotations

import click

from notifier.cli.ack import ack
from notifier.cli.policy import policy
from notifier.cli.settings import settings


@click.group()
def cli() -> None:
    """The pager a small team owns. `./dev run` shows it at work."""


for command in (ack, policy, settings):
    cli.add_command(command)
