"""A laboratory of MCP servers: a file ``mcp.json``, and what its servers have noted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mcp

from jupyter_chat_stream.runs.tools.base import CallContext, ToolDone
from jupyter_chat_stream.runs.tools.mcp.servers import McpServers
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.tool_definitions import digest_of
from tests.runs.calls import call_context

SERVER = str(Path(__file__).with_name("server.py"))
BAD_SERVER = str(Path(__file__).with_name("bad_server.py"))
# Servers use the SDK of this process, of whichever generation it is.
SDK = str(Path(mcp.__file__).parent.parent)
PATIENCE_S = 30.0


class McpLab:
    """Names one server ``lab``, and calls its tools."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "mcp.json"
        self.shown: list[str] = []
        self._made: list[McpServers] = []
        self._process: subprocess.Popen[bytes] | None = None

    def entry(self, **fields: Any) -> dict[str, Any]:
        env = {"PYTHONPATH": SDK, **fields.pop("env", {})}
        args = [SERVER, str(self.folder)]
        return {"command": sys.executable, "args": args, "env": env, **fields}

    def bad_entry(self, how: str) -> dict[str, Any]:
        return {"command": sys.executable, "args": [BAD_SERVER, how]}

    def write(self, **servers: Any) -> None:
        self.file.write_text(json.dumps({"mcpServers": servers}))

    def servers(self, **settings: Any) -> McpServers:
        made = McpServers(self.config(**settings))
        self._made.append(made)
        return made

    def config(self, **settings: Any) -> ChatStream:
        return ChatStream(mcp_config=str(self.file), **settings)

    async def serve(self) -> int:
        """Start the server at an address; returns its port."""
        port = free_port()
        args = [sys.executable, SERVER, str(self.folder), str(port)]
        environment = {**os.environ, "PYTHONPATH": SDK}
        self._process = subprocess.Popen(  # noqa: ASYNC220
            args, stderr=subprocess.DEVNULL, env=environment
        )

        async def answers() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
            await writer.wait_closed()
            return True

        await until(answers, "the server listens")
        return port

    def end_server(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def call(self, servers: McpServers, tool_name: str, /, **input_: Any) -> ToolDone:
        """Call a tool as a run does that was allowed to call it as it is now."""
        tool = await servers.find(tool_name)
        assert tool is not None, tool_name
        done = await tool.call(input_, self.context(digest_of(tool.definition)))
        assert isinstance(done, ToolDone)
        return done

    def context(self, digest: str) -> CallContext:
        async def write(text: str) -> None:
            self.shown.append(text)

        return call_context(write=write, digest=digest)

    @property
    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def pid(self) -> int:
        return int((self.folder / "pid").read_text())

    async def has_called(self, line: str) -> None:
        """Wait until a server has noted a line."""

        async def noted() -> bool:
            return line in self.calls

        await until(noted, f"the server notes {line!r}")

    async def close(self) -> None:
        for servers in self._made:
            await servers.close()
        self.end_server()


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_running(pid: int) -> bool:
    """Return whether a process lives; one that nobody has waited for yet does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


async def until(look: Callable[[], Any], what: str) -> None:
    """Look again and again until something holds."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + PATIENCE_S
    while not await look():
        assert loop.time() < end_s, f"waited in vain: {what}"
        await asyncio.sleep(0.02)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
