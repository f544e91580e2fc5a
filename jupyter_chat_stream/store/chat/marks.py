"""Marks: up to where a person has read a thread, and whether it is pinned. They are no events.

A mark belongs to one person and one thread, and is deleted with the thread. A person who sends a
message has read the thread up to that message.
"""

from __future__ import annotations

from ...shared.errors import CursorAhead
from ..log.transaction import ThreadRef, Transaction
from ..sql.rows import Columns
from . import threads

# The mark never decreases, because another page may have set a later one.
_READ = (
    "INSERT INTO mark (person, thread, read_seq, pinned) VALUES (:person, :thread, :seq, false) "
    "ON CONFLICT (person, thread) DO UPDATE SET read_seq = excluded.read_seq "
    "WHERE mark.read_seq < excluded.read_seq"
)
_PIN = (
    "INSERT INTO mark (person, thread, read_seq, pinned) VALUES (:person, :thread, 0, {pinned}) "
    "ON CONFLICT (person, thread) DO UPDATE SET pinned = excluded.pinned "
    "WHERE mark.pinned <> excluded.pinned"
)


def read(tx: Transaction, person: str, thread_id: str, seq: int) -> None:
    """Mark a thread as read up to a seq of its log; a seq below the mark changes nothing.

    Raises:
        ThreadNotFound
        CursorAhead: the log ends before ``seq``. Later answers would count as read.
    """
    thread = threads.find_thread(tx.conn, person, thread_id)
    head = tx.head(thread)
    if seq > head:
        raise CursorAhead(thread_id, seq, head)
    read_up_to(tx, person, thread, seq)


def read_up_to(tx: Transaction, person: str, thread: ThreadRef, seq: int) -> None:
    """Mark a thread as read up to a seq that its log has."""
    _write(tx, thread, _READ, {"person": person, "seq": seq})


def pin(tx: Transaction, person: str, thread: ThreadRef, *, pinned: bool) -> None:
    """Pin a thread, or unpin it."""
    sql = _PIN.format(pinned="true" if pinned else "false")
    _write(tx, thread, sql, {"person": person})


def _write(tx: Transaction, thread: ThreadRef, sql: str, params: Columns) -> None:
    if tx.execute(sql, {**params, "thread": thread.pk}).rowcount > 0:
        tx.marked_ids.add(thread.id)
