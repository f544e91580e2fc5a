"""The queue: calls that commit with what makes a run due, and what becomes of them."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.engine.procrastinate import Queue, QueueWorker
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.service import SendRequest, Service
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import DatabaseUnreachable, DatabaseUnreadable, InvalidInput
from jupyter_chat_stream.store.chat import jobs as module
from jupyter_chat_stream.store.log.transaction import Transaction
from jupyter_chat_stream.testing import Gate, ScriptedProvider
from tests.run_harness import RunHarness, running_harness

MakeHarness = Callable[..., Any]


@pytest.fixture
async def make_harness(tmp_path: Path, prepared_postgres_url: str) -> AsyncIterator[MakeHarness]:
    """Make harnesses on one Postgres; by default they only tell the workers."""
    async with AsyncExitStack() as stack:

        async def make(*scripts: Any, **settings: Any) -> RunHarness:
            usual = {"make_engine": Queue, "url": prepared_postgres_url}
            made = running_harness(tmp_path, *scripts, **{**usual, **settings})
            harness = await stack.enter_async_context(made)
            await harness.engine.start()
            return harness

        yield make


async def calls(harness: RunHarness) -> list[dict[str, Any]]:
    """Return what is in the queue."""
    schema = harness.engine.jobs.schema
    sql = (
        f"SELECT args, queueing_lock, status, priority FROM {schema}.procrastinate_jobs ORDER BY id"
    )
    return await harness.store.read(
        lambda conn: [dict(row) for row in conn.exec_driver_sql(sql).mappings()]
    )


async def test_a_call_is_made_with_the_commit_and_carries_ids_alone(
    make_harness: MakeHarness,
) -> None:
    """L10: the run is due and the workers are told, or neither."""
    harness = await make_harness()
    run = await harness.send(await harness.thread(), "something secret")
    [call] = await calls(harness)
    assert call["args"] == {"run_id": run.id, "attempt": 1}
    assert call["status"] == "todo"


async def test_what_is_rolled_back_calls_nobody(make_harness: MakeHarness) -> None:
    harness = await make_harness()

    def refuse(tx: Transaction) -> None:
        tx.due.append(("01run", 1))
        raise InvalidInput("It is not meant.")

    with pytest.raises(InvalidInput):
        await harness.store.write(refuse)
    assert await calls(harness) == []


async def test_a_call_that_is_in_the_queue_is_not_put_there_twice(
    make_harness: MakeHarness,
) -> None:
    harness = await make_harness()
    run = await harness.send(await harness.thread())
    for attempt in (1, 1, 2):
        harness.engine.dispatch(run.id, attempt)
    await harness.bounded(harness.engine.wait_for_calls())
    assert [call["args"]["attempt"] for call in await calls(harness)] == [1, 2]


async def test_two_processes_that_call_for_the_same_run_at_once_both_commit(
    make_harness: MakeHarness,
) -> None:
    """The second one waits for the first, finds its call there, and loses nothing of its own."""
    harness = await make_harness()
    schema = harness.engine.jobs.schema
    other = harness.store.database.connect_listening()
    other.execute("BEGIN")
    other.execute(f"SELECT {schema}.chat_stream_defer('01run', 1, 0)")
    waits = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"

    def call(tx: Transaction) -> None:
        tx.due += [("01run", 1), ("01run", 2)]

    calling = asyncio.ensure_future(harness.store.write(call))
    harness.engine.dispatch("01other", 1)

    async def is_held_up() -> bool:
        harness.commits.set()  # looks again
        found = await harness.store.read(lambda conn: conn.exec_driver_sql(waits).scalar())
        return bool(found)

    await harness.until(is_held_up)
    other.execute("COMMIT")
    other.close()
    await harness.bounded(calling)
    await harness.bounded(harness.engine.wait_for_calls())
    assert sorted(call["queueing_lock"] for call in await calls(harness)) == [
        "01other:1",
        "01run:1",
        "01run:2",
    ]


async def test_many_start_at_once_on_an_empty_database(
    postgres_url: str, make_harness: MakeHarness
) -> None:
    """One of them makes the queue's schema, the others find it."""
    harnesses = await asyncio.gather(*(make_harness(url=postgres_url) for _ in range(4)))
    assert len({harness.engine.jobs.schema for harness in harnesses}) == 1
    for harness in harnesses:
        await harness.send(await harness.thread())
    assert len(await calls(harnesses[0])) == 4


async def test_a_job_is_gone_when_its_run_has_ended(make_harness: MakeHarness) -> None:
    """Nothing is left that would grow, or that could disagree with the runs."""
    server = await make_harness()
    worker = await make_harness(["Prices rose."], make_engine=QueueWorker, sweep_interval_s=0.05)
    run = await server.send(await server.thread())
    assert (await server.ended(run))["status"] == "completed"

    async def is_empty() -> bool:
        worker.engine.nudge()  # which lets ``until`` look again
        return not await calls(worker)

    await worker.until(is_empty)
    assert (await server.reply(run))["content"] == "Prices rose."


async def test_a_call_that_broke_off_makes_room_as_well(make_harness: MakeHarness) -> None:
    """L9: the slots of jobs that wait for room are stuck otherwise, until some run ends."""
    harness = await make_harness(max_active_runs=1)
    worker, go_on = QueueWorker(harness.services, harness.config), asyncio.Event()

    async def take(work: Any, due: Any) -> None:
        if work.run_id == "01first":
            await go_on.wait()
            raise DatabaseUnreachable("It is away.")

    worker.running.take = take  # type: ignore[method-assign]
    worker.running.begin("01first", 1)
    job = asyncio.ensure_future(worker.execute("01second", 1))
    await asyncio.sleep(0)  # it waits for room
    go_on.set()
    await harness.bounded(job)


