"""Following: replay, then live, one code path; however a reader reconnects (L6, L8, L9)."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from jupyter_chat_stream import follow as follow_module
from jupyter_chat_stream import frames
from jupyter_chat_stream.errors import Compacted, CursorAhead, DatabaseUnreachable, StoreError
from jupyter_chat_stream.events import (
    Completed,
    Delta,
    Event,
    Finalized,
    ThreadChanged,
    canonical,
    parse,
)
from jupyter_chat_stream.follow import BUFFER_BYTES, Hub, HubStats, Reader
from jupyter_chat_stream.frames import Frame
from jupyter_chat_stream.messages import Transcript
from jupyter_chat_stream.store.claims import Claimed
from jupyter_chat_stream.store.compaction import compact
from jupyter_chat_stream.store.log import RunRef, ThreadRef
from jupyter_chat_stream.store.notices import Notices
from jupyter_chat_stream.store.operations import Append
from jupyter_chat_stream.store.reading import Answer
from jupyter_chat_stream.store.store import Store
from tests.unit.conftest import MakeRig
from tests.unit.rig import PATIENCE_S, Rig


class Following:
    """A rig with a hub, and one run that the test itself writes."""

    def __init__(self, rig: Rig, hub: Hub) -> None:
        self.rig = rig
        self.hub = hub
        self.thread: ThreadRef
        self.claimed: Claimed

    @classmethod
    async def begun(cls, rig: Rig, poll_interval_s: float = 3600.0) -> Following:
        self = cls(rig, Hub(rig.store, poll_interval_s=poll_interval_s))
        self.thread = await rig.thread()
        await self.next_run()
        return self

    async def next_run(self) -> RunRef:
        run = await self.rig.send(self.thread)
        self.claimed = await self.rig.claim("01me")
        return run

    async def say(self, *pieces: str, store: Store | None = None) -> None:
        """Commit a delta for each piece, in one transaction."""
        bodies = [Delta(part=0, kind="text", text=piece) for piece in pieces]
        await self.write(*bodies, store=store)

    async def write(self, *bodies: Any, store: Store | None = None) -> None:
        append = Append(run=self.claimed.run, attempt=self.claimed.attempt, bodies=bodies)
        await asyncio.wrap_future((store or self.rig.store).appended(append))

    async def end(self) -> None:
        complete = Completed(content="", usage=None, stop_reason=None, model=None)
        await self.write(complete, Finalized(status="completed"))

    def follow(self, after: int = 0, *, raw: bool = False) -> Reader:
        return self.hub.follow(self.thread, after, raw=raw)

    async def whole(self) -> str:
        """The state by folding everything."""
        transcript = Transcript()
        for event in await self.rig.events(self.thread):
            transcript.apply(event)
        return canonical(transcript.state())


@pytest.fixture
async def following(make_rig: MakeRig):  # type: ignore[no-untyped-def]
    made = await Following.begun(await make_rig())
    yield made
    await made.hub.stop()


def take(frame: Frame, transcript: Transcript) -> None:
    """Take a frame as a reader of the wire does: no gap, no duplicate (L6)."""
    wire = json.loads(frame.text)
    if wire["op"] == "events":
        assert wire["events"]
        for event in wire["events"]:
            assert event["seq"] == transcript.seq + 1
            transcript.apply(parse(event))
    elif wire["op"] == "snapshot":
        assert wire["seq"] > transcript.seq
        transcript.replace(wire)
    assert frame.seq == transcript.seq


async def until_live(reader: Reader, transcript: Transcript) -> list[str]:
    """Read to the frame `live`; give the kinds of the frames."""
    ops: list[str] = []
    while "live" not in ops:
        frame = await asyncio.wait_for(reader.next(), PATIENCE_S)
        take(frame, transcript)
        ops.append(frame.op)
    return ops


async def until_seq(reader: Reader, transcript: Transcript, seq: int) -> None:
    while transcript.seq < seq:
        take(await asyncio.wait_for(reader.next(), PATIENCE_S), transcript)


async def test_replay_then_live(following: Following) -> None:
    """L6"""
    await following.say("a", "b")
    reader, transcript = following.follow(), Transcript()
    assert await until_live(reader, transcript) == ["events", "live"]
    await following.say("c")
    frame = await asyncio.wait_for(reader.next(), PATIENCE_S)
    assert frame.op == "events"
    take(frame, transcript)
    assert canonical(transcript.state()) == await following.whole()
    reader.close()


async def test_live_is_said_once(following: Following) -> None:
    reader, transcript = following.follow(), Transcript()
    await until_live(reader, transcript)
    await following.say("c")
    reader.fall_behind()
    await following.say("d")
    frames = [await asyncio.wait_for(reader.next(), PATIENCE_S)]
    reader.close()
    assert [frame.op for frame in frames] == ["events"]


async def test_from_every_cursor_the_state_is_the_same(following: Following) -> None:
    """L6"""
    await following.say(*"Prices rose.")
    await following.end()
    events = await following.rig.events(following.thread)
    for cursor in range(len(events) + 1):
        transcript = Transcript()
        for event in events[:cursor]:
            transcript.apply(event)
        reader = following.follow(cursor)
        await until_live(reader, transcript)
        reader.close()
        assert canonical(transcript.state()) == await following.whole()


async def test_what_is_committed_while_the_store_is_read_is_not_lost(
    following: Following,
) -> None:
    """L6: register first, read after; what is published in between waits in the buffer."""
    await following.say("a")
    original = following.hub.read
    late = 0

    async def read(*args: Any, **kwargs: Any) -> Any:
        nonlocal late
        if late == 0:
            late += 1
            await following.say("before the read")
            answer = await original(*args, **kwargs)
            await following.say("after the read")
            return answer
        return await original(*args, **kwargs)

    following.hub.read = read  # type: ignore[method-assign]
    reader, transcript = following.follow(), Transcript()
    await until_live(reader, transcript)
    assert canonical(transcript.state()) == await following.whole()
    reader.close()


async def test_what_is_published_while_a_live_reader_finds_nothing_in_the_store_is_not_held_back(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L9: nobody wakes a reader again for what already lies in its buffer."""
    reader, transcript = following.follow(), Transcript()
    await until_live(reader, transcript)
    read = following.hub.read

    async def read_just_before(*args: Any, **options: Any) -> Any:
        answer = await read(*args, **options)
        await following.say("the last word")
        return answer

    monkeypatch.setattr(following.hub, "read", read_just_before)
    reader.fall_behind()  # as for another process's commit that it has read by now
    take(await asyncio.wait_for(reader.next(), PATIENCE_S), transcript)
    reader.close()
    assert canonical(transcript.state()) == await following.whole()


