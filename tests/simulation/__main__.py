"""python -m tests.simulation: simulated days, as many as you like, with everything going wrong."""

from __future__ import annotations

import sys
import time
from collections import Counter

import click

from tests.simulation import planted

SHOWN = 3
"""Of the seeds that fail, this many are taken apart."""


@click.command()
@click.option("--seeds", default=1_000, show_default=True, help="How many days.")
@click.option("--first", default=1, show_default=True, help="The first seed.")
@click.option("--seed", type=int, help="Run this one alone, and show all that happened.")
@click.option("--jobs", type=int, help="How many processes; one a core, unless said otherwise.")
@click.option("--plant", type=click.Choice(sorted(planted.BUGS)), help="Plant a bug first: it must be found.")
@click.option("--until-found", is_flag=True, help="Stop at the first seed that fails, and say how many it took.")
def main(*, seeds: int, first: int, seed: int | None, jobs: int | None, plant: str | None, until_found: bool) -> None:
    """Simulate days of several instances, with every fault there is, and check what must always hold.

    A seed gives the same day each time. Ends with 1 when something was wrong.
    """
    if plant:
        # Before anything of notifier is imported.
        planted.plant(plant)
    from tests.simulation import runs  # noqa: PLC0415

    if seed is not None:
        lines = runs.trace_of_seed(seed)
        click.echo("\n".join(lines))
        sys.exit(any(" CHECK " in line for line in lines))
    if until_found:
        for number in range(first, first + seeds):
            if failed := runs.run_seeds(range(number, number + 1)).failures:
                click.echo(f"found by seed {number - first + 1}: {failed[number][0]}")
                sys.exit(1)
        click.echo(f"not found by {seeds} seeds")
        return
    began = time.monotonic()
    report = runs.Report()
    with click.progressbar(length=seeds, label="simulated days", file=sys.stderr, show_pos=True) as bar:
        for part in runs.run_many(range(first, first + seeds), jobs):
            report.add(part)
            bar.update(part.seeds)
            if not sys.stderr.isatty() and report.seeds * 20 // seeds > (report.seeds - part.seeds) * 20 // seeds:
                click.echo(f"{report.seeds:,} of {seeds:,} days, {len(report.failures)} wrong", err=True)
    _print("what happened", report.numbers)
    _print("how often each fault was hit", report.hits)
    click.echo(f"{report.seeds} days in {time.monotonic() - began:.0f} s, {len(report.failures)} with something wrong")
    for failed_seed in sorted(report.failures)[:SHOWN]:
        click.echo(f"\nseed {failed_seed}: {report.failures[failed_seed][0]}; the shortest day that still fails so:\n")
        click.echo("\n".join(runs.trace_of(runs.shortest(failed_seed))))
        click.echo(f"\nagain, alone: python -m tests.simulation --seed {failed_seed}")
    sys.exit(bool(report.failures))


def _print(title: str, counts: Counter[str]) -> None:
    click.echo(f"\n{title}:")
    for name, count in sorted(counts.items()):
        click.echo(f"  {count:>12,}  {name}")


if __name__ == "__main__":
    main()
