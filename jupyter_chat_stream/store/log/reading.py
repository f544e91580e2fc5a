"""Reading a thread's log: events after a cursor, or one snapshot (docs/protocol.md, L6).

Every function runs in one read transaction of its caller, so its result is the state at exactly
one seq. ``read_after`` decides for every transport which of the two a cursor gets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from ...shared.errors import Compacted, CursorAhead, DamagedRow, ThreadNotFound
from ...shared.events import Event, dumps
from ...shared.records import MessageRecord, RunRecord, SnapshotFrame, ThreadRecord, ThreadState
from ..sql import damage, rows
from ..sql.driver import among, select_rows
from .refs import RunRef, ThreadRef, execute
from .replies import fold_message, read_reply

PAGE_EVENTS = 512
PAGE_BYTES = 64 * 1024
EARLIER_MESSAGES = 100
EVENT_OVERHEAD = 180  # bytes of JSON around a delta's text, at least


@dataclass(frozen=True, kw_only=True)
class Page:
    """Dense events after a cursor; ``head`` is the log's last seq when they were read."""

    events: tuple[Event, ...]
    head: int
    deleted: bool


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything that changed after a cursor, folded exactly to ``seq``."""

    thread_id: str
    seq: int
    info: ThreadRecord
    messages: tuple[MessageRecord, ...]
    runs: tuple[RunRecord, ...]
    deleted: bool

    @cached_property
    def text(self) -> str:
        """Return the JSON. A large one takes long, so the reading thread writes it."""
        return dumps(self.to_wire())

    def to_wire(self) -> SnapshotFrame:
        return {
            "op": "snapshot",
            "thread": self.thread_id,
            "seq": self.seq,
            "info": self.info,
            "messages": list(self.messages),
            "runs": list(self.runs),
        }


Replay = Page | Snapshot


def read_after(
    conn: Connection,
    thread: ThreadRef,
    after: int,
    *,
    raw: bool = False,
    page_events: int = PAGE_EVENTS,
    page_bytes: int = PAGE_BYTES,
) -> Replay:
    """Answer a cursor with a page of events, or with a snapshot if the snapshot is shorter.

    A page ends early after ``page_bytes`` of text; it holds at least one event.

    Raises:
        ThreadNotFound: the thread was purged.
        CursorAhead: the log ends before the cursor.
        Compacted: ``raw``, and some of the events are gone.
    """
    head, deleted = _head(conn, thread)
    if after > head:
        raise CursorAhead(thread.id, after, head)
    if after == head:
        return Page(events=(), head=head, deleted=deleted)
    if not raw and _snapshot_is_shorter(conn, thread, after, head):
        return read_snapshot(conn, thread, after)
    try:
        events = read_events(conn, thread, after, page_events, page_bytes)
    except DamagedRow:
        if raw:
            raise
        return read_snapshot(conn, thread, after)  # the rows still hold what the events made
    if not events or events[-1].seq != after + len(events):
        if raw:
            raise Compacted(thread.id, after)
        return read_snapshot(conn, thread, after)
    return Page(events=tuple(events), head=head, deleted=deleted)


def read_events(
    conn: Connection,
    thread: ThreadRef,
    after: int,
    limit: int,
    limit_bytes: int = 2**62,
    *,
    shows_damage: bool = False,
) -> list[Event]:
    """Return the stored events after a cursor within the limits; compacted ones are missing.

    Args:
        shows_damage: return a substitute for a damaged event.

    Raises:
        DamagedRow
    """
    sql = (
        f"SELECT {rows.EVENT_COLUMNS} FROM event WHERE thread = :thread AND seq > :after "
        "ORDER BY seq LIMIT :limit"
    )
    params = {"thread": thread.pk, "after": after, "limit": limit}
    event_rows: list[Any] = []
    size = 0
    with execute(conn, sql, params) as result:
        for row in result:
            event_rows.append(row)
            size += len(str(row[7] or "")) + len(str(row[8] or "")) + EVENT_OVERHEAD
            if size >= limit_bytes:
                break
    run_ids = _run_ids(conn, {row[2] for row in event_rows if row[2] is not None})
    if shows_damage:
        return [_shown_event(row, thread, run_ids.get(row[2])) for row in event_rows]
    return [rows.event_value(row, thread.id, run_ids.get(row[2])) for row in event_rows]


def _shown_event(row: Any, thread: ThreadRef, run: tuple[str, str] | None) -> Event:
    return damage.readable(
        lambda: rows.event_value(row, thread.id, run),
        lambda error: damage.event_instead(row[0], row[4], error),
    )


def read_snapshot(
    conn: Connection, thread: ThreadRef, after: int, *, limit: int | None = None
) -> Snapshot:
    """Read everything that changed after a cursor, folded exactly to the log's head.

    ``limit`` keeps only that many of the newest messages.
    """
    head, deleted = _head(conn, thread)
    runs, open_runs = _changed_runs(conn, thread, after)
    messages = _changed_messages(conn, thread, after, open_runs, head, limit)
    return Snapshot(
        thread_id=thread.id,
        seq=head,
        info=read_thread(conn, thread),
        messages=tuple(messages),
        runs=tuple(runs),
        deleted=deleted,
    )


def read_state(
    conn: Connection, thread: ThreadRef, *, limit: int | None, before: int | None
) -> ThreadState:
    """Read a thread's state and its seq.

    The state holds the runs of its messages, and all runs that have not ended.

    Args:
        limit: at most this many of the newest messages.
        before: the key of a message: only messages before it.
    """
    snapshot = read_snapshot(conn, thread, 0, limit=limit if before is None else 1)
    messages = list(snapshot.messages)
    if before is not None:
        messages = read_messages_before(conn, thread, before, limit or EARLIER_MESSAGES)
    shown_ids = {message["id"] for message in messages}
    runs = [
        run for run in snapshot.runs if run["message_id"] in shown_ids or run["ended_at"] is None
    ]
    return {
        "messages": messages,
        "runs": runs,
        "thread": snapshot.info,
        "seq": snapshot.seq,
    }


def read_thread(conn: Connection, thread: ThreadRef) -> ThreadRecord:
    """Read a thread's fields, in their wire form."""
    sql = f"SELECT {rows.THREAD_COLUMNS} FROM thread WHERE pk = :pk"
    return shown_thread(execute(conn, sql, {"pk": thread.pk}).mappings().one())