async def test_a_slow_reader_holds_bounded_memory_and_catches_up(following: Following) -> None:
    """L8: it slows nobody, and what it holds never exceeds its buffer."""
    slow, quick = following.follow(), following.follow()
    slow_state, quick_state = Transcript(), Transcript()
    await until_live(slow, slow_state)
    await until_live(quick, quick_state)
    most = 0
    for _ in range(60):
        await following.say("x" * 4000)
        take(await asyncio.wait_for(quick.next(), PATIENCE_S), quick_state)
        most = max(most, slow._buffered, sum(batch.size for batch in slow._buffer))
    assert 0 < most <= BUFFER_BYTES <= 256 * 1024
    await until_seq(slow, slow_state, quick_state.seq)
    assert canonical(slow_state.state()) == await following.whole()
    assert canonical(quick_state.state()) == await following.whole()


async def test_frames_of_one_reader_are_bounded_too(following: Following) -> None:
    """L8: a page of the store is no larger than the buffer, whatever the backlog."""
    await following.say(*["x" * 8000] * 40)
    reader = following.follow(4, raw=True)
    transcript = Transcript()
    for event in (await following.rig.events(following.thread))[:4]:
        transcript.apply(event)
    sizes = []
    while transcript.seq < 44:
        frame = await asyncio.wait_for(reader.next(), PATIENCE_S)
        sizes.append(len(frame.text))
        take(frame, transcript)
    assert max(sizes) < 2 * BUFFER_BYTES
    assert len(sizes) > 2


