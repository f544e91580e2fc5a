"""The local engine: asyncio in the server's own loop, for one host and no set-up."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

from ..config import ChatStream
from ..errors import StoreError
from ..runs.execute import Execution, Tools
from ..store.claims import Claimed, find_held
from .owners import Owners
from .sweep import Sweep

log = logging.getLogger("jupyter_chat_stream.engine")

STOP_WITHIN_S = 5.0


class LocalEngine:
    """Executes runs as tasks; holds them under one owner's lock as long as the process lives."""

    name = "local"

    def __init__(self, tools: Tools, config: ChatStream) -> None:
        self._tools = tools
        self._config = config
        folder = tools.store.database.folder or Path(tempfile.gettempdir())
        self._owners = Owners(folder, tools.store.new_id())
        self._running: dict[str, tuple[Execution, asyncio.Task[None]]] = {}
        self._watching: asyncio.Task[None] | None = None
        self.sweep = Sweep(tools.store, self, config)

    @property
    def owner(self) -> str:
        return self._owners.own

    @property
    def active(self) -> int:
        return len(self._running)

    def has_room(self) -> bool:
        return len(self._running) < self._config.max_active_runs

    def is_lost(self, owner: str | None, run_id: str) -> bool:
        if owner is None:
            return True
        if owner == self.owner:
            return run_id not in self._running
        return not self._owners.is_alive(owner)

    async def start(self) -> None:
        self.sweep.start()
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        await self.sweep.stop()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        tasks = [task for _, task in self._running.values()]
        for execution, _ in list(self._running.values()):
            execution.stop("shutdown")
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_WITHIN_S)
        for task in tasks:
            task.cancel()
        if tasks:  # a provider that swallows its cancellation does not hold the server up
            await asyncio.wait(tasks, timeout=STOP_WITHIN_S)
        self._owners.close()

    def dispatch(self, claimed: Claimed) -> None:
        run_id = claimed.run.id
        if run_id in self._running:  # an older attempt that has not noticed yet that it is fenced
            self._running[run_id][1].cancel()
        execution = Execution(self._tools, claimed)
        task = asyncio.get_running_loop().create_task(execution.run(), name=f"run {run_id}")
        self._running[run_id] = (execution, task)
        task.add_done_callback(lambda done: self._ended(run_id, done))

    async def abort(self, run_id: str) -> bool:
        running = self._running.get(run_id)
        if running is None:
            return False
        execution, task = running
        execution.stop("cancelled")
        await asyncio.wait([task], timeout=0.1)
        return True

    async def _watch(self) -> None:
        """Leave what was ended elsewhere: it can write no more, but its provider may be silent."""
        while True:
            await asyncio.sleep(self._config.sweep_interval_s)
            tasks = {run_id: task for run_id, (_, task) in self._running.items()}
            if not tasks:
                continue
            try:
                held = await self._tools.store.read(lambda conn: find_held(conn, self.owner))
            except StoreError as error:
                log.warning("look for runs ended elsewhere put off: %s", error.code)
                continue
            for run_id in tasks.keys() - held:
                tasks[run_id].cancel()

    def _ended(self, run_id: str, task: asyncio.Task[None]) -> None:
        if run_id in self._running and self._running[run_id][1] is task:
            del self._running[run_id]
        if not task.cancelled() and task.exception() is not None:
            log.error("run %s was dropped: %r", run_id, type(task.exception()).__name__)
        self.sweep.nudge()
