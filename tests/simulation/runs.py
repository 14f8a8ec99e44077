"""Many seeds, on every core; and of a seed that fails, the shortest day that still does."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator

import msgspec

from tests.simulation.day import Day, draw_day
from tests.simulation.world import World

SEEDS_AT_ONCE = 20


class Report(msgspec.Struct):
    """What some seeds gave."""

    seeds: int = 0
    failures: dict[int, list[str]] = {}
    """By seed: what was wrong."""
    hits: Counter[str] = msgspec.field(default_factory=Counter)
    """How often each fault was drawn."""
    numbers: Counter[str] = msgspec.field(default_factory=Counter)
    """What happened, counted."""

    def add(self, other: Report) -> None:
        self.seeds += other.seeds
        self.failures = {**self.failures, **other.failures}
        self.hits += other.hits
        self.numbers += other.numbers


def run_seeds(seeds: range) -> Report:
    """Run each seed's day."""
    report = Report()
    gc.disable()  # a world is one big cycle: collected once, when it is done with
    for seed in seeds:
        world = World(draw_day(seed), report.hits)
        if problems := world.run():
            report.failures = {**report.failures, seed: problems}
        report.seeds += 1
        report.numbers += world.checks.numbers
    gc.enable()
    return report


def run_many(seeds: range, jobs: int | None = None) -> Iterator[Report]:
    """The reports of all `seeds`, some at a time, as they come in. `jobs`: processes, default one a core."""
    pieces = [seeds[place : place + SEEDS_AT_ONCE] for place in range(0, len(seeds), SEEDS_AT_ONCE)]
    # Started anew: what a thread of the parent holds is not copied.
    with multiprocessing.get_context("spawn").Pool(jobs or os.cpu_count()) as pool:
        yield from pool.imap_unordered(run_seeds, pieces)


def trace_of(day: Day) -> list[str]:
    """Everything that happened on a day, a line each."""
    lines: list[str] = []
    World(day, lines=lines).run()
    return lines


def trace_of_seed(seed: int) -> list[str]:
    """The same of the seed's whole day."""
    return trace_of(draw_day(seed))


def shortest(seed: int) -> Day:
    """The seed's day without whatever it takes not to fail in the same way."""
    day = draw_day(seed)
    kinds = _kinds(day)
    place = 0
    size = max(len(day.happenings) // 2, 1)
    while True:
        left = (*day.happenings[:place], *day.happenings[place + size :])
        shorter = msgspec.structs.replace(day, happenings=left)
        if len(left) < len(day.happenings) and kinds & _kinds(shorter):
            day = shorter
        else:
            place += size
        if place >= len(day.happenings):
            if size == 1:
                return day
            place, size = 0, size // 2


def _kinds(day: Day) -> set[str]:
    """In which ways it fails: the first word of each problem."""
    return {problem.partition(":")[0] for problem in World(day).run()}
