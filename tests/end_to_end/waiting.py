"""Real time, waited for by looking and with a bound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import requests

from tests.end_to_end.processes import Function


def wait_until(what: Callable[[], bool], seconds: float) -> None:
    """Look until `what` is true. Raises AssertionError when it is not by then."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.02)


class Scheduler:
    """Posts a tick every so many seconds, as the real one does every minute."""

    def __init__(
        self, running: Function, busy: Callable[[str], AbstractContextManager[None]], every: float = 1
    ) -> None:
        self.begun = 0.0
        """When the last tick began that was answered with 200 (monotonic)."""
        self.end = threading.Event()
        self._function = running
        self._busy = busy
        self._every = every

    def run(self) -> None:
        while not self.end.wait(self._every):
            begun = time.monotonic()
            try:
                with self._busy("tick"):
                    answer = self._function.tick()
            except requests.RequestException:
                continue  # the function is down just now
            if answer.ok:
                self.begun = begun


@contextmanager
def ticking(
    running: Function,
    busy: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
    every: float = 1,
) -> Iterator[Scheduler]:
    """Ticks, one in `every` seconds, until the block ends. Each is under way within `busy("tick")`."""
    scheduler = Scheduler(running, busy, every)
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        yield scheduler
    finally:
        scheduler.end.set()
        thread.join()
