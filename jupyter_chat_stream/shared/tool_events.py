"""The bodies of the events of tool calls: started, allowed, claimed, output and result.

``events`` lists them beside the others. Each names its call by ``tool_call_id`` (L12).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .tool_records import (
    AllowedBy,
    AttachmentRecord,
    FailedFor,
    ToolEffect,
    ToolInput,
    ToolWhere,
)


@dataclass(frozen=True, kw_only=True)
class ToolStarted:
    """A tool call's input is whole; it replaces the text of the part at index ``part``.

    ``where``, ``effect`` and ``expires_at`` (ISO 8601) are None for a tool that the provider runs.
    """

    type: ClassVar = "tool_start"
    part: int
    tool_call_id: str
    name: str
    input: ToolInput
    where: ToolWhere | None = None
    effect: ToolEffect | None = None
    expires_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class ToolAllowed:
    """A tool call may be made; ``by`` is the person who allowed it, None if nobody was asked.

    ``accepted`` are the parts of the call that may be made; None: all of it.
    """

    type: ClassVar = "tool_allowed"
    tool_call_id: str
    consent: AllowedBy
    by: str | None
    accepted: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class ToolClaimed:
    """An executor makes the call; None: it has let go, and the call is open again.

    ``job_id`` is the build that makes what the call is for.
    """

    type: ClassVar = "tool_claimed"
    tool_call_id: str
    executor: str | None
    job_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class ToolOutputAdded:
    """A tool call has written ``text`` while it works."""

    type: ClassVar = "tool_output"
    tool_call_id: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ToolReturned:
    """A tool call has returned, or cannot be made for this ``reason``.

    ``attachments`` are the files of its result, which the reply holds; None: there are none.
    """

    type: ClassVar = "tool_result"
    tool_call_id: str
    name: str
    success: bool
    output: Any
    job_id: str | None = None
    reason: FailedFor | None = None
    attachments: Sequence[AttachmentRecord] | None = None
