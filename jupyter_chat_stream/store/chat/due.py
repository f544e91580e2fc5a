"""Due runs: the runs that a process may have to execute, in a fair order.

A run is due if it has not ended, no living process holds it (L10), and one of these is true: it is
pending and first in its thread's queue; the time until which it waits has come; the executor of
one of its tool calls, or its holder, has died. Reading claims nothing: another process may take a
listed run before ``claims`` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ..log.builds import BESIDE_QUEUE
from ..log.transaction import RunRef, execute

MOST_DUE = 1000  # A longer list is cut; the next sweep finds the rest.

_SELECT = f"SELECT {RunRef.COLUMNS}, run.attempt, run.owner, thread.owner, run.crashes "
_OPEN = f"{RunRef.TABLES} WHERE run.ended_ms IS NULL"
# A process of the first version, still running, writes no turn. Such a run gets the turn that an
# upgrade would give it: before all others, in the order of its key.
_TURN = "COALESCE({0}.turn, {0}.pk - 1000000000000)"
# A build waits for no other run, and no other run waits for it: its turn comes after all others.
HAS_PREDECESSOR = (
    "EXISTS (SELECT 1 FROM run AS earlier WHERE earlier.thread = run.thread AND "
    f"{_TURN.format('earlier')} < {_TURN.format('run')} "
    f"AND {_TURN.format('run')} < {BESIDE_QUEUE} "
    "AND earlier.ended_ms IS NULL AND earlier.deliver_ms IS NULL)"
)
# An executor of one of the run's tool calls has given no sign of life in time.
HAS_LOST_EXECUTOR = (
    "EXISTS (SELECT 1 FROM tool_call WHERE tool_call.run = run.pk "
    "AND tool_call.state = 'claimed' AND tool_call.lease_ms <= :now)"
)
# The time since which a run is due; an owner's runs are listed in this order.
_SINCE_MS = "COALESCE(run.deliver_ms, run.wake_ms, run.created_ms)"


@dataclass(frozen=True, kw_only=True)
class Due:
    """A run that waits for a process to execute it."""

    run: RunRef
    attempt: int
    """The last attempt that has begun."""
    holder: str | None
    """The dead process that still holds the run; None if there is no holder."""
    owner: str
    """The owner of the run's thread."""
    crashes: int = 0
    """How many earlier holders have died."""

    def is_last_chance(self, max_crashes: int) -> bool:
        """Return whether one more crash would fail the run."""
        crashes = self.crashes + (self.holder is not None)
        return 0 < crashes == max_crashes - 1


def find_due(
    conn: Connection,
    now_ms: int,
    max_active_per_user: int | None = None,
    last_served: Mapping[str, int] | None = None,
    is_lost: Callable[[str], bool] | None = None,
) -> list[Due]:
    """List the due runs; the owner with the fewest active runs comes first.

    Args:
        max_active_per_user: runs beyond this number of active runs are left out.
        last_served: a number for each owner that grows whenever that owner is served. Of two owners
            with equally many active runs, the one with the smaller number comes first.
        is_lost: returns whether a holder may be dead, so that its runs must be taken over; called
            once for each holder. None: every holder may be dead.
    """
    last_served = last_served or {}
    active = count_active(conn)
    ranked: list[tuple[int, int, Due]] = []
    for due in [*_find_lost(conn, is_lost), *_find_free(conn, now_ms)]:
        active_runs = -1  # a takeover does not increase the owner's active runs
        if due.holder is None:
            active_runs = active[due.owner]
            active[due.owner] += 1
        if max_active_per_user is None or active_runs < max_active_per_user:
            ranked.append((active_runs, last_served.get(due.owner, 0), due))
    ranked.sort(key=lambda item: item[:2])
    return [due for *_, due in ranked]


def find_one(conn: Connection, run_id: str) -> Due | None:
    row = execute(conn, f"{_SELECT} {_OPEN} AND run.id = :id", {"id": run_id}).first()
    return None if row is None else _due(row)


def find_held(conn: Connection, holder: str) -> set[str]:
    """Read the ids of the open runs that a process holds."""
    sql = "SELECT id FROM run WHERE owner = :holder AND ended_ms IS NULL"
    return set(execute(conn, sql, {"holder": holder}).scalars())


def next_wake(conn: Connection, after_ms: int) -> int | None:
    """Return the next time, in ms, at which a waiting run that no process holds may become due."""
    sql = (
        "SELECT MIN(wake_ms) FROM (SELECT MIN(wake_ms) AS wake_ms FROM run WHERE ended_ms IS NULL "
        "AND status = 'waiting' AND owner IS NULL AND wake_ms > :after UNION ALL "
        "SELECT MIN(lease_ms) FROM tool_call WHERE state = 'claimed' AND lease_ms > :after) "
        "AS times"
    )
    value: int | None = execute(conn, sql, {"after": after_ms}).scalar()
    return value


def count_active(conn: Connection) -> Counter[str]:
    """Count the runs that processes hold, by owner."""
    sql = (
        "SELECT thread.owner, COUNT(*) FROM run JOIN thread ON thread.pk = run.thread "
        "WHERE run.ended_ms IS NULL AND run.owner IS NOT NULL GROUP BY thread.owner"
    )
    return Counter(dict(execute(conn, sql).fetchall()))


def _find_lost(conn: Connection, is_lost: Callable[[str], bool] | None) -> list[Due]:
    sql = "SELECT DISTINCT owner FROM run WHERE ended_ms IS NULL AND owner IS NOT NULL"
    holders = [holder for (holder,) in execute(conn, sql) if is_lost is None or is_lost(holder)]
    held_sql = f"{_SELECT} {_OPEN} AND run.owner = :holder ORDER BY run.pk"
    return [_due(row) for holder in holders for row in execute(conn, held_sql, {"holder": holder})]


def _find_free(conn: Connection, now_ms: int) -> list[Due]:
    # The first run of each owner, then the second of each owner, and so on: a cut list is fair.
    number = f"ROW_NUMBER() OVER (PARTITION BY thread.owner ORDER BY {_SINCE_MS}, run.pk)"
    sql = (
        f"{_SELECT} {_OPEN} AND run.owner IS NULL "
        f"AND (run.status <> 'waiting' OR run.wake_ms <= :now OR {HAS_LOST_EXECUTOR}) "
        f"AND (run.deliver_ms IS NOT NULL OR NOT {HAS_PREDECESSOR}) "
        f"ORDER BY {number}, {_SINCE_MS}, run.pk LIMIT {MOST_DUE}"
    )
    return [_due(row) for row in execute(conn, sql, {"now": now_ms})]


def _due(row: Any) -> Due:
    attempt, holder, owner, crashes = row[RunRef.WIDTH :]
    return Due(run=RunRef.of(row), attempt=attempt, holder=holder, owner=owner, crashes=crashes)
