"""(q) From the provider's chunk to the reader, with and without an upload on the same server.

One server, readers in another process, and a third process that uploads attachments of 20 MB one
after another, each of other bytes, as fast as the server takes them. The CPU of all three is told,
and what the commits took: a wait that is not CPU is the disk, or another process that has the core.
"""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import dataclass, field

from jupyter_chat_stream.service import Service
from jupyter_chat_stream.store.log.operations import Commit

from .load import PacedProvider, make_threads, start_runs
from .processes import TOKEN, Helper, cpu_s
from .report import Section, ms, percentile, times
from .server import running_server

PER_S = 20.0
GRACE_S = 1.5


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much of it; ``seconds`` is the length of one round."""

    runs: int
    upload_bytes: int
    seconds: float
    rounds: int


@dataclass(kw_only=True)
class Beside:
    """What the streams took, and the uploads meanwhile."""

    taken_s: list[float] = field(default_factory=list)
    uploads_s: list[float] = field(default_factory=list)
    commits_s: list[float] = field(default_factory=list)
    server_cpu_s: float = 0.0
    readers_cpu_s: float = 0.0
    uploader_cpu_s: float = 0.0
    seconds: float = 0.0
    missing: int = 0

    def row(self, name: str, other: Beside | None) -> list[str]:
        p50, p99, longest = (percentile(self.taken_s, share) for share in (0.5, 0.99, 1.0))
        ratio = "–" if other is None else times(p99 / percentile(other.taken_s, 0.99))
        uploads = "–"
        if self.uploads_s:
            uploads = f"{len(self.uploads_s)} / {percentile(self.uploads_s, 0.5):.2f} s"
        cpu = (self.server_cpu_s, self.readers_cpu_s, self.uploader_cpu_s)
        shares = " / ".join(f"{spent / self.seconds:.0%}" for spent in cpu)
        commits = f"{len(self.commits_s) / self.seconds:.0f} / {ms(max(self.commits_s))}"
        return [name, ratio, ms(p50), ms(p99), ms(longest), uploads, shares, commits]


def run(*, quick: bool = False) -> Section:
    """Measure without and with uploads, in turn."""
    size = Size(runs=100, upload_bytes=20 * 1024 * 1024, seconds=6.0, rounds=3)
    if quick:
        size = Size(runs=2, upload_bytes=1024 * 1024, seconds=0.5, rounds=1)
    alone, beside = asyncio.run(_run(size))
    notes = [
        f"{size.rounds} rounds of {size.seconds:g} s of each, in turn; a chunk counts as beside an "
        "upload if it was given while one was under way",
        f"of all chunks, {alone.missing + beside.missing} never came",
        "CPU is in shares of one core; a commit's time has its waits for the disk in it, and for "
        "checkpoints that cut the write-ahead log",
    ]
    head = [
        *("", "p99", "p50 ms", "p99 ms", "longest ms", "uploads / each, p50"),
        *("CPU server / readers / uploader", "commits a second / longest ms"),
    ]
    return Section(
        name="q",
        title=f"{size.runs} live streams × {PER_S:.0f}/s beside uploads of 20 MB",
        goal="chunk to reader below 50 ms at p99, beside an upload too",
        rows=[head, alone.row("streams alone", None), beside.row("beside uploads", alone)],
        notes=notes,
    )


async def _run(size: Size) -> tuple[Beside, Beside]:
    alone, beside = Beside(), Beside()
    provider = PacedProvider(chunks_per_s=PER_S)
    async with running_server(provider) as (url, service):
        threads = await make_threads(service, size.runs)
        told = {"url": url, "token": TOKEN}
        follower = await Helper.start("follower", {**told, "threads": threads})
        await start_runs(service, threads)
        await asyncio.sleep(1.0)
        gc.collect()
        windows: list[tuple[Beside, range, list[tuple[int, int]]]] = []
        for _ in range(size.rounds):
            windows.append((alone, await _watch(alone, size, provider, service, follower), []))
            uploader = await Helper.start("uploader", {**told, "bytes": size.upload_bytes})
            marks = await _watch(beside, size, provider, service, follower, uploader)
            windows.append((beside, marks, [tuple(one) for one in await uploader.stop()]))
        provider.is_paused = True
        await asyncio.sleep(GRACE_S)
        came_at = dict((await follower.stop())["received"])
    for found, marks, uploads in windows:
        _add(found, marks, uploads, provider.times, came_at)
    return alone, beside


async def _watch(
    found: Beside,
    size: Size,
    provider: PacedProvider,
    service: Service,
    follower: Helper,
    uploader: Helper | None = None,
) -> range:
    """Let one round pass; returns which chunks were given in it."""

    def note(commit: Commit) -> None:
        found.commits_s.append(commit.seconds)

    def spent() -> tuple[float, float, float]:
        uploads_s = 0.0 if uploader is None else cpu_s(uploader.pid)
        return time.process_time(), cpu_s(follower.pid), uploads_s

    first, before = len(provider.times), spent()
    service.store.core.observe(note)
    await asyncio.sleep(size.seconds)
    service.store.core.observe(lambda commit: None)
    server_s, readers_s, uploads_s = (now - then for now, then in zip(spent(), before, strict=True))
    found.server_cpu_s += server_s
    found.readers_cpu_s += readers_s
    found.uploader_cpu_s += uploads_s
    found.seconds += size.seconds
    return range(first, len(provider.times))


def _add(
    found: Beside,
    marks: range,
    uploads: list[tuple[int, int]],
    given: list[int],
    came_at: dict[int, int],
) -> None:
    found.uploads_s += [(end - began) / 1e9 for began, end in uploads]
    for mark in marks:
        if uploads and not any(began <= given[mark] <= end for began, end in uploads):
            continue
        if mark in came_at:
            found.taken_s.append((came_at[mark] - given[mark]) / 1e9)
        else:
            found.missing += 1
