"""The local engine: it executes runs as tasks of the server's own event loop.

It needs no set-up. On Postgres several servers may each run it: leases show which of them live, and
notices tell each server which runs another has stopped.
"""

from __future__ import annotations

from ..runs.services import RunServices
from ..shared.config import ChatStream
from ..store.front import Due
from .executing import ExecutingEngine
from .holders import HolderKind, make_holders
from .running import Running
from .sweep import Sweep


class LocalEngine(ExecutingEngine):
    """Executes runs as tasks, held under one name as long as the process lives.

    Args:
        kind: a worker also takes at once the runs that other processes make due. A server takes
            its own at once, and the others if they stay due.
    """

    name = "local"

    def __init__(
        self, services: RunServices, config: ChatStream, *, kind: HolderKind = "server"
    ) -> None:
        self._services = services
        self._kind = kind
        self._holders = make_holders(services.store, config, kind, on_expired=self._on_expired)
        self.running = Running(services, config, self._holders, look_again=self.nudge)
        self.sweep = Sweep(services.store, self.running, config, dispatch=self.dispatch)
        self._is_open = False

    async def start(self) -> None:
        await self._holders.open()
        self._is_open = True
        self.running.start()
        self._services.store.on_foreign(self._hear)
        self.sweep.start()

    async def stop(self) -> None:
        await self.sweep.stop()
        await self.running.stop()
        if self._is_open:
            self._is_open = False
            await self._holders.close()

    def dispatch(self, run_id: str, attempt: int, due: Due | None = None) -> None:
        self.running.begin(run_id, attempt, due)

    def _hear(self, threads: frozenset[str] | None) -> None:
        self.running.hear(threads)
        if self._kind == "worker":
            self.sweep.nudge_soon()
