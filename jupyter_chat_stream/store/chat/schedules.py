"""Schedules: messages that repeat.

A schedule is a row with its next time; the sweep finds due rows. A tick is a compare-and-set on
that time, in the transaction that sends, so only one of several processes sends (L10: a time to
wake). The next time is always in the future, so after an outage a schedule sends only once.

::

    created, resumed ─► due at next_ms ──tick──► message, reply and run; due at the next time
                             └── paused: no next time ── thread deleted: schedule deleted

While the run of a schedule's last message has not begun, a tick sends nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from ...shared.errors import InvalidInput, ScheduleNotFound, TooManySchedules
from ...shared.events import clean_text, iso
from ...shared.logs import Line
from ...shared.records import Params, ScheduleChange, ScheduleRecord
from ..log.reading import read_thread
from ..log.transaction import RunRef, ThreadRef, Transaction, execute, update_row
from ..sql import damage
from ..sql.rows import Columns, Row, dump, iso_or_none, load
from ..sql.tables import ScheduleRow, table
from . import commands, threads
from .cron import next_after

log = logging.getLogger("jupyter_chat_stream.store")

MAX_SCHEDULES = 100  # of one user
MOST_DUE = 1000  # A longer list is cut; the next sweep finds the rest.

_COLUMNS = (
    "schedule.pk, schedule.id, schedule.thread, thread.id AS thread_id, content, cron, timezone, "
    "schedule.model, params, paused, next_ms, last_ms, last_run_id, schedule.created_ms"
)
_FROM = "FROM schedule JOIN thread ON thread.pk = schedule.thread"


@dataclass(frozen=True, kw_only=True)
class DueSchedule:
    """A due schedule; a tick compares ``next_ms``."""

    pk: int
    id: str
    thread: ThreadRef
    next_ms: int


@dataclass(frozen=True, kw_only=True)
class NewSchedule:
    """A schedule to create."""

    content: str
    cron: str
    timezone: str = "UTC"
    model: str | None = None
    params: Params | None = None


# ---------------------------------------------------------------- called by the sweep


def find_due(conn: Connection, now_ms: int) -> list[DueSchedule]:
    """List the schedules whose time has come, the longest due first."""
    sql = (
        f"SELECT schedule.pk, schedule.id, schedule.thread, thread.id, next_ms {_FROM} "
        f"WHERE next_ms <= :now ORDER BY next_ms LIMIT {MOST_DUE}"
    )
    return [
        DueSchedule(pk=row[0], id=row[1], thread=ThreadRef(pk=row[2], id=row[3]), next_ms=row[4])
        for row in execute(conn, sql, {"now": now_ms})
    ]


def next_tick(conn: Connection, after_ms: int = -1) -> int | None:
    """Return the next time, in ms, at which a schedule is due."""
    sql = "SELECT MIN(next_ms) FROM schedule WHERE next_ms > :after"
    value: int | None = execute(conn, sql, {"after": after_ms}).scalar()
    return value


def tick(tx: Transaction, due: DueSchedule) -> RunRef | None:
    """Send a due schedule's message; None if another process was first or no message is due."""
    row = _find_still_due(tx, due)
    if row is None:
        return None
    if row["deleted"]:
        tx.execute("DELETE FROM schedule WHERE pk = :pk", {"pk": due.pk})
        return None
    try:
        # If the clock was set back since the sweep, the same time must not come a second time.
        after_ms = max(tx.now_ms, due.next_ms)
        next_ms = next_after(row["cron"], row["timezone"], after_ms)
    except InvalidInput as error:  # for example, a zone that no longer exists
        log.warning(Line("schedule.paused", schedule=due.id, field=error.facts["field"]))
        _set(tx, due.pk, paused=True, next_ms=None)
        return None
    _set(tx, due.pk, next_ms=next_ms)
    if _is_queued(tx, row["last_run_id"]):
        return None
    request = commands.SendRequest(
        content=row["content"], model=row["model"], params=load(row["params"])
    )
    info = read_thread(tx.conn, due.thread)
    _, new_run = commands.write_exchange(tx, due.thread, info, request)
    _set(tx, due.pk, last_ms=tx.now_ms, last_run_id=new_run.ref.id)
    return new_run.ref


# ---------------------------------------------------------------- called by commands


def create(
    tx: Transaction, owner: str, thread_id: str, new_schedule: NewSchedule
) -> tuple[ScheduleRecord, bool]:
    """Create a schedule, or find the thread's equal one; True if it was created.

    A cell that runs again therefore creates no second schedule.

    Raises:
        ThreadNotFound, TooManySchedules, InvalidInput
    """
    thread = threads.find_thread(tx.conn, owner, thread_id)
    new_schedule = replace(new_schedule, content=clean_text(new_schedule.content))
    next_ms = next_after(new_schedule.cron, new_schedule.timezone, tx.now_ms)
    for schedule in list_all(tx.conn, owner, thread):
        is_same = all(schedule.get(name) == value for name, value in vars(new_schedule).items())
        if is_same and "error" not in schedule:  # a damaged schedule sends nothing
            return schedule, False
    count = f"SELECT COUNT(*) {_FROM} WHERE thread.owner = :owner"
    if tx.execute(count, {"owner": owner}).scalar() >= MAX_SCHEDULES:
        raise TooManySchedules(MAX_SCHEDULES)
    schedule_id = tx.new_id()
    columns = {
        "id": schedule_id,
        "thread": thread.pk,
        "content": new_schedule.content,
        "cron": new_schedule.cron,
        "timezone": new_schedule.timezone,
        "model": new_schedule.model,
        "params": dump(new_schedule.params),
        "paused": False,
        "next_ms": next_ms,
        "created_ms": tx.now_ms,
    }
    tx.conn.execute(table(ScheduleRow).insert(), columns)
    row = {**columns, "thread_id": thread.id, "last_ms": None, "last_run_id": None}
    return _wire(row), True


