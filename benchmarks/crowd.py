"""(g) Many runs on one server, three readers each, and a kernel's echo beside them.

A real Jupyter server; the readers are one process with three sockets, each of which follows every
thread; another process executes ``1`` in a kernel, through the same server, before, while and
after. All of them share the machine's cores, so what the others take is said too, and a second
echo goes through a server of its own that is idle: as much slower would any program beside it be.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.postgres import Postgres

from .processes import TOKEN, Helper, Place, Server, cpu_s, ends, place
from .readers import digest
from .report import Section, ms, percentile, times

READERS = 3
PER_S = 20.0

Echoes = list[tuple[int, float, bool]]  # when, how long, and whether prompt (echo.py)


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much of it; ``quiet_s`` is what the echo gets for itself, before and after."""

    runs: int
    seconds: float
    quiet_s: float


@dataclass(kw_only=True)
class Found:
    """What one round brought."""

    lags_s: list[float]
    collections_s: list[float]  # of the oldest garbage
    quiet_lags_s: list[float]
    echoes: Echoes
    others: Echoes  # those through the idle server
    loaded_ns: tuple[int, int]
    busy_ns: tuple[int, int]  # from the first message to the last end
    shares: dict[str, float]  # of a core, while loaded
    sockets: list[dict[str, Any]]
    answers: dict[str, str]  # of each thread, its digest

    def echo_s(self, echoes: Echoes, *, loaded: bool, prompt: bool) -> list[float]:
        """Return how long the echoes took that were sent under load, or that were not."""
        first, end = self.loaded_ns if loaded else self.busy_ns
        return [
            taken
            for at, taken, is_prompt in echoes
            if (first <= at < end) == loaded and is_prompt == prompt
        ]

    def ages_s(self) -> list[float]:
        return [age for one in self.sockets for _, age in one["ages"]]

    def wrong(self) -> int:
        """Count the readers that do not have exactly the answer, or saw trouble."""
        return sum(
            reader["digests"] != [self.answers[reader["thread"]]]
            or reader["statuses"] != ["completed"]
            or reader["trouble"] is not None
            for one in self.sockets
            for reader in one["readers"]
        )


def run(*, quick: bool = False) -> Section:
    """Measure on SQLite and on Postgres."""
    load = Load(runs=200, seconds=60.0, quiet_s=20.0)
    if quick:
        load = Load(runs=4, seconds=2.0, quiet_s=1.0)
    rows = [["", "chunk → reader p50/p99/max ms", "loop lag p50/p99/max ms", "echo's slowdown, p50",
             "p99", "echo without, p50/p99 ms", "with", "readers wrong"]]  # fmt: skip
    notes = []
    for name in ("SQLite",) if quick else ("SQLite", "Postgres"):
        found = asyncio.run(measure(load, name))
        rows.append(_row(name, found))
        notes += _notes(name, load, found)
    return Section(
        name="g",
        title=f"{load.runs} runs × {PER_S:.0f} chunks/s for {load.seconds:.0f} s, "
        f"{READERS} readers each, one server",
        goal="nothing lost; a kernel's echo slower by at most 20 %",
        rows=rows,
        notes=notes,
    )


