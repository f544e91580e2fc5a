"""(r) Commits of live runs, alone and beside the compaction of a million events.

Twenty runs say something every 50 ms, on the event loop and in the database where housekeeping
compacts, with its own steps and pauses. A run's wait is from its append to its committed events;
a step is from when the writer begins its work to the end of the transaction it is in. Then one
thread of all these messages is purged beside the same runs.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.events import Body, Completed, Delta, Finalized
from jupyter_chat_stream.shared.records import Part
from jupyter_chat_stream.store.chat import commands, runs, threads
from jupyter_chat_stream.store.chat.claims import Claimed, claim
from jupyter_chat_stream.store.chat.due import find_one
from jupyter_chat_stream.store.log.operations import Append, Commit
from jupyter_chat_stream.store.log.transaction import ThreadRef, Transaction
from jupyter_chat_stream.store.retention.cleanup import PURGE_AFTER_MS, CleanupLease, Counts
from jupyter_chat_stream.store.retention.housekeeping import Housekeeping
from jupyter_chat_stream.store.retention.steps import Write
from jupyter_chat_stream.store.store import Store, system_now_ms

from .report import Section, ms, percentile

OWNER = "local"
LIVE, EVERY_S = 20, 0.05
END_MS = 1  # so long ago an answer has ended


@dataclass(kw_only=True)
class Waits:
    """What live runs waited while something else went on."""

    values_s: list[float] = field(default_factory=list)
    lag_s: list[float] = field(default_factory=list)  # the event loop's
    seconds: float = 0.0


class Steps(CleanupLease):
    """A turn that measures its steps with the transaction they are in."""

    begun: list[tuple[float, float]] = []  # noqa: RUF012  of the transaction under way
    took_s: list[float] = []  # noqa: RUF012
    cpu_s: list[float] = []  # noqa: RUF012  the same without what other programs took

    def holding(self, step: Write, counts: Counts) -> Callable[[Transaction], Any]:
        work = super().holding(step, counts)

        def timed(tx: Transaction) -> Any:
            self.begun.append((time.perf_counter(), time.thread_time()))
            return work(tx)

        return timed

    @classmethod
    def committed(cls, commit: Commit) -> None:
        if cls.begun:
            cls.took_s.append(time.perf_counter() - cls.begun[0][0])
            cls.cpu_s.append(time.thread_time() - cls.begun[0][1])
            cls.begun.clear()


TITLE = "live commits beside retention, ms"
GOAL = "a step with its commit at most 10 ms at p99"
HEADER = [
    *("", "wait p50", "p99", "longest", "loop late p99"),
    *("a step p50", "p99", "longest", "its CPU p99", "longest"),
]


def run(*, quick: bool = False) -> Section:
    """Measure; quick: a hundredth of it."""
    sizes = [1000] * 10 if quick else [100_000] * 5 + [5000] * 100
    return asyncio.run(_run(sizes, 0.5 if quick else 15.0))


async def _run(sizes: list[int], seconds: float) -> Section:
    late_ms = 0
    with tempfile.TemporaryDirectory(prefix="chat-stream-bench-") as folder:
        store = Store.open(f"sqlite:///{folder}/chat.db", now_ms=lambda: system_now_ms() + late_ms)
        store.attach(asyncio.get_running_loop())
        store.observe(Steps.committed)
        try:
            thread = await _answered(store, sizes)
            live = [await _claimed(store, await _thread(store)) for _ in range(LIVE)]
            alone = await _beside(store, live, lambda: asyncio.sleep(seconds))
            config = ChatStream(keep_events_days=END_MS / 86_400_000)
            house = Housekeeping(store, config, make_lease=Steps)
            compacting = await _beside(store, live, house.look)
            compacted, compacting_s = house.counts.compacted_deltas, _steps()
            await store.write(lambda tx: commands.delete(tx, OWNER, thread.id), thread.pk)
            more = await _answered(store, sizes)
            await store.write(lambda tx: commands.delete(tx, OWNER, more.id), more.pk)
            late_ms = PURGE_AFTER_MS + 1000
            purging = await _beside(store, live, house.look)
            purging_s = _steps()
        finally:
            await asyncio.get_running_loop().run_in_executor(None, store.close)
    notes = [
        f"{LIVE} live runs, a delta each every {EVERY_S * 1000:.0f} ms; SQLite",
        _note("compacted", compacting, compacting_s),
        f"{_note('purged', purging, purging_s)}; {house.counts.freed_bytes} bytes given back",
    ]
    rows = [
        _row("live runs alone", alone, ([], [])),
        _row(f"beside compacting {compacted} deltas", compacting, compacting_s),
        _row(f"beside purging {house.counts.purged_rows} rows", purging, purging_s),
    ]
    return Section(name="r", title=TITLE, goal=GOAL, rows=[HEADER, *rows], notes=notes)


async def _answered(store: Store, sizes: list[int]) -> ThreadRef:
    thread = await _thread(store)
    for size in sizes:
        await _answer(store, thread, size)
    return thread


def _note(done: str, waits: Waits, steps: tuple[list[float], list[float]]) -> str:
    return f"{done} in {waits.seconds:.0f} s, {len(steps[0])} steps"


def _row(name: str, waits: Waits, steps: tuple[list[float], list[float]]) -> list[str]:
    late = _shown(waits.lag_s)[1]
    return [name, *_shown(waits.values_s), late, *_shown(steps[0]), *_shown(steps[1])[1:]]


def _shown(values: list[float]) -> list[str]:
    if not values:
        return ["–"] * 3
    return [ms(percentile(values, share)) for share in (0.5, 0.99, 1.0)]


def _steps() -> tuple[list[float], list[float]]:
    found = list(Steps.took_s), list(Steps.cpu_s)
    Steps.took_s.clear()
    Steps.cpu_s.clear()
    return found


async def _beside(
    store: Store, live: list[Claimed], work: Callable[[], Awaitable[object]]
) -> Waits:
    """Let live runs go on while something is done."""
    waits = Waits()
    talking = [asyncio.ensure_future(_talk(store, claimed, waits)) for claimed in live]
    talking.append(asyncio.ensure_future(_watch(waits)))
    begun = time.perf_counter()
    await work()
    waits.seconds = time.perf_counter() - begun
    for task in talking:
        task.cancel()
    await asyncio.gather(*talking, return_exceptions=True)
    return waits


async def _talk(store: Store, claimed: Claimed, waits: Waits) -> None:
    while True:
        begun = time.perf_counter()
        await _append(store, claimed, Delta(part=0, kind="text", text="word "))
        waits.values_s.append(time.perf_counter() - begun)
        await asyncio.sleep(EVERY_S)


async def _watch(waits: Waits) -> None:
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(0.01)
        waits.lag_s.append(max(0.0, time.perf_counter() - begun - 0.01))


async def _append(store: Store, claimed: Claimed, *bodies: Body, **options: Any) -> None:
    append = Append(run=claimed.run, attempt=claimed.attempt, bodies=bodies, **options)
    await asyncio.wrap_future(store.append_future(append))


async def _thread(store: Store) -> ThreadRef:
    def work(tx: Transaction) -> ThreadRef:
        made, _ = threads.create_thread(
            tx, owner=OWNER, project="", name=None, title=None, model="demo/tour", system=None
        )
        tx.flush()
        return threads.find_thread(tx.conn, OWNER, made["id"])

    return await store.write(work)


async def _claimed(store: Store, thread: ThreadRef) -> Claimed:
    def work(tx: Transaction) -> Claimed | None:
        parts: list[Part] = [{"kind": "text", "text": "Why?"}]
        message = runs.add_message(tx, thread, parts=parts, parent_id=None)
        run = runs.add_reply(
            tx, thread, runs.NewReply(parent_id=message["id"], model="demo/tour")
        ).ref
        tx.flush()
        due = find_one(tx.conn, run.id)
        assert due is not None
        return claim(tx, due, "01bench", max_crashes=3, on_crash="continue")

    claimed = await store.write(work, thread.pk)
    assert claimed is not None
    return claimed


async def _answer(store: Store, thread: ThreadRef, size: int) -> None:
    claimed = await _claimed(store, thread)
    for _ in range(size // 500):
        await _append(store, claimed, *[Delta(part=0, kind="text", text="word ")] * 500)
    complete = Completed(content="", usage=None, stop_reason=None, model=None)
    await _append(store, claimed, complete, Finalized(status="completed"), release=True)
