"""python -m notifier ...: one small file for each command."""

from __future__ import annotations

import click

from notifier.cli.ack import ack
from notifier.cli.check import check
from notifier.cli.drill import drill
from notifier.cli.explain import explain
from notifier.cli.incidents import incidents
from notifier.cli.output import EXIT_CODES
from notifier.cli.policy import policy
from notifier.cli.send import send
from notifier.cli.settings import settings
from notifier.cli.simulate import simulate

SECTIONS = {
    "To begin with": ("check", "send", "explain"),
    "When something is open": ("incidents", "ack"),
    "To try things out": ("simulate", "drill"),
    "For files and for deploy.sh": ("policy", "settings"),
}


class Sections(click.Group):
    """Lists the commands by what somebody wants, and not by the alphabet."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        left = dict(self.commands)
        width = max(map(len, left))
        for title, names in SECTIONS.items():
            rows = [(name, left.pop(name).get_short_help_str(90)) for name in names if name in left]
            if rows:
                with formatter.section(title):
                    formatter.write_dl([(name.ljust(width), words) for name, words in rows])
        # Whoever adds a command and names it above nowhere still finds it here.
        if left:
            with formatter.section("Others"):
                formatter.write_dl([(name, one.get_short_help_str(90)) for name, one in left.items()])


_FIRST = """\b
Three to begin with:
  python -m notifier check --live            do the settings work, each channel end to end?
  python -m notifier send hello -s critical  a real alert: does my phone ring?
  python -m notifier explain 7F3K            why was I paged, or not?

Settings come from .env.yaml in this folder and, above it, from the environment. For the deployed pager they have to be
its own, with STATE=firestore and GOOGLE_CLOUD_PROJECT, after `gcloud auth application-default login`. Each command
teaches more with --help, and most answer machines with --json.

"""


@click.group(cls=Sections, epilog=_FIRST + EXIT_CODES)
def cli() -> None:
    """The pager a small team owns. `./dev run` shows it at work."""


for command in (ack, check, drill, explain, incidents, policy, send, settings, simulate):
    cli.add_command(command)
