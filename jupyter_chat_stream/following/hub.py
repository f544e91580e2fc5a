"""Following: replay, then live, for every reader of this process (L6, L8, L9).

The hub listens to the store's commits and offers them to the readers of their threads; events are
serialised once for all readers. It finds another process's commits by a notice or by polling.
``delivery`` decides which frame a reader gets next; ``Reader`` does the waiting and the reading.

A reader is asked for frames one by one (``next``), or delivers them to a sink (``pour``). While it
waits for events, a published event reaches the sink in the same iteration of the event loop.

While the database is away, readers wait; nothing else is lost. This module knows no sockets, and no
reader affects a run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ..shared.errors import DatabaseUnreachable
from ..shared.events import Event
from ..store.front import ChatStore, Page, Replay, ThreadRef
from .commit_poll import CommitPoll
from .delivery import Delivery, Need
from .frames import Batch, Frame, Sink

# One response to a request for events holds at most this (L8); the client asks again.
MAX_PAGE_EVENTS, MAX_PAGE_BYTES = 2048, 256 * 1024
# Compare every reader with the log at least this often, even if no other process has committed: a
# reader may have missed a commit of this process.
COMPARE_EVERY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class HubStats:
    """The present state of this process's readers."""

    readers: int
    lag_events: int  # published here and not yet delivered, of the reader that is furthest behind
    lag_bytes: int  # in the fullest buffer of a reader
    falls_behind: int  # how often since the start a reader was too slow and had to read the store


class Reader:
    """One thread as one reader follows it. The hub makes it; call ``close`` when done.

    ``delivery`` decides which frame comes next; the reader waits, reads the store and feeds it.
    """

    def __init__(self, hub: Hub, thread: ThreadRef, after: int, *, raw: bool) -> None:
        self.thread = thread
        self._hub = hub
        self._raw = raw
        self._wake = asyncio.Event()
        self.delivery = Delivery(
            thread.id, after, wake=self._wake.set, count_slow=hub.count_slow_reader
        )

    @property
    def cursor(self) -> int:
        """The seq of the last event that was delivered."""
        return self.delivery.cursor

    async def pour(self, sink: Sink) -> None:
        """Deliver one frame after another to a sink, until the thread is deleted.

        When the sink is full, the reader goes on from the same place once the sink is drained, and
        holds nothing for the sink until then (L8).

        Raises:
            CursorAhead, Compacted, ThreadNotFound: the reader must start anew.
        """
        self.delivery.sink = sink
        while self._hand_over(await self.next(), sink):
            pass  # no frame is kept here while the next is waited for

    def _hand_over(self, frame: Frame, sink: Sink) -> bool:
        """Hand a frame to the sink; rewind if the sink refuses it. Returns False after the last."""
        if sink.take(frame.text):
            return frame.op != "closed"
        self.delivery.refuse(frame)
        return True

    async def next(self) -> Frame:
        """Wait for the next frame.

        Raises:
            CursorAhead, Compacted, ThreadNotFound: the reader must start anew.
        """
        while True:
            step = self.delivery.next()
            if step is Need.READ:
                frame = await self._read_patiently()
                if frame is not None:
                    return frame
            elif step is Need.EVENTS:
                await self._wait_for_events()
            else:
                return step

    def close(self) -> None:
        """Stop following; no run and no other reader is affected (L8)."""
        self._hub.drop(self)

    def fall_behind(self) -> None:
        """Read from the store next."""
        self.delivery.fall_behind()

    async def _wait_for_events(self) -> None:
        self._wake.clear()
        try:
            await self._wake.wait()
        finally:
            self.delivery.stop_waiting()

    async def _read_patiently(self) -> Frame | None:
        # The store waits for seconds before it raises, so that no pause is needed here.
        while True:
            if self.delivery.sink is not None:
                await self.delivery.sink.drained()
            try:
                return await self._read()
            except DatabaseUnreachable:
                if self._hub.is_stopped:
                    raise

    async def _read(self) -> Frame | None:
        self.delivery.begin_read()
        try:
            replay = await self._hub.read(self.thread, self.cursor, raw=self._raw)
        except BaseException:
            self.delivery.fall_behind()
            raise
        return self.delivery.receive(replay)