async def measure(load: Load, database: str) -> Found:
    """Make one round."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-stream-bench-")))
        settings, others = {}, {}
        if database == "Postgres":
            server = stack.enter_context(Postgres())
            settings["database_url"] = server.url(server.create_database())
            others["Postgres"] = server.pid
        async with place(folder) as (here, session):
            return await _round(load, here, session, settings, others)


async def _round(
    load: Load,
    here: Place,
    session: aiohttp.ClientSession,
    settings: dict[str, Any],
    others_pids: dict[str, int],
) -> Found:
    server = await here.server(session, **settings)
    idle = await here.server(session, name="idle")
    threads = await server.make_threads(load.runs)
    echo, other = [
        await Helper.start("echo", {"url": one.root, "token": TOKEN}) for one in (server, idle)
    ]
    told = {"urls": [server.url] * READERS, "token": TOKEN, "threads": threads}
    readers = await Helper.start("readers", told)
    watched = {**others_pids, "server": server.pid or 0, "readers": readers.pid, "echo": echo.pid}
    (kernel,) = psutil.Process(server.pid).children()
    watched["kernel"] = kernel.pid
    await server.probe()
    await asyncio.sleep(load.quiet_s)
    quiet = await server.probe()
    count = int(PER_S * load.seconds)
    began_ns = time.monotonic_ns()
    for number, thread in enumerate(threads):
        phase = number / len(threads)
        await server.say(thread, chunks=count, per_s=PER_S, phase=phase)
    window = await _window(server, watched, load.seconds * 0.9)
    await server.until_counted(lambda runs: ends(runs) == load.runs)
    busy_ns = (began_ns, time.monotonic_ns())
    await asyncio.sleep(load.quiet_s)
    echoes, others = await echo.stop(), await other.stop()
    sockets = (await readers.stop())["sockets"]
    answers = {thread: await _answer(server, thread) for thread in threads}
    return Found(quiet_lags_s=quiet["lags_s"], echoes=echoes, others=others, busy_ns=busy_ns,
                 sockets=sockets, answers=answers, **window)  # fmt: skip


async def _window(server: Server, watched: dict[str, int], seconds: float) -> dict[str, Any]:
    """Look at the server and the machine while everything flows."""
    threads = (await server.probe())["threads_cpu_s"]
    before = {name: cpu_s(pid, family=name == "Postgres") for name, pid in watched.items()}
    began_ns = time.monotonic_ns()
    await asyncio.sleep(seconds)
    end_ns = time.monotonic_ns()
    probed = await server.probe()
    taken_s = (end_ns - began_ns) / 1e9
    shares = {
        name: (cpu_s(pid, family=name == "Postgres") - before[name]) / taken_s
        for name, pid in watched.items()
    }
    for name, thread_s in probed["threads_cpu_s"].items():
        share = (thread_s - threads.get(name, 0.0)) / taken_s
        if share >= 0.01:
            shares[f"server's {name}"] = share
    found = {name: probed[name] for name in ("lags_s", "collections_s")}
    return {**found, "loaded_ns": (began_ns, end_ns), "shares": shares}


async def _answer(server: Server, thread: str) -> str:
    state = await server.get(f"threads/{thread}/messages")
    return digest(state["messages"][-1]["content"])


def _row(name: str, found: Found) -> list[str]:
    readers = [reader for one in found.sockets for reader in one["readers"]]
    return [
        name,
        _spread(found.ages_s()),
        _spread(found.lags_s),
        *_slowdown(found, found.echoes, prompt=True),
        f"{found.wrong()} of {len(readers)}",
    ]


def _slowdown(found: Found, echoes: Echoes, *, prompt: bool) -> list[str]:
    """Return the echo's two ratios, p50 and p99, and the times behind them."""
    sides = [found.echo_s(echoes, loaded=loaded, prompt=prompt) for loaded in (False, True)]
    spreads = [[percentile(side, share) for share in (0.5, 0.99)] for side in sides]
    ratios = [times(with_ / without) for without, with_ in zip(*spreads, strict=True)]
    return [*ratios, *("/".join(map(ms, spread)) for spread in spreads)]


def _spread(values: list[float]) -> str:
    return " / ".join(ms(percentile(values, share)) for share in (0.5, 0.99, 1.0))


def _notes(name: str, load: Load, found: Found) -> list[str]:
    shares = ", ".join(f"{what} {share * 100:.0f} %" for what, share in found.shares.items())
    stamps = len(found.ages_s())
    given = int(PER_S * load.seconds) * load.runs
    frames = sum(one["frames"] for one in found.sockets)
    usual = _slowdown(found, found.echoes, prompt=False)
    idle = _slowdown(found, found.others, prompt=True)
    return [
        f"{name}: {given} chunks given, {stamps / READERS:.0f} came to each of {READERS} "
        f"sockets, in {frames} frames",
        f"{name}, of a core while loaded: {shares}",
        f"{name}, echo through another server, which is idle: p50 {idle[0]}, p99 {idle[1]}, "
        f"without {idle[2]}, with {idle[3]} ms",
        f"{name}, echo of a client that holds its acknowledgements back for 40 ms, as most do: "
        f"p50 {usual[0]}, p99 {usual[1]}, without {usual[2]}, with {usual[3]} ms",
        f"{name}: {len(found.collections_s)} collections of old garbage under load, the longest "
        f"{ms(max(found.collections_s, default=0.0))} ms",
        f"{name}: loop lag without load {_spread(found.quiet_lags_s)} ms",
    ]
