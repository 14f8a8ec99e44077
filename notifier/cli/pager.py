"""The pager of this process, as a command uses it: its settings, its state, and how a command gives up."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from notifier.core.incident import Incident, ref_as_read
from notifier.core.policy import PolicyError
from notifier.ports import Found, StoreError
from notifier.sending import Deadlines
from notifier.settings import SettingsError, settings_from_environment
from notifier.wiring import App, app_from_environment

LISTED = 10
"""How many incidents are shown to somebody who asked for one that is not among them."""


def this_pager() -> App:
    """The app that the settings of this machine make, its log on standard error; exits with 2 when they do not do."""
    try:
        app = app_from_environment(sys.stderr)
    except (SettingsError, PolicyError) as error:
        give_up(error)
    path = settings_from_environment().sqlite_path
    if path and not Path(path).exists():
        # SQLite would make an empty one, in which nothing is ever open.
        words = f"{state_in_words()} is not there; the deployed pager's state is in Firestore: STATE=firestore"
        give_up(SettingsError([words]))
    return app


def state_in_words() -> str:
    path = settings_from_environment().sqlite_path
    return f"the SQLite file {path}" if path else "Firestore"


def readable(search: Callable[[], list[Found]]) -> list[Incident]:
    """What a search finds, in the order they were opened; what cannot be read is named on standard error.

    Exits with 2 when the store cannot be searched.
    """
    try:
        found = search()
    except StoreError as error:
        give_up(error)
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
    sys.exit(2)
