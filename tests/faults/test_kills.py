"""Servers are killed at random moments while five answers stream; nothing seen may be lost.

``JCS_KILLS`` says how many kills (50; a soak takes 1000), ``JCS_SEED`` repeats a run's moments. The
kills come in rounds of at most 50, each with a fresh database. Every fifth kill hits a server that
was started as a person starts it, the others one from the nursery.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.demo.answers import long_text
from jupyter_chat_stream.testing import reply_to
from tests.faults.harness import UNREACHABLE, FakeApi, Server, eventually
from tests.faults.laws import (
    assert_file_is_whole,
    assert_nothing_seen_was_lost,
    assert_reader_holds_the_state,
)
from tests.faults.readers import Memory, PollReader, Reader, Socket, SseReader

pytestmark = [pytest.mark.faults, pytest.mark.slow]

KILLS = int(os.environ.get("JCS_KILLS", "50"))
SEED = int(os.environ.get("JCS_SEED", "0"))
ROUND = 50
CHARS = 8_000
CHUNK_CHARS = 8
CHUNKS_PER_S = 100
CLAUDE, DEMO = "anthropic/claude-sonnet-5-5", "demo/long"
MODELS = (CLAUDE, CLAUDE, CLAUDE, DEMO, DEMO)


class Talk:
    """One thread that is asked again whenever it has answered; every question has its key."""

    def __init__(self, server: Server, fake: FakeApi, thread: str, model: str) -> None:
        self.server = server
        self.fake = fake
        self.thread = thread
        self.model = model
        self.memory = Memory(thread)
        self.asked: dict[str, str] = {}  # run -> question
        self.requests_at_end: dict[str, int] = {}  # run -> requests when its end was first seen
        self.is_enough = False

    def body(self, question: str) -> dict[str, Any]:
        body: dict[str, Any] = {"content": question, "parent_id": None}
        if self.model == DEMO:
            pace = CHUNK_CHARS * CHUNKS_PER_S
            body["params"] = {"chars": CHARS, "chunk_chars": 8, "chars_per_second": pace}
        return body

    def answer_to(self, question: str) -> str:
        return long_text(CHARS) if self.model == DEMO else reply_to(question, CHARS)

    async def go_on(self) -> None:
        while not self.is_enough:
            question = f"Question {len(self.asked)} of thread {self.thread}"
            run_id = await self._ask(question)
            self.asked[run_id] = question

            async def has_ended(run_id: str = run_id) -> bool:
                return run_id in self.memory.ended

            await eventually(has_ended, within_s=150, what=f"the end of run {run_id}")
            self.requests_at_end[run_id] = await self.count_requests(question)

    async def _ask(self, question: str) -> str:
        """Send until there is an answer, as a client does that knows not whether it was heard."""

        async def send() -> dict[str, Any] | None:
            path = f"threads/{self.thread}/messages"
            try:
                status, sent = await self.server.ask(
                    "POST", path, self.body(question), Idempotency_Key=question
                )
            except UNREACHABLE:
                return None
            assert status in (202, 503), sent
            return sent if status == 202 else None

        sent = await eventually(send, within_s=60) or {}
        return str(sent["run"]["id"])

    async def count_requests(self, question: str) -> int:
        asked = Counter(request["user_text"] for request in await self.fake.requests())
        return asked[question]


async def kill_again_and_again(server: Server, kills: int, chance: random.Random) -> float:
    """Kill the server so often; it runs at the end. Gives the seconds it was up."""
    up_s = 0.0
    for number in range(kills):
        if chance.random() < 0.2:  # while it starts, or just has
            await asyncio.sleep(chance.uniform(0.0, 0.6))
        else:
            await server.ready()
            began = time.monotonic()
            await asyncio.sleep(chance.uniform(0.0, 1.0))
            up_s += time.monotonic() - began
        server.kill()
        server.spawn(whole=number % 5 == 4)
    await server.ready()
    return up_s


def make_readers(server: Server, talks: list[Talk]) -> tuple[Socket, list[Reader]]:
    """Every thread has a reader on the one socket, and one that comes another way."""
    kinds = (SseReader, PollReader, SseReader, PollReader, SseReader)
    others: list[Reader] = [
        kind(server, talk.memory) for kind, talk in zip(kinds, talks, strict=True)
    ]
    return Socket(server, [talk.memory for talk in talks]), others


async def run_round(server: Server, fake: FakeApi, kills: int, chance: random.Random) -> str:
    await server.start()
    talks = [Talk(server, fake, await server.thread(model), model) for model in MODELS]
    socket, others = make_readers(server, talks)
    socket.start()
    for reader in others:
        reader.start()
    talking = [asyncio.ensure_future(talk.go_on()) for talk in talks]
    up_s = await kill_again_and_again(server, kills, chance)
    for talk in talks:
        talk.is_enough = True
    await asyncio.wait_for(asyncio.gather(*talking), 60)
    readers = [*socket.readers.values(), *others]
    for reader in readers:
        await assert_reader_holds_the_state(reader)
    for reader in (next(iter(socket.readers.values())), *others):
        await reader.stop()
    events = [await assert_nothing_seen_was_lost(server, talk.memory) for talk in talks]
    attempts = [await assert_answered_once(talk) for talk in talks]
    server.kill()
    assert_file_is_whole(server.database)
    return (
        f"{kills} kills, up for {up_s:.0f} s, {sum(len(t.asked) for t in talks)} answers, "
        f"{sum(attempts)} attempts, {sum(events)} events, "
        f"{sum(t.memory.seen for t in talks)} seen, {socket.comebacks} comebacks of the socket"
    )


async def assert_answered_once(talk: Talk) -> int:
    """One reply per key, its text exact, and no request to the provider but for an attempt."""
    state = await talk.server.get(f"threads/{talk.thread}/messages?limit=200")
    replies = [m for m in state["messages"] if m["role"] == "assistant"]
    questions = [m["content"] for m in state["messages"] if m["role"] == "user"]
    assert questions == list(talk.asked.values()), "L11"
    assert [reply["run_id"] for reply in replies] == list(talk.asked), "L11"
    attempts = {run["id"]: run["attempt"] for run in state["runs"]}
    for reply in replies:
        question = talk.asked[reply["run_id"]]
        assert reply["status"] == "completed", reply["error"]
        assert reply["content"] == talk.answer_to(question)
        if talk.model == CLAUDE:
            requests = await talk.count_requests(question)
            assert 1 <= requests <= attempts[reply["run_id"]]
            assert requests == talk.requests_at_end[reply["run_id"]], "asked after its end"
    return sum(attempts.values())


@pytest.mark.timeout(240 * max(1, KILLS // ROUND))
async def test_no_kill_loses_what_was_seen_or_answers_twice(
    make_server: Any, make_fake: Any, tmp_path: Path, record_property: Any
) -> None:
    """L1 to L7, L10 and L11 hold over SIGKILL, for whoever reads by whatever way."""
    for number, start in enumerate(range(0, KILLS, ROUND)):
        kills = min(ROUND, KILLS - start)
        chance = random.Random(SEED + number)
        fake = make_fake(chars=CHARS, chunk_chars=CHUNK_CHARS, delay_s=1 / CHUNKS_PER_S)
        server = make_server(
            environment=fake.environment,
            database=tmp_path / f"round-{number}" / "chat.db",
            max_crashes=1_000_000,
        )
        told = await run_round(server, fake, kills, chance)
        record_property(f"round {number}", told)
