"""The values that the fold builds from an event: a part of a message, or a failure."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
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
    AttachmentPart,
    Failure,
    InputRequestPart,
    NotePart,
    Part,
    PartKind,
    ToolCallPart,
    ToolResultPart,
)

# The result of a call whose executor has gone, for the model (L14).
CUT = (
    "The process that made this call ended before it gave a result. The call may have been made in "
    "part or as a whole: look before you repeat it."
)
# The result of a call that no executor has claimed.
NOT_MADE = "The answer ended before this call was begun. It was not made."
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
        if body.accepted is not None:
            part["allowed"]["accepted"] = list(body.accepted)
    elif isinstance(body, ToolClaimed):
        part["executor"] = body.executor
        if body.job_id is not None:
            part["job_id"] = body.job_id
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
    if body.reason is not None:
        part["reason"] = body.reason
    if body.attachments:
        part["attachments"] = [record.copy() for record in body.attachments]
    return part


def result_files(part: ToolResultPart) -> Iterator[AttachmentPart]:
    """Return the files of a result in the form of a message's attachments."""
    for record in part.get("attachments", ()):
        yield {
            "kind": "attachment",
            "name": record["name"],
            "text": "",
            "attachment_id": record["id"],
            "type": record["type"],
            "size": record["size"],
        }


def files_of_results(parts: Sequence[Part]) -> Iterator[AttachmentPart]:
    """Return the files of all results of a reply."""
    for part in parts:
        if part["kind"] == "tool_result":
            yield from result_files(part)


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


def open_calls(parts: Sequence[Part]) -> Iterator[ToolCallPart]:
    """Find the calls of executors that have no result, in their order."""
    ended_ids = {part["tool_call_id"] for part in parts if part["kind"] == "tool_result"}
    for part in parts:
        if (
            part["kind"] == "tool_call"
            and "where" in part
            and part["tool_call_id"] not in ended_ids
        ):
            yield part


def call_of(parts: Sequence[Part], tool_call_id: str) -> ToolCallPart | None:
    """Return the call of that id if an executor makes it."""
    for part in parts:
        if part["kind"] == "tool_call" and part.get("tool_call_id") == tool_call_id:
            return part if "where" in part else None
    return None


def result_of(parts: Sequence[Part], tool_call_id: str) -> ToolResultPart | None:
    """Return the result of a call: there is no other (L12)."""
    for part in parts:
        if part["kind"] == "tool_result" and part["tool_call_id"] == tool_call_id:
            return part
    return None


def output_instead(call: ToolCallPart) -> str:
    """Return what a model is told of a call that was left without a result (L14).

    An executor claims a call before it begins, so the part of a call that may have begun names one,
    or names none any more.
    """
    return CUT if "executor" in call else NOT_MADE


def cut_off(call: ToolCallPart) -> ToolResultPart:
    """Return the result of a call that was left open."""
    return {
        "kind": "tool_result",
        "tool_call_id": call["tool_call_id"],
        "name": call["name"],
        "success": False,
        "output": output_instead(call),
        "reason": "interrupted",
    }
