"""The shared connection: made once, retired once, waited for no longer than agreed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from notifier.stores.renewable import Renewable


class Workshop:
    """Makes numbered things, and remembers which were closed."""

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self._before = before
        self.made = 0
        self.closed: list[str] = []
        self.renewable = Renewable(self._make, self.closed.append)

    def _make(self) -> str:
        self._before()
        self.made += 1
        return f"thing {self.made}"


def soon() -> float:
    return time.monotonic() + 10


def use(workshop: Workshop) -> str:
    with workshop.renewable.borrowed(soon()) as borrowed:
        return borrowed.thing


def test_nothing_is_made_before_it_is_asked_for() -> None:
    assert Workshop().made == 0


def test_many_who_ask_at_once_share_one() -> None:
    go = threading.Event()
    workshop = Workshop(before=go.wait)
    with ThreadPoolExecutor(8) as threads:
        got = [threads.submit(use, workshop) for _ in range(8)]
        go.set()
    assert {one.result() for one in got} == {"thing 1"}


def test_what_is_retired_is_made_anew_and_closed_once() -> None:
    workshop = Workshop()
    with workshop.renewable.borrowed(soon()) as dead:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(workshop.renewable.retire, [dead] * 8))
        assert use(workshop) == "thing 2"
    assert workshop.closed == ["thing 1"]


def test_what_is_retired_stays_open_until_its_last_user_is_done() -> None:
    workshop = Workshop()
    with workshop.renewable.borrowed(soon()) as slow:
        with workshop.renewable.borrowed(soon()) as dead:
            workshop.renewable.retire(dead)
        assert slow.thing == "thing 1"
        assert workshop.closed == []
    assert workshop.closed == ["thing 1"]


def test_who_retires_late_does_not_close_the_new_one() -> None:
    workshop = Workshop()
    with workshop.renewable.borrowed(soon()) as dead:
        workshop.renewable.retire(dead)
    use(workshop)
    workshop.renewable.retire(dead)
    assert use(workshop) == "thing 2"
    assert workshop.closed == ["thing 1"]


def test_who_waits_gives_up_at_his_deadline_and_finds_it_made_later() -> None:
    go = threading.Event()
    workshop = Workshop(before=go.wait)
    with pytest.raises(TimeoutError), workshop.renewable.borrowed(time.monotonic() + 0.01):
        pass
    go.set()
    assert use(workshop) == "thing 1"


def test_a_failure_reaches_who_asked_and_is_not_kept() -> None:
    failures = iter([OSError("no network")])

    def fail_once() -> None:
        for failure in failures:
            raise failure

    workshop = Workshop(before=fail_once)
    with pytest.raises(OSError, match="no network"):
        use(workshop)
    assert use(workshop) == "thing 1"


def test_closing_closes_also_what_is_still_being_made() -> None:
    go = threading.Event()
    closed: SimpleQueue[bool] = SimpleQueue()
    renewable = Renewable(go.wait, closed.put)
    with pytest.raises(TimeoutError), renewable.borrowed(time.monotonic() + 0.01):
        pass
    renewable.close()
    renewable.close()
    go.set()
    assert closed.get(timeout=10)
    assert closed.empty()


def test_a_failure_after_the_closing_is_nobodys() -> None:
    go = threading.Event()

    def fail() -> None:
        go.wait()
        raise OSError

    workshop = Workshop(before=fail)
    with pytest.raises(TimeoutError), workshop.renewable.borrowed(time.monotonic() + 0.01):
        pass
    workshop.renewable.close()
    go.set()
    with pytest.raises(OSError):  # noqa: PT011 - it has no words
        use(workshop)
