"""What an engine is: somebody who is told that a run is due and executes it somewhere, soon.

It may lose a call or make it twice: the store fences (L5) and the sweep calls again (L10). So it
can be small, or somebody else's.
"""

from __future__ import annotations

from typing import Protocol

from ..store.claims import Claimed


class Engine(Protocol):
    """Executes claimed runs."""

    @property
    def owner(self) -> str:
        """The name under which this process holds runs."""
        ...

    @property
    def active(self) -> int:
        """How many runs are being executed here now."""
        ...

    def has_room(self) -> bool:
        """Say whether one more run may be dispatched now."""
        ...

    def is_lost(self, owner: str | None, run_id: str) -> bool:
        """Say whether nobody works on a run that this owner holds."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """End in good order: what is under way is left for whoever comes next."""
        ...

    def dispatch(self, claimed: Claimed) -> None:
        """Execute this attempt, soon."""
        ...

    async def abort(self, run_id: str) -> bool:
        """Stop a run that is executed here and keep its text; False where it is not here."""
        ...
