"""The values that the fold builds from an event: a part of a message, or a failure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import cast

from .events import Failed, InputRequested, NoteAdded, ToolReturned, ToolStarted
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
    return {
        "kind": "tool_call",
        "tool_call_id": body.tool_call_id,
        "name": body.name,
        "input": dict(body.input),
    }


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
    return {
        "kind": "input_request",
        "request_id": body.request_id,
        "prompt": body.prompt,
        "choices": None if body.choices is None else list(body.choices),
        "expires_at": body.expires_at,
        "value": None,
        "by": None,
    }


def failure_of(body: Failed) -> Failure:
    return {"code": body.code, "message": body.message, "retryable": body.retryable}
