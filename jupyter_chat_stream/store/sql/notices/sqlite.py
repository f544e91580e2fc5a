"""Notices between the processes that have one SQLite file: datagrams over loopback.

Each process writes the port it listens on, and a random token, to a 0600 file beside the database
(``chat.db-peer-…``). A datagram without its receiver's token is ignored. A process that starts or
ends notifies the others, and they read the files again. If no process listens on a file's port, a
dead process left the file, and it is removed. Without loopback there are no notices, only polling.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

from ....shared.logs import Line
from .base import MAX_BYTES, Notice, Notices, OnNotice, pack, unpack

log = logging.getLogger("jupyter_chat_stream.store")

LOOPBACK = "127.0.0.1"
# The peers' files are read at least this often: a peer may have died without notice.
LOOK_ANYWAY_S = 10.0
# The datagram that ends the thread is sent again after this time: a full buffer drops it.
END_AGAIN_S = 0.05
_LOOK, _END = "look", "end"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another process on the same file: its port, and the token that its datagrams need."""

    port: int
    token: str


class Peers(Notices):
    """Notices between the processes with the file at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._origin = secrets.token_hex(8)
        self.token = secrets.token_hex(16)
        self.own_file = path.with_name(f"{path.name}-peer-{self._origin}")
        self.peers: tuple[Peer, ...] = ()
        self.socket: socket.socket | None = None
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, on_notice: OnNotice) -> None:
        try:
            self.socket = listening_socket()
            self._write_own(self.socket.getsockname()[1])
        except OSError as error:
            log.info(Line("notices.none", error=type(error).__name__))  # polling finds all
            self._close()
            return
        self._look()
        self.send(_LOOK)
        self._thread = threading.Thread(
            target=self._work, args=(on_notice,), name="chat-stream-notices", daemon=True
        )
        self._thread.start()

    @property
    def has_others(self) -> bool:
        return bool(self.peers)

    def tell(self, notice: Notice) -> None:
        self.send(pack(notice, self._origin))

    def stop(self) -> None:
        if self.socket is not None and self._thread is not None:
            own_peer = Peer(port=self.socket.getsockname()[1], token=self.token)
            self._ending.set()
            while self._thread.is_alive():
                self.send(_END, (own_peer,))
                self._thread.join(END_AGAIN_S)
            self._remove(self.own_file)
            self.send(_LOOK)
        self._close()

    def _work(self, on_notice: OnNotice) -> None:
        assert self.socket is not None
        self.socket.settimeout(LOOK_ANYWAY_S)
        while not self._ending.is_set():
            try:
                data = self.socket.recv(2 * MAX_BYTES)
            except TimeoutError:
                self._look()
                continue
            except OSError:  # Windows: a datagram of ours found no receiver
                continue
            words = self._words_of(data)
            if words == _LOOK:
                self._look()
            elif words and words != _END:
                on_notice(unpack(words)[1])

    def _words_of(self, data: bytes) -> str:
        token, _, words = data.decode("ascii", "replace").partition(" ")
        return words if secrets.compare_digest(token.encode(), self.token.encode()) else ""

    def send(self, words: str, peers: tuple[Peer, ...] | None = None) -> None:
        for peer in self.peers if peers is None else peers:
            try:
                assert self.socket is not None
                self.socket.sendto(f"{peer.token} {words}".encode(), (LOOPBACK, peer.port))
            except OSError:
                pass  # a hint that is lost costs latency only (L9)

    def _write_own(self, port: int) -> None:
        descriptor = os.open(self.own_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{port} {self.token}\n")

    def _look(self) -> None:
        """Find the other processes, remove the files of dead ones, and keep this one's file."""
        try:
            if self.socket is not None and not self.own_file.exists():  # the folder was cleaned
                self._write_own(self.socket.getsockname()[1])
            self.peers = tuple(self._find())
        except OSError as error:  # the folder may be gone: polling still finds all
            log.debug(Line("notices.none", error=type(error).__name__))

    def _find(self) -> list[Peer]:
        peers: list[Peer] = []
        for file in self._path.parent.iterdir():
            if file == self.own_file or not file.name.startswith(f"{self._path.name}-peer-"):
                continue
            peer = _read(file)
            if peer is not None and _is_listened_on(peer.port):
                peers.append(peer)
            elif peer is not None:
                self._remove(file)
        return peers

    def _remove(self, file: Path) -> None:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:  # Windows removes no file that is open
            log.debug(Line("notices.file_stays", error=type(error).__name__))

    def _close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def listening_socket() -> socket.socket:
    new_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        new_socket.bind((LOOPBACK, 0))
    except OSError:
        new_socket.close()
        raise
    return new_socket


def _read(file: Path) -> Peer | None:
    """Read a peer's file; None if the file is missing or incomplete."""
    try:
        port, token = file.read_text(encoding="ascii").split()
        return Peer(port=int(port), token=token)
    except (OSError, ValueError):
        return None


def _is_listened_on(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return True
        return False
