"""(j) From sending a message to the provider's first call.

By HTTP from another process, on a kept connection; the provider's first stamp is the moment of its
call, by the clock that all processes here share. The three ways take turns, message by message.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path

from tests.postgres import Postgres

from .processes import Server, place
from .report import Section, ms, percentile
from .stamps import WIDTH, age_s

PAUSE_S = 0.03
THREADS = 20


def run(*, quick: bool = False) -> Section:
    """Measure local on both databases, and through a worker."""
    sends = 5 if quick else 200
    with Postgres() as server:
        found = asyncio.run(measure(server, sends))
    rows = [["way", "p50/p99 ms", "goal, p50", "the answer to the send, p50/p99 ms"]]
    for way, (starts, answers) in found.items():
        goal = "30 ms" if "worker" in way else "15 ms"
        rows.append([way, _spread(starts), goal, _spread(answers)])
    return Section(
        name="j",
        title=f"from a send to the provider's first call, {sends} sends each",
        goal="p50 at most 15 ms where the server runs it, 30 ms through a worker",
        rows=rows,
        notes=["the three ways take turns, in one run; Postgres with fsync"],
    )


async def measure(postgres: Postgres, sends: int) -> dict[str, tuple[list[float], list[float]]]:
    """Send in turn; return how long each start took, and each answer to the send."""
    urls = [postgres.url(postgres.create_database()) for _ in range(2)]
    with tempfile.TemporaryDirectory(prefix="chat-stream-bench-") as folder:
        async with place(Path(folder)) as (here, session):
            servers = {
                "SQLite, in the server": await here.server(session, name="sqlite"),
                "Postgres, in the server": await here.server(
                    session, name="postgres", database_url=urls[0]
                ),
                "Postgres, through a worker": await here.server(
                    session, name="queue", database_url=urls[1], run_in_server=False
                ),
            }
            await here.workers(1, database_url=urls[1])
            found: dict[str, tuple[list[float], list[float]]] = {way: ([], []) for way in servers}
            threads = {way: await one.make_threads(THREADS) for way, one in servers.items()}
            pauses = random.Random(7)
            for number in range(-THREADS, sends):  # the first ones warm everything up
                for way, server in servers.items():
                    started = await _start(server, threads[way][number % THREADS])
                    if number >= 0:
                        for values, value in zip(found[way], started, strict=True):
                            values.append(value)
                    await asyncio.sleep(PAUSE_S * pauses.uniform(0.5, 1.5))
    return found


async def _start(server: Server, thread: str) -> tuple[float, float]:
    sent_ns = time.monotonic_ns()
    made = await server.say(thread)
    answered_s = (time.monotonic_ns() - sent_ns) / 1e9
    await server.until_run(made["run"]["id"], ("completed",))
    called = (await server.message(thread, made["run"]["id"]))["content"][:WIDTH]
    now_ns = time.monotonic_ns()
    return (now_ns - sent_ns) / 1e9 - age_s(called, now_ns), answered_s


def _spread(values: list[float]) -> str:
    return f"{ms(percentile(values, 0.5))} / {ms(percentile(values, 0.99))}"
