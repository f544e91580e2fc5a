"""The rows of a person's list reach its watchers: from this process, from others, and late (L9)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import pytest

from jupyter_chat_stream.following import watching
from jupyter_chat_stream.following.changed_threads import MAX_PENDING
from jupyter_chat_stream.following.commit_poll import CommitPoll
from jupyter_chat_stream.following.watching import Watcher, Watchers
from jupyter_chat_stream.shared.events import Finalized, InputRequested
from jupyter_chat_stream.store.chat import commands, marks, threads
from jupyter_chat_stream.store.front import ChatStore
from jupyter_chat_stream.store.log.transaction import ThreadRef
from jupyter_chat_stream.store.sql.notices.base import Notices
from tests.store.harness import StoreHarness

PATIENCE_S = 20.0
NEVER_S = 3600.0

T = TypeVar("T")


class Recording:
    """A sink that keeps the frames, and takes none while it is full."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.has_room = asyncio.Event()
        self.has_room.set()
        self.refused = 0

    def take(self, text: str) -> bool:
        if not self.has_room.is_set():
            self.refused += 1
            return False
        self.frames.put_nowait(json.loads(text))
        return True

    async def drained(self) -> None:
        await self.has_room.wait()

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.frames.get(), PATIENCE_S)

    async def row(self, is_it: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return the next row that is as wanted."""
        while True:
            frame = await self.next()
            if frame["op"] == "thread" and is_it(frame["thread"]):
                return dict(frame["thread"])


class Watching:
    """A store with watchers, and what the tests do with both."""

    def __init__(self, harness: StoreHarness, poll_interval_s: float) -> None:
        harness.store.attach(asyncio.get_running_loop())
        store = ChatStore(harness.store)
        self.harness = harness
        self.store = store
        self.poll = CommitPoll(store, interval_s=poll_interval_s)
        self.watchers = Watchers(store, poll=self.poll)
        self.pouring: list[asyncio.Task[None]] = []

    async def watch(self, person: str = "local", sink: Recording | None = None) -> Recording:
        """Watch a list; returns when the watcher has been told to read it."""
        sink = sink or Recording()
        watcher = self.watchers.watch(person)
        self.pouring.append(asyncio.create_task(self.pour(watcher, sink)))
        assert await sink.next() == {"op": "watching"}
        return sink

    async def pour(self, watcher: Watcher, sink: Recording) -> None:
        try:
            await watcher.pour(sink)
        finally:
            watcher.close()

    async def do(self, work: Callable[..., T], *args: Any, **options: Any) -> T:
        """Call what blocks on another thread, a ms later: the loop must publish meanwhile."""
        self.harness.clock.advance(1)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, partial(work, *args, **options))

    async def stop(self) -> None:
        for task in self.pouring:
            task.cancel()
        await asyncio.gather(*self.pouring, return_exceptions=True)
        await self.poll.stop()


@pytest.fixture
async def watched(harness: StoreHarness) -> AsyncIterator[Watching]:
    """Watchers that never look by themselves: what they get, they were told of."""
    made = Watching(harness, NEVER_S)
    yield made
    await made.stop()


@pytest.fixture
def other(harness: StoreHarness) -> Iterator[StoreHarness]:
    """Another process's store on the same database."""
    made = StoreHarness(harness.url, harness.clock)
    yield made
    made.close()


def change(harness: StoreHarness, thread: ThreadRef, **fields: Any) -> None:
    harness.do(lambda tx: threads.change_thread(tx, "local", thread.id, fields), thread.pk)


def pin(harness: StoreHarness, thread: ThreadRef) -> None:
    harness.do(lambda tx: marks.pin(tx, "local", thread, pinned=True), thread.pk)


def read(harness: StoreHarness, thread: ThreadRef) -> None:
    seq = harness.seqs(thread)[-1]
    harness.do(lambda tx: marks.read(tx, "local", thread.id, seq), thread.pk)


def delete(harness: StoreHarness, thread: ThreadRef) -> None:
    harness.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)


def asked(harness: StoreHarness, thread: ThreadRef) -> None:
    """Let a run ask, and leave it so."""
    question = InputRequested(request_id="q", prompt="?")
    harness.append(harness.claimed(thread), question, release=True)


async def lived(by: StoreHarness, watched: Watching, sink: Recording) -> None:
    """Change a thread in every way that its row shows, and see each row."""
    thread = await watched.do(by.thread)
    await sink.row(lambda row: row["id"] == thread.id)
    await watched.do(change, by, thread, title="Churn")
    await sink.row(lambda row: row["title"] == "Churn")
    claimed = await watched.do(by.claimed, thread)
    await sink.row(lambda row: row["busy"] and row["head"] is not None)
    await watched.do(by.append, claimed, "a", Finalized(status="completed"), release=True)
    await sink.row(lambda row: row["unread"] == 1 and not row["busy"])
    await watched.do(read, by, thread)
    await sink.row(lambda row: row["unread"] == 0)
    await watched.do(pin, by, thread)
    await sink.row(lambda row: row["pinned"])
    await watched.do(asked, by, thread)
    await sink.row(lambda row: row["asks"] and not row["busy"])
    await watched.do(change, by, thread, archived=True)
    await sink.row(lambda row: row["archived"])
    await watched.do(delete, by, thread)
    await sink.row(lambda row: row["deleted"])


