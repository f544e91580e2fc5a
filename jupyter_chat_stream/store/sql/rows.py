"""Conversions between the rows of tables and the objects of the wire.

Both directions use the same form of JSON, so a row and the fold of its events can be compared byte
for byte (L7). Reading a damaged row raises ``DamagedRow``.
"""

from __future__ import annotations

import json
from typing import Any

from ...shared.events import (
    Delta,
    Event,
    MessageWritten,
    body_fields,
    canonical,
    from_iso,
    iso,
    make_body,
)
from ...shared.fold import whole_message
from ...shared.records import MessageRecord, Params, RunRecord, ThreadRecord, WrittenMessage
from .damage import Row as Row
from .damage import check_event, check_message, check_run, check_thread, checked

THREAD_COLUMNS = (
    "id, owner, project, name, title, model, system, head, archived, deleted, "
    "created_ms, updated_ms, message_params, message_tools"
)
MESSAGE_COLUMNS = (
    "id, role, kind, status, parts, model, usage, stop_reason, error, run_id, parent_id, seq, "
    "created_ms"
)
RUN_COLUMNS = (
    "run.pk, run.id, run.thread, run.message, run.status, phase, attempt, run.model, params, "
    "run.error, continues, owner, crashes, retries, run.created_ms, started_ms, "
    "first_event_ms, ended_ms, wake_ms, run.seq"
)
EVENT_COLUMNS = "seq, type, run, attempt, at_ms, part, kind, text, body"
WHOLE_EVENT = ("thread", *EVENT_COLUMNS.split(", "))

Columns = dict[str, str | int | None]  # values by the names of a table's columns


def thread_wire(row: Row) -> ThreadRecord:
    """Return a thread as on the wire."""
    with checked(str(row["id"]), "thread", row["id"]):
        thread: ThreadRecord = {
            "id": row["id"],
            "name": row["name"],
            "title": row["title"],
            "owner": row["owner"],
            "project": row["project"],
            "model": row["model"],
            "system": row["system"],
            "head": row["head"],
            "archived": bool(row["archived"]),
            "deleted": bool(row["deleted"]),
            "created_at": iso(row["created_ms"]),
            "updated_at": iso(row["updated_ms"]),
        }
        if row["message_params"] is not None:
            thread["params"] = json.loads(row["message_params"])
        if row["message_tools"] is not None:
            thread["tools"] = json.loads(row["message_tools"])
        check_thread(thread)
        return thread


def message_wire(row: Row, thread_id: str) -> MessageRecord:
    """Return a message as on the wire, folded up to the row's seq."""
    with checked(thread_id, "message", row["id"]):
        message: WrittenMessage = {
            "id": row["id"],
            "thread_id": thread_id,
            "role": row["role"],
            "kind": row["kind"],
            "status": row["status"],
            "parts": json.loads(row["parts"]),
            "model": row["model"],
            "usage": load(row["usage"]),
            "stop_reason": row["stop_reason"],
            "error": load(row["error"]),
            "run_id": row["run_id"],
            "parent_id": row["parent_id"],
            "created_at": iso(row["created_ms"]),
        }
        check_message({**message, "seq": row["seq"]})
        return whole_message(message, row["seq"])


def message_columns(message: WrittenMessage, seq: int) -> Columns:
    """Return the columns of a message that events change, folded up to ``seq``."""
    return {
        "status": message["status"],
        "parts": canonical(message["parts"]),
        "model": message["model"],
        "usage": dump(message["usage"]),
        "stop_reason": message["stop_reason"],
        "error": dump(message["error"]),
        "seq": seq,
    }


def run_wire(row: Row, thread_id: str, message_id: str) -> RunRecord:
    """Return a run as on the wire."""
    with checked(thread_id, "run", row["id"]):
        run: RunRecord = {
            "id": row["id"],
            "thread_id": thread_id,
            "message_id": message_id,
            "status": row["status"],
            "phase": row["phase"],
            "attempt": row["attempt"],
            "model": row["model"],
            "error": load(row["error"]),
            "continues": row["continues"],
            "created_at": iso(row["created_ms"]),
            "started_at": iso_or_none(row["started_ms"]),
            "first_event_at": iso_or_none(row["first_event_ms"]),
            "ended_at": iso_or_none(row["ended_ms"]),
            "wake_at": iso_or_none(row["wake_ms"]),
        }
        check_run(run)
        return run


def run_columns(run: RunRecord, seq: int) -> Columns:
    """Return the columns of a run that the fold decides."""
    return {
        "status": run["status"],
        "phase": run["phase"],
        "attempt": run["attempt"],
        "error": dump(run["error"]),
        "started_ms": _ms(run["started_at"]),
        "first_event_ms": _ms(run["first_event_at"]),
        "ended_ms": _ms(run["ended_at"]),
        "wake_ms": _ms(run["wake_at"]),
        "seq": seq,
    }


def event_row(event: Event, thread: int, run: int | None) -> tuple[Any, ...]:
    """Return an event's row, as ``WHOLE_EVENT``; only a delta's text has a column of its own."""
    body = event.body
    common = (thread, event.seq, body.type, run, event.attempt, event.at)
    if isinstance(body, Delta):
        return (*common, body.part, body.kind, body.text, None)
    return (*common, None, None, None, canonical(body_fields(body)))


def event_value(row: Any, thread_id: str, run: tuple[str, str] | None) -> Event:
    """Return the event of a row of ``EVENT_COLUMNS``; ``run`` is (run id, message id)."""
    with checked(thread_id, "event", f"seq {row[0]}"):
        seq, type_, _, attempt, at_ms, part, kind, text, body = row
        run_id, message_id = run or (None, None)
        value: Any
        if type_ == "delta":
            value = Delta(part=part, kind=kind, text=text)
        else:
            value = make_body(type_, json.loads(body))
            if isinstance(value, MessageWritten):
                message_id = value.message["id"]
        event = Event(
            seq=seq,
            thread_id=thread_id,
            at=int(at_ms),
            run_id=run_id,
            message_id=message_id,
            attempt=attempt,
            body=value,
        )
        check_event(event)
        return event


def params_of(text: Any, thread_id: str, run_id: str) -> Params:
    """Read the parameters of a run."""
    with checked(thread_id, "run", run_id):
        return dict(json.loads(text))


def load(text: str | None) -> Any:
    """Read the JSON of a column that may be NULL."""
    return None if text is None else json.loads(text)


def load_or_none(text: str | None) -> Any:
    """Read the JSON of a column; None also if it cannot be read."""
    try:
        return load(text)
    except (ValueError, TypeError, RecursionError):
        return None


def dump(value: Any) -> str | None:
    """Write JSON for a column that may be NULL."""
    return None if value is None else canonical(value)


def iso_or_none(ms: int | None) -> str | None:
    """Write the time of a column that may be NULL."""
    return None if ms is None else iso(ms)


def _ms(text: str | None) -> int | None:
    return None if text is None else from_iso(text)
