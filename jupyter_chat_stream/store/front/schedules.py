"""Schedules: repeating messages."""

from __future__ import annotations

from sqlalchemy import Connection

from ...shared.records import ScheduleRecord
from ..chat import schedules, threads
from .verbs import Group, reads, second, writes


def _page(
    conn: Connection, owner: str, thread_id: str | None, *, limit: int, before: str | None
) -> list[ScheduleRecord]:
    """List an owner's newest schedules, oldest first; of one thread, or of all."""
    thread = None if thread_id is None else threads.find_thread(conn, owner, thread_id)
    return schedules.list_all(conn, owner, thread, limit=limit, before=before)


class StoredSchedules(Group):
    """The schedules of a database."""

    page = reads(_page)
    read = reads(schedules.read)
    create = writes(schedules.create, place=second)
    change = writes(schedules.change, place=second)
    delete = writes(schedules.delete, place=second)
    tick = writes(schedules.tick, place=lambda due: due.thread.pk)
