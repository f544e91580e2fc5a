"""The clients of both SDKs. They put the bytes of files where the JSON of a request has marks.

The body goes out in pieces that are encoded one by one, and other tasks run between them: no piece
blocks the event loop for more than a fraction of a ms, and no second copy of a file is made. The
length of the body is known before, because some servers take no body without ``Content-Length``.

This module imports the SDKs' HTTP library. Import it late.
"""

from __future__ import annotations

import asyncio
from binascii import b2a_base64
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

import httpx2

from . import carried_files

STEP_BYTES = 192 * 1024  # of a file; a multiple of three, so that no padding falls in between
LENGTH = "Content-Length"
CONNECT_TIMEOUT_S = 15.0
# Far above every stall_timeout_s: it only helps a caller that is no run and sets no limit itself.
READ_TIMEOUT_S = 900.0
Sdk = TypeVar("Sdk")


class FileBody(httpx2.AsyncByteStream):
    """A body whose files are encoded while it is sent.

    Args:
        pieces: JSON as bytes, and files as views.
    """

    def __init__(self, pieces: Sequence[bytes | memoryview]) -> None:
        self._pieces = pieces

    @property
    def size(self) -> int:
        """The length of the body in bytes."""
        return sum(
            -(-len(piece) // 3) * 4 if isinstance(piece, memoryview) else len(piece)
            for piece in self._pieces
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            for start in range(0, len(piece), STEP_BYTES):
                yield b2a_base64(piece[start : start + STEP_BYTES], newline=False)
                await asyncio.sleep(0)  # a fast receiver would never make the writer wait


def sdk_client(
    make: Callable[..., Sdk],
    transport: type[httpx2.AsyncClient],
    base_url: str,
    key: str,
    *,
    is_local: bool,
) -> Sdk:
    """Make a client of an SDK, which never tries again by itself."""
    return make(
        api_key=key or "none",  # the SDKs want one; its header is left out
        base_url=base_url,
        max_retries=0,
        timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        # A redirection would take the key and the prompt to an address that nobody chose, and a
        # proxy would take what is meant for this machine to another.
        http_client=carrying_client(transport)(follow_redirects=False, trust_env=not is_local),
    )


def carrying_client(base: type[httpx2.AsyncClient]) -> type[httpx2.AsyncClient]:
    """Return a class of HTTP clients that sends carried files; ``base`` is an SDK's own."""

    class CarryingClient(base):  # type: ignore[valid-type, misc]
        async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
            response: httpx2.Response = await super().send(with_files(request), **options)
            return response

    return CarryingClient


def with_files(request: httpx2.Request) -> httpx2.Request:
    files = carried_files.current_files()
    if files is None:
        return request
    pieces = files.split(request.content)
    if len(pieces) == 1:
        return request
    body = FileBody(pieces)
    headers = request.headers.copy()
    headers[LENGTH] = str(body.size)
    return httpx2.Request(
        request.method, request.url, headers=headers, stream=body, extensions=request.extensions
    )
