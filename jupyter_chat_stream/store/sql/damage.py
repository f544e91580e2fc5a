"""Damaged rows: rows that none of our code wrote as they are. They are found when read.

``checked`` turns every error of reading a row into ``DamagedRow``, which names the row. A list or
an export shows a substitute for a damaged row, so that the rest of its thread can be read.
``jupyter chat-stream check`` lists the damaged rows. Nothing changes them: they are evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from ...shared.errors import DamagedRow, FoldError, InvalidInput
from ...shared.events import STATUSES, Event, Unknown, iso
from ...shared.fold import whole_message
from ...shared.records import (
    Failure,
    MessageRecord,
    MessageStatus,
    Phase,
    RunRecord,
    ScheduleRecord,
    ThreadRecord,
    WrittenMessage,
)
from .driver import Undecodable

T = TypeVar("T")
Row = Mapping[str, Any]

_TEXTS_OF_PART = {
    "text": ("text",),
    "reasoning": ("text",),
    "attachment": ("name", "text"),
    "note": ("text",),
    "tool_result": ("tool_call_id", "name"),
    "input_request": ("request_id", "prompt"),
}
_FIELDS_OF_PART = {
    "tool_result": ("success", "output"),
    "input_request": ("choices", "expires_at", "value", "by"),
}


@contextmanager
def checked(thread_id: str, table: str, row: object) -> Iterator[None]:
    """Turn an error of the block into a ``DamagedRow`` that names the row."""
    try:
        yield
    except DamagedRow:
        raise
    except (ArithmeticError, InvalidInput, FoldError, LookupError, TypeError, ValueError) as error:
        reason = str(error) if isinstance(error, _Misfit) else type(error).__name__
        raise DamagedRow(thread_id, table, str(row), reason) from error
    except (AttributeError, OSError, RecursionError) as error:
        raise DamagedRow(thread_id, table, str(row), type(error).__name__) from error


class _Misfit(ValueError):
    """A column with an invalid value. The message names the column, never its content."""


def check_thread(thread: ThreadRecord) -> None:
    _expect_texts(thread, "id", "owner")
    _expect_texts(thread, "name", "title", "project", "model", "system", "head", or_none=True)
    _expect(isinstance(thread.get("params", {}), dict), "params")
    _expect(isinstance(thread.get("tools", {}), dict), "tools")


def check_message(message: Row) -> None:
    """Check the fields of a message that readers rely on."""
    _expect(message["role"] in ("user", "assistant"), "role")
    _expect(message["status"] in STATUSES, "status")
    _expect(isinstance(message["seq"], int), "seq")
    _expect(message["usage"] is None or isinstance(message["usage"], dict), "usage")
    error = message["error"]
    is_one = isinstance(error, dict) and {"code", "message"} <= error.keys()
    _expect(error is None or is_one, "error")
    _expect_texts(message, "id", "kind")
    _expect_texts(message, "model", "stop_reason", "run_id", "parent_id", or_none=True)
    _expect(isinstance(message["parts"], list), "parts")
    for part in message["parts"]:
        _check_part(part)


def check_run(run: RunRecord) -> None:
    """Check the fields of a run that readers rely on."""
    _expect(run["status"] in STATUSES, "status")
    _expect(isinstance(run["attempt"], int), "attempt")
    _expect(run["error"] is None or isinstance(run["error"], dict), "error")
    _expect_texts(run, "id", "message_id")
    _expect_texts(run, "phase", "model", "continues", or_none=True)


def check_event(event: Event) -> None:
    """Check the fields of an event that the fold relies on."""
    body = event.body
    _expect(isinstance(event.type, str), "type")
    _expect_texts(vars(event), "run_id", "message_id", or_none=True)
    if event.type == "delta":
        _expect(isinstance(body.text, str), "text")  # type: ignore[union-attr]
        _expect(isinstance(body.part, int), "part")  # type: ignore[union-attr]
        _expect(isinstance(body.kind, str), "kind")  # type: ignore[union-attr]
    elif event.type == "message":
        message: Any = body.message  # type: ignore[union-attr]
        _expect(isinstance(message, dict), "body")
        check_message({"seq": event.seq, "content": "", **message})
    elif event.type == "thread":
        _expect(isinstance(body.thread, dict), "body")  # type: ignore[union-attr]
    elif event.type == "finalized":
        _expect(body.status in STATUSES, "body")  # type: ignore[union-attr]
        usage = body.usage  # type: ignore[union-attr]
        _expect(usage is None or isinstance(usage, dict), "body")
    elif event.type == "tool_start":
        _expect(isinstance(body.part, int), "body")  # type: ignore[union-attr]
        _expect(isinstance(body.input, dict), "body")  # type: ignore[union-attr]
    elif event.type == "tool_output":
        _expect(isinstance(body.text, str), "body")  # type: ignore[union-attr]


def check_schedule(schedule: ScheduleRecord) -> None:
    """Check the fields of a schedule that readers rely on."""
    _expect_texts(schedule, "id", "thread_id", "content", "cron", "timezone")
    _expect_texts(schedule, "model", "last_run_id", or_none=True)
    _expect(schedule["params"] is None or isinstance(schedule["params"], dict), "params")


def _check_part(part: Any) -> None:
    _expect(isinstance(part, dict) and isinstance(part.get("kind"), str), "parts")
    kind = part["kind"]
    texts = _TEXTS_OF_PART.get(kind, ())
    if kind == "tool_call":
        texts = ("text",) if "input" not in part else ("tool_call_id", "name")
        _expect(isinstance(part.get("progress", ""), str), "parts")
    _expect(all(isinstance(part.get(name), str) for name in texts), "parts")
    _expect(all(name in part for name in _FIELDS_OF_PART.get(kind, ())), "parts")
    if "attachment_id" in part:
        _expect(all(isinstance(part.get(name), str) for name in ("attachment_id", "type")), "parts")
        _expect(isinstance(part.get("size"), int), "parts")


def _expect(is_so: bool, column: str) -> None:
    if not is_so:
        raise _Misfit(f"its {column} is not what it should be")


def _expect_texts(values: Mapping[str, object], *names: str, or_none: bool = False) -> None:
    for name in names:
        value = values[name]
        _expect(isinstance(value, str) or (or_none and value is None), name)


# ---------------------------------------------------------------------- substitutes


def readable(read: Callable[[], T], instead: Callable[[DamagedRow], T]) -> T:
    """Return the result of ``read``, or the substitute if its row is damaged."""
    try:
        return read()
    except DamagedRow as damage:
        return instead(damage)


def message_instead(row: Row, thread_id: str, damage: DamagedRow) -> MessageRecord:
    """Return the substitute for a damaged message: a failed one, with the damage as its error."""
    status: MessageStatus = row["status"] if row["status"] in STATUSES else "failed"
    is_user = row["role"] == "user"
    message: WrittenMessage = {
        "id": str(row["id"]),
        "thread_id": thread_id,
        "role": "user" if is_user else "assistant",
        "kind": "chat",
        "status": status if is_user else "failed",
        "parts": [],
        "model": _text(row["model"]),
        "usage": None,
        "stop_reason": None,
        "error": _error(damage),
        "run_id": _text(row["run_id"]),
        "parent_id": _text(row["parent_id"]),
        "created_at": _time(row["created_ms"]),
    }
    return whole_message(message, row["seq"] if isinstance(row["seq"], int) else 0)


def run_instead(row: Row, thread_id: str, message_id: str, damage: DamagedRow) -> RunRecord:
    ended_at = None if row["ended_ms"] is None else _time(row["ended_ms"])
    is_known = row["status"] in STATUSES
    return {
        "id": str(row["id"]),
        "thread_id": thread_id,
        "message_id": str(message_id),
        "status": row["status"] if is_known else "failed",
        "phase": cast(Phase | None, _text(row["phase"])),
        "attempt": row["attempt"] if isinstance(row["attempt"], int) else 0,
        "model": _text(row["model"]),
        "error": _error(damage),
        "continues": _text(row["continues"]),
        "created_at": _time(row["created_ms"]),
        "started_at": None,
        "first_event_at": None,
        "ended_at": ended_at,
        "wake_at": None,
    }


def thread_instead(row: Row, damage: DamagedRow) -> ThreadRecord:
    """Return the substitute for a damaged thread, with an ``error``."""
    return {  # type: ignore[typeddict-unknown-key]  # `error` is of a damaged row only
        "id": str(row["id"]),
        "name": _text(row["name"]),
        "title": _text(row["title"]),
        "owner": _text(row["owner"]) or "",
        "project": _text(row["project"]) or "",
        "model": _text(row["model"]),
        "system": _text(row["system"]),
        "head": _text(row["head"]),
        "archived": bool(row["archived"]),
        "deleted": bool(row["deleted"]),
        "created_at": _time(row["created_ms"]),
        "updated_at": _time(row["updated_ms"]),
        "error": _error(damage),
    }


def schedule_instead(row: Row, damage: DamagedRow) -> ScheduleRecord:
    """Return the substitute for a damaged schedule, with an ``error``."""
    return {  # type: ignore[typeddict-unknown-key]  # `error` is of a damaged row only
        "id": str(row["id"]),
        "thread_id": str(row["thread_id"]),
        "content": _text(row["content"]) or "",
        "cron": _text(row["cron"]) or "",
        "timezone": _text(row["timezone"]) or "",
        "model": _text(row["model"]),
        "params": None,
        "paused": bool(row["paused"]),
        "next_at": None if row["next_ms"] is None else _time(row["next_ms"]),
        "last_at": None if row["last_ms"] is None else _time(row["last_ms"]),
        "last_run_id": _text(row["last_run_id"]),
        "created_at": _time(row["created_ms"]),
        "error": _error(damage),
    }


def event_instead(seq: int, at_ms: Any, damage: DamagedRow) -> Event:
    """Return the substitute for a damaged event in an export. Folds ignore its type."""
    return Event(
        seq=seq,
        thread_id=damage.facts["thread_id"],
        at=at_ms if isinstance(at_ms, int) else 0,
        body=Unknown(type="damaged", fields={"error": _error(damage)}),
    )


def _error(damage: DamagedRow) -> Failure:
    return {"code": damage.code, "message": damage.message, "retryable": False}


def _text(value: Any) -> str | None:
    if isinstance(value, Undecodable):
        return str(value)
    return value if isinstance(value, str) else None


def _time(ms: Any) -> str:
    try:
        return iso(ms)
    except (ArithmeticError, OSError, TypeError, ValueError):
        return iso(0)
