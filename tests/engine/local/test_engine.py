"""The local engine and its sweep: who executes what, and when nobody does any more."""

from __future__ import annotations

import asyncio
import threading
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.engine.local import LocalEngine
from jupyter_chat_stream.engine.sweep import Sweep
from jupyter_chat_stream.store.chat.runs import cancel
from jupyter_chat_stream.store.log.transaction import Transaction
from jupyter_chat_stream.testing import Gate, ScriptedProvider
from tests.fixtures import MakeHarness
from tests.run_harness import PATIENCE_S, RunHarness


async def test_a_message_is_answered(make_harness: MakeHarness) -> None:
    harness = await make_harness(["Prices rose."])
    await harness.engine.start()
    run = await harness.send(await harness.thread())
    assert (await harness.ended(run))["status"] == "completed"
    await harness.until(lambda: harness.engine.active == 0)


async def test_one_run_of_a_thread_is_active_and_the_rest_follow_in_order(
    make_harness: MakeHarness,
) -> None:
    """L10: a run that is not its turn has a predecessor."""
    gates = [Gate(), Gate()]
    harness = await make_harness(["1", gates[0]], ["2", gates[1]], ["3"])
    await harness.engine.start()
    thread, other = await harness.thread(), await harness.thread()
    first, second = await harness.send(thread, "a"), await harness.send(thread, "b")
    await harness.bounded(gates[0].reached())
    assert harness.engine.active == 1
    elsewhere = await harness.send(other, "c")
    await harness.bounded(gates[1].reached())
    assert harness.engine.active == 2
    assert (await harness.run(second))["status"] == "pending"
    gates[0].open()
    assert (await harness.ended(second))["status"] == "completed"
    gates[1].open()
    await harness.ended(elsewhere)
    begun = [
        e.run_id
        for e in harness.published
        if e.type == "status" and getattr(e.body, "phase", "") == "thinking"
    ]
    assert begun == [first.id, elsewhere.id, second.id]
    assert [p.turns[-1].text for p in harness.provider.prompts] == ["a", "c", "b"]


async def test_a_pending_run_that_is_cancelled_lets_the_next_one_through(
    make_harness: MakeHarness,
) -> None:
    gate = Gate()
    harness = await make_harness(["1", gate], ["3"])
    await harness.engine.start()
    thread = await harness.thread()
    first, second, third = [await harness.send(thread, t) for t in "abc"]
    await harness.bounded(gate.reached())
    await harness.cancel(second)
    gate.open()
    assert (await harness.ended(third))["status"] == "completed"
    assert (await harness.run(first))["status"] == "completed"
    assert (await harness.run(second))["started_at"] is None


async def test_no_more_than_max_active_runs_are_executed(make_harness: MakeHarness) -> None:
    gate = Gate()
    provider = ScriptedProvider(default=lambda prompt: ["x", gate])
    harness = await make_harness(provider=provider, max_active_runs=2)
    await harness.engine.start()
    runs = [await harness.send(await harness.thread()) for _ in range(5)]
    await harness.until(lambda: provider.active == 2)
    await harness.engine.sweep.sweep()
    assert harness.engine.active == 2
    gate.open()
    for run in runs:
        assert (await harness.ended(run))["status"] == "completed"


async def test_users_take_turns_even_where_one_run_is_worked_on_at_a_time(
    make_harness: MakeHarness,
) -> None:
    provider = ScriptedProvider(default=lambda prompt: ["x"])
    harness = await make_harness(provider=provider, max_active_runs=1)
    busy = [await harness.send(await harness.thread(), "busy") for _ in range(5)]
    patient = await harness.send(await harness.thread(owner="ben"), "patient")
    await harness.engine.start()
    for run in (*busy, patient):
        await harness.ended(run)
    asked = [prompt.turns[-1].text for prompt in provider.prompts]
    assert asked == ["busy", "patient", "busy", "busy", "busy", "busy"]


