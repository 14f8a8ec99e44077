"""One pager's turn in a round: alerts fire, it is killed and started again, and what reaches the sink is counted."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from bench._pagers import MINUTE, READY_WITHIN, RESTART_AFTER, Firing, Pager, Post
from bench._plan import Plan, Window
from bench._sink import Sink

WARM_UP = 16
"""Alerts before a turn, which are not counted: a cold emulator is slow, and so is any process's first request."""
WARM_WITHIN = 60
QUIET = 45
"""Seconds without news after which nothing more is waited for: a lease (30 s, notifier), a peer's turn (15 s,
Alertmanager's cluster), and a minute of ours on top."""
OVER = 120
"""Seconds after the last alert began to fire, at which what has not come is lost."""
AHEAD = 1.0
"""Seconds an alert must fire before a round's first failure to count as one that knew none."""
_STEP = 0.01


@dataclass(frozen=True)
class Count:
    """What came of one turn."""

    pager: str
    calm: tuple[float, ...]
    """Seconds from firing to the first notification, of each alert well before the round's first failure. After one
    there is no calm that is fair to all: a cluster is up at once, and takes some 10 s to come to rest."""
    all: tuple[float, ...]
    """The same, of every alert that has one."""
    lost: int
    """Alerts of which there was none."""
    doubled: int
    """Notifications of an alert beyond its first."""
    down: tuple[float, ...]
    """Seconds from each kill to healthy."""


def count(pager: str, plan: Plan, taken: dict[str, list[float]], down: list[Window]) -> Count:
    """Judge one turn. `taken`, `down`: in seconds from its beginning."""
    first = {name: min(taken[name]) - fired for name, fired in plan.fires.items() if taken.get(name)}
    failure = min([plan.sink_down.begin, *plan.kills])
    return Count(
        pager=pager,
        calm=tuple(seconds for name, seconds in first.items() if plan.fires[name] < failure - AHEAD),
        all=tuple(first.values()),
        lost=len(plan.fires) - len(first),
        doubled=sum(len(taken[name]) - 1 for name in first),
        down=tuple(window.end - window.begin for window in down),
    )


class Sender:
    """Sends what fires, and again after a minute of ours: always, or until it is answered with 200."""

    def __init__(self, pager: Pager, stack: ExitStack, again_after: float = MINUTE) -> None:
        self._pager = pager
        self._again_after = again_after
        self._due: dict[Firing, float] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._pool = stack.enter_context(ThreadPoolExecutor(32))
        thread = threading.Thread(target=self._run)
        thread.start()
        stack.callback(thread.join)
        stack.callback(self._end.set)

    def fire(self, name: str) -> None:
        with self._lock:
            self._due[Firing(name, datetime.now(UTC))] = 0

    @property
    def is_done(self) -> bool:
        """Whether nothing is to be sent again; never for a pager to which everything is."""
        with self._lock:
            return not self._due

    def _run(self) -> None:
        while not self._end.wait(_STEP):
            now = time.monotonic()
            with self._lock:
                due = [alert for alert, at in self._due.items() if at <= now]
                # Prometheus sends again what is under way; who waits for a 200 does not.
                self._due |= dict.fromkeys(due, now + self._again_after if self._pager.resends else math.inf)
            for post in self._pager.posts(due):
                self._pool.submit(self._send, post, now + self._again_after)

    def _send(self, post: Post, again_at: float) -> None:
        taken = post.send()
        if self._pager.resends:
            return
        with self._lock:
            for alert in post.alerts:
                if taken:
                    del self._due[alert]
                else:
                    self._due[alert] = again_at


class Turn:
    """One pager, its sink, its sender. First `prepare`, then `play`, then `listen`, each once."""

    def __init__(self, pager: Pager, sink: Sink, plan: Plan, stack: ExitStack) -> None:
        """`stack`: ends all of it."""
        self.pager = pager
        self._sink = sink
        self._plan = plan
        self._stack = stack
        self._down: list[Window] = []
        self._began = 0.0
        self._given_up = threading.Event()

    def prepare(self) -> None:
        """Start the pager."""
        self.pager.prepare(self._stack)

    def play(self) -> None:
        """The turn itself, as planned."""
        self._sender = Sender(self.pager, self._stack)
        self.pager.begin(self._stack)
        self._warm_up()
        with ThreadPoolExecutor(1) as killer:
            self._began = time.monotonic()
            killed = killer.submit(self._kill)
            self._at(self._events())
            killed.result()

    def _events(self) -> list[tuple[float, Callable[[], None]]]:
        def fire(name: str) -> Callable[[], None]:
            return lambda: self._sender.fire(name)

        def down(*, state: bool) -> Callable[[], None]:
            return lambda: setattr(self._sink, "down", state)

        events = [(moment, fire(name)) for name, moment in self._plan.fires.items()]
        events.append((self._plan.sink_down.begin, down(state=True)))
        events.append((self._plan.sink_down.end, down(state=False)))
        events.append((self._plan.seconds, lambda: None))
        return sorted(events, key=lambda event: event[0])

    def _at(self, events: list[tuple[float, Callable[[], None]]]) -> None:
        for moment, act in events:
            time.sleep(max(self._began + moment - time.monotonic(), 0))
            act()

    def listen(self) -> Count:
        """Wait until nothing more can come, and count."""
        over = time.monotonic() + OVER
        while time.monotonic() < over and not self._given_up.wait(0.5):
            news = [at for name in self._plan.fires for at in list(self._sink.taken.get(name, ()))]
            missing = any(name not in self._sink.taken for name in self._plan.fires)
            last = max([*news, self._began + self._plan.seconds, *(self._began + window.end for window in self._down)])
            if not missing and time.monotonic() - last >= QUIET:
                break
        taken = {name: [at - self._began for at in times] for name, times in list(self._sink.taken.items())}
        return count(self.pager.name, self._plan, taken, self._down)

    def give_up(self) -> None:
        """Listen no longer: somebody wants it to end."""
        self._given_up.set()

    def _kill(self) -> None:
        """Kill it when planned, also while it starts."""
        for moment, following in pairwise((*self._plan.kills, math.inf)):
            time.sleep(max(self._began + moment - time.monotonic(), 0))
            begin = self._elapsed()
            self.pager.kill(self._plan.member)
            time.sleep(RESTART_AFTER)
            self.pager.restart()
            while not self.pager.is_up() and self._elapsed() < following:
                assert self._elapsed() - begin < READY_WITHIN, f"{self.pager.name} did not start again"
            self._down.append(Window(begin, self._elapsed()))

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _warm_up(self) -> None:
        names = [f"host-0-{number}" for number in range(WARM_UP)]
        for name in names:
            self._sender.fire(name)
        until = time.monotonic() + WARM_WITHIN
        while any(name not in self._sink.taken for name in names):
            assert time.monotonic() < until, f"{self.pager.name}: a first alert was not told of in {WARM_WITHIN} s"
            time.sleep(_STEP)
