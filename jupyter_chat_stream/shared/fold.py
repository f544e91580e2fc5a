"""The fold: from events to the state of a thread. Pure: no I/O, no clock, nothing hidden.

``Transcript`` is the state of one thread: its fields, its messages, its runs and the cursor it
stands at. ``apply`` folds one event, ``replace`` takes a snapshot; both are the Python twin of
``labextension/src/transcript.ts`` and run the same vectors. Values are the wire's own objects
(see docs/protocol.md), so a row, a frame and a state can be compared byte for byte (L6, L7).

``fold_run`` and ``MessageFold`` are the same rules for one run and one message; the store keeps
its rows with them, so a row cannot disagree with the log it came from.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .endings import DERIVED, content_of, incomplete_of
from .errors import FoldError
from .events import (
    STATUS_BY_PHASE,
    Completed,
    Delta,
    Event,
    Failed,
    Finalized,
    InputGiven,
    InputRequested,
    MessageWritten,
    StatusChanged,
    ThreadChanged,
    ToolReturned,
    ToolStarted,
    iso,
)

PART_BY_KIND = {"text": "text", "reasoning": "reasoning", "tool_input": "tool_call"}


def new_message(
    *,
    id: str,
    thread_id: str,
    role: str,
    status: str,
    created_at: int,
    parts: Iterable[Mapping[str, Any]] = (),
    model: str | None = None,
    run_id: str | None = None,
    parent_id: str | None = None,
) -> dict[str, Any]:
    """Build a message as a ``message`` event carries it: without what is ``DERIVED``."""
    return {
        "id": id,
        "thread_id": thread_id,
        "role": role,
        "kind": "chat",
        "status": status,
        "parts": [dict(part) for part in parts],
        "model": model,
        "usage": None,
        "stop_reason": None,
        "error": None,
        "run_id": run_id,
        "parent_id": parent_id,
        "created_at": iso(created_at),
    }


def whole_message(message: Mapping[str, Any], seq: int) -> dict[str, Any]:
    """Return a message as on the wire: with what is derived of it."""
    derived = {"content": content_of(message["parts"]), "incomplete": incomplete_of(message)}
    return {**message, **derived, "seq": seq}


class MessageFold:
    """One message while events are folded into it; appended text is joined only when read."""

    def __init__(self, message: Mapping[str, Any], seq: int) -> None:
        self._fields = {k: v for k, v in message.items() if k not in ("parts", *DERIVED)}
        self._parts: list[dict[str, Any]] = [dict(part) for part in message["parts"]]
        self._tail: list[str] = []  # text not yet joined to the last part appended to
        self._tail_at: tuple[int, str] | None = None  # that part's index and the delta's kind
        self.seq = seq

    def value(self) -> dict[str, Any]:
        """Give the message as on the wire."""
        self._join()
        return whole_message({**self._fields, "parts": copy.deepcopy(self._parts)}, self.seq)

    @property
    def run_id(self) -> str | None:
        return self._fields["run_id"]

    @property
    def parent_id(self) -> str | None:
        return self._fields["parent_id"]

    def apply(self, event: Event) -> None:
        """Fold one event of this message.

        Raises:
            FoldError: the event does not fit.
        """
        if event.seq <= self.seq:
            return
        body = event.body
        if isinstance(body, Delta):
            self.append(body.part, body.kind, body.text, event.seq)
        elif isinstance(body, MessageWritten):
            self.__init__(body.message, event.seq)  # type: ignore[misc]
        else:
            self._settle(body, event)
        self.seq = event.seq

    def append(self, part: int, kind: str, text: str, seq: int) -> None:
        """Fold a delta: what ``apply`` does with its event (long tails are folded this way).

        Raises:
            FoldError: the delta does not fit.
        """
        if seq <= self.seq:
            return
        if (part, kind) != self._tail_at:
            self._open(part, kind, seq)
        self._tail.append(text)
        self.seq = seq

    def _open(self, part: int, kind: str, seq: int) -> None:
        self._join()
        made = PART_BY_KIND.get(kind)
        if part == len(self._parts) and made is not None:
            self._parts.append({"kind": made, "text": ""})
        elif not (
            0 <= part < len(self._parts)
            and self._parts[part]["kind"] == made
            and "text" in self._parts[part]
        ):
            raise FoldError(f"Event {seq} appends to part {part}, which cannot take it.", seq=seq)
        self._tail_at, self._tail = (part, kind), []

    def _join(self) -> None:
        if self._tail_at is not None:
            self._parts[self._tail_at[0]]["text"] += "".join(self._tail)
            self._tail_at, self._tail = None, []

    def _settle(self, body: Any, event: Event) -> None:
        self._join()
        fields = self._fields
        if isinstance(body, StatusChanged):
            fields["status"] = STATUS_BY_PHASE.get(body.phase, fields["status"])
        elif isinstance(body, ToolStarted):
            part = {
                "kind": "tool_call",
                "tool_call_id": body.tool_call_id,
                "name": body.name,
                "input": dict(body.input),
            }
            if not 0 <= body.part <= len(self._parts):
                raise FoldError(
                    f"Event {event.seq} starts part {body.part}, too far.", seq=event.seq
                )
            self._parts[body.part : body.part + 1] = [part]
        elif isinstance(body, ToolReturned):
            self._parts.append(_tool_result(body))
        elif isinstance(body, InputRequested):
            self._parts.append(_input_request(body))
            fields["status"] = "waiting"
        elif isinstance(body, InputGiven):
            for asked in self._parts:
                if asked["kind"] == "input_request" and asked["request_id"] == body.request_id:
                    asked.update(value=body.value, by=body.by)
            fields["status"] = "pending"
        elif isinstance(body, Completed):
            fields.update(usage=body.usage and dict(body.usage), stop_reason=body.stop_reason)
            fields.update(model=body.model or fields["model"], error=None)
        elif isinstance(body, Failed):
            fields["error"] = _error(body)
        elif isinstance(body, Finalized):
            fields["status"] = body.status


def _tool_result(body: ToolReturned) -> dict[str, Any]:
    part = {
        "kind": "tool_result",
        "tool_call_id": body.tool_call_id,
        "name": body.name,
        "success": body.success,
        "output": copy.deepcopy(body.output),
    }
    return part if body.job_id is None else {**part, "job_id": body.job_id}


def _input_request(body: InputRequested) -> dict[str, Any]:
    return {
        "kind": "input_request",
        "request_id": body.request_id,
        "prompt": body.prompt,
        "choices": None if body.choices is None else list(body.choices),
        "expires_at": body.expires_at,
        "value": None,
        "by": None,
    }


def _error(body: Failed) -> dict[str, Any]:
    return {"code": body.code, "message": body.message, "retryable": body.retryable}


def begin_run(event: Event) -> dict[str, Any]:
    """Give the run that begins with the ``message`` event of its empty reply."""
    body = event.body
    if not isinstance(body, MessageWritten) or event.run_id is None:
        raise FoldError(f"Event {event.seq} begins no run.", seq=event.seq)
    return {
        "id": event.run_id,
        "thread_id": event.thread_id,
        "message_id": body.message["id"],
        "status": "pending",
        "phase": "queued",
        "attempt": 0,
        "model": body.message["model"],
        "error": None,
        "continues": body.continues,
        "created_at": iso(event.at),
        "started_at": None,
        "first_event_at": None,
        "ended_at": None,
        "wake_at": None,
    }


def fold_run(run: dict[str, Any], event: Event) -> None:
    """Fold one event of this run into it, in place."""
    body = event.body
    if event.attempt is not None:
        run["attempt"] = event.attempt
    if isinstance(body, Delta):
        if run["first_event_at"] is None:
            run["first_event_at"] = iso(event.at)
    elif isinstance(body, MessageWritten):
        if event.attempt is None:  # begun, or delivered; a restart is an attempt's
            status = body.message["status"]
            phase = "waiting" if status == "waiting" else "queued"
            run.update(status=status, phase=phase, wake_at=body.deliver_at)
    elif isinstance(body, StatusChanged):
        run.update(phase=body.phase, wake_at=body.until)
        run["status"] = STATUS_BY_PHASE.get(body.phase, run["status"])
        if run["status"] == "processing" and run["started_at"] is None:
            run["started_at"] = iso(event.at)
    elif isinstance(body, InputRequested):
        run.update(status="waiting", phase="waiting", wake_at=body.expires_at)
    elif isinstance(body, InputGiven):
        run.update(status="pending", phase="queued", wake_at=None)
    elif isinstance(body, Completed):
        run["error"] = None
    elif isinstance(body, Failed):
        run["error"] = _error(body)
    elif isinstance(body, Finalized):
        run.update(status=body.status, phase=None, wake_at=None, ended_at=iso(event.at))


def takes_head(event: Event) -> bool:
    """Say whether a reply becomes the thread's head by this: begun or delivered, not for later."""
    body = event.body
    return (
        isinstance(body, MessageWritten)
        and body.message["role"] == "assistant"
        and body.message["status"] != "waiting"
        and event.attempt is None
    )


