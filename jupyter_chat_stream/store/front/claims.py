"""Claims and leases: what engines and attempts ask of the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from ..chat import claims, schedules
from ..chat.due import Due, find_due, find_held, find_one, next_wake
from ..chat.leases import LeaseConnection, LeaseReader
from ..chat.schedules import DueSchedule
from .verbs import Group, reads, writes


def _find_due(
    conn: Connection,
    now_ms: int,
    *,
    max_active_per_user: int | None,
    last_served: Mapping[str, int],
    may_have_lost: Callable[[LeaseReader, str], bool],
    is_lost: Callable[[LeaseReader, Due], bool],
) -> tuple[list[Due], list[DueSchedule]]:
    """List the runs that no process works on, users in turn, and the schedules that are due.

    Both callbacks are called on a thread that reads the database.

    Args:
        may_have_lost: returns whether a process may hold runs that it does not work on.
        is_lost: returns whether no process works on a run.
    """
    leases = LeaseReader(conn)
    due_runs = find_due(
        conn, now_ms, max_active_per_user, last_served, lambda holder: may_have_lost(leases, holder)
    )
    return [due for due in due_runs if is_lost(leases, due)], schedules.find_due(conn, now_ms)


def _find(conn: Connection, run_id: str, is_free: Callable[[LeaseReader, Due], bool]) -> Due | None:
    """Find an open run that is free; ``is_free`` is called on a thread that reads the database."""
    due = find_one(conn, run_id)
    return due if due is not None and is_free(LeaseReader(conn), due) else None


def _next_times(conn: Connection, after_ms: int) -> list[int]:
    """List the next times, in ms, at which a waiting run and a schedule become due."""
    times = (next_wake(conn, after_ms), schedules.next_tick(conn, after_ms))
    return [time_ms for time_ms in times if time_ms is not None]


def _thread_of(claim: Due | claims.Claimed, *_: object, **__: object) -> int:
    return claim.run.thread.pk


class StoredClaims(Group):
    """Which process executes which run."""

    find_due = reads(_find_due)
    next_times = reads(_next_times)
    find = reads(_find)
    held_by = reads(find_held)
    take = writes(claims.claim, place=_thread_of)
    retry = writes(claims.retry_attempt, place=_thread_of)
    put_off = writes(claims.put_off, place=_thread_of)
    leave_upstream = writes(claims.leave_upstream, place=_thread_of)
    fail_damaged = writes(claims.fail_damaged, place=lambda run, *_: run.thread.pk)

    def lease(self, holder: str, kind: str, lease_s: float) -> LeaseConnection:
        """Return this process's lease, not yet taken."""
        return LeaseConnection(self._core.database, holder, kind, lease_s)
