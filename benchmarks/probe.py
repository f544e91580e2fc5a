"""An extension of the measured server that measures it from inside: its loop's lag, its threads.

``GET api/benchmark`` gives what was found since the last time: how late a callback of the event
loop was that should have run every ``STEP_S``, how long each garbage collection of the oldest
generation took (all threads stand still in it), and how much CPU each thread has taken so far.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import tornado.web
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join

STEP_S = 0.01
OLDEST = 2


class Probe:
    """Looks every ``STEP_S`` how late it looks."""

    def __init__(self) -> None:
        self.lags_s: list[float] = []
        self.collections_s: list[float] = []
        self._collecting_s = 0.0
        gc.callbacks.append(self._note_collection)

    def begin(self) -> None:
        """Look again and again, as long as the loop runs."""
        loop = asyncio.get_running_loop()
        self._look(loop, loop.time())

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        self.lags_s.append(now - due)
        loop.call_at(now + STEP_S, self._look, loop, now + STEP_S)

    def _note_collection(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] < OLDEST:
            return
        now = time.perf_counter()
        if phase == "stop":
            self.collections_s.append(now - self._collecting_s)
        self._collecting_s = now

    def take(self) -> dict[str, Any]:
        """Return what was found, and begin anew."""
        found = {"lags_s": self.lags_s, "collections_s": self.collections_s}
        self.lags_s, self.collections_s = [], []
        return {**found, "threads_cpu_s": threads_cpu_s()}


def threads_cpu_s() -> dict[str, float]:
    """Return the CPU time of this process's threads by name, those of one kind together."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    found: dict[str, float] = defaultdict(float)
    for task in Path("/proc/self/task").iterdir():
        name = names.get(int(task.name), "others")
        fields = (task / "stat").read_text("ascii").rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        found[name.rstrip("0123456789").rstrip("_-")] += ticks / os.sysconf("SC_CLK_TCK")
    return dict(found)


class ProbeHandler(APIHandler):
    """Return what the probe has found."""

    @tornado.web.authenticated
    def get(self) -> None:
        self.finish(json.dumps(self.settings["benchmark_probe"].take()))


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "benchmarks.probe"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    probe = server.web_app.settings["benchmark_probe"] = Probe()
    path = url_path_join(server.base_url, "api/benchmark")
    server.web_app.add_handlers(".*$", [(path, ProbeHandler)])
    server.io_loop.add_callback(probe.begin)
