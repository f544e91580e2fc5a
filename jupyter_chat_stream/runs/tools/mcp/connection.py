"""The connection to one MCP server.

::

    not connected ── needed ──► connecting ──► connected ── ended, silent, closed ──► not connected
          ▲                         │ cannot                                              │
          └──── after a pause ◄─────┴─────────────────────────────────────────────────────┘

A separate task holds the connection from its beginning to its end, so a task that waits for it can
be cancelled without harm. A call is sent once: if the server ends during the call, the call fails
(L14).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ....shared.backoff import Backoff
from ....shared.errors import McpServerUnavailable
from ....shared.json_objects import JsonView
from ....shared.logs import Line
from ....shared.tool_records import ToolRecord
from ..concealing import SecretConcealer
from .listed import McpTools, tools_of
from .sdk import CONNECTION_ENDED, McpClient, open_client
from .server_file import McpServer

log = logging.getLogger("jupyter_chat_stream.mcp")

START_S = 60.0  # a command may have to download its server first
LIST_S = 10.0
LIST_AGE_S = 300.0  # list again after this, because a server need not announce changes
LASTING_S = 60.0  # after a connection of this length, the pauses begin anew
SHORT_PAUSE_S = 2.0
END_S = 4.0
WRITE_EVERY_S = 0.2
MAX_WAITING_LINES = 100
MAX_LINE_CHARS = 500
MAX_ERROR_CHARS = 4000
MAY_BE_DONE = "The call may have been made in part or as a whole: look before you repeat it."
CONNECTION_CLOSED = -32000  # the code of both generations of the SDK
PAUSES = Backoff(first_s=0.5, max_s=60.0)

WriteProgress = Callable[[str], Awaitable[None]]


@dataclass(kw_only=True)
class _Live:
    """An open connection; ``reason`` tells why it has ended."""

    client: McpClient
    tools: McpTools
    listed_s: float
    begun_s: float
    is_stale: bool = False
    reason: str = ""
    end_event: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.end_event.set()


class ServerAnsweredError(Exception):
    """A server answered a call with an error, whose text is untrusted."""


class ToolHasChanged(Exception):
    """A server has changed or removed a tool since its call was allowed."""


class McpConnection:
    """Connects to a server when somebody needs it, and makes calls.

    Args:
        is_trusted: whether the server's hints about its tools count.
        timeout_s: the time limit of a call.
    """

    def __init__(
        self,
        server: McpServer,
        *,
        is_trusted: bool,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.server = server
        self._concealer = SecretConcealer(server.secrets)
        self._is_trusted = is_trusted
        self.timeout_s = timeout_s
        self._clock = clock
        self._holding_task: asyncio.Task[None] | None = None
        self.live: _Live | None = None
        self._opening: asyncio.Future[_Live] | None = None
        self._list_lock = asyncio.Lock()
        self._failures = 0
        self._not_before_s = 0.0
        self._last_reason = ""

    async def tools(self) -> McpTools:
        """Return the tools that the server has now.

        Raises:
            McpServerUnavailable
        """
        return (await self._connected()).tools

    async def call(
        self, tool: ToolRecord, name: str, arguments: JsonView, write: WriteProgress
    ) -> JsonView:
        """Call a tool by its name on the server; ``write`` shows the progress.

        Raises:
            ToolHasChanged: the server has another definition of the tool now (L13).
            McpServerUnavailable: the server was not reached, has ended, or did not answer in time.
            ServerAnsweredError: the server answered with an error.
        """
        live = await self._connected()
        if live.tools.definitions.get(tool["name"]) != tool:
            raise ToolHasChanged(tool["name"])
        lines = _ProgressLines()
        concealed = self._concealer.concealed

        async def write_concealed(text: str) -> None:
            await write(concealed(text))

        work = asyncio.ensure_future(live.client.call(name, arguments, lines.add))
        showing = asyncio.ensure_future(lines.show(write_concealed))
        end_wait = asyncio.ensure_future(live.end_event.wait())
        tasks = (work, showing, end_wait)
        try:
            await asyncio.wait(tasks, timeout=self.timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if showing.done():
                showing.result()  # raises, because the attempt is fenced
            if work.done() and not work.cancelled() and work.exception() is None:
                result: JsonView = concealed(work.result())
                return result
            if live.end_event.is_set():
                raise self._unavailable(f"{live.reason} {MAY_BE_DONE}")
            live.is_stale = True  # the next use checks whether the server still answers
            if work.done() and not _is_cut(work):
                raise ServerAnsweredError(concealed(_words_of(work)))
            if work.done():
                raise self._unavailable(f"The connection broke. {MAY_BE_DONE}")
            raise self._unavailable(f"It did not answer within {self.timeout_s:g} s. {MAY_BE_DONE}")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """End the connection and its process for good."""
        self._not_before_s, self._last_reason = float("inf"), "The server stops."
        holding_task = self._holding_task
        if holding_task is None or holding_task.done():
            return
        if self.live is None:
            holding_task.cancel()
        else:
            self.live.end(self._last_reason)
        _, late = await asyncio.wait({holding_task}, timeout=END_S)
        for task in late:
            task.cancel()

    async def _connected(self) -> _Live:
        """Return the open connection with fresh tools; connect if there is no connection."""
        live = self.live
        if live is not None:
            await self._relist(live)
            if not live.end_event.is_set():
                return live
            if self._holding_task is not None:
                await asyncio.wait({self._holding_task})
        if self._holding_task is None or self._holding_task.done():
            await self._pause()
        if self._holding_task is None or self._holding_task.done():  # no other task was faster
            self._opening = asyncio.get_running_loop().create_future()
            self._holding_task = asyncio.ensure_future(self._hold_connection(self._opening))
        assert self._opening is not None
        await asyncio.wait({self._opening})
        return self._opening.result()

    async def _pause(self) -> None:
        """Wait for the end of a short pause; refuse during a long one."""
        left_s = self._not_before_s - self._clock()
        if left_s > SHORT_PAUSE_S:
            retry_note = (
                f" It is tried again in {left_s:.0f} s." if left_s < PAUSES.max_s * 2 else ""
            )
            raise self._unavailable(f"{self._last_reason}{retry_note}")
        if left_s > 0:
            await asyncio.sleep(left_s)

    async def _relist(self, live: _Live) -> None:
        """List the tools again if they may have changed; end a server that does not answer."""
        async with self._list_lock:
            is_old = live.is_stale or self._clock() > live.listed_s + LIST_AGE_S
            if live.end_event.is_set() or not is_old:
                return
            live.is_stale = False
            try:
                async with asyncio.timeout(LIST_S):
                    tools = await live.client.list_tools()
            except asyncio.CancelledError:
                live.is_stale = True
                raise
            except TimeoutError:
                live.end(f"It did not list its tools within {LIST_S:g} s.")
            except Exception as error:  # noqa: BLE001  whatever it is, the next one connects anew
                live.end(f"It did not list its tools ({type(error).__name__}).")
            else:
                live.tools = self._tools_of(tools)
                live.listed_s = self._clock()

    def _tools_of(self, tools: Any) -> McpTools:
        server = self.server
        concealed = self._concealer.concealed(tools)
        return tools_of(server.slug, concealed, is_trusted=self._is_trusted, mark=server.mark)

    async def _hold_connection(self, opening: asyncio.Future[_Live]) -> None:
        """Hold one connection, from its beginning to its end."""
        reason, begun_s = "", self._clock()
        ends: list[str] = []  # reasons of an end before the connection was open
        hints: list[str] = []  # possible reasons for a failure of the connection
        try:
            async with asyncio.timeout(START_S) as limit:
                async with open_client(
                    self.server,
                    on_change=self._on_change,
                    on_end=self._on_end(ends),
                    on_hint=hints.append,
                ) as client:
                    tools = self._tools_of(await client.list_tools())
                    limit.reschedule(None)
                    now_s = self._clock()
                    live = _Live(client=client, tools=tools, listed_s=now_s, begun_s=now_s)
                    if ends:
                        live.end(ends[0])
                    self.live = live
                    opening.set_result(live)
                    await live.end_event.wait()
                    reason = live.reason
        except McpServerUnavailable as error:
            self._refuse(opening, error)
            reason = error.message
        except TimeoutError:
            reason = f"It was not ready within {START_S:g} s."
        except asyncio.CancelledError:
            reason = "The server stops."
            raise
        except Exception as error:  # noqa: BLE001  of the SDK, or of what the server sent
            live_reason = self.live.reason if self.live else ""
            known_ends = [end for end in ends if end != CONNECTION_ENDED]
            unknown_end = f"It could not be reached ({_name_of(error)})."
            reason = next(filter(None, (live_reason, *hints, *known_ends, unknown_end)))
        finally:
            self._note_end(reason, begun_s)
            self._refuse(opening, self._unavailable(reason))

    def _note_end(self, reason: str, begun_s: float) -> None:
        """Remember the end of the connection, and when the next one may begin."""
        live, self.live = self.live, None
        if live is not None:
            live.end(reason)
        if self._not_before_s == float("inf"):  # closed
            return
        if live is not None and self._clock() > begun_s + LASTING_S:
            self._failures = 0
        self._last_reason = reason
        self._not_before_s = self._clock() + PAUSES.pause_s(self._failures)
        self._failures += 1
        log.warning(Line("mcp.ended", server=self.server.slug, failures=self._failures))

    def _refuse(self, opening: asyncio.Future[_Live], error: McpServerUnavailable) -> None:
        if not opening.done():
            opening.set_exception(error)
            opening.exception()  # marks the exception as retrieved, if no task is waiting

    def _on_change(self) -> None:
        if self.live is not None:
            self.live.is_stale = True

    def _on_end(self, ends: list[str]) -> Callable[[str], None]:
        """Return a function that ends this connection."""
        opening = self._opening

        def end(reason: str) -> None:
            ends.append(reason)
            if self.live is not None and self._opening is opening:
                self.live.end(reason)

        return end

    def _unavailable(self, reason: str) -> McpServerUnavailable:
        return McpServerUnavailable(self.server.name, reason, slug=self.server.slug)


class _ProgressLines:
    """Collects a call's progress messages, and shows them a few times a second."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line_event = asyncio.Event()

    async def add(self, progress: float, total: float | None, message: str | None) -> None:
        """Add a message. If the server is faster than the log, messages are dropped."""
        if len(self._lines) < MAX_WAITING_LINES:
            of = "" if total is None else f"/{total:g}"
            line = message or f"{progress:g}{of}"
            is_long = len(line) > MAX_LINE_CHARS
            self._lines.append(f"{line[:MAX_LINE_CHARS]}…" if is_long else line)
            self._line_event.set()

    async def show(self, write: WriteProgress) -> None:
        """Write the messages as they come, until cancelled."""
        while True:
            await self._line_event.wait()
            self._line_event.clear()
            lines, self._lines = self._lines, []
            await write("".join(f"{line}\n" for line in lines))
            await asyncio.sleep(WRITE_EVERY_S)


def _is_cut(work: asyncio.Future[Any]) -> bool:
    """Return whether the SDK itself has ended the call, because the connection is closed."""
    error = None if work.cancelled() else work.exception()
    return getattr(getattr(error, "error", None), "code", None) == CONNECTION_CLOSED


def _words_of(work: asyncio.Future[Any]) -> str:
    error = None if work.cancelled() else work.exception()
    words = getattr(getattr(error, "error", None), "message", None)
    if isinstance(words, str) and words.strip():
        return f"The MCP server answers with an error: {words[:MAX_ERROR_CHARS]}"
    return f"The MCP server's answer could not be read ({_name_of(error)})."


def _name_of(error: BaseException | None) -> str:
    """Return the class name of an error; for a group, of its first error."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
