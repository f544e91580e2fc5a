"""Threads and their owners' preferences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from ...shared.events import dumps
from ...shared.records import (
    PreferencesChange,
    PreferencesRecord,
    ThreadChange,
    ThreadRecord,
    ThreadState,
)
from ..chat import commands, threads
from ..exporting import WholeThread
from ..log import reading
from ..log.transaction import ThreadRef
from ..store import Store

T = TypeVar("T")


class StoredThreads:
    """The threads of a database."""

    def __init__(self, core: Store) -> None:
        self._core = core

    async def create(
        self,
        *,
        owner: str,
        project: str,
        name: str | None,
        title: str | None,
        model: str,
        system: str | None,
        project_others: Sequence[str] = (),
    ) -> tuple[ThreadRecord, bool]:
        """Find the thread of that name, or create it; True if it was created.

        Args:
            project_others: other spellings of the project; a thread found under one of them moves.
        """
        return await self._core.write(
            lambda tx: threads.create_thread(
                tx,
                owner=owner,
                project=project,
                project_others=project_others,
                name=name,
                title=title,
                model=model,
                system=system,
            )
        )

    async def find(self, owner: str, thread_id: str) -> tuple[ThreadRef, int]:
        """Find a thread, and the seq of its last event.

        Raises:
            ThreadNotFound
        """

        def work(conn: Connection) -> tuple[ThreadRef, int]:
            thread = threads.find_thread(conn, owner, thread_id)
            return thread, reading.head_of(conn, thread)

        return await self._core.read(work)

    async def read(self, owner: str, thread_id: str) -> ThreadRecord:
        """Read a thread's fields.

        Raises:
            ThreadNotFound
        """
        return await self._core.read(
            lambda conn: threads.read_thread(conn, threads.find_thread(conn, owner, thread_id))
        )

    async def page(
        self,
        owner: str,
        *,
        q: str | None,
        project: str | None,
        archived: bool,
        limit: int,
        before: str | None,
    ) -> list[ThreadRecord]:
        """List an owner's threads, newest first (``chat.threads.list_threads``)."""
        return await self._core.read(
            lambda conn: threads.list_threads(
                conn, owner, q=q, project=project, archived=archived, limit=limit, before=before
            )
        )

    async def change(self, owner: str, thread_id: str, changes: ThreadChange) -> ThreadRecord:
        """Change fields of a thread.

        Raises:
            ThreadNotFound, MessageNotFound, InvalidInput, Conflict
        """
        return await self._core.write(
            lambda tx: threads.change_thread(tx, owner, thread_id, changes), thread_id
        )

    async def delete(self, owner: str, thread_id: str) -> list[str]:
        """Cancel a thread's runs and mark the thread deleted; returns the ids of those runs.

        Raises:
            ThreadNotFound
        """
        return await self._core.write(lambda tx: commands.delete(tx, owner, thread_id), thread_id)

    async def state(
        self, owner: str, thread_id: str, *, limit: int | None, before: str | None
    ) -> ThreadState:
        """Read a thread's state and the seq it stands at (``log.reading.read_state``).

        Args:
            before: the id of a message: only the messages created before it.

        Raises:
            ThreadNotFound, MessageNotFound
        """
        return await self._core.read(lambda conn: _state(conn, owner, thread_id, limit, before))

    async def state_text(
        self, owner: str, thread_id: str, *, limit: int | None, before: str | None
    ) -> str:
        """Read the same as JSON, written on the reading thread: a large one blocks the loop."""
        return await self._core.read(
            lambda conn: dumps(_state(conn, owner, thread_id, limit, before))
        )

    async def export(self, owner: str, thread_id: str, write: Callable[[WholeThread], T]) -> T:
        """Call ``write`` with the whole thread at one seq, on a reading thread.

        Raises:
            ThreadNotFound
        """
        return await self._core.read(
            lambda conn: write(WholeThread(conn, threads.find_thread(conn, owner, thread_id)))
        )

    async def preferences(self, owner: str) -> PreferencesRecord:
        """Read an owner's preferences."""
        return await self._core.read(lambda conn: threads.read_preferences(conn, owner))

    async def change_preferences(self, owner: str, changes: PreferencesChange) -> PreferencesRecord:
        """Change an owner's preferences."""
        return await self._core.write(lambda tx: threads.write_preferences(tx, owner, changes))


def _state(
    conn: Connection, owner: str, thread_id: str, limit: int | None, before: str | None
) -> ThreadState:
    thread = threads.find_thread(conn, owner, thread_id)
    first = threads.find_message(conn, thread, before) if before is not None else None
    return reading.read_state(conn, thread, limit=limit, before=first)
