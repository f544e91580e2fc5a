"""(h) What two workers on one Postgres carry beside one.

All messages are there before a worker starts; counted is how many answers end in a second, from
``WARM_S`` after all workers are ready (they load the providers' libraries first), until nine
tenths have. Two kinds of answers:
those that take a second however idle the machine is, of which a worker makes ``AT_A_TIME`` at
once, show how the queue scales; those that are given as fast as they are taken, each delta at the
CPU that the Anthropic SDK takes for one, show how the work does on the cores there are.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.postgres import Postgres

from .processes import Place, cpu_s, ends, place
from .report import Section, percentile, times

AT_A_TIME = 20
SDK_US = 152  # of CPU for a delta, with aiohttp
WARM_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the answers are like."""

    name: str
    runs: int
    params: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Round:
    """What some workers carried, and what they and Postgres took of a core meanwhile."""

    per_s: float
    worker_share: float  # of all workers together
    postgres_share: float


def run(*, quick: bool = False) -> Section:
    """Measure one and two workers, in turn."""
    kinds: tuple[Kind, ...] = (
        Kind(name="held for 1 s", runs=500, params={"chunks": 21, "per_s": 20.0}),
        Kind(name="unpaced", runs=500, params={"chunks": 300, "burn_us": SDK_US}),
    )
    rounds = 2
    if quick:
        kinds = (Kind(name="held for 0.1 s", runs=60, params={"chunks": 3, "per_s": 20.0}),)
        rounds = 1
    with Postgres() as server:
        found = asyncio.run(measure(server, kinds, rounds))
    rows = [["answers", "two : one", "answers/s, one", "two", "CPU of a core, one: worker",
             "Postgres", "two: workers", "Postgres"]]  # fmt: skip
    rows += [_row(kind, *found[kind.name]) for kind in kinds]
    return Section(
        name="h",
        title=f"answers of one and of two workers on one Postgres, {AT_A_TIME} at a time each",
        goal="two carry at least 1.7 times one",
        rows=rows,
        notes=[
            f"medians of {rounds} rounds a side, in turn; Postgres and both workers share the "
            "cores, fsync is on",
            f"unpaced: {kinds[-1].params['chunks']:.0f} chunks, each at {SDK_US} µs of CPU "
            "before anything of ours",
        ],
    )


async def measure(
    server: Postgres, kinds: tuple[Kind, ...], rounds: int
) -> dict[str, tuple[list[Round], list[Round]]]:
    """Make the rounds: one worker, two, one, two."""
    found: dict[str, tuple[list[Round], list[Round]]] = {kind.name: ([], []) for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            for count in (1, 2):
                with tempfile.TemporaryDirectory(prefix="chat-stream-bench-") as folder:
                    async with place(Path(folder)) as (here, session):
                        made = await _round(server, here, session, kind, count)
                        found[kind.name][count - 1].append(made)
    return found


async def _round(
    postgres: Postgres, here: Place, session: aiohttp.ClientSession, kind: Kind, count: int
) -> Round:
    database = postgres.create_database()
    settings: dict[str, Any] = {"database_url": postgres.url(database)}
    server = await here.server(session, run_in_server=False, **settings)
    for thread in await server.make_threads(kind.runs):
        await server.say(thread, **kind.params)
    workers = await here.workers(count, max_active_runs=AT_A_TIME, **settings)
    pids = [worker.pid or 0 for worker in workers]
    ready_ms = time.time() * 1000
    before = (time.monotonic(), sum(map(cpu_s, pids)), cpu_s(postgres.pid, family=True))
    wanted = 0.9 * kind.runs
    await server.until_counted(lambda runs: ends(runs) >= wanted)
    after = (time.monotonic(), sum(map(cpu_s, pids)), cpu_s(postgres.pid, family=True))
    taken_s, worker_s, postgres_s = (b - a for a, b in zip(before, after, strict=True))
    await server.until_counted(lambda runs: ends(runs) == kind.runs)
    with postgres.connect(database) as conn:
        rows = conn.execute("SELECT ended_ms FROM run WHERE status = 'completed'").fetchall()
    assert len(rows) == kind.runs, "an answer failed"
    return Round(
        per_s=_rate([row[0] for row in rows], ready_ms),
        worker_share=worker_s / taken_s,
        postgres_share=postgres_s / taken_s,
    )


def _rate(ended_ms: list[int], ready_ms: float) -> float:
    """Return how many ended in a second, while everybody was at work."""
    last = percentile(ended_ms, 0.9)
    first = min(ready_ms + WARM_S * 1000, percentile(ended_ms, 0.5))
    return sum(first < at <= last for at in ended_ms) / ((last - first) / 1000)


def _row(kind: Kind, one: list[Round], two: list[Round]) -> list[str]:
    rates = [statistics.median(made.per_s for made in side) for side in (one, two)]
    shares = [
        f"{statistics.median(getattr(made, name) for made in side) * 100:.0f} %"
        for side in (one, two)
        for name in ("worker_share", "postgres_share")
    ]
    return [kind.name, times(rates[1] / rates[0]), *(f"{rate:.1f}" for rate in rates), *shares]
