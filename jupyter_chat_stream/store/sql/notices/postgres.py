"""Notices between the processes on one Postgres: NOTIFY with each commit, LISTEN in each process.

The listening connection has a thread of its own, which reconnects forever. A notice that is sent
before it has reconnected is lost, so a new connection means that anything may have changed. Each
schema has its own channel: several chats in one database do not hear each other.
"""

from __future__ import annotations

import logging
import secrets
import selectors
import socket
import threading
import zlib
from typing import TYPE_CHECKING, Any

from ..failures import AWAY_BACKOFF, Outage
from .base import ANYTHING, Notice, Notices, OnNotice, pack, unpack

if TYPE_CHECKING:
    from ..database import Database

OWN_PAUSE_S = 0.005  # Without this pause each commit of this process costs 70 µs more (measured).


class Listener(Notices):
    """Notices between the processes with one Postgres."""

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self.channel = f"chat_stream_{zlib.crc32(schema.encode()):08x}"
        self._origin = secrets.token_hex(8)
        self._has_missed = True  # so that the first look reads the store
        self._end_event = threading.Event()
        self._wake, self._wake_receiver = socket.socketpair()
        self._thread: threading.Thread | None = None

    def start(self, on_notice: OnNotice) -> None:
        self._thread = threading.Thread(
            target=self._work, args=(on_notice,), name="chat-stream-notices", daemon=True
        )
        self._thread.start()

    @property
    def has_others(self) -> bool:
        return True  # only the server knows which processes listen

    def statement(self, notice: Notice) -> str:
        return f"NOTIFY {self.channel}, '{pack(notice, self._origin)}'"

    def has_missed(self) -> bool:
        has_missed, self._has_missed = self._has_missed, False
        return has_missed

    def stop(self) -> None:
        if self._end_event.is_set():
            return
        self._end_event.set()
        self._wake.send(b".")
        if self._thread is not None:
            self._thread.join()
        self._wake.close()
        self._wake_receiver.close()

    def _work(self, on_notice: OnNotice) -> None:
        outage, waits = Outage("notices of other processes", logging.INFO), AWAY_BACKOFF.pauses()
        while not self._end_event.is_set():
            try:
                with self._database.connect_listening() as conn:
                    conn.execute(f"LISTEN {self.channel}")
                    outage.end()
                    waits = AWAY_BACKOFF.pauses()
                    on_notice(ANYTHING)
                    self._listen(conn, on_notice)
            except self._database.driver_error as error:
                self._has_missed = True
                outage.begin(error)
                self._end_event.wait(next(waits))

    def _listen(self, conn: Any, on_notice: OnNotice) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(conn.fileno(), selectors.EVENT_READ)
            selector.register(self._wake_receiver, selectors.EVENT_READ)
            while not self._end_event.is_set():
                pairs = [unpack(message.payload) for message in conn.notifies(timeout=0)]
                other_notices = [notice for origin, notice in pairs if origin != self._origin]
                for notice in other_notices:
                    on_notice(notice)
                if (
                    pairs and not other_notices
                ):  # a busy writer receives its own notice with each commit
                    self._end_event.wait(OWN_PAUSE_S)
                selector.select()
