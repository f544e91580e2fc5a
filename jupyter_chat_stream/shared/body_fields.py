"""The types of ``event.text`` and the like, for type checkers.

An event offers the fields of its body as its own. This class declares the fields of every body; it
holds no values. Reading a field that the event's body lacks raises AttributeError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .records import EndStatus, Phase, ThreadChange, ToolInput, Usage, WireEvent
from .tool_records import AllowedBy, AttachmentRecord, FailedFor, ToolEffect, ToolWhere


class BodyFields:
    """The fields of all bodies. ``Event.__getattr__`` reads them from the event's own body."""

    accepted: tuple[str, ...] | None
    attachments: Sequence[AttachmentRecord] | None
    by: Any  # a person; None of a tool call that nobody was asked about
    choices: tuple[str, ...] | None
    code: str
    consent: AllowedBy
    content: str
    continues: str | None
    deliver_at: str | None
    detail: str | None
    effect: ToolEffect | None
    executor: str | None
    expires_at: str | None
    fields: WireEvent
    input: ToolInput
    job_id: str | None
    kind: Any  # of a delta, or of a question
    message: Any  # a whole message in a `message` event, a sentence in an `error` event
    model: str | None
    name: str
    output: Any
    part: int
    phase: Phase
    prompt: str
    reason: FailedFor | None
    request_id: str
    retryable: bool
    status: EndStatus
    stop_reason: str | None
    success: bool
    text: str
    thread: ThreadChange
    tool_call_id: Any  # a text; None of a question that is about no tool call
    until: str | None
    usage: Usage | None
    value: Any
    where: ToolWhere | None
