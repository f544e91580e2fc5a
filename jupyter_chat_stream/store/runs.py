"""Runs: sending, claiming, ending. Each function is one step of the state machine.

::

    pending ──claim──► processing ──┬─► completed, failed, cancelled, interrupted
       ▲                 │    ▲     │
       └──── input ── waiting ┘claim (wake_at came, or the owner died)

``claim`` is a compare-and-set on the attempt: of all who try, one gets it, and every write of an
attempt before it is refused from then on (L5). What each transaction leaves keeps L10: a run that
has not ended has a live owner, a time to wake, an open question, or a predecessor in its thread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy import Connection, insert

from ..errors import RunNotEnded, RunNotFound
from ..events import ENDS, STATUSES, Body, Failed, Finalized, MessageWritten, StatusChanged, iso
from ..messages import new_message
from . import rows
from .log import RunRef, ThreadRef, Transaction, execute
from .reading import read_message
from .tables import MessageRow, RunRow, new_key, table

OnCrash = Literal["continue", "restart", "interrupt"]

_REF = (
    "SELECT run.pk, run.id, run.thread, thread.id, run.message, message.id FROM run "
    "JOIN thread ON thread.pk = run.thread JOIN message ON message.pk = run.message "
)


@dataclass(frozen=True, kw_only=True)
class Due:
    """A run that waits for somebody to execute it. ``attempt`` is its last one."""

    run: RunRef
    attempt: int
    status: str
    owner: str | None


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What an attempt begins with."""

    run: RunRef
    attempt: int
    model: str
    params: dict[str, Any]
    retries: int


@dataclass(frozen=True, kw_only=True)
class NewReply:
    """A reply that is to be made: where it hangs, and what was asked for."""

    parent_id: str | None
    model: str
    params: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[Mapping[str, Any]] = ()
    continues: str | None = None


def find_run(conn: Connection, owner: str, run_id: str) -> RunRef:
    """Find a run that the owner may see.

    Raises:
        RunNotFound: there is none, or it is somebody else's.
    """
    sql = _REF + "WHERE run.id = :id AND thread.owner = :owner AND NOT thread.deleted"
    row = execute(conn, sql, {"id": run_id, "owner": owner}).first()
    if row is None:
        raise RunNotFound(run_id)
    return _ref(row)


def find_in_thread(conn: Connection, thread: ThreadRef, run_id: str) -> RunRef:
    """Find a run by its id within a thread it is known to belong to."""
    sql = _REF + "WHERE run.id = :id AND run.thread = :thread"
    return _ref(execute(conn, sql, {"id": run_id, "thread": thread.pk}).one())


def find_request(tx: Transaction, run: RunRef, request_id: str) -> dict[str, Any] | None:
    """Give the question part of a run's message, answered or not."""
    parts = read_message(tx.conn, run)["parts"]
    for part in parts:
        if part["kind"] == "input_request" and part["request_id"] == request_id:
            return dict(part)
    return None


def read_run(conn: Connection, run: RunRef) -> dict[str, Any]:
    """Give the run as on the wire."""
    sql = f"SELECT {rows.RUN_COLUMNS} FROM run WHERE pk = :pk"
    row = execute(conn, sql, {"pk": run.pk}).mappings().one()
    return rows.run_wire(row, run.thread.id, run.message_id)


def list_runs(conn: Connection, thread: ThreadRef) -> list[dict[str, Any]]:
    """Give a thread's runs, oldest first."""
    sql = (
        f"SELECT {rows.RUN_COLUMNS}, message.id AS message_id FROM run "
        "JOIN message ON message.pk = run.message WHERE run.thread = :pk ORDER BY run.pk"
    )
    found = execute(conn, sql, {"pk": thread.pk}).mappings()
    return [rows.run_wire(row, thread.id, row["message_id"]) for row in found]


def open_runs(conn: Connection, thread: ThreadRef) -> list[RunRef]:
    """Give the thread's runs that have not ended."""
    sql = _REF + "WHERE run.thread = :pk AND run.ended_ms IS NULL ORDER BY run.pk"
    return [_ref(row) for row in execute(conn, sql, {"pk": thread.pk})]


def count_by_status(conn: Connection) -> dict[str, int]:
    """Count all runs; a status that none has counts 0."""
    found = execute(conn, "SELECT status, COUNT(*) FROM run GROUP BY status").fetchall()
    return {**dict.fromkeys(STATUSES, 0), **{row[0]: row[1] for row in found}}


def count_sent_since(conn: Connection, owner: str, since_ms: int) -> tuple[int, int | None]:
    """Count an owner's messages since a time, and give when the first of them came."""
    sql = (
        "SELECT COUNT(*), MIN(message.created_ms) FROM message JOIN thread ON "
        "thread.pk = message.thread WHERE thread.owner = :owner AND role = 'user' "
        "AND message.created_ms > :since AND thread.updated_ms > :since"
    )
    row = execute(conn, sql, {"owner": owner, "since": since_ms}).one()
    return row[0], row[1]


