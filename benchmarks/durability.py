"""(a) From the provider's chunk to the reader, with a commit in between and without one.

A, B, A, B in one process; what is counted is the time from the moment the provider gives a chunk
to the moment a reader has it, and the CPU of the whole process between two moments.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Literal

from jupyter_chat_stream.follow import Reader
from jupyter_chat_stream.service import Service

from .load import (
    OWNER,
    PacedProvider,
    leave_out_the_commit,
    make_threads,
    marks_of,
    running_service,
    start_runs,
)
from .report import Section, ms, percentile, times
from .server import Follower, running_server

Side = Literal["memory", "durable"]
Way = Literal["reader", "socket"]


@dataclass(kw_only=True)
class Figures:
    """What was measured of one side, over all its rounds."""

    latencies_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    chunks: int = 0
    missing: int = 0

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.chunks * 1e6

    def add(self, given: list[int], window: range, received: dict[int, int], cpu_s: float) -> None:
        """Add a round: when each chunk was given, which ones count, when each one came."""
        came = [mark for mark in window if mark in received]
        self.latencies_s += [(received[mark] - given[mark]) / 1e9 for mark in came]
        self.missing += len(window) - len(came)
        self.chunks += len(window)
        self.cpu_s += cpu_s


def run(*, quick: bool = False) -> Section:
    """Measure 1, 10 and 100 runs."""
    seconds, rounds, sizes = (0.5, 1, (2,)) if quick else (3.0, 2, (1, 10, 100))
    ways: tuple[Way, ...] = ("reader",) if quick else ("socket", "reader")
    return asyncio.run(_run(ways, sizes, rounds, seconds))


async def _run(
    ways: tuple[Way, ...], sizes: tuple[int, ...], rounds: int, seconds: float
) -> Section:
    rows = [
        ["way, runs × 50/s", "p50", "CPU", "p50/p99 ms, memory", "durable",
         "CPU µs a chunk, memory", "durable"]
    ]  # fmt: skip
    notes = []
    for way in ways:
        for runs in sizes:
            found: dict[Side, Figures] = {"memory": Figures(), "durable": Figures()}
            for _ in range(rounds):
                for side, figures in found.items():
                    await measure(figures, side, way, runs, seconds)
            rows.append(_row(f"{way}, {runs}", found["memory"], found["durable"]))
            lost = found["memory"].missing + found["durable"].missing
            if lost:
                notes.append(f"{way}, {runs}: {lost} chunks did not come in time")
    source_us = await _source_cpu_us(max(sizes), seconds)
    notes.append(f"the paced source alone costs {source_us:.0f} µs a chunk, in both columns")
    notes.append("socket: a real Jupyter server, the reader is another process; reader: one loop")
    return Section(
        name="a",
        title="chunk to reader, with and without durability",
        goal="p50 at most 1.20×, CPU at most 1.60×",
        rows=rows,
        notes=notes,
    )


def _row(name: str, memory: Figures, durable: Figures) -> list[str]:
    p50 = [percentile(figures.latencies_s, 0.50) for figures in (memory, durable)]
    p99 = [percentile(figures.latencies_s, 0.99) for figures in (memory, durable)]
    return [
        name,
        times(p50[1] / p50[0]),
        times(durable.cpu_us / memory.cpu_us),
        *(f"{ms(low)} / {ms(high)}" for low, high in zip(p50, p99, strict=True)),
        f"{memory.cpu_us:.0f}",
        f"{durable.cpu_us:.0f}",
    ]


async def measure(figures: Figures, side: Side, way: Way, runs: int, seconds: float) -> None:
    """Make one round."""
    provider = PacedProvider()
    gc.collect()
    async with AsyncExitStack() as stack:
        follower: Follower | LocalFollower
        if way == "socket":
            url, service = await stack.enter_async_context(running_server(provider))
            threads = await make_threads(service, runs)
            follower = await Follower.start(url, threads)
        else:
            service = await stack.enter_async_context(running_service(provider))
            threads = await make_threads(service, runs)
            follower = await LocalFollower.start(service, threads)
        if side == "memory":
            leave_out_the_commit(service)
        await start_runs(service, threads)
        await asyncio.sleep(min(1.0, seconds))
        first, cpu_s = len(provider.times), time.process_time()
        await asyncio.sleep(seconds)
        window, cpu_s = range(first, len(provider.times)), time.process_time() - cpu_s
        await asyncio.sleep(0.3)  # what was given at the end has come by then
        found = await follower.stop()
    received = dict(found["received"])
    figures.add(provider.times, window, received, cpu_s)


class LocalFollower:
    """Readers on the service's own loop, without a network."""

    def __init__(self, readers: list[Reader]) -> None:
        self._readers = readers
        self._frames: list[tuple[int, str]] = []
        self._tasks = [asyncio.ensure_future(self._read(reader)) for reader in readers]

    @classmethod
    async def start(cls, service: Service, threads: list[str]) -> LocalFollower:
        """Follow every thread from its beginning."""
        return cls([await service.follow(OWNER, thread, 0) for thread in threads])

    async def _read(self, reader: Reader) -> None:
        while True:
            frame = await reader.next()
            at = time.monotonic_ns()
            self._frames.append((at, frame.text))

    def count_chars(self) -> int:
        """Say how much text has come so far."""
        return sum(len(text) for _, text in self._deltas())

    async def stop(self, *, parse: bool = True) -> dict[str, list[list[int]]]:
        """End it; gives ``received``: [mark, ns] each."""
        for task, reader in zip(self._tasks, self._readers, strict=True):
            task.cancel()
            reader.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not parse:
            return {"received": []}
        return {"received": [[mark, at] for at, text in self._deltas() for mark in marks_of(text)]}

    def _deltas(self) -> Iterator[tuple[int, str]]:
        for at, text in self._frames:
            for event in json.loads(text).get("events", ()):
                if event["type"] == "delta":
                    yield at, event["text"]


async def _source_cpu_us(runs: int, seconds: float) -> float:
    """Measure the provider with nobody behind it."""
    from jupyter_chat_stream.providers.base import Prompt

    provider = PacedProvider()

    async def drain() -> None:
        async for _ in provider.stream(Prompt(model="model", turns=())):
            pass

    tasks = [asyncio.ensure_future(drain()) for _ in range(runs)]
    cpu_s = time.process_time()
    await asyncio.sleep(seconds)
    cpu_s = time.process_time() - cpu_s
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return cpu_s / len(provider.times) * 1e6
