"""Executing a run. The log is the only record of how far the run has come.

An attempt reads from the log how far the text is, continues from there, and appends. After a crash,
a cut stream or a failure, the same function is called again under the next attempt.

::

    gather context ─► call the model, streaming ─► complete, finalized
         ▲                 ├─ asks or sleeps: released; an answer or the time makes it due
         │                 │ retryable failure
         └─ next attempt ◄─┤ short pause: wait here; long: released, a sweep takes it
                           └─ not retryable, or too often: error, finalized failed

Another process may fence this attempt, by Stop or a takeover. The next append then fails with
StaleAttempt, and the attempt ends silently: the other process has written to the log (L5).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal, cast

from ..providers.base import (
    AskChunk,
    Chunk,
    EndChunk,
    SleepChunk,
    TextChunk,
    UpstreamChunk,
    UsageChunk,
)
from ..providers.prices import priced
from ..providers.registry import Registry
from ..shared.backoff import Backoff
from ..shared.config import ChatStream
from ..shared.endings import REFUSAL, content_of
from ..shared.errors import (
    ChatStreamError,
    DamagedRow,
    ProviderError,
    Refusal,
    StaleAttempt,
    Stalled,
    StoreError,
    StreamCut,
    UpstreamLost,
)
from ..shared.events import Body, Completed, Failed, Finalized, StatusChanged
from ..shared.logs import Line, place_of
from ..shared.records import EndStatus, Usage
from ..store.front import ChatStore, Claimed
from .appender import Appender
from .context import Gathered, draft_prompt, gather
from .pauses import Pause, pause_of
from .silence import SilenceWatch
from .spent import SpentTokens

log = logging.getLogger("jupyter_chat_stream.runs")

SHORT_WAIT_S = 5.0
IDLE_PLACE_S = 5.0  # how often a place is committed while the upstream sends no text
PROVIDER_BACKOFF = Backoff(first_s=0.5, most_s=60.0, jitter=(0.75, 1.25))

UPSTREAM_LOST_NOTE = (
    "The model's running answer could not be joined again. A new one continues from this text."
)

Why = Literal["cancelled", "shutdown"]


@dataclass(frozen=True, kw_only=True)
class RunServices:
    """The store, models and settings of an execution: the same for every run of a process."""

    store: ChatStore
    registry: Registry
    config: ChatStream


class Execution:
    """One run while this process works on it."""

    def __init__(self, services: RunServices, claimed: Claimed) -> None:
        self._services = services
        self._claimed = claimed
        self._step: asyncio.Task[None] | None = None
        self._why: Why | None = None
        self._spent = SpentTokens()

    @property
    def attempt(self) -> int:
        return self._claimed.attempt

    def stop(self, why: Why) -> None:
        """End early and keep the text; the run is cancelled, or left due for another process."""
        self._why = self._why or why
        if self._step is not None:
            self._step.cancel()

    async def run(self) -> None:
        """Work until the run has ended, waits, or was fenced."""
        try:
            try:
                while await self._attempt():
                    pass
            except DamagedRow as damage:
                claims, run = self._services.store.claims, self._claimed.run
                await claims.fail_damaged(run, self.attempt, damage)
        except StaleAttempt:
            log.info(Line("run.fenced", run=self._claimed.run.id, attempt=self.attempt))
        except StoreError as error:  # nothing can be written now: a sweep claims the run again
            facts = {"run": self._claimed.run.id, "attempt": self.attempt}
            log.warning(Line("run.left", code=error.code, **facts))

    async def _attempt(self) -> bool:
        """Make one attempt; True if another follows at once."""
        store, run, config = self._services.store, self._claimed.run, self._services.config
        gathered = await gather(store, run, config.system)
        self._spent.begin_attempt(is_joined=gathered.upstream is not None)
        appender = Appender(
            store,
            self._claimed,
            parts=len(gathered.reply["parts"]),
            max_chars=config.delta_max_chars,
            max_delay_s=config.delta_max_delay_ms / 1000,
            save_interval_s=config.message_save_interval_s,
            is_joined=gathered.upstream is not None,
            kept_chars=sum(len(str(part.get("text", ""))) for part in gathered.reply["parts"]),
        )
        try:
            end = await self._stream(gathered, appender)
            if end is None:
                await self._leave(appender)
            elif isinstance(end, EndChunk):
                usage = await priced(self._services.registry.get(self._claimed.model)[0], end)
                await appender.finish(lambda: _completion(gathered, appender, end, usage))
            else:  # it asks or sleeps, and no process holds it after that commit (L10)
                appender.drop_uncovered()
                await appender.finish((end,))
            return False
        except ProviderError as failure:
            appender.drop_uncovered()
            await appender.finish((), release=False)
            return await self._go_on(failure, gathered, appender)
        except (StaleAttempt, StoreError):
            raise
        except Exception as error:  # noqa: BLE001  a bug of ours or of a provider: the run fails
            log.error(Line("run.broke", run=run.id, error=type(error).__name__, at=place_of(error)))
            await appender.recover()
            await appender.finish((_inside(error), await self._finalized("failed")))
            return False
        finally:
            appender.close()

    async def _stream(self, gathered: Gathered, appender: Appender) -> EndChunk | Pause | None:
        """Read the provider to its end or to a pause; None if ``stop`` came first."""
        reading: _Reading | None = None

        async def work() -> None:
            nonlocal reading
            reading = await self._ask(gathered, appender)
            await reading.run()

        if self._why is None:
            self._step = asyncio.ensure_future(work())
            try:
                await self._step
            except asyncio.CancelledError:
                if self._why is None:
                    raise
            finally:
                self._step = None
        if reading is None or (self._why is not None and reading.end is None):
            return None
        if reading.pause is not None:
            return reading.pause
        if reading.end is None:
            raise StreamCut("The provider's stream ended before the answer did.")
        if reading.end.stop_reason == REFUSAL:
            raise Refusal("The model declined to answer. Ask in other words, or another model.")
        return reading.end

    async def _ask(self, gathered: Gathered, appender: Appender) -> _Reading:
        """Begin a stream of the provider; asking it for the model's sizes may take a while."""
        services = self._services
        provider, model = await services.registry.look_up(self._claimed.model)
        draft = draft_prompt(gathered, model, self._claimed.params, provider.name)
        prompt = await draft.prompt(services.store)
        _tell(draft.notes, gathered, appender)
        stall_timeout_s = services.config.stall_timeout_s
        chunks = provider.stream(prompt)
        return _Reading(chunks, appender, services.store, stall_timeout_s, self._spent)

    async def _finalized(self, status: EndStatus) -> Finalized:
        return await self._spent.end(status, self._services.registry, self._claimed.model)

    async def _leave(self, appender: Appender) -> None:
        if self._why == "cancelled":
            await appender.finish((await self._finalized("cancelled"),))
        else:  # the server stops: the run is due again, for another process
            appender.drop_uncovered()
            await appender.finish((StatusChanged(phase="queued", detail="the server stopped"),))

    async def _go_on(self, failure: ProviderError, gathered: Gathered, appender: Appender) -> bool:
        """Begin the next attempt now or later, or end the run; True for now."""
        has_text = appender.has_written or bool(gathered.reply["parts"])
        if isinstance(failure, UpstreamLost) and gathered.upstream is not None:
            return await self._leave_upstream(has_text=has_text)
        if _has_come_further(gathered, appender):  # only failures without progress add up
            self._claimed = replace(self._claimed, retries=0)
        # An upstream that can be joined again goes on: the answer is not broken (L15).
        return await self._fail(failure, appender, visible=has_text and not appender.is_joined)

    async def _leave_upstream(self, *, has_text: bool) -> bool:
        """Begin the next attempt without the upstream, and tell it in the answer."""
        claims, claimed = self._services.store.claims, self._claimed
        await claims.leave_upstream(claimed, UPSTREAM_LOST_NOTE if has_text else None)
        again = await claims.retry(claimed)
        if again is None:
            raise StaleAttempt(claimed.run.id, claimed.attempt)
        self._claimed = again
        return True

    async def _fail(self, failure: ProviderError, appender: Appender, *, visible: bool) -> bool:
        claimed, config = self._claimed, self._services.config
        if visible and failure.retryable and claimed.on_crash == "interrupt":
            await appender.finish((_failed(failure), await self._finalized("interrupted")))
            return False
        if not failure.retryable or claimed.retries >= config.max_retries:
            await appender.finish((_failed(failure), await self._finalized("failed")))
            return False
        wait_s = self._backoff_s(failure)
        release = wait_s >= SHORT_WAIT_S
        store = self._services.store
        until_ms = store.now_ms() + int(wait_s * 1000)
        await store.claims.put_off(claimed, until_ms, failure.code, release=release)
        if release or not await self._sleep(wait_s, appender):
            return False
        restart = visible and claimed.on_crash == "restart"
        again = await store.claims.retry(claimed, restart=restart)
        if again is None:
            raise StaleAttempt(claimed.run.id, claimed.attempt)
        self._claimed = again
        return True

    async def _sleep(self, wait_s: float, appender: Appender) -> bool:
        """Wait here; False if ``stop`` came first, and the run was left."""
        if self._why is None:
            self._step = cast("asyncio.Task[None]", asyncio.ensure_future(asyncio.sleep(wait_s)))
            try:
                await asyncio.wait([self._step])
            finally:
                self._step.cancel()
                self._step = None
        if self._why is None:
            return True
        await self._leave(appender)
        return False

    def _backoff_s(self, failure: ProviderError) -> float:
        return max(PROVIDER_BACKOFF.pause_s(self._claimed.retries), failure.retry_after_s or 0.0)


