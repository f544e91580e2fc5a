"""Random kills: whatever runs is killed at random moments, while five threads are asked and read.

Each question has its key and is sent until it is heard; each thread has a reader on a socket and
one that comes another way. When the kills are over, all must have been answered, exactly once, and
every event that any reader ever saw must be in the log.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_chat_stream.providers.demo.answers import long_text
from jupyter_chat_stream.testing import reply_to
from tests.faults.databases import LEASE_S, FaultyDatabase, FaultyPostgres
from tests.faults.harness import UNREACHABLE, FakeApi, Server, TooLate, Worker
from tests.faults.laws import assert_nothing_seen_was_lost, assert_reader_holds_the_state
from tests.faults.processes import eventually
from tests.faults.readers import Memory, PollReader, Reader, Socket, SseReader

CHARS = 8_000
CHUNK_CHARS = 8
CHUNKS_PER_S = 100
CLAUDE, DEMO = "anthropic/claude-sonnet-5-5", "demo/long"
MODELS = (CLAUDE, CLAUDE, CLAUDE, DEMO, DEMO)
NO_LIMIT = 1_000_000  # of crashes
WHOLE_EVERY = 10  # so often a process is started as a person does it, not by the fork server


@dataclass(kw_only=True)
class Counts:
    """What the random kills came to."""

    kills: Counter[str] = field(default_factory=Counter)
    freezes: int = 0
    up_s: float = 0.0
    answers: int = 0
    attempts: int = 0
    events: int = 0
    seen: int = 0
    comebacks: int = 0

    def __str__(self) -> str:
        kills = ", ".join(f"{count} {name}" for name, count in sorted(self.kills.items()))
        return (
            f"{self.kills.total()} kills ({kills}), {self.freezes} freezes, up for "
            f"{self.up_s:.0f} s, {self.answers} answers, {self.attempts} attempts, "
            f"{self.events} events, {self.seen} seen, {self.comebacks} comebacks of the socket"
        )


class Talk:
    """One thread that is asked again whenever it has answered; every question has its key."""

    def __init__(self, server: Server, fake: FakeApi, thread: str, model: str, chars: int) -> None:
        self.server = server
        self.fake = fake
        self.thread = thread
        self.model = model
        self.chars = chars
        self.memory = Memory(thread)
        self.asked: dict[str, str] = {}  # run -> question
        self.requests_at_end: dict[str, int] = {}  # run -> requests when its end was first seen
        self.is_enough = False

    def body(self, question: str) -> dict[str, Any]:
        body: dict[str, Any] = {"content": question, "parent_id": None}
        if self.model == DEMO:
            pace = CHUNK_CHARS * CHUNKS_PER_S
            body["params"] = {"chars": self.chars, "chunk_chars": 8, "chars_per_second": pace}
        return body

    def answer_to(self, question: str) -> str:
        return long_text(self.chars) if self.model == DEMO else reply_to(question, self.chars)

    async def go_on(self) -> None:
        while not self.is_enough:
            question = f"Question {len(self.asked)} of thread {self.thread}"
            run_id = await self._ask(question)
            self.asked[run_id] = question

            async def has_ended(run_id: str = run_id) -> bool:
                return run_id in self.memory.ended

            try:
                await eventually(has_ended, within_s=150, what=f"the end of run {run_id}")
            except TooLate as late:
                raise TooLate(f"L10: {late}: {await self.server.run(run_id)}") from late
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
        asked = Counter(request.user_text for request in self.fake.requests)
        return asked[question]


class RandomKills:
    """One round of kills.

    Args:
        server: which is asked and read from.
        others: workers, or servers on the same database.
        chars: the length of an answer; the fake API has to be told it too.
        freezes: now and then a process is stopped for up to three leases, and thawed.
    """

    def __init__(
        self,
        *,
        faulty_database: FaultyDatabase,
        server: Server,
        fake: FakeApi,
        chance: random.Random,
        others: Sequence[Server | Worker] = (),
        chars: int = CHARS,
        freezes: bool = False,
    ) -> None:
        self.faulty_database = faulty_database
        self.server = server
        self.processes = [server, *others]
        self.fake = fake
        self.chance = chance
        self.chars = chars
        self.freezes = freezes
        self.counts = Counts()
        self._spawned = 0

    async def rage(self, kills: int) -> Counts:
        """Kill so often, wait for the sky to clear, and see that every law was kept."""
        for process in self.processes:
            process.spawn()
        for process in self.processes:
            await process.ready()
        talks = [
            Talk(self.server, self.fake, await self.server.thread(model), model, self.chars)
            for model in MODELS
        ]
        socket, others = make_readers(self.server, talks)
        socket.start()
        for reader in others:
            reader.start()
        talking = [asyncio.ensure_future(talk.go_on()) for talk in talks]
        await self._kill_again_and_again(kills, talking)
        for talk in talks:
            talk.is_enough = True
        await asyncio.wait_for(asyncio.gather(*talking), 60)
        for reader in (*socket.readers.values(), *others):
            await assert_reader_holds_the_state(reader)
        for reader in (next(iter(socket.readers.values())), *others):
            await reader.stop()
        await self._count(talks, socket)
        for process in self.processes:
            process.kill()
        self.faulty_database.assert_whole()
        return self.counts

    async def _kill_again_and_again(self, kills: int, talking: Sequence[Any]) -> None:
        for _ in range(kills):
            victim = self._choose()
            if self.freezes and self.chance.random() < 0.2:
                await self._freeze_one()
            if victim is None:
                await self._pause(1.0)
                await self._kill_the_database()
                continue
            if self.chance.random() < 0.2:  # while it starts, or just has
                await asyncio.sleep(self.chance.uniform(0.0, 0.6))
            else:
                await victim.ready()
                await self._pause(1.0)
            self.counts.kills[type(victim).__name__.lower()] += 1
            victim.kill()
            self._spawned += 1
            victim.spawn(whole=self._spawned % WHOLE_EVERY == WHOLE_EVERY - 1)
            for talk in talking:
                if talk.done():
                    await talk  # it failed: why is better known now than after the last kill
        for process in self.processes:
            await process.ready()

    async def _freeze_one(self) -> None:
        process = self.chance.choice(self.processes)
        await process.ready()
        self.counts.freezes += 1
        process.freeze()
        await asyncio.sleep(self.chance.uniform(0.0, 3 * LEASE_S))  # the time itself is the fault
        process.thaw()

    def _choose(self) -> Server | Worker | None:
        """Choose a victim; None is the database."""
        database = [None] if isinstance(self.faulty_database, FaultyPostgres) else []
        victims = [*self.processes, *database]
        return victims[self.chance.randrange(len(victims))]

    async def _pause(self, most_s: float) -> None:
        began = time.monotonic()
        await asyncio.sleep(self.chance.uniform(0.0, most_s))
        self.counts.up_s += time.monotonic() - began

    async def _kill_the_database(self) -> None:
        assert isinstance(self.faulty_database, FaultyPostgres)
        self.counts.kills["postgres"] += 1
        gently = self.chance.random() < 0.3
        await self.faulty_database.outage(self.chance.uniform(0.0, 0.5), gently=gently)

    async def _count(self, talks: Sequence[Talk], socket: Socket) -> None:
        counts = self.counts
        for talk in talks:
            counts.events += await assert_nothing_seen_was_lost(self.server, talk.memory)
            counts.attempts += await assert_answered_once(talk)
            counts.answers += len(talk.asked)
            counts.seen += talk.memory.seen
        counts.comebacks = socket.comebacks


def make_readers(server: Server, talks: list[Talk]) -> tuple[Socket, list[Reader]]:
    """Every thread has a reader on the one socket, and one that comes another way."""
    kinds = (SseReader, PollReader, SseReader, PollReader, SseReader)
    others: list[Reader] = [
        kind(server, talk.memory) for kind, talk in zip(kinds, talks, strict=True)
    ]
    return Socket(server, [talk.memory for talk in talks]), others


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
