"""Holders on many hosts: a holder lives as long as it renews its lease in the database.

A thread of its own renews the lease ``BEATS`` times a lease, over a connection of its own. So
neither a busy event loop nor a long transaction lets the lease lapse. The thread retries a lost
connection forever. If the lease has lapsed all the same (the process was frozen, or the database
was away), the engine is told. This process then counts every holder as alive for one more lease,
because the others may need as long to come back.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from ..shared.errors import DatabaseUnreachable, StoreError
from ..shared.logs import Line
from ..store.front import AWAY_BACKOFF, MISSED, LeaseConnection, LeaseReader, Outage

log = logging.getLogger("jupyter_chat_stream.engine")

BEATS = 4  # renewals in the time of one lease
# The leases of dead holders are removed at every 40th renewal.
REMOVE_DEAD_EVERY = 40
OPEN_WITHIN_S = 30.0
CLOSE_WITHIN_S = 3.0


class LeaseHolders:
    """The holders of one database; this process is one of them.

    Args:
        lease: this process's own lease.
        on_expired: called on the event loop when this process's lease had lapsed.
        on_back: called on the event loop when the database is back after it was away.
    """

    def __init__(
        self,
        lease: LeaseConnection,
        *,
        on_expired: Callable[[], None] = lambda: None,
        on_back: Callable[[], None] = lambda: None,
    ) -> None:
        self.own_name = lease.holder
        self._lease_s = lease.lease_s
        self._lease = lease
        self._on_expired = on_expired
        self._on_back = on_back
        self._loop: asyncio.AbstractEventLoop | None = None
        self.presume_alive_until_s = 0.0
        self._stop_event = threading.Event()
        self._first_beat: Future[None] = Future()
        self._thread_end: Future[None] = Future()
        self.thread = threading.Thread(target=self._work, name="chat-stream-lease", daemon=True)

    async def open(self) -> None:
        """Begin to renew the lease, and wait until it is there.

        Raises:
            StoreError: the database could not be reached for too long.
        """
        self._loop = asyncio.get_running_loop()
        self.thread.start()
        try:
            await asyncio.wait_for(asyncio.wrap_future(self._first_beat), OPEN_WITHIN_S)
        except BaseException as error:
            self._stop_event.set()
            if not isinstance(error, asyncio.TimeoutError):
                raise
            raise StoreError(
                f"No lease could be taken within {OPEN_WITHIN_S:g} s. Check that the database "
                "answers, then start again."
            ) from None

    def is_alive(self, leases: LeaseReader, holder: str) -> bool:
        """Return whether a holder's lease lasts."""
        if holder == self.own_name or time.monotonic() < self.presume_alive_until_s:
            return True
        return leases.is_alive(self.own_name, holder, self._lease_s)

    def presume_alive(self) -> None:
        """Count all holders as alive for one lease."""
        self.presume_alive_until_s = time.monotonic() + self._lease_s

    async def close(self) -> None:
        """End the lease; if the database is away, the lease ends by itself."""
        self._stop_event.set()
        if self._loop is not None:
            await asyncio.wait({asyncio.wrap_future(self._thread_end)}, timeout=CLOSE_WITHIN_S)

    def _work(self) -> None:
        beat_s = self._lease_s / BEATS
        beats, waits = 0, None
        outage = Outage(f"lease {self.own_name}", logging.INFO)
        while not self._stop_event.is_set():
            try:
                self._beat()
                if beats % REMOVE_DEAD_EVERY == 0:
                    self._lease.remove_dead()
                beats += 1
                outage.end()
                if waits is not None:
                    self._notify(self._on_back)
                waits, pause_s = None, beat_s
            except DatabaseUnreachable as error:
                outage.begin(error)
                waits = waits or AWAY_BACKOFF.pauses()
                pause_s = min(next(waits), beat_s)
            self._stop_event.wait(pause_s)
        try:
            self._lease.end()
        except DatabaseUnreachable:
            log.info(Line("lease.left", owner=self.own_name))
        self._lease.close()
        self._thread_end.set_result(None)

    def _beat(self) -> None:
        left_ms = self._lease.beat()
        if not self._first_beat.done():
            self._first_beat.set_result(None)
            return
        if left_ms is not None and left_ms >= self._lease_s * 1000 * MISSED:
            return
        self.presume_alive()
        if left_ms is None or left_ms <= 0:
            log.warning(Line("lease.lapsed", owner=self.own_name, left_ms=left_ms))
            self._notify(self._on_expired)

    def _notify(self, callback: Callable[[], None]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the event loop has ended, and every run of this process with it
            self._stop_event.set()
