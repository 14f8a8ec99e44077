"""policy: POLICY.md from policy.toml."""

from __future__ import annotations

from pathlib import Path

import click

from notifier.cli.pager import give_up
from notifier.core.policy import PolicyError
from notifier.core.policy_page import policy_page
from notifier.policy_file import read_policy


@click.command(short_help="Print POLICY.md: who is told what, in words.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), default="policy.toml")
def policy(file: Path) -> None:
    """Print POLICY.md for a policy FILE: who is told what, in words."""
    try:
        click.echo(policy_page(read_policy(str(file))), nl=False)
    except PolicyError as error:
        give_up(error)
