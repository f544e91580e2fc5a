"""What a server or a worker starts and stops, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.engine.holders import HolderKind
from jupyter_chat_stream.engine.local import LocalEngine
from jupyter_chat_stream.engine.procrastinate import Queue, QueueWorker
from jupyter_chat_stream.metrics import collector
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.service.subsystems import ServerSubsystems, Subsystems
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import StoreError
from jupyter_chat_stream.store.front import ChatStore
from jupyter_chat_stream.testing import ScriptedProvider

FOLLOWING = ["hub.stop"]
STOPPED = [
    "watch.close",
    "housekeeping.stop",
    "engine.stop",
    "server_tools.close",
    "registry.close",
]

Make = Callable[..., Subsystems]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make the subsystems of a server or a worker, on SQLite unless an address is given."""
    stores: list[ChatStore] = []

    def make(kind: HolderKind, url: str | None = None, *, run_in_server: bool = True) -> Subsystems:
        url = url or f"sqlite:///{tmp_path / 'chat.db'}"
        config = ChatStream(database_url=url, run_in_server=run_in_server)
        store = ChatStore.open(url)
        store.attach(asyncio.get_running_loop())
        stores.append(store)
        registry = Registry([ScriptedProvider()])
        if kind == "server":
            return ServerSubsystems(config, store, registry)
        return Subsystems(config, store, registry, kind=kind)

    yield make
    for store in stores:
        store.close()


def record(subsystems: Subsystems, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each start and stop of a subsystem, instead of making it."""
    steps: list[str] = []

    def note(name: str) -> Callable[..., Any]:
        async def step() -> None:
            steps.append(name)

        return step

    for name in ("engine.start", *STOPPED, "registry.warm", *FOLLOWING):
        owner, method = name.split(".")
        if hasattr(subsystems, owner):
            monkeypatch.setattr(getattr(subsystems, owner), method, note(name))
    monkeypatch.setattr(
        subsystems.housekeeping, "start", lambda: steps.append("housekeeping.start")
    )
    monkeypatch.setattr(collector, "expose", lambda watch: steps.append("expose"))
    monkeypatch.setattr(collector, "withdraw", lambda watch: steps.append("withdraw"))
    return steps


@pytest.mark.parametrize("kind", ["server", "worker"])
async def test_a_process_that_executes_runs_starts_and_stops_in_this_order(
    make: Make, kind: HolderKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    subsystems = make(kind)
    steps = record(subsystems, monkeypatch)
    await subsystems.start(warms=True)
    await asyncio.sleep(0)
    assert steps == ["engine.start", "expose", "housekeeping.start", "registry.warm"]
    steps.clear()
    await subsystems.stop()
    assert steps == ["withdraw", *(FOLLOWING if kind == "server" else ()), *STOPPED]


async def test_a_server_without_runs_on_sqlite_starts_no_engine_and_no_housekeeping(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    subsystems = make("server", run_in_server=False)
    steps = record(subsystems, monkeypatch)
    await subsystems.start(warms=True)
    await asyncio.sleep(0)
    assert steps == ["expose"]


async def test_a_server_without_runs_on_postgres_calls_the_workers(
    make: Make, prepared_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subsystems = make("server", prepared_postgres_url, run_in_server=False)
    steps = record(subsystems, monkeypatch)
    await subsystems.start(warms=True)
    await asyncio.sleep(0)
    assert steps == ["engine.start", "expose"]
    assert type(subsystems.engine) is Queue


async def test_models_are_imported_later_if_they_are_not_to_be_warmed(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    subsystems = make("server")
    steps = record(subsystems, monkeypatch)
    await subsystems.start(warms=False)
    await asyncio.sleep(0)
    assert "registry.warm" not in steps


async def test_imports_that_take_long_end_with_the_process(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    subsystems = make("server")
    record(subsystems, monkeypatch)
    ended = asyncio.Event()

    async def warm() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(subsystems.registry, "warm", warm)
    await subsystems.start(warms=True)
    await asyncio.sleep(0)
    await subsystems.stop()
    assert ended.is_set()


@pytest.mark.parametrize("kind", ["server", "worker"])
async def test_an_engine_that_does_not_start_takes_everything_with_it(
    make: Make, kind: HolderKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    subsystems = make(kind)
    steps = record(subsystems, monkeypatch)

    async def refuse() -> None:
        raise StoreError("refused by the test")

    monkeypatch.setattr(subsystems.engine, "start", refuse)
    with pytest.raises(StoreError, match="refused"):
        await subsystems.start(warms=True)
    assert steps == ["withdraw", *(FOLLOWING if kind == "server" else ()), *STOPPED]


async def test_each_process_has_its_engine(make: Make, prepared_postgres_url: str) -> None:
    for kind in ("server", "worker"):
        engine = make(kind).engine
        assert isinstance(engine, LocalEngine)
        assert engine._kind == kind
    assert type(make("server", prepared_postgres_url).engine) is LocalEngine
    assert type(make("worker", prepared_postgres_url).engine) is QueueWorker


async def test_each_count_of_a_server_has_its_metric_and_no_other(make: Make) -> None:
    """A count that was renamed in one place only would be served as 0."""
    assert set(make("server").watch.counts()) == set(collector.COUNT_HELP)