class Transcript:
    """The state of one thread at a cursor."""

    def __init__(self) -> None:
        self.thread: dict[str, Any] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.seq = 0
        self._messages: dict[str, MessageFold] = {}

    @property
    def messages(self) -> list[dict[str, Any]]:
        """All messages, in the order of their creation."""
        return [fold.value() for fold in self._messages.values()]

    def message(self, message_id: str) -> dict[str, Any] | None:
        fold = self._messages.get(message_id)
        return None if fold is None else fold.value()

    def forget_oldest(self, keep: int, pinned: Collection[str] = ()) -> bool:
        """Forget all but the newest messages, with their runs; True where one was forgotten.

        What has not ended stays, and so does the message that it answers.

        Args:
            pinned: the ids of messages that stay as well.
        """
        open_ids = {run["message_id"] for run in self.runs.values() if run["ended_at"] is None}
        asked = {self._messages[id_].parent_id for id_ in open_ids if id_ in self._messages}
        oldest = list(self._messages)[: max(0, len(self._messages) - keep)]
        gone = {id_ for id_ in oldest if id_ not in open_ids | asked and id_ not in pinned}
        for id_ in gone:
            del self._messages[id_]
        for run_id in [id_ for id_, run in self.runs.items() if run["message_id"] in gone]:
            del self.runs[run_id]
        return bool(gone)

    @property
    def size(self) -> int:
        """How many messages are held."""
        return len(self._messages)

    def state(self) -> dict[str, Any]:
        """Give the whole state as ``GET threads/{id}/messages`` does."""
        return {
            "thread": dict(self.thread),
            "messages": self.messages,
            "runs": [dict(run) for run in self.runs.values()],
            "seq": self.seq,
        }

    def apply(self, event: Event) -> None:
        """Fold one event; those at or before the cursor are skipped.

        Raises:
            FoldError: the event does not fit; nothing of it was applied to the cursor.
        """
        if event.seq <= self.seq:
            return
        body = event.body
        if isinstance(body, ThreadChanged):
            self.thread.update(body.thread)
        elif isinstance(body, MessageWritten):
            self._put(body, event)
        elif event.message_id in self._messages:
            self._messages[event.message_id].apply(event)
        if event.run_id in self.runs:
            fold_run(self.runs[event.run_id], event)
        if isinstance(body, (ThreadChanged, MessageWritten, Finalized)):
            self.thread["updated_at"] = iso(event.at)
        self.seq = event.seq

    def _put(self, body: MessageWritten, event: Event) -> None:
        message_id = body.message["id"]
        if takes_head(event):
            self.thread["head"] = message_id
        known = self._messages.get(message_id)
        if known is not None:
            known.apply(event)
            return
        self._messages[message_id] = MessageFold(body.message, event.seq)
        if body.message["role"] == "assistant" and event.run_id is not None:
            self.runs.setdefault(event.run_id, begin_run(event))

    def replace(self, snapshot: Mapping[str, Any]) -> None:
        """Take a snapshot: what it names replaces what was known, and the cursor is its seq."""
        if snapshot["seq"] < self.seq:
            return
        self.thread = dict(snapshot["info"])
        for message in snapshot["messages"]:
            self._messages[message["id"]] = MessageFold(message, message["seq"])
        for run in snapshot["runs"]:
            self.runs[run["id"]] = dict(run)
        self.seq = snapshot["seq"]
