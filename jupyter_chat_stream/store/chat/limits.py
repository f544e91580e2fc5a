"""Limits: how many messages and runs one user, and all users together, may have at once.

The transaction that writes a message also counts, so two simultaneous messages cannot both pass a
limit. On Postgres, where transactions are concurrent, a lock for each user lets one transaction of
that user count at a time. A message over the limit per minute is refused, with the time until the
next message is allowed. A run over the limit of active runs is refused, or waits for its turn
(``due.find_due`` is fair). Messages for later are always bounded, because deleting a thread cancels
all of its messages for later in one transaction.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from ...shared.errors import LimitReached, TooManyLater
from ..log.transaction import Transaction, execute

Over = Literal["refuse", "queue"]

# The most messages for later of one user. To cancel all takes 0.03 s on SQLite, 0.12 s on Postgres.
MAX_LATER = 100
MINUTE_MS = 60_000
# A refused client should wait this long, because the end of a run is not known.
BUSY_RETRY_S = 5

# The namespace of our advisory locks on Postgres: arbitrary, but the same in every version.
_LOCKS = 1_667_787_124
_KEY = ":kind, hashtext(:owner)"
_HOLDS_ONE = (
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE pid = pg_backend_pid() AND granted "
    "AND locktype = 'advisory' AND classid = :kind AND objsubid = 2)"
)


class LimitsHeld(Exception):
    """Another transaction holds this user's lock, and this transaction holds another user's lock.

    The two transactions could deadlock. The writer rolls the batch back and writes its operations
    one at a time, because a transaction that holds no other user's lock may wait.
    """


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a server; None: no limit."""

    messages_per_minute: int | None = None
    max_active_runs: int | None = None
    max_active_runs_per_user: int | None = None
    over_active_runs: Over = "queue"


def admit(tx: Transaction, owner: str, limits: Limits, deliver_ms: int | None) -> None:
    """Check that a user may send one more message, or retry a message.

    Args:
        deliver_ms: the time at which the message is delivered; None: now.

    Raises:
        LimitReached: with ``retry_after_s``.
        TooManyLater
    """
    max_messages = limits.messages_per_minute
    if max_messages is None and limits.over_active_runs == "queue" and deliver_ms is None:
        return
    _lock(tx, owner)
    if limits.over_active_runs == "refuse" and deliver_ms is None:
        _check_active(tx.conn, owner, limits)
    if max_messages is not None:
        _check_minute(tx, owner, max_messages, deliver_ms)
    if deliver_ms is not None:
        _check_later(tx.conn, owner)


