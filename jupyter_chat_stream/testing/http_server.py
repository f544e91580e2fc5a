"""A minimal HTTP/1.1 server for tests, with direct control of the socket.

A server library would hide the cases that tests need: an incomplete response, a reset, a client
that disconnects. Connections are kept alive, with one request at a time.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, MutableSet
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024


class ClientLeft(Exception):
    """The client closed the connection."""


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A complete request."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        """Return the JSON of the body; None if the body is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


Handler = Callable[[HttpRequest, "HttpConnection"], Awaitable[None]]


class HttpConnection(asyncio.Protocol):
    """One client's connection.

    Args:
        handler: answers a request on this connection.
        register: the set of open connections.
    """

    def __init__(self, handler: Handler, register: MutableSet[HttpConnection]) -> None:
        self._handler = handler
        self._register = register
        self._buffer = bytearray()
        self._answer_task: asyncio.Task[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._is_closed = False
        self._transport: asyncio.Transport

    # ---------------------------------------------------------------- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._register.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the response, because the client has disconnected."""
        self._is_closed = True
        self._register.discard(self)
        self._may_write.set()
        if self._answer_task is not None:
            self._answer_task.cancel()

    def pause_writing(self) -> None:
        """Make the response wait for a slow client."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._answer_task is None:
            self._next_request()

    # ------------------------------------------------------------------------- reading

    def _next_request(self) -> None:
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                self.drop()
            return
        lines = bytes(self._buffer[:head_end]).decode("latin-1").split("\r\n")
        method, path = lines[0].split(" ")[:2]
        pairs = (line.partition(":") for line in lines[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", "0"))
        start = head_end + 4
        if length > MAX_BODY_BYTES:
            self.drop()
        elif len(self._buffer) >= start + length:
            body = bytes(self._buffer[start : start + length])
            del self._buffer[: start + length]
            request = HttpRequest(method=method, path=path, headers=headers, body=body)
            self._answer_task = asyncio.get_running_loop().create_task(self._answer(request))

    async def _answer(self, request: HttpRequest) -> None:
        try:
            await self._handler(request, self)
        except ClientLeft:
            return
        finally:
            self._answer_task = None
        if not self._is_closed and self._buffer:
            self._next_request()

    # ------------------------------------------------------------------------- writing

    async def send_json(
        self, status: int, value: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a complete response: a text unchanged, any other value as JSON."""
        is_text = isinstance(value, str)
        body = value.encode() if is_text else json.dumps(value).encode()
        kind = "text/html" if is_text else "application/json"
        head = {"content-type": kind, "content-length": str(len(body)), **(headers or {})}
        await self._write(_head(status, head) + body)

    async def begin_stream(self, headers: Mapping[str, str]) -> None:
        """Send the head of a streamed response."""
        await self._write(_head(200, {**headers, "transfer-encoding": "chunked"}))

    async def send_chunk(self, data: bytes) -> None:
        """Send a piece of a streamed response."""
        await self._write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def end_stream(self) -> None:
        """End a streamed response normally."""
        await self._write(b"0\r\n\r\n")

    def drop(self) -> None:
        """Close the connection, even in the middle of a response."""
        self._transport.close()

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def abort(self) -> None:
        """Close the connection at once, without sending buffered data."""
        self._transport.abort()

    async def _write(self, data: bytes) -> None:
        if self._is_closed:
            raise ClientLeft
        self._transport.write(data)
        await self._may_write.wait()


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Scripted"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{n}: {v}" for n, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
