"""Two servers on one database file: following, stopping and taking over from the other one."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import time
from typing import Any

import pytest

from jupyter_chat_stream.providers.demo.answers import long_text
from jupyter_chat_stream.testing import reply_to
from tests.faults.harness import FakeApi, Server, stays
from tests.faults.laws import (
    assert_file_is_whole,
    assert_log_keeps_the_laws,
    assert_nothing_seen_was_lost,
    assert_reader_holds_the_state,
)
from tests.faults.processes import eventually
from tests.faults.readers import Memory, Socket, SseReader

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CLAUDE, DEMO = "anthropic/claude-sonnet-5-5", "demo/long"
CHARS = 4_000
TAKE_OVER_S = 5.0
LET_GO_S = 5.0  # until a server that was not told ends a request nobody needs any more
OVERLOADED = {"status": 529, "headers": {"retry-after": "1"}}


def slow(chars: int = CHARS) -> dict[str, Any]:
    """Parameters of a demo answer that takes some seconds."""
    return {"params": {"chars": chars, "chars_per_second": 800, "chunk_chars": 8}}


@pytest.fixture
def fake(make_fake: Any) -> FakeApi:
    return make_fake(chars=CHARS, chunk_chars=8, delay_s=0.01)


@pytest.fixture
async def pair(make_server: Any, fake: FakeApi) -> tuple[Server, Server]:
    """Two servers, of which the first runs."""
    first = make_server(environment=fake.environment)
    second = make_server(environment=fake.environment)
    await first.start()
    return first, second


async def begin_five(server: Server) -> list[dict[str, Any]]:
    """Let five answers stream on a server; give what was sent, once all of them do."""
    begun = []
    for number, model in enumerate((CLAUDE, CLAUDE, CLAUDE, DEMO, DEMO)):
        thread = await server.thread(model)
        fields = slow() if model == DEMO else {}
        begun.append(await server.send(thread, f"Question {number}", **fields))
    for sent in begun:
        await server.until_text(sent["run"]["thread_id"], sent["run"]["id"])
    return begun


def whole_text(sent: dict[str, Any]) -> str:
    if sent["run"]["model"] == DEMO:
        return long_text(CHARS)
    return reply_to(sent["message"]["content"], CHARS)


async def test_the_other_server_shows_what_runs_here_and_takes_it_over_within_5_s(
    pair: tuple[Server, Server], record_property: Any
) -> None:
    """L6, L9, L10: readers of the survivor see it live, before and after the kill, to its end."""
    dying, survivor = pair
    begun = await begin_five(dying)
    await survivor.start()
    memories = [Memory(sent["run"]["thread_id"]) for sent in begun]
    socket = Socket(survivor, memories).start()
    sse = SseReader(survivor, memories[0]).start()
    for reader in socket.readers.values():
        await reader.until(3)
    before = [reader.cursor for reader in socket.readers.values()]
    for reader, cursor in zip(socket.readers.values(), before, strict=True):
        await reader.until(cursor + 20, within_s=10)  # live, though it runs over there
    dying.kill()
    killed_at = time.monotonic()
    for sent, memory in zip(begun, memories, strict=True):
        key = (sent["run"]["id"], 2)
        await eventually(_key_in(memory.first_seen, key), within_s=TAKE_OVER_S, what="a take-over")
    took_s = [seen - killed_at for m in memories for (_, a), seen in m.first_seen.items() if a == 2]
    record_property("take-over", f"within {max(took_s):.2f} s of the kill")
    assert max(took_s) < TAKE_OVER_S
    for sent in begun:
        run = await survivor.until_run(sent["run"]["id"], ("completed",))
        assert run["attempt"] == 2
        reply = await survivor.message(run["thread_id"], run["id"])
        assert reply["content"] == whole_text(sent)
    for each in (*socket.readers.values(), sse):
        await assert_reader_holds_the_state(each)
    await socket.stop()
    await sse.stop()
    for memory in memories:
        await assert_nothing_seen_was_lost(survivor, memory)
    survivor.kill()
    assert_file_is_whole(survivor.database)


def _key_in(found: dict[Any, Any], key: Any) -> Any:
    async def look() -> bool:
        return key in found

    return look


async def assert_cancelled(server: Server, thread: str, run_id: str) -> list[dict[str, Any]]:
    """The run ended once, as cancelled, and nothing came after (L4)."""
    events = assert_log_keeps_the_laws(await server.events(thread))[run_id]
    assert events[-1]["status"] == "cancelled"
    run = await server.run(run_id)
    assert (run["status"], run["phase"], run["wake_at"]) == ("cancelled", None, None)
    return events


async def until_let_go(fake: FakeApi) -> None:
    """Wait until no server holds a request any more."""

    async def look() -> bool:
        return all(request.state != "open" for request in fake.requests)

    await eventually(look, within_s=LET_GO_S, what="the request to the provider was let go")


@pytest.mark.parametrize("where", ["here", "there"])
async def test_stop_in_the_middle_keeps_the_text_from_wherever_it_is_asked(
    pair: tuple[Server, Server], fake: FakeApi, where: str
) -> None:
    """L4, L5: what the fenced attempt still brings is refused."""
    working, other = pair
    sent = await working.send(await working.thread(CLAUDE))
    run_id, thread = sent["run"]["id"], sent["run"]["thread_id"]
    text = await working.until_text(thread, run_id, 80)
    await other.start()
    asked = working if where == "here" else other
    began = time.monotonic()
    stopped = await asked.cancel(run_id)
    assert stopped["status"] == "cancelled"
    assert time.monotonic() - began < 5.0  # it waits for no lease and no sweep
    await until_let_go(fake)
    events = await assert_cancelled(working, thread, run_id)
    kept = (await other.message(thread, run_id))["content"]
    assert kept.startswith(text)
    assert reply_to("Hello", CHARS).startswith(kept)
    assert await working.cancel(run_id) == stopped == await other.cancel(run_id)  # idempotent
    assert (await assert_cancelled(other, thread, run_id))[-1] == events[-1]


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize(
    "answer",
    [{"hold_after_chunks": 0}, {"fault": "silence", "before_headers": True}],
    ids=["headers came", "nothing came"],
)
async def test_stop_works_before_the_first_token_and_lets_the_provider_go(
    pair: tuple[Server, Server], fake: FakeApi, where: str, answer: dict[str, Any]
) -> None:
    """Whoever pays for the tokens is not kept waiting for a model that nobody listens to."""
    working, other = pair
    fake.queue(answer)
    sent = await working.send(await working.thread(CLAUDE))

    async def asked_for() -> bool:
        return len(fake.requests) == 1

    await eventually(asked_for)
    await other.start()
    stopped = await (working if where == "here" else other).cancel(sent["run"]["id"])
    assert stopped["status"] == "cancelled"
    await until_let_go(fake)
    await assert_cancelled(other, sent["run"]["thread_id"], sent["run"]["id"])


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize("wait_s", [2, 6], ids=["short wait, in place", "long wait, let go"])
async def test_stop_works_while_a_run_waits_for_its_retry(
    pair: tuple[Server, Server], fake: FakeApi, where: str, wait_s: int
) -> None:
    """L10's time to wake is taken away: no request follows."""
    working, other = pair
    await other.start()
    fake.queue({"status": 529, "headers": {"retry-after": str(wait_s)}})
    sent = await working.send(await working.thread(CLAUDE))
    run = await working.until_run(sent["run"]["id"], ("waiting",))
    assert run["phase"] == "retrying"
    stopped = await (working if where == "here" else other).cancel(run["id"])
    assert stopped["status"] == "cancelled"

    async def is_alone() -> bool:
        return len(fake.requests) == 1

    await stays(is_alone, for_s=wait_s + 0.5, what="a cancelled run was tried again")
    await assert_cancelled(other, run["thread_id"], run["id"])


