"""Makes, finds and ends runs. Each function is one step of the state machine.

::

    waiting (for later) ──claim──┐  ┌── waiting ◄──┐ asks, sleeps, or is retried later
                                 ▼  ▼ claim        │
                 pending ──claim──► processing ────┴─► completed, failed, cancelled, interrupted
                    └──── input ◄── waiting

After each transaction, a run that has not ended has a living holder, a time to wake, an open
question, or a predecessor in its thread (L10). Claims are in ``claims``, waits in ``waits``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ...shared.endings import REFUSAL, is_cut_call
from ...shared.errors import RunNotEnded, RunNotFound, RunRefused
from ...shared.events import ENDS, STATUSES, Body, MessageWritten, iso
from ...shared.fold import whole_message
from ...shared.parts import cut_off, open_calls
from ...shared.records import (
    EndStatus,
    MessageRecord,
    MessageStatus,
    Params,
    Part,
    Role,
    RunRecord,
    WrittenMessage,
)
from ..log import upstreams
from ..log.ends import end_of
from ..log.reading import shown_run
from ..log.transaction import RunRef, ThreadRef, Transaction, execute
from ..sql import rows
from ..sql.tables import MessageRow, RunRow
from . import holding, waits

_REF = f"SELECT {RunRef.COLUMNS} {RunRef.TABLES} "
MOST_LISTED = 1000  # runs on one page
TAKEN_OVER = "taken_over"  # in a run's params: how many parts come from the run before it
_BROKEN = ("failed", "interrupted")  # the answer is incomplete, and no person has stopped it


@dataclass(frozen=True, kw_only=True)
class NewReply:
    """A reply to create; ``deliver_ms`` is the delivery time of its message, None: now."""

    parent_id: str | None
    model: str | None
    params: Params = field(default_factory=dict)
    parts: Sequence[Part] = ()
    continues: str | None = None
    deliver_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class RetryRequest:
    """The choices of a retry. None means the value of the retried run.

    ``params``: the message's own parameters; the thread's parameters apply, too.
    """

    model: str | None = None
    params: Params | None = None

    def body(self) -> dict[str, object]:
        """Return the request as an idempotency key compares it."""
        return {name: value for name, value in vars(self).items() if value is not None}


AS_BEFORE = RetryRequest()


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A new run and its reply, in their wire form."""

    ref: RunRef
    reply: MessageRecord
    run: RunRecord


def find_run(conn: Connection, owner: str, run_id: str) -> RunRef:
    """Find a run that the owner may see; raises RunNotFound for any other."""
    sql = _REF + "WHERE run.id = :id AND thread.owner = :owner AND NOT thread.deleted"
    row = execute(conn, sql, {"id": run_id, "owner": owner}).first()
    if row is None:
        raise RunNotFound(run_id)
    return RunRef.of(row)


def find_in_thread(conn: Connection, thread: ThreadRef, run_id: str) -> RunRef:
    sql = _REF + "WHERE run.id = :id AND run.thread = :thread"
    return RunRef.of(execute(conn, sql, {"id": run_id, "thread": thread.pk}).one())


def read_run(conn: Connection, run: RunRef) -> RunRecord:
    sql = f"SELECT {rows.RUN_COLUMNS} FROM run WHERE pk = :pk"
    row = execute(conn, sql, {"pk": run.pk}).mappings().one()
    return rows.run_wire(row, run.thread.id, run.message_id)


def read_begun_ms(conn: Connection, run: RunRef) -> int:
    """Return the time when work on a run first began; before that, the run's creation time."""
    sql = "SELECT COALESCE(started_ms, created_ms) FROM run WHERE pk = :pk"
    return int(execute(conn, sql, {"pk": run.pk}).scalar_one())


