"""Reads a provider's stream into the appender, to its end or to a pause."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..providers.base import (
    AskChunk,
    Chunk,
    EndChunk,
    SleepChunk,
    TextChunk,
    UpstreamChunk,
    UsageChunk,
)
from ..shared.endings import REFUSAL
from ..shared.errors import Refusal, Stalled, StreamCut
from ..shared.events import StatusChanged
from ..store.front import ChatStore
from .appender import Appender
from .pauses import Pause, pause_of
from .spent import SpentTokens

IDLE_PLACE_S = 5.0  # the interval for committing the upstream's cursor while no text comes


class StreamReading:
    """Reads a provider's stream into the appender; raises ``Stalled`` after a long silence."""

    def __init__(
        self,
        chunks: AsyncGenerator[Chunk, None],
        appender: Appender,
        store: ChatStore,
        stall_timeout_s: float | None,
        spent_tokens: SpentTokens,
    ) -> None:
        self.end: EndChunk | None = None
        self.pause: Pause | None = None
        self._store = store
        self._chunks = chunks
        self._appender = appender
        self._spent_tokens = spent_tokens
        self._stall_timeout_s = stall_timeout_s
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._stalled = False
        self._timer: asyncio.TimerHandle | None = None
        self._placed_at: float | None = None  # since then, only cursors have come

    async def run(self) -> None:
        """Read to the end or to a pause; ``outcome`` then returns it."""
        reading = asyncio.ensure_future(self._read_chunks())
        if self._stall_timeout_s is not None:
            self._watch(reading, self._stall_timeout_s)
        try:
            await reading
        except asyncio.CancelledError:
            if not self._stalled:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                raise
            raise Stalled(f"The provider sent nothing for {self._stall_timeout_s:g} s.") from None
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def outcome(self) -> EndChunk | Pause:
        """Return how the stream has ended.

        Raises:
            StreamCut: the stream ended without an end.
            Refusal: the model declined to answer.
        """
        if self.pause is not None:
            return self.pause
        if self.end is None:
            raise StreamCut("The provider's stream ended before the answer did.")
        if self.end.stop_reason == REFUSAL:
            raise Refusal("The model declined to answer. Ask in other words, or another model.")
        return self.end

    async def _read_chunks(self) -> None:
        is_building = False
        async with aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                self._heard_at = self._loop.time()
                if isinstance(chunk, EndChunk):
                    self.end = chunk
                    continue
                if isinstance(chunk, UsageChunk):
                    self._spent_tokens.take_report(chunk)
                    continue
                if isinstance(chunk, (AskChunk, SleepChunk)):
                    store = self._store
                    self.pause = pause_of(chunk, now_ms=store.now_ms(), request_id=store.new_id())
                    if self.pause is not None:
                        return
                    continue
                if not self._is_news(chunk):
                    continue
                status = None
                if isinstance(chunk, TextChunk) and not is_building:
                    is_building, status = True, StatusChanged(phase="building")
                self._appender.add(chunk, status)
                await self._appender.wait_for_space()

    def _is_news(self, chunk: Chunk) -> bool:
        """Return whether to commit a chunk: a cursor without new text is committed rarely."""
        if not isinstance(chunk, UpstreamChunk):
            self._placed_at = None
            return True
        placed_at = self._placed_at
        if placed_at is not None and self._heard_at < placed_at + IDLE_PLACE_S:
            return False
        self._placed_at = self._heard_at
        return True

    def _watch(self, reading: asyncio.Task[None], timeout_s: float) -> None:
        """Cancel the reading after a silence of ``timeout_s``."""
        silent_until = self._heard_at + timeout_s
        if self._loop.time() < silent_until:
            self._timer = self._loop.call_at(silent_until, self._watch, reading, timeout_s)
        else:
            self._stalled = True
            reading.cancel()
