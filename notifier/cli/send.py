"""send: an alert from a terminal, on the same road as any other."""

from __future__ import annotations

import json
import sys
from datetime import datetime

import click

from notifier.channels.wire import mask_phone
from notifier.cli.incidents import described
from notifier.cli.output import EXIT_CODES, Exit, as_json, print_json
from notifier.cli.pager import asked, deadlines, give_up, this_pager, verbose
from notifier.core.alert import Severity
from notifier.core.incident import Delivery, DeliveryState, Incident, IncidentState, Kind
from notifier.core.moments import OVERDUE
from notifier.core.telling import who
from notifier.core.wording import duration
from notifier.ports import StoreError
from notifier.settings import settings_from_environment
from notifier.sources import Unreadable
from notifier.wiring import App

_JSON = """\b
JSON: what `incidents --json` says of it, and
  "sent": [{"delivery", "to", "kind", "state", "detail"}]: what this call owed, and what became of it

"""
_WHAT = {
    DeliveryState.SENT: "told",
    DeliveryState.PENDING: "NOT told yet, it is tried again",
    DeliveryState.CLAIMED: "being told",
    DeliveryState.UNKNOWN: "may have been told",
    DeliveryState.CAPPED: "NOT texted yet, the cap is reached",
    DeliveryState.FAILED: "NOT told",
    DeliveryState.CANCELLED: "not told, as it was answered before",
    DeliveryState.DIGESTED: "told in a text with others",
}
_ABOUT = {Kind.NOTICE: " what went wrong", Kind.ACKNOWLEDGED: " who answered", Kind.RESOLVED: " that it is over"}


@click.command(epilog=_JSON + EXIT_CODES, short_help="Send an alert, on the road of every alert.")
@click.argument("text", default="")
@click.option(
    "-s",
    "--severity",
    type=click.Choice([severity.value for severity in Severity]),
    help="How bad it is. critical texts the on-call phone, which costs money.  [default: what the policy says]",
)
@click.option("--id", "incident_id", metavar="ID", default="", help="Its name: sent again under it, it is told once.")
@click.option("--resolve", metavar="ID", default="", help="Say that the incident of this --id is over.")
@verbose
@as_json
def send(text: str, severity: str | None, incident_id: str, resolve: str, *, as_json: bool) -> None:
    """Send TEXT as an alert: `python -m notifier send "Database unreachable" -s critical --id db`.

    It takes the road of every alert, from this machine and with its settings, and is told to the channels of its
    severity. Each channel's answer is printed, and how the alert is answered. With - for TEXT it is read from standard
    input. With SIMULATE=1 it is shown what each channel would send, and nothing is sent.

    Without --id it is a one-off: nothing can end it, and it does not climb. What is open under the --id already is
    counted and told nobody again.

    Exits with 1 if anybody who was to be told was not, or not yet, or if there was nobody to tell; with 2 if it is not
    certain that it was stored, and then nothing was sent: send it again.
    """
    if resolve and (severity or incident_id):
        raise click.UsageError("--resolve ID ends an incident: it goes with neither --severity nor --id")
    text = sys.stdin.read() if text == "-" else text
    if not text.strip() and not resolve:
        raise click.UsageError("expected a TEXT, or - to read it from standard input")
    app = this_pager(makes_state=not resolve)
    began = app.clock.now()
    if resolve:
        content = {"text": text.strip() or "resolved", "id": resolve, "state": "closed"}
    else:
        content = {"text": text, "severity": severity or "", "id": incident_id}
    incident = _taken(app, {name: value for name, value in content.items() if value})
    owed = {key: one for key, one in incident.deliveries.items() if one.created_at >= began}
    if as_json:
        print_json({**described(incident), "sent": [_sent(key, one) for key, one in owed.items()]})
    else:
        _print(app, incident, owed, began)
    new = incident.opened_at >= began
    untold = any(one.state is not DeliveryState.SENT for one in owed.values())
    sys.exit(Exit.NOT_AS_WANTED if untold or (new and not owed) else Exit.DONE)


def _taken(app: App, content: dict[str, str]) -> Incident:
    try:
        return app.take(json.dumps(content).encode())
    except Unreadable as error:
        give_up(f"the alert cannot be read: {error}")
    except StoreError as error:
        give_up(f"it is not certain that it was stored, and nothing was sent: {error}; send it again")


def _sent(key: str, one: Delivery) -> dict[str, object]:
    return {"delivery": key, "to": who(one), "kind": one.kind, "state": one.state, "detail": one.detail}


def _print(app: App, incident: Incident, owed: dict[str, Delivery], began: datetime) -> None:
    click.echo(f"#{incident.ref}  {incident.effective.value}: {incident.title}")
    settings = settings_from_environment()
    phones = settings.oncall_phones
    for one in owed.values():
        masked = f" ({mask_phone(phones[one.phone])})" if one.phone is not None and one.phone < len(phones) else ""
        words = "texted" if one.channel == "sms" and one.state is DeliveryState.SENT else _WHAT[one.state]
        detail = f" ({one.detail})" if one.detail else ""
        click.echo(f"  {who(one)}{masked}: {words}{_ABOUT.get(one.kind, '')}{detail}")
    if not owed:
        click.echo(f"  {_why_nobody(incident, began)}")
    if incident.state is not IncidentState.OPEN:
        return
    linked = settings.public_url and settings.webhook_token
    link = ", or the Acknowledge link where it was told" if linked else ""
    click.echo(f"\nTo answer it: python -m notifier ack {incident.ref}{link}.")
    click.echo(f"What comes next: python -m notifier explain {incident.ref}")
    last_tick = asked(lambda: app.store.gather(incident.key, deadlines(app).claim_by)).last_tick
    if last_tick is None or app.clock.now() - last_tick > OVERDUE:
        ago = f"has not been here for {duration(app.clock.now() - last_tick)}" if last_tick else "has never been here"
        click.echo(f"Nobody does what comes next: the minute tick {ago}, in the state that these settings name.")


def _why_nobody(incident: Incident, began: datetime) -> str:
    if incident.state is IncidentState.RESOLVED:
        return "nobody was told: nothing of that name was open" if incident.resolved_at else "nobody was told"
    if incident.opened_at < began:
        return f"nobody was told again: it is {incident.state.value} since {incident.opened_at:%Y-%m-%d %H:%M} UTC"
    return f"NOBODY WAS TOLD: no channel of {incident.effective.value} is configured; `check` shows which are"
