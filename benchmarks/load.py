"""What the benchmarks run: the real service under a paced provider, with and without a database.

Every chunk is a mark of five characters, the number of its own line in ``times``, so a reader
knows which chunk it got however they were joined. ``MemoryLog`` stands in for the store's writer:
it numbers and publishes at once, on the loop, and keeps nothing; all else is the same code.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from traitlets.config import Config

from jupyter_chat_stream.providers.base import Chunk, EndChunk, Prompt, Provider, TextChunk
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.service import SendRequest, Service
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.events import Event
from jupyter_chat_stream.store.log.operations import Append, Committed
from jupyter_chat_stream.store.log.reading import head_of
from jupyter_chat_stream.store.store import Store

from .plugins import OneModelProvider

OWNER = "local"
MARK = 5
MODEL = "bench/model"


class PacedProvider(OneModelProvider):
    """Streams marks: at a rate, each stream with a phase of its own, or as ``turn`` says.

    Args:
        chunks_per_s: of each stream.
        turn: instead of the clock, is awaited before each chunk.
        count: chunks of a stream; None for no end.
    """

    name = "bench"

    def __init__(
        self,
        *,
        chunks_per_s: float = 50.0,
        turn: Callable[[], Awaitable[None]] | None = None,
        count: int | None = None,
    ) -> None:
        self.is_paused = False
        self.times: list[int] = []  # when each chunk was given, in ns of the monotonic clock
        self._interval_s = 1 / chunks_per_s
        self._turn = turn
        self._count = count
        self._phases = random.Random(7)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._phases.uniform(0, self._interval_s)
        number = 0
        while self._count is None or number < self._count:
            if self._turn is not None:
                await self._turn()
            else:
                left_s = due + number * self._interval_s - loop.time()
                if left_s > 0:
                    await asyncio.sleep(left_s)
            while self.is_paused:  # noqa: ASYNC110  for good: the measurement is over
                await asyncio.sleep(0.05)
            number += 1
            yield self._mark()
        usage = {"input_tokens": 1, "output_tokens": number}
        yield EndChunk(stop_reason="end_turn", model=prompt.model, usage=usage)

    def _mark(self) -> TextChunk:
        chunk = TextChunk(text=f"{len(self.times):0{MARK}x}")
        self.times.append(time.monotonic_ns())
        return chunk


def received(frames: Iterable[tuple[int, str]]) -> dict[int, int]:
    """Return when each chunk first came, in a delta or in a snapshot, from (ns, frame) pairs."""
    first: dict[int, int] = {}
    for at, text in frames:
        frame = json.loads(text)
        texts = [event["text"] for event in frame.get("events", ()) if event["type"] == "delta"]
        for message in frame.get("messages", ()):
            if message["role"] == "assistant":
                texts.append(message["content"])
        for mark in (mark for text in texts for mark in marks_of(text)):
            first.setdefault(mark, at)
    return first


def marks_of(text: str) -> list[int]:
    """Return which chunks a delta's text holds."""
    return [int(text[start : start + MARK], 16) for start in range(0, len(text), MARK)]


class MemoryLog:
    """No log, in the place of the writer's: numbers and publishes at once, and forgets."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heads: dict[int, int] = {}

    def append(self, operation: Append) -> None:
        """Do what ``Store.append`` does, without a thread and without a commit."""
        run = operation.run
        head = self._heads.get(run.thread.pk)
        if head is None:
            head = self._store.read_now(lambda conn: head_of(conn, run.thread))
        at = self._store.now_ms()
        events = [
            Event(
                seq=seq,
                thread_id=run.thread.id,
                at=at,
                body=body,
                run_id=run.id,
                message_id=run.message_id,
                attempt=operation.attempt,
            )
            for seq, body in enumerate(operation.bodies, head + 1)
        ]
        self._heads[run.thread.pk] = head + len(events)
        self._store.publish(Committed(events=events, outcomes=[(operation, events, None)]))


def leave_out_the_commit(service: Service) -> None:
    """Let what runs append go to memory; commands and reads stay with the database."""
    store = service.store.core
    store.append = MemoryLog(store).append  # type: ignore[method-assign]  # to leave the commit out


@asynccontextmanager
async def running_service(provider: Provider, **settings: Any) -> AsyncIterator[Service]:
    """Run the service alone on a fresh database."""
    with tempfile.TemporaryDirectory(prefix="chat-stream-bench-") as folder:
        service = Service(settings_for(Path(folder), **settings), registry=Registry([provider]))
        await service.start()
        try:
            yield service
        finally:
            await service.stop()


def settings_for(folder: Path, **settings: Any) -> ChatStream:
    """Make the settings for a fresh database and many runs."""
    return ChatStream(config=Config({"ChatStream": chat_settings(folder, settings)}))


def chat_settings(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    url = f"sqlite:///{folder / 'chat.db'}"
    return {"database_url": url, "default_model": MODEL, "max_active_runs": 1000, **settings}


async def start_runs(service: Service, threads: list[str], content: str = "go") -> None:
    """Ask each thread, and wait until every answer has begun."""
    for thread in threads:
        await service.send(OWNER, thread, SendRequest(content=content))


async def make_threads(service: Service, count: int) -> list[str]:
    """Create threads, and give their ids."""
    return [(await service.create_thread(OWNER))[0]["id"] for _ in range(count)]