def list_runs(
    conn: Connection,
    thread: ThreadRef,
    *,
    limit: int = MOST_LISTED,
    before: str | None = None,
    is_open: bool = False,
) -> list[RunRecord]:
    """Return the newest ``limit`` of a thread's runs, oldest first.

    Args:
        before: the id of a run; list only runs made before it.
        is_open: whether to list only runs that have not ended.

    Raises:
        RunNotFound: ``before`` is no run of this thread.
    """
    sql = (
        f"SELECT {rows.RUN_COLUMNS}, message.id AS message_id FROM run "
        "JOIN message ON message.pk = run.message WHERE run.thread = :pk "
    )
    params: rows.Columns = {"pk": thread.pk, "limit": limit}
    if before is not None:
        place = "SELECT pk FROM run WHERE id = :id AND thread = :pk"
        params["before"] = execute(conn, place, {"id": before, "pk": thread.pk}).scalar()
        if params["before"] is None:
            raise RunNotFound(before)
        sql += "AND run.pk < :before "
    if is_open:
        sql += "AND run.ended_ms IS NULL "
    run_rows = execute(conn, sql + "ORDER BY run.pk DESC LIMIT :limit", params).mappings().all()
    return [shown_run(row, thread.id) for row in reversed(run_rows)]


def open_runs(conn: Connection, thread: ThreadRef) -> list[RunRef]:
    """Find the thread's runs that have not ended."""
    sql = _REF + "WHERE run.thread = :pk AND run.ended_ms IS NULL ORDER BY run.pk"
    return [RunRef.of(row) for row in execute(conn, sql, {"pk": thread.pk})]


def count_by_status(conn: Connection) -> dict[str, int]:
    """Count all runs; a status without runs counts 0."""
    counts = execute(conn, "SELECT status, COUNT(*) FROM run GROUP BY status").fetchall()
    return {**dict.fromkeys(STATUSES, 0), **{row[0]: row[1] for row in counts}}


def new_message(
    *,
    id: str,
    thread_id: str,
    role: Role,
    status: MessageStatus,
    created_at: str,
    parts: Iterable[Part] = (),
    model: str | None = None,
    run_id: str | None = None,
    parent_id: str | None = None,
) -> WrittenMessage:
    """Build a message as a ``message`` event carries it: without the fields in ``DERIVED``."""
    return {
        "id": id,
        "thread_id": thread_id,
        "role": role,
        "kind": "chat",
        "status": status,
        "parts": [part.copy() for part in parts],
        "model": model,
        "usage": None,
        "stop_reason": None,
        "error": None,
        "run_id": run_id,
        "parent_id": parent_id,
        "created_at": created_at,
    }


def add_message(
    tx: Transaction,
    thread: ThreadRef,
    *,
    parts: Sequence[Part],
    parent_id: str | None,
    is_for_later: bool = False,
) -> MessageRecord:
    """Write a person's message, and return its wire form."""
    message = new_message(
        id=tx.new_id(),
        thread_id=thread.id,
        role="user",
        status="waiting" if is_for_later else "completed",
        created_at=tx.at,
        parts=parts,
        parent_id=parent_id,
    )
    event = tx.append(thread, MessageWritten(message=message))
    _insert_message(tx, thread, message, event.seq)
    return whole_message(message, event.seq)


def add_reply(tx: Transaction, thread: ThreadRef, reply: NewReply) -> NewRun:
    """Write an empty reply and its run, which is due in the thread's queue or at ``deliver_ms``."""
    run_id, deliver_ms = tx.new_id(), reply.deliver_ms
    status: MessageStatus = "pending" if deliver_ms is None else "waiting"
    deliver_at = None if deliver_ms is None else iso(deliver_ms)
    message = new_message(
        id=tx.new_id(),
        thread_id=thread.id,
        role="assistant",
        status=status,
        created_at=tx.at,
        parts=reply.parts,
        model=reply.model,
        run_id=run_id,
        parent_id=reply.parent_id,
    )
    state: RunRecord = {
        "id": run_id,
        "thread_id": thread.id,
        "message_id": message["id"],
        "status": status,
        "phase": "queued" if deliver_ms is None else "waiting",
        "attempt": 0,
        "model": reply.model,
        "error": None,
        "continues": reply.continues,
        "created_at": tx.at,
        "started_at": None,
        "first_event_at": None,
        "ended_at": None,
        "wake_at": deliver_at,
    }
    seq = tx.head(thread) + 1
    ref = _insert_run(tx, thread, reply, state, _insert_message(tx, thread, message, seq), seq)
    body = MessageWritten(message=message, continues=reply.continues, deliver_at=deliver_at)
    tx.open_run(ref, state, body)
    return NewRun(ref=ref, reply=whole_message(message, seq), run=state.copy())


