"""The preview of a long thread: its newest messages, which a page shows until all of it is there.

A preview is the state of some messages at one seq. It moves no cursor: the reader's state comes
from the events or the snapshot that follow (docs/protocol.md, L6).
"""

from __future__ import annotations

from sqlalchemy import Connection

from ...shared.events import dumps
from ...shared.records import PreviewFrame, RunRecord
from ..sql import rows
from ..sql.driver import among
from .reading import head_of, read_messages_before, read_thread, shown_run
from .transaction import ThreadRef, execute

# A thread with at most so many messages has no preview: all of it comes as fast.
SHORT_THREAD = 100
# The messages of a preview: they fill a screen and what is drawn above it.
PREVIEW_MESSAGES = 24
_AFTER_ALL = 2**62  # no message has a key as large


def read_preview(conn: Connection, thread: ThreadRef) -> str | None:
    """Read the preview of a thread as its frame's JSON; None if the thread is short."""
    if not _is_long(conn, thread):
        return None
    seq = head_of(conn, thread)
    messages = read_messages_before(conn, thread, _AFTER_ALL, PREVIEW_MESSAGES)
    frame: PreviewFrame = {
        "op": "preview",
        "thread": thread.id,
        "seq": seq,
        "info": read_thread(conn, thread),
        "messages": messages,
        "runs": _runs_of(conn, thread, [message["id"] for message in messages]),
    }
    return dumps(frame)


def _is_long(conn: Connection, thread: ThreadRef) -> bool:
    sql = "SELECT 1 FROM message WHERE thread = :thread LIMIT 1 OFFSET :count"
    result = execute(conn, sql, {"thread": thread.pk, "count": SHORT_THREAD})
    return result.scalar() is not None


def _runs_of(conn: Connection, thread: ThreadRef, messages: list[str]) -> list[RunRecord]:
    sql = (
        f"SELECT {rows.RUN_COLUMNS}, message.id AS message_id FROM run "
        "JOIN message ON message.pk = run.message "
        f"WHERE run.thread = :thread AND message.id {among(conn, 'text')} ORDER BY run.pk"
    )
    params = {"thread": thread.pk, "keys": dumps(messages)}
    return [shown_run(row, thread.id) for row in execute(conn, sql, params).mappings()]
