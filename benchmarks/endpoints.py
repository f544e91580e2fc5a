"""(p) The list of models while endpoints are dead, and everything else meanwhile.

A dead endpoint accepts connections and never answers, as a server that hangs does: that is worse
than a port at which nobody listens. A real Jupyter server is asked for its models, first and again,
while a client asks it for threads without a pause.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tornado.httpclient import AsyncHTTPClient

from jupyter_chat_stream.providers.registry import Registry

from .processes import TOKEN
from .report import Section, ms, percentile, times
from .server import running_server

DEAD = 3
HEADERS = {"Authorization": f"token {TOKEN}"}
GOAL_S = 2.2
SAMPLES = 200  # requests for threads in each round, at least


@dataclass(kw_only=True)
class Asked:
    """What was measured of one server, in seconds."""

    models_s: list[float] = field(default_factory=list)
    again_s: list[float] = field(default_factory=list)
    threads_s: list[float] = field(default_factory=list)
    errors: int = 0


def run(*, quick: bool = False) -> Section:
    """Ask a server without dead endpoints, and one with three of them."""
    found = {count: asyncio.run(_measure(count, 1 if quick else 5)) for count in (0, DEAD)}
    for count, asked in found.items():
        assert asked.errors == count, f"{asked.errors} of {count} dead endpoints are listed"
    rows = [["dead endpoints", "models, worst s", "asked again, worst s", *_heads()]]
    usual = percentile(found[0].threads_s, 0.5)
    for count, asked in found.items():
        half = percentile(asked.threads_s, 0.5)
        spent = f"{ms(half)} / {ms(percentile(asked.threads_s, 0.99))}"
        worst = (f"{max(each):.2f}" for each in (asked.models_s, asked.again_s))
        rows.append([str(count), *worst, times(half / usual), spent])
    return Section(
        name="p",
        title="the list of models with dead endpoints",
        goal=f"{GOAL_S} s at most, and other requests as without them",
        rows=rows,
        notes=[
            "each dead endpoint accepts connections and never answers; it is listed as such",
            "again: `GET models?refresh=1`, which asks all endpoints anew",
            "threads: `GET threads`, one after the other, while the models are asked for",
        ],
    )


def _heads() -> tuple[str, str]:
    return "threads meanwhile : without", "threads meanwhile, p50/p99 ms"


async def _measure(dead: int, rounds: int) -> Asked:
    asked = Asked()
    for _ in range(rounds):
        with _dead_endpoints(dead) as endpoints:
            registry = Registry(endpoints=endpoints)
            async with running_server(registry, default_model="demo/tour") as (url, _service):
                models = await _timed(url, "models", asked.models_s, asked)
                asked.errors = sum(bool(model.get("error")) for model in models["models"])
                await _timed(url, "models?refresh=1", asked.again_s, asked)
    return asked


async def _timed(url: str, path: str, into: list[float], asked: Asked) -> Any:
    """Time one request, and those for threads beside it."""
    started = time.perf_counter()
    models = asyncio.ensure_future(_get(url + path))
    models.add_done_callback(lambda _: into.append(time.perf_counter() - started))
    enough = len(asked.threads_s) + SAMPLES
    while not models.done() or len(asked.threads_s) < enough:
        began = time.perf_counter()
        await _get(url + "threads")
        asked.threads_s.append(time.perf_counter() - began)
    return await models


async def _get(address: str) -> Any:
    answer = await AsyncHTTPClient().fetch(address, headers=HEADERS, request_timeout=30)
    return json.loads(answer.body)


@contextmanager
def _dead_endpoints(count: int) -> Iterator[dict[str, object]]:
    """Listen without ever answering; gives the endpoints for the settings."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        yield {
            f"dead{number}": {"base_url": f"http://127.0.0.1:{each.getsockname()[1]}/v1"}
            for number, each in enumerate(listeners)
        }
    finally:
        for each in listeners:
            each.close()
