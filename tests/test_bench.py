"""The benchmarks say how they measure, and count right."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

import pytest

from bench._turns import Figure, Measured, in_turns, rounds, show
from tests.builders import ROOT

NAMES = sorted(file.stem for file in (ROOT / "bench").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_explains_itself(name: str) -> None:
    command = [sys.executable, "-m", f"bench.{name}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"bench.{name}" in done.stdout


def counting(order: list[str], name: str, value: float) -> Callable[[], Measured]:
    def measure() -> Measured:
        order.append(name)
        return {"time": value + len(order)}

    return measure


def test_whoever_was_last_begins_the_next_round_and_warming_up_is_not_counted() -> None:
    order: list[str] = []
    measured = in_turns({"ours": counting(order, "ours", 0), "bare": counting(order, "bare", 100)}, 2, warm_up=1)
    assert order == ["ours", "bare", "bare", "ours", "ours", "bare"]
    assert measured == {"ours": [{"time": 4}, {"time": 5}], "bare": [{"time": 103}, {"time": 106}]}


def test_a_figure_is_shown_by_median_spread_and_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    ours: list[Measured] = [{"time": one / 1_000} for one in range(11)]
    bare: list[Measured] = [{"time": 0.002}] * 11
    show("a page", {"ours": ours, "bare": bare}, [Figure("time", "ms", 1_000)], "bare")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("a page (11 rounds, load ")
    assert lines[1].split() == [
        "time",
        "ours",
        "5.00",
        "ms",
        "(10-90",
        "%:",
        "1.00",
        "to",
        "9.00)",
        "2.50",
        "x",
        "bare",
    ]
    assert lines[2].split() == ["time", "bare", "2.00", "ms", "(10-90", "%:", "2.00", "to", "2.00)"]


def test_too_few_rounds_for_a_spread_are_refused() -> None:
    assert rounds("5") == 5
    with pytest.raises(argparse.ArgumentTypeError, match="at least 5"):
        rounds("4")
