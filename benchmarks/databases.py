"""(l) A commit on Postgres beside one on SQLite: what it takes, and how late the reader has it.

The service alone on its loop, with a reader of each thread; the two databases take turns. What the
processes of Postgres take is said beside what ours does.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.service import Service
from jupyter_chat_stream.store.log.operations import Commit
from tests.postgres import Postgres

from .durability import LocalFollower
from .load import PacedProvider, make_threads, settings_for, start_runs
from .processes import cpu_s
from .report import Section, ms, percentile, times

NAMES = ("SQLite", "Postgres")


@dataclass(kw_only=True)
class Figures:
    """What was measured of one database, of each round a value."""

    commit_s: list[tuple[float, float]] = field(default_factory=list)  # p50, p99
    reader_s: list[tuple[float, float]] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)  # of a chunk, ours
    postgres_us: list[float] = field(default_factory=list)
    a_commit: list[float] = field(default_factory=list)  # chunks in it


def run(*, quick: bool = False) -> Section:
    """Measure 1, 10 and 100 runs."""
    sizes, seconds, rounds = ((2,), 0.5, 1) if quick else ((1, 10, 100), 4.0, 3)
    rows = [
        ["runs × 50/s", "commit, p50", "p99", "reader, p50", "CPU, ours",
         "commit p50/p99 ms, SQLite", "Postgres", "reader p50/p99 ms, SQLite", "Postgres",
         "CPU µs a chunk, SQLite", "Postgres, ours + its own"]
    ]  # fmt: skip
    with Postgres() as server:
        for runs in sizes:
            found = {name: Figures() for name in NAMES}
            for _ in range(rounds):
                for name, figures in found.items():
                    asyncio.run(
                        measure(figures, server if name == "Postgres" else None, runs, seconds)
                    )
            rows.append(_row(runs, *found.values()))
    return Section(
        name="l",
        title="a commit on Postgres beside one on SQLite",
        goal="stated, as a ratio",
        rows=rows,
        notes=[
            f"medians of {rounds} rounds; Postgres on the same machine, with fsync at each commit; "
            "SQLite in WAL, NORMAL, which syncs at checkpoints only",
        ],
    )


async def measure(figures: Figures, server: Postgres | None, runs: int, seconds: float) -> None:
    """Make one round."""
    provider = PacedProvider()
    commits: list[Commit] = []
    url = None if server is None else server.url(server.create_database())
    async with _service(provider, url) as service:
        threads = await make_threads(service, runs)
        follower = await LocalFollower.start(service, threads)
        await start_runs(service, threads)
        await asyncio.sleep(min(1.0, seconds))
        service.store.observe(commits.append)
        gc.collect()
        first, before_s = len(provider.times), (time.process_time(), _cpu_s(server))
        commits.clear()
        await asyncio.sleep(seconds)
        window = range(first, len(provider.times))
        taken = list(commits)
        ours_s, its_s = time.process_time() - before_s[0], _cpu_s(server) - before_s[1]
        provider.is_paused = True
        await asyncio.sleep(0.5)
        found = dict((await follower.stop())["received"])
    ages = [(found[mark] - provider.times[mark]) / 1e9 for mark in window]
    figures.reader_s.append((percentile(ages, 0.5), percentile(ages, 0.99)))
    spent = [commit.seconds for commit in taken]
    figures.commit_s.append((percentile(spent, 0.5), percentile(spent, 0.99)))
    figures.a_commit.append(sum(commit.events for commit in taken) / len(taken))
    figures.cpu_us.append(ours_s / len(window) * 1e6)
    figures.postgres_us.append(its_s / len(window) * 1e6)


def _cpu_s(server: Postgres | None) -> float:
    return 0.0 if server is None else cpu_s(server.pid, family=True)


@asynccontextmanager
async def _service(provider: PacedProvider, url: str | None) -> AsyncIterator[Service]:
    with tempfile.TemporaryDirectory(prefix="chat-stream-bench-") as folder:
        settings = {} if url is None else {"database_url": url}
        service = Service(settings_for(Path(folder), **settings), registry=Registry([provider]))
        await service.start()
        try:
            yield service
        finally:
            await service.stop()


def _row(runs: int, sqlite: Figures, postgres: Figures) -> list[str]:
    def both(name: str, place: int) -> tuple[float, float]:
        ours, theirs = (
            statistics.median(pair[place] for pair in getattr(side, name))
            for side in (sqlite, postgres)
        )
        return ours, theirs

    commit, late, reader, late_reader = (
        both("commit_s", 0), both("commit_s", 1), both("reader_s", 0), both("reader_s", 1)
    )  # fmt: skip
    cpu = [statistics.median(side.cpu_us) for side in (sqlite, postgres)]
    its = statistics.median(postgres.postgres_us)
    return [
        str(runs),
        *(times(pair[1] / pair[0]) for pair in (commit, late, reader)),
        times(cpu[1] / cpu[0]),
        *(f"{ms(commit[side])} / {ms(late[side])}" for side in (0, 1)),
        *(f"{ms(reader[side])} / {ms(late_reader[side])}" for side in (0, 1)),
        f"{cpu[0]:.0f}",
        f"{cpu[1]:.0f} + {its:.0f}",
    ]
