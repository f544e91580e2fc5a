"""Deleting threads: quiet threads are marked deleted, and marked threads are purged.

::

    quiet for retention_days ──► marked deleted, by the usual event ──a day──► purged, in steps
    deleted by a person ─────────────────┘

A thread with an open run (a waiting run counts) stays, and so does a quiet thread with an active
schedule. A purge first deletes the thread's first event, by which ``verify`` knows that a purge has
begun, and last the thread's row. Between the two no reader can open the thread. The tokens and
costs of its answers stay for their owner's sums, without a reference to the thread. What its
messages held is deleted by ``retention.attachments``, unless another message holds it too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from sqlalchemy import Connection
from sqlmodel import SQLModel

from ...shared.errors import Conflict
from ..chat import holding
from ..chat.threads import mark_deleted
from ..log.transaction import ThreadRef, Transaction, execute
from .steps import Budget, Read, Steps, Write

# Rows deleted in one statement. The tables with large rows have fewer, because the budget is
# checked only after each statement.
AT_ONCE = {"event": 64, "message": 1}
AT_ONCE_ELSE = 16

LEDGER = "usage"
_FORGET = (
    "UPDATE usage SET thread = NULL, run = NULL WHERE pk IN "
    "(SELECT pk FROM usage WHERE thread = :thread LIMIT :limit)"
)

_OPEN = "EXISTS (SELECT 1 FROM run WHERE run.thread = thread.pk AND run.ended_ms IS NULL)"
_SCHEDULED = (
    "EXISTS (SELECT 1 FROM schedule WHERE schedule.thread = thread.pk AND NOT schedule.paused)"
)
QUIET = f"NOT deleted AND updated_ms < :cutoff AND NOT {_OPEN} AND NOT {_SCHEDULED}"
DELETED = f"deleted AND updated_ms < :cutoff AND NOT {_OPEN}"


def find_threads(
    conn: Connection, condition: str, cutoff_ms: int, after: int, limit: int
) -> list[ThreadRef]:
    """List the threads, by key, that have been ``QUIET`` or ``DELETED`` since the cutoff."""
    sql = f"SELECT pk, id FROM thread WHERE pk > :after AND {condition} ORDER BY pk LIMIT :limit"
    params = {"cutoff": cutoff_ms, "after": after, "limit": limit}
    return [ThreadRef(pk=row[0], id=row[1]) for row in execute(conn, sql, params).fetchall()]


def expire(thread: ThreadRef, cutoff_ms: int) -> Steps[bool]:
    """Mark a thread deleted if it is still quiet; an event tells its readers."""

    def work(tx: Transaction) -> bool:
        if not _matches(tx.conn, thread, QUIET, cutoff_ms):
            return False
        mark_deleted(tx, thread)
        return True

    is_expired: bool = yield Write(work=work, threads=(thread.pk,))
    return is_expired


def purge(thread: ThreadRef, cutoff_ms: int, *, budget: Budget) -> Steps[int]:
    """Delete all rows of a deleted thread; returns their number.

    Raises:
        Conflict: its log has no event of its deletion; the thread was left as it is.
    """
    if not (yield Read(work=lambda conn: _log_says_deleted(conn, thread))):
        raise Conflict(f"Thread {thread.id!r} is marked deleted, but no event says so; it stays.")
    row_count, is_over = 0, False
    while not is_over:
        count, is_over = yield Write(
            work=_delete_rows(thread, cutoff_ms, budget), threads=(thread.pk,)
        )
        row_count += count
    return row_count


def owned_tables() -> list[tuple[str, str]]:
    """Return the tables whose rows are purged with their thread, each with the name of its key.

    The log comes first, then each table before the tables that its rows refer to.
    """
    tables = []
    for table in reversed(SQLModel.metadata.sorted_tables):
        if "thread" in table.c and table.name != LEDGER:
            keys = [column.name for column in table.primary_key if column.name != "thread"]
            tables.append((table.name, keys[-1]))
    return sorted(tables, key=lambda item: item[0] != "event")


def _delete_rows(
    thread: ThreadRef, cutoff_ms: int, budget: Budget
) -> Callable[[Transaction], tuple[int, bool]]:
    """Make the step that deletes rows within the budget; it returns (rows, whether it was last)."""

    def work(tx: Transaction) -> tuple[int, bool]:
        is_spent = budget.start()
        count = 0
        if not _matches(tx.conn, thread, DELETED, cutoff_ms):
            return count, True
        for deleted_count in _delete_in_order(tx, thread):
            count += deleted_count
            if is_spent():
                return count, False
        tx.execute("DELETE FROM thread WHERE pk = :pk", {"pk": thread.pk})
        return count + 1, True

    return work


def _delete_in_order(tx: Transaction, thread: ThreadRef) -> Iterator[int]:
    """Delete what a thread has, except its row; yields after each statement the rows deleted.

    The ledger forgets the thread only after the first event is gone: until then ``verify`` compares
    the two.
    """
    log, *other_tables = owned_tables()
    while deleted_count := _delete_some(tx, thread, *log):
        yield deleted_count
    while tx.execute(_FORGET, {"thread": thread.pk, "limit": AT_ONCE_ELSE}).rowcount:
        yield 0
    for table_and_key in other_tables:
        while deleted_count := _delete_some(tx, thread, *table_and_key):
            yield deleted_count


def _delete_some(tx: Transaction, thread: ThreadRef, table: str, key: str) -> int:
    """Delete the first rows that a thread has in a table; returns their number."""
    if table == "message_attachment":
        return holding.release_first(tx, thread)
    limit = AT_ONCE.get(table, AT_ONCE_ELSE)
    sql = (
        f"DELETE FROM {table} WHERE thread = :thread AND {key} IN "
        f"(SELECT {key} FROM {table} WHERE thread = :thread ORDER BY {key} LIMIT :limit)"
    )
    return int(tx.execute(sql, {"thread": thread.pk, "limit": limit}).rowcount)


def _matches(conn: Connection, thread: ThreadRef, condition: str, cutoff_ms: int) -> bool:
    sql = f"SELECT 1 FROM thread WHERE pk = :pk AND {condition}"
    row = execute(conn, sql, {"pk": thread.pk, "cutoff": cutoff_ms}).first()
    return row is not None


def _log_says_deleted(conn: Connection, thread: ThreadRef) -> bool:
    sql = (
        "SELECT body FROM event WHERE thread = :thread AND type = 'thread' "
        "ORDER BY seq DESC LIMIT 1"
    )
    body = execute(conn, sql, {"thread": thread.pk}).scalar()
    if body is not None:
        return bool(json.loads(body)["thread"].get("deleted"))
    # A purge deletes the log first: no event means that a purge has begun.
    sql = "SELECT 1 FROM event WHERE thread = :thread LIMIT 1"
    return execute(conn, sql, {"thread": thread.pk}).first() is None