def end_run(
    tx: Transaction, run: RunRef, status: EndStatus, attempt: int, bodies: Sequence[Body] = ()
) -> None:
    """End a run from outside its attempt: a new attempt's number fences the old one (L4, L5)."""
    for body in (*bodies, end_of(tx, run, status)):
        tx.append(run.thread, body, run=run, attempt=attempt)


def cancel(tx: Transaction, run: RunRef) -> bool:
    """Cancel a run, even if another process holds it; False if it has ended already."""
    state = tx.run(run)
    if state["status"] in ENDS:
        return False
    waits.withdraw(tx, run)
    end_run(tx, run, "cancelled", state["attempt"] + 1)
    return True


def make_successor(
    tx: Transaction, run: RunRef, *, keep_parts: bool, choices: RetryRequest = AS_BEFORE
) -> NewRun:
    """Make a new run that retries an ended one (a sibling) or continues it.

    A run that continues a failed run joins its upstream, which may still be running (L15).

    Raises:
        RunNotEnded
        RunRefused: a reply that the model refused cannot be continued.
    """
    state = tx.run(run)
    if state["status"] not in ENDS:
        raise RunNotEnded(run.id, state["status"])
    error = state["error"]
    if keep_parts and error is not None and error.get("code") == REFUSAL:
        raise RunRefused(run.id)
    row = tx.execute(
        "SELECT run.params, run.model, message.parent_id, run.upstream, run.tools FROM run "
        "JOIN message ON message.pk = run.message WHERE run.pk = :pk",
        {"pk": run.pk},
    ).one()
    waits.send_again(tx, run, row[2])
    parts = tx.reply(run)["parts"] if keep_parts else []
    kept_parts = [part for part in parts if not (_is_unanswered(part) or is_cut_call(part))]
    kept_parts.extend(cut_off(part) for part in open_calls(parts))
    params = {**rows.params_of(row[0], run.thread.id, run.id), TAKEN_OVER: len(kept_parts)}
    if choices.params is not None:
        params = {**params, "params": dict(choices.params)}
    reply = NewReply(
        parent_id=row[2],
        model=choices.model or row[1],
        params=params,
        parts=kept_parts,
        continues=run.id if keep_parts else None,
    )
    new_run = add_reply(tx, run.thread, reply)
    if keep_parts:
        holding.hold_attachments_of(tx, new_run.ref.message_pk, run.message_pk)
        tx.set_run(new_run.ref, tools=row[4])
        equal_parts = next(
            (n for n, part in enumerate(parts) if part not in kept_parts), len(parts)
        )
        upstreams.copy_data(tx, run, new_run.ref, parts=equal_parts)
        if equal_parts == len(parts) and state["status"] in _BROKEN:
            tx.set_run(new_run.ref, upstream=row[3])
    return new_run


def _is_unanswered(part: Part) -> bool:
    return part["kind"] == "input_request" and part["by"] is None


def _insert_message(tx: Transaction, thread: ThreadRef, message: WrittenMessage, seq: int) -> int:
    columns = {
        "id": message["id"],
        "thread": thread.pk,
        "role": message["role"],
        "kind": message["kind"],
        "run_id": message["run_id"],
        "parent_id": message["parent_id"],
        "created_ms": tx.now_ms,
    }
    return tx.insert(MessageRow, {**columns, **rows.message_columns(message, seq)})


def _insert_run(
    tx: Transaction,
    thread: ThreadRef,
    reply: NewReply,
    state: RunRecord,
    message_pk: int,
    seq: int,
) -> RunRef:
    columns = {
        "id": state["id"],
        "status": state["status"],
        "phase": state["phase"],
        "attempt": state["attempt"],
        "wake_ms": reply.deliver_ms,
        "seq": seq,
        "thread": thread.pk,
        "message": message_pk,
        "model": reply.model,
        "params": json.dumps(dict(reply.params)),
        "continues": reply.continues,
        "crashes": 0,
        "retries": 0,
        "created_ms": tx.now_ms,
        "deliver_ms": reply.deliver_ms,
        "turn": seq,
    }
    return RunRef(
        pk=tx.insert(RunRow, columns),
        id=state["id"],
        thread=thread,
        message_pk=message_pk,
        message_id=state["message_id"],
    )