class _Reading:
    """Reads a provider's stream into the appender, and raises ``Stalled`` after a silence."""

    def __init__(
        self,
        chunks: AsyncGenerator[Chunk, None],
        appender: Appender,
        store: ChatStore,
        stall_timeout_s: float | None,
        spent: SpentTokens,
    ) -> None:
        self.end: EndChunk | None = None
        self.pause: Pause | None = None
        self._store = store
        self._chunks = chunks
        self._appender = appender
        self._spent = spent
        self._stall_timeout_s = stall_timeout_s
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._stalled = False
        self._placed_at: float | None = None  # since then, nothing but places has come

    async def run(self) -> None:
        reading = asyncio.ensure_future(self._read())
        timer = self._watch(reading)
        try:
            await reading
        except asyncio.CancelledError:
            if not self._stalled:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                raise
            raise Stalled(f"The provider said nothing for {self._stall_timeout_s:g} s.") from None
        finally:
            if timer is not None:
                timer.cancel()

    async def _read(self) -> None:
        is_building = False
        async with aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                self._heard_at = self._loop.time()
                if isinstance(chunk, EndChunk):
                    self.end = chunk
                    continue
                if isinstance(chunk, UsageChunk):
                    self._spent.tell(chunk)
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
                await self._appender.room()

    def _is_news(self, chunk: Chunk) -> bool:
        """Return whether a chunk is worth a commit: a place that covers nothing new seldom is."""
        if not isinstance(chunk, UpstreamChunk):
            self._placed_at = None
            return True
        placed_at = self._placed_at
        if placed_at is not None and self._heard_at < placed_at + IDLE_PLACE_S:
            return False
        self._placed_at = self._heard_at
        return True

    def _watch(self, reading: asyncio.Task[None]) -> SilenceWatch | None:
        if self._stall_timeout_s is None:
            return None
        return SilenceWatch(self, reading, self._stall_timeout_s)

    @property
    def heard_at(self) -> float:
        return self._heard_at

    def stall(self) -> None:
        self._stalled = True


