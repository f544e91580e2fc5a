"""Limits: how much one user, and all together, may have at once, and what is beyond it.

Counted in the transaction that would write, so that of two at once one is told; on a database
without one writer's lock, of one user's at a time. What is beyond a limit is refused with a time
to come back, or queued: a message that the minute does not allow becomes one for later, a run
beyond the active ones waits for its turn like every other (``claims.find_due`` is fair). Messages
for later are bounded always: a thread that is deleted stops all of its own in one transaction.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from ...shared.errors import LimitReached, TooManyLater
from ..log.transaction import Transaction, execute

Over = Literal["refuse", "queue"]

MAX_LATER = 100  # of one user; these are stopped in 0.03 s on SQLite, in 0.12 s on Postgres
MINUTE_MS = 60_000
BUSY_RETRY_S = 5  # how long a run lasts is not known; so long at least, or one would ask at once

# Of Postgres' locks with two keys, those of limits: any number, but always the same one.
_LOCKS = 1_667_787_124
_KEY = ":kind, hashtext(:owner)"
_HOLDS_ONE = (
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE pid = pg_backend_pid() AND granted "
    "AND locktype = 'advisory' AND classid = :kind AND objsubid = 2)"
)


class LimitsHeld(Exception):
    """Two transactions could wait for each other's users for ever, so this one is done again.

    The writer does the operations of such a batch one at a time, and one alone may wait.
    """


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server allows; None is no limit."""

    messages_per_minute: int | None = None
    over_messages_per_minute: Over = "refuse"
    max_active_runs: int | None = None
    max_active_runs_per_user: int | None = None
    over_active_runs: Over = "queue"


def admit(tx: Transaction, owner: str, limits: Limits, deliver_ms: int | None) -> int | None:
    """Say when a user's new message or retry takes its turn: None for now, or its time in ms.

    Args:
        deliver_ms: the time that was asked for, None for now.

    Raises:
        LimitReached: with ``retry_after_s``.
        TooManyLater
    """
    most = limits.messages_per_minute
    if most is None and limits.over_active_runs == "queue" and deliver_ms is None:
        return None
    _lock(tx, owner)
    if limits.over_active_runs == "refuse" and deliver_ms is None:
        _check_active(tx.conn, owner, limits)
    if most is not None:
        deliver_ms = _in_its_minute(tx, owner, limits, most, deliver_ms)
    if deliver_ms is not None:
        _check_later(tx.conn, owner)
    return deliver_ms


def _in_its_minute(
    tx: Transaction, owner: str, limits: Limits, most: int, deliver_ms: int | None
) -> int | None:
    wanted_ms = tx.now_ms if deliver_ms is None else deliver_ms
    turns = _turns(tx.conn, owner, tx.now_ms - MINUTE_MS, most)
    at_ms = allowed_ms(turns, most, wanted_ms)
    if at_ms == wanted_ms:
        return deliver_ms
    if limits.over_messages_per_minute == "queue":
        return at_ms
    if deliver_ms is not None:
        raise LimitReached(
            f"{most} messages a minute are allowed, and so many are to be delivered at that time. "
            "Choose another.",
            retry_after_s=max(1, -(-(at_ms - wanted_ms) // 1000)),
        )
    left_s = max(1, -(-(at_ms - wanted_ms) // 1000))
    raise LimitReached(
        f"{most} messages a minute are allowed; try again in {left_s} s.", retry_after_s=left_s
    )


def allowed_ms(turns: list[int], most: int, wanted_ms: int) -> int:
    """Give the first time, not before the wanted one, at which the minute before has room."""
    at_ms = wanted_ms
    end = bisect_right(turns, at_ms)  # how many are not after that time
    while end >= most and turns[end - most] > at_ms - MINUTE_MS:
        at_ms = turns[end - most] + MINUTE_MS
        end = bisect_right(turns, at_ms, end)
    return at_ms


def _turns(conn: Connection, owner: str, since_ms: int, most: int) -> list[int]:
    """Give the times, in order, at which a user's messages were or will be delivered.

    Of the minute, as many as matter: the newest of each thread of it. A person's message has its
    time in the last event that wrote it; a retry, younger than what it repeats, in its run, but
    for one that delivered its message itself.
    """
    for_later = (
        "SELECT run.deliver_ms FROM run JOIN thread ON thread.pk = run.thread "
        "WHERE thread.owner = :owner AND run.ended_ms IS NULL AND run.deliver_ms > :since"
    )
    delivered = (
        "SELECT event.at_ms FROM (SELECT thread, seq FROM message WHERE thread = :thread "
        "AND role = 'user' AND status = 'completed' ORDER BY seq DESC LIMIT :most) AS newest "
        "JOIN event ON event.thread = newest.thread AND event.seq = newest.seq "
        "WHERE event.at_ms > :since"
    )
    repeated = (
        "SELECT run.created_ms FROM run JOIN message ON message.pk = run.message "
        "JOIN message AS asked ON asked.id = message.parent_id "
        "WHERE run.thread = :thread AND run.created_ms > :since "
        "AND asked.created_ms < run.created_ms AND NOT EXISTS (SELECT 1 FROM event WHERE "
        "event.thread = asked.thread AND event.seq = asked.seq AND event.at_ms = run.created_ms)"
    )
    params: dict[str, Any] = {"owner": owner, "since": since_ms, "most": most}
    found = list(execute(conn, for_later, params).scalars())
    live = "SELECT pk FROM thread WHERE owner = :owner AND updated_ms > :since"
    for thread in execute(conn, live, params).scalars().all():
        for sql in (delivered, repeated):
            found.extend(execute(conn, sql, {**params, "thread": thread}).scalars())
    return sorted(found)


def _check_active(conn: Connection, owner: str, limits: Limits) -> None:
    sql = (
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN thread.owner = :owner THEN 1 ELSE 0 END), 0) "
        "FROM run JOIN thread ON thread.pk = run.thread "
        "WHERE run.ended_ms IS NULL AND run.status IN ('pending', 'processing')"
    )
    everybody, own = execute(conn, sql, {"owner": owner}).one()
    _check(own, limits.max_active_runs_per_user, "You have")
    _check(everybody, limits.max_active_runs, "All together have")


def _check_later(conn: Connection, owner: str) -> None:
    sql = (
        "SELECT COUNT(*) FROM run JOIN thread ON thread.pk = run.thread WHERE "
        "thread.owner = :owner AND run.ended_ms IS NULL AND run.deliver_ms IS NOT NULL"
    )
    if execute(conn, sql, {"owner": owner}).scalar() >= MAX_LATER:
        raise TooManyLater(MAX_LATER)


def _check(count: int, most: int | None, who: str) -> None:
    if most is not None and count >= most:
        raise LimitReached(
            f"{who} {count} answers under way or in the queue, and {most} are allowed. "
            "Try again when one has ended, or stop one.",
            retry_after_s=BUSY_RETRY_S,
        )


def _lock(tx: Transaction, owner: str) -> None:
    """Let one transaction at a time count what a user has; waits for it.

    Raises:
        LimitsHeld: another has it, and this one has another user's.
    """
    if tx.conn.dialect.name == "sqlite":  # there one transaction writes at a time anyway
        return
    params = {"kind": _LOCKS, "owner": owner}
    if tx.execute(f"SELECT pg_try_advisory_xact_lock({_KEY})", params).scalar():
        return
    if tx.execute(_HOLDS_ONE, params).scalar():
        raise LimitsHeld
    tx.execute(f"SELECT pg_advisory_xact_lock({_KEY})", params)
