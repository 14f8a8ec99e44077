"""Several things measured in turns, so that whatever else the machine does falls on each of them.

Of every figure the median is shown with its spread (10th to 90th percentile), and its ratio to the same figure of what
it is held against, from the same run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Figure(NamedTuple):
    """One thing that every turn measures."""

    name: str
    unit: str
    scale: float = 1.0
    """What a measured value is multiplied by to be shown in `unit`."""


MILLISECONDS = 1e3
FEWEST = 5
"""Rounds: of fewer there is no spread."""
Measured = Mapping[str, float]
"""Values of one turn, by the name of their figure."""


def rounds(text: str) -> int:
    """A number of rounds from a command line, as argparse takes it."""
    number = int(text)
    if number < FEWEST:
        raise argparse.ArgumentTypeError(f"at least {FEWEST}, or there is no spread to show")
    return number


def in_turns(
    contenders: Mapping[str, Callable[[], Measured]], times: int, warm_up: int = 0
) -> dict[str, list[Measured]]:
    """Measure each of `contenders` `times` times, in turns; whoever was last begins the next round."""
    measured: dict[str, list[Measured]] = {name: [] for name in contenders}
    order = list(contenders)
    for turn in range(warm_up + times):
        if sys.stderr.isatty():
            print(f"\r{turn + 1} of {warm_up + times} rounds ", end="", file=sys.stderr, flush=True)
        for name in order:
            values = contenders[name]()
            if turn >= warm_up:
                measured[name].append(values)
        order.reverse()
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    return measured


def show(what: str, measured: Mapping[str, list[Measured]], figures: list[Figure], against: str) -> None:
    """Print a table. `against`: the contender that the others are held against."""
    print(f"{what} ({len(measured[against])} rounds, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs)")
    for figure in figures:
        base = statistics.median(turn[figure.name] for turn in measured[against])
        for contender, turns in measured.items():
            values = sorted(turn[figure.name] * figure.scale for turn in turns)
            median = statistics.median(values)
            tenths = statistics.quantiles(values, n=10, method="inclusive")
            ratio = "" if contender == against else f"   {median / (base * figure.scale):5.2f} x {against}"
            print(
                f"  {figure.name:14} {contender:24} {median:9.2f} {figure.unit:3}"
                f" (10-90 %: {tenths[0]:.2f} to {tenths[-1]:.2f}){ratio}"
            )
    print(flush=True)
