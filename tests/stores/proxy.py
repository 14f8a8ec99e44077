"""A TCP proxy that can lose answers, as a network does."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65_536


class Proxy:
    """Listens at `host` within its `with` block, and passes everything on to `target` (host:port)."""

    def __init__(self, target: str) -> None:
        name, _, port = target.partition(":")
        self._target = (name, int(port))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._server.getsockname()[1]}"
        self.connections = 0
        """How many were made so far."""
        self._mute: set[int] = set()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def lose_answers(self) -> None:
        """On the connections there are now: what is asked still arrives, what is answered is lost."""
        self._mute = set(range(self.connections))

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for end in (self._server, *self._sockets):
            _shut(end)
        self._threads[0].join()
        for end in self._sockets:  # Those, too, that came in between.
            _shut(end)
        for thread in self._threads[1:]:
            thread.join()
        for end in (self._server, *self._sockets):
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            number = self.connections
            self.connections += 1
            for source, target, answers in ((client, server, False), (server, client, True)):
                pump = threading.Thread(target=self._pump, args=(source, target, number if answers else None))
                self._threads.append(pump)
                pump.start()

    def _pump(self, source: socket.socket, target: socket.socket, answering: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                if answering not in self._mute:
                    target.sendall(data)
        _shut(target)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # The other side was faster.
        end.shutdown(socket.SHUT_RDWR)
