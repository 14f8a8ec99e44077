"""incidents: what is open, answered and over."""

from __future__ import annotations

import click

from notifier.cli.finding import ended, unresolved
from notifier.cli.output import EXIT_CODES, as_json, print_json, print_table
from notifier.cli.pager import this_pager
from notifier.core.incident import OUT, Incident, IncidentState, Kind
from notifier.core.policy import CHANNELS
from notifier.core.telling import who

_JSON = """\b
JSON: [{"ref", "key", "generation", "source", "id", "state": open|acknowledged|resolved|test,
  "severity", "effective": what it is treated as, "title", "opened_at", "acknowledged_at", "acknowledged_by",
  "resolved_at", "expired", "told": [who], "deliveries": {name: state}}]
Times are in ISO 8601, and null for what has not happened.

"""


@click.command(epilog=_JSON + EXIT_CODES, short_help="List what is open, answered and over.")
@click.option("--ended", "over", is_flag=True, help="What is over instead, as long as it is kept: 14 days.")
@click.option("--all", "everything", is_flag=True, help="What is over, too.")
@as_json
def incidents(*, over: bool, everything: bool, as_json: bool) -> None:
    """List the incidents: open ones first, then those that somebody has acknowledged.

    A severity with an arrow has climbed, as nobody had answered. `explain REF` says why somebody was told, or was not.
    Times are UTC.
    """
    app = this_pager()
    found: list[Incident] = []
    if everything or not over:
        found += sorted(unresolved(app), key=lambda one: one.state is IncidentState.ACKNOWLEDGED)
    if everything or over:
        found += ended(app)
    if as_json:
        print_json([described(one) for one in found])
    elif not found:
        click.echo("nothing is over" if over and not everything else "nothing is open")
    else:
        heads = ["ref", "severity", "state", "since", "told", "title"]
        print_table([heads, *(_row(one) for one in found)])


def described(incident: Incident) -> dict[str, object]:
    """An incident for a machine. No number, no message id, nothing of a claim."""
    return {
        "ref": incident.ref,
        "key": incident.key,
        "generation": incident.generation,
        "source": incident.source,
        "id": incident.incident_id,
        "state": incident.state,
        "severity": incident.severity,
        "effective": incident.effective,
        "title": incident.title,
        "opened_at": incident.opened_at,
        "acknowledged_at": incident.acknowledged_at,
        "acknowledged_by": incident.acknowledged_by,
        "resolved_at": incident.resolved_at,
        "expired": incident.expired,
        "told": _told(incident),
        "deliveries": {key: one.state for key, one in incident.deliveries.items()},
    }


def severity_of(incident: Incident) -> str:
    if incident.effective is incident.severity:
        return incident.severity.value
    return f"{incident.severity.value} -> {incident.effective.value}"


def state_of(incident: Incident) -> str:
    return "expired" if incident.expired else incident.state.value


def _row(incident: Incident) -> list[str]:
    since = f"{incident.opened_at:%Y-%m-%d %H:%M}"
    told = ", ".join(_told(incident)) or "nobody"
    return [f"#{incident.ref}", severity_of(incident), state_of(incident), since, told, incident.title]


def _told(incident: Incident) -> list[str]:
    """Who has heard that it began, or got worse."""
    begins = (Kind.OPENED, Kind.ESCALATED)
    told = [one for one in incident.deliveries.values() if one.kind in begins and one.state in OUT]
    # Firestore does not keep the order of a map.
    told.sort(key=lambda one: (CHANNELS.index(one.channel), one.phone or 0))
    return list(dict.fromkeys(map(who, told)))