def shown_thread(row: rows.Row) -> ThreadRecord:
    """Return the thread of a row, or a substitute for a damaged one."""
    return damage.readable(
        lambda: rows.thread_wire(row), lambda error: damage.thread_instead(row, error)
    )


def head_of(conn: Connection, thread: ThreadRef) -> int:
    """Return the seq of the thread's last event, 0 if there is none."""
    return _head(conn, thread)[0]


def read_message(conn: Connection, run: RunRef) -> MessageRecord:
    """Read the reply of a run, folded to the end of the log."""
    return read_reply(conn, run).value()


def read_message_by_id(conn: Connection, thread: ThreadRef, message_id: str) -> MessageRecord:
    """Read a message from its row."""
    sql = f"SELECT {rows.MESSAGE_COLUMNS} FROM message WHERE id = :id"
    row = execute(conn, sql, {"id": message_id}).mappings().one()
    return rows.message_wire(row, thread.id)


def heads_of(conn: Connection, threads: Iterable[ThreadRef]) -> dict[str, int]:
    """Read the seq of each thread's last event, by the thread's id."""
    columns = "id, (SELECT MAX(seq) FROM event WHERE event.thread = thread.pk)"
    params = {"keys": dumps([thread.pk for thread in threads])}
    head_rows = select_rows(conn, columns, f"FROM thread WHERE pk {among(conn)}", params)
    return {id_: head or 0 for id_, head in head_rows}


def read_branch(conn: Connection, run: RunRef, limit: int) -> list[MessageRecord]:
    """Read the messages from the root to the run's own reply; the reply is folded to the end.

    The branch has at most ``limit`` messages, each once, even if damage made a cycle.
    """
    columns = ", ".join("message." + name.strip() for name in rows.MESSAGE_COLUMNS.split(","))
    sql = (
        "WITH RECURSIVE branch(id, depth) AS (SELECT id, 0 FROM message WHERE id = :id UNION ALL "
        "SELECT message.parent_id, depth + 1 FROM branch JOIN message ON message.id = branch.id "
        "WHERE message.parent_id IS NOT NULL AND depth < :most) "
        f"SELECT {columns} FROM (SELECT id, MIN(depth) AS depth FROM branch GROUP BY id) AS place "
        "JOIN message ON message.id = place.id ORDER BY depth DESC"
    )
    message_rows = execute(conn, sql, {"id": run.message_id, "most": limit}).mappings().all()
    branch = [rows.message_wire(row, run.thread.id) for row in message_rows]
    branch[-1] = fold_message(conn, run, branch[-1]).value()
    return branch


def read_messages_before(
    conn: Connection, thread: ThreadRef, before: int, limit: int
) -> list[MessageRecord]:
    """Read the newest ``limit`` messages that were created before the one with key ``before``.

    Open replies among them are folded to the log's head (L6).
    """
    sql = (
        f"SELECT {rows.MESSAGE_COLUMNS} FROM message WHERE thread = :thread AND pk < :before "
        "ORDER BY pk DESC LIMIT :limit"
    )
    params = {"thread": thread.pk, "before": before, "limit": limit}
    head = head_of(conn, thread)
    _, open_runs = _changed_runs(conn, thread, head)
    message_rows = execute(conn, sql, params).mappings().all()
    return [_read_folded(conn, thread, row, open_runs, head) for row in reversed(message_rows)]


