"""The life of the service: it opens the database and starts the engine, and ends both.

The service's chapters (threads, messages, following, ...) build on this module. Each command
checks its input, then does its work in one transaction, and raises the errors of the store's verb.
``owner`` is the person who asks, as the server has identified them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ..providers.registry import Registry
from ..providers.slow_work import in_own_thread
from ..shared.config import ChatStream
from ..shared.errors import ChatStreamError, InvalidInput, StoreError
from ..shared.model_records import EndpointRecord, ModelRecord
from ..store.front import ChatStore, system_now_ms
from .subsystems import ServerSubsystems

FALLBACK_MODEL = "demo/tour"


class ServiceBase:
    """The base of every chapter. ``start`` opens the database; ``stop`` closes it."""

    def __init__(
        self,
        config: ChatStream,
        *,
        registry: Registry | None = None,
        now_ms: Callable[[], int] = system_now_ms,
    ) -> None:
        self.config = config
        self._registry = registry
        self._now_ms = now_ms
        self._subsystems: ServerSubsystems | None = None
        self._default_model = config.default_model or FALLBACK_MODEL

    async def start(self) -> None:
        """Open the database, and execute due runs from then on.

        Raises:
            StoreError: the database cannot be used; it was left as it is.
        """
        url = self.config.resolved_database_url()
        store = await in_own_thread(
            lambda: ChatStore.open(
                url,
                synchronous=self.config.synchronous,
                network_disk=self.config.network_disk,
                is_light=not self.config.run_in_server,
                now_ms=self._now_ms,
            )
        )
        try:
            store.attach(asyncio.get_running_loop())
            registry = self._registry
            if registry is None:
                registry = await in_own_thread(self._load_registry)
            self._default_model = self._choose_default(registry)
            subsystems = ServerSubsystems(self.config, store, registry)
            await subsystems.start(warms=self._default_model != FALLBACK_MODEL)
        except BaseException:
            await in_own_thread(store.close)
            raise
        self._subsystems = subsystems

    def _load_registry(self) -> Registry:
        # A worker may run on another machine, where this machine's addresses mean nothing.
        find_local = self.config.find_local_models and self.config.run_in_server
        return Registry(
            endpoints=self.config.endpoints,
            find_local=find_local,
            allowed=self.config.allowed_models,
        )

    async def stop(self) -> None:
        """Stop the engine, leave its runs due, and close the database."""
        subsystems, self._subsystems = self._subsystems, None
        if subsystems is None:
            return
        try:
            await subsystems.stop()
        finally:  # closing writes the pending operations, even if a subsystem raised
            await in_own_thread(subsystems.store.close)

    @property
    def active_runs(self) -> int:
        return self._subsystems.engine.active if self._subsystems else 0

    @property
    def store(self) -> ChatStore:
        return self.subsystems.store

    @property
    def subsystems(self) -> ServerSubsystems:
        if self._subsystems is None:
            raise StoreError("The chat is not running here. Ask again when its server has started.")
        return self._subsystems

    def _choose_default(self, registry: Registry) -> str:
        if self.config.default_model:
            try:
                registry.get(self.config.default_model)
            except ChatStreamError as error:
                raise InvalidInput(f"--ChatStream.default_model: {error.message}") from error
            return self.config.default_model
        models = registry.models()
        for model in models:
            if model["ready"] and not model["canned"]:
                return model["id"]
        return self._fallback(models)

    def _fallback(self, models: Sequence[ModelRecord]) -> str:
        """Return the default if no model with a key is ready."""
        usable = [model for model in models if model["error"] is None]
        usable.sort(key=lambda model: not model["ready"])
        is_limited = self.config.allowed_models is not None
        return usable[0]["id"] if is_limited and usable else FALLBACK_MODEL

    def _follow_keys(
        self, models: Sequence[ModelRecord], endpoints: Sequence[EndpointRecord]
    ) -> None:
        """Choose another default if a key was set or removed since the last choice.

        A model of an endpoint without a key never becomes the default by itself.
        """
        if self.config.default_model:
            return
        real = [model for model in models if model["ready"] and not model["canned"]]
        if any(model["id"] == self._default_model for model in real):
            return
        with_key = {endpoint["name"] for endpoint in endpoints if endpoint["needs_key"]}
        model_ids = (model["id"] for model in real if model["endpoint"] in with_key)
        self._default_model = next(model_ids, None) or self._fallback(models)
