"""The pager of this process, as a command uses it: its settings, its state, and how a command gives up."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from notifier.channels.log import StreamLog
from notifier.cli.output import Exit
from notifier.cli.quiet import QuietLog
from notifier.core.incident import Incident, ref_as_read
from notifier.core.policy import PolicyError
from notifier.policy_file import read_policy
from notifier.ports import Found, Log, StoreError
from notifier.sending import Deadlines
from notifier.settings import SettingsError, settings_from_environment
from notifier.wiring import App, Outside, build

LISTED = 10
"""How many incidents are shown to somebody who asked for one that is not among them."""

T = TypeVar("T")
_VERBOSE = "notifier.verbose"


def _heard_verbose(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    context.meta[_VERBOSE] = value


verbose: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "-v", "--verbose", is_flag=True, expose_value=False, callback=_heard_verbose, help="Show the log, on stderr."
)
"""The option of every command that takes the road."""


def this_pager(*, makes_state: bool = False) -> App:
    """The app that the settings of this machine make; exits with 2 when they do not do.

    Its log is quiet unless the command was given -v, and on standard error. `makes_state`: whether a SQLite file that
    is not there yet is made.
    """
    try:
        settings = settings_from_environment()
        policy = read_policy(settings.policy_file)
    except (SettingsError, PolicyError) as error:
        give_up(error)
    path = settings.sqlite_path
    if path and not makes_state and not Path(path).exists():
        # SQLite would make an empty one, in which nothing is ever open.
        words = f"{state_in_words()} is not there; the deployed pager's state is in Firestore: STATE=firestore"
        give_up(SettingsError([words]))
    log: Log = StreamLog(settings.log_format, stream=sys.stderr)
    if not click.get_current_context().meta.get(_VERBOSE):
        log = QuietLog(log)
    return build(settings, policy, Outside(log=log))


def state_in_words() -> str:
    path = settings_from_environment().sqlite_path
    return f"the SQLite file {path}" if path else "Firestore"


def asked(question: Callable[[], T]) -> T:
    """The store's answer; exits with 2 when it has none."""
    try:
        return question()
    except StoreError as error:
        give_up(error)


def readable(search: Callable[[], list[Found]]) -> list[Incident]:
    """What a search finds, in the order they were opened; what cannot be read is named on standard error.

    Exits with 2 when the store cannot be searched.
    """
    found = asked(search)
    for one in found:
        if one.incident is None:
            click.echo(f"passed over, as it cannot be read: {one.key} ({one.trouble})", err=True)
    return sorted((one.incident for one in found if one.incident), key=lambda incident: incident.opened_at)


def is_called(incident: Incident, which: str) -> bool:
    """Whether somebody who says `which` means `incident`: its ref, its sender's id, or its key."""
    return incident.ref == ref_as_read(which) or incident.incident_id == which or incident.key == which.lower()


def listed(incidents: list[Incident]) -> str:
    if not incidents:
        return "None is open there."
    lines = [f"  #{one.ref}  {one.effective.value}  {one.title}" for one in incidents[:LISTED]]
    if len(incidents) > LISTED:
        lines.append(f"  and {len(incidents) - LISTED} more")
    return "\n".join(["Open:", *lines])


def deadlines(app: App) -> Deadlines:
    now = app.clock.monotonic()
    return Deadlines.of_request(now, now)


def give_up(words: object) -> NoReturn:
    """Say why, and exit with 2."""
    click.echo(words, err=True)
    sys.exit(Exit.UNUSABLE)