async def test_an_engine_without_room_does_not_spin(make_harness: MakeHarness) -> None:
    """A run whose time has come waits for room: no look is worth anything before one ends."""
    gate = Gate()
    harness = await make_harness([gate], max_active_runs=1, sweep_interval_s=100.0)
    await harness.engine.start()
    await harness.send(await harness.thread())
    await harness.bounded(gate.reached())
    waiting = await harness.send(await harness.thread())
    due_ms = harness.clock() - 1
    sql = f"UPDATE run SET status = 'waiting', wake_ms = {due_ms} WHERE pk = {waiting.pk}"
    await harness.store.write(lambda tx: tx.execute(sql))
    assert await harness.engine.sweep.until_next_s() == 100.0
    await harness.store.write(lambda tx: tx.execute(sql.replace("'waiting'", "'pending'")))
    gate.open()
    await harness.ended(waiting)


async def test_a_run_that_cannot_be_taken_ends_and_does_not_let_the_sweep_spin(
    make_harness: MakeHarness,
) -> None:
    """L10: a row that cannot be read is no reason to look again and again."""
    harness = await make_harness(sweep_interval_s=100.0)
    run = await harness.send(await harness.thread())
    damage = f"UPDATE run SET status = 'waiting', wake_ms = {harness.clock()}, params = '{{' "
    await harness.store.write(lambda tx: tx.execute(f"{damage} WHERE pk = {run.pk}"))
    await harness.engine.sweep.sweep()

    async def has_failed() -> bool:
        return bool(await harness.column(run, "status") == "failed")

    await harness.until(has_failed)
    assert await harness.engine.sweep.until_next_s() == 100.0
    # Only what wakes later is worth an earlier look.
    other = await harness.send(await harness.thread())
    waits = f"UPDATE run SET status = 'waiting', wake_ms = {harness.clock() + 7000}"
    await harness.store.write(lambda tx: tx.execute(f"{waits} WHERE pk = {other.pk}"))
    assert await harness.engine.sweep.until_next_s() == 7.0
    again = "UPDATE run SET status = 'pending', wake_ms = NULL"
    await harness.store.write(lambda tx: tx.execute(f"{again} WHERE pk = {other.pk}"))
    await harness.store.write(lambda tx: tx.execute("UPDATE run SET params = '{}'"))


async def test_a_lost_nudge_costs_latency_only(make_harness: MakeHarness) -> None:
    """L9: the regular look finds what nobody told of."""
    harness = await make_harness(["Prices rose."], sweep_interval_s=0.05)
    harness.engine.sweep.nudge = lambda: None  # type: ignore[method-assign]
    await harness.engine.start()
    first = await harness.send(await harness.thread())
    assert (await harness.ended(first))["status"] == "completed"


async def test_a_nudge_in_the_moment_of_stopping_does_not_keep_the_sweep_going(
    make_harness: MakeHarness,
) -> None:
    """Before Python 3.12 a wait that ends while it is cancelled swallows the cancellation."""
    harness = await make_harness()
    await harness.engine.start()
    looks = asyncio.Event()
    original = harness.engine.sweep.until_next_s

    async def pause_s() -> float:
        pause = await original()
        asyncio.get_running_loop().call_soon(looks.set)  # when the wait has begun
        return pause

    harness.engine.sweep.until_next_s = pause_s  # type: ignore[method-assign]
    harness.engine.sweep.nudge()
    await harness.bounded(looks.wait())
    await asyncio.sleep(0)
    harness.engine.sweep.nudge()
    await asyncio.sleep(0)  # the event's wait is done, the sweep has not yet been told
    await harness.bounded(harness.engine.sweep.stop())


@pytest.mark.parametrize("iterations", range(4))
async def test_news_in_the_moment_of_stopping_do_not_keep_the_watch_going(
    make_harness: MakeHarness, iterations: int
) -> None:
    """After so many iterations of the event loop, the wait is over and the watch not yet told."""
    harness = await make_harness()
    running = harness.engine.running
    running.start()
    await asyncio.sleep(0)  # it waits
    running.hear(None)
    for _ in range(iterations):
        await asyncio.sleep(0)
    await harness.bounded(running.stop())
    assert running.watch_task is not None
    assert running.watch_task.done()


