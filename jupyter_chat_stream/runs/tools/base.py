"""The interface of a tool that the process of a run executes in place.

A call is made under a claim in the database, before a commit that no other process can share: a
call that was cut is made again only if its definition is ``idempotent`` (L14). A tool that raises
fails its call and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...providers.base import Answered, AskChunk, SleepChunk
from ...shared.errors import BuildNotFound, Forbidden
from ...shared.tool_records import ToolInput, ToolProblem, ToolRecord
from ...store.front import BuildState, NewBuild


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
    attachments of the reply. A model that reads images or documents gets the images or documents.
    """

    output: Any
    success: bool = True
    attachments: Sequence[NewFile] = ()


@dataclass(frozen=True, kw_only=True)
class BuildWait:
    """The call waits for a build of its thread, and is made again when that has ended."""

    job_id: str


# A question, a sleep or a build: the run lets go, and calls the tool again with the answer, at that
# time, or after that. A new build begins; its call waits for it, or ends with its id.
ToolOutcome = ToolDone | AskChunk | SleepChunk | NewBuild | BuildWait


class Builds(Protocol):
    """The builds of one thread.

    Both methods raise BuildNotFound for a build of another thread (L16).
    """

    async def find(self, job_id: str) -> BuildState: ...

    async def cancel(self, job_id: str) -> bool:
        """Cancel a build; False if it had ended."""
        ...


class NoBuilds:
    """The builds of a thread that has none."""

    async def find(self, job_id: str) -> BuildState:
        raise BuildNotFound(job_id)

    async def cancel(self, job_id: str) -> bool:
        raise BuildNotFound(job_id)


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
    digest: str = ""
    """That of the definition which was kept with the run and allowed."""
    builds: Builds = field(default_factory=NoBuilds)
    job_id: str | None = None
    """The build that this call has begun and waits for."""


class ServerTool(Protocol):
    """A tool of the server. Its instance serves all runs of the process."""

    definition: ToolRecord

    async def call(self, input: ToolInput, context: CallContext) -> ToolOutcome:
        """Make one call. The input fits the definition, and a consent stands where one is needed.

        A tool may be cancelled at any await, because a person stopped the answer.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ToolListing:
    """Some tools, and what is wrong with those that are missing."""

    tools: Sequence[ToolRecord] = ()
    problems: Sequence[ToolProblem] = ()


class ToolSource(Protocol):
    """Tools that are known only when somebody asks: the parts of the process that run them.

    A source does nothing before it is asked, and then only what the question needs.
    """

    async def list_all(self) -> ToolListing:
        """List all tools of the source."""
        ...

    async def named(self, names: Collection[str]) -> ToolListing:
        """Return those of the named tools that the source has."""
        ...

    async def find(self, name: str) -> ServerTool | None:
        """Return a tool, as it is now. May raise a ChatStreamError."""
        ...

    async def close(self) -> None:
        """End whatever the source has started."""
        ...


# Tools that use nothing of the process which makes their calls, so any process may make them.
EVERYWHERE = frozenset({"ask_person", "wait_until"})
NOT_YOURS = (
    "The server that makes this answer belongs to another person. Its files, its MCP servers and "
    "its kernels are not used for it."
)


class ServerTools:
    """The tools of a process, by their names: its own, and those of its sources.

    Args:
        owners: the people whose runs may use what belongs to the process; None: everybody's.
    """

    def __init__(
        self,
        *tools: ServerTool,
        sources: Sequence[ToolSource] = (),
        owners: Collection[str] | None = None,
    ) -> None:
        self._by_name = {tool.definition["name"]: tool for tool in tools}
        self._sources = tuple(sources)
        self._owners = owners

    def of(self, owner: str) -> ServerTools:
        """Return the tools for the runs of one person (L16).

        Several servers may share a database, and each executes the runs of all. A run must not
        read the files of whoever's server had a free slot, or act with that person's tokens.
        """
        if self._owners is None or owner in self._owners:
            return self
        shared = (tool for name, tool in self._by_name.items() if name in EVERYWHERE)
        return _OthersTools(*shared, hidden=frozenset(self._by_name) - EVERYWHERE)

    def definitions(self) -> list[ToolRecord]:
        """Return the definitions of the process's own tools."""
        return [tool.definition for tool in self._by_name.values()]

    async def list_all(self) -> ToolListing:
        """List all tools, for a person."""
        found = await asyncio.gather(*(source.list_all() for source in self._sources))
        return self._joined(self.definitions(), found)

    async def named(self, names: Collection[str]) -> ToolListing:
        """Return those tools of some names that are there; only their sources are asked."""
        own = [tool for tool in self.definitions() if tool["name"] in names]
        others = {name for name in names if name not in self._by_name}
        if not others:
            return ToolListing(tools=tuple(own))
        found = await asyncio.gather(*(source.named(others) for source in self._sources))
        return self._joined(own, found)

    async def find(self, name: str) -> ServerTool | None:
        """Return the tool of a name; None if nobody has it now.

        Raises:
            ChatStreamError: a source that may have it cannot be asked now.
        """
        tool = self._by_name.get(name)
        for source in self._sources:
            if tool is None:
                tool = await source.find(name)
        return tool

    async def close(self) -> None:
        """End whatever the sources have started."""
        await asyncio.gather(*(source.close() for source in self._sources))

    def _joined(self, own: Sequence[ToolRecord], found: Sequence[ToolListing]) -> ToolListing:
        """Join listings; of two tools of a name, the first stands."""
        by_name = {tool["name"]: tool for tool in own}
        for tool in (tool for listing in found for tool in listing.tools):
            by_name.setdefault(tool["name"], tool)
        problems = [problem for listing in found for problem in listing.problems]
        return ToolListing(tools=tuple(by_name.values()), problems=tuple(problems))


class _OthersTools(ServerTools):
    """What is left of a process's tools for a person whom it does not serve."""

    def __init__(self, *tools: ServerTool, hidden: frozenset[str]) -> None:
        super().__init__(*tools)
        self._hidden = hidden

    async def named(self, names: Collection[str]) -> ToolListing:
        found = await super().named(names)
        # The names of MCP tools are not looked up: that would ask the other person's servers.
        if not any(name in self._hidden or "__" in name for name in names):
            return found
        return ToolListing(
            tools=found.tools, problems=({"source": "server", "message": NOT_YOURS},)
        )

    async def find(self, name: str) -> ServerTool | None:
        tool = await super().find(name)
        if tool is None:
            raise Forbidden(f"{NOT_YOURS} The call was not made.")
        return tool
