"""Schedules: messages that are sent again and again, with or without anybody there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..store.chat import commands, schedules, threads
from ..store.chat.schedules import NewSchedule
from ..store.log.transaction import Connection, ThreadRef
from .base import ServiceBase


class Schedules(ServiceBase):
    """Commands on schedules; the sweep makes them due."""

    async def schedules(
        self,
        owner: str,
        thread_id: str | None = None,
        *,
        limit: int = schedules.MAX_SCHEDULES,
        before: str | None = None,
    ) -> dict[str, Any]:
        """List the newest of an owner's schedules, or of one thread's, before another one.

        Raises:
            ThreadNotFound
            ScheduleNotFound: ``before`` is no schedule's id.
        """

        def work(conn: Connection) -> list[dict[str, Any]]:
            thread = None
            if thread_id is not None:
                thread = threads.find_thread(conn, owner, thread_id)
            return schedules.list_all(conn, owner, thread, limit=limit, before=before)

        return {"schedules": await self.store.read(work)}

    async def schedule(self, owner: str, schedule_id: str) -> dict[str, Any]:
        return await self.store.read(lambda conn: schedules.read(conn, owner, schedule_id))

    async def create_schedule(
        self, owner: str, thread_id: str, new: NewSchedule
    ) -> tuple[dict[str, Any], bool]:
        """Send a message whenever its expression says so; False where that was so already.

        Raises:
            ThreadNotFound, NoSuchModel, InvalidInput, ContentTooLarge, TooManySchedules
        """
        new = replace(new, content=commands.check_content(new.content))
        self._check_model(new.model)
        thread = await self._find_thread(owner, thread_id)
        made = await self.store.write(
            lambda tx: schedules.create(tx, owner, thread, new), thread.pk
        )
        self._parts.engine.nudge()
        return made

    async def change_schedule(
        self, owner: str, schedule_id: str, changes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Change what is named; what is resumed is due again from now on.

        Raises:
            ScheduleNotFound, NoSuchModel, InvalidInput, ContentTooLarge
        """
        if "content" in changes:
            changes = {**changes, "content": commands.check_content(changes["content"])}
        self._check_model(changes.get("model"))
        thread = await self._thread_of(owner, schedule_id)
        changed = await self.store.write(
            lambda tx: schedules.change(tx, owner, schedule_id, changes), thread.pk
        )
        self._parts.engine.nudge()
        return changed

    async def delete_schedule(self, owner: str, schedule_id: str) -> None:
        """Send it no more; what it has sent stays.

        Raises:
            ScheduleNotFound
        """
        thread = await self._thread_of(owner, schedule_id)
        await self.store.write(lambda tx: schedules.delete(tx, owner, schedule_id), thread.pk)

    async def _thread_of(self, owner: str, schedule_id: str) -> ThreadRef:
        return await self.store.read(lambda conn: schedules.thread_of(conn, owner, schedule_id))

    def _check_model(self, model: str | None) -> None:
        if model is not None:
            self._parts.registry.get(model)
