"""The same function and judge as bench.fuzz, guided by coverage (python -m bench.fuzz_guided).

Needs atheris, which is in no list of requirements as it has wheels for Linux and some Pythons alone (3.0.0: CPython
3.11 to 3.13 on x86-64). Into an environment of its own:

    python3 -m venv .dev/atheris && .dev/atheris/bin/pip install -r requirements-dev.txt atheris==3.0.0
    .dev/atheris/bin/python -m bench.fuzz_guided --seconds 600

An input is the dice of a few requests to a new instance; libFuzzer changes its bytes, and keeps those that reach what
none has reached. Ends with 1 when something was wrong, and writes the input out.
Without atheris it says so, and ends with 0: nothing was looked at.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".dev" / "fuzz"
SHORT_SECONDS = 20
MOST_BYTES = 4_096
"""Of an input."""
REQUESTS = 4
"""Of an input, at most."""
SEEDS, SEED_BYTES = 100, 1_500
"""Inputs to begin with, by chance: from nothing it takes long to come to a whole request."""


class Bytes(Random):
    """Dice whose throws are given; zeros after the last."""

    def __init__(self, throws: bytes) -> None:
        super().__init__(0)
        self._throws = throws
        self._at = 0

    @property
    def thrown(self) -> bool:
        """Whether there are no more."""
        return self._at >= len(self._throws)

    def getrandbits(self, k: int, /) -> int:
        size = (k + 7) // 8
        throw = self._throws[self._at : self._at + size]
        self._at += size
        return int.from_bytes(throw, "big") & ((1 << k) - 1)

    def random(self) -> float:
        return self.getrandbits(16) / (1 << 16)


def main() -> int:
    options = _options()
    if options.replay:
        problems = list(_problems(options.replay.read_bytes(), aloud=True))
        print(*(problems or ["nothing is wrong with it any more"]), sep="\n")
        return int(bool(problems))
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed, so nothing was looked at: python -m bench.fuzz_guided --help says how")
        return 0
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["notifier", "google.auth"]):
        # Everything it has is loaded, and instrumented, by this.
        _look(b"")
    corpus = options.corpus or FOLDER / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number in range(SEEDS):
        (corpus / f"seed-{number}").write_bytes(Random(number).randbytes(SEED_BYTES))
    limits = [f"-max_total_time={options.seconds}", f"-runs={options.inputs}", f"-seed={options.seed}"]
    atheris.Setup([sys.argv[0], *limits, f"-max_len={MOST_BYTES}", "-len_control=0", str(corpus)], _look)
    # Does not come back: libFuzzer ends the process, with 0 where nothing was wrong.
    atheris.Fuzz()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=SHORT_SECONDS, help=f"at most (default {SHORT_SECONDS})")
    parser.add_argument("--inputs", type=int, default=-1, help="at most (default: what the time brings)")
    parser.add_argument("--seed", type=int, default=0, help="of libFuzzer (default: another one each time)")
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="of the inputs worth keeping (.dev/fuzz/corpus)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="ask again what a finding was about")
    return parser.parse_args()


def _look(throws: bytes) -> None:
    """One input; ends the process when something is wrong with it."""
    problems = list(_problems(throws))
    if problems:
        file = FOLDER / f"guided-{sha256(throws).hexdigest()[:12]}"
        file.write_bytes(throws)
        print("FOUND:", *problems, sep="\n  ")
        print(f"  again: python -m bench.fuzz_guided --replay {file.relative_to(ROOT)}", flush=True)
        os._exit(1)


def _problems(throws: bytes, *, aloud: bool = False) -> Iterator[str]:
    """What is wrong with the answers to the requests that these dice make."""
    # Imported late: in `main` under atheris, which instruments what it sees being loaded.
    from tests.any_request.function import PACES, Fuzzed, google_served  # noqa: PLC0415
    from tests.any_request.judging import Judge  # noqa: PLC0415
    from tests.any_request.making import any_request  # noqa: PLC0415

    dice = Bytes(throws)
    fuzzed = Fuzzed(dice.randrange(len(PACES)))
    judge = Judge(fuzzed)
    with google_served():
        for _ in range(REQUESTS):
            fuzzed.turn(dice)
            known = fuzzed.known()
            asked = any_request(dice, known)
            if aloud:
                print(asked)
            yield from judge.ask(asked, known).problems
            if dice.thrown:
                break
    fuzzed.close()


if __name__ == "__main__":
    sys.exit(main())
