"""The store stops answering: `python -m tests.end_to_end.frozen` freezes it for longer, and says more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.frozen import PROCESSES, Pagers, pagers, ref
from tests.firestore_emulator import NoEmulator, own_emulator


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Pagers]:
    try:
        emulator = own_emulator()
        host = emulator.__enter__()
    except NoEmulator as error:
        pytest.skip(str(error))
    try:
        (tmp_path / "state").mkdir()
        with pagers(host, tmp_path / "state") as running:
            yield running
    finally:
        emulator.__exit__(None, None, None)


@pytest.mark.emulator
def test_a_frozen_store_wakes_somebody_once_and_never_makes_more_texts_than_the_cap(ours: Pagers) -> None:
    with ours.frozen():
        # The second waits up to 2 s before it looks, as the first did: so far apart it always sees the first one's.
        outage = ours.outage("0.A", rounds=3, every=13, apart=3)
        assert outage.answers == {503: 3 * PROCESSES}
        assert (outage.texts, outage.slack) == (1, PROCESSES)
        assert outage.woken_after < 10
        # At the very same moment nobody can tell: normally one, and at most one of each process.
        assert 1 <= ours.outage("0.B", rounds=1, every=0).texts <= PROCESSES
        # Of this one's text only the last process knows, until the others see it in Twilio's list.
        assert ours.post("0.C", PROCESSES - 1) == 503
    for number in range(PROCESSES):
        assert ours.post_until_stored("0.A", number)["opened/sms/0/1"] in ("sent", "delivered")
    assert len(ours.providers.texts_of(ref("0.A"))) == 1
    for number, name in enumerate("BCDEF"):
        ours.post_until_stored(f"0.{name}", number % PROCESSES)
    for one in ours.functions:
        assert one.tick().ok
    assert len(ours.providers.texts) == 5
