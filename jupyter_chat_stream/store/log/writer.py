"""The writer: one thread, one kept connection, the only one that writes in its process.

It takes what is pending from all runs and commands, writes one transaction, and after the commit
hands events and outcomes to ``deliver`` (L3). The next transaction starts when the last has ended,
so a batch grows with the load (group commit). A lone operation waits for no tick; only where they
come thick does the next batch gather for ``GATHER_S``, which leaves more of the machine to others.

::

    put ─► pending ─► lock threads ─► read heads, check attempts ─► insert ─► COMMIT ─► deliver
               ▲             │ the database is away                       │ no answer
               └── wait ◄────┴─────────── was not committed ◄──── ask what became of it

A batch that fails is done again one operation at a time, so one bad event harms one run. While the
database is away operations wait, each as long as it has patience. The queue is bounded by its
users: a run has one append under way and at most 1 MB waiting in its coalescer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...shared.errors import (
    ChatStreamError,
    DatabaseBusy,
    DatabaseGone,
    DatabaseUnreachable,
    StaleAttempt,
    StoreError,
)
from ...shared.logs import Line
from ..sql import driver
from ..sql.database import Database
from ..sql.failures import AWAY_BACKOFF, is_race, is_unreachable
from ..sql.notices.base import Notices, notice_of
from .operations import Append, Command, Commit, Committed, Look, Operation, Outcome
from .outcome import InDoubt, was_committed
from .transaction import Transaction

log = logging.getLogger("jupyter_chat_stream.store")

BATCH_OPERATIONS = 512
THICK = 3  # operations in one batch, from which on the next one gathers
GATHER_S = 0.002
RACES = 4  # tries of what another process got in the way of
LAST_PATIENCE_S = 2.0  # of all, once the store is being closed
AWAY = "The database is away; nothing was written. Try again when it is back."
UNKNOWN = "The database is away; whether this was written is not known. Look when it is back."
DOUBT_S = 2.0  # then a COMMIT whose client is gone is ended, if it is still under way


class Writer:
    """Owns the writing connection; ``deliver`` is called on its thread, in commit order.

    ``observer``, where one is set, is called there too after each commit: it has to be quick.
    """

    def __init__(
        self,
        database: Database,
        *,
        deliver: Callable[[Committed], None],
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
        notices: Notices | None = None,
    ) -> None:
        self.observer: Callable[[Commit], None] | None = None
        # the engine's call, in the transaction itself, for runs that are due with its commit
        self.enqueue: Callable[[Connection, Sequence[tuple[str, int]]], None] | None = None
        self._database = database
        self._deliver = deliver
        self._now_ms = now_ms
        self._new_id = new_id
        self._notices = notices or Notices()
        self.notices_told = 0
        self._pending: SimpleQueue[Operation | Look | None] = SimpleQueue()  # None: nothing follows
        self._held: list[Operation | Look] = []  # taken from there while the database was away
        self._lock = threading.Lock()
        self._stopping = False
        self._over_s: float | None = None  # when the end was seen
        self._conn: Connection | None = None
        self._version: int | None = None  # SQLite's, at the last look over this connection
        self._thread = threading.Thread(target=self._work, name="chat-stream-writer", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """About how many operations wait for the next commit."""
        return self._pending.qsize() + len(self._held)

    def look(self) -> Future[bool]:
        """Ask whether another connection may have committed since the last look.

        SQLite says so of one connection only, so it is this one: its own commits do not count.
        """
        look = Look()
        self.put(look)
        return look.future

    def put(self, operation: Operation | Look) -> None:
        """Queue an operation; it is told what became of it after the commit."""
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
        committed_s = 0.0
        while self._over_s is None or self._held:
            self._wait(committed_s + self._database.commit_every_s - time.monotonic())
            batch = self._take()
            writes = [operation for operation in batch if not isinstance(operation, Look)]
            if writes:
                self._commit(writes)
                committed_s = time.monotonic()
                if len(writes) >= THICK:
                    time.sleep(GATHER_S)  # nobody is woken by what comes meanwhile
            for operation in batch:
                if isinstance(operation, Look):
                    self._look(operation)
        self._drop_connection()

    def _take(self) -> list[Operation | Look]:
        """Wait for an operation and take what else is pending."""
        batch, self._held = self._held, []
        while self._over_s is None and (
            not batch or (len(batch) < BATCH_OPERATIONS and not self._pending.empty())
        ):
            operation = self._pending.get()
            if operation is None:
                self._over_s = time.monotonic()
            else:
                batch.append(operation)
        return batch

    def _commit(self, batch: list[Operation], tries: int = 1) -> None:
        begun_s = time.perf_counter()
        try:
            committed = self._write_patiently(batch)
        except Exception as error:  # noqa: BLE001  every database's edge: all was undone
            self._drop_connection()
            if is_race(error) and tries < RACES:
                self._commit(batch, tries + 1)
                return
            told = self._database.explain(error)
            # Where SQLite's one lock was not to be had, nobody in the batch did the harm. Where the
            # file is gone a part may have been committed to it: once more would be twice.
            is_common = self._database.is_sqlite and isinstance(told, (DatabaseBusy, DatabaseGone))
            if len(batch) > 1 and not is_common:
                log.warning(
                    Line("commit.redone", operations=len(batch), error=type(error).__name__)
                )
                for operation in batch:
                    self._commit([operation])
                return
            code = told.code if isinstance(told, ChatStreamError) else type(told).__name__
            log.warning(Line("commit.failed", operations=len(batch), code=code))
            committed = Committed(events=[], outcomes=[(op, None, told) for op in batch])
        else:
            self._observe(committed, time.perf_counter() - begun_s)
        self._deliver(committed)

    def _write_patiently(self, batch: list[Operation]) -> Committed:
        """Write, again and again while the database is away; who is told so leaves the batch."""
        doubt: InDoubt | None = None
        for pause_s in AWAY_BACKOFF.pauses():
            try:
                if doubt is None:
                    return self._write(batch)
                is_long = time.monotonic() - doubt.since_s > DOUBT_S
                answer = was_committed(self._connection(), doubt, give_up=is_long)
                if answer is not None:
                    self._database.outage.end()
                    if answer:
                        return doubt.committed
                    doubt = None
                    continue
            except InDoubt as found:
                doubt = found
                self._lose_connection(found)
            except DBAPIError as error:
                if doubt is None and not is_unreachable(error):
                    raise
                self._lose_connection(error)
            self._wait(pause_s)
            self._tell_the_late(batch, in_doubt=doubt is not None)
            if not batch and (doubt is None or self._over_s is not None):
                break
        return Committed(events=[], outcomes=[])

    def _write(self, batch: list[Operation]) -> Committed:
        conn = self._connection()
        xid, locked = driver.begin_writing(conn, _places(batch))
        tx = Transaction(conn, self._now_ms, self._new_id, locked=locked)
        tx.guard(op.run for op in batch if isinstance(op, Append))
        outcomes: list[Outcome] = []
        for operation in batch:
            outcomes.append((operation, *_perform(tx, operation)))
        tx.flush()
        if tx.due and self.enqueue is not None:
            self.enqueue(conn, tx.due)
        committed = Committed(events=tx.events, outcomes=outcomes, bytes=tx.bytes)
        is_told = self._notices.has_others
        notice = notice_of(tx.events, is_due=bool(tx.due)) if is_told else None
        try:
            driver.commit(conn, self._notices.statement(notice) if notice else "")
        except DBAPIError as error:  # before this line nothing is in doubt: it was undone
            if xid is None or not is_unreachable(error):
                raise
            raise InDoubt(xid, committed) from error
        self._database.refuse_gone()  # what went into a file that is gone is told to nobody (L3)
        self._database.outage.end()
        if notice:
            self._notices.tell(notice)
            self.notices_told += 1
        return committed

    def _wait(self, pause_s: float) -> None:
        """Wait, and take what comes meanwhile: it has its own patience."""
        deadline_s = time.monotonic() + pause_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                operation = self._pending.get(timeout=left_s)
            except Empty:
                return
            if operation is None:
                self._over_s = time.monotonic()
            else:
                self._held.append(operation)

    def _tell_the_late(self, batch: list[Operation], *, in_doubt: bool) -> None:
        """Tell those whose patience is over that the database is away; they leave the batch.

        An append that may have been committed waits on: its run would only write it again.
        """
        unknown = [op for op in batch if in_doubt and self._is_late(op)]
        if self._over_s is None:
            unknown = [op for op in unknown if isinstance(op, Command)]
        waiting = self._held if in_doubt else [*batch, *self._held]
        late = [op for op in waiting if not isinstance(op, Look) and self._is_late(op)]
        batch[:] = [op for op in batch if op not in unknown and op not in late]
        self._held = [op for op in self._held if op not in late]
        outcomes: list[Outcome] = [
            *((op, None, DatabaseUnreachable(UNKNOWN)) for op in unknown),
            *((op, None, DatabaseUnreachable(AWAY)) for op in late),
        ]
        if outcomes:
            self._deliver(Committed(events=[], outcomes=outcomes))

    def _is_late(self, operation: Operation) -> bool:
        now_s = time.monotonic()
        is_over = self._over_s is not None and now_s - self._over_s > LAST_PATIENCE_S
        return is_over or now_s - operation.queued_s > operation.patience_s

    def _observe(self, committed: Committed, seconds: float) -> None:
        if self.observer is not None:
            self.observer(
                Commit(
                    operations=len(committed.outcomes),
                    events=len(committed.events),
                    bytes=committed.bytes,
                    seconds=seconds,
                    queued=self.queued,
                )
            )

    def _look(self, look: Look) -> None:
        if not look.future.set_running_or_notify_cancel():
            return
        try:
            self._database.refuse_gone()
            before = self._version
            self._version = driver.data_version(self._connection())
            look.future.set_result(self._version != before)
        except Exception as error:  # noqa: BLE001  every database's edge: whoever asked is told
            self._drop_connection()
            look.future.set_exception(self._database.explain(error))

    def _connection(self) -> Connection:
        if self._conn is None:
            self._conn = self._database.writing.connect()
        return self._conn

    def _drop_connection(self) -> None:
        conn, self._conn, self._version = self._conn, None, None
        if conn is not None:
            conn.close()

    def _lose_connection(self, error: BaseException) -> None:
        self._database.outage.begin(error.__cause__ or error)
        if self._conn is not None:
            self._conn.invalidate()
        self._drop_connection()


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


def _places(batch: Sequence[Operation]) -> list[driver.Place]:
    places: list[driver.Place] = []
    for operation in batch:
        if isinstance(operation, Append):
            places.append(operation.run.thread.pk)
        else:
            places.extend(operation.places)
    return places
