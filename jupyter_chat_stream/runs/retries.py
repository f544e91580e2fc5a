"""What follows a failed attempt.

::

    failure ─┬─ the upstream is lost ─────────────────► the next attempt, without the upstream
             ├─ not retryable, or too often ──────────► the run ends as failed
             ├─ has text, and on_crash is interrupt ──► the run ends as interrupted
             ├─ short pause: wait in this process ────► the next attempt
             └─ long pause: the run is released ──────► a sweep takes it when the pause is over

Only failures without progress are counted. Each new attempt is begun by a transaction, which fails
if another process has fenced this one (L5).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ..shared.backoff import Backoff
from ..shared.errors import ProviderError, StaleAttempt, UpstreamLost
from ..store.front import Claimed
from .appender import Appender
from .context import Gathered
from .last_events import LastEvents
from .services import RunServices
from .stopping import Stopping

SHORT_WAIT_S = 5.0  # A run with a longer pause is released.
PROVIDER_BACKOFF = Backoff(first_s=0.5, max_s=60.0, jitter=(0.75, 1.25))

UPSTREAM_LOST_NOTE = (
    "The model's running answer could not be joined again. A new one continues from this text."
)


class Retries:
    """Begins the next attempts of one run, or ends the run."""

    def __init__(self, services: RunServices, stopping: Stopping, last_events: LastEvents) -> None:
        self._services = services
        self._stopping = stopping
        self._last_events = last_events

    async def after(
        self, failure: ProviderError, claimed: Claimed, gathered: Gathered, appender: Appender
    ) -> Claimed | None:
        """Begin the next attempt after a failure, maybe after a pause.

        Args:
            claimed: the failed attempt.
            gathered: the data with which the attempt began.
            appender: the writer of the attempt, whose text is committed.

        Returns:
            The next attempt; None if the run has ended, waits for a sweep, or was stopped.

        Raises:
            StaleAttempt: another attempt or an end came first.
        """
        has_text = appender.has_written or bool(gathered.reply["parts"])
        if isinstance(failure, UpstreamLost) and gathered.upstream is not None:
            return await self._begin_without_upstream(claimed, has_text=has_text)
        if _has_come_further(gathered, appender):
            claimed = replace(claimed, retries=0)
        # If the upstream can be joined again, the answer is not broken (L15).
        is_broken = has_text and not appender.is_joined
        if is_broken and failure.retryable and claimed.on_crash == "interrupt":
            await self._last_events.write_failure(appender, failure, "interrupted")
            return None
        if not failure.retryable or claimed.retries >= self._services.config.max_retries:
            await self._last_events.write_failure(appender, failure, "failed")
            return None
        if not await self._pause(failure, claimed, appender):
            return None
        return await self._begin(claimed, restart=is_broken and claimed.on_crash == "restart")

    async def _begin_without_upstream(self, claimed: Claimed, *, has_text: bool) -> Claimed:
        """Forget the upstream, tell the reader of a begun answer, and begin the next attempt."""
        note = UPSTREAM_LOST_NOTE if has_text else None
        await self._services.store.claims.leave_upstream(claimed, note)
        return await self._begin(claimed)

    async def _pause(self, failure: ProviderError, claimed: Claimed, appender: Appender) -> bool:
        """Wait before the next attempt; False if the run was released or stopped."""
        store = self._services.store
        wait_s = _backoff_s(failure, claimed.retries)
        is_long = wait_s >= SHORT_WAIT_S
        until_ms = store.now_ms() + int(wait_s * 1000)
        await store.claims.put_off(claimed, until_ms, failure.code, release=is_long)
        if is_long:
            return False
        await self._stopping.run(asyncio.sleep(wait_s))
        if self._stopping.is_stopped():
            await self._last_events.write_stop(appender)
            return False
        return True

    async def _begin(self, claimed: Claimed, *, restart: bool = False) -> Claimed:
        """Begin the next attempt; ``restart`` drops the text of the answer."""
        attempt = await self._services.store.claims.retry(claimed, restart=restart)
        if attempt is None:
            raise StaleAttempt(claimed.run.id, claimed.attempt)
        return attempt


def _backoff_s(failure: ProviderError, retries: int) -> float:
    return max(PROVIDER_BACKOFF.pause_s(retries), failure.retry_after_s or 0.0)


def _has_come_further(gathered: Gathered, appender: Appender) -> bool:
    """Return whether this attempt has joined an upstream and committed a later cursor."""
    upstream, cursor = gathered.upstream, appender.cursor
    return upstream is not None and cursor is not None and cursor > upstream.cursor
