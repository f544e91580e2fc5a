"""Threads and their owners' preferences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from ...shared.events import dumps
from ...shared.list_records import ListedThread, ThreadList
from ...shared.records import ThreadChange, ThreadRecord
from ..chat import commands, listing, marks, threads
from ..chat.listing import ListFilter
from ..exporting import WholeThread
from ..log import reading
from ..log.transaction import ThreadRef, Transaction
from ..search.pages import search_threads
from .verbs import Group, reads, second, writes

T = TypeVar("T")


def _find(conn: Connection, owner: str, thread_id: str) -> tuple[ThreadRef, int]:
    """Find a thread, and the seq of its last event."""
    thread = threads.find_thread(conn, owner, thread_id)
    return thread, reading.head_of(conn, thread)


def _read(conn: Connection, owner: str, thread_id: str) -> ThreadRecord:
    return threads.find_record(conn, owner, thread_id)[1]


def _state_text(
    conn: Connection, owner: str, thread_id: str, *, limit: int | None, before: str | None
) -> str:
    """Read a thread's state and its seq as JSON (``log.reading.read_state``).

    The JSON is written on the reading thread: a large one would block the event loop.

    Args:
        before: the id of a message: only messages created before it.
    """
    thread = threads.find_thread(conn, owner, thread_id)
    before_pk = threads.find_message(conn, thread, before) if before is not None else None
    return dumps(reading.read_state(conn, thread, limit=limit, before=before_pk))


def _change(
    tx: Transaction,
    owner: str,
    thread_id: str,
    changes: ThreadChange,
    *,
    pinned: bool | None = None,
) -> ListedThread:
    """Change fields of a thread and the owner's mark on it; returns the thread's row of the list.

    Args:
        pinned: whether the owner has pinned the thread from now on. None: as before.
    """
    threads.change_thread(tx, owner, thread_id, changes)
    if pinned is not None:
        marks.pin(tx, owner, threads.find_thread(tx.conn, owner, thread_id), pinned=pinned)
    tx.flush()
    return listing.read_listed(tx.conn, owner, [thread_id])[0]


def _page(conn: Connection, owner: str, list_filter: ListFilter, *, limit: int) -> ThreadList:
    return {"threads": listing.list_threads(conn, owner, list_filter, limit=limit)}


class StoredThreads(Group):
    """The threads of a database."""

    create = writes(threads.create_thread)
    find = reads(_find)
    read = reads(_read)
    page = reads(_page)
    search = reads(search_threads)
    read_listed = reads(listing.read_listed)
    traces = reads(listing.read_traces)
    projects = reads(listing.list_projects)
    mark_read = writes(marks.read, place=second)
    change = writes(_change, place=second)
    delete = writes(commands.delete, place=second)
    state_text = reads(_state_text)
    preferences = reads(threads.read_preferences)
    change_preferences = writes(threads.write_preferences)

    async def export(self, owner: str, thread_id: str, write: Callable[[WholeThread], T]) -> T:
        """Call ``write`` with the whole thread at one seq, on a reading thread."""
        return await self._core.read(
            lambda conn: write(WholeThread(conn, threads.find_thread(conn, owner, thread_id)))
        )
