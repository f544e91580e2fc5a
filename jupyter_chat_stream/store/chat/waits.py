"""Waits: messages for later, and questions to a person.

A waiting run uses no coroutine, no lease and no memory. The transaction that sets its status also
writes the reason of the wait to the log (L10). A message for later is visible at once, but it is on
no branch and in no queue before its time. The delivery sets the message's parent, makes the reply
the thread's head, and puts the run into the queue.

::

    send, deliver_at ─► waiting ──its time came──► delivered: pending, in its turn
                           └──cancel──► cancelled, and its message with it
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from ...shared.events import Event, Failed, MessageWritten
from ...shared.fold import fold_run, without_derived
from ...shared.records import InputRequestPart, MessageRecord
from ..log.transaction import RunRef, ThreadRef, Transaction, execute
from ..sql import rows

MAX_AHEAD_MS = 5 * 366 * 86_400_000  # the latest delivery time: about five years from now
JOINS_HEAD = "joins_head"  # in a run's params: the parent is the head at the time of delivery


def deliver(tx: Transaction, run: RunRef) -> None:
    """Set the parent of a message for later, and put its run into the thread's queue."""
    message = _message(tx.conn, run.thread, "pk", run.message_pk)
    deliver_message(tx, run.thread, message["parent_id"], joins_head=_joins_head(tx.conn, run))
    event = write_message(tx, run.thread, {**message, "status": "pending"}, run)
    state = tx.run(run)
    fold_run(state, event)
    columns = rows.run_columns(state, event.seq)
    tx.set_run(run, **columns, deliver_ms=None, turn=event.seq)


def deliver_message(
    tx: Transaction, thread: ThreadRef, message_id: str | None, *, joins_head: bool
) -> None:
    """Put a person's message for later on its branch.

    If the head is a descendant of the message, the message keeps its parent: otherwise the branch
    would contain a cycle.
    """
    message = _message(tx.conn, thread, "id", message_id)
    if joins_head:
        tx.flush()
        sql = "SELECT head FROM thread WHERE pk = :pk"
        head = execute(tx.conn, sql, {"pk": thread.pk}).scalar()
        if not hangs_on(tx.conn, head, message_id):
            message["parent_id"] = head
    write_message(tx, thread, {**message, "status": "completed"})


def withdraw(tx: Transaction, run: RunRef) -> None:
    """Cancel the message of a cancelled run if the message was not delivered."""
    sql = "SELECT deliver_ms FROM run WHERE pk = :pk"
    if tx.execute(sql, {"pk": run.pk}).scalar() is None:
        return
    reply = _message(tx.conn, run.thread, "pk", run.message_pk)
    message = _message(tx.conn, run.thread, "id", reply["parent_id"])
    write_message(tx, run.thread, {**message, "status": "cancelled"})
    tx.set_run(run, deliver_ms=None)


def send_again(tx: Transaction, run: RunRef, message_id: str | None) -> None:
    """Deliver a withdrawn message, because its run is retried.

    An imported reply may have no message; then do nothing.
    """
    if message_id is None:
        return
    if _message(tx.conn, run.thread, "id", message_id)["status"] == "cancelled":
        joins_head = _joins_head(tx.conn, run)
        deliver_message(tx, run.thread, message_id, joins_head=joins_head)


def open_question(conn: Connection, run: RunRef) -> InputRequestPart | None:
    """Return the model's unanswered question in a run's message; None if there is none.

    Questions about tool calls do not count: when one expires, the call fails and not the run.
    """
    parts = _message(conn, run.thread, "pk", run.message_pk)["parts"]
    for part in parts:
        if part["kind"] == "input_request" and part["by"] is None and "tool_call_id" not in part:
            return part
    return None


def expiry_failure(question: InputRequestPart) -> Failed:
    """Return the failure event of a run whose question has expired."""
    return Failed(
        code="input_expired",
        message=f"Nobody answered by {question['expires_at']}. Retry to be asked again.",
        retryable=True,
    )


def _joins_head(conn: Connection, run: RunRef) -> bool:
    text = execute(conn, "SELECT params FROM run WHERE pk = :pk", {"pk": run.pk}).scalar()
    return bool(rows.params_of(text, run.thread.id, run.id).get(JOINS_HEAD))


def hangs_on(conn: Connection, head: str | None, message_id: str | None) -> bool:
    """Return whether a message is on the head's branch. UNION stops at a cycle."""
    sql = (
        "WITH RECURSIVE branch(id) AS (SELECT id FROM message WHERE id = :head UNION "
        "SELECT message.parent_id FROM branch JOIN message ON message.id = branch.id "
        "WHERE message.parent_id IS NOT NULL) SELECT 1 FROM branch WHERE id = :id"
    )
    return execute(conn, sql, {"head": head, "id": message_id}).scalar() is not None


def _message(conn: Connection, thread: ThreadRef, key: str, value: Any) -> MessageRecord:
    sql = f"SELECT {rows.MESSAGE_COLUMNS} FROM message WHERE {key} = :value AND thread = :thread"
    params = {"value": value, "thread": thread.pk}
    return rows.message_wire(execute(conn, sql, params).mappings().one(), thread.id)


def write_message(
    tx: Transaction, thread: ThreadRef, message: MessageRecord, run: RunRef | None = None
) -> Event:
    """Append an event that replaces a message, and fold it into the message's row."""
    written_message = without_derived(message)
    event = tx.append(thread, MessageWritten(message=written_message), run=run)
    columns = rows.message_columns(written_message, event.seq)
    columns["parent_id"] = written_message["parent_id"]
    sets = ", ".join(f"{name} = :{name}" for name in columns)
    tx.execute(f"UPDATE message SET {sets} WHERE id = :id", {**columns, "id": message["id"]})
    return event