async def test_one_huge_commit_goes_through(following: Following) -> None:
    """L8: larger than any buffer, so it is read from the store."""
    reader, transcript = following.follow(), Transcript()
    await until_live(reader, transcript)
    await following.say(*["x" * 16_000] * 10)
    await until_seq(reader, transcript, 14)
    assert canonical(transcript.state()) == await following.whole()


async def test_a_gap_in_what_is_published_is_read_from_the_store(following: Following) -> None:
    """L6, L9: whatever happens to the hints."""
    reader, transcript = following.follow(), Transcript()
    await until_live(reader, transcript)
    lost = following.hub._publish
    following.rig.store._listeners.remove(lost)
    await following.say("lost")
    following.rig.store._listeners.append(lost)
    await following.say("heard")
    await until_seq(reader, transcript, 6)
    assert canonical(transcript.state()) == await following.whole()


def a_silent_store(rig: Rig) -> Store:
    """Another process's store on the same file, whose notices are all lost."""
    other = Store.open(rig.store.database.url.render_as_string(), now_ms=rig.clock)
    other._writer._notices = Notices()
    return other


async def test_what_another_process_commits_is_found(make_rig: MakeRig) -> None:
    """L6, L9: another store on the same file tells this hub nothing; the poll finds it."""
    rig = await make_rig()
    following = await Following.begun(rig, poll_interval_s=0.005)
    other = a_silent_store(rig)
    reader, transcript = following.follow(), Transcript()
    try:
        await until_live(reader, transcript)
        await following.say("elsewhere", store=other)
        await until_seq(reader, transcript, 5)
        await following.say("here")
        await following.say("elsewhere", store=other)
        await until_seq(reader, transcript, 7)
        assert canonical(transcript.state()) == await following.whole()
    finally:
        reader.close()
        await following.hub.stop()
        await asyncio.get_running_loop().run_in_executor(None, other.close)


async def test_a_look_that_fails_is_made_again(make_rig: MakeRig) -> None:
    """L9: the database says once that something changed, and must not be asked in vain."""
    rig = await make_rig()
    following = await Following.begun(rig, poll_interval_s=0.005)
    other = a_silent_store(rig)
    reader, transcript = following.follow(), Transcript()
    try:
        await until_live(reader, transcript)
        original, failures = following.hub._wake_those_behind, []
        passing = [StoreError("Not now."), DatabaseUnreachable("Away."), LookupError("a bug")]

        async def wake() -> None:
            if len(failures) < len(passing):
                failures.append(1)
                raise passing[len(failures) - 1]
            await original()

        following.hub._wake_those_behind = wake  # type: ignore[method-assign]
        await following.say("elsewhere", store=other)
        await until_seq(reader, transcript, 5)
        assert len(failures) == 3
    finally:
        reader.close()
        await following.hub.stop()
        await asyncio.get_running_loop().run_in_executor(None, other.close)


async def test_each_reader_is_told_of_others_commits_by_itself(make_rig: MakeRig) -> None:
    """L9: that a neighbour has read on already tells this reader nothing."""
    rig = await make_rig()
    following = await Following.begun(rig, poll_interval_s=0.005)
    other = a_silent_store(rig)
    first, second = following.follow(), following.follow()
    states = Transcript(), Transcript()
    try:
        await until_live(first, states[0])
        await until_live(second, states[1])
        await following.say("elsewhere", store=other)
        first.fall_behind()
        await until_seq(first, states[0], 5)
        await until_seq(second, states[1], 5)
    finally:
        await following.hub.stop()
        await asyncio.get_running_loop().run_in_executor(None, other.close)


async def test_leaving_is_not_stopping(following: Following) -> None:
    """L8: no reader touches a run, and nothing of it stays behind."""
    reader, transcript = following.follow(), Transcript()
    await until_live(reader, transcript)
    before = await following.rig.types(following.claimed.run)
    reader.close()
    reader.close()
    assert following.hub.reader_count == 0
    await following.say("x" * 100_000)
    assert reader._buffered == 0
    assert (await following.rig.types(following.claimed.run))[: len(before)] == before
    assert (await following.rig.run(following.claimed.run))["status"] == "processing"


