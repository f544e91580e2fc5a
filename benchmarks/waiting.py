"""(i) What a thousand waiting runs cost a server: beside the same server with none.

Questions nobody has answered, sleeps until tomorrow and messages for tomorrow, mixed. The two
servers are measured over the same seconds; before that both are started anew, so that nothing of
making the runs is in it. Memory is what a process has to itself (USS).
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.postgres import Postgres

from .processes import Server, cpu_s, place, rss_mb
from .report import Section

SETTLED_S = 5.0
TOMORROW = timedelta(days=1)
MAX_LATER = 100


@dataclass(frozen=True, kw_only=True)
class Found:
    """Of one server: CPU of a core (its Postgres's apart), and memory."""

    share: float
    postgres_share: float
    mb: float


def run(*, quick: bool = False) -> Section:
    """Measure on both databases."""
    count, seconds = (20, 1.0) if quick else (1000, 60.0)
    rows = [["database", "added, of a core", "added MB", "with: of a core", "MB",
             "without: of a core", "MB", "Postgres added, of a core"]]  # fmt: skip
    for name in ("SQLite",) if quick else ("SQLite", "Postgres"):
        with_, without = asyncio.run(measure(name, count, seconds))
        rows.append(
            [
                name,
                f"**{(with_.share - without.share) * 100:.2f} %**",
                f"**{with_.mb - without.mb:.1f}**",
                *(cell for one in (with_, without) for cell in _cells(one)),
                "" if name == "SQLite" else _percent(with_.postgres_share - without.postgres_share),
            ]
        )
    return Section(
        name="i",
        title=f"a server with {count} waiting runs, over {seconds:.0f} s",
        goal="less than 1 % of a core and 20 MB more than with none",
        rows=rows,
        notes=["half of them questions, a tenth messages for later, the rest sleeps"],
    )


async def measure(database: str, count: int, seconds: float) -> tuple[Found, Found]:
    """Make one round; return the server with runs that wait, and the one without."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-stream-bench-")))
        postgres: list[Postgres] = []
        settings: list[dict[str, str]] = [{}, {}]
        if database == "Postgres":
            postgres = [stack.enter_context(Postgres()) for _ in settings]
            settings = [{"database_url": one.url(one.create_database())} for one in postgres]
        async with place(folder) as (here, session):
            servers = [
                await here.server(session, name=f"server-{number}", **given)
                for number, given in enumerate(settings)
            ]
            await make_wait(servers[0], count)
            for server in servers:
                server.kill()
                await server.start()
                await server.get("models")
            await asyncio.sleep(SETTLED_S)
            pids = [server.pid or 0 for server in servers]
            before = [cpu_s(pid) for pid in pids], [_cpu_s(one) for one in postgres]
            began = time.monotonic()
            await asyncio.sleep(seconds)
            after = [cpu_s(pid) for pid in pids], [_cpu_s(one) for one in postgres]
            taken_s = time.monotonic() - began
            memory = [rss_mb(pid) for pid in pids]
            counts = await servers[0].get("status")
    assert counts["runs"].get("waiting") == count, counts
    shares = [(b - a) / taken_s for a, b in zip(before[0], after[0], strict=True)]
    theirs = [(b - a) / taken_s for a, b in zip(before[1], after[1], strict=True)] or [0.0, 0.0]
    found = [
        Found(share=share, postgres_share=its, mb=mb)
        for share, its, mb in zip(shares, theirs, memory, strict=True)
    ]
    return found[0], found[1]


def _cpu_s(postgres: Postgres) -> float:
    return cpu_s(postgres.pid, family=True)


async def make_wait(server: Server, count: int) -> None:
    """Make runs that wait for a person, for a time, or to be delivered."""
    later = (datetime.now(UTC) + TOMORROW).isoformat()
    asks = count // 2
    sleeps = count - asks - min(MAX_LATER, count // 10)  # one user may have so many for later
    for number in range(count):
        if number < asks:
            thread = await server.thread("demo/ask")
            await server.send(thread, "ask", params={"chars_per_second": 0})
        elif number < asks + sleeps:
            thread = await server.thread("demo/wait")
            params = {"wait_s": TOMORROW.total_seconds(), "chars_per_second": 0}
            await server.send(thread, "wait", params=params)
        else:
            await server.send(await server.thread("demo/echo"), "later", deliver_at=later)
    await server.until_counted(lambda runs: runs.get("waiting") == count)


def _cells(one: Found) -> tuple[str, str]:
    return _percent(one.share), f"{one.mb:.1f}"


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"
