"""The sweep: finds runs that are due, takes them by compare-and-set, and dispatches them.

Due is what is pending with no predecessor, what waited until now, and what its owner left behind by
dying. It looks when it is nudged, when the next waiting run is due, and every ``sweep_interval_s``
in any case, so a lost nudge costs latency only (L9) and nothing waits for ever (L10).
"""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from ..config import ChatStream
from ..errors import ChatStreamError, StoreError
from ..store.claims import Due, OnCrash, claim, find_due, next_wake
from ..store.store import Store
from .base import Engine

log = logging.getLogger("jupyter_chat_stream.engine")

STOP_WITHIN_S = 5.0


class Sweep:
    """One process's look at what is due."""

    def __init__(self, store: Store, engine: Engine, config: ChatStream) -> None:
        self._store = store
        self._engine = engine
        self._config = config
        self._nudged = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._looked_ms = 0

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """End the look under way; a run that it is just taking is still dispatched."""
        self._is_stopping = True
        self._nudged.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_WITHIN_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def nudge(self) -> None:
        """Look now: something may have become due."""
        self._nudged.set()

    async def _work(self) -> None:
        while not self._is_stopping:
            self._nudged.clear()
            try:
                await self.sweep()
                pause_s = await self._pause_s()
            except ChatStreamError as error:
                log.warning("sweep put off: %s", error.code)
                pause_s = self._config.sweep_interval_s
            try:
                await asyncio.wait_for(self._nudged.wait(), pause_s)
            except asyncio.TimeoutError:
                pass  # time for the regular look

    async def sweep(self) -> None:
        """Take and dispatch everything that is due and has room."""
        self._looked_ms = self._store.now_ms()
        for due in await self._store.read(lambda conn: find_due(conn, self._looked_ms)):
            if self._is_stopping or not self._engine.has_room():
                return
            try:
                if self._engine.is_lost(due.owner, due.run.id):
                    await self._take(due)
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001  what is damaged keeps its own run back only
                log.error("run %s cannot be taken: %s", due.run.id, type(error).__name__)

    async def _take(self, due: Due) -> None:
        config = self._config
        claimed = await self._store.write(
            lambda tx: claim(
                tx,
                due,
                self._engine.owner,
                max_crashes=config.max_crashes,
                on_crash=cast(OnCrash, config.on_crash),
            ),
            due.run.thread.pk,
        )
        if claimed is not None:
            self._engine.dispatch(claimed)
        else:
            self._nudged.set()  # somebody else was first, or it ended: its successor may be due

    async def _pause_s(self) -> float:
        if not self._engine.has_room():  # whoever ends here nudges
            return self._config.sweep_interval_s
        wake_ms = await self._store.read(lambda conn: next_wake(conn, self._looked_ms))
        if wake_ms is None:
            return self._config.sweep_interval_s
        left_s = (wake_ms - self._store.now_ms()) / 1000
        return min(self._config.sweep_interval_s, max(left_s, 0.005))
