"""ack: answer an incident from a terminal."""

from __future__ import annotations

import getpass
import sys

import click

from notifier.cli.output import EXIT_CODES
from notifier.cli.pager import deadlines, give_up, is_called, listed, readable, state_in_words, this_pager, verbose
from notifier.core.answering import answerer
from notifier.core.incident import Incident, IncidentState
from notifier.core.wording import clock_time
from notifier.ports import StoreError
from notifier.wiring import App


@click.command(epilog=EXIT_CODES, short_help="Acknowledge what is open: nobody is paged any more.")
@click.argument("which", metavar="[ID]", default="")
@click.option("--all", "everything", is_flag=True, help="Every open incident.")
@verbose
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
    app = this_pager()
    found = readable(lambda: app.store.open_incidents(deadlines(app).claim_by))
    chosen = found if everything else [one for one in found if is_called(one, which)]
    if everything and not chosen:
        click.echo("no incident is open")
    elif not chosen:
        where = state_in_words()
        give_up(f"no open incident is called {which}: it is answered or over, or not in {where}. {listed(found)}")
    elif len(chosen) > 1 and not everything:
        give_up(f"{which} may be any of these; give its ref. {listed(chosen)}")
    certain = [_acknowledge(app, one, _answerer(by)) for one in chosen]
    if not all(certain):
        sys.exit(2)


def _answerer(by: str) -> str:
    try:
        name = by.strip() or getpass.getuser()
    except (ImportError, KeyError, OSError):  # as in a container without users
        name = ""
    return answerer(name, "on the command line")


def _acknowledge(app: App, incident: Incident, by: str) -> bool:
    """Acknowledge one and say so; False if it is not certain that it is."""
    try:
        now = app.relay.acknowledge(incident, incident.generation, by, deadlines(app)).incident
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
