"""Following: replay, then live, one code path; however a reader reconnects (L6, L8, L9)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jupyter_chat_stream.following import frames
from jupyter_chat_stream.following.delivery import BUFFER_BYTES
from jupyter_chat_stream.shared.errors import (
    Compacted,
    CursorAhead,
    DatabaseUnreachable,
    StoreError,
)
from jupyter_chat_stream.shared.events import (
    Event,
    canonical,
    encode,
)
from jupyter_chat_stream.shared.fold import Transcript
from tests.following.harness import Following, delete, take, until_live, until_seq
from tests.run_harness import PATIENCE_S
from tests.store.harness import compact


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
    events = await following.harness.events(following.thread)
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
            replay = await original(*args, **kwargs)
            await following.say("after the read")
            return replay
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
        replay = await read(*args, **options)
        await following.say("the last word")
        return replay

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
        most = max(most, slow.delivery.buffered_bytes)
    assert 0 < most <= BUFFER_BYTES <= 256 * 1024
    await until_seq(slow, slow_state, quick_state.seq)
    assert canonical(slow_state.state()) == await following.whole()
    assert canonical(quick_state.state()) == await following.whole()


async def test_frames_of_one_reader_are_bounded_too(following: Following) -> None:
    """L8: a page of the store is no larger than the buffer, whatever the backlog."""
    await following.say(*["x" * 8000] * 40)
    reader = following.follow(4, raw=True)
    transcript = Transcript()
    for event in (await following.harness.events(following.thread))[:4]:
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
    lost = following.hub.publish
    following.harness.store.listeners.remove(lost)
    await following.say("lost")
    following.harness.store.listeners.append(lost)
    await following.say("heard")
    await until_seq(reader, transcript, 6)
    assert canonical(transcript.state()) == await following.whole()


async def test_leaving_is_not_stopping(following: Following) -> None:
    """L8: no reader touches a run, and nothing of it stays behind."""
    reader, transcript = following.follow(), Transcript()
    await until_live(reader, transcript)
    before = await following.harness.types(following.claimed.run)
    reader.close()
    reader.close()
    assert following.hub.stats().readers == 0
    await following.say("x" * 100_000)
    assert reader.delivery.buffered_bytes == 0
    assert (await following.harness.types(following.claimed.run))[: len(before)] == before
    assert (await following.harness.run(following.claimed.run))["status"] == "processing"


async def test_a_reader_of_another_thread_hears_nothing(following: Following) -> None:
    other = await following.harness.thread()
    reader, transcript = following.hub.follow(other, 0), Transcript()
    await until_live(reader, transcript)
    await following.say("a")
    assert reader.delivery.buffered_bytes == 0
    assert transcript.seq == 1


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
        events = await following.harness.events(following.thread)
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
    await following.harness.store.write(lambda tx: compact(tx, run), run.thread.pk)
    with pytest.raises(Compacted):
        await asyncio.wait_for(following.follow(raw=True).next(), PATIENCE_S)


async def test_a_store_that_fails_leaves_the_reader_where_it_was(following: Following) -> None:
    """L6: it asks again from the same cursor, and has lost nothing."""
    reader, transcript = following.follow(), Transcript()
    original = following.hub.read
    failures: list[int] = []

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
    original = following.hub.read
    failures: list[int] = []

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

    def count(event: Event) -> str:
        encoded.append(event.seq)
        return encode(event)

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
