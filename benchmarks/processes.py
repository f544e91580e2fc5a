"""Real processes to measure: Jupyter servers, workers, a Postgres, and the programs beside them.

Servers and workers are those of the fault tests, with the benchmarks' providers on their path and
the probe (probe.py) in the server. Every process ends with its ``async with``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.faults import harness, processes

from . import plugins, stamps

ROOT = Path(__file__).parents[1]
TOKEN = harness.TOKEN
PATIENCE_S = 120.0
LOOK_S = 0.05


class Server(harness.Server):
    """A Jupyter server with the chat and the probe. Its requests go over kept connections."""

    session: aiohttp.ClientSession

    def _arguments(self) -> list[str]:
        extensions = {"jupyter_chat_stream": True, "benchmarks.probe": True}
        given = [a for a in super()._arguments() if "jpserver_extensions" not in a]
        return [
            f"--ServerApp.jpserver_extensions={extensions}",
            "--ServerApp.log_level=ERROR",
            *given,
        ]

    @property
    def root(self) -> str:
        """The server's address, without the chat's part."""
        return self.url.removesuffix("api/chat-stream/")

    async def ask(self, method: str, path: str, body: Any = None, **given: Any) -> tuple[int, Any]:
        """Send one request; return status and JSON."""
        url = path if path.startswith("http") else self.url + path
        async with self.session.request(method, url, json=body) as response:
            raw = await response.read()
            return response.status, json.loads(raw) if raw else None

    async def probe(self) -> dict[str, Any]:
        """Return what the probe has found since the last time."""
        return dict(await self.get(self.root + "api/benchmark"))

    async def say(self, thread: str, **params: Any) -> dict[str, Any]:
        """Send a message whose answer is stamps; return ``{message, reply, run}``."""
        return await self.send(thread, "go", params=params)

    async def make_threads(self, count: int, model: str = stamps.MODEL) -> list[str]:
        """Create threads; return their ids."""
        return [await self.thread(model) for _ in range(count)]

    async def until_counted(self, wanted: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """Wait until the runs of each status are as wanted."""

        async def look() -> dict[str, int] | None:
            counts = (await self.get("status"))["runs"]
            return counts if wanted(counts) else None

        found = await processes.eventually(look, within_s=PATIENCE_S, what="runs")
        assert found is not None
        return found


class Place:
    """A folder with the processes that are started in it; all end with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        plugins.install(folder / "plugins")
        path = os.pathsep.join([str(ROOT), str(folder / "plugins")])
        self.environment = {**os.environ, "PYTHONPATH": path}
        self._running: list[processes.Process] = []

    async def server(
        self, session: aiohttp.ClientSession, *, name: str = "server", **settings: Any
    ) -> Server:
        """Start a server in a folder of its own; it answers."""
        folder = self.folder / name
        folder.mkdir()
        # of the demo: with a real default the SDK would be loaded while something is measured
        given = {"default_model": "demo/tour", "max_active_runs": 1000, **settings}
        made = Server(folder, self.environment, **given)
        made.session = session
        self._running.append(made)
        await made.start()
        return made

    async def workers(self, count: int, **settings: Any) -> list[processes.Worker]:
        """Start workers, all at once; they are ready."""
        made = []
        for _ in range(count):
            number = len(self._running)
            made.append(processes.Worker(self.folder, self.environment, number=number, **settings))
            self._running.append(made[-1])
            made[-1].spawn()
        return [await worker.ready() for worker in made]

    def close(self) -> None:
        """End all that still run."""
        for process in reversed(self._running):
            process.close()


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[tuple[Place, aiohttp.ClientSession]]:
    """Make a place for processes, and a session for requests to them."""
    made = Place(folder)
    headers = {"Authorization": f"token {TOKEN}"}
    try:
        async with aiohttp.ClientSession(headers=headers) as session:
            yield made, session
    finally:
        made.close()


class Helper:
    """A program beside the server (``benchmarks.NAME``) that is told what to do line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, name: str, told: dict[str, Any]) -> Helper:
        """Start it, and wait until it says that it has begun."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"benchmarks.{name}",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=512 * 1024 * 1024,
        )
        helper = cls(process)
        await helper._say(told)
        await helper._hear()
        return helper

    @property
    def pid(self) -> int:
        return self._process.pid

    async def stop(self) -> Any:
        """End the program; return its results."""
        await self._say("stop")
        found = await self._hear()
        await self._process.wait()
        return found

    async def _say(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
        await self._process.stdin.drain()

    async def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
        return json.loads(line)


def cpu_s(pid: int, *, family: bool = False) -> float:
    """Return the CPU time that a process has taken, or it and all it has started, so far."""
    process = psutil.Process(pid)
    return sum(map(_cpu_s, [process, *(process.children(recursive=True) if family else [])]))


def rss_mb(pid: int) -> float:
    """Return the memory a process has to itself (USS), in MB."""
    return float(psutil.Process(pid).memory_full_info().uss) / 1e6


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def ends(counts: dict[str, int]) -> int:
    """Return how many runs have ended."""
    words: Sequence[str] = ("completed", "failed", "cancelled", "interrupted")
    return sum(counts.get(word, 0) for word in words)
