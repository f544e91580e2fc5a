"""The types of ``event.text`` and the like, for type checkers.

An event offers the fields of its body as its own. This class declares the fields of every body; it
holds no values. Reading a field that the event's body lacks raises AttributeError.
"""

from __future__ import annotations

from typing import Any

from .records import DeltaKind, EndStatus, Phase, ThreadChange, ToolInput, Usage, WireEvent


class BodyFields:
    """The fields of all bodies. ``Event.__getattr__`` reads them from the event's own body."""

    by: str
    choices: tuple[str, ...] | None
    code: str
    content: str
    continues: str | None
    deliver_at: str | None
    detail: str | None
    expires_at: str | None
    fields: WireEvent
    input: ToolInput
    job_id: str | None
    kind: DeltaKind
    message: Any  # a whole message in a `message` event, a sentence in an `error` event
    model: str | None
    name: str
    output: Any
    part: int
    phase: Phase
    prompt: str
    request_id: str
    retryable: bool
    status: EndStatus
    stop_reason: str | None
    success: bool
    text: str
    thread: ThreadChange
    tool_call_id: str
    until: str | None
    usage: Usage | None
    value: Any
