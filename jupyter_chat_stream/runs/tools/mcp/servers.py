"""The MCP servers of ``mcp.json``, as a source of tools.

The file is read at the first request for tools, and again after a change. A server is contacted
when a person lists the tools of a thread, or when a run has one of the server's tools on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from ....shared.config import ChatStream
from ....shared.errors import ChatStreamError, McpServerUnavailable
from ....shared.tool_definitions import digest_of
from ....shared.tool_records import ToolInput, ToolProblem, ToolRecord
from ..base import CallContext, ServerTool, ToolDone, ToolListing, ToolOutcome
from .connection import McpConnection, ServerAnsweredError, ToolHasChanged
from .listed import SEPARATOR
from .results import done_of
from .server_file import McpFile, find_file, read_file

RUN_WAIT_S = 15.0  # how long an answer waits for a server before it continues without
LIST_WAIT_S = 5.0  # how long a person's list waits for a server
CHANGED = (
    "The MCP server has changed this tool since the answer began. The call was not made. After "
    "the person's next message you can call the changed tool, if the person allows it."
)
STILL_STARTING = "It is still starting. Try again in a moment to see its tools."


class McpServers:
    """The servers of the file, each with its connection."""

    def __init__(self, config: ChatStream) -> None:
        self._config = config
        self._file = McpFile()
        self._file_state: tuple[Path, int, int] | None = None
        self._read_lock = asyncio.Lock()
        self.by_slug: dict[str, McpConnection] = {}

    async def list_all(self) -> ToolListing:
        """List the tools of all servers; a server that is not ready in time becomes a problem."""
        await self._refresh()
        listing = await self._list_tools(tuple(self.by_slug.values()), LIST_WAIT_S)
        problems = tuple(map(_problem, self._file.problems))
        return ToolListing(tools=listing.tools, problems=(*problems, *listing.problems))

    async def list_named(self, names: Collection[str]) -> ToolListing:
        """Return the tools with these names; only the servers that may have them are contacted.

        A problem is returned only if it may explain a missing tool.
        """
        slugs = _slugs(names)
        if not slugs:
            return ToolListing()
        await self._refresh()
        connections = tuple(
            connection for slug, connection in self.by_slug.items() if slug in slugs
        )
        listing = await self._list_tools(connections, RUN_WAIT_S)
        tools = tuple(tool for tool in listing.tools if tool["name"] in names)
        missing = _slugs({*names} - {tool["name"] for tool in tools})
        sources = {"mcp", *(f"mcp:{slug}" for slug in missing)} if missing else ()
        problems = (*map(_problem, self._file.problems), *listing.problems)
        return ToolListing(
            tools=tools,
            problems=tuple(problem for problem in problems if problem["source"] in sources),
        )

    async def find(self, name: str) -> ServerTool | None:
        """Return the current version of the tool with a name.

        Raises:
            McpServerUnavailable
        """
        slug, separator, _ = name.partition(SEPARATOR)
        if not separator:
            return None
        await self._refresh()
        connection = self.by_slug.get(slug)
        if connection is None:
            return None
        tools = await connection.tools()
        definition = tools.definitions.get(name)
        if definition is None:
            return None
        return McpTool(connection, definition, tools.own_names[name])

    async def close(self) -> None:
        """End all connections concurrently."""
        async with self._read_lock:
            connections = tuple(self.by_slug.values())
            self.by_slug = {}
        await asyncio.gather(*(connection.close() for connection in connections))

    async def _list_tools(self, connections: Sequence[McpConnection], wait_s: float) -> ToolListing:
        """List the tools of some servers concurrently."""
        tasks = [asyncio.ensure_future(connection.tools()) for connection in connections]
        if tasks:
            await asyncio.wait(tasks, timeout=wait_s)
        tools: list[ToolRecord] = []
        problems: list[ToolProblem] = []
        for connection, task in zip(connections, tasks, strict=True):
            server = connection.server
            source = f"mcp:{server.slug}"
            if not task.done():  # the server continues to start
                task.cancel()
                starts = McpServerUnavailable(server.name, STILL_STARTING, slug=server.slug)
                problems.append(_problem(starts))
            elif isinstance(error := task.exception(), ChatStreamError):
                problems.append({"source": source, "message": error.message})
            else:
                mcp_tools = task.result()
                tools += mcp_tools.definitions.values()
                if mcp_tools.left_out:
                    problems.append({"source": source, "message": mcp_tools.left_out})
        return ToolListing(tools=tuple(tools), problems=tuple(problems))

    async def _refresh(self) -> None:
        """Read the file if it has changed, and keep the connections of unchanged entries."""
        async with self._read_lock:
            state = await asyncio.to_thread(self._look)
            if state == self._file_state:
                return
            self._file_state = state
            self._file = (
                McpFile() if state is None else await asyncio.to_thread(read_file, state[0])
            )
            old_connections, self.by_slug = self.by_slug, {}
            for server in self._file.servers:
                connection = old_connections.get(server.slug)
                if connection is not None and connection.server == server:
                    self.by_slug[server.slug] = old_connections.pop(server.slug)
                else:
                    self.by_slug[server.slug] = McpConnection(
                        server,
                        is_trusted=self._is_trusted(server.name),
                        timeout_s=self._config.mcp_timeout_s,
                    )
        await asyncio.gather(*(connection.close() for connection in old_connections.values()))

    def _look(self) -> tuple[Path, int, int] | None:
        """Return the file's path, size and time, to detect changes. Blocks."""
        path = find_file(self._config)
        if path is None:
            return None
        try:
            status = path.stat()
        except OSError:
            return path, 0, 0
        return path, status.st_mtime_ns, status.st_size

    def _is_trusted(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._config.mcp_trusted)


class McpTool:
    """A tool of an MCP server, as it was at the time of the request."""

    def __init__(self, connection: McpConnection, definition: ToolRecord, own_name: str) -> None:
        self._connection = connection
        self._own_name = own_name
        self.definition = definition

    async def call(self, input: ToolInput, context: CallContext) -> ToolOutcome:
        """Make the call, if the server still has the allowed definition (L13)."""
        if digest_of(self.definition) != context.digest:
            return ToolDone(success=False, output=CHANGED)
        call = self._connection.call(self.definition, self._own_name, input, context.write)
        try:
            return done_of(await call)
        except ToolHasChanged:
            return ToolDone(success=False, output=CHANGED)
        except ServerAnsweredError as error:
            return ToolDone(success=False, output=str(error))


def _slugs(names: Collection[str]) -> set[str]:
    """Return the prefixes of the servers that may have tools with these names."""
    return {name.partition(SEPARATOR)[0] for name in names if SEPARATOR in name}


def _problem(error: McpServerUnavailable) -> ToolProblem:
    return {"source": error.source, "message": error.message}
