"""(b) Each dialect through its real SDK: our share of the CPU beside the SDK's own.

The fake APIs are processes of their own. A iterates the SDK's stream and drops what comes; B does
the same with our provider's stream; C is the whole path, with a reader for each thread. Our share
is what C costs more than A, a chunk. All three are measured in turn, round by round.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from jupyter_chat_stream.providers.base import Prompt, Provider, TextChunk, text_turn
from jupyter_chat_stream.service import Service

from .durability import LocalFollower
from .load import MARK, OWNER, make_threads, running_service, start_runs
from .report import Section, times
from .upstreams import UPSTREAMS, Upstream, fake_api

STAGGER_S = 0.0073  # so that the answers do not come in step

# Yields for each piece of text that came, until it is closed.
Pieces = Callable[[], AsyncGenerator[None, None]]


@dataclass(kw_only=True)
class Spent:
    """The CPU of one way and the chunks that came by it."""

    cpu_s: float = 0.0
    chunks: int = 0

    @property
    def us(self) -> float:
        """CPU in µs for one chunk."""
        return self.cpu_s / self.chunks * 1e6

    def add(self, cpu_s: float, chunks: int) -> None:
        self.cpu_s += cpu_s
        self.chunks += chunks


@dataclass(kw_only=True)
class Row:
    """What was measured of one dialect at one load."""

    alone: Spent = field(default_factory=Spent)
    provider: Spent = field(default_factory=Spent)
    whole: Spent = field(default_factory=Spent)

    def cells(self, name: str, answers: int) -> list[str]:
        ours = self.whole.us - self.alone.us
        return [
            f"{name}, {answers}",
            times(ours / self.alone.us),
            times(self.provider.us / self.alone.us),
            *(f"{us:.0f}" for us in (self.alone.us, self.provider.us, self.whole.us, ours)),
        ]


def run(*, quick: bool = False) -> Section:
    """Measure 1, 10 and 40 answers at about 50 chunks a second each, in every dialect."""
    seconds, rounds, sizes = (0.5, 1, (4,)) if quick else (3.0, 2, (1, 10, 40))
    return asyncio.run(_run(sizes, rounds, seconds))


async def _run(sizes: Sequence[int], rounds: int, seconds: float) -> Section:
    head = [
        "dialect, answers × 50/s",
        "ours : SDK's",
        "provider : SDK",
        "SDK alone, CPU µs a chunk",
    ]
    rows = [[*head, "provider", "all", "our share"]]
    for upstream in UPSTREAMS:
        for answers in sizes:
            row = Row()
            for _ in range(rounds):
                await _measure(row, upstream, answers, seconds)
            rows.append(row.cells(upstream.dialect, answers))
    return Section(
        name="b",
        title="each dialect through its real SDK",
        goal="our share at most the SDK's own",
        rows=rows,
        notes=[
            "our share: provider, coalescing, commit, publishing and one reader a thread",
            "provider: the SDK's stream read through our provider, and nothing else",
            "missed by `messages`, whose SDK is the cheapest, and by single answers; on a quiet "
            "machine `messages` was at 1.2 to 1.6",
            "it is not our provider for `messages`: under `chrt -f 10`, at 10 answers, our share "
            "was 304 µs a chunk for `messages` and 291 for `chat`, beside 158 and 241 of their "
            "SDKs; it is the commit, which at this rate holds one or two chunks, and its way to "
            "the reader",
            "samples of `messages` at 10 answers: the SDK 22 % of all, the writer's thread 24 %, "
            "epoll and the rest of the event loop 22 %, publishing and the reader 17 %, "
            "the appender 6 %, our provider 3 %",
        ],
    )


async def _measure(row: Row, upstream: Upstream, answers: int, seconds: float) -> None:
    with fake_api(upstream.api) as url:
        async with upstream.client(url) as client:
            row.alone.add(*await _iterate(client, answers, seconds))
    with fake_api(upstream.api) as url:
        provider = upstream.provider(url)
        await provider.warm()
        prompt = Prompt(model=upstream.model, turns=(text_turn("user", "go"),), max_tokens=8192)
        row.provider.add(*await _iterate(lambda: _texts(provider, prompt), answers, seconds))
        await provider.close()
    with fake_api(upstream.api) as url:
        provider = upstream.provider(url)
        await provider.warm()
        model = f"{provider.name}/{upstream.model}"
        async with running_service(provider, default_model=model) as service:
            row.whole.add(*await _whole(service, answers, seconds))


async def _texts(provider: Provider, prompt: Prompt) -> AsyncGenerator[None, None]:
    async with aclosing(provider.stream(prompt)) as chunks:
        async for chunk in chunks:
            if isinstance(chunk, TextChunk):
                yield


async def _iterate(pieces: Pieces, answers: int, seconds: float) -> tuple[float, int]:
    """Read streams side by side; gives CPU seconds and chunks."""
    chunks = 0

    async def iterate() -> None:
        nonlocal chunks
        async with aclosing(pieces()) as stream:
            async for _ in stream:
                chunks += 1

    tasks: list[asyncio.Task[None]] = []

    async def count() -> int:
        for task in tasks:
            if task.done():  # none ends by itself before the measurement does
                task.result()
        return chunks

    for _ in range(answers):
        tasks.append(asyncio.ensure_future(iterate()))
        await asyncio.sleep(STAGGER_S)
    found = await _spent(count, answers, seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


async def _whole(service: Service, answers: int, seconds: float) -> tuple[float, int]:
    """Let runs answer, each with a reader; gives CPU seconds and chunks."""
    threads = await make_threads(service, answers)
    follower = await LocalFollower.start(service, threads)

    async def count() -> int:
        return await _count_chars(service, threads) // MARK

    for thread in threads:
        await start_runs(service, [thread])
        await asyncio.sleep(STAGGER_S)
    found = await _spent(count, answers, seconds)
    follower.close()
    return found


async def _spent(
    count: Callable[[], Awaitable[int]], answers: int, seconds: float
) -> tuple[float, int]:
    """Measure while chunks flow; gives CPU seconds and chunks."""
    await _more_than(answers, count)
    await asyncio.sleep(min(1.0, seconds))
    gc.collect()
    before, cpu_s = await count(), time.process_time()
    await asyncio.sleep(seconds)
    cpu_s = time.process_time() - cpu_s
    return cpu_s, await _more_than(before, count) - before


async def _more_than(chunks: int, count: Callable[[], Awaitable[int]]) -> int:
    """Wait for the first chunk after so many; gives how many there are."""
    while (found := await count()) <= chunks:  # noqa: ASYNC110  the log is asked, nobody tells
        await asyncio.sleep(STAGGER_S)
    return found


async def _count_chars(service: Service, threads: list[str]) -> int:
    """Return how much text is in the log."""
    states = [json.loads(await service.state_text(OWNER, thread)) for thread in threads]
    return sum(len(message["content"]) for state in states for message in state["messages"])
