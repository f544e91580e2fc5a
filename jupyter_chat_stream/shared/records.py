"""Records: the values of the wire (docs/protocol.md, "Values") as types.

A record is the JSON object itself: rows, frames and the fold share the same dictionaries, and
nothing converts them at run time. ``labextension/src/protocol/records.ts`` has the same types; a
test compares the two. A reader may meet fields and kinds of a newer writer, so it checks the
fields that it uses of a record from outside.

Times are ISO 8601 texts in UTC. Ids are opaque texts that sort by time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

from .tool_records import AttachmentRecord as AttachmentRecord
from .tool_records import RequestKind, ThreadTools
from .tool_records import ToolCallPart as ToolCallPart
from .tool_records import ToolDefinition as ToolDefinition
from .tool_records import ToolInput as ToolInput
from .tool_records import ToolResultPart as ToolResultPart

EndStatus = Literal["completed", "failed", "cancelled", "interrupted"]
MessageStatus = Literal["pending", "processing", "waiting", EndStatus]
Phase = Literal[
    "queued", "waiting", "retrying", "thinking", "tool_calling", "building", "continuing"
]
Role = Literal["user", "assistant"]
OnCrash = Literal["continue", "restart", "interrupt"]
PartKind = Literal[
    "text", "reasoning", "tool_call", "tool_result", "input_request", "attachment", "note"
]
DeltaKind = Literal["text", "reasoning", "tool_input"]
IncompleteReason = Literal["max_tokens", "context_window", "paused", "empty", "tool_input_cut"]

# How much of a thread a saved copy shows: all messages, or the last exchange.
CopyExtent = Literal["all", "last"]

# Token counts by the provider's own names: "input_tokens", "output_tokens", …
Usage = Mapping[str, Any]
# A person's options beside the content of a message, e.g. "max_tokens": passed on to the model.
Params = Mapping[str, Any]

# An event as a JSON object: `events.parse` checks its fields.
WireEvent = Mapping[str, Any]
# A frame of the WebSocket as a JSON object; `Subscription` checks its fields.
WireFrame = Mapping[str, Any]
# The ``error`` object of the wire: a `Failure` beside the facts of the error.
WireError = Mapping[str, Any]


class Failure(TypedDict):
    """Why a run or a request failed: the ``error`` object of the wire."""

    code: str
    """One of the stable codes of ``shared.errors``."""
    message: str
    """A sentence for people."""
    retryable: NotRequired[bool]
    """Whether the same request may succeed later."""


class Incomplete(TypedDict):
    """The missing part of a completed answer."""

    reason: IncompleteReason
    message: str
    """A sentence for people."""


class TextPart(TypedDict):
    """Text of the model or of a person; ``reasoning`` is the model's thinking."""

    kind: Literal["text", "reasoning"]
    text: str


class InputRequestPart(TypedDict):
    """A question of a run to a person, with the reply once there is one."""

    kind: Literal["input_request"]
    request_id: str
    prompt: str
    choices: list[str] | None
    """The values that a person may choose from; None allows every value."""
    expires_at: str | None
    """After this time the run fails with ``input_expired``."""
    value: Any
    """The reply, None until there is one."""
    by: str | None
    """The person who replied."""
    request_kind: NotRequired[RequestKind]
    """``consent`` of a question whether a tool call may be made; else absent."""
    tool_call_id: NotRequired[str]
    """The call that the question is about."""


class AttachmentPart(TypedDict):
    """An attachment that a person sent with a message, or a text without one (``context``)."""

    kind: Literal["attachment"]
    name: str
    text: str
    """The text that a model reads of it; empty for an image or a document, read as bytes."""
    attachment_id: NotRequired[str]
    type: NotRequired[str]
    """The media type of its bytes."""
    size: NotRequired[int]
    """The number of its bytes."""


class NotePart(TypedDict):
    """A sentence of the chat itself about this answer; no model wrote it and none reads it."""

    kind: Literal["note"]
    text: str


Part = TextPart | ToolCallPart | ToolResultPart | InputRequestPart | AttachmentPart | NotePart


class ThreadRecord(TypedDict):
    """A thread as on the wire."""

    id: str
    name: str | None
    """The name that a notebook opens the thread by; unique for its owner and project."""
    title: str | None
    owner: str
    """The person whose thread it is."""
    project: str
    """The absolute path of the notebook's folder; empty if there is none."""
    model: str | None
    system: str | None
    """The system prompt."""
    head: str | None
    """The id of the newest reply."""
    archived: bool
    deleted: bool
    created_at: str
    updated_at: str
    params: NotRequired[Params]
    """The parameters of its messages, unless a message names others."""
    tools: NotRequired[ThreadTools]
    """The tools of its messages; absent until somebody sets them."""


class ThreadChange(TypedDict, total=False):
    """The changed fields of a thread, as a ``thread`` event carries them."""

    id: str
    name: str | None
    title: str | None
    owner: str
    project: str
    model: str | None
    system: str | None
    head: str | None
    archived: bool
    deleted: bool
    created_at: str
    updated_at: str
    params: NotRequired[Params]
    tools: NotRequired[ThreadTools]


