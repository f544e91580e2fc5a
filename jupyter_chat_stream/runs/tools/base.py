"""The interface of a tool that the process of a run executes in place.

A call is made under a claim in the database, before a commit that no other process can share: a
call that was cut is made again only if its definition is ``idempotent`` (L14). A tool that raises
fails its call and nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...providers.base import Answered, AskChunk, SleepChunk
from ...shared.tool_records import ToolInput, ToolRecord


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A file of a result: an image, a document, a table or a text."""

    name: str
    type: str
    """A media type; empty if the bytes and the name tell it. The bytes are checked against it."""
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ToolDone:
    """The result of a call; ``output`` is a JSON value for the model.

    An output of more than 256 kB is cut, and the whole becomes a file. ``attachments`` become
    attachments of the reply; a model that sees images and documents gets those.
    """

    output: Any
    success: bool = True
    attachments: Sequence[NewFile] = ()


# A question or a sleep: the run lets go, and calls the tool again with the answer, or at that time.
ToolOutcome = ToolDone | AskChunk | SleepChunk


@dataclass(frozen=True, kw_only=True)
class CallContext:
    """What a call may know and do besides its input."""

    owner: str
    thread_id: str
    run_id: str
    tool_call_id: str
    started_ms: int
    """When the call was allowed; the same however often the tool is called for it."""
    now_ms: int
    answer: Answered | None
    """The person's answer to the question that this call has asked."""
    write: Callable[[str], Awaitable[None]]
    """Show a text in the call's card while the call works."""


class ServerTool(Protocol):
    """A tool of the server. Its instance serves all runs of the process."""

    definition: ToolRecord

    async def call(self, input: ToolInput, context: CallContext) -> ToolOutcome:
        """Make one call. The input fits the definition, and a consent stands where one is needed.

        A tool may be cancelled at any await, because a person stopped the answer.
        """
        ...


class ServerTools:
    """The tools of a process, by their names."""

    def __init__(self, *tools: ServerTool) -> None:
        self._by_name = {tool.definition["name"]: tool for tool in tools}

    def get(self, name: str) -> ServerTool | None:
        return self._by_name.get(name)

    def definitions(self) -> list[ToolRecord]:
        return [tool.definition for tool in self._by_name.values()]
