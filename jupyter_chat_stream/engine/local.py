"""The local engine: asyncio in the server's own loop, for one host and no set-up.

On Postgres several servers may each run it: then leases say who lives, and notices carry Stop.
"""

from __future__ import annotations

from ..runs.execute import RunServices
from ..shared.config import ChatStream
from ..store.front import Due
from .holding import Holding
from .owners import Kind, make_owners
from .running import Running
from .sweep import Sweep


class LocalEngine(Holding):
    """Executes runs as tasks, held under one owner's name as long as the process lives.

    Args:
        kind: a worker takes at once what others make due; a server runs its own, and what stays.
    """

    name = "local"

    def __init__(self, services: RunServices, config: ChatStream, *, kind: Kind = "server") -> None:
        self._services = services
        self._kind = kind
        self._owners = make_owners(services.store, config, kind, on_expired=self._expired)
        self.running = Running(services, config, self._owners, on_end=self._made_room)
        self._is_open = False
        self.sweep = Sweep(services.store, self, config)

    async def start(self) -> None:
        await self._owners.open()
        self._is_open = True
        self.running.start()
        self._services.store.on_foreign(self._hear)
        self.sweep.start()

    async def stop(self) -> None:
        await self.sweep.stop()
        await self.running.stop()
        if self._is_open:
            self._is_open = False
            await self._owners.close()

    def dispatch(self, run_id: str, attempt: int, due: Due | None = None) -> None:
        self.running.begin(run_id, attempt, due)

    def _made_room(self) -> None:
        self.sweep.nudge()

    def _hear(self, threads: frozenset[str] | None) -> None:
        self.running.hear(threads)
        if self._kind == "worker":
            self.sweep.nudge_soon()
