"""A tick costs what is due, and not what is open; `python -m tests.end_to_end.tick_cost` counts it with 10,000."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.tick_cost import pager


@pytest.mark.emulator
def test_a_tick_asks_no_more_with_a_thousand_open_incidents_than_with_ten(
    firestore_emulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    with pager(firestore_emulator, tmp_path) as one:
        one.plant(10)
        few = one.tick()
        one.plant(1_000)
        many = one.tick()
        assert (many.calls, many.read) == (few.calls, few.read)
        assert few.read == 0
        one.plant_due()
        assert one.tick().read == 1
