"""What one socket has taken and not yet given to the network: in order, and bounded (L8).

What is sent in one turn of the loop is written at once, with one call of the system; what comes
while that is on its way is the next write. Frames that wait are counted, and when there are too
many bytes of them a sender is told so before it adds more: it then lets go of its frame and comes
back once all is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

MAX_HELD_BYTES = 256 * 1024


class Outbox:
    """The way out of one socket.

    Args:
        write: writes frames; it is back when the network has taken all of them.
    """

    def __init__(self, write: Callable[[list[str]], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: dict[object, str] = {}
        self._gone: asyncio.Future[None] | None = None  # done when those that wait have gone
        self._in_flight: asyncio.Future[None] | None = None
        self.held_bytes = 0
        self.frames_gone = 0

    def has_room(self, text: str) -> bool:
        """Say whether the frame may wait here; a single one may be of any size."""
        return self.held_bytes == 0 or self.held_bytes + len(text) <= MAX_HELD_BYTES

    async def send(self, text: str) -> None:
        """Write a frame when it is its turn, and wait until the network has taken it."""
        frame = object()
        self._waiting[frame] = text
        self.held_bytes += len(text)  # frames are ASCII
        if self._gone is None:
            loop = asyncio.get_running_loop()
            self._gone = loop.create_future()
            if self._in_flight is None:
                loop.call_soon(self._flush)
        try:
            await asyncio.shield(self._gone)
        finally:  # a sender that was cancelled leaves bytes that are on their way
            if self._waiting.pop(frame, None) is not None:
                self.held_bytes -= len(text)

    async def drained(self) -> None:
        """Wait until everything that was sent before has gone."""
        last = self._gone or self._in_flight
        if last is not None:
            await asyncio.wait({last})

    def _flush(self) -> None:
        if self._gone is None:
            return
        gone, self._gone = self._gone, None
        texts, self._waiting = list(self._waiting.values()), {}
        flushed = self._in_flight = asyncio.ensure_future(self._written(texts))
        flushed.add_done_callback(lambda done: self._settle(gone, done, texts))

    async def _written(self, texts: list[str]) -> None:
        if texts:  # else all of their senders have left
            await self._write(texts)

    def _settle(
        self, gone: asyncio.Future[None], flushed: asyncio.Future[None], texts: list[str]
    ) -> None:
        self._in_flight = None
        self.held_bytes -= sum(map(len, texts))
        self.frames_gone += len(texts)
        if flushed.cancelled():
            gone.cancel()
        elif (error := flushed.exception()) is not None:
            gone.set_exception(error)
            gone.exception()  # the senders, if they still wait, have it too
        else:
            gone.set_result(None)
        self._flush()
