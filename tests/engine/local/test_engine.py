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
from jupyter_chat_stream.store.log.transaction import Transaction
from jupyter_chat_stream.testing import Gate, ScriptedProvider
from tests.fixtures import MakeRig
from tests.rig import PATIENCE_S


async def test_a_message_is_answered(make_rig: MakeRig) -> None:
    rig = await make_rig(["Prices rose."])
    await rig.engine.start()
    run = await rig.send(await rig.thread())
    assert (await rig.ended(run))["status"] == "completed"
    await rig.until(lambda: rig.engine.active == 0)


async def test_one_run_of_a_thread_is_active_and_the_rest_follow_in_order(
    make_rig: MakeRig,
) -> None:
    """L10: a run that is not its turn has a predecessor."""
    gates = [Gate(), Gate()]
    rig = await make_rig(["1", gates[0]], ["2", gates[1]], ["3"])
    await rig.engine.start()
    thread, other = await rig.thread(), await rig.thread()
    first, second = await rig.send(thread, "a"), await rig.send(thread, "b")
    await rig.bounded(gates[0].reached())
    assert rig.engine.active == 1
    elsewhere = await rig.send(other, "c")
    await rig.bounded(gates[1].reached())
    assert rig.engine.active == 2
    assert (await rig.run(second))["status"] == "pending"
    gates[0].open()
    assert (await rig.ended(second))["status"] == "completed"
    gates[1].open()
    await rig.ended(elsewhere)
    begun = [
        e.run_id
        for e in rig.published
        if e.type == "status" and getattr(e.body, "phase", "") == "thinking"
    ]
    assert begun == [first.id, elsewhere.id, second.id]
    assert [p.turns[-1].text for p in rig.provider.prompts] == ["a", "c", "b"]


async def test_a_pending_run_that_is_cancelled_lets_the_next_one_through(
    make_rig: MakeRig,
) -> None:
    gate = Gate()
    rig = await make_rig(["1", gate], ["3"])
    await rig.engine.start()
    thread = await rig.thread()
    first, second, third = [await rig.send(thread, t) for t in "abc"]
    await rig.bounded(gate.reached())
    await rig.cancel(second)
    gate.open()
    assert (await rig.ended(third))["status"] == "completed"
    assert (await rig.run(first))["status"] == "completed"
    assert (await rig.run(second))["started_at"] is None


async def test_no_more_than_max_active_runs_are_executed(make_rig: MakeRig) -> None:
    gate = Gate()
    provider = ScriptedProvider(default=lambda prompt: ["x", gate])
    rig = await make_rig(provider=provider, max_active_runs=2)
    await rig.engine.start()
    runs = [await rig.send(await rig.thread()) for _ in range(5)]
    await rig.until(lambda: provider.active == 2)
    await rig.engine.sweep.sweep()
    assert rig.engine.active == 2
    gate.open()
    for run in runs:
        assert (await rig.ended(run))["status"] == "completed"


async def test_users_take_turns_even_where_one_run_is_worked_on_at_a_time(
    make_rig: MakeRig,
) -> None:
    provider = ScriptedProvider(default=lambda prompt: ["x"])
    rig = await make_rig(provider=provider, max_active_runs=1)
    busy = [await rig.send(await rig.thread(), "busy") for _ in range(5)]
    patient = await rig.send(await rig.thread(owner="ben"), "patient")
    await rig.engine.start()
    for run in (*busy, patient):
        await rig.ended(run)
    asked = [prompt.turns[-1].text for prompt in provider.prompts]
    assert asked == ["busy", "patient", "busy", "busy", "busy", "busy"]


async def test_an_engine_without_room_does_not_spin(make_rig: MakeRig) -> None:
    """A run whose time has come waits for room: no look is worth anything before one ends."""
    gate = Gate()
    rig = await make_rig([gate], max_active_runs=1, sweep_interval_s=100.0)
    await rig.engine.start()
    await rig.send(await rig.thread())
    await rig.bounded(gate.reached())
    waiting = await rig.send(await rig.thread())
    sql = f"UPDATE run SET status = 'waiting', wake_ms = {rig.clock() - 1} WHERE pk = {waiting.pk}"
    await rig.store.write(lambda tx: tx.execute(sql))
    assert await rig.engine.sweep._pause_s() == 100.0
    await rig.store.write(lambda tx: tx.execute(sql.replace("'waiting'", "'pending'")))
    gate.open()
    await rig.ended(waiting)