class Hub:
    """All readers of this process. Everything but ``read`` happens on the event loop."""

    def __init__(self, store: ChatStore, *, poll_interval_s: float) -> None:
        self._store = store
        self._readers: dict[str, set[Reader]] = {}
        self._heads: dict[str, int] = {}  # the last seq published here, of each followed thread
        self._compared_at_s = 0.0
        self.poll = CommitPoll(store, interval_s=poll_interval_s)
        self.poll.add(self)
        self.is_stopped = False
        self.falls_behind = 0
        store.listen(self.publish)
        store.on_foreign(self._hear, wants=self._readers.__contains__)

    def stats(self) -> HubStats:
        """Measure the readers, one by one."""
        readers = [reader for readers in self._readers.values() for reader in readers]
        lags = (self._heads.get(r.thread.id, 0) - r.cursor for r in readers)
        return HubStats(
            readers=len(readers),
            lag_events=max(0, *lags, 0),
            lag_bytes=max((reader.delivery.buffered_bytes for reader in readers), default=0),
            falls_behind=self.falls_behind,
        )

    def count_slow_reader(self) -> None:
        """Count a reader that fell behind because it was too slow."""
        self.falls_behind += 1

    def follow(self, thread: ThreadRef, after: int, *, raw: bool = False) -> Reader:
        """Register a reader; it reads the store only after that."""
        reader = Reader(self, thread, after, raw=raw)
        self._readers.setdefault(thread.id, set()).add(reader)
        self.poll.begin()
        return reader

    def drop(self, reader: Reader) -> None:
        readers = self._readers.get(reader.thread.id)
        if readers is not None:
            readers.discard(reader)
            if not readers:
                del self._readers[reader.thread.id]
                self._heads.pop(reader.thread.id, None)

    async def read(self, thread: ThreadRef, after: int, *, raw: bool) -> Replay:
        """Read the events or the snapshot after a cursor from the store."""
        return await self._store.events.after(thread, after, raw=raw, encodes=True)

    async def read_page(
        self, thread: ThreadRef, after: int, *, raw: bool = False, wait_s: float = 0.0
    ) -> Replay:
        """Read once after a cursor; wait at most ``wait_s`` if there is nothing new."""
        reader = self.follow(thread, after, raw=raw) if wait_s > 0 else None
        try:
            replay = await self._page(thread, after, raw)
            if reader is not None and isinstance(replay, Page) and not replay.events:
                await _wait_for_more(reader, wait_s)
                replay = await self._page(thread, after, raw)
        finally:
            if reader is not None:
                reader.close()
        return replay

    async def _page(self, thread: ThreadRef, after: int, raw: bool) -> Replay:
        return await self._store.events.after(
            thread, after, raw=raw, page_events=MAX_PAGE_EVENTS, page_bytes=MAX_PAGE_BYTES
        )

    async def stop(self) -> None:
        """End the poll. Each follower closes its own reader."""
        self.is_stopped = True
        await self.poll.stop()

    def publish(self, events: Sequence[Event]) -> None:
        by_thread: dict[str, list[Event]] = {}
        for event in events:
            if event.thread_id in self._readers:
                by_thread.setdefault(event.thread_id, []).append(event)
        for thread_id, thread_events in by_thread.items():
            batch = Batch(thread_events)
            self._heads[thread_id] = batch.last_seq
            for reader in self._readers[thread_id]:
                reader.delivery.offer(batch)

    def _hear(self, threads: frozenset[str] | None) -> None:
        # Another process committed in these threads (None: it may be any): read the store there.
        for thread_id in self._readers if threads is None else threads:
            for reader in self._readers.get(thread_id, ()):
                reader.fall_behind()

    @property
    def is_wanted(self) -> bool:
        """Whether there is a reader."""
        return bool(self._readers)

    async def compare(self, *, is_changed: bool) -> bool:
        """Wake the readers that are behind their log, after a change or now and then (L9)."""
        now_s = asyncio.get_running_loop().time()
        if is_changed or now_s - self._compared_at_s >= COMPARE_EVERY_S:
            await self._wake_those_behind()
            self._compared_at_s = now_s
        return True

    async def _wake_those_behind(self) -> None:
        threads = {r.thread for readers in self._readers.values() for r in readers}
        heads = await self._store.events.heads(threads)
        for thread_id, head in heads.items():
            for reader in self._readers.get(thread_id, ()):
                if reader.delivery.last_seq < head:
                    reader.fall_behind()


async def _wait_for_more(reader: Reader, wait_s: float) -> None:
    async def wait() -> None:
        while (await reader.next()).op == "live":
            pass

    try:
        await asyncio.wait_for(wait(), wait_s)
    except TimeoutError:
        pass  # nothing was published in time, and the caller returns no events
