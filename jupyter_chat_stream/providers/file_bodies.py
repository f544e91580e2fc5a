"""The HTTP client of both SDKs, which puts the bytes of files where a request's JSON has marks.

The body goes out in pieces that are encoded one by one, and the event loop turns between them: no
piece takes it for more than a fraction of a ms, and no second copy of a file is made. The length of
the body is known before, because some servers take no body without ``Content-Length``.

This module imports the SDKs' HTTP library. Import it late.
"""

from __future__ import annotations

import asyncio
from binascii import b2a_base64
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2

from . import carried_files

STEP_BYTES = 192 * 1024  # of a file; a multiple of three, so that no padding falls in between
LENGTH = "Content-Length"


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


def carrying_client(base: type[httpx2.AsyncClient]) -> type[httpx2.AsyncClient]:
    """Return a class of HTTP clients that sends carried files; ``base`` is an SDK's own."""

    class CarryingClient(base):  # type: ignore[valid-type, misc]
        async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
            found: httpx2.Response = await super().send(with_files(request), **options)
            return found

    return CarryingClient


def with_files(request: httpx2.Request) -> httpx2.Request:
    files = carried_files.carried()
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
