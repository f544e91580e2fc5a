"""The common part of the engines that execute runs in their own process."""

from __future__ import annotations

from .base import Holders
from .running import Running
from .sweep import Sweep


class ExecutingEngine:
    """An engine that holds runs (``holders``), executes them (``running``) and finds due ones.

    A subclass makes these three.
    """

    running: Running
    sweep: Sweep
    _holders: Holders

    @property
    def holder(self) -> str:
        """The name under which this process holds runs."""
        return self._holders.own_name

    @property
    def active(self) -> int:
        return self.running.active

    def nudge(self) -> None:
        self.sweep.nudge()

    async def abort(self, run_id: str) -> bool:
        return await self.running.abort(run_id)

    def _on_expired(self) -> None:
        self.running.hear(None)
