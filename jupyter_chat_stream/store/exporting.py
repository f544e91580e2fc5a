"""Reads a whole thread page by page, for exports.

All reads use the caller's read transaction, so they show the state at one seq. At most one page of
messages or events is in memory, even for a long thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from sqlalchemy import Connection

from ..shared.errors import NotFound
from ..shared.events import Event, dumps, iso
from ..shared.records import MessageRecord, RunRecord
from .chat.attachments import read_held
from .chat.runs import open_runs
from .log.reading import head_of, read_events, read_thread, shown_run
from .log.refs import RunRef, ThreadRef, execute
from .log.replies import fold_message
from .sql import damage, rows
from .sql.driver import among

PAGE_MESSAGES = 32
PAGE_EVENTS = 256  # A page is short, because decoding it holds the interpreter's lock.
PAGE_BYTES = 64 * 1024
PAGE_ROWS = 1024


@dataclass(frozen=True, kw_only=True)
class MessageEntry:
    """The place of a message in its thread, without its content."""

    pk: int
    id: str
    role: str
    status: str
    parent_id: str | None
    run_id: str | None


class CompactionRecord(TypedDict):
    """The deltas deleted from one run's log, and the hash that replaces them (L2)."""

    run_id: str
    first_seq: int
    last_seq: int
    deltas: int
    message_sha256: str
    at: str


class WholeThread:
    """One thread within one read transaction, at the seq of its last event."""

    def __init__(self, conn: Connection, thread: ThreadRef) -> None:
        self.seq = head_of(conn, thread)  # the first read fixes the moment of the transaction
        self.info = read_thread(conn, thread)
        sql = (
            "SELECT pk, id, role, status, parent_id, run_id FROM message WHERE thread = :pk "
            "ORDER BY pk"
        )
        self.entries = [
            MessageEntry(**row) for row in execute(conn, sql, {"pk": thread.pk}).mappings()
        ]
        self._conn = conn
        self._thread = thread

    def messages(
        self, entries: Sequence[MessageEntry], *, page_messages: int = PAGE_MESSAGES
    ) -> Iterator[MessageRecord]:
        """Read these messages in this order, and fold open replies up to ``seq``."""
        runs_by_message = {run.message_pk: run for run in open_runs(self._conn, self._thread)}
        sql = f"SELECT pk, {rows.MESSAGE_COLUMNS} FROM message WHERE pk {among(self._conn)}"
        for start in range(0, len(entries), page_messages):
            keys = [entry.pk for entry in entries[start : start + page_messages]]
            message_rows = execute(self._conn, sql, {"keys": dumps(keys)}).mappings()
            by_key = {row["pk"]: row for row in message_rows}
            for key in keys:
                yield self._message(by_key[key], runs_by_message.get(key))

    def _message(self, row: rows.Row, run: RunRef | None) -> MessageRecord:
        thread_id = self._thread.id

        def read() -> MessageRecord:
            message = rows.message_wire(row, thread_id)
            if run is None:
                return message
            return fold_message(self._conn, run, message, self.seq).value()

        return damage.readable(read, lambda error: damage.message_instead(row, thread_id, error))

    def runs(self) -> Iterator[RunRecord]:
        """Read all runs, oldest first."""
        return each_run(self._conn, self._thread)

    def events(self) -> Iterator[Event]:
        """Read all events that are still in the log, in order."""
        limits = (PAGE_EVENTS, PAGE_BYTES)
        seq = 0
        while events := read_events(self._conn, self._thread, seq, *limits, shows_damage=True):
            yield from events
            seq = events[-1].seq

    def attachment(self, attachment_id: str) -> bytes | None:
        """Read all bytes of an attachment that a message of the thread holds, else None."""
        return read_held(self._conn, self._thread, attachment_id)

    def compactions(self) -> list[CompactionRecord]:
        """Read which deltas were compacted, with the hashes of their messages (L2)."""
        sql = (
            "SELECT run.id AS run_id, first_seq, last_seq, deltas, message_sha256, at_ms "
            "FROM compaction JOIN run ON run.pk = compaction.run WHERE compaction.thread = :pk "
            "ORDER BY first_seq"
        )
        return [
            {
                "run_id": row["run_id"],
                "first_seq": row["first_seq"],
                "last_seq": row["last_seq"],
                "deltas": row["deltas"],
                "message_sha256": row["message_sha256"],
                "at": iso(row["at_ms"]),
            }
            for row in execute(self._conn, sql, {"pk": self._thread.pk}).mappings()
        ]


def each_run(conn: Connection, thread: ThreadRef) -> Iterator[RunRecord]:
    """Read the thread's runs in their wire form, oldest first."""
    sql = (
        f"SELECT {rows.RUN_COLUMNS}, message.id AS message_id FROM run "
        "JOIN message ON message.pk = run.message WHERE run.thread = :pk AND run.pk > :after "
        f"ORDER BY run.pk LIMIT {PAGE_ROWS}"
    )
    after = 0
    while run_rows := execute(conn, sql, {"pk": thread.pk, "after": after}).mappings().all():
        for row in run_rows:
            yield shown_run(row, thread.id)
        after = run_rows[-1]["pk"]


def each_thread(conn: Connection) -> Iterator[ThreadRef]:
    """List every thread that is not deleted, oldest first."""
    sql = (
        f"SELECT pk, id FROM thread WHERE NOT deleted AND pk > :after ORDER BY pk LIMIT {PAGE_ROWS}"
    )
    after = 0
    while thread_rows := execute(conn, sql, {"after": after}).fetchall():
        yield from (ThreadRef(pk=row[0], id=row[1]) for row in thread_rows)
        after = thread_rows[-1][0]


def find_any_thread(conn: Connection, word: str) -> ThreadRef:
    """Find a thread of any owner by its id or by ``owner/name``.

    Raises:
        NotFound: no thread has that name, or threads of several projects have it.
    """
    sql = (
        "SELECT pk, id FROM thread WHERE NOT deleted AND "
        "(id = :word OR owner || '/' || name = :word) ORDER BY pk LIMIT 10"
    )
    matches = execute(conn, sql, {"word": word}).fetchall()
    if not matches:
        raise NotFound(f"There is no thread {word!r}; give its id, or owner/name.")
    if len(matches) > 1:
        ids = ", ".join(row[1] for row in matches)
        raise NotFound(f"Several projects have a thread {word!r}; give one's id: {ids}.")
    return ThreadRef(pk=matches[0][0], id=matches[0][1])