async def test_deleting_a_thread_elsewhere_ends_its_run_here(
    pair: tuple[Server, Server], fake: FakeApi
) -> None:
    working, other = pair
    sent = await working.send(await working.thread(CLAUDE))
    run_id, thread = sent["run"]["id"], sent["run"]["thread_id"]
    await working.until_text(thread, run_id)
    await other.start()
    assert (await other.ask("DELETE", f"threads/{thread}"))[0] == 204
    await until_let_go(fake)
    assert (await working.ask("GET", f"runs/{run_id}"))[0] == 404
    working.kill()
    other.kill()
    assert_file_is_whole(other.database)


async def test_stop_of_an_ended_run_changes_nothing(pair: tuple[Server, Server]) -> None:
    working, other = pair
    await other.start()
    sent = await working.send(await working.thread("demo/echo"))
    ended = await working.until_run(sent["run"]["id"], ("completed",))
    assert await other.cancel(ended["id"]) == ended == await working.cancel(ended["id"])


# ------------------------------------------------------------------------------- the zombie


async def stop_without_the_lock(server: Server) -> None:
    """SIGSTOP a server at a moment when it is not writing, for then nobody else could."""

    async def look() -> bool:
        server.signal(signal.SIGSTOP)
        conn = sqlite3.connect(server.database, timeout=0.2, isolation_level=None)
        try:
            conn.execute("BEGIN IMMEDIATE").close()
            conn.execute("ROLLBACK").close()
            return True
        except sqlite3.OperationalError:
            server.signal(signal.SIGCONT)
            return False
        finally:
            conn.close()

    await eventually(look, what="a moment without a write")


