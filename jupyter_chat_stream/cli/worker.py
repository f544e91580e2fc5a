"""``worker``: a process that executes runs without a server, on any host."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ..shared.config import ChatStream
from ..shared.errors import DatabaseUnreadable
from .command import CliCommand, no_words
from .database import SCRATCH

MAX_ACTIVE_RUNS = 100  # more than a server's default: a worker has no other work
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Worker(CliCommand):
    """Executes runs until it is stopped."""

    name = "jupyter-chat-stream-worker"
    description = (
        "Execute the runs of the configured database, beside servers or instead of them (set "
        "--ChatStream.run_in_server=False there). Start one worker on each host; if one dies, "
        "another continues its runs. It ends on SIGTERM or Ctrl+C, and leaves unfinished runs to "
        f"the others. It executes {MAX_ACTIVE_RUNS} runs at a time, unless "
        "--ChatStream.max_active_runs is set."
    )
    examples = (
        "jupyter chat-stream worker --ChatStream.database_url=postgresql+psycopg://chat@db/chat\n"
        "jupyter chat-stream worker --ChatStream.metrics_port=9464"
    )

    def _log_level_default(self) -> int:
        return logging.INFO

    def run(self, settings: ChatStream, words: list[str]) -> int:
        no_words(words)
        refuse_scratch(settings)
        if "max_active_runs" not in settings.config.get("ChatStream", {}):
            settings.max_active_runs = MAX_ACTIVE_RUNS
        asyncio.run(work(settings))
        return 0


def refuse_scratch(settings: ChatStream) -> None:
    """Raise DatabaseUnreadable for a scratch database: only its own process can open it."""
    from ..store.front import parse_url

    url = parse_url(settings.resolved_database_url())
    if url.get_backend_name() == "sqlite" and url.database in SCRATCH:
        raise DatabaseUnreadable(
            "sqlite:// belongs to the server that made it, so a worker would have nothing to do. "
            "Name the servers' database with --ChatStream.database_url."
        )


async def work(settings: ChatStream) -> None:
    loop, stop_event = asyncio.get_running_loop(), asyncio.Event()
    with_signals = _on_signals(loop, stop_event.set)
    try:
        async with _working(settings) as words:
            print(f"ready: {words}", flush=True)
            await stop_event.wait()
    finally:
        for number in with_signals:
            loop.remove_signal_handler(number)


def _on_signals(
    loop: asyncio.AbstractEventLoop, end: Callable[[], None]
) -> tuple[signal.Signals, ...]:
    """Call ``end`` at the first signal; a second one ends the process."""

    def end_once() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        end()

    try:
        for number in _SIGNALS:
            loop.add_signal_handler(number, end_once)
    except NotImplementedError:  # Windows: Ctrl+C cancels the loop's task
        return ()
    return _SIGNALS


@asynccontextmanager
async def _working(settings: ChatStream) -> AsyncIterator[str]:
    """Execute runs during the block; yields a description of the worker."""
    from ..engine.executing import ExecutingEngine
    from ..metrics.serving import MetricsServer
    from ..providers.registry import Registry
    from ..service.subsystems import Subsystems
    from ..store.front import ChatStore

    store = ChatStore.open(
        settings.resolved_database_url(),
        synchronous=settings.synchronous,
        network_disk=settings.network_disk,
    )
    metrics = MetricsServer(settings)
    try:
        store.attach(asyncio.get_running_loop())
        metrics.start()
        registry = Registry(
            endpoints=settings.endpoints,
            find_local=settings.find_local_models,
            allowed=settings.allowed_models,
        )
        subsystems = Subsystems(settings, store, registry, kind="worker")
        await subsystems.start(warms=True)
        try:
            assert isinstance(subsystems.engine, ExecutingEngine)
            owner, max_runs = subsystems.engine.holder, settings.max_active_runs
            database = store.describe()["url"]
            yield f"worker {owner}, process {os.getpid()}, {max_runs} runs at a time, on {database}"
        finally:
            await subsystems.stop()
    finally:
        metrics.stop()
        store.close()
