"""Runs the process of an MCP server, with one JSON message per line of input and output.

The SDK has such a transport, too. This one bounds the process's messages, skips lines that are no
message (many servers print some), drops the error stream, and ends within seconds. The process gets
a few harmless variables of our environment, and the variables of its entry. If we end, even by
SIGKILL, the process sees the end of its input.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from ....shared.errors import McpServerUnavailable
from .server_file import StdioServer

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_MESSAGES_PER_S = 2000
MAX_ODD_LINES = 1000
END_S = 1.0  # the wait between closing the input, SIGTERM and SIGKILL
TOO_LARGE = f"It sent a message of more than {MAX_MESSAGE_BYTES} bytes."
TOO_MUCH = f"It sent more than {MAX_MESSAGES_PER_S} messages in a second."
NO_MESSAGES = "It writes lines to its output that are no MCP messages."


@dataclass(frozen=True, kw_only=True)
class WireForm:
    """Converts the SDK's messages to lines, and lines to messages."""

    read: Callable[[bytes], Any]
    write: Callable[[Any], str]


@asynccontextmanager
async def run_process(
    server: StdioServer,
    form: WireForm,
    inherited: Mapping[str, str],
    on_end: Callable[[str], None],
) -> AsyncIterator[tuple[Any, Any]]:
    """Run a server's process, and yield its stream of messages and the stream to it.

    Args:
        inherited: the variables of our environment that the process gets besides its own.
        on_end: called with the reason when the process has ended or misbehaved.

    Raises:
        McpServerUnavailable: the command cannot be executed.
    """
    import anyio

    process = await start(server, inherited)
    from_server, source = anyio.create_memory_object_stream[Any](0)
    sink, to_server = anyio.create_memory_object_stream[Any](0)
    reader = asyncio.ensure_future(_read(process, form, from_server, on_end))
    writer = asyncio.ensure_future(_write(process, form, to_server))
    try:
        async with source, sink:
            yield source, sink
    finally:
        for task in (reader, writer):
            task.cancel()
        await asyncio.gather(reader, writer, return_exceptions=True)
        await end_process(process)


async def start(server: StdioServer, inherited: Mapping[str, str]) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            server.command,
            *server.args,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={**inherited, **server.env},
            cwd=server.cwd,
            limit=MAX_MESSAGE_BYTES,
            start_new_session=True,  # Ctrl+C in the terminal must not end it
        )
    except FileNotFoundError:
        reason = f"There is no command {server.command!r}, or no folder 'cwd' of its entry."
    except NotImplementedError:
        reason = "This event loop starts no processes. Reach the server by its 'url'."
    except (OSError, ValueError) as error:
        reason = f"Its command {server.command!r} could not start ({type(error).__name__})."
    raise McpServerUnavailable(server.name, reason, slug=server.slug)


async def _read(
    process: Process, form: WireForm, stream: Any, on_end: Callable[[str], None]
) -> None:
    """Pass on the messages of a process, until it ends or misbehaves."""
    import anyio

    output = process.stdout
    assert output is not None
    loop = asyncio.get_running_loop()
    begun_s, count, odd_lines = loop.time(), 0, 0
    reason = "Its process has ended."
    async with stream:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                try:
                    line = await output.readline()
                except ValueError:
                    reason = TOO_LARGE
                    break
                if not line:
                    break
                count += 1
                if loop.time() > begun_s + 1:
                    begun_s, count = loop.time(), 0
                if count > MAX_MESSAGES_PER_S:
                    reason = TOO_MUCH
                    break
                if not line.strip():
                    continue
                try:
                    message = form.read(line)
                except ValueError:
                    odd_lines += 1
                    if odd_lines > MAX_ODD_LINES:
                        reason = NO_MESSAGES
                        break
                    continue
                await stream.send(message)
        on_end(reason)


async def _write(process: Process, form: WireForm, stream: Any) -> None:
    """Write messages to a process, waiting until it reads them."""
    pipe = process.stdin
    assert pipe is not None
    async with stream:
        with suppress(OSError):  # the process has ended, which the reader reports
            async for message in stream:
                pipe.write(form.write(message).encode("utf-8", "replace") + b"\n")
                await pipe.drain()


async def end_process(process: Process) -> None:
    """End a process: close its input, then send SIGTERM, then SIGKILL."""
    if process.stdin is not None:
        process.stdin.close()
    for number in (None, "SIGTERM", "SIGKILL"):
        if number is not None:
            _signal_group(process, number)
        if await _has_ended(process):
            break
    transport = getattr(process, "_transport", None)
    if transport is not None:  # a child of the process may keep the pipes open
        transport.close()


def _signal_group(process: Process, name: str) -> None:
    """Send a signal to the group of a process and its children."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, getattr(signal, name))
        else:
            process.kill()


async def _has_ended(process: Process) -> bool:
    """Wait ``END_S`` for the end of a process, even if its pipes stay open longer."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + END_S
    while process.returncode is None:
        if loop.time() >= until_s:
            return False
        await asyncio.sleep(0.01)
    return True
