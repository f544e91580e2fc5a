"""A TCP proxy on loopback that loses connections at the moment a test asks for.

It forwards bytes between clients and one server. ``cut`` breaks what is open; ``lose`` breaks the
connection whose client sends certain bytes next: before they reach the server, or after the server
has answered, so that it has done what it was told and nobody knows. ``without_sockets`` makes it
one of those that refuse to upgrade, or take a socket and let nothing through. ``cut_after`` breaks
the chat's sockets again and again, in the middle of frames; ``slow_down`` makes it a thin line.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

PATIENCE_S = 20.0

When = Literal["before", "after"]
Sockets = Literal["pass", "refused", "swallowed"]

UPGRADE = b"/api/chat-stream/ws"  # Jupyter's own sockets pass: the notebook is not what is tested
OURS = b"/api/chat-stream/"
TO_LOGIN = (
    b"HTTP/1.1 302 Found\r\nLocation: /hub/login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Line:
    """How slow a line is, each way."""

    bytes_per_s: int
    delay_s: float  # of each piece that is forwarded


class Proxy:
    """Stands before the server at ``port``; clients connect to ``self.port``."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._wanted: tuple[bytes, When, bool] | None = None
        self._lost = threading.Event()
        self._is_refusing = False
        self._sockets: Sockets = "pass"
        self.is_signed_out = False  # whether the chat's requests are sent to a login page
        self.upgrades = 0  # that were asked for and did not pass
        self.cuts = 0  # of the chat's sockets, made by ``cut_after``
        self._cut_after: Callable[[], int] | None = None
        self._left: dict[socket.socket, int] = {}  # bytes that a server's socket may still bring
        self._line: Line | None = None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._spawn(self._accept)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def lose(self, words: bytes, when: When, *, refuse: bool = False) -> threading.Event:
        """Break the connection over which these bytes are sent next; the event tells when.

        With ``refuse``, no other is taken from that moment on, until ``resume``.
        """
        with self._lock:
            self._wanted, self._lost = (words, when, refuse), threading.Event()
            return self._lost

    def cut(self, *, refuse: bool = False) -> None:
        """Break every connection; with ``refuse``, take none until ``resume``."""
        self._is_refusing = refuse
        with self._lock:
            broken, self._open = self._open, set()
        for each in broken:
            _break(each)

    def without_sockets(self, sockets: Sockets) -> None:
        """From now on refuse the chat's sockets, swallow what is sent on them, or let them pass."""
        self._sockets = sockets

    def cut_after(self, bytes_of: Callable[[], int] | None) -> None:
        """From now on break each new socket of the chat after so many bytes of the server.

        Args:
            bytes_of: called for each socket; None lets them live again.
        """
        with self._lock:
            self._cut_after = bytes_of
            if bytes_of is None:
                self._left.clear()

    @property
    def to_be_cut(self) -> int:
        """How many of the chat's sockets are open, and will be cut."""
        with self._lock:
            return len(self._left)

    def slow_down(self, line: Line) -> None:
        """From now on forward everything no faster than this line would."""
        self._line = line

    def resume(self) -> None:
        """Take connections again."""
        self._is_refusing = False

    def close(self) -> None:
        """End the proxy and all that goes through it."""
        _break(self._listening)
        self.cut(refuse=True)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = None if self._is_refusing else socket.create_connection(self._target)
            except OSError:
                server = None
            if server is None:
                _break(client)
                continue
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            self._spawn(self._forward, client, server)
            self._spawn(self._forward, server, client)

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if self.is_signed_out and OURS in data.partition(b"\r\n")[0]:
                    source.sendall(TO_LOGIN)
                    break
                if self._sockets != "pass" and data.startswith(b"GET ") and UPGRADE in data:
                    self.upgrades += 1
                    if self._sockets == "refused":
                        source.sendall(REFUSAL)
                        break
                    continue  # taken, and never answered
                if self._is_wanted(data):
                    self._lose(data, source, target)
                    break
                if data.startswith(b"GET ") and UPGRADE in data:
                    self._allow(target)
                if line := self._line:
                    time.sleep(line.delay_s + len(data) / line.bytes_per_s)
                passing = self._passing(source, data)
                target.sendall(passing)
                if len(passing) < len(data):
                    break
        except OSError:
            pass  # the other side, or a cut
        with self._lock:
            self._left.pop(source, None)
        _break(source)
        _break(target)

    def _allow(self, server: socket.socket) -> None:
        """Decide after how many bytes this socket of the chat is cut, if at all."""
        with self._lock:
            if self._cut_after is not None:
                self._left[server] = self._cut_after()

    def _passing(self, source: socket.socket, data: bytes) -> bytes:
        """Return the part of the data that passes; if it is not all of it, this is a cut."""
        with self._lock:
            if source not in self._left:
                return data
            passing = data[: self._left[source]]
            self._left[source] -= len(passing)
            if len(passing) < len(data):
                del self._left[source]
                self.cuts += 1
            return passing

    def _is_wanted(self, data: bytes) -> bool:
        with self._lock:
            return self._wanted is not None and self._wanted[0] in data

    def _lose(self, data: bytes, client: socket.socket, server: socket.socket) -> None:
        with self._lock:
            assert self._wanted is not None
            (_, when, refuse), self._wanted = self._wanted, None
            self._is_refusing = self._is_refusing or refuse
            self._open -= {client, server}
        if when == "after":
            # the other thread still forwards: what it reads from here on must not arrive
            _break(client)
            with server.dup() as probe:
                server.sendall(data)
                probe.settimeout(PATIENCE_S)
                try:
                    probe.recv(1, socket.MSG_PEEK)
                except OSError:
                    pass  # the other thread was first to read the answer: it has come
        self._lost.set()

    def _spawn(self, work: object, *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()  # type: ignore[arg-type]


def _break(connection: socket.socket) -> None:
    for act in (lambda: connection.shutdown(socket.SHUT_RDWR), connection.close):
        try:
            act()
        except OSError:
            pass
