"""A client of one MCP server, with the first or the second generation of the MCP SDK.

Only this module knows the differences of the two generations. It returns the wire's JSON objects.
The messages of a server are bounded. The SDK's own log lines are suppressed, because they quote
messages.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ....shared.errors import McpServerUnavailable
from ....shared.json_objects import JsonView
from .bounded_http import http_client
from .server_file import McpServer, StdioServer
from .stdio import WireForm, run_process

MAX_PAGES = 20  # of one listing
RELISTEN_S = 5.0
CANCEL_S = 1.0
CLIENT_NAME = "jupyter-chat-stream"
CONNECTION_ENDED = "It has closed the connection, or sent something that is no MCP message."
INSTALL = (
    "The package 'mcp' is not installed here. Install it: pip install 'jupyter-chat-stream[mcp]', "
    "then start the server again."
)

OnProgress = Callable[[float, float | None, str | None], Awaitable[None]]

_quiet: ContextVar[bool] = ContextVar("jupyter_chat_stream_mcp_quiet", default=False)


@dataclass(frozen=True, kw_only=True)
class _McpSdk:
    is_second: bool

    def module(self, name: str) -> Any:
        return import_module(f"mcp.{name}")

    def wire_form(self) -> WireForm:
        message = self.module("shared.message").SessionMessage
        if self.is_second:
            adapter = import_module("mcp_types").jsonrpc_message_adapter
            return WireForm(
                read=lambda line: message(adapter.validate_json(line, by_name=False)),
                write=lambda envelope: envelope.message.model_dump_json(
                    by_alias=True, exclude_unset=True
                ),
            )
        parse = self.module("types").JSONRPCMessage.model_validate_json
        return WireForm(
            read=lambda line: message(parse(line)),
            write=lambda envelope: envelope.message.model_dump_json(
                by_alias=True, exclude_none=True
            ),
        )


@cache
def _sdk() -> _McpSdk:
    try:
        return _McpSdk(is_second=int(version("mcp").partition(".")[0]) >= 2)
    except PackageNotFoundError:
        raise McpServerUnavailable(None, INSTALL) from None


class McpClient:
    """An open connection to a server."""

    def __init__(self, inner: Any, sdk: _McpSdk) -> None:
        self._inner = inner
        self._sdk = sdk

    async def list_tools(self) -> list[JsonView]:
        """Return all tools that the server lists, as JSON of the server."""
        tools: list[JsonView] = []
        params_type = self._sdk.module("types").PaginatedRequestParams
        cursor: str | None = None
        with quiet():
            for _ in range(MAX_PAGES):
                page = await self._inner.list_tools(params=params_type(cursor=cursor))
                listing = page.model_dump(by_alias=True, mode="json", exclude_none=True)
                tools += listing.get("tools", ())
                cursor = listing.get("nextCursor")
                if cursor is None:
                    break
        return tools

    async def call(self, name: str, arguments: JsonView, on_progress: OnProgress) -> JsonView:
        """Call a tool; if the caller is cancelled, notify the server."""
        with quiet():
            # The first generation does not notify the server of a cancelled call.
            request_id = None if self._sdk.is_second else getattr(self._inner, "_request_id", None)
            try:
                result = await self._inner.call_tool(
                    name, dict(arguments), progress_callback=on_progress
                )
            except asyncio.CancelledError:
                if request_id is not None:
                    with suppress(Exception):
                        await asyncio.wait_for(self._tell_cancelled(request_id), CANCEL_S)
                raise
        answer: JsonView = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        return answer

    async def _tell_cancelled(self, request_id: int) -> None:
        types = self._sdk.module("types")
        params = types.CancelledNotificationParams(requestId=request_id)
        note = types.CancelledNotification(method="notifications/cancelled", params=params)
        await self._inner.send_notification(types.ClientNotification(note))


@asynccontextmanager
async def open_client(
    server: McpServer,
    *,
    on_change: Callable[[], None],
    on_end: Callable[[str], None],
    on_hint: Callable[[str], None],
) -> AsyncIterator[McpClient]:
    """Connect to a server and do the handshake.

    Args:
        on_change: called when the server's tools have changed.
        on_end: called with the reason when the other side has ended the connection.
        on_hint: called with a possible reason for a failure of the connection.

    Raises:
        McpServerUnavailable: the package is not installed, or the command does not exist.
        Exception: any error of the SDK.
    """
    sdk = await asyncio.to_thread(_load)
    with quiet():
        async with (
            _streams(sdk, server, on_end, on_hint) as (source, sink),
            _relayed(source, on_end) as relayed,
            _inner(sdk, relayed, sink, on_change) as inner,
        ):
            yield McpClient(inner, sdk)


def _load() -> _McpSdk:
    """Import the SDK, which takes about a second."""
    sdk = _sdk()
    for name in ("client.session", "client.stdio", "client.streamable_http", "shared.message"):
        sdk.module(name)
    return sdk


@asynccontextmanager
async def _streams(
    sdk: _McpSdk,
    server: McpServer,
    on_end: Callable[[str], None],
    on_hint: Callable[[str], None],
) -> AsyncIterator[tuple[Any, Any]]:
    if isinstance(server, StdioServer):
        inherited = sdk.module("client.stdio").get_default_environment()
        async with run_process(server, sdk.wire_form(), inherited, on_end) as streams:
            yield streams
        return
    httpx = import_module("httpx2" if sdk.is_second else "httpx")
    connect = sdk.module("client.streamable_http").streamable_http_client
    async with (
        http_client(httpx, server.headers, on_end, on_hint) as client,
        connect(server.url, http_client=client) as streams,
        streams[0] as source,  # if the connection fails at once, the SDK leaves the stream open
        streams[1] as sink,
    ):
        yield source, sink


@asynccontextmanager
async def _relayed(source: Any, on_end: Callable[[str], None]) -> AsyncIterator[Any]:
    """Pass messages on without output schemas, so that the SDK does not check results by them.

    Such a check would run on the event loop, and a malicious schema can make it endless.
    """
    import anyio

    send, receive = anyio.create_memory_object_stream[Any](0)

    async def relay() -> None:
        async with send:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                async for message in source:
                    if isinstance(message, Exception):
                        break
                    _without_output_schemas(message)
                    await send.send(message)
            on_end(CONNECTION_ENDED)

    task = asyncio.ensure_future(relay())
    try:
        async with receive:
            yield receive
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _without_output_schemas(message: Any) -> None:
    inner = message.message
    result = getattr(getattr(inner, "root", inner), "result", None)
    tools = result.get("tools") if isinstance(result, dict) else None
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict):
            tool.pop("outputSchema", None)


@asynccontextmanager
async def _inner(
    sdk: _McpSdk, source: Any, sink: Any, on_change: Callable[[], None]
) -> AsyncIterator[Any]:
    async def on_message(message: Any) -> None:
        if type(getattr(message, "root", message)).__name__ == "ToolListChangedNotification":
            on_change()

    from ...._version import __version__

    info = sdk.module("types").Implementation(name=CLIENT_NAME, version=__version__)
    if not sdk.is_second:
        inner_type = sdk.module("client.session").ClientSession
        async with inner_type(source, sink, message_handler=on_message, client_info=info) as inner:
            await inner.initialize()
            yield inner
        return

    @asynccontextmanager
    async def transport() -> AsyncIterator[tuple[Any, Any]]:
        yield source, sink

    outer_type = sdk.module("client.client").Client
    outer = outer_type(transport(), client_info=info, message_handler=on_message, cache=None)
    async with outer:
        listening = asyncio.ensure_future(_listen(sdk, outer, on_change))
        try:
            yield outer.session
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _listen(sdk: _McpSdk, client: Any, on_change: Callable[[], None]) -> None:
    """Listen for changes of the tools; before protocol 2026-07-28 the session reports them."""
    subscriptions = sdk.module("client.subscriptions")
    while True:
        try:
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    on_change()
        except subscriptions.ListenNotSupportedError:
            return
        except Exception:  # noqa: BLE001  a server without it, or a lost stream: try again later
            pass
        await asyncio.sleep(RELISTEN_S)
        on_change()  # changes since the last connection were not reported


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the SDK's log lines within a block, because they quote a server's messages."""
    _add_filters()
    token = _quiet.set(True)
    try:
        yield
    finally:
        with suppress(ValueError):  # a generator may leave the block in another context
            _quiet.reset(token)


class _Silence(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _quiet.get()


_LOGGERS = ("mcp", "client", "httpx", "httpx2", "httpcore", "httpcore2", "anyio")
_silence = _Silence()


def _add_filters() -> None:
    """Add the filter to the loggers of the SDK and its HTTP library, and to the root's handlers."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _LOGGERS]
    for logger in (logging.getLogger(), *map(logging.getLogger, names)):
        if _silence not in logger.filters:
            logger.addFilter(_silence)
