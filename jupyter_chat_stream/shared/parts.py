"""The values that the fold builds from an event: a part of a message, or a failure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import cast

from .events import (
    Failed,
    InputRequested,
    NoteAdded,
    ToolAllowed,
    ToolClaimed,
    ToolOutputAdded,
    ToolReturned,
    ToolStarted,
)
from .records import (
    Failure,
    InputRequestPart,
    NotePart,
    Part,
    PartKind,
    ToolCallPart,
    ToolResultPart,
)

# The kind of part that a delta's kind opens.
PART_BY_KIND: Mapping[str, PartKind] = {
    "text": "text",
    "reasoning": "reasoning",
    "tool_input": "tool_call",
}


def text_part(kind: PartKind, text: str) -> Part:
    """Return an empty part of this kind, to which deltas append text."""
    return cast(Part, {"kind": kind, "text": text})


def tool_call_part(body: ToolStarted) -> ToolCallPart:
    part: ToolCallPart = {
        "kind": "tool_call",
        "tool_call_id": body.tool_call_id,
        "name": body.name,
        "input": dict(body.input),
    }
    if body.where is not None:
        part["where"] = body.where
    if body.effect is not None:
        part["effect"] = body.effect
    if body.expires_at is not None:
        part["expires_at"] = body.expires_at
    return part


def advance_call(
    part: ToolCallPart, body: ToolAllowed | ToolClaimed | ToolOutputAdded, at: str
) -> None:
    """Fold an event of a tool call into the call's part, in place."""
    if isinstance(body, ToolAllowed):
        part["allowed"] = {"consent": body.consent, "by": body.by, "at": at}
    elif isinstance(body, ToolClaimed):
        part["executor"] = body.executor
    else:
        part["progress"] = part.get("progress", "") + body.text


def tool_result_part(body: ToolReturned) -> ToolResultPart:
    part: ToolResultPart = {
        "kind": "tool_result",
        "tool_call_id": body.tool_call_id,
        "name": body.name,
        "success": body.success,
        "output": copy.deepcopy(body.output),
    }
    if body.job_id is not None:
        part["job_id"] = body.job_id
    return part


def note_part(body: NoteAdded) -> NotePart:
    return {"kind": "note", "text": body.text}


def input_request_part(body: InputRequested) -> InputRequestPart:
    part: InputRequestPart = {
        "kind": "input_request",
        "request_id": body.request_id,
        "prompt": body.prompt,
        "choices": None if body.choices is None else list(body.choices),
        "expires_at": body.expires_at,
        "value": None,
        "by": None,
    }
    if body.kind is not None:
        part["request_kind"] = body.kind
    if body.tool_call_id is not None:
        part["tool_call_id"] = body.tool_call_id
    return part


def failure_of(body: Failed) -> Failure:
    return {"code": body.code, "message": body.message, "retryable": body.retryable}