def add_message(
    tx: Transaction,
    thread: ThreadRef,
    *,
    parts: Sequence[Mapping[str, Any]],
    parent_id: str | None,
) -> dict[str, Any]:
    """Write a person's message: event and row."""
    message = new_message(
        id=tx.new_id(),
        thread_id=thread.id,
        role="user",
        status="completed",
        created_at=tx.now_ms,
        parts=parts,
        parent_id=parent_id,
    )
    event = tx.append(thread, MessageWritten(message=message))
    _insert_message(tx, thread, message, event.seq)
    return message


def add_reply(tx: Transaction, thread: ThreadRef, reply: NewReply) -> RunRef:
    """Write an empty reply and the run that is to fill it: pending, and due in its turn."""
    run_id = tx.new_id()
    message = new_message(
        id=tx.new_id(),
        thread_id=thread.id,
        role="assistant",
        status="pending",
        created_at=tx.now_ms,
        parts=reply.parts,
        model=reply.model,
        run_id=run_id,
        parent_id=reply.parent_id,
    )
    seq = tx.head(thread) + 1
    message_pk = _insert_message(tx, thread, message, seq)
    columns = {
        "id": run_id,
        "thread": thread.pk,
        "message": message_pk,
        "status": "pending",
        "phase": "queued",
        "attempt": 0,
        "model": reply.model,
        "params": json.dumps(dict(reply.params)),
        "continues": reply.continues,
        "crashes": 0,
        "retries": 0,
        "created_ms": tx.now_ms,
        "seq": seq,
    }
    into = table(RunRow)
    pk = new_key(tx.conn.execute(insert(into), columns))
    run = RunRef(pk=pk, id=run_id, thread=thread, message_pk=message_pk, message_id=message["id"])
    tx.append(thread, MessageWritten(message=message, continues=reply.continues), run=run)
    return run


def find_due(conn: Connection, now_ms: int) -> list[Due]:
    """List every run that somebody may have to execute, oldest first.

    A run with an owner is listed too: whether that owner lives is for the engine to say.
    """
    sql = (
        "SELECT run.pk, run.id, run.thread, thread.id, run.message, message.id, run.attempt, "
        "run.status, run.owner FROM run JOIN thread ON thread.pk = run.thread "
        "JOIN message ON message.pk = run.message WHERE run.ended_ms IS NULL AND "
        "(run.owner IS NOT NULL OR run.status <> 'waiting' OR run.wake_ms <= :now) "
        "AND NOT EXISTS (SELECT 1 FROM run AS earlier WHERE "
        "earlier.thread = run.thread AND earlier.pk < run.pk AND earlier.ended_ms IS NULL) "
        "ORDER BY run.pk"
    )
    return [
        Due(run=_ref(row), attempt=row[6], status=row[7], owner=row[8])
        for row in execute(conn, sql, {"now": now_ms})
    ]


def find_held(conn: Connection, owner: str) -> set[str]:
    """Give the ids of the runs that this owner holds."""
    sql = "SELECT id FROM run WHERE owner = :owner AND ended_ms IS NULL"
    return set(execute(conn, sql, {"owner": owner}).scalars())


def next_wake(conn: Connection, after_ms: int) -> int | None:
    """Give the next time, in ms, at which a waiting run without an owner becomes due."""
    sql = (
        "SELECT MIN(wake_ms) FROM run WHERE ended_ms IS NULL AND status = 'waiting' "
        "AND owner IS NULL AND wake_ms > :after"
    )
    value: int | None = execute(conn, sql, {"after": after_ms}).scalar()
    return value


def claim(
    tx: Transaction,
    due: Due,
    owner: str,
    *,
    max_crashes: int,
    on_crash: OnCrash,
) -> Claimed | None:
    """Take a run for the next attempt; None where another was first or the run has ended by it.

    A run whose owner died crashed: it is counted, and one that crashes too often is failed.
    """
    row = tx.execute(
        "SELECT attempt, status, phase, owner, model, params, crashes, retries "
        "FROM run WHERE pk = :pk",
        {"pk": due.run.pk},
    ).one()
    attempt, status, phase, last_owner, model, params, crashes, retries = row
    if attempt != due.attempt or status in ENDS or last_owner != due.owner:
        return None
    crashed = last_owner is not None
    tx.set_run(due.run, owner=owner, crashes=crashes + crashed)
    attempt += 1
    if crashed and crashes + 1 >= max_crashes:
        why = Failed(
            code="crashed_too_often",
            message=f"Work on this answer broke off {crashes + 1} times, with its process or "
            "inside it. Look at the server's log for what ended it, then retry.",
            retryable=True,
        )
        end_run(tx, due.run, "failed", attempt, (why,))
        return None
    if crashed and on_crash == "interrupt":
        end_run(tx, due.run, "interrupted", attempt)
        return None
    was_cut = crashed or phase == "retrying"
    _begin_attempt(tx, due.run, attempt, restart=was_cut and on_crash == "restart")
    return Claimed(
        run=due.run, attempt=attempt, model=model, params=json.loads(params), retries=retries
    )