async def test_every_change_of_a_row_reaches_its_watchers(watched: Watching) -> None:
    sinks = [await watched.watch(), await watched.watch()]
    await lived(watched.harness, watched, sinks[0])
    await sinks[1].row(lambda row: row["deleted"])


async def test_the_changes_of_another_process_reach_them_without_any_poll(
    watched: Watching, other: StoreHarness
) -> None:
    """L9: events and marks alike."""
    await lived(other, watched, await watched.watch())


async def test_a_notice_that_is_lost_costs_latency_only(
    harness: StoreHarness, other: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L9: the comparison of the lists finds what nobody told of."""
    for name in ("COMPARE_AFTER_S", "COMPARE_ANYWAY_S", "IDLE_TIMES"):
        monkeypatch.setattr(watching, name, 0.0)
    other.store.writer.batches.notices = Notices()  # which tells nobody
    polling = Watching(harness, 0.01)
    try:
        await lived(other, polling, await polling.watch())
    finally:
        await polling.stop()


async def test_a_notice_without_threads_makes_the_lists_be_compared(
    harness: StoreHarness, other: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L9: as after a lost connection, when any thread may have changed."""
    monkeypatch.setattr(watching, "COMPARE_AFTER_S", 0.0)
    polling = Watching(harness, 0.01)
    other.store.writer.batches.notices = Notices()
    try:
        sink = await polling.watch()
        monkeypatch.setattr(polling.store, "has_changed", never)
        thread = await polling.do(other.thread)
        polling.watchers.hear_foreign(None)
        await sink.row(lambda row: row["id"] == thread.id)
    finally:
        await polling.stop()


async def never() -> bool:
    return False


async def test_a_person_gets_no_row_of_another_persons_threads(
    watched: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L16: and such a thread is looked up once."""
    sink, others = await watched.watch(), await watched.watch("another")
    reads: list[tuple[str, str]] = []
    real, is_known = watched.watchers.read, asyncio.Event()

    async def noted(person: str, ids: Any) -> Any:
        found = await real(person, ids)
        reads.extend((person, id_) for id_ in ids)
        if person == "local":
            is_known.set()
        return found

    monkeypatch.setattr(watched.watchers, "read", noted)
    hidden = await watched.do(watched.harness.thread, owner="another")
    await others.row(lambda row: row["id"] == hidden.id)
    await asyncio.wait_for(is_known.wait(), PATIENCE_S)
    await watched.do(watched.harness.answered, hidden)
    await others.row(lambda row: row["unread"] == 1)
    own = await watched.do(watched.harness.thread)
    frame = await sink.next()
    assert frame["thread"]["id"] == own.id
    assert reads.count(("local", hidden.id)) == 1


async def test_a_watcher_that_is_full_holds_ids_only_and_then_gets_the_rows(
    watched: Watching,
) -> None:
    """L8"""
    sink = await watched.watch()
    (watcher,) = watched.watchers.by_person["local"]
    sink.has_room.clear()
    made = [await watched.do(watched.harness.thread) for _ in range(40)]
    assert len(watcher.changes) <= 40
    sink.has_room.set()
    seen = {(await sink.next())["thread"]["id"] for _ in made}
    assert seen == {thread.id for thread in made}
    sink.has_room.clear()
    watcher.add(f"thread{number}" for number in range(MAX_PENDING + 1))
    assert len(watcher.changes) == 0
    sink.has_room.set()
    assert await sink.next() == {"op": "watching"}


async def test_text_that_is_added_to_an_answer_sends_no_row(
    watched: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = await watched.watch()
    thread = await watched.do(watched.harness.thread)
    claimed = await watched.do(watched.harness.claimed, thread)
    await watched.do(watched.harness.append, claimed, "first")
    before = await sink.row(lambda row: row["busy"])
    heard: list[Any] = []
    (watcher,) = watched.watchers.by_person["local"]
    monkeypatch.setattr(watcher, "add", heard.append)
    for piece in "abc":
        await watched.do(watched.harness.append, claimed, piece)
    assert heard == []
    assert before["id"] == thread.id


async def test_nothing_is_kept_of_a_list_that_nobody_watches(watched: Watching) -> None:
    await watched.watch()
    assert watched.watchers.count == 1
    await watched.stop()
    assert watched.watchers.count == 0
    assert (watched.watchers.traces, watched.watchers.is_wanted) == ({}, False)
