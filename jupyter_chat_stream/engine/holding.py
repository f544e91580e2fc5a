"""What every engine is that executes runs in its own process, whoever calls it.

It holds runs under one owner's name (``owners``), executes them (``running``) and looks for what is
due (``sweep``); what those three are asked by others goes through here, in one way for all engines.
"""

from __future__ import annotations

from ..store.front import Due, LeaseReader
from .base import Owners
from .running import Running
from .sweep import Sweep


class Holding:
    """An engine's part that is the same wherever calls come from; a subclass makes the three."""

    running: Running
    sweep: Sweep
    _owners: Owners

    @property
    def owner(self) -> str:
        """The name under which this process holds runs."""
        return self._owners.own

    @property
    def active(self) -> int:
        return self.running.active

    def room(self) -> int:
        return self.running.room()

    def may_have_lost(self, leases: LeaseReader, owner: str) -> bool:
        return self.running.may_have_lost(leases, owner)

    def is_lost(self, leases: LeaseReader, due: Due) -> bool:
        return self.running.is_lost(leases, due)

    def doubt(self) -> None:
        self._owners.doubt()

    def nudge(self) -> None:
        self.sweep.nudge()

    async def abort(self, run_id: str) -> bool:
        return await self.running.abort(run_id)

    def _expired(self) -> None:
        self.running.hear(None)
