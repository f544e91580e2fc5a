"""The wall clock is set while answers stream and runs wait: nothing lost, nothing twice."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.providers.demo.answers import long_text
from jupyter_chat_stream.testing import reply_to
from tests.faults.databases import FaultyDatabase
from tests.faults.harness import FakeApi, Server
from tests.faults.laws import (
    assert_log_keeps_the_laws,
    assert_nothing_seen_was_lost,
    assert_reader_holds_the_state,
)
from tests.faults.process_faults import PULL, PUSH
from tests.faults.readers import Memory, SseReader

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CHARS = 800
SLOW = {"chars": CHARS, "chars_per_second": 600, "chunk_chars": 8}
CLAUDE = "anthropic/claude-sonnet-5-5"
PUT_OFF = {"status": 529, "headers": {"retry-after": "600"}}
AN_HOUR_ON, AN_HOUR_BACK = PULL, PUSH


async def begin(server: Server, fake: FakeApi) -> tuple[dict[str, Any], dict[str, Any]]:
    """Let one answer stream and another wait ten minutes for its retry; give their runs."""
    fake.queue(PUT_OFF)
    waiting = (await server.send(await server.thread(CLAUDE)))["run"]
    await server.until_run(waiting["id"], ("waiting",))
    streaming = (await server.send(await server.thread("demo/long"), params=SLOW))["run"]
    await server.until_text(streaming["thread_id"], streaming["id"], 40)
    return streaming, waiting


async def assert_answered(server: Server, run: dict[str, Any], text: str, attempt: int) -> None:
    ended = await server.until_run(run["id"], ("completed",))
    assert (ended["attempt"], ended["error"]) == (attempt, None)
    assert (await server.message(run["thread_id"], run["id"]))["content"] == text
    assert_log_keeps_the_laws(await server.events(run["thread_id"]))


async def test_a_clock_that_is_set_neither_loses_a_wait_nor_runs_it_twice(
    make_server: Any, make_fake: Any, faulty_database: FaultyDatabase
) -> None:
    """L1, L10: `at` may step, order and leases do not; a wait ends when the clock says so."""
    fake = make_fake(chars=CHARS)
    server = make_server(
        environment=fake.environment,
        fault="stepping_clock",
        max_active_runs=4,
        **faulty_database.settings,
    )
    await server.start()
    streaming, waiting = await begin(server, fake)
    memory = Memory(streaming["thread_id"])
    reader = SseReader(server, memory).start()
    server.signal(AN_HOUR_ON)
    await assert_answered(server, waiting, reply_to("Hello", CHARS), 2)
    await assert_answered(server, streaming, long_text(CHARS), 1)

    streaming_too, waiting_too = await begin(server, fake)
    server.signal(AN_HOUR_BACK)
    await assert_answered(server, streaming_too, long_text(CHARS), 1)
    assert (await server.run(waiting_too["id"]))["status"] == "waiting"
    after = await server.send(streaming["thread_id"], "And now?", model="demo/echo")
    await server.until_run(after["run"]["id"], ("completed",))
    state = await server.get(f"threads/{streaming['thread_id']}/messages")
    assert [m["run_id"] for m in state["messages"] if m["role"] == "assistant"] == [
        streaming["id"],
        after["run"]["id"],
    ]
    server.signal(AN_HOUR_ON)  # what the clock said when the wait began
    await server.get("status")
    server.signal(AN_HOUR_ON)
    await assert_answered(server, waiting_too, reply_to("Hello", CHARS), 2)
    assert len(fake.requests) == 4
    await assert_reader_holds_the_state(reader)
    await reader.stop()
    await assert_nothing_seen_was_lost(server, memory)
    server.kill()
    faulty_database.assert_whole()
