"""Processes that are stopped and thawed: one of them inside a transaction, or all at once.

A suspended laptop stops everything for hours; a debugger or a starved container stops one.
``JCS_SUSPEND_S`` says for how long all are stopped (a soak takes a minute).
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from jupyter_chat_stream.providers.demo.answers import long_text
from tests.faults.databases import LEASE_S, FaultyDatabase, FaultyPostgres
from tests.faults.harness import Process, Server
from tests.faults.laws import (
    assert_log_keeps_the_laws,
    assert_nothing_seen_was_lost,
    assert_reader_holds_the_state,
)
from tests.faults.process_faults import PULL
from tests.faults.readers import Memory, Socket, SseReader

pytestmark = [pytest.mark.faults, pytest.mark.slow]

SUSPEND_S = float(os.environ.get("JCS_SUSPEND_S", str(1.5 * LEASE_S)))
IDLE_TIMEOUT_S = 2.0  # Postgres ends a transaction in which nothing happens for so long
CHARS = 1_600
SLOW = {"chars": CHARS, "chars_per_second": 800, "chunk_chars": 8}


async def begin(server: Server, chars: int = CHARS) -> dict[str, Any]:
    """Let an answer stream; give its run."""
    thread = await server.thread("demo/long")
    run = (await server.send(thread, "Go on", params={**SLOW, "chars": chars}))["run"]
    await server.until_text(thread, run["id"], 40)
    return dict(run)


async def freeze_inside_a_transaction(process: Process) -> None:
    process.signal(PULL)
    await process.until_frozen()


async def assert_whole_text(server: Server, run: dict[str, Any], chars: int = CHARS) -> None:
    assert (await server.message(run["thread_id"], run["id"]))["content"] == long_text(chars)
    assert_log_keeps_the_laws(await server.events(run["thread_id"]))


MOMENTS = ("freeze_after_begin", "freeze_before_commit")


async def test_on_sqlite_who_is_frozen_in_a_transaction_holds_others_up_until_it_goes_on_or_dies(
    make_server: Any, faulty_sqlite: FaultyDatabase
) -> None:
    """L1, L5: the file's lock goes with the process, and what it had not committed never was."""
    frozen = await make_server(fault="freeze_before_commit", **faulty_sqlite.settings).start()
    other = await make_server(**faulty_sqlite.settings).start()
    run = await begin(frozen)
    memory = Memory(run["thread_id"])
    reader = SseReader(other, memory).start()
    await freeze_inside_a_transaction(frozen)
    sending = asyncio.ensure_future(other.send(run["thread_id"], "And?", model="demo/echo"))
    assert (await other.run(run["id"]))["status"] == "processing"  # readers need no lock
    assert not sending.done()
    frozen.thaw()
    assert (await sending)["run"]["status"] == "pending"
    await freeze_inside_a_transaction(frozen)
    frozen.kill()
    ended = await other.until_run(run["id"], ("completed",))
    assert ended["attempt"] == 2
    await assert_whole_text(other, run)
    await other.until_run((await sending)["run"]["id"], ("completed",))
    await assert_reader_holds_the_state(reader)
    await reader.stop()
    await assert_nothing_seen_was_lost(other, memory)
    other.kill()
    faulty_sqlite.assert_whole()


@pytest.mark.parametrize("moment", MOMENTS)
async def test_on_postgres_who_is_frozen_in_a_transaction_is_ended_there_and_writes_nothing(
    make_server: Any, faulty_postgres: FaultyPostgres, moment: str
) -> None:
    """L5: the database ends the transaction, another takes the run, and the zombie is refused."""
    frozen = await make_server(fault=moment, **faulty_postgres.settings).start()
    other = await make_server(**faulty_postgres.settings).start()
    run = await begin(frozen)
    memory = Memory(run["thread_id"])
    reader = SseReader(other, memory).start()
    await freeze_inside_a_transaction(frozen)
    ended = await other.until_run(run["id"], ("completed",), within_s=20)
    assert ended["attempt"] == 2
    before = await other.events(run["thread_id"])
    frozen.thaw()
    sent = await frozen.send(run["thread_id"], "And now?", model="demo/echo")  # it lives again
    await frozen.until_run(sent["run"]["id"], ("completed",))
    await assert_whole_text(other, run)
    assert (await other.events(run["thread_id"]))[: len(before)] == before
    await assert_reader_holds_the_state(reader)
    await reader.stop()
    await assert_nothing_seen_was_lost(other, memory)
    frozen.kill()
    other.kill()
    faulty_postgres.assert_whole()


@pytest.mark.timeout(120 + 2 * SUSPEND_S)
async def test_when_all_were_suspended_nobody_takes_anything_from_anybody(
    make_server: Any, faulty_database: FaultyDatabase
) -> None:
    """L4, L5, L10: every lease has run out, every owner lives; each run ends as it began."""
    servers = [await make_server(**faulty_database.settings).start() for _ in range(2)]
    runs = [await begin(server) for server in servers for _ in range(2)]
    memories = [Memory(run["thread_id"]) for run in runs]
    sockets = [Socket(server, memories).start() for server in servers]
    for server in servers:
        server.freeze()
    await asyncio.sleep(SUSPEND_S)  # the time itself is the fault
    servers[0].thaw()
    await asyncio.sleep(LEASE_S / 2)  # a host that wakes up does not wake all of them at once
    servers[1].thaw()
    for run in runs:
        ended = await servers[0].until_run(run["id"], ("completed",))
        assert ended["attempt"] == 1
        await assert_whole_text(servers[1], run)
    for socket in sockets:
        for reader in socket.readers.values():
            await assert_reader_holds_the_state(reader)
        await socket.stop()
    for memory in memories:
        await assert_nothing_seen_was_lost(servers[1], memory)
    for server in servers:
        server.kill()
    faulty_database.assert_whole()
