"""Writes one batch in one transaction, over this process's writing connection.

::

    begin ─► lock threads ─► read heads, check attempts ─► insert ─► COMMIT ─► tell other processes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...shared.errors import ChatStreamError, StaleAttempt
from ..sql import driver
from ..sql.database import Database
from ..sql.failures import is_unreachable
from ..sql.notices.base import Notices, notice_of
from .operations import Append, Command, Committed, Operation, Outcome
from .outcome import InDoubt
from .transaction import Transaction
from .upstreams import write_data, write_round, write_upstream


class WritingConnection:
    """The one connection of this process that writes: made at the first use, then kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._conn: Connection | None = None
        self._version: int | None = None  # SQLite's data version, as of the last probe

    @property
    def is_open(self) -> bool:
        return self._conn is not None

    def get(self) -> Connection:
        if self._conn is None:
            self._conn = self._database.writing.connect()
        return self._conn

    def drop(self) -> None:
        """Close the connection; the next use makes another."""
        conn, self._conn, self._version = self._conn, None, None
        if conn is not None:
            conn.close()

    def lose(self, error: BaseException) -> None:
        """Drop a broken connection, and begin an outage."""
        self._database.outage.begin(error.__cause__ or error)
        if self._conn is not None:
            self._conn.invalidate()
        self.drop()

    def end_outage(self) -> None:
        """End the outage: the database has answered."""
        self._database.outage.end()

    def has_changed(self) -> bool:
        """Return whether another connection may have committed since the last call.

        SQLite's data version of a connection changes with the commits of other connections only.
        The writer's own connection is asked, so the writer's own commits do not count.
        """
        self._database.refuse_gone()
        earlier_version = self._version
        self._version = driver.data_version(self.get())
        return self._version != earlier_version


class BatchWriter:
    """Writes a batch in one transaction.

    In the transaction, ``enqueue``, if it is set, is called with the (run id, attempt) pairs that
    become due with the commit.
    """

    def __init__(
        self,
        database: Database,
        connection: WritingConnection,
        *,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
        notices: Notices | None = None,
    ) -> None:
        self.enqueue: Callable[[Connection, Sequence[tuple[str, int]]], None] | None = None
        self.notices = notices or Notices()
        self.notices_sent = 0
        self._database = database
        self._connection = connection
        self._now_ms = now_ms
        self._new_id = new_id

    def write(self, batch: Sequence[Operation]) -> Committed:
        """Write and commit the operations.

        Raises:
            InDoubt: the COMMIT was sent, but no answer came.
            Exception: any other error; nothing was written.
        """
        conn = self._connection.get()
        xid, locked_pks = driver.begin_writing(conn, _places(batch))
        tx = Transaction(conn, self._now_ms, self._new_id, locked_pks=locked_pks)
        # One query checks the attempts of all appends. A refused command empties the transaction's
        # caches, so `_perform` checks the attempt again, mostly without a query.
        tx.guard(op.run for op in batch if isinstance(op, Append))
        outcomes: list[Outcome] = []
        for operation in batch:
            outcomes.append((operation, *_perform(tx, operation)))
        tx.flush()
        if tx.due and self.enqueue is not None:
            self.enqueue(conn, tx.due)
        marked_ids = frozenset(tx.marked_ids)
        committed = Committed(
            events=tx.events, outcomes=outcomes, bytes=tx.bytes, marked_ids=marked_ids
        )
        notice = None
        if self.notices.has_others:
            notice = notice_of(tx.events, is_due=bool(tx.due), marked_ids=marked_ids)
        try:
            driver.commit(conn, self.notices.statement(notice) if notice else "")
        except DBAPIError as error:  # an error before the COMMIT undoes the transaction
            if xid is None or not is_unreachable(error):
                raise
            raise InDoubt(xid, committed) from error
        self._database.refuse_gone()  # events in a deleted file must not be published (L3)
        self._database.outage.end()
        if notice:
            self.notices.tell(notice)
            self.notices_sent += 1
        return committed


def _perform(tx: Transaction, operation: Operation) -> tuple[Any, BaseException | None]:
    tx.live_usage = {}  # the usage of the operation before is not for this one
    if isinstance(operation, Command):
        try:
            with tx.savepoint():
                return operation.work(tx), None
        except ChatStreamError as refusal:
            return None, refusal
    tx.live_usage = operation.live_usage or {}
    try:
        tx.guard((operation.run,))
        events = tx.append_attempt(operation.run, operation.attempt, operation.bodies)
    except StaleAttempt as stale:
        return None, stale
    if operation.upstream is not None:
        write_upstream(tx, operation.run, operation.upstream, operation.attempt)
    write_data(tx, operation.run, operation.provider_data)
    if operation.spent is not None:
        write_round(tx, operation.run, operation.spent)
    if operation.release:
        tx.set_run(operation.run, owner=None)
    if operation.settle or operation.release:
        tx.settle(operation.run)
    return events, None


def _places(batch: Sequence[Operation]) -> list[driver.ThreadPlace]:
    places: list[driver.ThreadPlace] = []
    for operation in batch:
        if isinstance(operation, Append):
            places.append(operation.run.thread.pk)
        else:
            places.extend(operation.places)
    return places
