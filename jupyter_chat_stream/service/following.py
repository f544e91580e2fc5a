"""Following: the requests of a thread's readers."""

from __future__ import annotations

import asyncio

from ..following.frames import Sink
from ..following.hub import Reader
from ..shared.errors import CursorAhead
from ..shared.events import to_wire
from ..shared.records import MessageRecord
from ..store.front import Snapshot, ThreadRef
from .base import ServiceBase


class Following(ServiceBase):
    """Reading a thread from a cursor, and waiting for a run's end."""

    async def follow(self, owner: str, thread_id: str, after: int, *, raw: bool = False) -> Reader:
        """Follow a thread from a cursor."""
        thread, head = await self._check_cursor(owner, thread_id, after)
        if after > 0:
            self.subsystems.watch.reader_came_back(thread_id, after, head)
        return self.subsystems.hub.follow(thread, after, raw=raw)

    async def preview(self, reader: Reader) -> str | None:
        """Read the frame with a long thread's newest messages; None if the thread is short."""
        return await self.store.events.preview(reader.thread)

    async def watch(self, owner: str, sink: Sink) -> None:
        """Hand the rows of the owner's list to a sink whenever they change, until cancelled."""
        watcher = self.subsystems.watchers.watch(owner)
        try:
            await watcher.pour(sink)
        finally:
            watcher.close()

    async def read_events(
        self, owner: str, thread_id: str, after: int, *, raw: bool = False, wait_s: float = 0.0
    ) -> dict[str, object]:
        """Answer a cursor once; wait at most ``wait_s`` for the first new event."""
        thread, _ = await self._check_cursor(owner, thread_id, after)
        replay = await self.subsystems.hub.read_page(thread, after, raw=raw, wait_s=wait_s)
        if isinstance(replay, Snapshot):
            return {"snapshot": replay.to_wire(), "seq": replay.seq}
        events = [to_wire(event) for event in replay.events]
        return {"events": events, "seq": events[-1]["seq"] if events else after}

    async def wait_ended(self, owner: str, run_id: str, timeout_s: float) -> MessageRecord:
        """Wait until a run ends or waits, at most ``timeout_s``; returns its reply as of then."""
        runs = self.store.runs
        run = await runs.find(owner, run_id)
        after, is_over = await runs.progress(run)
        reader = self.subsystems.hub.follow(run.thread, after)
        try:
            clock = asyncio.get_running_loop().time
            deadline = clock() + timeout_s
            while not is_over and clock() < deadline:
                await asyncio.wait_for(reader.next(), deadline - clock())
                _, is_over = await runs.progress(run)
        except TimeoutError:
            pass  # the reply is returned unfinished
        finally:
            reader.close()
        return await runs.reply(run)

    def socket_paused(self, held_bytes: int) -> None:
        """Count a socket that cannot take its frames."""
        self.subsystems.watch.socket_paused(held_bytes)

    async def _check_cursor(self, owner: str, thread_id: str, after: int) -> tuple[ThreadRef, int]:
        """Find the thread and its last seq; raises CursorAhead for a cursor beyond it."""
        thread, head = await self.store.threads.find(owner, thread_id)
        if after > head:
            raise CursorAhead(thread_id, after, head)
        return thread, head
