"""Where every notification of one pager ends: it counts them by alert, whatever form they come in."""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from tests.end_to_end.serving import Answer, Reaction, Request, Server, serving

LATENCY = 0.05
"""Seconds before a notification is taken, and again before it is answered: it may be taken from one who then dies."""
_NAME = re.compile(rb"host-\d+-\d+")


class Sink:
    """A webhook's receiver on 127.0.0.1. Use it by `sink`."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = defaultdict(list)
        """When each notification of an alert came (monotonic), by the alert's name."""
        self.down = False
        """While True it takes nothing, and answers 503."""
        self.server: Server
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"{self.server.url}/slack"

    def react(self, request: Request) -> Reaction:
        """Take it, unless down: a body that names several alerts tells of each of them once."""
        now = time.monotonic()
        with self._lock:
            if self.down:
                return Reaction(Answer(503, "text/plain", b"down"))
            for name in set(_NAME.findall(request.body)):
                self.taken[name.decode()].append(now)
            return Reaction(Answer(200, "text/plain", b"ok"))


@contextmanager
def sink() -> Iterator[Sink]:
    """A sink, up until the block ends."""
    one = Sink()
    with serving(one.react) as server:
        server.latency = lambda: LATENCY
        one.server = server
        yield one
