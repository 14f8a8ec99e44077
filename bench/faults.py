"""Two of Slack, Discord, Twilio, the mail server and Firestore fail while a critical alert comes in.

`python -m bench.faults`: every pair of them, and for each the pairs of faults that differ in how they end; with --all
of every fault there is (tests/end_to_end/hostile.py). Real processes, Google's Firestore emulator, TLS. While both fail
the alert is posted once, and must be answered within 10 s; then both are well again, time passes, and it is counted who
was told how often. Alone on 2 cores it takes about 4 minutes, with --all about 15.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from pathlib import Path

from tests.end_to_end.fault_table import FREE, KEYS, SINGLE, STORE, Failing, Seen, due, wrong
from tests.end_to_end.faults import run
from tests.firestore_emulator import any_emulator

PLACES = ("slack", "discord", "sms", "email", "store")
DIFFERENT = (
    "refused",
    "black hole",
    "no answer",
    "reset after the request",
    "429, Retry-After",
    "garbage body",
    "50 MB",
    "no TLS",
    "307",
    "taken, then reset",
)
"""Certainly not sent, at once and only at the deadline; perhaps sent, also at once and at the deadline, and in truth;
to be sent later; refused for good."""
WORLDS = {"plain": 12, "store": 5, "blind": 2}
SHOWN_EVERY = 20
"""Answers between two lines of progress."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="pairs of every fault")
    parser.add_argument("--each", action="store_true", help="a line for each pair of faults, and not only of places")
    asked = parser.parse_args()
    rows = list(pairs(None if asked.all else DIFFERENT))
    began = time.monotonic()
    answered: list[Seen] = []

    def told(seen: Seen) -> None:
        answered.append(seen)
        if len(answered) % SHOWN_EVERY == 0:
            slowest = max(one.seconds for one in answered)
            words = f"{len(answered)} of {len(rows)} answered, the slowest after {slowest:.1f} s"
            sys.stderr.write(f"{time.monotonic() - began:5.0f} s  {words}\n")

    with any_emulator() as host, tempfile.TemporaryDirectory() as folder:
        os.environ["FIRESTORE_EMULATOR_HOST"] = host
        came = run(host, Path(folder), rows, WORLDS, told)
    sys.stdout.write(table(came, each=asked.each))
    bad = [(seen, words) for seen in came if (words := wrong(seen))]
    for seen, words in bad:
        sys.stdout.write(f"WRONG  {_name(seen.failing)}: {'; '.join(words)}\n")
    sys.stdout.write(f"{len(came)} pairs, {len(bad)} wrong, {time.monotonic() - began:.0f} s in all\n")
    sys.exit(1 if bad else 0)


def pairs(names: Sequence[str] | None) -> Iterator[Failing]:
    """Every pair of places, with every pair of their faults; None: of all there are."""
    for first, second in combinations(PLACES, 2):
        yield from (
            ((first, one), (second, two)) for one, two in product(faults_of(first, names), faults_of(second, names))
        )


def faults_of(place: str, names: Sequence[str] | None) -> list[str]:
    known = STORE if place == "store" else [name for name, states in SINGLE.items() if states[place]]
    return [name for name in known if names is None or name in names]


def table(came: Sequence[Seen], *, each: bool) -> str:
    """A line for each pair of places or, with `each`, of faults."""
    lines: dict[str, list[Seen]] = {}
    for seen in came:
        lines.setdefault(_name(seen.failing) if each else " + ".join(place for place, _ in seen.failing), []).append(
            seen
        )
    head = (
        f"{'failing':{70 if each else 18}} pairs status   slowest  doubled lost strayed wrong  deliveries when answered"
    )
    return "\n".join([head, *(_line(name, of, 70 if each else 18) for name, of in lines.items()), ""])


def _line(name: str, of: Sequence[Seen], width: int) -> str:
    statuses = "/".join(map(str, sorted({seen.status for seen in of})))
    outcomes = Counter(seen.states.get(KEYS[place], "") for seen in of for place, _ in seen.failing if place != "store")
    shown = (
        ", ".join(f"{count} {state}" for state, count in outcomes.most_common() if state) or "none: nothing is stored"
    )
    return (
        f"{name:{width}} {len(of):5} {statuses:6} {max(seen.seconds for seen in of):7.1f} s"
        f" {sum(map(doubled, of)):8} {sum(map(lost, of)):4} {sum(seen.strayed for seen in of):7}"
        f" {sum(bool(wrong(seen)) for seen in of):5}  {shown}"
    )


def doubled(seen: Seen) -> int:
    """Texts to a phone that had one, and messages on a free channel above what has to be."""
    must = due(seen.failing).in_the_end
    return seen.doubled + sum(max(seen.in_the_end[place] - must[place], 0) for place in FREE)


def lost(seen: Seen) -> int:
    """Of whom it was owed to, how many never heard of it."""
    must = due(seen.failing).in_the_end
    return sum(must[place] > 0 and not seen.in_the_end[place] for place in must)


def _name(failing: Failing) -> str:
    return " + ".join(f"{place}: {fault}" for place, fault in failing)


if __name__ == "__main__":
    main()
