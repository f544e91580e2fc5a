"""Reading a whole thread page by page, for exports.

Everything is read in the caller's one read transaction, so it is the state at one seq. No more than
one page of messages or events is held, whatever the thread's length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from sqlalchemy import Connection

from ..shared.errors import NotFound
from ..shared.events import Event, dumps, iso
from ..shared.records import MessageRecord, RunRecord
from .chat.runs import open_runs
from .chat.threads import read_thread
from .log.reading import head_of, read_events, shown_run
from .log.transaction import RunRef, ThreadRef, execute, fold_message
from .sql import damage, rows
from .sql.driver import among

PAGE_MESSAGES = 32
PAGE_EVENTS = 256  # A page is short, because decoding it holds the interpreter's lock.
PAGE_BYTES = 64 * 1024
PAGE_ROWS = 1024


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The place of a message in its thread, without its content."""

    pk: int
    id: str
    role: str
    status: str
    parent_id: str | None


class CompactionRecord(TypedDict):
    """The deltas that were taken out of one run's log, and the hash that stands for them (L2)."""

    run_id: str
    first_seq: int
    last_seq: int
    deltas: int
    message_sha256: str
    at: str


def read_entries(conn: Connection, thread: ThreadRef) -> list[Entry]:
    """Read the place of each message of a thread, oldest first."""
    sql = "SELECT pk, id, role, status, parent_id FROM message WHERE thread = :pk ORDER BY pk"
    return [
        Entry(pk=row[0], id=row[1], role=row[2], status=row[3], parent_id=row[4])
        for row in execute(conn, sql, {"pk": thread.pk})
    ]


def each_message(
    conn: Connection, thread: ThreadRef, keys: Sequence[int], upto: int
) -> Iterator[MessageRecord]:
    """Read messages by their keys, in that order; open replies are folded up to ``upto``."""
    partial = {run.message_pk: run for run in open_runs(conn, thread)}
    sql = f"SELECT pk, {rows.MESSAGE_COLUMNS} FROM message WHERE pk {among(conn)}"
    for start in range(0, len(keys), PAGE_MESSAGES):
        page = keys[start : start + PAGE_MESSAGES]
        found = execute(conn, sql, {"keys": dumps(list(page))}).mappings()
        by_key = {row["pk"]: row for row in found}
        for key in page:
            yield _message(conn, thread, by_key[key], partial.get(key), upto)


def _message(
    conn: Connection, thread: ThreadRef, row: rows.Row, run: RunRef | None, upto: int
) -> MessageRecord:
    def read() -> MessageRecord:
        message = rows.message_wire(row, thread.id)
        return message if run is None else fold_message(conn, run, message, upto).value()

    return damage.readable(read, lambda found: damage.message_instead(row, thread.id, found))


def each_run(conn: Connection, thread: ThreadRef) -> Iterator[RunRecord]:
    """Read the thread's runs as the wire has them, oldest first."""
    sql = (
        f"SELECT {rows.RUN_COLUMNS}, message.id AS message_id FROM run "
        "JOIN message ON message.pk = run.message WHERE run.thread = :pk AND run.pk > :after "
        f"ORDER BY run.pk LIMIT {PAGE_ROWS}"
    )
    after = 0
    while found := execute(conn, sql, {"pk": thread.pk, "after": after}).mappings().all():
        for row in found:
            yield shown_run(row, thread.id)
        after = found[-1]["pk"]


def each_event(conn: Connection, thread: ThreadRef) -> Iterator[Event]:
    """Read the thread's events in order. Compacted deltas are not among them."""
    seq = 0
    while events := read_events(conn, thread, seq, PAGE_EVENTS, PAGE_BYTES, shows_damage=True):
        yield from events
        seq = events[-1].seq


def read_compactions(conn: Connection, thread: ThreadRef) -> list[CompactionRecord]:
    """Read which deltas were compacted, and the hash of the message they folded to (L2)."""
    sql = (
        "SELECT run.id AS run_id, first_seq, last_seq, deltas, message_sha256, at_ms "
        "FROM compaction JOIN run ON run.pk = compaction.run WHERE compaction.thread = :pk "
        "ORDER BY first_seq"
    )
    found = execute(conn, sql, {"pk": thread.pk}).mappings()
    return [
        {
            "run_id": row["run_id"],
            "first_seq": row["first_seq"],
            "last_seq": row["last_seq"],
            "deltas": row["deltas"],
            "message_sha256": row["message_sha256"],
            "at": iso(row["at_ms"]),
        }
        for row in found
    ]


class WholeThread:
    """One thread within one read transaction, at the seq of its last event."""

    def __init__(self, conn: Connection, thread: ThreadRef) -> None:
        self.seq = head_of(conn, thread)  # the first read fixes the moment of the transaction
        self.info = read_thread(conn, thread)
        self.entries = read_entries(conn, thread)
        self._conn = conn
        self._thread = thread

    def messages(self, entries: Sequence[Entry]) -> Iterator[MessageRecord]:
        """Read these messages, in this order."""
        keys = [entry.pk for entry in entries]
        return each_message(self._conn, self._thread, keys, self.seq)

    def runs(self) -> Iterator[RunRecord]:
        """Read all runs, oldest first."""
        return each_run(self._conn, self._thread)

    def events(self) -> Iterator[Event]:
        """Read all events that are still in the log, in order."""
        return each_event(self._conn, self._thread)

    def compactions(self) -> list[CompactionRecord]:
        """List the deltas that were taken out of the log."""
        return read_compactions(self._conn, self._thread)


def each_thread(conn: Connection) -> Iterator[ThreadRef]:
    """List every thread that is not deleted, oldest first."""
    sql = (
        f"SELECT pk, id FROM thread WHERE NOT deleted AND pk > :after ORDER BY pk LIMIT {PAGE_ROWS}"
    )
    after = 0
    while found := execute(conn, sql, {"after": after}).fetchall():
        yield from (ThreadRef(pk=row[0], id=row[1]) for row in found)
        after = found[-1][0]


def find_any_thread(conn: Connection, word: str) -> ThreadRef:
    """Find a thread by its id or by ``owner/name``, whoever owns it.

    Raises:
        NotFound: there is none, or several projects have one of that name.
    """
    sql = (
        "SELECT pk, id FROM thread WHERE NOT deleted AND "
        "(id = :word OR owner || '/' || name = :word) ORDER BY pk LIMIT 10"
    )
    found = execute(conn, sql, {"word": word}).fetchall()
    if not found:
        raise NotFound(f"There is no thread {word!r}; give its id, or owner/name.")
    if len(found) > 1:
        ids = ", ".join(row[1] for row in found)
        raise NotFound(f"Several projects have a thread {word!r}; give one's id: {ids}.")
    return ThreadRef(pk=found[0][0], id=found[0][1])
