"""Postgres is killed, away, locked or full while answers stream: latency, and nothing else.

``JCS_OUTAGE_S`` and ``JCS_LOCK_S`` make it last longer than here (a soak takes 40 s and 20 s).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jupyter_chat_stream.providers.demo.answers import long_text
from tests.faults.databases import LEASE_S, LOCK_ROWS, LOCK_TABLE, FaultyPostgres
from tests.faults.harness import Server
from tests.faults.laws import assert_nothing_seen_was_lost, assert_reader_holds_the_state
from tests.faults.processes import eventually
from tests.faults.readers import Memory, PollReader, Reader, Socket, SseReader

pytestmark = [pytest.mark.faults, pytest.mark.slow]

OUTAGE_S = float(os.environ.get("JCS_OUTAGE_S", "2"))
LOCK_S = float(os.environ.get("JCS_LOCK_S", str(2 * LEASE_S)))
CHARS = 1_200
END_CONNECTIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
SLOW = {"chars": CHARS, "chars_per_second": 600, "chunk_chars": 8}


@asynccontextmanager
async def answering(
    server: Server, faulty_database: FaultyPostgres, *, runs: int = 3
) -> AsyncIterator[list[dict[str, Any]]]:
    """Let answers stream and follow them in every way; afterwards each is whole, and was once."""
    begun: list[dict[str, Any]] = []
    for _ in range(runs):
        thread = await server.thread("demo/long")
        begun.append((await server.send(thread, "Go on", params=SLOW))["run"])
    memories = [Memory(run["thread_id"]) for run in begun]
    socket = Socket(server, memories).start()
    others: list[Reader] = [
        SseReader(server, memories[0]).start(),
        PollReader(server, memories[1]).start(),
    ]
    readers = [*socket.readers.values(), *others]
    for reader in readers:
        await reader.until(20)
    yield begun
    for run in begun:
        ended = await server.until_run(run["id"], ("completed",), within_s=60)
        assert ended["error"] is None
        assert (await server.message(run["thread_id"], run["id"]))["content"] == long_text(CHARS)
    for reader in readers:
        await assert_reader_holds_the_state(reader)
    await socket.stop()
    for reader in others:
        await reader.stop()
    assert socket.comebacks == 0, "a reader was sent away for what was the database's trouble"
    for memory in memories:
        await assert_nothing_seen_was_lost(server, memory)
    server.kill()
    faulty_database.assert_whole()


@pytest.mark.timeout(120 + 2 * OUTAGE_S)
@pytest.mark.parametrize("how", ["killed", "stopped at once"])
async def test_while_postgres_is_away_answers_wait_in_memory_and_then_go_on(
    make_server: Any, faulty_postgres: FaultyPostgres, how: str, record_property: Any
) -> None:
    """L3, L10: what was seen was committed; no reader notices more than a pause."""
    server = await make_server(**faulty_postgres.settings).start()
    async with answering(server, faulty_postgres) as begun:
        if how == "killed":
            await faulty_postgres.outage(OUTAGE_S)
        else:
            await faulty_postgres.outage(gently=True)
        sent = await server.send(begun[0]["thread_id"], "And?", model="demo/echo")
        assert sent["run"]["status"] == "pending"
        await server.until_run(sent["run"]["id"], ("completed",))
        attempts = [(await server.run(run["id"]))["attempt"] for run in begun]
        record_property("attempts", attempts)


async def test_a_message_sent_while_postgres_is_away_waits_and_is_taken_once(
    make_server: Any, faulty_postgres: FaultyPostgres
) -> None:
    """L11: one that is sent again under its key meets itself."""
    server = await make_server(**faulty_postgres.settings).start()
    thread = await server.thread("demo/echo")
    path, body = f"threads/{thread}/messages", {"content": "Is anybody there?"}

    async def send() -> tuple[int, Any]:
        return await server.ask("POST", path, body, Idempotency_Key="the same")

    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, faulty_postgres.server.kill)
    sending = [asyncio.ensure_future(send()) for _ in range(3)]
    await asyncio.sleep(0.2)  # so that they meet a database that is not there
    await loop.run_in_executor(None, faulty_postgres.server.start)
    answers = await asyncio.gather(*sending)
    assert {status for status, _ in answers} == {202}
    assert len({answer["run"]["id"] for _, answer in answers}) == 1
    run = await server.until_run(answers[0][1]["run"]["id"], ("completed",))
    assert run["attempt"] == 1
    assert len((await server.get(f"threads/{thread}/messages"))["messages"]) == 2
    server.kill()
    faulty_postgres.assert_whole()


@pytest.mark.timeout(120 + 2 * LOCK_S)
async def test_a_foreign_lock_on_rows_or_a_table_costs_latency_only(
    make_server: Any, faulty_postgres: FaultyPostgres
) -> None:
    """Held for longer than a lease: owners do not die of it, and nothing is taken over."""
    server = await make_server(**faulty_postgres.settings).start()
    other = await make_server(**faulty_postgres.settings).start()
    async with answering(server, faulty_postgres) as begun:
        async with faulty_postgres.locked(LOCK_ROWS):
            await asyncio.sleep(LEASE_S / 2)
        async with faulty_postgres.locked(LOCK_TABLE):
            await asyncio.sleep(LOCK_S)  # the time itself is the fault

        async def all_ended() -> bool:
            runs = [await other.run(run["id"]) for run in begun]
            return all(run["ended_at"] for run in runs)

        await eventually(all_ended)
        assert [(await other.run(run["id"]))["attempt"] for run in begun] == [1, 1, 1]
    other.kill()


async def test_connections_that_are_cut_again_and_again_lose_and_double_nothing(
    make_server: Any, faulty_postgres: FaultyPostgres, record_property: Any
) -> None:
    """L1, L3, L5: whatever they were doing."""
    server = await make_server(**faulty_postgres.settings).start()
    cut = 0
    async with answering(server, faulty_postgres) as begun:

        async def has_ended_in_spite_of_it() -> bool:
            nonlocal cut
            with faulty_postgres.server.connect() as behind:
                cut += len(behind.execute(END_CONNECTIONS, [faulty_postgres.database]).fetchall())
            return all([(await server.run(run["id"]))["ended_at"] for run in begun])

        await eventually(has_ended_in_spite_of_it)
        assert [(await server.run(run["id"]))["attempt"] for run in begun] == [1, 1, 1]
    record_property("cut", cut)
    assert cut > 20


async def test_a_commit_whose_answer_is_lost_is_neither_forgotten_nor_done_again(
    make_server: Any, faulty_postgres: FaultyPostgres
) -> None:
    """L1, L3, L11: Postgres is asked what became of it; a second time the text would be doubled."""
    fault = "lost_answers_to_commits"
    server = await make_server(fault=fault, **faulty_postgres.settings).start()
    async with answering(server, faulty_postgres):
        pass
