"""One connection shared by many threads, and made anew once somebody finds it dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Borrowed(Generic[T]):
    """The shared thing, and how many use it."""

    def __init__(self) -> None:
        self.promise: Future[T] = Future()
        self.users = 0
        self.retired = False

    @property
    def thing(self) -> T:
        """Made, once `Renewable.borrowed` has handed it out."""
        return self.promise.result(timeout=0)


class Renewable(Generic[T]):
    """Makes the shared thing on first use, once for all threads that ask at the same time.

    `make` runs in a thread of its own, because finding Google's credentials asks the metadata server with
    time-outs that no argument shortens: whoever waits gives up at his own deadline, and finds it made later.

    A retired thing is closed when its last user is done: a store that is only slow times out for one call, and closing
    the connection under all others would make each of them start again, and the store slower still.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], None]) -> None:
        self._make = make
        self._close = close
        self._lock = threading.Lock()
        self._current: Borrowed[T] | None = None

    @contextmanager
    def borrowed(self, until: float) -> Iterator[Borrowed[T]]:
        """The shared thing, for the block. Waits for it until `until` (seconds of `time.monotonic`).

        Raises TimeoutError, and what `make` raised; the next call makes it again.
        """
        with self._lock:
            borrowed = self._current
            if borrowed is None:
                borrowed = self._current = Borrowed()
                threading.Thread(target=self._fulfil, args=(borrowed,), daemon=True).start()
            borrowed.users += 1
        try:
            borrowed.promise.result(timeout=max(until - time.monotonic(), 0))
            yield borrowed
        finally:
            with self._lock:
                borrowed.users -= 1
            self._close_if_done(borrowed)

    def retire(self, borrowed: Borrowed[T]) -> None:
        """Let the next call make a new one."""
        with self._lock:
            borrowed.retired = True
            if self._current is borrowed:
                self._current = None

    def close(self) -> None:
        """Retire what there is, or will be once it is made, and close it if nobody uses it."""
        current = self._current
        if current is not None:
            self.retire(current)
            current.promise.add_done_callback(lambda _: self._close_if_done(current))

    def _close_if_done(self, borrowed: Borrowed[T]) -> None:
        with self._lock:
            made = borrowed.promise.done() and not borrowed.promise.exception()
            last = borrowed.retired and not borrowed.users and made
            # Once only: whoever finds it done takes the right to close it.
            borrowed.retired = borrowed.retired and not last
        if last:
            self._close(borrowed.thing)

    def _fulfil(self, borrowed: Borrowed[T]) -> None:
        try:
            made = self._make()
        except BaseException as error:  # noqa: BLE001 - it is the asker's, who waits in another thread
            self.retire(borrowed)
            borrowed.promise.set_exception(error)
        else:
            borrowed.promise.set_result(made)