async def test_a_sweep_that_comes_late_by_more_than_a_lease_gives_the_others_time(
    make_harness: MakeHarness,
) -> None:
    """L10: a host that was suspended did so to all of them; no lease is to be trusted yet."""
    harness = await make_harness(sweep_interval_s=0.05, lease_s=10.0)
    doubts: list[float] = []
    delays = asyncio.Queue[float]()
    harness.engine.running.presume_alive = lambda: doubts.append(sweep.late_s)  # type: ignore[method-assign]
    clock = chain((0.0, 10.0, 10.0, 3610.0), repeat(3610.0))  # before and after each pause
    sweep = Sweep(
        harness.chat_store,
        harness.engine.running,
        harness.config,
        dispatch=harness.engine.dispatch,
        wall_s=lambda: next(clock),
    )
    sweep.observe = delays.put_nowait
    sweep.start()
    found = [await harness.bounded(delays.get()) for _ in range(3)]
    await sweep.stop()
    assert [round(delay) for delay in found[:2]] == [10, 3600]
    assert doubts == [found[1]]


async def test_the_sweep_says_how_late_it_came(make_harness: MakeHarness) -> None:
    harness = await make_harness(["Prices rose."])
    delays: list[float] = []
    harness.engine.sweep.observe = delays.append
    await harness.engine.start()
    await harness.ended(await harness.send(await harness.thread()))
    assert delays
    assert all(0 <= delay < PATIENCE_S for delay in delays)
    assert harness.engine.sweep.late_s in delays


async def test_a_call_for_an_attempt_that_is_not_the_one_to_be_made_does_nothing(
    make_harness: MakeHarness,
) -> None:
    """L5: it was for another time: too early, or long answered by somebody."""
    harness = await make_harness(["Prices rose."])
    run = await harness.send(await harness.thread())
    for attempt in (0, 2, 7):
        harness.engine.dispatch(run.id, attempt)
    harness.engine.dispatch("01never", 1)
    await harness.until(lambda: harness.engine.active == 0)
    assert (await harness.run(run))["status"] == "pending"
    harness.engine.dispatch(run.id, 1)
    assert (await harness.ended(run))["attempt"] == 1


class HeldNews:
    """Holds back the news of each commit of a store until ``go_on`` is set."""

    def __init__(self, harness: RunHarness) -> None:
        self.committed, self.go_on = asyncio.Event(), asyncio.Event()
        self.write = harness.store.write  # as it was: it tells at once
        harness.store.write = self._write  # type: ignore[method-assign]

    async def _write(self, work: Any, *threads: int) -> Any:
        done = await self.write(work, *threads)
        self.committed.set()
        await self.go_on.wait()
        return done


async def test_a_claim_that_was_just_committed_is_not_taken_for_a_lost_run(
    make_harness: MakeHarness,
) -> None:
    """L10: between the commit and the news of it, the run has an owner and nobody seems to be at
    it; a look in that moment must not count a crash."""
    harness = await make_harness(["Prices rose."])
    run = await harness.send(await harness.thread())
    news = HeldNews(harness)
    harness.engine.dispatch(run.id, 1)
    await harness.bounded(news.committed.wait())
    assert await harness.column(run, "owner") == harness.engine.holder
    assert not await harness.is_lost(run)
    await harness.engine.sweep.sweep()
    news.go_on.set()
    assert (await harness.ended(run))["attempt"] == 1
    assert await harness.column(run, "crashes") == 0


async def test_a_run_that_was_stopped_before_its_claim_was_known_asks_no_provider(
    make_harness: MakeHarness,
) -> None:
    """L9: both may even be in one commit, and nobody is at the run yet whom the end could stop."""
    harness = await make_harness(["Prices rose."])
    run = await harness.send(await harness.thread())
    harness.engine.running.start()
    news = HeldNews(harness)
    harness.engine.dispatch(run.id, 1)
    await harness.bounded(news.committed.wait())
    assert await harness.column(run, "owner") == harness.engine.holder
    assert await news.write(lambda tx: cancel(tx, run), run.thread.pk)
    news.go_on.set()
    await harness.until(lambda: harness.engine.active == 0)
    assert (await harness.run(run))["status"] == "cancelled"
    assert harness.provider.prompts == []


