"""Killed ten times at random moments: `python -m tests.end_to_end.kills` does it a hundred times, and says more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.kills import kill_all


@pytest.mark.emulator
@pytest.mark.timeout(400)
def test_ten_kills_lose_no_page_and_double_none(
    firestore_emulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    figures = kill_all(tmp_path, kills=10, seed=1)
    assert (figures.kills, figures.alerts) == (10, 23)
    assert figures.wrong == 0, figures
