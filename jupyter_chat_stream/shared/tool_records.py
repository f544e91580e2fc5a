"""Records of tools: the values of the wire that tool calls and consents are made of.

As in ``records``, a record is the JSON object itself. ``labextension/src/protocol/records.ts`` has
the same types; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

from .json_objects import JsonView

# The process that executes a tool's calls: the server, a kernel's client, a browser page.
ToolWhere = Literal["server", "kernel", "page"]
# What a call does: it reads, it changes documents or settings, or it runs code.
ToolEffect = Literal["read", "change", "run"]
# Which calls a thread's person allows without a question.
ToolMode = Literal["ask", "accept_edits", "read_only"]
# Why a call was allowed: it only reads, the thread's mode, or a person's word.
AllowedBy = Literal["none", "mode", "once", "thread", "always"]
# What a person may answer to a question of consent. "some" names the accepted parts of the call.
ConsentChoice = Literal["once", "some", "thread", "always", "no"]
# What stands between a tool and its next call.
ToolConsent = Literal["none", "ask", "thread", "always", "denied"]
CallState = Literal["asked", "open", "claimed", "ended"]
RequestKind = Literal["question", "consent"]
# Why a call that nobody made has failed: a person said no; nobody answered or made it in time; its
# executor is gone; or it cannot be made (an admin's list, the mode, no such tool, a bad input).
FailedFor = Literal["refused", "expired", "interrupted", "denied"]

# A tool in the form of the Messages API (name, description, input_schema), or a ToolRecord.
ToolDefinition = JsonView
# The arguments of a tool call: an object whose form the tool's own schema fixes.
ToolInput = JsonView


class ToolRecord(TypedDict):
    """A tool whose calls an executor of ours makes."""

    name: str
    """Letters, digits, ``_`` and ``-``, at most 64."""
    description: str
    input_schema: JsonView
    """A JSON Schema of an object."""
    where: ToolWhere
    effect: ToolEffect
    operations: NotRequired[Mapping[str, ToolEffect]]
    """With it, the input's ``operation`` is one of these, each with an effect of its own."""
    idempotent: NotRequired[bool]
    """Whether a call that may have begun may be made again."""
    partial: NotRequired[bool]
    """Whether a person may accept parts of a call: the executor makes only those."""
    source: str
    """``builtin``, ``function`` or ``mcp:<server>``."""


class ListedTool(ToolRecord):
    """A tool of a thread, with what stands between it and its next call."""

    consent: ToolConsent
    """With operations: that of the operation which needs most."""
    is_on: bool
    """Whether the thread's next message brings it to the model."""


class ToolProblem(TypedDict):
    """Tools that are not there although the server's settings name them."""

    source: str
    """The source of the tools, as in a ToolRecord; ``mcp`` of all MCP servers together."""
    message: str


class ToolList(TypedDict):
    """The tools of a thread."""

    tools: list[ListedTool]
    problems: list[ToolProblem]


class ThreadTools(TypedDict):
    """Which tools the messages of a thread have, and what they may do without a question."""

    mode: ToolMode
    names: list[str] | None
    """Tools beside the offered functions; None: only the functions."""


class ToolAllowance(TypedDict):
    """Who allowed a tool call, and when."""

    consent: AllowedBy
    by: str | None
    """The person; None if nobody was asked."""
    at: str
    accepted: NotRequired[list[str]]
    """The parts of the call that may be made, in words of its tool; absent: all of it."""


class ToolCallPart(TypedDict):
    """A call of a tool by the model."""

    kind: Literal["tool_call"]
    text: NotRequired[str]
    """The cut-off JSON while the input streams; removed when the input is whole."""
    tool_call_id: NotRequired[str]
    name: NotRequired[str]
    input: NotRequired[ToolInput]
    where: NotRequired[ToolWhere]
    """Absent of a tool that the provider runs itself."""
    effect: NotRequired[ToolEffect]
    expires_at: NotRequired[str]
    """Without a result by this time, the call fails."""
    allowed: NotRequired[ToolAllowance]
    executor: NotRequired[str | None]
    """The process that makes the call, in words for people; None once it has let go."""
    job_id: NotRequired[str]
    """The build that the call waits for."""
    progress: NotRequired[str]
    """What the call has written so far."""


class AttachmentRecord(TypedDict):
    """An attachment as on the wire, without its bytes."""

    id: str
    name: str
    type: str
    """A media type."""
    size: int
    """In bytes."""
    sha256: str


class ToolResultPart(TypedDict):
    """The result of a tool call."""

    kind: Literal["tool_result"]
    tool_call_id: str
    name: str
    success: bool
    output: Any
    """A JSON value."""
    job_id: NotRequired[str]
    reason: NotRequired[FailedFor]
    """Absent of a result that an executor gave."""
    attachments: NotRequired[list[AttachmentRecord]]
    """The files of the result; absent if there are none."""


class ConsentRecord(TypedDict):
    """A standing consent of a person to a tool, as it was defined then."""

    id: str
    tool: str
    operation: str | None
    thread_id: str | None
    """None: in all threads."""
    at: str


class ConsentList(TypedDict):
    """The standing consents of a person, newest first."""

    consents: list[ConsentRecord]
