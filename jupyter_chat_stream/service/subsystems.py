"""What a server or a worker consists of: the engine, housekeeping, the registry, metrics.

This module alone knows the order in which these subsystems start and stop. The process opens and
closes the store itself.
"""

from __future__ import annotations

import asyncio

from ..engine.base import Engine
from ..engine.holders import HolderKind
from ..engine.local import LocalEngine
from ..engine.procrastinate import Queue, QueueWorker
from ..following.hub import Hub
from ..following.watching import Watchers
from ..metrics import collector
from ..metrics.watch import ServiceWatch
from ..providers.registry import Registry
from ..runs.services import RunServices
from ..runs.tools.registry import make_server_tools
from ..shared.config import ChatStream
from ..store.front import ChatStore


class Subsystems:
    """What a worker and a server both have."""

    def __init__(
        self,
        config: ChatStream,
        store: ChatStore,
        registry: Registry,
        *,
        kind: HolderKind,
        hub: Hub | None = None,
    ) -> None:
        self.store = store
        self.registry = registry
        self.server_tools = make_server_tools(config)
        services = RunServices(
            store=store, registry=registry, config=config, tools=self.server_tools
        )
        self.tokens = services.tokens
        self.engine = _make_engine(services, kind)
        self.housekeeping = store.housekeeping(config)
        self.watch = ServiceWatch(
            store=store,
            engine=self.engine,
            registry=registry,
            hub=hub,
            housekeeping=self.housekeeping,
            tool_expires_s=config.tool_expires_s,
        )
        self._executes = kind == "worker" or config.run_in_server
        self._warming: asyncio.Task[None] | None = None

    async def start(self, *, warms: bool) -> None:
        """Start the engine, and housekeeping if the process executes runs.

        If the engine does not start, everything is stopped again.

        Args:
            warms: whether a process that executes runs imports the SDKs of the providers now.
        """
        # Without an engine, a notice tells a worker on the same file of due runs.
        if self._executes or not self.store.is_sqlite:
            try:
                await self.engine.start()
            except BaseException:  # also if the start was cancelled
                await self.stop()
                raise
        collector.expose(self.watch)
        if self._executes:
            self.housekeeping.start()
            if warms:
                self._warming = asyncio.get_running_loop().create_task(self.registry.warm())

    async def stop(self) -> None:
        """Stop everything; runs that have not ended stay due."""
        collector.withdraw(self.watch)  # first: a stop that is cancelled must not leave it there
        await self._stop_following()
        await self.watch.close()
        await self.housekeeping.stop()
        await self.engine.stop()
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        await self.server_tools.close()
        await self.registry.close()

    async def _stop_following(self) -> None:
        """Stop looking for events of other processes: a worker has no readers to show them to."""


class ServerSubsystems(Subsystems):
    """The subsystems of a server: also those that serve its readers."""

    def __init__(self, config: ChatStream, store: ChatStore, registry: Registry) -> None:
        self.hub = Hub(store, poll_interval_s=config.poll_interval_s)
        self.watchers = Watchers(store, poll=self.hub.poll)
        super().__init__(config, store, registry, kind="server", hub=self.hub)

    async def _stop_following(self) -> None:
        await self.hub.stop()


def _make_engine(services: RunServices, kind: HolderKind) -> Engine:
    """Make an engine that executes runs here, or one that calls the workers."""
    config = services.config
    if services.store.is_sqlite or (kind == "server" and config.run_in_server):
        return LocalEngine(services, config, kind=kind)
    return QueueWorker(services, config) if kind == "worker" else Queue(services, config)
