"""Schedules: repeating messages."""

from __future__ import annotations

from ..shared.records import ScheduleChange, ScheduleList, ScheduleRecord
from ..store.front import MAX_SCHEDULES, NewSchedule, check_content
from .base import ServiceBase


class Schedules(ServiceBase):
    """Commands on schedules; the sweep sends their messages."""

    async def schedules(
        self,
        owner: str,
        thread_id: str | None = None,
        *,
        limit: int = MAX_SCHEDULES,
        before: str | None = None,
    ) -> ScheduleList:
        """List the newest schedules of an owner, or of one of the owner's threads."""
        schedules = await self.store.schedules.page(owner, thread_id, limit=limit, before=before)
        return {"schedules": schedules}

    async def schedule(self, owner: str, schedule_id: str) -> ScheduleRecord:
        return await self.store.schedules.read(owner, schedule_id)

    async def create_schedule(
        self, owner: str, thread_id: str, schedule: NewSchedule
    ) -> tuple[ScheduleRecord, bool]:
        """Create a schedule, or find the thread's equal one; True if it was created.

        Raises:
            NoSuchModel, InvalidInput, ContentTooLarge
        """
        check_content(schedule.content)
        self._check_model(schedule.model)
        result = await self.store.schedules.create(owner, thread_id, schedule)
        self.subsystems.engine.nudge()
        return result

    async def change_schedule(
        self, owner: str, schedule_id: str, changes: ScheduleChange
    ) -> ScheduleRecord:
        """Change the named fields; a resumed schedule is due again from now on.

        Raises:
            NoSuchModel, InvalidInput, ContentTooLarge
        """
        if "content" in changes:
            check_content(changes["content"])
        self._check_model(changes.get("model"))
        schedule = await self.store.schedules.change(owner, schedule_id, changes)
        self.subsystems.engine.nudge()
        return schedule

    async def delete_schedule(self, owner: str, schedule_id: str) -> None:
        await self.store.schedules.delete(owner, schedule_id)

    def _check_model(self, model: str | None) -> None:
        if model is not None:
            self.subsystems.registry.get(model)
