"""The local engine: asyncio in the server's own loop, for one host and no set-up.

On Postgres several servers may each run it: then leases say who lives, and notices carry Stop.
"""

from __future__ import annotations

from ..config import ChatStream
from ..runs.execute import Tools
from ..store.claims import Due
from ..store.log import Connection
from .owners import Kind, make_owners
from .running import Running
from .sweep import Sweep


class LocalEngine:
    """Executes runs as tasks, held under one owner's name as long as the process lives.

    Args:
        kind: a worker takes at once what others make due; a server runs its own, and what stays.
    """

    name = "local"

    def __init__(self, tools: Tools, config: ChatStream, *, kind: Kind = "server") -> None:
        self._tools = tools
        self._kind = kind
        self._owners = make_owners(tools.store, config, kind, on_expired=self._expired)
        self.running = Running(tools, config, self._owners, on_end=self._made_room)
        self._is_open = False
        self.sweep = Sweep(tools.store, self, config)

    @property
    def owner(self) -> str:
        """The name under which this process holds runs."""
        return self._owners.own

    @property
    def active(self) -> int:
        return self.running.active

    def room(self) -> int:
        return self.running.room()

    def may_have_lost(self, conn: Connection, owner: str) -> bool:
        return self.running.may_have_lost(conn, owner)

    def is_lost(self, conn: Connection, due: Due) -> bool:
        return self.running.is_lost(conn, due)

    def doubt(self) -> None:
        self._owners.doubt()

    async def start(self) -> None:
        await self._owners.open()
        self._is_open = True
        self.running.start()
        self._tools.store.on_foreign(self._hear)
        self.sweep.start()

    async def stop(self) -> None:
        await self.sweep.stop()
        await self.running.stop()
        if self._is_open:
            self._is_open = False
            await self._owners.close()

    def nudge(self) -> None:
        self.sweep.nudge()

    def dispatch(self, run_id: str, attempt: int, due: Due | None = None) -> None:
        self.running.begin(run_id, attempt, due)

    async def abort(self, run_id: str) -> bool:
        return await self.running.abort(run_id)

    def _made_room(self) -> None:
        self.sweep.nudge()

    def _expired(self) -> None:
        self.running.hear(None)

    def _hear(self, threads: frozenset[str] | None) -> None:
        self.running.hear(threads)
        if self._kind == "worker":
            self.sweep.nudge_soon()
