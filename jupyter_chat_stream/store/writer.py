"""The writer: one thread, one kept connection, the only one that writes in its process.

It takes what is pending from all runs and commands, writes one transaction, and after the commit
hands events and outcomes to ``deliver`` (L3). The next transaction starts when the last has ended,
so a batch grows with the load and nothing waits for a tick (group commit).

::

    put ─► pending ─► lock threads ─► read heads, check attempts ─► insert ─► COMMIT ─► deliver
                                              │ the batch failed
                                              └─► ROLLBACK, then each operation by itself

A batch that fails is done again one operation at a time, so one bad event harms one run; where the
lock was not to be had, nobody did the harm, and all are told. The queue is bounded by its users: a
run has one append under way and at most 1 MB waiting in its coalescer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from sqlalchemy import Connection

from ..errors import ChatStreamError, DatabaseBusy, StaleAttempt, StoreError
from ..events import Body, Event
from . import driver
from .database import Database, explain
from .log import RunRef, Transaction

log = logging.getLogger("jupyter_chat_stream.store")

BATCH_OPERATIONS = 512


@dataclass(kw_only=True, eq=False)
class Append:
    """Events of one attempt.

    ``settle`` brings the message row up to them; ``release`` says that the run has no owner after
    them. The future gives the committed events, or raises StaleAttempt.
    """

    run: RunRef
    attempt: int
    bodies: Sequence[Body]
    settle: bool = False
    release: bool = False
    future: Future[list[Event]] = field(default_factory=Future)


@dataclass(kw_only=True, eq=False)
class Command:
    """A closure that reads and writes in the transaction; its future gives what it returned."""

    work: Callable[[Transaction], Any]
    threads: tuple[int, ...] = ()
    future: Future[Any] = field(default_factory=Future)


@dataclass(kw_only=True, eq=False)
class Look:
    """Asks whether another connection may have committed since the last look."""

    future: Future[bool] = field(default_factory=Future)


Operation = Append | Command


@dataclass(kw_only=True)
class Committed:
    """What one commit brought: the events, and what to tell whom."""

    events: list[Event]
    outcomes: list[tuple[Operation, Any, BaseException | None]]

    def resolve(self) -> None:
        """Tell everybody who waits."""
        for operation, result, error in self.outcomes:
            if operation.future.cancelled():
                continue
            if error is None:
                operation.future.set_result(result)
            else:
                operation.future.set_exception(error)


class Writer:
    """Owns the writing connection; ``deliver`` is called on its thread, in commit order."""

    def __init__(
        self,
        database: Database,
        *,
        deliver: Callable[[Committed], None],
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._database = database
        self._deliver = deliver
        self._now_ms = now_ms
        self._new_id = new_id
        self._pending: SimpleQueue[Operation | Look | None] = SimpleQueue()  # None: nothing follows
        self.enqueue: Callable[[Connection, Sequence[tuple[str, int]]], None] | None = None
        self._lock = threading.Lock()
        self._stopping = False
        self._conn: Connection | None = None
        self._version: int | None = None  # SQLite's, at the last look over this connection
        self._thread = threading.Thread(target=self._work, name="chat-stream-writer", daemon=True)
        self._thread.start()

    def look(self) -> Future[bool]:
        """Ask whether another connection may have committed since the last look.

        SQLite says so of one connection only, so it is this one: its own commits do not count.
        """
        look = Look()
        self.put(look)
        return look.future

    def put(self, operation: Operation | Look) -> None:
        """Queue an operation; its future is set after the commit."""
        with self._lock:
            if self._stopping:
                raise StoreError("The store is closed; nothing more is written.")
            self._pending.put(operation)

    def stop(self) -> None:
        """Write what is pending, then end the thread and its connection."""
        with self._lock:
            if not self._stopping:
                self._stopping = True
                self._pending.put(None)
        self._thread.join()

    def _work(self) -> None:
        is_over = False
        while not is_over:
            batch, is_over = self._take()
            writes = [operation for operation in batch if not isinstance(operation, Look)]
            if writes:
                self._commit(writes)
            for operation in batch:
                if isinstance(operation, Look):
                    self._look(operation)
        self._drop_connection()

    def _take(self) -> tuple[list[Operation | Look], bool]:
        """Wait for an operation and take what else is pending; True where nothing follows."""
        batch: list[Operation | Look] = []
        while not batch or (len(batch) < BATCH_OPERATIONS and not self._pending.empty()):
            operation = self._pending.get()
            if operation is None:
                return batch, True
            batch.append(operation)
        return batch, False

    def _commit(self, batch: list[Operation]) -> None:
        try:
            committed = self._write(batch)
        except Exception as error:  # noqa: BLE001  every database's edge: all was undone
            self._drop_connection()
            told = explain(error)
            if len(batch) > 1 and not isinstance(told, DatabaseBusy):
                log.warning("batch of %d redone one by one: %s", len(batch), type(error).__name__)
                for operation in batch:
                    self._commit([operation])
                return
            committed = Committed(events=[], outcomes=[(op, None, told) for op in batch])
        self._deliver(committed)

    def _write(self, batch: list[Operation]) -> Committed:
        conn = self._connection()
        outcomes: list[tuple[Operation, Any, BaseException | None]] = []
        driver.begin_writing(conn)
        tx = Transaction(conn, self._now_ms, self._new_id)
        tx.lock(_threads(batch))
        tx.guard(op.run for op in batch if isinstance(op, Append))
        for operation in batch:
            outcomes.append((operation, *_perform(tx, operation)))
        tx.flush()
        if tx.due and self.enqueue is not None:
            self.enqueue(conn, tx.due)
        driver.commit(conn)  # what raises before leaves the connection, and with it the work
        return Committed(events=tx.events, outcomes=outcomes)

    def _look(self, look: Look) -> None:
        if not look.future.set_running_or_notify_cancel():
            return
        try:
            before = self._version
            if self._database.is_sqlite:
                self._version = driver.data_version(self._connection())
            look.future.set_result(self._version is None or self._version != before)
        except Exception as error:  # noqa: BLE001  every database's edge: whoever asked is told
            self._drop_connection()
            look.future.set_exception(explain(error))

    def _connection(self) -> Connection:
        if self._conn is None:
            self._conn = self._database.writing.connect()
        return self._conn

    def _drop_connection(self) -> None:
        conn, self._conn, self._version = self._conn, None, None
        if conn is not None:
            conn.close()


def _perform(tx: Transaction, operation: Operation) -> tuple[Any, BaseException | None]:
    if isinstance(operation, Command):
        try:
            with tx.savepoint():
                return operation.work(tx), None
        except ChatStreamError as refusal:
            return None, refusal
    try:
        tx.guard((operation.run,))
        events = tx.append_attempt(operation.run, operation.attempt, operation.bodies)
    except StaleAttempt as stale:
        return None, stale
    if operation.release:
        tx.set_run(operation.run, owner=None)
    if operation.settle or operation.release:
        tx.settle(operation.run)
    return events, None


def _threads(batch: Sequence[Operation]) -> list[int]:
    keys: list[int] = []
    for operation in batch:
        if isinstance(operation, Append):
            keys.append(operation.run.thread.pk)
        else:
            keys.extend(operation.threads)
    return keys
