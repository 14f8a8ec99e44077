"""A length of time on the command line: 90s, 10m, 1h, 2d."""

from __future__ import annotations

from datetime import timedelta

import click

from notifier.recording import LONGEST, length_of


class _Length(click.ParamType[timedelta]):
    name = "time"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        length = value if isinstance(value, timedelta) else length_of(value)
        if length is None:
            self.fail(f'{value!r} is no time such as "90s", "10m" or "1h" (up to {LONGEST.days}d)', param, ctx)
        return length


LENGTH = _Length()
