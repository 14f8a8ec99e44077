"""What the commands share in how they answer: for people and for machines, and with which exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import Enum, IntEnum
from typing import Any

import click


class Exit(IntEnum):
    """The exit code of every command."""

    DONE = 0
    NOT_AS_WANTED = 1
    UNUSABLE = 2


EXIT_CODES = """\b
Exit codes, of every command:
  0  done
  1  something that was checked, sent or asked for is not as wanted
  2  a mistake in the call, the settings or the policy, or the state is out of reach
"""

as_json = click.option(
    "--json", "as_json", is_flag=True, help="For machines: one JSON object or list on standard output."
)


def print_json(content: object) -> None:
    """Print for a machine: times in ISO 8601 (UTC), names that stay as they are."""
    click.echo(json.dumps(content, ensure_ascii=False, indent=2, default=_plain))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print `rows`, the first of them the heads, in columns; the last column is as wide as it is."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[-1]]).rstrip())


def _plain(value: Any) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"no JSON for {type(value).__name__}")