async def test_a_reader_of_another_thread_hears_nothing(following: Following) -> None:
    other = await following.rig.thread()
    reader, transcript = following.hub.follow(other, 0), Transcript()
    await until_live(reader, transcript)
    await following.say("a")
    assert reader._buffer == []
    assert transcript.seq == 1


async def delete(following: Following) -> None:
    change = ThreadChanged(thread={"deleted": True})
    await following.rig.store.write(lambda tx: tx.append(following.thread, change))


@pytest.mark.parametrize("when", ["live", "replayed", "at the end", "as a snapshot"])
async def test_a_deleted_thread_is_closed_after_its_last_event(
    following: Following, when: str
) -> None:
    after = 0
    if when == "as a snapshot":
        await following.say(*["x"] * 200)
    transcript = Transcript()
    if when == "live":
        reader = following.follow()
        await until_live(reader, transcript)
        await delete(following)
    else:
        await delete(following)
        events = await following.rig.events(following.thread)
        after = len(events) if when == "at the end" else 0
        for event in events[:after]:
            transcript.apply(event)
        reader = following.follow(after)
    while True:
        frame = await asyncio.wait_for(reader.next(), PATIENCE_S)
        if frame.op == "closed":
            break
        take(frame, transcript)
    assert transcript.thread["deleted"] is True
    assert json.loads(frame.text) == {
        "op": "closed",
        "thread": following.thread.id,
        "reason": "deleted",
    }
    assert (await asyncio.wait_for(reader.next(), PATIENCE_S)).op == "closed"


async def test_a_cursor_beyond_the_end_is_told(following: Following) -> None:
    reader = following.follow(99)
    for _ in range(2):
        with pytest.raises(CursorAhead):
            await asyncio.wait_for(reader.next(), PATIENCE_S)


async def test_a_raw_reader_gets_events_or_is_told_that_they_are_gone(
    following: Following,
) -> None:
    await following.say(*["x"] * 200)
    run = following.claimed.run
    await following.end()
    reader, transcript = following.follow(raw=True), Transcript()
    assert "snapshot" not in await until_live(reader, transcript)
    plain, seen = following.follow(), Transcript()
    assert await until_live(plain, seen) == ["snapshot", "live"]
    assert canonical(seen.state()) == canonical(transcript.state())
    await following.rig.store.write(lambda tx: compact(tx, run), run.thread.pk)
    with pytest.raises(Compacted):
        await asyncio.wait_for(following.follow(raw=True).next(), PATIENCE_S)


async def test_a_store_that_fails_leaves_the_reader_where_it_was(following: Following) -> None:
    """L6: it asks again from the same cursor, and has lost nothing."""
    reader, transcript = following.follow(), Transcript()
    original, failures = following.hub.read, []

    async def read(*args: Any, **kwargs: Any) -> Any:
        if not failures:
            failures.append(1)
            raise StoreError("Not now.")
        return await original(*args, **kwargs)

    following.hub.read = read  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        await reader.next()
    await following.say("meanwhile")
    await until_live(reader, transcript)
    assert canonical(transcript.state()) == await following.whole()


async def test_a_database_that_is_away_makes_readers_wait(following: Following) -> None:
    """L6: they go on by themselves; nobody is told of an error for what passes."""
    reader, transcript = following.follow(), Transcript()
    original, failures = following.hub.read, []

    async def read(*args: Any, **kwargs: Any) -> Any:
        if len(failures) < 3:
            failures.append(1)
            raise DatabaseUnreachable("Away.")
        return await original(*args, **kwargs)

    following.hub.read = read  # type: ignore[method-assign]
    await following.say("meanwhile")
    await until_live(reader, transcript)
    assert len(failures) == 3
    assert canonical(transcript.state()) == await following.whole()
    failures.clear()
    await following.hub.stop()  # who waits when the server ends is let go
    reader.fall_behind()
    with pytest.raises(DatabaseUnreachable):
        await asyncio.wait_for(reader.next(), PATIENCE_S)