def _completion(
    gathered: Gathered, appender: Appender, end: EndChunk, usage: Usage
) -> tuple[Body, Body]:
    complete = Completed(
        content=content_of([*gathered.reply["parts"], *appender.parts]),
        usage=usage,
        stop_reason=end.stop_reason,
        model=None,
    )
    return complete, Finalized(status="completed")


def _has_come_further(gathered: Gathered, appender: Appender) -> bool:
    """Return whether this attempt has joined an upstream and committed a later place of it."""
    before, now = gathered.upstream, appender.cursor
    return before is not None and now is not None and now > before.cursor


def _tell(notes: Sequence[str], gathered: Gathered, appender: Appender) -> None:
    """Add the notes that an earlier attempt has not added."""
    told = [part["text"] for part in gathered.reply["parts"] if part["kind"] == "note"]
    for note in notes:
        if note not in told:
            appender.note(note)


def _failed(failure: ChatStreamError) -> Failed:
    retryable = isinstance(failure, ProviderError) and failure.retryable
    return Failed(code=failure.code, message=failure.message, retryable=retryable)


def _inside(error: Exception) -> Failed:
    return Failed(
        code=error.code if isinstance(error, ChatStreamError) else "internal",
        message=f"The run failed inside ({type(error).__name__}); see the server's log.",
        retryable=False,
    )
