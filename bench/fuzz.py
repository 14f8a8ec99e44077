"""Requests of every kind against the whole function, and what must hold of each answer (python -m bench.fuzz).

    python -m bench.fuzz                                # half a minute, as ./dev bench runs it
    python -m bench.fuzz --inputs 1000000 --seed 7      # the long run; the seed repeats it
    python -m bench.fuzz --replay FILE                  # a finding that it wrote out

Each process asks main.py under functions-framework, with the store in memory and channels that only remember. Of every
answer it is looked at that it is no 5xx, comes within a second, carries its headers and no secret; that whoever had
shown nothing has changed and sent nothing; that no text is over the cap or below critical; and that nothing was asked
of the network. Ends with 1 when something was wrong, and writes the request out.

Guided by coverage: bench.fuzz_guided.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from pathlib import Path

import msgspec

from tests.any_request.rounds import INPUTS, Finding, Round, alone, play

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".dev" / "fuzz"
"""Where findings are written; git ignores it."""
SHORT_SECONDS = 30
LONG_SECONDS = 4 * 3_600
PROGRESS_SECONDS = 10
WARM_ROUNDS = 20
"""Of a process, until everything it loads is loaded."""
MOST_BYTES = 512 * 1_048_576
"""What the function has (deploy.sh); a process of ours holds the fuzzer besides."""
MOST_GROWTH_BYTES = 64 * 1_048_576


class Played(msgspec.Struct, frozen=True):
    """A round, and the process it was played in."""

    round: Round
    process: int
    bytes: int
    """What the process holds of the memory after it."""


class Totals:
    """What has come of all rounds so far."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.ways: Counter[tuple[str, bool, int]] = Counter()
        self.sent = self.texts = self.slow_once = 0
        self.slowest = 0.0
        self.findings: list[Finding] = []
        self._bytes: dict[int, list[int]] = {}

    def add(self, played: Played) -> None:
        one = played.round
        self.ways += one.ways
        self.sent, self.texts = self.sent + one.sent, self.texts + one.texts
        self.slow_once += one.slow_once
        self.slowest = max(self.slowest, one.slowest)
        self.findings += one.findings
        self._bytes.setdefault(played.process, []).append(played.bytes)

    @property
    def inputs(self) -> int:
        return self.ways.total()

    @property
    def most_bytes(self) -> int:
        return max(max(held) for held in self._bytes.values())

    @property
    def growth_bytes(self) -> int:
        """Of the process that grew most since it was warm; 0 where none was."""
        return max(
            (held[-1] - held[WARM_ROUNDS] for held in self._bytes.values() if len(held) > WARM_ROUNDS), default=0
        )

    def line(self) -> str:
        seconds = time.monotonic() - self.begun
        return (
            f"{self.inputs:>9,} inputs in {seconds:,.0f} s ({self.inputs / seconds:,.0f}/s), {self.sent:,} sends, "
            f"{self.texts:,} texts; "
            f"slowest answer {self.slowest * 1e3:.0f} ms; {self.most_bytes / 2**20:.0f} MiB at most, "
            f"{self.growth_bytes / 2**20:+.0f} MiB since warm; findings: {len(self.findings)}"
        )


def main() -> int:
    options = _options()
    if options.replay:
        return replay(options.replay)
    seed = options.seed if options.seed is not None else time.time_ns() % 1_000_000
    print(f"seed {seed}, {options.processes} processes", flush=True)
    totals = Totals()
    rounds = -(-options.inputs // INPUTS)
    shown = totals.begun
    for played in _rounds(seed, rounds, totals.begun + options.seconds, options.processes):
        totals.add(played)
        for finding in played.round.findings:
            _write(finding)
        if time.monotonic() - shown > PROGRESS_SECONDS:
            shown = time.monotonic()
            print(totals.line(), flush=True)
        if len(totals.findings) > options.findings:
            break
    return _end(totals)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, help="how many requests (default: what half a minute brings)")
    parser.add_argument(
        "--seconds", type=float, help=f"at most ({SHORT_SECONDS} without --inputs, else {LONG_SECONDS})"
    )
    parser.add_argument("--seed", type=int, help="repeats a run (default: another one each time)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="default: one for each core")
    parser.add_argument("--findings", type=int, default=20, help="end after so many (default 20)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="ask again what a finding was about")
    options = parser.parse_args()
    options.seconds = options.seconds or (LONG_SECONDS if options.inputs else SHORT_SECONDS)
    options.inputs = options.inputs or 10**9
    return options


def _rounds(seed: int, rounds: int, until: float, processes: int) -> Iterator[Played]:
    """Play so many rounds, or those that are begun until the time is over; as they come."""
    numbers = iter(range(rounds))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        # One for each process, and the next when one is done: given out all at once, they would outlive the time.
        going = {pool.submit(_play, seed, number) for number in islice(numbers, processes)}
        try:
            while going:
                done, going = wait(going, return_when=FIRST_COMPLETED)
                for one in done:
                    yield one.result()
                left = 0 if time.monotonic() > until else len(done)
                going |= {pool.submit(_play, seed, number) for number in islice(numbers, left)}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _play(seed: int, number: int) -> Played:
    return Played(play(seed, number), os.getpid(), _bytes_held())


def _bytes_held() -> int:
    """By this process."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource  # noqa: PLC0415 - elsewhere the most it ever held is all that can be had

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _write(finding: Finding) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{finding.seed}-{finding.round}-{finding.index}.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(finding), indent=2))
    print(f"FOUND, in round {finding.round}, request {finding.index}:", *finding.problems, sep="\n  ")
    print(f"  {file.relative_to(ROOT)}; again: python -m bench.fuzz --replay {file.relative_to(ROOT)}", flush=True)


def replay(file: Path) -> int:
    """Ask again what a finding was about; with all that came before, where it needs that."""
    finding = msgspec.json.decode(file.read_bytes(), type=Finding)
    if finding.alone:
        problems = alone(finding.asked).problems
    else:
        problems = tuple(
            problem
            for again in play(finding.seed, finding.round, finding.index + 1).findings
            if again.index == finding.index
            for problem in again.problems
        )
    print(finding.asked, *(problems or ["nothing is wrong with it any more"]), sep="\n  ")
    return int(bool(problems))


def _end(totals: Totals) -> int:
    print(totals.line())
    for (place, admitted, status), times in sorted(totals.ways.items()):
        print(f"  {place:10} {'may' if admitted else 'may not':8} {status} {times:>9,}")
    if totals.slow_once:
        print(f"  slow, but not when played again, or for want of a core alone: {totals.slow_once}")
    wrong = len(totals.findings)
    if totals.most_bytes > MOST_BYTES or totals.growth_bytes > MOST_GROWTH_BYTES:
        print("FOUND: the memory is not bounded")
        wrong += 1
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
