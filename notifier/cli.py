"""python -m notifier ..."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import NoReturn

import click
import yaml

from notifier.core.answering import answerer
from notifier.core.incident import Incident, IncidentState, ref_as_read
from notifier.core.policy import PolicyError
from notifier.core.policy_page import policy_page
from notifier.core.wording import clock_time
from notifier.policy_file import read_policy
from notifier.ports import StoreError
from notifier.sending import Deadlines
from notifier.settings import SECRETS, SettingsError, read_env_file, read_settings, settings_from_environment
from notifier.wiring import App, app_from_environment

LISTED = 10
"""How many open incidents are shown to somebody who asked for one that is not among them."""


@click.group()
def cli() -> None:
    """The pager a small team owns. `./dev run` shows it at work."""


@cli.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), default="policy.toml")
def policy(file: Path) -> None:
    """Print POLICY.md for a policy FILE: who is told what, in words."""
    try:
        click.echo(policy_page(read_policy(str(file))), nl=False)
    except PolicyError as error:
        _give_up(error)


@cli.command()
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=".env.yaml",
    show_default=True,
    help="Settings in gcloud's --env-vars-file form.",
)
@click.option("--set", "extra", metavar="NAME=VALUE", multiple=True, help="A setting on top of the file's.")
@click.option(
    "--split",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write plain.yaml and secrets/NAME into, for deploy.sh.",
)
def settings(env_file: Path, extra: tuple[str, ...], split: Path) -> None:
    """Check settings and policy as Cloud Run will see them, and part the secrets from the rest.

    Exits with 2 and every mistake when they would not do.
    """
    try:
        values = read_env_file(env_file) | _pairs(extra)
        # The policy too: refused later, it would leave half a deployment behind.
        read_policy(read_settings({**values, "K_SERVICE": "notifier"}).policy_file)
    except (SettingsError, PolicyError) as error:
        _give_up(error)
    values = {name: value.strip() for name, value in values.items() if value.strip()}
    secrets = split / "secrets"
    secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in SECRETS:
        # Made anew: one of an earlier run may be readable by others, or be no setting any more.
        (secrets / name).unlink(missing_ok=True)
        if name in values:
            (secrets / name).touch(0o600)
            (secrets / name).write_text(values[name], "utf-8")
    plain = {name: value for name, value in sorted(values.items()) if name not in SECRETS}
    (split / "plain.yaml").write_text(yaml.safe_dump(plain, allow_unicode=True), "utf-8")


@cli.command()
@click.argument("which", metavar="[ID]", default="")
@click.option("--all", "everything", is_flag=True, help="Every open incident.")
@click.option(
    "--by", metavar="NAME", default="", help="Who answers, for the others to read.  [default: your login name]"
)
def ack(which: str, by: str, *, everything: bool) -> None:
    """Acknowledge the open incident ID, or with --all every open one.

    Nobody is paged for it any more, it climbs no further, and the others are told who answered: what the Acknowledge
    link in Slack, Discord and email does, from a terminal.

    ID is its ref as it stands in every message (7F3K or '#7F3K', in small letters too), its sender's own incident id,
    or its key in the store.

    Settings come from the environment and from .env.yaml, and have to be the function's: the others are told from here.
    For the deployed pager add STATE=firestore and GOOGLE_CLOUD_PROJECT, and first run
    `gcloud auth application-default login`.

    Exits with 2 if no open incident is called so, or several are, or if the settings or the store do not do; with 0
    also if somebody else was faster.
    """
    if bool(which) == everything:
        raise click.UsageError("expected an ID, or --all")
    try:
        app = app_from_environment(sys.stderr)
        found = _open_incidents(app)
    except (SettingsError, PolicyError, StoreError) as error:
        _give_up(error)
    chosen = found if everything else [one for one in found if _is_called(one, which)]
    if everything and not chosen:
        click.echo("no incident is open")
    elif not chosen:
        _give_up(f"no open incident is called {which}: it is answered or over, or not in {_state()}. {_listed(found)}")
    elif len(chosen) > 1 and not everything:
        _give_up(f"{which} may be any of these; give its ref. {_listed(chosen)}")
    certain = [_acknowledge(app, one, _answerer(by)) for one in chosen]
    if not all(certain):
        sys.exit(2)


def _open_incidents(app: App) -> list[Incident]:
    """In the order they were opened. Raises StoreError, SettingsError."""
    path = settings_from_environment().sqlite_path
    if path and not Path(path).exists():
        # SQLite would make an empty one, in which nothing is ever open.
        raise SettingsError([f"{_state()} is not there; the deployed pager's state is in Firestore: STATE=firestore"])
    found = app.store.open_incidents(_deadlines(app).claim_by)
    for one in found:
        if one.incident is None:
            click.echo(f"passed over, as it cannot be read: {one.key} ({one.trouble})", err=True)
    return sorted((one.incident for one in found if one.incident), key=lambda incident: incident.opened_at)


def _state() -> str:
    path = settings_from_environment().sqlite_path
    return f"the SQLite file {path}" if path else "Firestore"


def _is_called(incident: Incident, which: str) -> bool:
    return incident.ref == ref_as_read(which) or incident.incident_id == which or incident.key == which.lower()


def _listed(incidents: list[Incident]) -> str:
    if not incidents:
        return "None is open there."
    lines = [f"  #{one.ref}  {one.effective.value}  {one.title}" for one in incidents[:LISTED]]
    if len(incidents) > LISTED:
        lines.append(f"  and {len(incidents) - LISTED} more")
    return "\n".join(["Open:", *lines])


def _answerer(by: str) -> str:
    try:
        name = by.strip() or getpass.getuser()
    except (ImportError, KeyError, OSError):  # as in a container without users
        name = ""
    return answerer(name, "on the command line")


def _acknowledge(app: App, incident: Incident, by: str) -> bool:
    """Acknowledge one and say so; False if it is not certain that it is."""
    try:
        now = app.relay.acknowledge(incident, incident.generation, by, _deadlines(app)).incident
    except StoreError as error:
        click.echo(f"#{incident.ref} is perhaps not acknowledged: {error}; try again, twice does no harm", err=True)
        return False
    if now is None or now.generation != incident.generation or now.state is IncidentState.RESOLVED:
        click.echo(f"#{incident.ref} was over meanwhile: {incident.title}")
    elif now.acknowledged_by != by:
        at = clock_time(now.acknowledged_at or now.opened_at)
        click.echo(f"#{incident.ref} was acknowledged meanwhile by {now.acknowledged_by} at {at}: {incident.title}")
    else:
        click.echo(f"#{incident.ref} is acknowledged: {incident.title}")
    return True


def _deadlines(app: App) -> Deadlines:
    now = app.clock.monotonic()
    return Deadlines.of_request(now, now)


def _give_up(words: object) -> NoReturn:
    click.echo(words, err=True)
    sys.exit(2)


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    """Of texts NAME=VALUE. Raises SettingsError."""
    pairs = [pair.partition("=") for pair in given]
    if not all(name and equals for name, equals, _ in pairs):
        raise SettingsError(["--set takes NAME=VALUE"])
    return {name: value for name, _, value in pairs}
