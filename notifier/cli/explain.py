"""explain: why somebody was paged, or was not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from notifier.channels.wire import mask_phone
from notifier.cli.finding import find
from notifier.cli.incidents import described, severity_of, state_of
from notifier.cli.output import EXIT_CODES, as_json, print_json
from notifier.cli.pager import asked, deadlines, this_pager
from notifier.core.explaining import Explanation
from notifier.core.explaining import explain as explained
from notifier.core.incident import Entry, Incident, IncidentState
from notifier.settings import settings_from_environment

_JSON = """\b
JSON: what `incidents --json` says of it, and
  "verdict": text, "happened": [{"at", "text"}], "reasons": [text], "follows": [{"at", "text"}], "cautions": [text]

"""


@click.command(epilog=_JSON + EXIT_CODES, short_help="Why was I paged, or not? In plain sentences.")
@click.argument("which", metavar="ID")
@as_json
def explain(which: str, *, as_json: bool) -> None:
    """Say in plain sentences why somebody was paged for the incident ID, or was not, and what comes next.

    What happened stands in its order; then a sentence for each page that was owed, or why none was: the cap, somebody's
    answer, Twilio's refusal in words, a phone that has opted out, a severity below critical, a page that came late.

    ID is its ref as it stands in every message (7F3K or '#7F3K', in small letters too), its sender's own incident id,
    or its key in the store. What is over can be asked about for 14 days; of what was opened again, the last generation
    alone is kept. Times are UTC.
    """
    app = this_pager()
    incident = find(app, which)
    seen = asked(lambda: app.store.gather(incident.key, deadlines(app).claim_by))
    now = app.clock.now()
    phones = [mask_phone(phone) for phone in settings_from_environment().oncall_phones]
    # As it stands now: it may have moved on since the search.
    incident = seen.incident or incident
    story = explained(incident, seen.ledger, app.policy, now, phones=phones, last_tick=seen.last_tick)
    if as_json:
        told = {
            "verdict": story.verdict,
            "happened": _entries(story.happened),
            "reasons": story.reasons,
            "follows": _entries(story.follows),
            "cautions": story.cautions,
        }
        print_json({**described(incident), **told})
    else:
        _print(incident, story, now)


def _entries(entries: Sequence[Entry]) -> list[dict[str, object]]:
    return [{"at": entry.at, "text": entry.text} for entry in entries]


def _print(incident: Incident, story: Explanation, now: datetime) -> None:
    by = f"{incident.source} ({incident.incident_id})" if incident.incident_id else incident.source
    click.echo(f"#{incident.ref}  {incident.title}")
    click.echo(f"{severity_of(incident)}, {state_of(incident)}; said by {by}")
    click.echo(f"Times are UTC; it is {now:%Y-%m-%d %H:%M} now.")
    click.echo(f"\n{story.verdict}")
    for reason in story.reasons:
        click.echo(f"  - {reason}")
    click.echo("\nWhat happened")
    _print_entries(story.happened)
    unanswered = ", if nobody answers before" if incident.state is IncidentState.OPEN else ""
    click.echo(f"\nWhat comes next{unanswered if story.follows else ': nothing'}")
    _print_entries(story.follows, late_before=now)
    for caution in story.cautions:
        click.echo(f"\n{caution}")


def _print_entries(entries: Sequence[Entry], *, late_before: datetime | None = None) -> None:
    day = ""
    for entry in entries:
        if f"{entry.at:%Y-%m-%d}" != day:
            day = f"{entry.at:%Y-%m-%d}"
            click.echo(f"  {day}")
        due = " (due by now)" if late_before and entry.at <= late_before else ""
        click.echo(f"  {entry.at:%H:%M}  {entry.text}{due}")