async def test_the_hub_says_how_its_readers_do(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L8: how many, how far behind, and how often one was too slow for its buffer."""
    assert following.hub.stats() == HubStats(readers=0, lag_events=0, lag_bytes=0, falls_behind=0)
    quick, slow = following.follow(), following.follow()
    for reader in (quick, slow):
        await until_live(reader, Transcript())
    await following.say("a", "b")
    await asyncio.wait_for(quick.next(), PATIENCE_S)
    stats = following.hub.stats()
    assert (stats.readers, stats.lag_events, stats.falls_behind) == (2, 2, 0)
    assert stats.lag_bytes == slow.buffered > 100
    monkeypatch.setattr(follow_module, "BUFFER_BYTES", stats.lag_bytes)
    await following.say("c")
    assert following.hub.stats().falls_behind == 1
    await asyncio.wait_for(slow.next(), PATIENCE_S)
    await asyncio.wait_for(quick.next(), PATIENCE_S)
    assert (following.hub.stats().lag_events, following.hub.stats().lag_bytes) == (0, 0)


async def test_a_reader_that_is_cancelled_while_it_reads_loses_nothing(
    following: Following,
) -> None:
    """L6: a long poll that times out in the middle asks again."""
    reader, transcript = following.follow(), Transcript()
    for _ in range(3):
        waiting = asyncio.ensure_future(reader.next())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await following.say("meanwhile")
    await until_live(reader, transcript)
    assert canonical(transcript.state()) == await following.whole()


async def test_events_are_encoded_once_for_all_readers(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = [following.follow() for _ in range(5)]
    for reader in readers:
        await until_live(reader, Transcript())
    encoded: list[int] = []
    original = frames.encode

    def count(event: Event) -> str:
        encoded.append(event.seq)
        return original(event)

    monkeypatch.setattr(frames, "encode", count)
    await following.say("a", "b")
    taken = [await asyncio.wait_for(reader.next(), PATIENCE_S) for reader in readers]
    assert encoded == [5, 6]
    assert len({frame.text for frame in taken}) == 1


async def test_frames_have_the_forms_of_the_protocol(following: Following) -> None:
    await following.say("a")
    reader = following.follow(3)
    frame = await asyncio.wait_for(reader.next(), PATIENCE_S)
    events = json.loads(frame.text)["events"]
    assert [event["seq"] for event in events] == [4, 5]
    lines = frame.sse.split("\n\n")
    assert lines[0].startswith("id: 4\ndata: {")
    assert json.loads(lines[1].removeprefix("id: 5\ndata: ")) == events[1]
    live = await asyncio.wait_for(reader.next(), PATIENCE_S)
    assert json.loads(live.text) == {"op": "live", "thread": following.thread.id, "seq": 5}
    assert live.sse == ": live\n\n"
    await following.say(*["x"] * 200)
    fresh = await asyncio.wait_for(following.follow().next(), PATIENCE_S)
    assert fresh.sse == f"id: {fresh.seq}\ndata: {fresh.text}\n\n"
    assert json.loads(fresh.text)["op"] == "snapshot"
    assert "\nevent:" not in frame.sse + live.sse + fresh.sse


class Basin:
    """A sink that folds what it takes, as a reader of the wire does, while there is room."""

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


@pytest.fixture
async def pouring(following: Following) -> AsyncIterator[tuple[Basin, Reader]]:
    """A level reader that pours into a basin."""
    basin, reader = Basin(), following.follow()
    task = asyncio.ensure_future(reader.pour(basin))
    await basin.reach(lambda: "live" in basin.ops)
    yield basin, reader
    await asyncio.sleep(0)
    if task.done():
        await task  # it failed
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    reader.close()


async def test_a_level_reader_pours_in_the_turn_of_the_commit(
    following: Following, pouring: tuple[Basin, Reader]
) -> None:
    """L3, L6: nothing is buffered between what is published and the sink."""
    basin, reader = pouring
    taken: list[tuple[int, int]] = []
    following.rig.store.listen(lambda events: taken.append((events[-1].seq, basin.transcript.seq)))
    for piece in "abc":
        await following.say(piece)
    assert taken == [(seq, seq) for seq, _ in taken]
    assert len(taken) == 3
    assert reader.buffered == 0
    assert basin.ops == ["events", "live", "events", "events", "events"]


async def test_a_sink_without_room_costs_nothing_and_misses_nothing(
    following: Following, pouring: tuple[Basin, Reader]
) -> None:
    """L6, L8: what was refused is read from the store, once the sink is drained."""
    basin, reader = pouring
    reads: list[int] = []
    read = following.hub.read

    async def counted(thread: ThreadRef, after: int, *, raw: bool) -> Answer:
        reads.append(after)
        return await read(thread, after, raw=raw)

    following.hub.read = counted  # type: ignore[method-assign]
    basin.room = False
    for _ in range(20):
        await following.say("x" * 1_000)
        assert reader.buffered == 0
    assert reads == []
    assert following.hub.stats().falls_behind == 1
    basin.drain()
    await following.say("and on")
    head = (await following.rig.events(following.thread))[-1].seq
    await basin.reach(lambda: basin.transcript.seq == head)
    await following.say("level again")
    assert basin.transcript.seq == head + 1
    assert basin.ops.count("live") == 1
    assert canonical(basin.transcript.state()) == await following.whole()


async def test_what_is_published_while_a_pouring_reader_reads_comes_once(
    following: Following, pouring: tuple[Basin, Reader]
) -> None:
    """L6: it waits for the page, which may hold it already."""
    basin, reader = pouring
    begun, go_on = asyncio.Event(), asyncio.Event()
    read = following.hub.read

    async def held(thread: ThreadRef, after: int, *, raw: bool) -> Answer:
        begun.set()
        await go_on.wait()
        return await read(thread, after, raw=raw)

    following.hub.read = held  # type: ignore[method-assign]
    reader.fall_behind()
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    await following.say("meanwhile")
    go_on.set()
    await basin.reach(lambda: basin.transcript.seq == 5)
    await following.say("and on")
    assert canonical(basin.transcript.state()) == await following.whole()


async def test_a_gap_in_what_is_published_is_poured_from_the_store(
    following: Following, pouring: tuple[Basin, Reader]
) -> None:
    """L6: another process committed in between, and told nobody."""
    basin, _ = pouring
    publish = following.hub._publish
    following.rig.store._listeners.remove(publish)
    await following.say("unheard")
    following.rig.store.listen(publish)
    await following.say("heard")
    await basin.reach(lambda: basin.transcript.seq == 6)
    assert canonical(basin.transcript.state()) == await following.whole()


async def test_a_refused_frame_is_held_by_nobody(following: Following) -> None:
    """L8: what a stuck socket would get is not kept for it."""

    await following.say("x" * 50_000)
    basin, reader = Basin(), following.follow()
    basin.room = False
    task = asyncio.ensure_future(reader.pour(basin))
    await basin.reach(lambda: not basin.empty.is_set())
    await asyncio.sleep(0)
    frames = [item for item in gc.get_objects() if type(item) is Frame]
    assert [frame for frame in frames if frame.thread_id == following.thread.id] == []
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    reader.close()


async def test_a_page_that_is_refused_is_read_again_from_where_it_began(
    following: Following, pouring: tuple[Basin, Reader]
) -> None:
    """L6: neither from before what went straight to the sink, nor from its own end."""
    basin, reader = pouring
    await following.say("straight")
    basin.room = False
    reader.fall_behind()
    await following.say("read")
    await basin.reach(lambda: not basin.empty.is_set())
    basin.drain()
    await basin.reach(lambda: basin.transcript.seq == 6)
    await following.say("straight again")
    assert canonical(basin.transcript.state()) == await following.whole()


async def test_each_frame_may_be_refused_once(following: Following) -> None:
    """L6: the replay, `live` and the end of a deleted thread come all the same."""
    await following.say("a")

    class Reluctant(Basin):
        def take(self, text: str) -> bool:
            self.room = not self.room
            taken = super().take(text)
            self.empty.set()
            return taken

    basin, reader = Reluctant(), following.follow()
    task = asyncio.ensure_future(reader.pour(basin))
    await basin.reach(lambda: "live" in basin.ops)
    await following.say("b")
    await basin.reach(lambda: basin.transcript.seq == 6)
    await following.end()
    await basin.reach(lambda: basin.transcript.seq == 8)
    await delete(following)
    await asyncio.wait_for(task, PATIENCE_S)
    assert basin.ops == ["events", "live", "events", "events", "events", "closed"]
    reader.close()
