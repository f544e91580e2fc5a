"""A server that ends in good order, one that dies again and again, and what ``on_crash`` does."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.demo.answers import long_text
from jupyter_chat_stream.testing import reply_to
from tests.faults.harness import FakeApi, Server
from tests.faults.laws import (
    assert_file_is_whole,
    assert_log_keeps_the_laws,
    assert_nothing_seen_was_lost,
    assert_reader_holds_the_state,
)
from tests.faults.processes import eventually
from tests.faults.readers import Memory, PollReader, Socket, SseReader

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CLAUDE, DEMO = "anthropic/claude-sonnet-5-5", "demo/long"
CHARS = 3_000
SLOW = {"params": {"chars": CHARS, "chars_per_second": 800, "chunk_chars": 8}}


@pytest.fixture
def fake(make_fake: Any) -> FakeApi:
    return make_fake(chars=CHARS, chunk_chars=8, delay_s=0.01)


def query(server: Server, sql: str) -> list[Any]:
    conn = sqlite3.connect(server.database)
    try:
        return conn.execute(sql).fetchall()
    finally:
        conn.close()


async def begin(server: Server, model: str, **fields: Any) -> dict[str, Any]:
    """Send a message; give the run once its answer streams."""
    sent = await server.send(await server.thread(model), "Go on", **fields)
    run = dict(sent["run"])
    await server.until_text(run["thread_id"], run["id"], 40)
    return run


async def test_a_server_that_is_told_to_end_leaves_its_runs_due_and_the_next_goes_on(
    make_server: Any, fake: FakeApi
) -> None:
    """L10: nobody crashed, so no crash is counted; what was received is kept."""
    server = make_server(environment=fake.environment)
    await server.start(whole=True)
    runs = [await begin(server, CLAUDE), await begin(server, DEMO, **SLOW)]
    fake.queue({"status": 529, "headers": {"retry-after": "60"}})
    waiting = (await server.send(await server.thread(CLAUDE)))["run"]
    await server.until_run(waiting["id"], ("waiting",))
    memories = [Memory(run["thread_id"]) for run in runs]
    socket = Socket(server, memories).start()
    others = [SseReader(server, memories[0]).start(), PollReader(server, memories[1]).start()]
    for reader in (*socket.readers.values(), *others):
        await reader.until(10)
    server.signal(signal.SIGTERM)
    loop = asyncio.get_running_loop()
    await asyncio.wait_for(loop.run_in_executor(None, server.wait), 15)
    rows = query(server, "SELECT id, status, owner, crashes FROM run")
    ids = [run["id"] for run in runs]
    assert {row[0]: row[1:] for row in rows} == {
        **dict.fromkeys(ids, ("pending", None, 0)),
        waiting["id"]: ("waiting", None, 0),
    }
    assert list((server.folder / "owners").iterdir()) == []
    assert_file_is_whole(server.database)
    await server.start()
    for run, text in zip(runs, (reply_to("Go on", CHARS), long_text(CHARS)), strict=True):
        ended = await server.until_run(run["id"], ("completed",))
        assert ended["attempt"] == 2
        assert (await server.message(run["thread_id"], run["id"]))["content"] == text
    for reader in (*socket.readers.values(), *others):
        await assert_reader_holds_the_state(reader)
    await socket.stop()
    for reader in others:
        await reader.stop()
    for memory in memories:
        await assert_nothing_seen_was_lost(server, memory)


async def test_a_run_whose_process_dies_too_often_is_failed_as_poison(
    make_server: Any, fake: FakeApi
) -> None:
    """The limit is three crashes; what was written stays, and the thread goes on."""
    server = make_server(environment=fake.environment)
    await server.start()
    run = await begin(server, CLAUDE)
    thread = run["thread_id"]
    text = ""
    for crashes in range(1, 4):
        text = await server.until_text(thread, run["id"], len(text) + 40)
        server.kill()
        await server.start()
        if crashes < 3:
            await until_attempt(server, run["id"], crashes + 1)
    ended = await server.until_run(run["id"], ("failed",), within_s=5)
    assert ended["error"]["code"] == "crashed_too_often"
    assert ended["error"]["retryable"]
    reply = await server.message(thread, run["id"])
    assert reply["content"].startswith(text)
    assert reply_to("Go on", CHARS).startswith(reply["content"])
    assert_log_keeps_the_laws(await server.events(thread))
    assert len(fake.requests) == 3
    again = (await server.post(f"runs/{run['id']}/continue"))["run"]
    await server.until_run(again["id"], ("completed",))
    assert (await server.message(thread, again["id"]))["content"] == reply_to("Go on", CHARS)
    server.kill()
    assert_file_is_whole(server.database)


async def until_attempt(server: Server, run_id: str, attempt: int) -> None:
    async def look() -> bool:
        return (await server.run(run_id))["attempt"] >= attempt

    await eventually(look, what=f"attempt {attempt}")


async def test_crashes_of_one_run_do_not_count_for_another(make_server: Any) -> None:
    server = make_server()
    await server.start()
    first = await begin(server, DEMO, params={**SLOW["params"], "chars": 40 * CHARS})
    for attempt in (2, 3):
        server.kill()
        await server.start()
        await until_attempt(server, first["id"], attempt)  # who holds nothing counts no crash
    second = await begin(server, DEMO, **SLOW)
    server.kill()
    await server.start()
    assert (await server.until_run(first["id"], ("failed",)))["attempt"] == 4
    await server.until_run(second["id"], ("completed",))


async def test_after_a_crash_an_answer_is_interrupted_where_that_is_wanted(
    make_server: Any, fake: FakeApi
) -> None:
    """L10: it says `interrupted` instead of going on; the text stays."""
    server = make_server(environment=fake.environment, on_crash="interrupt")
    await server.start()
    run = await begin(server, CLAUDE)
    text = await server.until_text(run["thread_id"], run["id"])
    server.kill()
    await server.start()
    await server.until_run(run["id"], ("interrupted",), within_s=5)
    assert (await server.message(run["thread_id"], run["id"]))["content"].startswith(text)
    assert len(fake.requests) == 1
    assert_log_keeps_the_laws(await server.events(run["thread_id"]))


async def test_after_a_crash_an_answer_starts_anew_where_that_is_wanted(
    make_server: Any, fake: FakeApi
) -> None:
    """A `message` event with no parts takes what was there away, for every reader (L6)."""
    server = make_server(environment=fake.environment, on_crash="restart")
    await server.start()
    run = await begin(server, CLAUDE)
    memory = Memory(run["thread_id"])
    socket = Socket(server, [memory]).start()
    reader = socket.readers[run["thread_id"]]
    await reader.until(8)
    server.kill()
    await server.start()
    await server.until_run(run["id"], ("completed",))
    reply = await server.message(run["thread_id"], run["id"])
    assert [part["text"] for part in reply["parts"]] == [reply_to("Go on", CHARS)]
    assert [request.is_continuation for request in fake.requests] == [False, False]
    await assert_reader_holds_the_state(reader)
    await socket.stop()
    await assert_nothing_seen_was_lost(server, memory)
    server.kill()
    assert_file_is_whole(server.database)


async def test_a_pending_run_survives_its_server_and_waits_for_its_turn(make_server: Any) -> None:
    """L10: of two messages in one thread, the second is answered after the first, whoever dies."""
    server = make_server(max_crashes=10)
    await server.start()
    first = await begin(server, DEMO, **SLOW)
    sent = await server.send(first["thread_id"], "And then?", model="demo/echo")
    assert sent["run"]["status"] == "pending"
    for _ in range(2):
        server.kill()
        await server.start()
    done = await server.until_run(sent["run"]["id"], ("completed",))
    assert done["attempt"] == 1
    earlier = await server.run(first["id"])
    assert earlier["status"] == "completed"
    assert earlier["ended_at"] <= done["started_at"]


async def test_a_first_start_that_is_killed_leaves_what_the_next_can_use(
    make_server: Any, tmp_path: Path
) -> None:
    """However far the making of the database had come."""
    for number in range(8):
        server = make_server(database=tmp_path / f"fresh-{number}" / "chat.db")
        server.spawn()

        async def has_begun(server: Server = server) -> bool:
            return server.database.exists()

        await eventually(has_begun)
        await asyncio.sleep(number * 0.004)
        server.kill()
        await server.start()
        sent = await server.send(await server.thread("demo/echo"))
        await server.until_run(sent["run"]["id"], ("completed",))
        server.kill()
        assert_file_is_whole(server.database)