@pytest.mark.parametrize("kind", ["server", "worker"])
async def test_a_worker_takes_at_once_what_another_process_makes_due_and_a_server_its_own(
    make_harness: MakeHarness, kind: Any
) -> None:
    """Two JupyterLabs on one file each run what was sent there."""
    looks: list[float | None] = []
    harness = await make_harness(make_engine=lambda *given: LocalEngine(*given, kind=kind))
    harness.engine.sweep.nudge_soon = lambda wait_s=0.0: looks.append(wait_s)
    await harness.engine.start()
    other = await make_harness()
    heard = asyncio.Event()
    harness.store.on_foreign(lambda threads: heard.set())  # after the engine
    await other.send(await other.thread())
    await harness.bounded(heard.wait())
    assert bool(looks) == (kind == "worker")


async def test_what_was_due_before_the_start_is_taken(make_harness: MakeHarness) -> None:
    harness = await make_harness(["Prices rose."])
    run = await harness.send(await harness.thread())
    await harness.engine.start()
    assert (await harness.ended(run))["status"] == "completed"


async def test_abort_stops_a_run_here_and_says_when_there_is_none(
    make_harness: MakeHarness,
) -> None:
    gate = Gate()
    harness = await make_harness(["Prices ", gate])
    await harness.engine.start()
    run = await harness.send(await harness.thread())
    await harness.bounded(gate.reached())
    assert await harness.engine.abort(run.id)
    assert (await harness.ended(run))["status"] == "cancelled"
    assert (await harness.reply(run))["content"] == "Prices "
    assert not await harness.engine.abort(run.id)
    assert not await harness.engine.abort("another")


async def test_stopping_leaves_everything_due_for_the_next_process(
    make_harness: MakeHarness, tmp_path: Path
) -> None:
    """L10: nothing is left `processing` by a server that ended in good order."""
    gate = Gate()
    provider = ScriptedProvider(default=lambda prompt: ["x", gate])
    harness = await make_harness(provider=provider)
    await harness.engine.start()
    runs = [await harness.send(await harness.thread()) for _ in range(3)]
    await harness.until(lambda: provider.active == 3)
    await harness.engine.stop()
    for run in runs:
        assert (await harness.run(run))["status"] == "pending"
        assert await harness.column(run, "owner") is None
        assert await harness.column(run, "crashes") == 0
    assert list((tmp_path / "owners").iterdir()) == []
    harness.engine.stop = _nothing  # type: ignore[method-assign]  # it has been stopped


async def _nothing() -> None: ...


async def test_stopping_while_a_run_is_being_taken_is_no_crash(make_harness: MakeHarness) -> None:
    """L10: a claim that commits meanwhile is dispatched, and left in good order like the rest."""
    harness = await make_harness(["x", Gate()])
    run = await harness.send(await harness.thread())
    begun, go_on = threading.Event(), threading.Event()

    def hold_up(tx: Transaction) -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)

    held = asyncio.wrap_future(harness.store.submit(hold_up))
    await asyncio.get_running_loop().run_in_executor(None, begun.wait, PATIENCE_S)
    taking = asyncio.Event()
    write = harness.store.write

    async def noted(work: Any, *threads: int) -> Any:
        taking.set()
        return await write(work, *threads)

    harness.store.write = noted  # type: ignore[method-assign]
    await harness.engine.start()
    await harness.bounded(taking.wait())
    stopping = asyncio.ensure_future(harness.engine.stop())
    await asyncio.sleep(0)
    go_on.set()
    await harness.bounded(asyncio.gather(held, stopping))
    assert (await harness.run(run))["status"] == "pending"
    assert await harness.column(run, "owner") is None
    harness.engine.stop = _nothing  # type: ignore[method-assign]  # it has been stopped
