"""Runs the steps of a run's attempts, which ``stop`` may cancel at any await."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar

T = TypeVar("T")

StopReason = Literal["cancelled", "shutdown"]


class Stopping:
    """Owns the step under way, and knows why the run was stopped."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None  # None while the run goes on
        self._step: asyncio.Task[Any] | None = None

    def stop(self, reason: StopReason) -> None:
        """Cancel the step under way, and run no further step. The first reason stays."""
        self.reason = self.reason or reason
        if self._step is not None:
            self._step.cancel()

    def is_stopped(self) -> bool:
        return self.reason is not None

    async def run(self, step: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of a step; None if ``stop`` was called before its end.

        A step that ends in spite of its cancellation keeps its result. After ``stop``, a
        cancellation of the run's task also returns None: the caller writes the run's last events.

        Raises:
            asyncio.CancelledError: the run's task was cancelled without ``stop``.
        """
        if self.is_stopped():
            step.close()
            return None
        self._step = task = asyncio.ensure_future(step)
        try:
            return await task
        except asyncio.CancelledError:
            if not self.is_stopped():
                raise
            # The step may have ended just before its task was cancelled.
            return task.result() if task.done() and not task.cancelled() else None
        finally:
            self._step = None
