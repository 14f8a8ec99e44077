"""Virtual time, and tasks that take turns: one runs until it touches the outside, and waits there.

Which task runs next depends on how long each touch takes, and that comes from the seed: the same seed gives the same
run, and other seeds interleave the instances at every touch in other ways.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class Task(greenlet):
    """One thread of an instance, or a client outside of all of them."""

    def __init__(self, work: Callable[[], object], group: object, request: Any) -> None:
        super().__init__(work)
        self.group = group
        """What dies together: an instance; None for what never dies."""
        self.request = request
        """What it is done for."""
        self.turn = 0
        """Which of its waits it is in: a wake-up for an earlier one comes too late."""
        self.waiting = True


class Scheduler:
    """Runs the tasks in the order of virtual time."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the beginning."""
        self._queue: list[tuple[float, int, int, Task]] = []
        self._count = 0
        self._running: Task | None = None
        self._hub = getcurrent()

    def spawn(
        self, work: Callable[[], object], *, group: object = None, request: object = None, at: float | None = None
    ) -> Task:
        """A new task that begins at `at`, default now."""
        task = Task(work, group, request)
        task.parent = self._hub
        self._wake(task, self.now if at is None else at)
        return task

    def pause(self, seconds: float) -> None:
        """Let time pass for the running task."""
        self.wait_until(self.now + max(seconds, 0.0))

    def wait_until(self, at: float) -> None:
        """Let the running task go on at `at`, or when it is woken before."""
        task = self.current()
        self._wake(task, at)
        task.waiting = True
        self._hub.switch()

    def wake(self, task: Task) -> None:
        """Let a waiting task go on now."""
        if task.waiting and not task.dead:
            task.turn += 1
            self._wake(task, self.now)

    def current(self) -> Task:
        """The running task."""
        assert self._running is not None
        return self._running

    def kill(self, group: object) -> None:
        """End every task of `group` where it waits; the running one ends itself by `Killed`."""
        running = getcurrent()
        for *_, task in list(self._queue):
            if task.group is group and task is not running and not task.dead:
                task.turn += 1
                if task:  # begun: what it holds is let go
                    task.parent = running
                    task.throw()

    def run(self, until: float) -> None:
        """Run everything that happens up to `until`."""
        while self._queue and self._queue[0][0] <= until:
            at, _, turn, task = heapq.heappop(self._queue)
            if task.dead or turn != task.turn:
                continue
            self.now = at
            task.turn += 1
            task.waiting = False
            task.parent = self._hub
            self._running = task
            task.switch()
        self.now = max(self.now, until)

    def all_at_once(self, tasks: Sequence[Callable[[], T]], seconds: float) -> list[T | None]:
        """As notifier.sending.at_once, in virtual time; what is not back in time goes on by itself."""
        parent = self.current()
        results: list[T | None] = [None] * len(tasks)
        errors: list[BaseException] = []
        left = len(tasks)
        in_time = True

        def work(place: int) -> None:
            nonlocal left
            try:
                results[place] = tasks[place]()
            except Exception as error:  # noqa: BLE001 - as a future, it hands the error to whoever waits
                errors.append(error)
            left -= 1
            if in_time and not left:
                self.wake(parent)

        for place in range(len(tasks)):
            self.spawn(lambda place=place: work(place), group=parent.group, request=parent.request)  # type: ignore[misc]
        self.wait_until(self.now + max(seconds, 0.0))
        in_time = False
        if errors:
            raise errors[0]
        return list(results)

    def _wake(self, task: Task, at: float) -> None:
        self._count += 1
        heapq.heappush(self._queue, (at, self._count, task.turn, task))
