"""A round: some hundred requests to one new instance, all of them made by one seed, so that it can be played again."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

import msgspec

from tests.any_request.asked import Asked
from tests.any_request.function import Fuzzed, google_served
from tests.any_request.judging import SLOW_SECONDS, Judge, Judged
from tests.any_request.making import any_request

INPUTS = 250
"""Of a round: the store grows with them, and an instance that has been up for days holds no more than its store."""
MINIMISE_SECONDS = 20
REPLAYS = 3
"""Of an answer that was slow: on a machine that others use it may be so by chance."""
BUSY = 2
"""Processes to each core, from which on the machine is so busy that waiting for it says nothing."""


class Finding(msgspec.Struct, frozen=True):
    """A request after which something was wrong."""

    seed: int
    round: int
    index: int
    """Which request of the round, from 0 up."""
    problems: tuple[str, ...]
    asked: Asked
    """As small as it could be made, where it needs none of those before it."""
    alone: bool
    """Whether it does the same to a new instance."""


class Round(msgspec.Struct, frozen=True):
    """What came of one."""

    ways: Counter[tuple[str, bool, int]]
    """How often each place was asked, by somebody who may or may not, and with which status."""
    sent: int
    texts: int
    slowest: float
    """Seconds."""
    findings: tuple[Finding, ...]
    slow_once: int
    """Answers that were slow, but not when the round was played again, or waited for a core of a busy machine."""


def play(seed: int, number: int, inputs: int = INPUTS) -> Round:
    """Play a whole round."""
    ways: Counter[tuple[str, bool, int]] = Counter()
    sent = texts = slow_once = 0
    slowest = 0.0
    findings: list[Finding] = []
    for index, (asked, judged) in enumerate(_played(seed, number, inputs)):
        ways[judged.place, judged.admitted, judged.status] += 1
        sent, texts = sent + judged.sent, texts + judged.texts
        problems = judged.problems
        seconds = judged.seconds
        if seconds > SLOW_SECONDS:
            again = min((_replayed(seed, number, index) for _ in range(REPLAYS)), key=lambda one: one.seconds)
            if again.seconds <= SLOW_SECONDS or _is_the_machines_doing(again):
                slow_once, seconds = slow_once + 1, min(again.seconds, SLOW_SECONDS)
                problems = tuple(problem for problem in problems if not problem.startswith("slow"))
        slowest = max(slowest, seconds)
        if problems and not findings:
            # The first of a round: those that follow may follow from it.
            findings.append(smallest(Finding(seed, number, index, problems, asked, alone=False)))
    return Round(ways, sent, texts, slowest, tuple(findings), slow_once)


def _played(seed: int, number: int, inputs: int, *, cpu: bool = False) -> Iterator[tuple[Asked, Judged]]:
    dice = Random(f"{seed} {number}")
    fuzzed = Fuzzed(number)
    judge = Judge(fuzzed, cpu=cpu)
    with google_served():
        for _ in range(inputs):
            fuzzed.turn(dice)
            known = fuzzed.known()
            asked = any_request(dice, known)
            yield asked, judge.ask(asked, known)
    fuzzed.close()


def _replayed(seed: int, number: int, index: int) -> Judged:
    *_, (_, judged) = _played(seed, number, index + 1, cpu=True)
    return judged


def _is_the_machines_doing(judged: Judged) -> bool:
    """Whether it did little, and waited for a core. Where it waits for something else, a quiet machine shows it."""
    waits_for_cores = os.getloadavg()[0] > BUSY * (os.cpu_count() or 1)
    return waits_for_cores and judged.cpu_seconds < SLOW_SECONDS / 4


def alone(asked: Asked) -> Judged:
    """The request, to a new instance."""
    fuzzed = Fuzzed(0)
    with google_served():
        judged = Judge(fuzzed).ask(asked, fuzzed.known())
    fuzzed.close()
    return judged


def smallest(finding: Finding) -> Finding:
    """The same, with the smallest request that does it; as it is where that needs those before it."""
    kind = _kind(finding.problems[0])
    asked = finding.asked
    problems = alone(asked).problems
    if kind not in map(_kind, problems):
        return finding
    until = time.monotonic() + MINIMISE_SECONDS
    smaller = True
    while smaller and time.monotonic() < until:
        smaller = False
        for candidate in _smaller(asked):
            found = alone(candidate).problems
            if kind in map(_kind, found):
                asked, problems, smaller = candidate, found, True
            if smaller or time.monotonic() > until:
                break
    return msgspec.structs.replace(finding, asked=asked, problems=problems, alone=True)


def _kind(problem: str) -> str:
    """Without its figures and details."""
    return "".join(letter for letter in problem.partition(":")[0] if not letter.isdigit())


def _smaller(asked: Asked) -> Iterator[Asked]:
    """The same request with one thing less."""
    for index in range(len(asked.headers)):
        yield msgspec.structs.replace(asked, headers=asked.headers[:index] + asked.headers[index + 1 :])
    if asked.query:
        yield msgspec.structs.replace(asked, query="")
        yield msgspec.structs.replace(asked, query=asked.query[: len(asked.query) // 2])
        yield msgspec.structs.replace(asked, query=asked.query[len(asked.query) // 2 :])
    piece = len(asked.body)
    while piece:
        for at in range(0, len(asked.body), piece):
            body = asked.body[:at] + asked.body[at + piece :]
            length = asked.length if asked.length is None or not asked.whole else str(len(body))
            yield msgspec.structs.replace(asked, body=body, length=length)
        piece //= 2
