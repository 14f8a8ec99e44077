"""A TCP proxy that can fail as networks and servers do: lose answers, refuse, or do anything else with a connection."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Meeting = Callable[["Proxy", socket.socket], None]
"""What becomes of one connection; it is closed afterwards."""

_CHUNK_BYTES = 65_536


class Proxy:
    """Listens at `host` within its `with` block, and passes everything on to `target` (host:port)."""

    def __init__(self, target: str = "", tls: ssl.SSLContext | None = None) -> None:
        """`tls`: spoken with whoever connects, and not with the target."""
        self.target = target
        self.connections = 0
        """How many were made so far."""
        self.stopped = threading.Event()
        self._tls = tls
        self._meeting: Meeting = pass_on
        self._secured = True
        self._mute: set[threading.Thread] = set()
        self._met: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._accepting = threading.Thread(target=self._accept)
        self.port: int = self._server.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"

    def lose_answers(self) -> None:
        """On the connections there are now: what is asked still arrives, what is answered is lost."""
        with self._lock:
            self._mute |= set(self._met)

    def cut(self) -> None:
        """Break off the connections there are now."""
        with self._lock:
            for client in self._met.values():
                _shut(client)

    def meet(self, meeting: Meeting, *, secured: bool = True) -> None:
        """Let this become of each new connection. `secured`: after the TLS handshake, where TLS is spoken."""
        self._meeting, self._secured = meeting, secured
        if not self._accepting.is_alive():
            self._server.listen(128)
            self._start()

    def refuse(self) -> None:
        """Refuse each new connection. The port is kept: nobody else can be given it meanwhile."""
        if self._accepting.is_alive():
            self._stop_listening()
            self._server = socket.socket()
            self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._server.bind(("127.0.0.1", self.port))

    def secured(self, client: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        """The connection that this thread has met, after the TLS handshake."""
        secured = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._met[threading.current_thread()] = secured
        secured.do_handshake()
        return secured

    @property
    def loses_answers(self) -> bool:
        """Whether the connection that this thread has met is one of those."""
        return threading.current_thread() in self._mute

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopped.set()
        if self._accepting.is_alive():
            self._stop_listening()
        self._server.close()
        self.cut()
        with self._lock:
            left = list(self._met)
        for thread in left:
            thread.join()

    def _start(self) -> None:
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _stop_listening(self) -> None:
        _shut(self._server)
        self._accepting.join()
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._take, args=(client, self._meeting, self._secured))
            with self._lock:
                self.connections += 1
                self._met[thread] = client
            thread.start()

    def _take(self, client: socket.socket, meeting: Meeting, secured: bool) -> None:  # noqa: FBT001 - of a thread
        me = threading.current_thread()
        with contextlib.suppress(OSError):  # The other side was faster, or this one was cut.
            if self._tls and secured:
                client = self.secured(client, self._tls)
            meeting(self, client)
        with self._lock:
            # By now another one where its TLS began, and perhaps never came to an end.
            client = self._met.pop(me)
            self._mute.discard(me)
        client.close()


def pass_on(proxy: Proxy, client: socket.socket, to: str = "") -> None:
    """As if the target had been reached; or `to`, another host:port."""
    with connected(to or proxy.target) as target, selectors.DefaultSelector() as ready:
        ready.register(client, selectors.EVENT_READ, (client, target))
        ready.register(target, selectors.EVENT_READ, (target, client))
        while True:
            # What TLS has read already, no socket shows.
            waiting = isinstance(client, ssl.SSLSocket) and client.pending()
            ways = [(client, target)] if waiting else [key.data for key, _ in ready.select()]
            for source, sink in ways:
                data = source.recv(_CHUNK_BYTES)
                if not data:
                    return
                if source is client or not proxy.loses_answers:
                    sink.sendall(data)


def connected(target: str) -> socket.socket:
    """A connection to host:port."""
    host, _, port = target.rpartition(":")
    return socket.create_connection((host, int(port)))


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # The other side was faster.
        # Not an SSLSocket's own, which takes its TLS away from a thread that reads.
        socket.socket.shutdown(end, socket.SHUT_RDWR)
