"""The end of a provider's long silence: its reading is cancelled, and counts as stalled."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Listening(Protocol):
    """A reading that knows when it last heard from its provider."""

    @property
    def heard_at(self) -> float: ...

    def stall(self) -> None:
        """Note that the reading is cancelled because of a silence."""


class SilenceWatch:
    """Cancels a reading after a silence of ``timeout_s``."""

    def __init__(self, owner: Listening, reading: asyncio.Task[None], timeout_s: float) -> None:
        self._owner = owner
        self._reading = reading
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_at(owner.heard_at + timeout_s, self._look)

    def cancel(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        silent_until = self._owner.heard_at + self._timeout_s
        if self._loop.time() < silent_until:
            self._timer = self._loop.call_at(silent_until, self._look)
        else:
            self._owner.stall()
            self._reading.cancel()
