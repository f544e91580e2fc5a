"""Following a thread: replay, then live, one code path (L6, L8, L9).

A ``Reader`` holds a cursor and a small buffer of what was published. While it is *behind* it reads
the store; when the store has no more it lets the buffer through. It starts behind, and falls behind
again when its buffer is full, when it sees a gap, or when another process tells of a commit:

::

              start, buffer full, gap, foreign commit
      behind ◄─────────────────────────────────────── level
        │  register, read the store after the cursor    ▲
        └──────── cursor = head: "live" ────────────────┘

A reader is asked for frames one by one (``next``), or gives them to a sink (``pour``): then what is
published while it is level goes to the sink in the same turn of the loop.

The hub holds at most ``BUFFER_BYTES`` for each reader, whoever it is and however slow; events are
serialised once for all readers. A database that is away costs readers time, and nothing else.
Nothing here knows of sockets, and no reader touches a run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..shared.errors import DatabaseUnreachable
from ..shared.events import Event, encode
from ..shared.logs import Line
from ..store.front import Answer, ChatStore, Page, Snapshot, ThreadRef
from .frames import Batch, Frame, Sink

log = logging.getLogger("jupyter_chat_stream.follow")

BUFFER_BYTES = 64 * 1024
ONE_EVENTS, ONE_BYTES = 2048, 256 * 1024  # of a single answer (L8); who wants more asks again
LOOK_ANYWAY_S = 1.0  # what this process published and a reader missed is found then


@dataclass(frozen=True, kw_only=True)
class HubStats:
    """How the readers of this process do, now; ``falls_behind`` counts since the start.

    A lag is that of the reader furthest behind: events published here and not yet handed to its
    transport, and bytes of them in its buffer (0 for what it reads from the store).
    """

    readers: int
    lag_events: int
    lag_bytes: int
    falls_behind: int  # buffer or sink was full: those read from the store instead


class Reader:
    """One thread as one reader follows it. Made by the hub; ``close`` it when done."""

    def __init__(self, hub: Hub, thread: ThreadRef, after: int, *, raw: bool) -> None:
        self.thread = thread
        self.cursor = after
        self._before = after  # the frame that ``next`` gave last
        self._hub = hub
        self._raw = raw
        self._behind = True
        self._announced = False
        self._deleted = False
        self._buffer: list[Batch] = []
        self._buffered = 0
        self._wake = asyncio.Event()
        self._sink: Sink | None = None
        self._is_idle = False  # level, and waiting for what is published

    async def pour(self, sink: Sink) -> None:
        """Give a sink one frame after another, until the thread is deleted.

        Where the sink has no room, the reader reads on from the same place once it is drained: it
        holds nothing for it meanwhile (L8).

        Raises:
            CursorAhead, Compacted, ThreadNotFound: the reader has to start anew.
        """
        self._sink = sink
        while self._hand_over(await self.next(), sink):
            pass  # no frame is kept here while the next is waited for

    def _hand_over(self, frame: Frame, sink: Sink) -> bool:
        """Say whether there is more to come."""
        if sink.take(frame.text):
            return frame.op != "closed"
        self.cursor, self._deleted = self._before, False
        self._announced = self._announced and frame.op != "live"
        self._fall_behind_too_slow()
        return True

    async def next(self) -> Frame:
        """Wait for the next frame.

        Raises:
            CursorAhead, Compacted, ThreadNotFound: the reader has to start anew.
        """
        while True:
            self._before = self.cursor
            if self._deleted:
                return self._frame("closed")
            frame = await self._read_patiently() if self._behind else self._take()
            if frame is not None:
                return frame
            if self._behind or self._deleted:
                continue
            if not self._announced:
                self._announced = True
                return self._frame("live")
            if self._buffer:  # published while the store was read: nobody wakes us for it again
                continue
            self._wake.clear()
            self._is_idle = True
            try:
                await self._wake.wait()
            finally:
                self._is_idle = False

    @property
    def seen(self) -> int:
        """The last seq that reached this reader: delivered, or in its buffer."""
        return self._buffer[-1].last if self._buffer else self.cursor

    @property
    def buffered(self) -> int:
        """Bytes of what was published and waits to be taken."""
        return self._buffered

    def close(self) -> None:
        """Stop listening; nothing else notices (L8)."""
        self._hub.drop(self)

    def offer(self, batch: Batch) -> None:
        """Take what was just published, or fall behind where there is no room for it."""
        if self._behind:
            return
        if self._buffered + batch.size > BUFFER_BYTES:
            self._fall_behind_too_slow()
        elif self._is_idle and self._sink and batch.first == self.cursor + 1:
            self._pass_on(batch, self._sink)
        else:
            self._buffer.append(batch)
            self._buffered += batch.size
            self._wake.set()

    def _pass_on(self, batch: Batch, sink: Sink) -> None:
        if not sink.take(batch.text):
            self._fall_behind_too_slow()
            return
        self.cursor = batch.last
        if batch.deletes:
            self._deleted = True
            self._wake.set()

    def _fall_behind_too_slow(self) -> None:
        self._hub.falls_behind += 1
        self.fall_behind()

    def fall_behind(self) -> None:
        """Read from the store next."""
        self._behind = True
        self._buffer, self._buffered = [], 0
        self._wake.set()

    async def _read_patiently(self) -> Frame | None:
        # the store has waited for seconds before it says so: asking again is pause enough
        while True:
            if self._sink is not None:
                await self._sink.drained()
            try:
                return await self._read()
            except DatabaseUnreachable:
                if self._hub.is_stopped:
                    raise

    async def _read(self) -> Frame | None:
        self._behind = False  # from here on what is published is buffered, then the read begins
        try:
            answer = await self._hub.read(self.thread, self.cursor, raw=self._raw)
        except BaseException:
            self._behind = True
            raise
        if isinstance(answer, Snapshot):
            self.cursor, self._deleted = answer.seq, answer.deleted
            return self._frame("snapshot", snapshot=answer)
        if not answer.events:
            self._deleted = answer.deleted
            return None
        self.cursor = answer.events[-1].seq
        if self.cursor < answer.head:
            self.fall_behind()
        elif answer.deleted:
            self._deleted = True
        encoded = tuple((event.seq, encode(event)) for event in answer.events)
        return self._frame("events", encoded=encoded)

    def _take(self) -> Frame | None:
        batches, self._buffer, self._buffered = self._buffer, [], 0
        taken: list[tuple[int, str]] = []
        for batch in batches:
            for seq, text in batch.encoded:
                if seq <= self.cursor:
                    continue
                if seq != self.cursor + 1:
                    self.fall_behind()
                    return self._frame("events", encoded=tuple(taken)) if taken else None
                taken.append((seq, text))
                self.cursor = seq
            self._deleted = self._deleted or batch.deletes
        return self._frame("events", encoded=tuple(taken)) if taken else None

    def _frame(self, op: str, **content: Any) -> Frame:
        return Frame(op=op, thread_id=self.thread.id, seq=self.cursor, **content)


class Hub:
    """All readers of this process. Everything but ``read`` happens on the event loop."""

    def __init__(self, store: ChatStore, *, poll_interval_s: float) -> None:
        self._store = store
        self._poll_interval_s = poll_interval_s
        self._readers: dict[str, set[Reader]] = {}
        self._heads: dict[str, int] = {}  # of followed threads, as far as published here
        self._polling: asyncio.Task[None] | None = None
        self.is_stopped = False
        self.falls_behind = 0
        store.listen(self._publish)
        store.on_foreign(self._hear, wants=self._readers.__contains__)

    @property
    def reader_count(self) -> int:
        return sum(len(readers) for readers in self._readers.values())

    def stats(self) -> HubStats:
        """Say how the readers do; it takes as long as there are readers."""
        readers = [reader for readers in self._readers.values() for reader in readers]
        lags = (self._heads.get(r.thread.id, 0) - r.cursor for r in readers)
        return HubStats(
            readers=len(readers),
            lag_events=max(0, *lags, 0),
            lag_bytes=max((reader.buffered for reader in readers), default=0),
            falls_behind=self.falls_behind,
        )

    def follow(self, thread: ThreadRef, after: int, *, raw: bool = False) -> Reader:
        """Register a reader; it reads the store only after that."""
        reader = Reader(self, thread, after, raw=raw)
        self._readers.setdefault(thread.id, set()).add(reader)
        if self._polling is None:
            self._polling = asyncio.get_running_loop().create_task(self._poll())
        return reader

    def drop(self, reader: Reader) -> None:
        """Forget a reader."""
        readers = self._readers.get(reader.thread.id)
        if readers is not None:
            readers.discard(reader)
            if not readers:
                del self._readers[reader.thread.id]
                self._heads.pop(reader.thread.id, None)

    async def read(self, thread: ThreadRef, after: int, *, raw: bool) -> Answer:
        """Read from the store what a cursor has not seen."""
        return await self._store.events.after(thread, after, raw=raw, encodes=True)

    async def read_page(
        self, thread: ThreadRef, after: int, *, raw: bool = False, wait_s: float = 0.0
    ) -> Answer:
        """Answer a cursor once, waiting for something new for at most ``wait_s``."""
        reader = self.follow(thread, after, raw=raw) if wait_s > 0 else None
        try:
            answer = await self._page(thread, after, raw)
            if reader is not None and isinstance(answer, Page) and not answer.events:
                await _wait_for_more(reader, wait_s)
                answer = await self._page(thread, after, raw)
        finally:
            if reader is not None:
                reader.close()
        return answer

    async def _page(self, thread: ThreadRef, after: int, raw: bool) -> Answer:
        return await self._store.events.after(
            thread, after, raw=raw, page_events=ONE_EVENTS, page_bytes=ONE_BYTES
        )

    async def stop(self) -> None:
        """End the poll; readers are their owners' to close."""
        self.is_stopped = True
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    def _publish(self, events: Sequence[Event]) -> None:
        by_thread: dict[str, list[Event]] = {}
        for event in events:
            if event.thread_id in self._readers:
                by_thread.setdefault(event.thread_id, []).append(event)
        for thread_id, own in by_thread.items():
            batch = Batch(own)
            self._heads[thread_id] = batch.last
            for reader in self._readers[thread_id]:
                reader.offer(batch)

    def _hear(self, threads: frozenset[str] | None) -> None:
        # what another process tells of: whoever follows that reads it, and nobody else
        for thread_id in self._readers if threads is None else threads:
            for reader in self._readers.get(thread_id, ()):
                reader.fall_behind()

    async def _poll(self) -> None:
        # what another process commits and nobody heard of costs one interval (L9)
        is_owed = False  # the database tells of a change once, and the look at it may fail
        loop = asyncio.get_running_loop()
        looked_at = loop.time()
        while True:
            await asyncio.sleep(self._poll_interval_s)
            if not self._readers:
                continue
            try:
                is_owed = await self._store.has_changed() or is_owed
                if is_owed or loop.time() - looked_at >= LOOK_ANYWAY_S:
                    await self._wake_those_behind()
                    is_owed, looked_at = False, loop.time()
            except DatabaseUnreachable:
                is_owed = True  # the store has told of the outage, once
            except Exception as error:  # noqa: BLE001 - it has to live as long as the hub
                is_owed = True
                code = getattr(error, "code", type(error).__name__)
                log.warning(Line("look.put_off", what="commits", code=code))

    async def _wake_those_behind(self) -> None:
        followed = {r.thread for readers in self._readers.values() for r in readers}
        heads = await self._store.events.heads(followed)
        for thread_id, head in heads.items():
            for reader in self._readers.get(thread_id, ()):
                if reader.seen < head:  # each by itself: another's read has told it nothing
                    reader.fall_behind()


async def _wait_for_more(reader: Reader, wait_s: float) -> None:
    async def wait() -> None:
        while (await reader.next()).op == "live":
            pass

    try:
        await asyncio.wait_for(wait(), wait_s)
    except asyncio.TimeoutError:
        pass  # nothing came in time: the answer is empty