def change(
    tx: Transaction, owner: str, schedule_id: str, changes: ScheduleChange
) -> ScheduleRecord:
    """Change a schedule. After a change of cron, timezone or paused, compute the next time again.

    Raises:
        ScheduleNotFound, InvalidInput
    """
    row = _find(tx.conn, owner, schedule_id)
    columns: dict[str, object] = {**changes}
    if "content" in changes:
        columns["content"] = clean_text(changes["content"])
    if "params" in changes:
        columns["params"] = dump(changes["params"])
    schedule: ScheduleRecord = {**_wire(row), **changes}
    times = (schedule["cron"], schedule["timezone"], schedule["paused"])
    if times != (row["cron"], row["timezone"], row["paused"]):
        next_ms = next_after(schedule["cron"], schedule["timezone"], tx.now_ms)
        columns["next_ms"] = None if schedule["paused"] else next_ms
    if columns:
        _set(tx, row["pk"], **columns)
    return _wire({**row, **columns})


def delete(tx: Transaction, owner: str, schedule_id: str) -> None:
    """Delete a schedule; its messages stay."""
    pk = _find(tx.conn, owner, schedule_id)["pk"]
    tx.execute("DELETE FROM schedule WHERE pk = :pk", {"pk": pk})


def read(conn: Connection, owner: str, schedule_id: str) -> ScheduleRecord:
    """Read a schedule that the owner may see; raises ScheduleNotFound for any other."""
    return _wire(_find(conn, owner, schedule_id))


def list_all(
    conn: Connection,
    owner: str,
    thread: ThreadRef | None,
    *,
    limit: int = MAX_SCHEDULES,
    before: str | None = None,
) -> list[ScheduleRecord]:
    """Return the newest ``limit`` schedules of an owner or of one thread, oldest first.

    Args:
        before: the id of a schedule, maybe a deleted one; list only schedules made before it.

    Raises:
        ScheduleNotFound: ``before`` is not a schedule's id.
    """
    sql = f"SELECT {_COLUMNS} {_FROM} WHERE thread.owner = :owner AND NOT thread.deleted"
    params: Columns = {"owner": owner, "limit": limit}
    if thread is not None:
        sql += " AND schedule.thread = :thread"
        params["thread"] = thread.pk
    if before is not None:
        sql += _before(conn, owner, before)
        params["before"] = before
    sql += " ORDER BY schedule.pk DESC LIMIT :limit"
    return [_shown_schedule(row) for row in reversed(execute(conn, sql, params).mappings().all())]


def _before(conn: Connection, owner: str, before: str) -> str:
    """Return a page's SQL condition. Ids sort by time, so the id of a deleted schedule works."""
    try:
        return f" AND schedule.pk < {int(_find(conn, owner, before)['pk'])}"
    except ScheduleNotFound:
        if not threads.is_id(before):
            raise
        return " AND schedule.id < :before"


def _find(conn: Connection, owner: str, schedule_id: str) -> Row:
    sql = (
        f"SELECT {_COLUMNS} {_FROM} WHERE schedule.id = :id AND thread.owner = :owner "
        "AND NOT thread.deleted"
    )
    row = execute(conn, sql, {"id": schedule_id, "owner": owner}).mappings().first()
    if row is None:
        raise ScheduleNotFound(schedule_id)
    schedule_row: Row = row
    return schedule_row


def _find_still_due(tx: Transaction, due: DueSchedule) -> Row | None:
    """Return a schedule's row if the schedule is still due at that time."""
    sql = f"SELECT {_COLUMNS}, thread.deleted {_FROM} WHERE schedule.pk = :pk AND next_ms = :seen"
    row = tx.execute(sql, {"pk": due.pk, "seen": due.next_ms}).mappings().first()
    schedule_row: Row | None = row
    return schedule_row


def _is_queued(tx: Transaction, run_id: str | None) -> bool:
    if run_id is None:
        return False
    sql = "SELECT 1 FROM run WHERE id = :id AND started_ms IS NULL AND ended_ms IS NULL"
    return tx.execute(sql, {"id": run_id}).scalar() is not None


def _set(tx: Transaction, pk: int, **columns: Any) -> None:
    update_row(tx.conn, "schedule", pk, columns)


def _shown_schedule(row: Row) -> ScheduleRecord:
    return damage.readable(lambda: _wire(row), lambda error: damage.schedule_instead(row, error))


def _wire(row: Row) -> ScheduleRecord:
    """Return the wire form of a schedule; raises DamagedRow."""
    with damage.checked(str(row["thread_id"]), "schedule", row["id"]):
        schedule: ScheduleRecord = {
            "id": row["id"],
            "thread_id": row["thread_id"],
            "content": row["content"],
            "cron": row["cron"],
            "timezone": row["timezone"],
            "model": row["model"],
            "params": load(row["params"]),
            "paused": bool(row["paused"]),
            "next_at": iso_or_none(row["next_ms"]),
            "last_at": iso_or_none(row["last_ms"]),
            "last_run_id": row["last_run_id"],
            "created_at": iso(row["created_ms"]),
        }
        damage.check_schedule(schedule)
        return schedule