def _check_minute(tx: Transaction, owner: str, max_messages: int, deliver_ms: int | None) -> None:
    at_ms = tx.now_ms if deliver_ms is None else deliver_ms
    times_ms = _delivery_times(tx.conn, owner, tx.now_ms - MINUTE_MS, max_messages)
    wait_s = -(-(allowed_ms(times_ms, max_messages, at_ms) - at_ms) // 1000)
    if wait_s <= 0:
        return
    if deliver_ms is None:
        raise LimitReached(
            f"{max_messages} messages a minute are allowed; try again in {wait_s} s.",
            retry_after_s=wait_s,
        )
    raise LimitReached(
        f"{max_messages} messages a minute are allowed, and that minute has this many already. "
        "Choose another time.",
        retry_after_s=wait_s,
    )


def allowed_ms(times_ms: list[int], max_messages: int, from_ms: int) -> int:
    """Return the first time, from ``from_ms`` on, at which one more message may be delivered.

    Args:
        times_ms: the sorted delivery times of the user's messages.
        max_messages: how many deliveries one minute may have.
    """
    at_ms = from_ms
    end = bisect_right(times_ms, at_ms)  # the number of times up to ``at_ms``
    while end >= max_messages and times_ms[end - max_messages] > at_ms - MINUTE_MS:
        at_ms = times_ms[end - max_messages] + MINUTE_MS
        end = bisect_right(times_ms, at_ms, end)
    return at_ms


def _delivery_times(conn: Connection, owner: str, since_ms: int, limit: int) -> list[int]:
    """List the past and future delivery times of a user's messages, in order.

    The list contains the ``limit`` newest times of each thread that changed since ``since_ms``. The
    time of a message is the time of the last event that wrote it. The time of a retry is the time
    of its run; a retry that delivered its message does not count, because the message counts.
    """
    later_sql = (
        "SELECT run.deliver_ms FROM run JOIN thread ON thread.pk = run.thread "
        "WHERE thread.owner = :owner AND run.ended_ms IS NULL AND run.deliver_ms > :since"
    )
    messages_sql = (
        "SELECT event.at_ms FROM (SELECT thread, seq FROM message WHERE thread = :thread "
        "AND role = 'user' AND status = 'completed' ORDER BY seq DESC LIMIT :most) AS newest "
        "JOIN event ON event.thread = newest.thread AND event.seq = newest.seq "
        "WHERE event.at_ms > :since"
    )
    retries_sql = (
        "SELECT run.created_ms FROM run JOIN message ON message.pk = run.message "
        "JOIN message AS asked ON asked.id = message.parent_id "
        "WHERE run.thread = :thread AND run.created_ms > :since "
        "AND asked.created_ms < run.created_ms AND NOT EXISTS (SELECT 1 FROM event WHERE "
        "event.thread = asked.thread AND event.seq = asked.seq AND event.at_ms = run.created_ms)"
    )
    params: dict[str, object] = {"owner": owner, "since": since_ms, "most": limit}
    times_ms = list(execute(conn, later_sql, params).scalars())
    threads_sql = "SELECT pk FROM thread WHERE owner = :owner AND updated_ms > :since"
    for thread in execute(conn, threads_sql, params).scalars().all():
        for sql in (messages_sql, retries_sql):
            times_ms.extend(execute(conn, sql, {**params, "thread": thread}).scalars())
    return sorted(times_ms)


def _check_active(conn: Connection, owner: str, limits: Limits) -> None:
    sql = (
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN thread.owner = :owner THEN 1 ELSE 0 END), 0) "
        "FROM run JOIN thread ON thread.pk = run.thread "
        "WHERE run.ended_ms IS NULL AND run.status IN ('pending', 'processing')"
    )
    all_count, own_count = execute(conn, sql, {"owner": owner}).one()
    _check(own_count, limits.max_active_runs_per_user, "You have")
    _check(all_count, limits.max_active_runs, "All users together have")


def _check_later(conn: Connection, owner: str) -> None:
    sql = (
        "SELECT COUNT(*) FROM run JOIN thread ON thread.pk = run.thread WHERE "
        "thread.owner = :owner AND run.ended_ms IS NULL AND run.deliver_ms IS NOT NULL"
    )
    if execute(conn, sql, {"owner": owner}).scalar() >= MAX_LATER:
        raise TooManyLater(MAX_LATER)


def _check(count: int, limit: int | None, subject: str) -> None:
    if limit is not None and count >= limit:
        raise LimitReached(
            f"{subject} {count} active runs, and {limit} are allowed. "
            "Try again when one has ended, or stop one.",
            retry_after_s=BUSY_RETRY_S,
        )


def _lock(tx: Transaction, owner: str) -> None:
    """Lock a user's limits, so that only one transaction counts at a time; may raise LimitsHeld."""
    if tx.conn.dialect.name == "sqlite":  # SQLite has one writing transaction at a time
        return
    params = {"kind": _LOCKS, "owner": owner}
    if tx.execute(f"SELECT pg_try_advisory_xact_lock({_KEY})", params).scalar():
        return
    if tx.execute(_HOLDS_ONE, params).scalar():
        raise LimitsHeld
    tx.execute(f"SELECT pg_advisory_xact_lock({_KEY})", params)
