"""The HTTP client for an MCP server, with a bound on the size of the server's messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from .stdio import MAX_MESSAGE_BYTES, TOO_LARGE

CONNECT_S = 30.0
READ_S = 3600.0  # a call may take long; the call's own time limit is shorter

_STATUS = {
    401: "It asks for a sign-in (401). Put its token into 'headers' of its entry in mcp.json.",
    403: "It refuses this server (403). Look at 'headers' of its entry in mcp.json.",
    404: "There is nothing at its address (404). Look at 'url' of its entry in mcp.json.",
}


@asynccontextmanager
async def http_client(
    httpx: Any,
    headers: Mapping[str, str],
    on_end: Callable[[str], None],
    on_hint: Callable[[str], None],
) -> AsyncIterator[Any]:
    """Open a client of ``httpx``, or of its successor, for one server.

    Args:
        on_end: called with the reason when a response breaks off; its call would wait for ever.
        on_hint: called with a possible reason for a failure of the connection.
    """
    bounded = _bounded_body(httpx, on_end)

    async def look(response: Any) -> None:
        if response.status_code in _STATUS:
            on_hint(_STATUS[response.status_code])
        if response.headers.get("content-encoding", "identity") != "identity":
            on_hint("It compresses its responses, although it was asked not to.")
            raise httpx.DecodingError("compressed")
        is_events = response.headers.get("content-type", "").startswith("text/event-stream")
        response.stream = bounded(response.stream, is_events=is_events)

    async with httpx.AsyncClient(
        headers={**headers, "Accept-Encoding": "identity"},
        timeout=httpx.Timeout(CONNECT_S, read=READ_S),
        event_hooks={"response": [look]},
    ) as client:
        yield client


def _bounded_body(httpx: Any, on_end: Callable[[str], None]) -> type[Any]:
    """Return a class for response bodies with bounded messages."""

    class Bounded(httpx.AsyncByteStream):
        def __init__(self, body: Any, *, is_events: bool) -> None:
            self._body = body
            self._is_events = is_events

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            try:
                async for chunk in self._body:
                    size += len(chunk)
                    if size > MAX_MESSAGE_BYTES:
                        on_end(TOO_LARGE)
                        raise httpx.ReadError("too large")
                    if self._is_events and (b"\n\n" in chunk or b"\r\n\r\n" in chunk):
                        size = 0  # the end of an event
                    yield chunk
            except Exception as error:
                on_end(f"The connection broke ({type(error).__name__}).")
                raise

        async def aclose(self) -> None:
            await self._body.aclose()

    return Bounded
