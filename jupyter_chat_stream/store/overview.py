"""Counts and times of a database for its operator; no text of a chat.

Every query is cheap for a log of any length: the threads' heads count the events (L1: a log is
dense from 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

from sqlalchemy import Connection
from sqlmodel import SQLModel

from ..shared.events import iso
from .chat.runs import count_by_status
from .log.transaction import execute
from .sql import full_text
from .sql.rows import iso_or_none

MAX_OPEN_RUNS = 50  # at most so many are listed


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A process that holds runs, or could.

    ``lease_s`` is how long the process still counts as alive, negative after its lease. It is None
    on SQLite, where the lock on a file shows that a process lives.
    """

    owner: str
    runs: int
    kind: str | None = None
    host: str | None = None
    pid: int | None = None
    lease_s: float | None = None


class Overview(TypedDict):
    """The state of a database at one moment, in the form of ``status --json``.

    Times are ISO 8601 (UTC).
    """

    runs: dict[str, int]
    open_runs: list[dict[str, Any]]
    oldest_pending: str | None
    waiting: dict[str, Any]
    schedules: dict[str, Any]
    threads: dict[str, int]
    events: dict[str, int]
    attachments: dict[str, int]
    search: str
    bytes: dict[str, int]
    schema: dict[str, str]
    holders: list[Holder]


def read_overview(conn: Connection) -> Overview:
    """Read the overview in the caller's one read transaction."""
    waiting_runs = "FROM run WHERE ended_ms IS NULL AND status = 'waiting'"
    return {
        "runs": count_by_status(conn),
        "open_runs": _open_runs(conn),
        "oldest_pending": oldest_pending(conn),
        "waiting": {
            "runs": _number(conn, f"SELECT COUNT(*) {waiting_runs}"),
            "next": _time(conn, f"SELECT MIN(wake_ms) {waiting_runs}"),
        },
        "schedules": {
            "active": _number(conn, "SELECT COUNT(*) FROM schedule WHERE NOT paused"),
            "paused": _number(conn, "SELECT COUNT(*) FROM schedule WHERE paused"),
            "next": _time(conn, "SELECT MIN(next_ms) FROM schedule WHERE NOT paused"),
        },
        "threads": {
            "kept": _number(conn, "SELECT COUNT(*) FROM thread WHERE NOT deleted"),
            "deleted": _number(conn, "SELECT COUNT(*) FROM thread WHERE deleted"),
        },
        "events": _events(conn),
        "attachments": {
            "sent": _number(conn, "SELECT COUNT(*) FROM attachment WHERE expires_ms IS NULL"),
            "unsent": _number(conn, "SELECT COUNT(*) FROM attachment WHERE expires_ms IS NOT NULL"),
            "bytes": _number(conn, "SELECT SUM(size) FROM blob WHERE sha256 IS NOT NULL"),
        },
        "search": _search(conn),
        "bytes": {"database": _bytes(conn)},
        "schema": {
            "last": str(_value(conn, "SELECT MAX(name) FROM migration")),
            "min_code_version": str(
                _value(conn, "SELECT value FROM meta WHERE key = 'min_code_version'")
            ),
        },
        "holders": _holders(conn),
    }


def count_open(conn: Connection) -> dict[str, int]:
    """Count the runs that have not ended, by status."""
    sql = "SELECT status, COUNT(*) FROM run WHERE ended_ms IS NULL GROUP BY status"
    return dict(execute(conn, sql).fetchall())


def oldest_pending(conn: Connection) -> str | None:
    """Read when the oldest pending run was made; None if no run is pending."""
    return _time(
        conn, "SELECT MIN(created_ms) FROM run WHERE ended_ms IS NULL AND status = 'pending'"
    )


def count_calls(conn: Connection) -> tuple[dict[str, int], int | None]:
    """Count the tool calls without a result, by state.

    Returns:
        The counts, and the earliest time at which a call that no executor has claimed expires.
    """
    sql = (
        "SELECT state, COUNT(*), MIN(expires_ms) FROM tool_call WHERE state <> 'ended' "
        "GROUP BY state"
    )
    state_rows = execute(conn, sql).fetchall()
    counts = {state: count for state, count, _ in state_rows}
    return counts, next(
        (expires_ms for state, _, expires_ms in state_rows if state == "open"), None
    )


def _events(conn: Connection) -> dict[str, int]:
    sql = "SELECT SUM((SELECT MAX(seq) FROM event WHERE event.thread = thread.pk)) FROM thread"
    compacted = _number(conn, "SELECT SUM(deltas) FROM compaction")
    return {"written": _number(conn, sql), "compacted": compacted}


def _open_runs(conn: Connection) -> list[dict[str, Any]]:
    """List the runs that have not ended; ``owner`` is the process that holds a run."""
    sql = (
        "SELECT run.id, thread.id AS thread_id, run.status, run.phase, run.attempt, run.owner, "
        "run.created_ms AS created_at, run.wake_ms AS wake_at "
        "FROM run JOIN thread ON thread.pk = run.thread "
        f"WHERE run.ended_ms IS NULL ORDER BY run.pk LIMIT {MAX_OPEN_RUNS}"
    )
    return [
        {
            name: iso(value) if name in ("created_at", "wake_at") else value
            for name, value in row.items()
            if value is not None
        }
        for row in execute(conn, sql).mappings()
    ]


def _holders(conn: Connection) -> list[Holder]:
    sql = (
        "SELECT owner, COUNT(*) FROM run WHERE ended_ms IS NULL AND owner IS NOT NULL "
        "GROUP BY owner ORDER BY owner"
    )
    runs_by_holder: dict[str, int] = dict(execute(conn, sql).fetchall())
    if conn.dialect.name == "sqlite":
        return [Holder(owner=owner, runs=count) for owner, count in runs_by_holder.items()]
    now_sql = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    sql = f"SELECT owner, kind, host, pid, until_ms - {now_sql} FROM lease ORDER BY owner"
    lease_holders = [
        Holder(
            owner=owner,
            runs=runs_by_holder.pop(owner, 0),
            kind=kind,
            host=host,
            pid=pid,
            lease_s=left_ms / 1000,
        )
        for owner, kind, host, pid, left_ms in execute(conn, sql)
    ]
    return [
        *lease_holders,
        *(Holder(owner=owner, runs=count) for owner, count in runs_by_holder.items()),
    ]


def _bytes(conn: Connection) -> int:
    if conn.dialect.name == "sqlite":
        return _number(conn, "PRAGMA page_count") * _number(conn, "PRAGMA page_size")
    names = ", ".join(f"'{name}'" for name in sorted(SQLModel.metadata.tables))
    return _number(
        conn,
        "SELECT SUM(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' "
        f"AND relnamespace = current_schema()::regnamespace AND relname IN ({names})",
    )


def _search(conn: Connection) -> str:
    """Describe the full-text index in a few words."""
    if not full_text.has_index(conn):
        return "no index: this SQLite has no FTS5, so a search reads the newest texts"
    if full_text.read_left(conn):
        return "older messages are being indexed"
    message_count = _number(conn, "SELECT COUNT(*) FROM search_due")
    return f"{message_count} messages wait for the index" if message_count else "complete"


def _value(conn: Connection, sql: str) -> Any:
    return execute(conn, sql).scalar()


def _number(conn: Connection, sql: str) -> int:
    return int(_value(conn, sql) or 0)


def _time(conn: Connection, sql: str) -> str | None:
    return iso_or_none(_value(conn, sql))