class WrittenMessage(TypedDict):
    """A message as a ``message`` event carries it: without its derived fields."""

    id: str
    thread_id: str
    role: Role
    kind: str
    """Always ``chat``."""
    status: MessageStatus
    parts: list[Part]
    model: str | None
    usage: Usage | None
    stop_reason: str | None
    """Why the model stopped, in the provider's word."""
    error: Failure | None
    run_id: str | None
    """The run that writes this reply; None for a person's message."""
    parent_id: str | None
    """The message before this one on its branch."""
    created_at: str


class MessageRecord(WrittenMessage):
    """A message as on the wire."""

    content: str
    """The text parts, joined."""
    incomplete: Incomplete | None
    seq: int
    """The last event that is folded into the message."""


class RunRecord(TypedDict):
    """A run as on the wire: the work on one reply."""

    id: str
    thread_id: str
    message_id: str
    """The reply."""
    status: MessageStatus
    phase: Phase | None
    """None once the run has ended."""
    attempt: int
    """How many attempts have begun."""
    model: str | None
    error: Failure | None
    continues: str | None
    """The run whose reply this run continues."""
    created_at: str
    started_at: str | None
    first_event_at: str | None
    """When the first text of the model came."""
    ended_at: str | None
    wake_at: str | None
    """When a waiting run continues by itself; None if only a person can continue it."""


class ScheduleChange(TypedDict, total=False):
    """The changed fields of a schedule."""

    content: str
    cron: str
    timezone: str
    model: str | None
    params: Params | None
    paused: bool


class ScheduleRecord(TypedDict):
    """A schedule as on the wire: a message that repeats."""

    id: str
    thread_id: str
    content: str
    cron: str
    """Five fields, in ``timezone``."""
    timezone: str
    """An IANA name."""
    model: str | None
    """None stands for the thread's model."""
    params: Params | None
    paused: bool
    next_at: str | None
    """None while the schedule is paused."""
    last_at: str | None
    last_run_id: str | None
    created_at: str


class SubscribeFrame(TypedDict):
    """A reader's request for the events of a thread after a cursor."""

    op: Literal["subscribe"]
    thread: str
    after: int
    preview: NotRequired[bool]
    """Whether the reader wants a preview if the thread is long."""


class SnapshotFrame(TypedDict):
    """Everything of a thread that changed after a cursor, folded exactly to ``seq``."""

    op: Literal["snapshot"]
    thread: str
    seq: int
    info: ThreadRecord
    messages: list[MessageRecord]
    runs: list[RunRecord]


class PreviewFrame(TypedDict):
    """The newest messages of a long thread, with their runs, before the frames that bring all."""

    op: Literal["preview"]
    thread: str
    seq: int
    info: ThreadRecord
    messages: list[MessageRecord]
    runs: list[RunRecord]


class HistoryPage(TypedDict):
    """Some messages of a thread, oldest first, with their runs."""

    messages: list[MessageRecord]
    runs: list[RunRecord]


class ThreadState(HistoryPage):
    """A page of a thread's messages with the thread itself, folded exactly to ``seq``."""

    thread: ThreadRecord
    seq: int


class SavedCopy(TypedDict):
    """The text that a notebook file keeps of a thread, at one seq."""

    seq: int
    markdown: str
    plain: str


class SuccessorRecord(TypedDict):
    """A retry or a continuation: its new reply and run."""

    reply: MessageRecord
    run: RunRecord


class SentRecord(SuccessorRecord):
    """A person's message with its new reply and run."""

    message: MessageRecord


class PreferencesChange(TypedDict, total=False):
    """The changed preferences of a person."""

    default_model: str | None
    system: str | None
    """The system prompt that stands before the thread's own."""
    on_crash: OnCrash | None
    """What happens to an answer whose process died; None stands for the server's setting."""


class PreferencesRecord(TypedDict):
    """The preferences of a person for all their threads."""

    owner: str
    default_model: str | None
    system: str | None
    on_crash: OnCrash | None


class DatabaseRecord(TypedDict):
    """The database of a server, for its log and its status."""

    backend: str
    url: str
    """Without its password."""
    durable: bool
    """False for a scratch file, which is removed at the end."""
    open_to_others: NotRequired[list[str]]
    """The files that other users can read, although they should not."""


class StatusRecord(TypedDict):
    """The present state of a server."""

    version: str
    protocol: int
    database: DatabaseRecord
    engine: str
    runs: dict[str, int]
    """The number of runs by status."""
    max_attachment_bytes: int
    """The largest attachment that the server takes."""


class RunList(TypedDict):
    """A page of a thread's runs, oldest first."""

    runs: list[RunRecord]


class ScheduleList(TypedDict):
    """A page of schedules, oldest first."""

    schedules: list[ScheduleRecord]
