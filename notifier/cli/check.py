"""check: settings and policy, every mistake at once, and whether each channel works."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import NoReturn

import click
import msgspec

from notifier.cli.live import Proof, probes_of, prove
from notifier.cli.output import EXIT_CODES, Exit, as_json, print_json, print_table
from notifier.cli.overview import Overview, overview
from notifier.core.policy import CHANNELS, Policy, PolicyError
from notifier.core.wording import CHANNEL_NAMES
from notifier.policy_file import read_policy
from notifier.probes.probe import Verdict
from notifier.settings import Examined, Settings, examine

_MARKS = {Verdict.PROVEN: "ok", Verdict.WARNING: "warning", Verdict.FAILED: "FAILED", Verdict.SKIPPED: "not tried"}


_JSON = """\b
JSON: {"mistakes": [text], "warnings": [text],
  "severities": [{"severity", "told": [channel], "not_configured": [channel]}],
  "channels": {channel: by which way}, "decided": {what: how},
  "proofs": [{"name", "verdict": proven|warning|failed|skipped, "words", "seconds"}]}
With mistakes: {"mistakes": [text]} alone.

"""


@click.command(epilog=_JSON + EXIT_CODES, short_help="Do the settings work? --live proves each channel.")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Settings in gcloud's --env-vars-file form.  [default: .env.yaml, where there is one]",
)
@click.option(
    "--cloud-run", "deployed", is_flag=True, help="Judge the file alone, as deploy.sh does, without this environment."
)
@click.option("--live", is_flag=True, help="Also prove that each channel works. Nobody is paged.")
@as_json
def check(env_file: Path | None, *, deployed: bool, live: bool, as_json: bool) -> None:
    """Check settings and policy, and show what they come to.

    Every mistake of both is printed at once, each with what to do. Without one: which severity reaches whom, by which
    way, and what should be read about it. No secret is shown, and of a phone only its ends.

    --live tries each channel from this machine, all at once and for 10 s at most, and pages nobody: it asks Twilio for
    the account, the sender, where answers go, the list of texts and the balance; signs in to the mail server; posts a
    marked test message to Slack and Discord; writes, reads and deletes a document of its own; and looks when the tick
    was last through. What it does not prove is that a text arrives: `python -m notifier send hello -s critical` does.

    Exits with 1 if what is critical reaches nobody, or a proof of --live has failed. A warning changes nothing.
    """
    examined = examine(env_file or Path(".env.yaml"), deployed=deployed)
    policy, mistakes = _policy_of(examined)
    mistakes = [*examined.problems, *mistakes]
    if examined.settings is None or policy is None:
        _refuse(mistakes, as_json=as_json)
    shown = overview(examined.settings, policy, deployed=deployed)
    if not as_json:
        _print(shown)
    proofs = _prove(examined.settings, policy, as_json=as_json) if live else []
    if as_json:
        found = [msgspec.to_builtins(one) for one in proofs]
        print_json({"mistakes": [], **msgspec.to_builtins(shown), "proofs": found})
    failed = [one for one in proofs if one.verdict is Verdict.FAILED]
    if live and not as_json:
        click.echo(f"\n{len(failed)} of {len(proofs)} proofs failed" if failed else "\nnothing failed")
    sys.exit(Exit.NOT_AS_WANTED if failed or shown.pages_nobody else Exit.DONE)


def _policy_of(examined: Examined) -> tuple[Policy | None, list[str]]:
    try:
        return read_policy(examined.policy_file), []
    except PolicyError as error:
        return None, [f"{error.file}: {problem}" for problem in error.problems]


def _refuse(mistakes: list[str], *, as_json: bool) -> NoReturn:
    if as_json:
        print_json({"mistakes": mistakes})
    else:
        click.echo("notifier cannot start:\n" + "\n".join(f"  - {line}" for line in mistakes), err=True)
    sys.exit(Exit.UNUSABLE)


def _print(shown: Overview) -> None:
    rows = [["", *(CHANNEL_NAMES[channel] for channel in CHANNELS)]]
    for one in shown.severities:
        cells = dict.fromkeys(one.told, "yes") | dict.fromkeys(one.not_configured, "not set")
        rows.append([one.severity, *(cells.get(channel, "-") for channel in CHANNELS)])
    print_table(rows)
    click.echo()
    ways = {CHANNEL_NAMES[channel]: way for channel, way in shown.channels.items()} | shown.decided
    print_table([[name, way] for name, way in ways.items()])
    if shown.warnings:
        click.echo("\nTo be read:")
        for warning in shown.warnings:
            click.echo(f"  - {warning}")


def _prove(settings: Settings, policy: Policy, *, as_json: bool) -> list[Proof]:
    if not as_json:
        click.echo("\nLive, from this machine:")
    proofs = []
    for proof in prove(list(probes_of(settings, policy, _login()))):
        proofs.append(proof)
        if not as_json:
            click.echo(f"  {_MARKS[proof.verdict]:<9}  {proof.name} ({proof.seconds:.1f} s): {proof.words}")
    return proofs


def _login() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # as in a container without users
        return "somebody"
