"""The command line: python -m notifier."""

from notifier.cli import cli

cli(prog_name="python -m notifier")
