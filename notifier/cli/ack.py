"""ack: answer an incident from a terminal."""

from __future__ import annotations

import getpass
import sys

import click

from notifier.cli.finding import ended, unresolved
from notifier.cli.output import EXIT_CODES
from notifier.cli.overview import SETTINGS, configured
from notifier.cli.pager import deadlines, give_up, is_called, listed, state_in_words, this_pager, verbose
from notifier.core.answering import answerer
from notifier.core.explaining import joined
from notifier.core.incident import DeliveryState, Incident, IncidentState
from notifier.core.policy import FREE_CHANNELS
from notifier.core.wording import CHANNEL_NAMES, clock_time
from notifier.ports import StoreError
from notifier.settings import settings_from_environment
from notifier.wiring import App


@click.command(epilog=EXIT_CODES, short_help="Acknowledge what is open: nobody is paged any more.")
@click.argument("which", metavar="[ID]", default="")
@click.option("--all", "everything", is_flag=True, help="Every open incident.")
@verbose
@click.option(
    "--by", metavar="NAME", default="", help="Who answers, for the others to read.  [default: your login name]"
)
@click.option("--anyway", is_flag=True, help="Also where somebody who heard of it cannot be told from here.")
def ack(which: str, by: str, *, everything: bool, anyway: bool) -> None:
    """Acknowledge the open incident ID, or with --all every open one.

    Nobody is paged for it any more, it climbs no further, and the others are told who answered: what the Acknowledge
    link in Slack, Discord and email does, from a terminal.

    ID is its ref as it stands in every message (7F3K or '#7F3K', in small letters too), its sender's own incident id,
    or its key in the store.

    Settings come from the environment and from .env.yaml, and have to be the function's: the others are told from here.
    Where a channel that has heard of it is not configured here nothing is acknowledged, unless with --anyway.
    For the deployed pager add STATE=firestore and GOOGLE_CLOUD_PROJECT, and first run
    `gcloud auth application-default login`.

    Exits with 2 if no incident is called so, or several open ones are, or if the settings or the store do not do; with
    0 also if somebody else was faster, or it is over already.
    """
    if bool(which) == everything:
        raise click.UsageError("expected an ID, or --all")
    app = this_pager()
    known = unresolved(app)
    found = [one for one in known if one.state is IncidentState.OPEN]
    chosen = found if everything else [one for one in found if is_called(one, which)]
    if everything and not chosen:
        click.echo("no incident is open")
    elif not chosen:
        _say_who_was_faster(app, which, known, found)
    elif len(chosen) > 1 and not everything:
        give_up(f"{which} may be any of these; give its ref. {listed(chosen)}")
    if not anyway and (refusal := _untold(chosen, known)):
        give_up(refusal)
    certain = [_acknowledge(app, one, _answerer(by)) for one in chosen]
    if not all(certain):
        sys.exit(2)


def _say_who_was_faster(app: App, which: str, known: list[Incident], found: list[Incident]) -> None:
    """Say how that stands which is called so and is not open; exits with 2 when there is none."""
    called = [one for one in known if is_called(one, which)] or [one for one in ended(app) if is_called(one, which)]
    if not called:
        give_up(f"no incident is called {which} in {state_in_words()}. {listed(found)}")
    for one in called:
        if one.state is IncidentState.ACKNOWLEDGED:
            at = one.acknowledged_at or one.opened_at
            how = f"was acknowledged already by {one.acknowledged_by}, {at:%Y-%m-%d %H:%M} UTC"
        else:
            how = f"is over already, since {one.resolved_at or one.opened_at:%Y-%m-%d %H:%M} UTC"
        click.echo(f"#{one.ref} {how}: {one.title}")


def _untold(chosen: list[Incident], known: list[Incident]) -> str:
    """Why who heard of these could not be told from here that somebody has answered; empty where they can.

    The road would take an unset channel for one that was given up, and never tell it.
    """
    members = {member.key for one in chosen for member in one.members}
    answered = [*chosen, *(one for one in known if one.key in members)]
    untold = _hearing(answered) - configured(settings_from_environment()).keys()
    if not untold:
        return ""
    missing = [name for name in FREE_CHANNELS if name in untold]
    names = joined([CHANNEL_NAMES[name] for name in missing])
    refs = ", ".join(f"#{one.ref}" for one in answered if _hearing([one]) & untold)
    return (
        f"nothing is acknowledged: {names} heard of {refs}, and would not be told who answered, as"
        f" {'it is' if len(missing) == 1 else 'they are'} not configured here.\n"
        f"Set {'; '.join(SETTINGS[name] for name in missing)} as the function has them, here or in .env.yaml. Or"
        " answer by the Acknowledge link in a message, or by texting `ack REF` back: that needs no settings here. With"
        " --anyway it is acknowledged all the same, and they are not told."
    )


def _hearing(incidents: list[Incident]) -> set[str]:
    """The free channels that have heard of one of these, or are about to."""
    given_up = (DeliveryState.FAILED, DeliveryState.CANCELLED)
    deliveries = [delivery for one in incidents for delivery in one.deliveries.values()]
    return {one.channel for one in deliveries if one.channel in FREE_CHANNELS and one.state not in given_up}


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