async def test_a_run_that_cannot_be_taken_ends_and_does_not_let_the_sweep_spin(
    make_rig: MakeRig,
) -> None:
    """L10: a row that cannot be read is no reason to look again and again."""
    rig = await make_rig(sweep_interval_s=100.0)
    run = await rig.send(await rig.thread())
    damage = f"UPDATE run SET status = 'waiting', wake_ms = {rig.clock()}, params = '{{' "
    await rig.store.write(lambda tx: tx.execute(f"{damage} WHERE pk = {run.pk}"))
    await rig.engine.sweep.sweep()

    async def has_failed() -> bool:
        return bool(await rig.column(run, "status") == "failed")

    await rig.until(has_failed)
    assert await rig.engine.sweep._pause_s() == 100.0
    # Only what wakes later is worth an earlier look.
    other = await rig.send(await rig.thread())
    waits = f"UPDATE run SET status = 'waiting', wake_ms = {rig.clock() + 7000}"
    await rig.store.write(lambda tx: tx.execute(f"{waits} WHERE pk = {other.pk}"))
    assert await rig.engine.sweep._pause_s() == 7.0
    again = "UPDATE run SET status = 'pending', wake_ms = NULL"
    await rig.store.write(lambda tx: tx.execute(f"{again} WHERE pk = {other.pk}"))
    await rig.store.write(lambda tx: tx.execute("UPDATE run SET params = '{}'"))


async def test_a_lost_nudge_costs_latency_only(make_rig: MakeRig) -> None:
    """L9: the regular look finds what nobody told of."""
    rig = await make_rig(["Prices rose."], sweep_interval_s=0.05)
    rig.engine.sweep.nudge = lambda: None  # type: ignore[method-assign]
    await rig.engine.start()
    first = await rig.send(await rig.thread())
    assert (await rig.ended(first))["status"] == "completed"


async def test_a_nudge_in_the_moment_of_stopping_does_not_keep_the_sweep_going(
    make_rig: MakeRig,
) -> None:
    """Before Python 3.12 a wait that ends while it is cancelled swallows the cancellation."""
    rig = await make_rig()
    await rig.engine.start()
    looks = asyncio.Event()
    original = rig.engine.sweep._pause_s

    async def pause_s() -> float:
        pause = await original()
        asyncio.get_running_loop().call_soon(looks.set)  # when the wait has begun
        return pause

    rig.engine.sweep._pause_s = pause_s  # type: ignore[method-assign]
    rig.engine.sweep.nudge()
    await rig.bounded(looks.wait())
    await asyncio.sleep(0)
    rig.engine.sweep.nudge()
    await asyncio.sleep(0)  # the event's wait is done, the sweep has not yet been told
    await rig.bounded(rig.engine.sweep.stop())


@pytest.mark.parametrize("turns", range(4))
async def test_news_in_the_moment_of_stopping_do_not_keep_the_watch_going(
    make_rig: MakeRig, turns: int
) -> None:
    """So many turns of the loop later, the wait for them is done and the watch not yet told."""
    rig = await make_rig()
    running = rig.engine.running
    running.start()
    await asyncio.sleep(0)  # it waits
    running.hear(None)
    for _ in range(turns):
        await asyncio.sleep(0)
    await rig.bounded(running.stop())
    assert running._watching is not None
    assert running._watching.done()


async def test_a_sweep_that_comes_late_by_more_than_a_lease_gives_the_others_time(
    make_rig: MakeRig,
) -> None:
    """L10: a host that was suspended did so to all of them; no lease is to be trusted yet."""
    rig = await make_rig(sweep_interval_s=0.05, lease_s=10.0)
    doubts: list[float] = []
    delays = asyncio.Queue[float]()
    rig.engine.doubt = lambda: doubts.append(sweep.late_s)  # type: ignore[method-assign]
    clock = chain((0.0, 10.0, 10.0, 3610.0), repeat(3610.0))  # before and after each pause
    sweep = Sweep(rig.chat_store, rig.engine, rig.config, wall_s=lambda: next(clock))
    sweep.observe = delays.put_nowait
    sweep.start()
    found = [await rig.bounded(delays.get()) for _ in range(3)]
    await sweep.stop()
    assert [round(delay) for delay in found[:2]] == [10, 3600]
    assert doubts == [found[1]]


async def test_the_sweep_says_how_late_it_came(make_rig: MakeRig) -> None:
    rig = await make_rig(["Prices rose."])
    delays: list[float] = []
    rig.engine.sweep.observe = delays.append
    await rig.engine.start()
    await rig.ended(await rig.send(await rig.thread()))
    assert delays
    assert all(0 <= delay < PATIENCE_S for delay in delays)
    assert rig.engine.sweep.late_s in delays


async def test_a_call_for_an_attempt_that_is_not_the_one_to_be_made_does_nothing(
    make_rig: MakeRig,
) -> None:
    """L5: it was for another time: too early, or long answered by somebody."""
    rig = await make_rig(["Prices rose."])
    run = await rig.send(await rig.thread())
    for attempt in (0, 2, 7):
        rig.engine.dispatch(run.id, attempt)
    rig.engine.dispatch("01never", 1)
    await rig.until(lambda: rig.engine.active == 0)
    assert (await rig.run(run))["status"] == "pending"
    rig.engine.dispatch(run.id, 1)
    assert (await rig.ended(run))["attempt"] == 1


