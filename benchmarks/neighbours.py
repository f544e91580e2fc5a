"""(k) Two servers on one database: what runs in one, read in the other.

One process reads every thread at both servers, so the same chunk's two ways are compared: to the
readers of the server where it was committed, and to those of its neighbour.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.postgres import Postgres

from .processes import TOKEN, Helper, ends, place
from .report import Section, ms, percentile

THREADS = 10
PER_S = 10.0


def run(*, quick: bool = False) -> Section:
    """Measure on one file, and on one Postgres."""
    seconds = 2.0 if quick else 20.0
    rows = [["database", "its own readers, p50/p99/max ms", "the neighbour's readers",
             "the neighbour's later by"]]  # fmt: skip
    for name in ("SQLite",) if quick else ("SQLite", "Postgres"):
        rows.append([name, *asyncio.run(measure(name, seconds))])
    return Section(
        name="k",
        title=f"a chunk to readers at another server, {THREADS} runs × {PER_S:.0f}/s",
        goal="the neighbour's readers have it within 50 ms",
        rows=rows,
        notes=[
            "from the provider's giving the chunk; both servers and the readers share the cores"
        ],
    )


async def measure(database: str, seconds: float) -> list[str]:
    """Make one round."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-stream-bench-")))
        url = f"sqlite:///{folder / 'chat.db'}"
        if database == "Postgres":
            server = stack.enter_context(Postgres())
            url = server.url(server.create_database())
        async with place(folder) as (here, session):
            mine = await here.server(session, name="mine", database_url=url)
            other = await here.server(session, name="other", database_url=url)
            threads = await mine.make_threads(THREADS)
            told = {"urls": [mine.url, other.url], "token": TOKEN, "threads": threads}
            readers = await Helper.start("readers", told)
            for number, thread in enumerate(threads):
                count, phase = int(PER_S * seconds), number / THREADS
                await mine.say(thread, chunks=count, per_s=PER_S, phase=phase)
            await mine.until_counted(lambda runs: ends(runs) == THREADS)
            await asyncio.sleep(1.0)  # what was given at the end has come by then
            sockets: list[dict[str, Any]] = (await readers.stop())["sockets"]
    own, foreign = (dict(map(tuple, one["ages"])) for one in sockets)
    assert len(own) == len(foreign) == THREADS * int(PER_S * seconds), "chunks were lost"
    later = [age - own[mark] for mark, age in foreign.items()]
    return [_spread(values) for values in (list(own.values()), list(foreign.values()), later)]


def _spread(values: list[float]) -> str:
    return " / ".join(ms(percentile(values, share)) for share in (0.5, 0.99, 1.0))
