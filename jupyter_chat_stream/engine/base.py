"""What an engine is: somebody who is told that a run is due and executes it somewhere, soon.

It may lose a call or make it twice: the store fences (L5) and the sweep calls again (L10). So it
can be small, or somebody else's. A call names the run and the attempt that is to be made; whoever
executes claims that attempt first, so a call that comes late, twice or in vain does nothing.
"""

from __future__ import annotations

from typing import Protocol

from ..store.front import Due, LeaseReader


class Owners(Protocol):
    """Who holds runs, and whether they live; this process is one of them, by the name ``own``."""

    own: str

    async def open(self) -> None:
        """Begin to live, before anything is claimed."""
        ...

    def is_alive(self, leases: LeaseReader, owner: str) -> bool:
        """Return whether an owner lives. Blocks."""
        ...

    def doubt(self) -> None:
        """Take others for alive for a while: this process did not run when it should have."""
        ...

    async def close(self) -> None:
        """End: what this process still holds may be taken over."""
        ...


class Engine(Protocol):
    """Executes runs that are due, each in an attempt of its own."""

    name: str

    @property
    def active(self) -> int:
        """How many runs are claimed or executed here now."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """End in good order: what is under way is left due for whoever comes next."""
        ...

    def nudge(self) -> None:
        """Look for due runs soon: something may have become due."""
        ...

    def dispatch(self, run_id: str, attempt: int, due: Due | None = None) -> None:
        """Have this attempt made, soon.

        Args:
            due: what was just read of the run, if anything was: who executes need not read it.
        """
        ...

    async def abort(self, run_id: str) -> bool:
        """Stop a run that is executed here and keep its text; False where it is not here."""
        ...


class Executing(Engine, Protocol):
    """An engine that looks for what is due; these are what its sweep asks it."""

    def room(self) -> int:
        """Return how many more runs may be dispatched now."""
        ...

    def may_have_lost(self, leases: LeaseReader, owner: str) -> bool:
        """Return whether an owner may hold runs that nobody works on. Blocks."""
        ...

    def is_lost(self, leases: LeaseReader, due: Due) -> bool:
        """Return whether nobody works on a run that is due. Blocks."""
        ...

    def doubt(self) -> None:
        """Take other owners for alive for a while: this process did not run when it should have."""
        ...
