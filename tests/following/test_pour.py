"""Pouring: a level reader fills its sink in the commit's iteration of the loop (L3, L6, L8)."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from jupyter_chat_stream.following.frames import Frame
from jupyter_chat_stream.following.hub import Reader
from jupyter_chat_stream.shared.events import (
    canonical,
    parse,
)
from jupyter_chat_stream.shared.fold import Transcript
from jupyter_chat_stream.store.log.reading import Replay
from jupyter_chat_stream.store.log.transaction import ThreadRef
from tests.following.harness import Following, delete
from tests.run_harness import PATIENCE_S


class FoldingSink:
    """A sink that folds what it takes, as a reader of the wire does, while there is room."""

    pouring: asyncio.Task[None]

    def __init__(self) -> None:
        self.transcript = Transcript()
        self.ops: list[str] = []
        self.room = True
        self.moved = asyncio.Event()
        self.empty = asyncio.Event()
        self.empty.set()

    def take(self, text: str) -> bool:
        self.moved.set()
        if not self.room:
            self.empty.clear()
            return False
        wire = json.loads(text)
        self.ops.append(wire["op"])
        if wire["op"] == "snapshot":
            self.transcript.replace(wire)
        for event in wire.get("events", ()):
            assert event["seq"] == self.transcript.seq + 1
            self.transcript.apply(parse(event))
        return True

    async def drained(self) -> None:
        await self.empty.wait()

    def drain(self) -> None:
        self.room = True
        self.empty.set()

    async def reach(self, ready: Callable[[], bool]) -> None:
        while not ready():
            self.moved.clear()
            await asyncio.wait_for(self.moved.wait(), PATIENCE_S)


@asynccontextmanager
async def poured(following: Following, sink: FoldingSink) -> AsyncIterator[Reader]:
    """A reader that pours into a sink."""
    reader = following.follow()
    sink.pouring = asyncio.ensure_future(reader.pour(sink))
    yield reader
    await asyncio.sleep(0)
    if sink.pouring.done():
        await sink.pouring  # the thread was deleted; or it failed
    sink.pouring.cancel()
    await asyncio.gather(sink.pouring, return_exceptions=True)
    reader.close()


@pytest.fixture
async def pouring(following: Following) -> AsyncIterator[tuple[FoldingSink, Reader]]:
    """A level reader that pours into a sink."""
    sink = FoldingSink()
    async with poured(following, sink) as reader:
        await sink.reach(lambda: "live" in sink.ops)
        yield sink, reader


async def test_a_level_reader_pours_in_the_turn_of_the_commit(
    following: Following, pouring: tuple[FoldingSink, Reader]
) -> None:
    """L3, L6: nothing is buffered between what is published and the sink."""
    sink, reader = pouring
    taken: list[tuple[int, int]] = []
    following.harness.store.listen(
        lambda events: taken.append((events[-1].seq, sink.transcript.seq))
    )
    for piece in "abc":
        await following.say(piece)
    assert taken == [(seq, seq) for seq, _ in taken]
    assert len(taken) == 3
    assert reader.delivery.buffered_bytes == 0
    assert sink.ops == ["events", "live", "events", "events", "events"]


async def test_a_sink_without_room_costs_nothing_and_misses_nothing(
    following: Following, pouring: tuple[FoldingSink, Reader]
) -> None:
    """L6, L8: what was refused is read from the store, once the sink is drained."""
    sink, reader = pouring
    reads: list[int] = []
    read = following.hub.read

    async def counted(thread: ThreadRef, after: int, *, raw: bool) -> Replay:
        reads.append(after)
        return await read(thread, after, raw=raw)

    following.hub.read = counted  # type: ignore[method-assign]
    sink.room = False
    for _ in range(20):
        await following.say("x" * 1_000)
        assert reader.delivery.buffered_bytes == 0
    assert reads == []
    assert following.hub.stats().falls_behind == 1
    sink.drain()
    await following.say("and on")
    head = (await following.harness.events(following.thread))[-1].seq
    await sink.reach(lambda: sink.transcript.seq == head)
    await following.say("level again")
    assert sink.transcript.seq == head + 1
    assert sink.ops.count("live") == 1
    assert canonical(sink.transcript.state()) == await following.whole()


async def test_what_is_published_while_a_pouring_reader_reads_comes_once(
    following: Following, pouring: tuple[FoldingSink, Reader]
) -> None:
    """L6: it waits for the page, which may hold it already."""
    sink, reader = pouring
    begun, go_on = asyncio.Event(), asyncio.Event()
    read = following.hub.read

    async def held(thread: ThreadRef, after: int, *, raw: bool) -> Replay:
        begun.set()
        await go_on.wait()
        return await read(thread, after, raw=raw)

    following.hub.read = held  # type: ignore[method-assign]
    reader.fall_behind()
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    await following.say("meanwhile")
    go_on.set()
    await sink.reach(lambda: sink.transcript.seq == 5)
    await following.say("and on")
    assert canonical(sink.transcript.state()) == await following.whole()


async def test_a_gap_in_what_is_published_is_poured_from_the_store(
    following: Following, pouring: tuple[FoldingSink, Reader]
) -> None:
    """L6: another process committed in between, and told nobody."""
    sink, _ = pouring
    publish = following.hub.publish
    following.harness.store.listeners.remove(publish)
    await following.say("unheard")
    following.harness.store.listen(publish)
    await following.say("heard")
    await sink.reach(lambda: sink.transcript.seq == 6)
    assert canonical(sink.transcript.state()) == await following.whole()


async def test_a_refused_frame_is_held_by_nobody(following: Following) -> None:
    """L8: what a stuck socket would get is not kept for it."""

    await following.say("x" * 50_000)
    sink = FoldingSink()
    sink.room = False
    async with poured(following, sink):
        await sink.reach(lambda: not sink.empty.is_set())
        await asyncio.sleep(0)
        frames = [item for item in gc.get_objects() if type(item) is Frame]
        assert [frame for frame in frames if frame.thread_id == following.thread.id] == []


async def test_a_page_that_is_refused_is_read_again_from_where_it_began(
    following: Following, pouring: tuple[FoldingSink, Reader]
) -> None:
    """L6: neither from before what went straight to the sink, nor from its own end."""
    sink, reader = pouring
    await following.say("straight")
    sink.room = False
    reader.fall_behind()
    await following.say("read")
    await sink.reach(lambda: not sink.empty.is_set())
    sink.drain()
    await sink.reach(lambda: sink.transcript.seq == 6)
    await following.say("straight again")
    assert canonical(sink.transcript.state()) == await following.whole()


async def test_each_frame_may_be_refused_once(following: Following) -> None:
    """L6: the replay, `live` and the end of a deleted thread come all the same."""
    await following.say("a")

    class Reluctant(FoldingSink):
        def take(self, text: str) -> bool:
            self.room = not self.room
            taken = super().take(text)
            self.empty.set()
            return taken

    sink = Reluctant()
    async with poured(following, sink):
        await sink.reach(lambda: "live" in sink.ops)
        await following.say("b")
        await sink.reach(lambda: sink.transcript.seq == 6)
        await following.end()
        await sink.reach(lambda: sink.transcript.seq == 8)
        await delete(following)
        await asyncio.wait_for(sink.pouring, PATIENCE_S)
    assert sink.ops == ["events", "live", "events", "events", "events", "closed"]