def retry_attempt(tx: Transaction, claimed: Claimed, *, restart: bool = False) -> Claimed | None:
    """Go on with the next attempt of a run that this process holds; None where it was fenced."""
    tx.guard((claimed.run,))
    state = tx.run(claimed.run)
    if state["attempt"] != claimed.attempt or state["status"] in ENDS:
        return None
    _begin_attempt(tx, claimed.run, claimed.attempt + 1, restart=restart)
    return replace(claimed, attempt=claimed.attempt + 1, retries=claimed.retries + 1)


def put_off(
    tx: Transaction, claimed: Claimed, until_ms: int, reason: str, *, release: bool
) -> None:
    """Count a failed attempt and say when the next one comes.

    With ``release`` nobody holds the run until then, and the sweep takes it.

    Raises:
        StaleAttempt: another attempt or an end came first.
    """
    tx.guard((claimed.run,))
    status = StatusChanged(phase="retrying", detail=reason, until=iso(until_ms))
    tx.append_attempt(claimed.run, claimed.attempt, (status,))
    tx.set_run(claimed.run, retries=claimed.retries + 1)
    if release:
        tx.set_run(claimed.run, owner=None)
    tx.settle(claimed.run)


def _begin_attempt(tx: Transaction, run: RunRef, attempt: int, *, restart: bool) -> None:
    tx.flush()
    tx.settle(run)
    tx.flush()
    sql = f"SELECT {rows.MESSAGE_COLUMNS} FROM message WHERE pk = :pk"
    row = tx.execute(sql, {"pk": run.message_pk}).mappings().one()
    message = rows.message_wire(row, run.thread.id)
    has_parts = bool(message["parts"])
    # what a run took over from the one it continues is not its own to throw away
    if restart and has_parts and tx.run(run)["continues"] is None:
        for derived in ("content", "seq"):
            del message[derived]
        message.update(parts=[], status="processing", error=None)
        tx.append(run.thread, MessageWritten(message=message), run=run, attempt=attempt)
        has_parts = False
    phase = "continuing" if has_parts else "thinking"
    tx.append(run.thread, StatusChanged(phase=phase), run=run, attempt=attempt)
    tx.settle(run)


def end_run(
    tx: Transaction, run: RunRef, status: str, attempt: int, bodies: Sequence[Body] = ()
) -> None:
    """End a run from outside its attempt, under a new attempt's number (L4, L5)."""
    for body in (*bodies, Finalized(status=status)):
        tx.append(run.thread, body, run=run, attempt=attempt)


def cancel(tx: Transaction, run: RunRef) -> bool:
    """End a run as cancelled, whoever works on it; False where it had ended."""
    state = tx.run(run)
    if state["status"] in ENDS:
        return False
    end_run(tx, run, "cancelled", state["attempt"] + 1)
    return True


def make_successor(tx: Transaction, run: RunRef, *, keep_parts: bool) -> RunRef:
    """Make the new run that retries (a sibling) or continues an ended one.

    Raises:
        RunNotEnded: there is nothing to repeat yet.
    """
    state = tx.run(run)
    if state["status"] not in ENDS:
        raise RunNotEnded(run.id, state["status"])
    row = tx.execute(
        "SELECT run.params, run.model, message.parent_id, message.parts FROM run "
        "JOIN message ON message.pk = run.message WHERE run.pk = :pk",
        {"pk": run.pk},
    ).one()
    reply = NewReply(
        parent_id=row[2],
        model=row[1],
        params=json.loads(row[0]),
        parts=json.loads(row[3]) if keep_parts else (),
        continues=run.id if keep_parts else None,
    )
    return add_reply(tx, run.thread, reply)


def _insert_message(
    tx: Transaction, thread: ThreadRef, message: Mapping[str, Any], seq: int
) -> int:
    into = table(MessageRow)
    columns = {**rows.message_columns(message, seq), "thread": thread.pk}
    return new_key(tx.conn.execute(insert(into), columns))


def _ref(row: Sequence[Any]) -> RunRef:
    return RunRef(
        pk=row[0],
        id=row[1],
        thread=ThreadRef(pk=row[2], id=row[3]),
        message_pk=row[4],
        message_id=row[5],
    )
