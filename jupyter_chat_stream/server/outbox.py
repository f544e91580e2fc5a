"""The frames that one socket has accepted and not yet sent: in order, and bounded (L8).

All frames posted in one iteration of the event loop are sent by one system call. Frames posted
while a write is under way form the next write. After a write of ``BUSY_WRITE`` frames the next one
waits ``GATHER_S``: no screen needs more updates, and each write wakes the process that reads. A
full outbox refuses a frame; the caller waits until the outbox is empty (``drained``) and tries
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MAX_HELD_BYTES = 256 * 1024
BUSY_WRITE = 3  # A write of this many frames means load: wait gather_s before the next write.
GATHER_S = 0.004


class Outbox:
    """The frames to send on one socket.

    Args:
        write: begins to write frames; its future is done when the network has taken them all.
        on_full: called with the bytes held when a frame is refused; again only after a write.
    """

    def __init__(
        self,
        write: Callable[[list[str]], asyncio.Future[None]],
        on_full: Callable[[int], None] = lambda held_bytes: None,
        *,
        gather_s: float = GATHER_S,
    ) -> None:
        self.write = write
        self.on_full = on_full
        self._gather_s = gather_s
        self._is_full = False
        self.pending_frames: list[tuple[object, str]] = []  # (sender, frame), in order
        self._when_sent: asyncio.Future[None] | None = None  # done when the waiting frames are sent
        self.in_flight: asyncio.Future[None] | None = None  # done when the current write is
        self._error: BaseException | None = None  # the socket is closed
        self.held_bytes = 0

    def post(self, text: str, sender: object = None) -> bool:
        """Accept a frame; False if the outbox is full.

        If half of the outbox is free, it accepts one frame of any size.
        """
        if self._error is not None:
            return False
        if self.held_bytes + min(len(text), MAX_HELD_BYTES // 2) > MAX_HELD_BYTES:
            if not self._is_full:
                self._is_full = True
                self.on_full(self.held_bytes)
            return False
        self._append(text, sender)
        return True

    async def send(self, text: str, sender: object = None) -> None:
        """Accept a frame even if the outbox is full, and wait until the network has taken it."""
        if self._error is None:
            self._append(text, sender)
        await self.drained()

    def withdraw(self, sender: object) -> None:
        """Drop the frames of a sender that no write has taken yet."""
        other_frames = [(whose, text) for whose, text in self.pending_frames if whose is not sender]
        self.held_bytes -= sum(len(text) for whose, text in self.pending_frames if whose is sender)
        self.pending_frames = other_frames

    async def drained(self) -> None:
        """Wait until every frame accepted so far is sent; raises if the socket is closed."""
        when_sent = self._when_sent or self.in_flight
        if when_sent is not None:
            await asyncio.wait({when_sent})
        if self._error is not None:
            raise self._error

    def _append(self, text: str, sender: object) -> None:
        self.pending_frames.append((sender, text))
        self.held_bytes += len(text)  # frames are ASCII
        if self._when_sent is None:
            loop = asyncio.get_running_loop()
            self._when_sent = loop.create_future()
            if self.in_flight is None:
                loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._when_sent is None:
            return
        self.in_flight, self._when_sent = self._when_sent, None
        texts, self.pending_frames = [text for _, text in self.pending_frames], []
        if not texts:  # every frame was withdrawn
            self._finish_write(texts)
            return
        try:
            writing = self.write(texts)
        except Exception as error:  # noqa: BLE001  a closed socket raises one of many errors
            self._end(error)
            return
        if writing.done():  # nearly always: the system took the frames at once
            self._end_write(writing, texts)
        else:
            writing.add_done_callback(lambda future: self._end_write(future, texts))

    def _end_write(self, writing: asyncio.Future[None], texts: list[str]) -> None:
        error = writing.exception()
        if error is not None:
            self._end(error)
        elif len(texts) >= BUSY_WRITE:
            asyncio.get_running_loop().call_later(self._gather_s, self._finish_write, texts)
        else:
            self._finish_write(texts)

    def _finish_write(self, texts: list[str]) -> None:
        self.held_bytes -= sum(map(len, texts))
        self._is_full = False
        when_sent, self.in_flight = self.in_flight, None
        if when_sent is not None:
            when_sent.set_result(None)
        self._flush()

    def _end(self, error: BaseException) -> None:
        """Drop all frames; waiting and later callers get the error."""
        self._error = error
        self.pending_frames, self.held_bytes = [], 0
        for future in (self.in_flight, self._when_sent):
            if future is not None:
                future.set_result(None)
        self.in_flight = self._when_sent = None
