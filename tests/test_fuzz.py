"""The fuzzer's long run: it ends, and says what it found. What it looks for is in tests/web/test_any_request.py."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench import fuzz
from bench.fuzz import WARM_ROUNDS, Played, Totals
from bench.fuzz_guided import Bytes, _problems
from tests.any_request.asked import Asked, asked_with
from tests.any_request.rounds import Finding, Round

FINDING = Finding(1, 2, 3, ("it raised ZeroDivisionError: by itself",), asked_with(b"\xff\x00"), alone=True)


def played(*findings: Finding, held: int = 0) -> Played:
    ways = Counter({("alerts", True, 200): 250})
    return Played(Round(ways, sent=1, texts=1, slowest=0.1, findings=findings, slow_once=0), process=7, bytes=held)


def ended(*rounds: Played) -> int:
    totals = Totals()
    for one in rounds:
        totals.add(one)
    return fuzz._end(totals)


def test_rounds_end_with_the_time_whatever_is_asked_for() -> None:
    (only,) = fuzz._rounds(1, 10**9, 0.0, 1)
    assert only.round.ways.total() == 250
    assert only.bytes > 1_000_000


def test_a_run_without_findings_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(played(), played()) == 0
    assert "500 inputs" in capsys.readouterr().out


def test_a_finding_ends_it_with_1_and_is_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz, "ROOT", tmp_path)
    monkeypatch.setattr(fuzz, "FOLDER", tmp_path / "fuzz")
    assert ended(played(), played(FINDING)) == 1
    fuzz._write(FINDING)
    assert "it raised ZeroDivisionError: by itself" in capsys.readouterr().out
    # Asked again of the function as it is, it does nothing wrong.
    assert fuzz.replay(tmp_path / "fuzz" / "1-2-3.json") == 0
    assert str(Asked(body=b"\xff\x00", length="2")) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("held", "code"),
    [([1] * (WARM_ROUNDS + 2), 0), ([1] * (WARM_ROUNDS + 1) + [2**27], 1), ([2**30], 1)],
    ids=["bounded", "growing", "large"],
)
def test_memory_that_is_not_bounded_ends_it_with_1(held: list[int], code: int) -> None:
    assert ended(*[played(held=one) for one in held]) == code


def test_given_dice_are_thrown_in_their_order_and_end_in_zeros() -> None:
    dice = Bytes(b"\x01\xff\x02")
    assert [dice.getrandbits(8), dice.getrandbits(4), dice.getrandbits(8), dice.getrandbits(32)] == [1, 15, 2, 0]
    assert dice.thrown


@pytest.mark.parametrize("throws", [b"", b"\x00" * 99, b"\xff" * 999, bytes(range(256)) * 8])
def test_any_dice_make_requests_with_which_nothing_is_wrong(throws: bytes) -> None:
    assert list(_problems(throws)) == []
