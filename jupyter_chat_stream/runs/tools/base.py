"""The interface of a server tool, which the process of a run executes.

The process claims a call in the database before it makes the call, so only one process makes it. A
call that was interrupted is repeated only if its definition is ``idempotent`` (L14). If a tool
raises, only its call fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...providers.base import Answered, AskChunk, SleepChunk
from ...shared.errors import Forbidden
from ...shared.tool_records import ToolInput, ToolProblem, ToolRecord
from ...store.front import BuildState, ChatStore, NewBuild, ThreadRef
from ..spent import TokensHere


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A file for a result: an image, a document, a table or a text."""

    name: str
    type: str
    """The media type, which must fit the bytes; empty: derive it from the bytes and the name."""
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ToolDone:
    """The result of a call; ``output`` is a JSON value for the model.

    An output of more than 256 kB is cut, and a file keeps the complete output. ``attachments``
    become attachments of the reply. A model gets the images and documents that it can read.
    """

    output: Any
    success: bool = True
    attachments: Sequence[NewFile] = ()


@dataclass(frozen=True, kw_only=True)
class BuildWait:
    """The call waits for a build of its thread, and is repeated after the build's end."""

    job_id: str


# After a question, a sleep or a wait for a build, the run is released. It calls the tool again with
# the answer, at that time, or after the build. ``NewBuild`` begins a build; its call waits for the
# build, or ends with the build's id.
ToolOutcome = ToolDone | AskChunk | SleepChunk | NewBuild | BuildWait


class ThreadBuilds:
    """The builds of one thread, as its tools see them.

    Both methods raise BuildNotFound for a build of another thread (L16).
    """

    def __init__(self, store: ChatStore, thread: ThreadRef, tokens: TokensHere) -> None:
        self._store = store
        self._thread = thread
        self._tokens = tokens

    async def find(self, job_id: str) -> BuildState:
        return await self._store.tools.find_build(self._thread, job_id)

    async def cancel(self, job_id: str) -> bool:
        """Cancel a build; False if it has ended already."""
        usage_by_run = await self._tokens.of_thread(self._thread.id)
        return await self._store.tools.cancel_build(self._thread, job_id, usage_by_run)


@dataclass(frozen=True, kw_only=True)
class CallContext:
    """Everything except the input that a call may know and use."""

    owner: str
    thread_id: str
    run_id: str
    tool_call_id: str
    started_ms: int
    """The time when the call was allowed; the same at each repetition of the call."""
    now_ms: int
    answer: Answered | None
    """The person's answer to this call's question; None without one."""
    write: Callable[[str], Awaitable[None]]
    """Shows a text in the call's card during the call."""
    builds: ThreadBuilds
    digest: str = ""
    """The digest of the allowed definition, which was stored with the run."""
    job_id: str | None = None
    """The id of the build for which this call waits; None without one."""


class ServerTool(Protocol):
    """A tool of the server. One instance serves all runs of the process."""

    definition: ToolRecord

    async def call(self, input: ToolInput, context: CallContext) -> ToolOutcome:
        """Make one call. The input fits the definition, and a needed consent was given.

        The call may be cancelled at any await, when a person stops the answer.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ToolListing:
    """A list of tools, and the problems that explain missing tools."""

    tools: Sequence[ToolRecord] = ()
    problems: Sequence[ToolProblem] = ()


class ToolSource(Protocol):
    """A source of tools that are known only on request, such as MCP servers.

    A source does nothing before a request, and then only the necessary work.
    """

    async def list_all(self) -> ToolListing:
        """List all tools of the source."""
        ...

    async def list_named(self, names: Collection[str]) -> ToolListing:
        """Return the tools of the source that have one of these names."""
        ...

    async def find(self, name: str) -> ServerTool | None:
        """Return the current version of a tool. May raise a ChatStreamError."""
        ...

    async def close(self) -> None:
        """End all processes and connections of the source."""
        ...


# Tools that use no resources of their process, so any process may make their calls.
EVERYWHERE = frozenset({"ask_person", "wait_until"})
NOT_YOURS = (
    "The server that makes this answer belongs to another person. Its files, its MCP servers and "
    "its kernels are not used for it."
)


class ServerTools:
    """The tools of a process by name: its own tools, and the tools of its sources.

    Args:
        owners: the people whose runs may use the files and tokens of the process; None: all.
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

        Servers that share a database execute each other's runs. A run must not read the files of
        another person's server, or act with that person's tokens.
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
        listings = await asyncio.gather(*(source.list_all() for source in self._sources))
        return self._join(self.definitions(), listings)

    async def list_named(self, names: Collection[str]) -> ToolListing:
        """Return the existing tools with these names; only their sources are asked."""
        own_tools = [tool for tool in self.definitions() if tool["name"] in names]
        other_names = {name for name in names if name not in self._by_name}
        if not other_names:
            return ToolListing(tools=tuple(own_tools))
        listings = await asyncio.gather(
            *(source.list_named(other_names) for source in self._sources)
        )
        return self._join(own_tools, listings)

    async def find(self, name: str) -> ServerTool | None:
        """Return the tool with a name; None if there is none now.

        Raises:
            ChatStreamError: a source that may have the tool is not available.
        """
        tool = self._by_name.get(name)
        for source in self._sources:
            if tool is None:
                tool = await source.find(name)
        return tool

    async def close(self) -> None:
        await asyncio.gather(*(source.close() for source in self._sources))

    def _join(
        self, own_tools: Sequence[ToolRecord], listings: Sequence[ToolListing]
    ) -> ToolListing:
        """Join listings; of two tools with the same name, keep the first."""
        by_name = {tool["name"]: tool for tool in own_tools}
        for tool in (tool for listing in listings for tool in listing.tools):
            by_name.setdefault(tool["name"], tool)
        problems = [problem for listing in listings for problem in listing.problems]
        return ToolListing(tools=tuple(by_name.values()), problems=tuple(problems))


class _OthersTools(ServerTools):
    """The tools of a process for the runs of a person who is not one of its owners."""

    def __init__(self, *tools: ServerTool, hidden: frozenset[str]) -> None:
        super().__init__(*tools)
        self._hidden = hidden

    async def list_named(self, names: Collection[str]) -> ToolListing:
        listing = await super().list_named(names)
        # Names of MCP tools are not looked up, because that would contact the owner's servers.
        if not any(name in self._hidden or "__" in name for name in names):
            return listing
        return ToolListing(
            tools=listing.tools, problems=({"source": "server", "message": NOT_YOURS},)
        )

    async def find(self, name: str) -> ServerTool | None:
        tool = await super().find(name)
        if tool is None:
            raise Forbidden(f"{NOT_YOURS} The call was not made.")
        return tool
