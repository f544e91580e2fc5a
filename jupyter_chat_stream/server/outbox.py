"""What one socket has taken and not yet given to the network: in order, and bounded (L8).

One frame is on its way at a time; the next is written when the network has taken it. Frames
that wait for their turn are counted, and when there are too many bytes of them a sender is told
so before it adds more: it then lets go of its frame and comes back once all is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MAX_HELD_BYTES = 256 * 1024


class Outbox:
    """The way out of one socket.

    Args:
        write: writes a frame; its future is done when the network has taken all of it.
    """

    def __init__(self, write: Callable[[str], asyncio.Future[None]]) -> None:
        self._write = write
        self._turn = asyncio.Lock()
        self._in_flight: asyncio.Future[None] | None = None
        self.held_bytes = 0
        self.frames_gone = 0

    def has_room(self, text: str) -> bool:
        """Say whether the frame may wait here; a single one may be of any size."""
        return self.held_bytes == 0 or self.held_bytes + len(text) <= MAX_HELD_BYTES

    async def send(self, text: str) -> None:
        """Write a frame when it is its turn, and wait until the network has taken it."""
        size = len(text)  # frames are ASCII
        self.held_bytes += size
        is_written = False
        try:
            async with self._turn:
                await self._settled()
                flushed = self._in_flight = asyncio.ensure_future(self._write(text))
                is_written = True
                flushed.add_done_callback(lambda done: self._let_go(done, size))
                await asyncio.shield(flushed)
        finally:
            if not is_written:
                self.held_bytes -= size

    async def drained(self) -> None:
        """Wait until everything that was sent before has gone."""
        async with self._turn:
            await self._settled()

    async def _settled(self) -> None:
        # A sender that was cancelled has left its bytes on their way.
        if self._in_flight is not None and not self._in_flight.done():
            await asyncio.wait({self._in_flight})

    def _let_go(self, flushed: asyncio.Future[None], size: int) -> None:
        self.held_bytes -= size
        self.frames_gone += 1
        if not flushed.cancelled():
            flushed.exception()  # the sender, if it still waits, has it too
