"""Writes the events with which this process ends its work on a run.

Each set of events is one transaction, together with the text that is still pending. The same
transaction releases the run (L10).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..shared.endings import content_of
from ..shared.errors import ChatStreamError, ProviderError
from ..shared.events import Body, Completed, Failed, Finalized, StatusChanged
from ..shared.records import EndStatus, Part, Usage
from ..store.front import Claimed
from .appender import Appender
from .services import RunServices
from .spent import SpentTokens
from .stopping import Stopping


def completion(parts: Sequence[Part], usage: Usage | None, stop_reason: str) -> tuple[Body, ...]:
    """Return the last events of a complete answer."""
    content = content_of(parts)
    complete = Completed(content=content, usage=usage, stop_reason=stop_reason, model=None)
    return complete, Finalized(status="completed")


class LastEvents:
    """Ends the work on one run whose answer is not complete; else `completion` has the events."""

    def __init__(
        self, services: RunServices, claimed: Claimed, stopping: Stopping, spent: SpentTokens
    ) -> None:
        self._services = services
        self._run = claimed.run
        self._model = claimed.model
        self._stopping = stopping
        self._spent_tokens = spent

    async def write_stop(self, appender: Appender) -> None:
        """End a cancelled run; make the run due for another process if this server stops."""
        if self._stopping.reason == "cancelled":
            usage_by_run = await self._services.tokens.of_thread(self._run.thread.id)
            await appender.finish((await self._finalized("cancelled"),), usage_by_run=usage_by_run)
        else:
            appender.drop_uncovered()
            await appender.finish((StatusChanged(phase="queued", detail="the server stopped"),))

    async def write_failure(
        self, appender: Appender, failure: ProviderError, status: EndStatus
    ) -> None:
        """End a run because of a failure of its provider."""
        failed = Failed(code=failure.code, message=failure.message, retryable=failure.retryable)
        await appender.finish((failed, await self._finalized(status)))

    async def write_bug(self, appender: Appender, error: Exception) -> None:
        """End a run because of an error that nobody expected, without the text that it caused."""
        await appender.recover()
        failed = Failed(
            code=error.code if isinstance(error, ChatStreamError) else "internal",
            message=f"The run failed inside ({type(error).__name__}); see the server's log.",
            retryable=False,
        )
        await appender.finish((failed, await self._finalized("failed")))

    async def _finalized(self, status: EndStatus) -> Finalized:
        return await self._spent_tokens.end(status, self._services.registry, self._model)
