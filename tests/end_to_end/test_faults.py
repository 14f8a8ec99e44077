"""Each provider and the store fail in every way, one at a time; `python -m bench.faults` does it in pairs."""

from __future__ import annotations

import pytest

from tests.end_to_end.fault_table import SINGLE, STORE, Failing, Seen, singles, wrong
from tests.end_to_end.faults import run
from tests.end_to_end.hostile import faults

pytestmark = [pytest.mark.emulator, pytest.mark.timeout(300)]

WORLDS = {"plain": 6, "store": 2, "second": 2}


def _name(failing: Failing) -> str:
    place, fault = failing[-1]
    return f"{place}: {fault}"


@pytest.fixture(scope="module")
def came(
    request: pytest.FixtureRequest, firestore_emulator: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[Failing, Seen]:
    """What came of each of those that are asked for: all at the same time, as many wait for their deadline."""
    names = [item.name for item in request.session.items if item.path == request.path]
    rows = [failing for failing in singles() if any(f"[{_name(failing)}]" in name for name in names)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
        return {seen.failing: seen for seen in run(firestore_emulator, tmp_path_factory.mktemp("faults"), rows, WORLDS)}


@pytest.mark.parametrize("failing", singles(), ids=_name)
def test_the_alert_is_answered_in_time_all_others_are_told_and_in_the_end_it_is_told_once(
    came: dict[Failing, Seen], failing: Failing
) -> None:
    assert wrong(came[failing]) == [], came[failing]


def test_every_fault_is_in_the_table() -> None:
    known = faults("127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:1")
    assert list(SINGLE) == list(known)
    assert set(STORE) == {name for name, fault in known.items() if "grpc" in fault.meetings}
    for name, states in SINGLE.items():
        assert bool(states["email"]) == ("smtp" in known[name].meetings), name