async def test_a_claim_that_was_just_committed_is_not_taken_for_a_lost_run(
    make_rig: MakeRig,
) -> None:
    """L10: between the commit and the news of it, the run has an owner and nobody seems to be at
    it; a look in that moment must not count a crash."""
    rig = await make_rig(["Prices rose."])
    committed, go_on = asyncio.Event(), asyncio.Event()
    write = rig.store.write

    async def slow(work: Any, *threads: int) -> Any:
        done = await write(work, *threads)
        committed.set()
        await go_on.wait()
        return done

    run = await rig.send(await rig.thread())
    rig.store.write = slow  # type: ignore[method-assign]
    rig.engine.dispatch(run.id, 1)
    await rig.bounded(committed.wait())
    assert await rig.column(run, "owner") == rig.engine.owner
    assert not await rig.is_lost(run)
    await rig.engine.sweep.sweep()
    go_on.set()
    assert (await rig.ended(run))["attempt"] == 1
    assert await rig.column(run, "crashes") == 0


@pytest.mark.parametrize("kind", ["server", "worker"])
async def test_a_worker_takes_at_once_what_another_process_makes_due_and_a_server_its_own(
    make_rig: MakeRig, kind: Any
) -> None:
    """Two JupyterLabs on one file each run what was sent there."""
    looks: list[float | None] = []
    rig = await make_rig(make_engine=lambda *given: LocalEngine(*given, kind=kind))
    rig.engine.sweep.nudge_soon = lambda wait_s=0.0: looks.append(wait_s)
    await rig.engine.start()
    other = await make_rig()
    heard = asyncio.Event()
    rig.store.on_foreign(lambda threads: heard.set())  # after the engine
    await other.send(await other.thread())
    await rig.bounded(heard.wait())
    assert bool(looks) == (kind == "worker")


async def test_what_was_due_before_the_start_is_taken(make_rig: MakeRig) -> None:
    rig = await make_rig(["Prices rose."])
    run = await rig.send(await rig.thread())
    await rig.engine.start()
    assert (await rig.ended(run))["status"] == "completed"


async def test_abort_stops_a_run_here_and_says_when_there_is_none(make_rig: MakeRig) -> None:
    gate = Gate()
    rig = await make_rig(["Prices ", gate])
    await rig.engine.start()
    run = await rig.send(await rig.thread())
    await rig.bounded(gate.reached())
    assert await rig.engine.abort(run.id)
    assert (await rig.ended(run))["status"] == "cancelled"
    assert (await rig.reply(run))["content"] == "Prices "
    assert not await rig.engine.abort(run.id)
    assert not await rig.engine.abort("another")


async def test_stopping_leaves_everything_due_for_the_next_process(
    make_rig: MakeRig, tmp_path: Path
) -> None:
    """L10: nothing is left `processing` by a server that ended in good order."""
    gate = Gate()
    provider = ScriptedProvider(default=lambda prompt: ["x", gate])
    rig = await make_rig(provider=provider)
    await rig.engine.start()
    runs = [await rig.send(await rig.thread()) for _ in range(3)]
    await rig.until(lambda: provider.active == 3)
    await rig.engine.stop()
    for run in runs:
        assert (await rig.run(run))["status"] == "pending"
        assert await rig.column(run, "owner") is None
        assert await rig.column(run, "crashes") == 0
    assert list((tmp_path / "owners").iterdir()) == []
    rig.engine.stop = _nothing  # type: ignore[method-assign]  # it has been stopped


async def _nothing() -> None: ...


async def test_stopping_while_a_run_is_being_taken_is_no_crash(make_rig: MakeRig) -> None:
    """L10: a claim that commits meanwhile is dispatched, and left in good order like the rest."""
    rig = await make_rig(["x", Gate()])
    run = await rig.send(await rig.thread())
    begun, go_on = threading.Event(), threading.Event()

    def hold_up(tx: Transaction) -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)

    held = asyncio.wrap_future(rig.store.submit(hold_up))
    await asyncio.get_running_loop().run_in_executor(None, begun.wait, PATIENCE_S)
    taking = asyncio.Event()
    write = rig.store.write

    async def noted(work: Any, *threads: int) -> Any:
        taking.set()
        return await write(work, *threads)

    rig.store.write = noted  # type: ignore[method-assign]
    await rig.engine.start()
    await rig.bounded(taking.wait())
    stopping = asyncio.ensure_future(rig.engine.stop())
    await asyncio.sleep(0)
    go_on.set()
    await rig.bounded(asyncio.gather(held, stopping))
    assert (await rig.run(run))["status"] == "pending"
    assert await rig.column(run, "owner") is None
    rig.engine.stop = _nothing  # type: ignore[method-assign]  # it has been stopped
