"""Schedules: repeating messages."""

from __future__ import annotations

from sqlalchemy import Connection

from ...shared.records import ScheduleChange, ScheduleRecord
from ..chat import schedules, threads
from ..chat.schedules import DueSchedule, NewSchedule
from ..log.transaction import RunRef
from ..store import Store


class StoredSchedules:
    """The schedules of a database."""

    def __init__(self, core: Store) -> None:
        self._core = core

    async def page(
        self, owner: str, thread_id: str | None, *, limit: int, before: str | None
    ) -> list[ScheduleRecord]:
        """List an owner's newest schedules, oldest first; of one thread, or of all.

        Raises:
            ThreadNotFound, ScheduleNotFound
        """

        def work(conn: Connection) -> list[ScheduleRecord]:
            thread = None
            if thread_id is not None:
                thread = threads.find_thread(conn, owner, thread_id)
            return schedules.list_all(conn, owner, thread, limit=limit, before=before)

        return await self._core.read(work)

    async def read(self, owner: str, schedule_id: str) -> ScheduleRecord:
        """Read a schedule.

        Raises:
            ScheduleNotFound
        """
        return await self._core.read(lambda conn: schedules.read(conn, owner, schedule_id))

    async def create(
        self, owner: str, thread_id: str, new: NewSchedule
    ) -> tuple[ScheduleRecord, bool]:
        """Make a schedule, or find the thread's identical one; True if it was made.

        Raises:
            ThreadNotFound, TooManySchedules, InvalidInput
        """
        return await self._core.write(
            lambda tx: schedules.create(tx, owner, thread_id, new), thread_id
        )

    async def change(self, owner: str, schedule_id: str, changes: ScheduleChange) -> ScheduleRecord:
        """Change a schedule.

        Raises:
            ScheduleNotFound, InvalidInput
        """
        return await self._core.write(
            lambda tx: schedules.change(tx, owner, schedule_id, changes), schedule_id
        )

    async def delete(self, owner: str, schedule_id: str) -> None:
        """Delete a schedule; the messages that it has sent stay.

        Raises:
            ScheduleNotFound
        """
        await self._core.write(lambda tx: schedules.delete(tx, owner, schedule_id), schedule_id)

    async def tick(self, due: DueSchedule) -> RunRef | None:
        """Send a due schedule's message (``chat.schedules.tick``); None if nothing was sent."""
        return await self._core.write(lambda tx: schedules.tick(tx, due), due.thread.pk)
