"""One request, or one socket, to a server with a known address. This module keeps no state."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.iostream import IOStream
from tornado.netutil import DefaultLoopResolver, Resolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.tcpclient import TCPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

from ..shared.backoff import Backoff
from ..shared.connection_file import Connection
from ..shared.errors import ChatStreamError, ServerUnavailable, VersionMismatch, WrongCall
from .wire import read_answer

RequestBody = Mapping[str, Any]  # the JSON object of a request
MAX_BYTES = 256 * 1024 * 1024  # a snapshot is as large as its thread
PIECE_BYTES = 256 * 1024  # of an upload
TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
RETRY_BACKOFF = Backoff(first_s=0.05, max_s=2.0, jitter=(0.5, 1.0))
# The server is stopping or starting, or another server with another token now has its port.
PASSING = ("start_failed", "unauthenticated")


def may_change(error: ChatStreamError, repeatable: bool) -> bool:
    """Return whether another try may help and does no harm."""
    if error.code in PASSING:
        return True
    if not isinstance(error, ServerUnavailable) or isinstance(error, VersionMismatch):
        return False
    if not error.facts.keys() & {"url", "path"}:
        return False  # no server is configured, or the private one does not start
    return repeatable or bool(error.facts.get("never_arrived", True))


class _Connector(TCPClient):
    """Opens the one connection of a request, and closes it with the request.

    Tornado's client would keep the connection of a cancelled request until its answer comes.
    """

    _stream: IOStream | None = None
    _is_over = False

    async def connect(self, *args: Any, **kwargs: Any) -> IOStream:
        self._stream = await super().connect(*args, **kwargs)
        if self._is_over:
            self._stream.close()
        return self._stream

    def close(self) -> None:
        super().close()
        self._is_over = True
        if self._stream is not None:
            self._stream.close()


class _SocketResolver(Resolver):
    """Resolve every name to one Unix socket."""

    def initialize(self, path: str) -> None:
        self.path = path

    async def resolve(self, host: str, port: int, family: Any = 0) -> list[tuple[int, Any]]:
        return [(socket.AF_UNIX, self.path)]


def _resolver(connection: Connection) -> Resolver:
    return _SocketResolver(path=connection.socket) if connection.socket else DefaultLoopResolver()


def _address(connection: Connection, path: str, *, websocket: bool = False) -> str:
    parts = urlsplit(connection.url)
    scheme = parts.scheme.split("+")[0]
    if websocket:
        scheme = {"http": "ws", "https": "wss"}[scheme]
    host = "localhost" if connection.socket else parts.netloc
    return f"{scheme}://{host}{parts.path}{path}"


async def fetch(
    connection: Connection,
    method: str,
    path: str,
    body: RequestBody | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """Send one request and return the JSON of its response.

    Raises:
        ChatStreamError: the server refused the request.
        ServerUnavailable: the server did not respond.
    """
    request = _request(connection, method, path, headers, timeout_s)
    if body is not None:
        request.body = _json_text(body).encode()
    answer = await exchange(connection, request)
    return read_answer(answer.code, answer.body, connection.url)


async def upload(
    connection: Connection, path: str, data: bytes, headers: Mapping[str, str], *, timeout_s: float
) -> Any:
    """Send bytes piece by piece, so that they are in memory once; return the response's JSON.

    Raises:
        ChatStreamError: the server refused the bytes.
        ServerUnavailable: the server did not respond.
    """

    async def produce(write: Callable[[bytes], Awaitable[None]]) -> None:
        for start in range(0, len(data), PIECE_BYTES):
            await write(data[start : start + PIECE_BYTES])

    request = _request(connection, "POST", path, headers, timeout_s)
    request.headers["Content-Length"] = str(len(data))
    request.body_producer = produce  # type: ignore[assignment]  # typed as if it returned a Future
    answer = await exchange(connection, request)
    return read_answer(answer.code, answer.body, connection.url)


async def download(connection: Connection, path: str, *, timeout_s: float) -> bytes:
    """Fetch bytes.

    Raises:
        ChatStreamError: the server refused the request.
        ServerUnavailable: the server did not respond.
    """
    answer = await exchange(connection, _request(connection, "GET", path, None, timeout_s))
    if answer.code != 200:
        read_answer(answer.code, answer.body, connection.url)
    return answer.body


def _request(
    connection: Connection,
    method: str,
    path: str,
    headers: Mapping[str, str] | None,
    timeout_s: float,
) -> HTTPRequest:
    return HTTPRequest(
        _address(connection, path),
        method=method,
        headers={"Content-Type": "application/json", **connection.headers(), **(headers or {})},
        connect_timeout=CONNECT_TIMEOUT_S,
        request_timeout=timeout_s,
        ssl_options=connection.ssl_context(),
        allow_nonstandard_methods=True,
        follow_redirects=False,
    )


async def exchange(connection: Connection, request: HTTPRequest) -> HTTPResponse:
    client = SimpleAsyncHTTPClient(
        force_instance=True,
        resolver=_resolver(connection),
        max_buffer_size=MAX_BYTES,
        max_body_size=MAX_BYTES,
    )
    client.tcp_client = _Connector(resolver=client.resolver)
    try:
        return await client.fetch(request, raise_error=False)
    except (OSError, HTTPClientError) as error:
        raise unavailable(connection, error) from error
    finally:
        client.close()


async def open_socket(connection: Connection) -> WebSocketClientConnection:
    """Open the WebSocket; raises ServerUnavailable if the server does not open it."""
    request = HTTPRequest(
        _address(connection, "ws", websocket=True),
        headers=connection.headers(),
        connect_timeout=CONNECT_TIMEOUT_S,
        request_timeout=TIMEOUT_S,
        ssl_options=connection.ssl_context(),
    )
    opening = asyncio.ensure_future(
        websocket_connect(request, max_message_size=MAX_BYTES, resolver=_resolver(connection))
    )
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        with suppress(OSError, HTTPClientError):
            await close_socket(await opening)  # tornado opens it in spite of the cancellation
        raise
    except (OSError, HTTPClientError) as error:
        raise unavailable(connection, error) from error


async def close_socket(websocket: WebSocketClientConnection) -> None:
    """Close a socket, and wait for the server to close it too, as long as the caller lets it."""
    websocket.close()
    try:
        while not websocket.stream.closed() and await websocket.read_message() is not None:
            pass
    finally:
        websocket.stream.close()


def _json_text(body: RequestBody) -> str:
    def refuse(value: Any) -> NoReturn:
        raise _not_json_error(f"a value of type {type(value).__name__}")

    try:
        return json.dumps(body, allow_nan=False, default=refuse)
    except WrongCall:
        raise
    except TypeError:
        raise _not_json_error("a dict whose keys are no texts") from None
    except ValueError:
        raise _not_json_error("a number that is not finite, or a list or dict in itself") from None
    except RecursionError:
        raise _not_json_error("lists or dicts nested too deeply") from None


def _not_json_error(content: str) -> WrongCall:
    return WrongCall(
        f"The request cannot be sent: it holds {content}. It may hold only texts, finite numbers, "
        "True, False, None, and lists and dicts of them."
    )


def unavailable(connection: Connection, error: Exception) -> ServerUnavailable:
    return ServerUnavailable(
        f"The chat's server at {connection.url} does not answer ({_reason(error)}). "
        "Is JupyterLab running?",
        url=connection.url,
        never_arrived=isinstance(error, ConnectionRefusedError),
    )


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, HTTPClientError):
        return "it took too long" if error.code == 599 else "it refuses the connection"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
