"""What one socket has taken and not yet given to the network: in order, and bounded (L8).

What is posted in one turn of the loop is written at once, with one call of the system; what comes
while that is on its way is the next write, and where frames come thick it gathers for ``GATHER_S``:
no screen shows more, and each write wakes whoever reads. Where there are too many bytes, no more is
taken: whoever has more comes back once all is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MAX_HELD_BYTES = 256 * 1024
BUSY_WRITE = 3  # A write of this many frames means load: wait gather_s before the next write.
GATHER_S = 0.004


class Outbox:
    """The way out of one socket.

    Args:
        write: begins to write frames, and gives what is done when the network has taken them all.
        on_full: told of the bytes held when a frame finds no room, once until some have gone.
    """

    def __init__(
        self,
        write: Callable[[list[str]], asyncio.Future[None]],
        on_full: Callable[[int], None] = lambda held_bytes: None,
        *,
        gather_s: float = GATHER_S,
    ) -> None:
        self._write = write
        self._on_full = on_full
        self._gather_s = gather_s
        self._is_full = False
        self._waiting: list[tuple[object, str]] = []  # whose, and what
        self._gone: asyncio.Future[None] | None = None  # done when those that wait have gone
        self._in_flight: asyncio.Future[None] | None = None  # the same for those on their way
        self._error: BaseException | None = None  # the socket is closed
        self.held_bytes = 0

    def post(self, text: str, sender: object = None) -> bool:
        """Take a frame; False where there is no room.

        One may be of any size: where half of the room is free, it is taken however large it is.
        """
        if self._error is not None:
            return False
        if self.held_bytes + min(len(text), MAX_HELD_BYTES // 2) > MAX_HELD_BYTES:
            if not self._is_full:
                self._is_full = True
                self._on_full(self.held_bytes)
            return False
        self._put(text, sender)
        return True

    async def send(self, text: str, sender: object = None) -> None:
        """Take a frame, room or not, and wait until the network has taken it."""
        if self._error is None:
            self._put(text, sender)
        await self.drained()

    def withdraw(self, sender: object) -> None:
        """Forget the frames of a sender that are not on their way yet."""
        kept = [(whose, text) for whose, text in self._waiting if whose is not sender]
        self.held_bytes -= sum(len(text) for whose, text in self._waiting if whose is sender)
        self._waiting = kept

    async def drained(self) -> None:
        """Wait until everything that was taken before has gone.

        Raises:
            OSError, WebSocketClosedError: it never will, as the socket is closed.
        """
        last = self._gone or self._in_flight
        if last is not None:
            await asyncio.wait({last})
        if self._error is not None:
            raise self._error

    def _put(self, text: str, sender: object) -> None:
        self._waiting.append((sender, text))
        self.held_bytes += len(text)  # frames are ASCII
        if self._gone is None:
            loop = asyncio.get_running_loop()
            self._gone = loop.create_future()
            if self._in_flight is None:
                loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._gone is None:
            return
        self._in_flight, self._gone = self._gone, None
        texts, self._waiting = [text for _, text in self._waiting], []
        if not texts:  # all of them were withdrawn
            self._gone_out(texts)
            return
        try:
            written = self._write(texts)
        except Exception as error:  # noqa: BLE001  a closed socket, however it says so
            self._end(error)
            return
        if written.done():  # as nearly always: what the system has taken has gone
            self._settle(written, texts)
        else:
            written.add_done_callback(lambda done: self._settle(done, texts))

    def _settle(self, written: asyncio.Future[None], texts: list[str]) -> None:
        error = written.exception()
        if error is not None:
            self._end(error)
        elif len(texts) >= BUSY_WRITE:
            asyncio.get_running_loop().call_later(self._gather_s, self._gone_out, texts)
        else:
            self._gone_out(texts)

    def _gone_out(self, texts: list[str]) -> None:
        self.held_bytes -= sum(map(len, texts))
        self._is_full = False
        gone, self._in_flight = self._in_flight, None
        if gone is not None:
            gone.set_result(None)
        self._flush()

    def _end(self, error: BaseException) -> None:
        """Hold nothing any more, and tell whoever waits or comes."""
        self._error = error
        self._waiting, self.held_bytes = [], 0
        for last in (self._in_flight, self._gone):
            if last is not None:
                last.set_result(None)
        self._in_flight = self._gone = None
