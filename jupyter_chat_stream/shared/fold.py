"""The fold: from events to the state of a thread. Pure: no I/O, no clock, nothing hidden.

``Transcript`` is the state of one thread: its fields, its messages, its runs and its cursor.
``apply`` folds one event, ``replace`` takes a snapshot. Its twin is
``labextension/src/fold/transcript.ts``; both run the same vectors. Values are the wire's
own objects (see docs/protocol.md), so a row, a frame and a state can be compared byte for byte (L6,
L7).

``fold_run`` and ``MessageFold`` are the same rules for one run and one message. The store keeps its
rows with them, so a row cannot disagree with its log.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import cast

from .endings import DERIVED, content_of, incomplete_of
from .errors import FoldError
from .events import (
    STATUS_BY_PHASE,
    Body,
    Completed,
    Delta,
    Event,
    Failed,
    Finalized,
    InputGiven,
    InputRequested,
    MessageWritten,
    NoteAdded,
    StatusChanged,
    ThreadChanged,
    ToolAllowed,
    ToolClaimed,
    ToolOutputAdded,
    ToolReturned,
    ToolStarted,
    iso,
)
from .parts import (
    PART_BY_KIND,
    advance_call,
    failure_of,
    input_request_part,
    note_part,
    text_part,
    tool_call_part,
    tool_result_part,
)
from .records import (
    MessageRecord,
    RunRecord,
    SnapshotFrame,
    TextPart,
    ThreadRecord,
    ThreadState,
    WrittenMessage,
)


def whole_message(message: WrittenMessage, seq: int) -> MessageRecord:
    """Return a message as on the wire: with its derived fields."""
    return {
        **message,
        "content": content_of(message["parts"]),
        "incomplete": incomplete_of(message),
        "seq": seq,
    }


def without_derived(message: WrittenMessage) -> WrittenMessage:
    """Return a copy of a message without its derived fields, as a ``message`` event carries it."""
    fields = {name: value for name, value in message.items() if name not in DERIVED}
    return cast(WrittenMessage, fields)


class MessageFold:
    """One message while events are folded into it; appended text is joined when it is read."""

    def __init__(self, message: WrittenMessage, seq: int) -> None:
        self._message = without_derived(message)
        self._message["parts"] = self._parts = [part.copy() for part in message["parts"]]
        self._tail: list[str] = []  # text not yet joined to the last part appended to
        self._tail_at: tuple[int, str] | None = None  # the part's index and the delta's kind
        self.seq = seq

    def value(self) -> MessageRecord:
        """Return the message as on the wire; it shares nothing with the fold."""
        self._join()
        return whole_message({**self._message, "parts": copy.deepcopy(self._parts)}, self.seq)

    @property
    def run_id(self) -> str | None:
        return self._message["run_id"]

    @property
    def parent_id(self) -> str | None:
        return self._message["parent_id"]

    def apply(self, event: Event) -> None:
        """Fold one event of this message; raises FoldError if it does not fit."""
        if event.seq <= self.seq:
            return
        body = event.body
        if isinstance(body, Delta):
            self.append(body.part, body.kind, body.text, event.seq)
        elif isinstance(body, MessageWritten):
            self.__init__(body.message, event.seq)  # type: ignore[misc]
        else:
            self._apply_other(body, event)
        self.seq = event.seq

    def append(self, part: int, kind: str, text: str, seq: int) -> None:
        """Fold a delta as ``apply`` does, but without an event: this is faster for a long log."""
        if seq <= self.seq:
            return
        if (part, kind) != self._tail_at:
            self._open(part, kind, seq)
        self._tail.append(text)
        self.seq = seq

    def _open(self, part: int, kind: str, seq: int) -> None:
        self._join()
        part_kind = PART_BY_KIND.get(kind)
        if part == len(self._parts) and part_kind is not None:
            self._parts.append(text_part(part_kind, ""))
        elif not (
            0 <= part < len(self._parts)
            and self._parts[part]["kind"] == part_kind
            and "text" in self._parts[part]
        ):
            raise FoldError(f"Event {seq} appends to part {part}, which cannot take it.", seq=seq)
        self._tail_at, self._tail = (part, kind), []

    def _join(self) -> None:
        if self._tail_at is not None:
            appended_to = cast(TextPart, self._parts[self._tail_at[0]])  # `_open` has checked it
            appended_to["text"] += "".join(self._tail)
            self._tail_at, self._tail = None, []

    def _apply_other(self, body: Body, event: Event) -> None:
        self._join()
        message = self._message
        if isinstance(body, StatusChanged):
            message["status"] = STATUS_BY_PHASE.get(body.phase, message["status"])
        elif isinstance(body, ToolStarted):
            if not 0 <= body.part <= len(self._parts):
                raise FoldError(
                    f"Event {event.seq} starts part {body.part}, too far.", seq=event.seq
                )
            self._parts[body.part : body.part + 1] = [tool_call_part(body)]
        elif isinstance(body, (ToolAllowed, ToolClaimed, ToolOutputAdded)):
            for part in self._parts:
                if part["kind"] == "tool_call" and part.get("tool_call_id") == body.tool_call_id:
                    advance_call(part, body, iso(event.at))
        elif isinstance(body, ToolReturned):
            self._parts.append(tool_result_part(body))
        elif isinstance(body, NoteAdded):
            self._parts.append(note_part(body))
        elif isinstance(body, InputRequested):
            self._parts.append(input_request_part(body))
            message["status"] = "waiting"
        elif isinstance(body, InputGiven):
            for part in self._parts:
                if part["kind"] == "input_request" and part["request_id"] == body.request_id:
                    part["value"], part["by"] = body.value, body.by
            message["status"] = "pending"
        elif isinstance(body, Completed):
            message["usage"] = body.usage and dict(body.usage)
            message["stop_reason"] = body.stop_reason
            message["model"] = body.model or message["model"]
            message["error"] = None
        elif isinstance(body, Failed):
            message["error"] = failure_of(body)
        elif isinstance(body, Finalized):
            message["status"] = body.status
            if body.usage is not None:
                message["usage"] = dict(body.usage)


def begin_run(event: Event) -> RunRecord:
    """Return the run that begins with the ``message`` event of its empty reply."""
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


def fold_run(run: RunRecord, event: Event) -> None:
    """Fold one event of this run into it, in place."""
    body = event.body
    if event.attempt is not None:
        run["attempt"] = event.attempt
    if isinstance(body, Delta):
        if run["first_event_at"] is None:
            run["first_event_at"] = iso(event.at)
    elif isinstance(body, MessageWritten):
        if event.attempt is None:  # the run begins, or its message is delivered
            status = body.message["status"]
            run["status"], run["wake_at"] = status, body.deliver_at
            run["phase"] = "waiting" if status == "waiting" else "queued"
    elif isinstance(body, StatusChanged):
        run["phase"], run["wake_at"] = body.phase, body.until
        run["status"] = STATUS_BY_PHASE.get(body.phase, run["status"])
        if run["status"] == "processing" and run["started_at"] is None:
            run["started_at"] = iso(event.at)
    elif isinstance(body, InputRequested):
        run["status"], run["phase"], run["wake_at"] = "waiting", "waiting", body.expires_at
    elif isinstance(body, InputGiven):
        run["status"], run["phase"], run["wake_at"] = "pending", "queued", None
    elif isinstance(body, Completed):
        run["error"] = None
    elif isinstance(body, Failed):
        run["error"] = failure_of(body)
    elif isinstance(body, Finalized):
        run["status"], run["phase"], run["wake_at"] = body.status, None, None
        run["ended_at"] = iso(event.at)


def takes_head(event: Event) -> bool:
    """Return whether the event begins or delivers a reply, which then becomes the head."""
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
        self.thread = cast(ThreadRecord, {})  # whole from seq 1 on
        self.runs: dict[str, RunRecord] = {}
        self.seq = 0
        self._messages: dict[str, MessageFold] = {}

    @property
    def messages(self) -> list[MessageRecord]:
        """All messages, in the order of their creation."""
        return [fold.value() for fold in self._messages.values()]

    def message(self, message_id: str) -> MessageRecord | None:
        fold = self._messages.get(message_id)
        return None if fold is None else fold.value()

    def forget_oldest(self, keep: int, pinned: Collection[str] = ()) -> bool:
        """Forget all but the newest messages, with their runs; True if one was forgotten.

        An open message stays, and so does the message that it answers.

        Args:
            pinned: the ids of further messages that stay.
        """
        open_ids = {run["message_id"] for run in self.runs.values() if run["ended_at"] is None}
        answered_ids = {self._messages[id_].parent_id for id_ in open_ids if id_ in self._messages}
        oldest = list(self._messages)[: max(0, len(self._messages) - keep)]
        forgotten_ids = {
            id_ for id_ in oldest if id_ not in open_ids | answered_ids and id_ not in pinned
        }
        for id_ in forgotten_ids:
            del self._messages[id_]
        for run_id in [id_ for id_, run in self.runs.items() if run["message_id"] in forgotten_ids]:
            del self.runs[run_id]
        return bool(forgotten_ids)

    @property
    def size(self) -> int:
        """How many messages are held."""
        return len(self._messages)

    def state(self) -> ThreadState:
        """Return the whole state as ``GET threads/{id}/messages`` does."""
        return {
            "thread": self.thread.copy(),
            "messages": self.messages,
            "runs": [run.copy() for run in self.runs.values()],
            "seq": self.seq,
        }

    def apply(self, event: Event) -> None:
        """Fold one event; an event at or before the cursor is skipped.

        Raises:
            FoldError: the event does not fit; the cursor has not moved.
        """
        if event.seq <= self.seq:
            return
        body = event.body
        if isinstance(body, ThreadChanged):
            self.thread.update(body.thread)
        elif isinstance(body, MessageWritten):
            self._fold_message(body, event)
        elif event.message_id in self._messages:
            self._messages[event.message_id].apply(event)
        if event.run_id in self.runs:
            fold_run(self.runs[event.run_id], event)
        if isinstance(body, (ThreadChanged, MessageWritten, Finalized)):
            self.thread["updated_at"] = iso(event.at)
        self.seq = event.seq

    def _fold_message(self, body: MessageWritten, event: Event) -> None:
        message_id = body.message["id"]
        if takes_head(event):
            self.thread["head"] = message_id
        message = self._messages.get(message_id)
        if message is not None:
            message.apply(event)
            return
        self._messages[message_id] = MessageFold(body.message, event.seq)
        if body.message["role"] == "assistant" and event.run_id is not None:
            self.runs.setdefault(event.run_id, begin_run(event))

    def replace(self, snapshot: SnapshotFrame) -> None:
        """Apply a snapshot: its records replace those of the same id, the cursor is its seq."""
        if snapshot["seq"] < self.seq:
            return
        self.thread = snapshot["info"].copy()
        for message in snapshot["messages"]:
            self._messages[message["id"]] = MessageFold(message, message["seq"])
        for run in snapshot["runs"]:
            self.runs[run["id"]] = run.copy()
        self.seq = snapshot["seq"]
