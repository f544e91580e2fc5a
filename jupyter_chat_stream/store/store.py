"""The core of the store: one writer, a few readers, and one place to publish.

``write`` and ``append`` run on the writer's thread, ``read`` on a pool of a few threads: nothing
blocks the event loop. Each commit reaches the loop once. There its events are published to the
listeners, and then its operations get their outcomes (L3).
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ..shared.errors import StoreError
from ..shared.events import Event
from .log.operations import PATIENCE_S, Append, Command, Commit, Committed, resolve
from .log.transaction import Transaction
from .log.writer import Writer
from .sql.database import READERS, Database
from .sql.driver import ThreadPlace
from .sql.failures import AWAY_BACKOFF, is_unreachable
from .sql.notices.base import Notice

T = TypeVar("T")
EventListener = Callable[[list[Event]], None]
MarksListener = Callable[[frozenset[str]], None]
Foreign = Callable[["frozenset[str] | None"], None]
Wants = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True)
class ForeignListener:
    """A callback for the commits of other processes, and those that it wants (``on_foreign``)."""

    callback: Foreign
    wants: Wants | None
    of_rows: bool

    def concerns(self, notice: Notice) -> bool:
        """Return whether the callback wants to know of this notice."""
        if notice.threads is None:
            return True
        if self.wants is None:
            return notice.is_run_change
        if self.of_rows and not notice.is_listed:
            return False
        return any(map(self.wants, notice.threads))

    def threads_of(self, notice: Notice) -> frozenset[str] | None:
        """Return those of the notice's threads that the callback wants; None: it may be any."""
        if notice.threads is None or self.wants is None:
            return notice.threads
        return frozenset(filter(self.wants, notice.threads))


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def system_now_ms() -> int:
    """Return the time in ms since 1970 (UTC)."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """Make an id: 45 bits of time in ms, then 65 random bits, as 22 letters that sort by time.

    Ids are short because each delta carries four of them.
    """
    number = (system_now_ms() << 65) | (int.from_bytes(os.urandom(9), "big") >> 7)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(105, -1, -5))


class Store:
    """An open database. ``open`` and ``close`` block."""

    def __init__(
        self,
        database: Database,
        *,
        now_ms: Callable[[], int] = system_now_ms,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self.database = database
        self.now_ms = now_ms
        self.new_id = make_id
        self.listeners: list[EventListener] = []
        self._marks_listeners: list[MarksListener] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._foreign_listeners: list[ForeignListener] = []
        self._closing = threading.Event()
        self.notices_received = 0  # of other processes' commits
        self.pool = ThreadPoolExecutor(READERS, thread_name_prefix="chat-stream-read")
        self.notices = database.make_notices()
        self.writer = Writer(
            database,
            deliver=self._deliver,
            now_ms=now_ms,
            new_id=make_id,
            notices=self.notices,
        )
        self.notices.start(self._receive)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        synchronous: str = "NORMAL",
        network_disk: bool | None = False,
        is_light: bool = False,
        migrates: bool = True,
        **options: Any,
    ) -> Store:
        """Open the database at a URL, creating or migrating its tables. Blocks.

        Args:
            network_disk: whether an SQLite file is on one. None: ask the system.
            is_light: keep few connections open: this process executes no runs.
            migrates: whether to create or migrate tables. If not, a database that needs it is
                refused.

        Raises:
            DatabaseUnreadable, DatabaseForeign, DatabaseTooNew, DatabaseTooOld, DatabaseBusy,
            DatabaseUnreachable, DatabaseOnOtherHost: left as it was.
        """
        now_ms = options.get("now_ms", system_now_ms)
        database = Database(
            url,
            synchronous=synchronous,
            network_disk=network_disk,
            is_light=is_light,
            migrates=migrates,
            now_ms=now_ms(),
        )
        return cls(database, **options)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Publish on this loop from now on; before that, on the writer's thread."""
        self._loop = loop

    def listen(self, listener: EventListener) -> None:
        """Call the listener with the events of every commit, in order."""
        self.listeners.append(listener)

    def listen_to_marks(self, listener: MarksListener) -> None:
        """Call the listener with the ids of the threads whose marks a commit has changed."""
        self._marks_listeners.append(listener)

    def enqueue_with(
        self, enqueue: Callable[[Connection, Sequence[tuple[str, int]]], None]
    ) -> None:
        """Call ``enqueue`` in each transaction that makes runs due, with (run id, attempt)."""
        self.writer.batches.enqueue = enqueue

    def on_foreign(
        self, callback: Foreign, *, wants: Wants | None = None, of_rows: bool = False
    ) -> None:
        """Call ``callback`` for commits of other processes. It is a hint, mostly at once (L9).

        Args:
            callback: called where the store publishes (``attach``), with the ids of the threads;
                None: any thread may have changed, because the connection to the others was lost.
            wants: returns, on another thread, whether a thread's commits matter. None: a commit
                matters if it made a run, ended one or made one due.
            of_rows: a commit matters only if it may have changed a row of the list of threads.
        """
        self._foreign_listeners.append(
            ForeignListener(callback=callback, wants=wants, of_rows=of_rows)
        )

    def observe(self, observer: Callable[[Commit], None]) -> None:
        """Call the observer after each commit of this process, on the writer's thread."""
        self.writer.observer = observer

    @property
    def queued(self) -> int:
        """About how many operations wait for the next commit."""
        return self.writer.queued

    @property
    def notices_sent(self) -> int:
        """How many notices of commits this process has sent."""
        return self.writer.batches.notices_sent

    def close(self) -> None:
        """Write the pending operations, then end all threads and connections. Blocks."""
        self._closing.set()
        self.writer.stop()
        self.notices.stop()
        self.pool.shutdown()
        self.database.close()

    def append(self, operation: Append) -> None:
        """Queue events of an attempt; the operation's ``on_outcome`` is called after the commit."""
        self.writer.put(operation)

    def append_future(self, operation: Append) -> Future[list[Event]]:
        """Queue events of an attempt; the future gets them after the commit."""
        future: Future[list[Event]] = Future()
        operation.on_outcome = lambda _, events, error: resolve(future, events, error)
        self.append(operation)
        return future

    def submit(self, work: Callable[[Transaction], T], *places: ThreadPlace) -> Future[T]:
        """Queue a command, which runs in the writer's next transaction.

        Args:
            places: the threads that it changes, whose locks are taken before it begins.
        """
        command = Command(work=work, places=places)
        self.writer.put(command)
        return command.future

    async def write(self, work: Callable[[Transaction], T], *places: ThreadPlace) -> T:
        """Run a command and wait for its commit."""
        return await asyncio.wrap_future(self.submit(work, *places))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a reader in one read transaction on the pool.

        While the database is away it waits, at most ``PATIENCE_S`` in all.
        """
        deadline_s = time.monotonic() + PATIENCE_S
        return await asyncio.wrap_future(self._on_pool(lambda: self._read(work, deadline_s)))

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Run a reader in one read transaction on this thread. Blocks.

        Raises:
            StoreError: the database could not be read.
        """
        return self._read(work, time.monotonic() + PATIENCE_S)

    def _read(self, work: Callable[[Connection], T], deadline_s: float) -> T:
        waits = AWAY_BACKOFF.pauses()
        while True:
            self.database.refuse_gone()
            try:
                with self.database.reading.connect() as conn, conn.begin():
                    result = work(conn)
            except SQLAlchemyError as error:
                is_late = time.monotonic() > deadline_s or self._closing.is_set()
                if is_late or not is_unreachable(error):
                    raise self.database.explain(error) from error
                self.database.outage.begin(error)
                self.database.reading.dispose()  # the other connections are broken too
                self._closing.wait(next(waits))
            else:
                self.database.outage.end()
                return result

    async def has_changed(self) -> bool:
        """Return whether another process may have committed since the last call."""
        return await asyncio.wrap_future(self.look())

    def look(self) -> Future[bool]:
        """Ask whether another process may have committed since the last call; does not block."""
        if self.database.is_sqlite:
            return self.writer.look()
        return self._on_pool(self.notices.has_missed)

    def _on_pool(self, work: Callable[[], T]) -> Future[T]:
        try:
            return self.pool.submit(work)
        except RuntimeError as error:
            raise StoreError("The store is closed; nothing more is read.") from error

    def _receive(self, notice: Notice) -> None:
        self.notices_received += 1
        for listener in self._foreign_listeners:
            if listener.concerns(notice):
                self._on_loop(listener.callback, listener.threads_of(notice))

    def _on_loop(self, callback: Foreign, threads: frozenset[str] | None) -> None:
        if self._loop is None:
            callback(threads)
            return
        try:
            self._loop.call_soon_threadsafe(callback, threads)
        except RuntimeError:
            pass  # the event loop has ended: no callback is left

    def _deliver(self, committed: Committed) -> None:
        if self._loop is None:
            self.publish(committed)
            return
        try:
            self._loop.call_soon_threadsafe(self.publish, committed)
        except RuntimeError:  # the event loop has ended, but other threads may wait
            committed.tell()

    def publish(self, committed: Committed) -> None:
        try:
            if committed.events:
                for listener in self.listeners:
                    listener(committed.events)
            if committed.marked_ids:
                for marks_listener in self._marks_listeners:
                    marks_listener(committed.marked_ids)
        finally:  # a listener's error does not change the commit
            committed.tell()