async def test_a_call_for_what_is_being_made_holds_no_slot(make_harness: MakeHarness) -> None:
    """Else each call that comes twice keeps another run waiting, as long as its own takes."""
    gate = Gate()
    harness = await make_harness(
        ["Prices ", gate, "rose."], make_engine=QueueWorker, sweep_interval_s=0.05
    )
    run = await harness.send(await harness.thread())
    await harness.bounded(gate.reached())
    await harness.bounded(harness.engine.execute(run.id, 1))
    gate.open()
    assert (await harness.ended(run))["attempt"] == 1


async def test_a_run_outlives_the_queues_connection(make_harness: MakeHarness) -> None:
    """L10: losing the queue is not losing the lease: nothing is begun again."""
    gate = Gate()
    harness = await make_harness(
        ["Prices ", gate, "rose."], ["And fell."], make_engine=QueueWorker, sweep_interval_s=0.05
    )
    run = await harness.send(await harness.thread())
    await harness.bounded(gate.reached())
    before = harness.engine.round
    harness.engine.renew()
    await harness.bounded(asyncio.wait({before}))
    assert harness.engine.active == 1
    gate.open()
    assert (await harness.ended(run))["attempt"] == 1
    after = await harness.send(await harness.thread())
    assert (await harness.ended(after))["status"] == "completed"


async def test_calls_that_are_in_vain_are_removed_whatever_version_made_them(
    make_harness: MakeHarness,
) -> None:
    """After an upgrade nobody reads the older schema; what is still due there may be read yet."""
    harness = await make_harness(["Prices rose."], sweep_interval_s=0.05)
    older = module.Jobs(harness.store.database)
    older.sql += "-- of another version"
    await harness.store.write(older.create)
    assert older.schema != harness.engine.jobs.schema
    others = f"{older.schema}_0123abcd"  # of another chat in this database
    runs = [await harness.send(await harness.thread()) for _ in range(2)]
    await harness.cancel(runs[0])

    def call(tx: Transaction) -> None:
        calls = [(runs[0].id, 1), (runs[1].id, 0), (runs[1].id, 1), ("01never", 1)]
        older.enqueue(tx.conn, calls)
        tx.execute(f"CREATE SCHEMA {others}")
        tx.execute(f"CREATE TABLE {others}.procrastinate_jobs (id int, status text, args jsonb)")
        tx.execute(f"INSERT INTO {others}.procrastinate_jobs VALUES (1, 'todo', '{{}}')")

    await harness.store.write(call)
    await harness.engine.jobs.clear()
    locks = f"SELECT queueing_lock FROM {older.schema}.procrastinate_jobs"
    left = await harness.store.read(lambda conn: [row[0] for row in conn.exec_driver_sql(locks)])
    assert left == [f"{runs[1].id}:1"]
    assert [call["queueing_lock"] for call in await calls(harness)] == [f"{runs[1].id}:1"]
    count = f"SELECT COUNT(*) FROM {others}.procrastinate_jobs"
    assert await harness.store.read(lambda conn: conn.exec_driver_sql(count).scalar()) == 1


async def test_a_queue_that_was_removed_is_made_again(make_harness: MakeHarness) -> None:
    """An operator may drop it at any time: it holds nothing but calls."""
    harness = await make_harness(["Prices rose."], make_engine=QueueWorker, sweep_interval_s=0.05)
    schema = harness.engine.jobs.schema
    await harness.store.write(lambda tx: tx.execute(f"DROP SCHEMA {schema} CASCADE"))
    exists = "SELECT to_regclass(:name) IS NOT NULL"

    async def is_there() -> bool:
        harness.engine.nudge()  # which lets ``until`` look again
        return await harness.store.write(
            lambda tx: bool(tx.execute(exists, {"name": f"{schema}.procrastinate_jobs"}).scalar())
        )

    await harness.until(is_there)
    run = await harness.send(await harness.thread())
    assert (await harness.ended(run))["status"] == "completed"


async def test_a_server_that_runs_nothing_says_so_and_tells_the_workers(
    make_harness: MakeHarness, prepared_postgres_url: str
) -> None:
    config = ChatStream(
        database_url=prepared_postgres_url, default_model="scripted/model", run_in_server=False
    )
    service = Service(config, registry=Registry([ScriptedProvider()]))
    await service.start()
    try:
        assert (await service.status())["engine"] == "procrastinate"
        thread, _ = await service.create_thread("local")
        sent = await service.send("local", thread["id"], SendRequest(content="Why?"))
        harness = await make_harness()
        assert [call["args"]["run_id"] for call in await calls(harness)] == [sent["run"]["id"]]
        stopped = await service.cancel("local", sent["run"]["id"])
        assert stopped["status"] == "cancelled"
    finally:
        await service.stop()


def test_without_procrastinate_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert importlib.util.find_spec("procrastinate") is not None
    with pytest.raises(DatabaseUnreadable, match=r"pip install 'jupyter-chat-stream\[postgres\]'"):
        module.Jobs(None)  # type: ignore[arg-type]
