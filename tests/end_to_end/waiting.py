"""Real time, waited for by looking and with a bound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests

from tests.end_to_end.processes import Function


def wait_until(what: Callable[[], bool], seconds: float) -> None:
    """Look until `what` is true. Raises AssertionError when it is not by then."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.02)


class Scheduler:
    """Posts a tick every second, as the real one does every minute."""

    def __init__(self, running: Function) -> None:
        self.begun = 0.0
        """When the last tick began that was answered with 200 (monotonic)."""
        self._function = running
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._end.wait(1):
            begun = time.monotonic()
            try:
                if self._function.tick().ok:
                    self.begun = begun
            except requests.RequestException:
                continue  # the function is down just now


@contextmanager
def ticking(running: Function) -> Iterator[Scheduler]:
    """Ticks, until the block ends."""
    scheduler = Scheduler(running)
    scheduler._thread.start()
    try:
        yield scheduler
    finally:
        scheduler._end.set()
        scheduler._thread.join()
