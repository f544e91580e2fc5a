"""Providers that kill their process, never answer, or say what no log can take."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.demo.answers import long_text
from jupyter_chat_stream.shared.events import MAX_DELTA_BYTES
from tests.conftest import PYTHONPATH
from tests.faults import misbehaving_provider
from tests.faults.databases import FaultyDatabase
from tests.faults.harness import UNREACHABLE, Process, Server
from tests.faults.laws import (
    assert_log_keeps_the_laws,
    assert_nothing_seen_was_lost,
    assert_reader_holds_the_state,
)
from tests.faults.processes import LOOK_S, eventually
from tests.faults.readers import Memory, Socket

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CHARS = 1_600
SLOW = {"chars": CHARS, "chars_per_second": 800, "chunk_chars": 8}
MAX_CRASHES = 3


@pytest.fixture
def with_misbehaving(tmp_path: Path) -> dict[str, str]:
    """An environment in which the odd provider is installed."""
    folder = misbehaving_provider.install(tmp_path / "installed")
    return {"PYTHONPATH": os.pathsep.join((str(folder), PYTHONPATH))}


@asynccontextmanager
async def revived(process: Process) -> AsyncIterator[list[int]]:
    """Start it again whenever it has died, as a person or a supervisor does; give how it died."""
    deaths: list[int] = []

    async def watch() -> None:
        while True:
            if process.has_died:
                deaths.append(process.wait())
                process.spawn()
            await asyncio.sleep(LOOK_S)

    watching = asyncio.ensure_future(watch())
    try:
        yield deaths
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def until_ended(server: Server, run_id: str, within_s: float = 60.0) -> dict[str, Any]:
    """Wait for a run's end, though the server may be away."""

    async def look() -> dict[str, Any] | None:
        try:
            status, run = await server.ask("GET", f"runs/{run_id}")
        except UNREACHABLE:
            return None
        return run if status == 200 and run["ended_at"] else None

    return await eventually(look, within_s=within_s, what=f"the end of run {run_id}") or {}


async def test_a_message_that_kills_its_process_each_time_fails_alone(
    make_server: Any, with_misbehaving: dict[str, str], faulty_sqlite: FaultyDatabase
) -> None:
    """L10: it is ended after three crashes; those it took along go on and are answered whole."""
    server = await make_server(
        environment=with_misbehaving, max_crashes=MAX_CRASHES, **faulty_sqlite.settings
    ).start()
    others = [(await server.send(await server.thread("demo/long"), params=SLOW)) for _ in range(3)]
    for sent in others:
        await server.until_text(sent["run"]["thread_id"], sent["run"]["id"], 40)
    poison = (await server.send(await server.thread("odd/poison")))["run"]
    async with revived(server) as deaths:
        ended = await until_ended(server, poison["id"])
        assert (ended["status"], ended["error"]["code"]) == ("failed", "crashed_too_often")
        for sent in others:
            run = await until_ended(server, sent["run"]["id"])
            assert (run["status"], run["error"]) == ("completed", None)
    assert deaths == [-9] * MAX_CRASHES
    for sent in others:
        reply = await server.message(sent["run"]["thread_id"], sent["run"]["id"])
        assert reply["content"] == long_text(CHARS)
        assert_log_keeps_the_laws(await server.events(sent["run"]["thread_id"]))
    assert_log_keeps_the_laws(await server.events(poison["thread_id"]))
    server.kill()
    faulty_sqlite.assert_whole()


async def test_a_provider_that_never_answers_is_left_at_stop_and_after_a_silence(
    make_server: Any, with_misbehaving: dict[str, str], faulty_sqlite: FaultyDatabase
) -> None:
    """L4: whatever it might say later, nobody is there to hear it."""
    settings = {**faulty_sqlite.settings, "stall_timeout_s": 0.5, "max_retries": 1}
    server = await make_server(environment=with_misbehaving, **settings).start()
    given_up = (await server.send(await server.thread("odd/silent")))["run"]
    stopped = (await server.send(await server.thread("odd/silent")))["run"]
    await server.until_run(stopped["id"], ("processing",))
    assert (await server.cancel(stopped["id"]))["status"] == "cancelled"
    ended = await server.until_run(given_up["id"], ("failed",), within_s=10)
    assert (ended["error"]["code"], ended["attempt"]) == ("stalled", 2)
    for run in (given_up, stopped):
        assert_log_keeps_the_laws(await server.events(run["thread_id"]))
    server.kill()
    faulty_sqlite.assert_whole()


# --------------------------------------------------------------------- what no log can take


async def test_text_that_no_database_takes_is_made_harmless_and_harms_nobody(
    make_server: Any, with_misbehaving: dict[str, str], faulty_database: FaultyDatabase
) -> None:
    """No U+0000 and no lone surrogate in the log, halves of a pair are joined; as each event."""
    server = await make_server(environment=with_misbehaving, **faulty_database.settings).start()
    beside = (
        await server.send(await server.thread("demo/long"), params={**SLOW, "chars": CHARS // 4})
    )["run"]
    texts = {}
    for model in ("odd/surrogates", "odd/nul"):
        run = (await server.send(await server.thread(model)))["run"]
        await server.until_run(run["id"], ("completed",))
        texts[model] = (await server.message(run["thread_id"], run["id"]))["content"]
        assert_log_keeps_the_laws(await server.events(run["thread_id"]))
    assert texts["odd/surrogates"] == misbehaving_provider.SURROGATE_TEXT
    assert "\x00" not in texts["odd/nul"]
    assert texts["odd/nul"].replace("�", "") == "beforeafter"
    await server.until_run(beside["id"], ("completed",))
    said = (await server.message(beside["thread_id"], beside["id"]))["content"]
    assert said == long_text(CHARS // 4)
    server.kill()
    faulty_database.assert_whole()


async def test_ten_megabytes_in_one_chunk_arrive_whole_beside_a_live_answer(
    make_server: Any,
    with_misbehaving: dict[str, str],
    faulty_database: FaultyDatabase,
    record_property: Any,
) -> None:
    """L6, L8: no event is larger than a delta may be, and every reader holds the same text."""
    server = await make_server(environment=with_misbehaving, **faulty_database.settings).start()
    beside = (await server.send(await server.thread("demo/long"), params=SLOW))["run"]
    thread = await server.thread("odd/flood")
    memories = [Memory(thread), Memory(beside["thread_id"])]
    socket = Socket(server, memories).start()
    run = (await server.send(thread))["run"]
    await server.until_run(run["id"], ("completed",), within_s=60)
    await server.until_run(beside["id"], ("completed",))
    for reader in socket.readers.values():
        await assert_reader_holds_the_state(reader)
    state = socket.readers[thread].subscription.transcript.state()
    content = next(m["content"] for m in state["messages"] if m["run_id"] == run["id"])
    assert content == misbehaving_provider.flood_text()
    await socket.stop()
    await assert_nothing_seen_was_lost(server, memories[1])
    events = await server.events(thread)
    assert_log_keeps_the_laws(events)
    deltas = [event for event in events if event["type"] == "delta"]
    assert max(len(e["text"].encode()) for e in deltas) <= MAX_DELTA_BYTES
    record_property("deltas", len(deltas))
    server.kill()
    faulty_database.assert_whole()
