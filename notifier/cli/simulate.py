"""simulate: recorded alerts played on a virtual clock, to see who would be told what."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import click
import msgspec

from notifier.cli.length import LENGTH
from notifier.cli.pager import give_up
from notifier.cli.played import Row, content_of, heading, in_words, line, rows_of, since, totals_of
from notifier.core.alert import Alert
from notifier.core.policy import Policy, PolicyError
from notifier.core.wording import some
from notifier.policy_file import read_policy
from notifier.recording import Problem, Recorded, in_time, recorded
from notifier.rehearsal import PHONES_MOST, Answers, Rehearsal
from notifier.settings import Settings, SettingsError, settings_from_environment

_COLUMNS = 120
"""Where there is no terminal."""
_STEP_SECONDS = 0.2
"""Of real time, in which the bar of a slow storm moves."""
_LEAST_SECONDS = 0.001
"""Of virtual time, however slow: no clock counts less than a microsecond."""


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--policy", "policy_file", metavar="FILE", help="Another policy.  [default: POLICY_FILE, or policy.toml]")
@click.option(
    "--phones",
    type=click.IntRange(1, PHONES_MOST),
    help="How many phones are on call.  [default: as many as in ONCALL_PHONE, or 2]",
)
@click.option("--every", type=LENGTH, metavar="TIME", help="The alerts come so long after each other, as they stand.")
@click.option("--ack-after", type=LENGTH, metavar="TIME", help="Each incident is acknowledged so long after it opens.")
@click.option("--resolve-after", type=LENGTH, metavar="TIME", help="Each incident is over so long after it opens.")
@click.option(
    "--times",
    type=click.IntRange(1, 100_000),
    default=1,
    show_default=True,
    help="A storm: so many copies of all of it, each an incident of its own. Shows the totals.",
)
@click.option(
    "--within", type=LENGTH, metavar="TIME", default="60s", show_default=True, help="The copies begin within that."
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="To watch it: N times as fast as it would be.  [default: at once]",
)
@click.option("--show", is_flag=True, help="Each message in full, as its channel would get it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for machines.")
def simulate(  # noqa: PLR0913, PLR0917 - one for each option
    files: tuple[str, ...],
    policy_file: str | None,
    phones: int | None,
    every: timedelta | None,
    ack_after: timedelta | None,
    resolve_after: timedelta | None,
    times: int,
    within: timedelta,
    speed: float | None,
    *,
    show: bool,
    as_json: bool,
) -> None:
    """Play recorded alerts: who would be told what, when, by which channel, for how much.

    The alerts take the pager's own road with its own rules, and a virtual clock jumps from one moment to the next,
    until the ladder has come to its end. Nothing is sent, and no account is needed: all channels of the policy are
    played as if they were configured, and the phones are made up.

    FILE holds what a sender posts to the pager: one body, a JSON array of bodies, or one body on each line (JSON
    Lines); "-" is standard input, a folder all *.json and *.jsonl in it. To say when a body came, put it into
    {"at": "2026-01-31T03:12:00Z", "body": {...}}; "at" may also be a time since the beginning, as "90s" or "10m".
    Without it the alert's own times count (started_at, ended_at, startsAt, endsAt, Pub/Sub's publishTime), and what has
    none comes 10 s after the one before.

    \b
    What would this alert do, if nobody answers?
      python -m notifier simulate alert.json
    What would a quieter policy have made of last night?
      python -m notifier simulate --policy quiet.toml night.jsonl
    Is the cap kept when a thousand machines fail within a minute?
      python -m notifier simulate --times 1000 alert.json

    Exits with 1 if something in the files could not be read (all else is played), or if the cap was passed; with 2 if
    the options, the settings or the policy do not do.
    """  # noqa: D301 - click's own mark, a backspace: what follows keeps its lines
    settings, policy = _settings_and_policy(policy_file)
    found = [one for name in files for one in _read(name)]
    problems = [one for one in found if isinstance(one, Problem)]
    bodies = [one for one in found if isinstance(one, Recorded)]
    for problem in problems:
        click.echo(f"{problem.where}: {problem.words}", err=True)
    alerts = [(at, one.reading.alerts) for at, one in in_time(bodies, every)]
    storm = _copied(alerts, times, within)
    answers = Answers(acknowledge_after=ack_after, resolve_after=resolve_after)
    rehearsal = Rehearsal(policy, phones=phones or len(settings.oncall_phones) or 2, answers=answers)
    rows: list[Row] = []
    table = _Table(settings.sms_price, show=show)
    for row in _played(rehearsal, storm, speed, bar=times > 1):
        rows.append(row)
        if times == 1 and not as_json:
            table.add(row)
    price, cap = settings.sms_price, policy.sms.max_per_hour
    totals = totals_of(rows, sum(len(body) for _, body in storm), price, cap)
    if as_json:
        content = content_of(rows, totals, problems, rehearsal.unanswered, price, show=show)
        click.echo(msgspec.json.encode(content))
    elif rows:
        length = since(rehearsal.now - rows[0].at)
        click.echo(in_words(totals, rehearsal.unanswered, length, policy.sms.reserved))
    if problems or not totals.cap_was_kept:
        sys.exit(1)


class _Table:
    """Prints rows as they come."""

    def __init__(self, price: float, *, show: bool) -> None:
        self._price = price
        self._show = show
        self._last: Row | None = None

    def add(self, row: Row) -> None:
        width = shutil.get_terminal_size((_COLUMNS, 24)).columns
        if self._last is None:
            self._began = row.at
            click.echo(heading(width))
        if self._last is None or self._last.at.date() != row.at.date():
            click.echo(f"{row.at:%A, %d %B %Y}")
        click.echo(line(row, self._began, width, self._price))
        if self._show and row.told:
            click.echo(_shown(row))
        self._last = row


def _settings_and_policy(policy_file: str | None) -> tuple[Settings, Policy]:
    """Of this machine: the price of a text, how many phones there are, and the policy."""
    try:
        settings = settings_from_environment()
        return settings, read_policy(policy_file or settings.policy_file)
    except (SettingsError, PolicyError) as error:
        give_up(error)


def _read(name: str) -> Iterator[Recorded | Problem]:
    if name == "-":
        yield from recorded("standard input", sys.stdin.buffer.read())
        return
    path = Path(name)
    files = sorted(file for file in path.glob("*") if file.suffix in (".json", ".jsonl")) if path.is_dir() else [path]
    if not files:
        yield Problem(name, "no *.json and no *.jsonl in this folder")
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            yield Problem(str(file), f"cannot be read: {error.strerror}")
            continue
        yield from recorded(str(file), content)


def _copied(
    alerts: Sequence[tuple[datetime, tuple[Alert, ...]]], times: int, within: timedelta
) -> list[tuple[datetime, tuple[Alert, ...]]]:
    """So many copies of all of it, each later than the one before and about other incidents."""
    if times == 1:
        return list(alerts)
    return sorted(
        (
            (at + within * number / times, tuple(_copy(alert, number + 1) for alert in body))
            for number in range(times)
            for at, body in alerts
        ),
        key=lambda pair: pair[0],
    )


def _copy(alert: Alert, number: int) -> Alert:
    named = f"{alert.incident_id or alert.title + alert.text} (copy {number})"
    message_id = f"{alert.message_id} (copy {number})" if alert.message_id else ""
    return msgspec.structs.replace(alert, incident_id=named, title=f"{number} {alert.title}", message_id=message_id)


def _played(
    rehearsal: Rehearsal, storm: Sequence[tuple[datetime, tuple[Alert, ...]]], speed: float | None, *, bar: bool
) -> Iterator[Row]:
    """Every row as it happens; `speed`: of the virtual clock, in seconds a second. `bar`: on standard error."""
    began = clock = storm[0][0] if storm else rehearsal.now
    texts = 0

    def shown(_: object) -> str:
        return f"{since(clock - began)}  {some(texts, 'text')}"

    with click.progressbar(
        length=len(storm),
        label="alerts",
        file=sys.stderr,
        item_show_func=shown,
        show_eta=False,
        hidden=not (bar and sys.stderr.isatty()),
    ) as progress:
        left_before = len(storm)
        for events in rehearsal.play(storm):
            while speed and clock < rehearsal.now:
                seconds = min((rehearsal.now - clock).total_seconds() / speed, _STEP_SECONDS)
                time.sleep(seconds)
                clock = min(clock + timedelta(seconds=max(seconds * speed, _LEAST_SECONDS)), rehearsal.now)
                progress.render_progress()
            clock = rehearsal.now
            rows = rows_of(events)
            texts += sum(row.channels.count("sms") for row in rows)
            yield from rows
            progress.update(left_before - rehearsal.left, clock)
            # Of its own accord it shows nothing new once the last alert is taken, and the ladder takes longest.
            progress.render_progress()
            left_before = rehearsal.left


def _shown(row: Row) -> str:
    """Each message in full, below its row."""
    blocks = [f"{told.channel}:\n{told.preview()}" for told in row.told]
    return "\n".join(f"    | {text}" for block in blocks for text in block.splitlines())