def _head(conn: Connection, thread: ThreadRef) -> tuple[int, bool]:
    # The head is read first and alone: it fixes the moment of the read transaction.
    head = execute(
        conn, "SELECT MAX(seq) FROM event WHERE thread = :pk", {"pk": thread.pk}
    ).scalar()
    deleted = execute(conn, "SELECT deleted FROM thread WHERE pk = :pk", {"pk": thread.pk}).scalar()
    if deleted is None:
        raise ThreadNotFound(thread.id)
    return head or 0, bool(deleted)


def _snapshot_is_shorter(conn: Connection, thread: ThreadRef, after: int, head: int) -> bool:
    if head - after < 16:
        return False
    sql = (
        "SELECT COALESCE(SUM(LENGTH(parts) + 400), 0) FROM message "
        "WHERE thread = :thread "
        "AND (seq > :after OR status IN ('pending', 'processing', 'waiting'))"
    )
    size = int(execute(conn, sql, {"thread": thread.pk, "after": after}).scalar() or 0)
    # A reader that holds nothing would get one page after the other, each with texts that the
    # `complete` events repeat.
    if after == 0 and (head > PAGE_EVENTS or size > PAGE_BYTES):
        return True
    # A snapshot holds each text twice, in `parts` and in `content`.
    return 2 * size + 800 < (head - after) * EVENT_OVERHEAD


def _run_ids(conn: Connection, keys: set[int]) -> dict[int, tuple[str, str]]:
    if not keys:
        return {}
    key_list = ",".join(str(int(key)) for key in keys)
    sql = (
        "SELECT run.pk, run.id, message.id FROM run JOIN message ON message.pk = run.message "
        f"WHERE run.pk IN ({key_list})"
    )
    return {pk: (run_id, message_id) for pk, run_id, message_id in execute(conn, sql)}


def _changed_runs(
    conn: Connection, thread: ThreadRef, after: int
) -> tuple[list[RunRecord], list[RunRef]]:
    sql = (
        f"SELECT {rows.RUN_COLUMNS}, message.id AS message_id FROM run "
        "JOIN message ON message.pk = run.message "
        "WHERE run.thread = :thread AND (run.seq > :after OR ended_ms IS NULL) ORDER BY run.pk"
    )
    run_rows = execute(conn, sql, {"thread": thread.pk, "after": after}).mappings().all()
    wires = [shown_run(row, thread.id) for row in run_rows if not _is_before(row["seq"], after)]
    open_runs = [
        RunRef(
            pk=row["pk"],
            id=row["id"],
            thread=thread,
            message_pk=row["message"],
            message_id=row["message_id"],
        )
        for row in run_rows
        if row["ended_ms"] is None
    ]
    return wires, open_runs


def _changed_messages(
    conn: Connection,
    thread: ThreadRef,
    after: int,
    open_runs: list[RunRef],
    head: int,
    limit: int | None,
) -> list[MessageRecord]:
    sql = (
        f"SELECT {rows.MESSAGE_COLUMNS} FROM message WHERE thread = :thread AND "
        "(seq > :after OR status IN ('pending', 'processing', 'waiting')) ORDER BY pk DESC"
    )
    params: rows.Columns = {"thread": thread.pk, "after": after}
    if limit is not None:
        sql += " LIMIT :limit"
        params["limit"] = limit
    messages = []
    for row in reversed(execute(conn, sql, params).mappings().all()):
        message = _read_folded(conn, thread, row, open_runs, head)
        if message["seq"] > after or message["error"] is not None:
            messages.append(message)
    return messages


def _read_folded(
    conn: Connection, thread: ThreadRef, row: rows.Row, open_runs: list[RunRef], head: int
) -> MessageRecord:
    def read() -> MessageRecord:
        message = rows.message_wire(row, thread.id)
        for run in open_runs:
            if run.message_id == message["id"]:
                return fold_message(conn, run, message, head).value()
        return message

    def instead(error: DamagedRow) -> MessageRecord:
        return damage.message_instead(row, thread.id, error)

    return damage.readable(read, instead)


def shown_run(row: rows.Row, thread_id: str) -> RunRecord:
    """Return the run of a row that has its ``message_id``, or a substitute for a damaged run."""
    return damage.readable(
        lambda: rows.run_wire(row, thread_id, row["message_id"]),
        lambda error: damage.run_instead(row, thread_id, row["message_id"], error),
    )


def _is_before(seq: Any, after: int) -> bool:
    return isinstance(seq, int) and seq <= after
