"""The log: appending events of an attempt, and reading events after a cursor."""

from __future__ import annotations

from sqlalchemy import Connection

from ..log import previews, reading
from ..log.operations import Append
from ..log.reading import PAGE_BYTES, PAGE_EVENTS, Replay, Snapshot
from ..log.transaction import ThreadRef
from .verbs import Group, reads


def _after(
    conn: Connection,
    thread: ThreadRef,
    cursor: int,
    *,
    raw: bool = False,
    page_events: int = PAGE_EVENTS,
    page_bytes: int = PAGE_BYTES,
    encodes: bool = False,
) -> Replay:
    """Read a page of events after a cursor, or a snapshot (``log.reading.read_after``).

    Args:
        encodes: write a snapshot's JSON on the reading thread, because a large one would block the
            loop.
    """
    answer = reading.read_after(
        conn, thread, cursor, raw=raw, page_events=page_events, page_bytes=page_bytes
    )
    if encodes and isinstance(answer, Snapshot):
        _ = answer.text
    return answer


class StoredEvents(Group):
    """The events of a database."""

    after = reads(_after)
    heads = reads(reading.heads_of)
    preview = reads(previews.read_preview)

    def append(self, operation: Append) -> None:
        """Queue events of an attempt; the operation's ``on_outcome`` is called after the commit."""
        self._core.append(operation)
