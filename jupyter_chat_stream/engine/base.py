"""The interface of an engine: it gets calls for due runs, and has each run executed soon.

A call names a run and its next attempt. An engine may lose a call or make it twice: the process
that executes claims the attempt first, so a second call does nothing (L5), and the sweep repeats a
lost call (L10).
"""

from __future__ import annotations

from typing import Protocol

from ..store.front import Due, LeaseReader


class Holders(Protocol):
    """The processes that hold runs. This process is one of them, by the name ``own_name``."""

    own_name: str

    async def open(self) -> None:
        """Show from now on that this process lives. Nothing is claimed before."""

    def is_alive(self, leases: LeaseReader, holder: str) -> bool:
        """Return whether a holder lives. Blocks."""

    def presume_alive(self) -> None:
        """Count all holders as alive for a while: this process was stopped for some time."""

    async def close(self) -> None:
        """Let other processes take over the runs that this process still holds."""


class Engine(Protocol):
    """Executes due runs, each in an attempt of its own."""

    name: str

    @property
    def active(self) -> int:
        """How many runs are claimed or executed here now."""

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Stop; the runs under way are left due for another process."""

    def nudge(self) -> None:
        """Look for due runs soon: something may have become due."""

    def dispatch(self, run_id: str, attempt: int, due: Due | None = None) -> None:
        """Have this attempt made, soon.

        Args:
            due: the run, if the caller has just read it: it is not read again then.
        """

    async def abort(self, run_id: str) -> bool:
        """Stop a run that is executed here and keep its text; False if it is not executed here."""