async def test_a_stopped_process_keeps_its_runs_until_stop_and_writes_nothing_after(
    pair: tuple[Server, Server], fake: FakeApi
) -> None:
    """L5: its lock says that it lives; once its run was ended elsewhere, the zombie is refused."""
    zombie, other = pair
    sent = await zombie.send(await zombie.thread(CLAUDE))
    run_id, thread = sent["run"]["id"], sent["run"]["thread_id"]
    await zombie.until_text(thread, run_id, 40)
    await other.start()
    await stop_without_the_lock(zombie)
    try:

        async def is_left_to_its_owner() -> bool:
            run = await other.run(run_id)
            return (run["status"], run["attempt"]) == ("processing", 1)

        await stays(is_left_to_its_owner, for_s=2.5, what="taken over from a living owner")
        assert (await other.cancel(run_id))["status"] == "cancelled"
        events = await assert_cancelled(other, thread, run_id)
    finally:
        zombie.signal(signal.SIGCONT)
    await until_let_go(fake)  # it noticed
    assert (await assert_cancelled(zombie, thread, run_id)) == events
    follower = await zombie.send(thread, "And now?", model="demo/echo")
    assert (await other.until_run(follower["run"]["id"], ("completed",)))["attempt"] == 1
    zombie.kill()
    other.kill()
    assert_file_is_whole(other.database)


# ------------------------------------------------------------------------------- both at once


async def test_two_servers_answer_each_message_once_while_both_are_killed(
    pair: tuple[Server, Server], fake: FakeApi, record_property: Any
) -> None:
    """L4, L5, L11: ten kills, now this one, now that; the other takes over each time."""
    chance = random.Random(7)
    servers = [*pair]
    for server in servers:
        server.settings["max_crashes"] = 1_000
    await servers[0].ready()
    servers[0].kill()
    for server in servers:
        await server.start()
    begun = await begin_five(servers[0])
    memories = [Memory(sent["run"]["thread_id"]) for sent in begun]
    sockets = [Socket(server, memories).start() for server in servers]
    for number in range(10):
        await servers[1 - number % 2].ready()
        await asyncio.sleep(chance.uniform(0.05, 0.4))
        servers[number % 2].kill()
        servers[number % 2].spawn()
    for server in servers:
        await server.ready()
    for sent in begun:
        run = await servers[0].until_run(sent["run"]["id"], ("completed",))
        reply = await servers[1].message(run["thread_id"], run["id"])
        assert reply["content"] == whole_text(sent)
        question = sent["message"]["content"]
        asked = [request for request in fake.requests if request.user_text == question]
        assert len(asked) <= run["attempt"]
    for socket in sockets:
        for reader in socket.readers.values():
            await assert_reader_holds_the_state(reader)
        await socket.stop()
    for memory in memories:
        await assert_nothing_seen_was_lost(servers[0], memory)
    record_property("seen", sum(memory.seen for memory in memories))
    for server in servers:
        server.kill()
    assert_file_is_whole(servers[0].database)
