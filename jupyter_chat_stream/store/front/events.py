"""The log: appending events of an attempt, and reading events after a cursor."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from ..log import reading
from ..log.operations import Append
from ..log.reading import PAGE_BYTES, PAGE_EVENTS, Answer, Snapshot
from ..log.transaction import ThreadRef
from ..store import Store


class StoredEvents:
    """The events of a database."""

    def __init__(self, core: Store) -> None:
        self._core = core

    def append(self, operation: Append) -> None:
        """Queue events of an attempt; the operation's ``done`` is called after the commit.

        Raises:
            StoreError: the store is closed.
        """
        self._core.append(operation)

    async def after(
        self,
        thread: ThreadRef,
        cursor: int,
        *,
        raw: bool = False,
        page_events: int = PAGE_EVENTS,
        page_bytes: int = PAGE_BYTES,
        encodes: bool = False,
    ) -> Answer:
        """Read a page of events after a cursor, or a snapshot (``log.reading.read_after``).

        Args:
            encodes: write a snapshot's JSON on the reading thread: a large one blocks the loop.

        Raises:
            ThreadNotFound, CursorAhead, Compacted
        """

        def work(conn: Connection) -> Answer:
            answer = reading.read_after(
                conn, thread, cursor, raw=raw, page_events=page_events, page_bytes=page_bytes
            )
            if encodes and isinstance(answer, Snapshot):
                _ = answer.text
            return answer

        return await self._core.read(work)

    async def heads(self, threads: Iterable[ThreadRef]) -> dict[str, int]:
        """Read the seq of each thread's last event, by the thread's id."""
        return await self._core.read(lambda conn: reading.heads_of(conn, threads))
