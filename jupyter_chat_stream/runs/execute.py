"""Executes a run. The log is the only record of the run's progress.

An attempt reads the text so far from the log, continues the text, and appends. After a crash, a cut
stream or a failure, the same function is called again for the next attempt.

::

    gather context, review tool calls ─► call the model, streaming ─► complete, finalized
         ▲                 ├─ calls tools: the round ends (``rounds``), and is reviewed
         │                 ├─ asks or sleeps: released; an answer or the time makes it due
         │                 │ retryable failure
         └─ next attempt ◄─┤ short pause: wait here; long: released, a sweep takes it
                           └─ not retryable, or too often: error, finalized failed

Another process may fence this attempt, by Stop or by a takeover. The next append then fails with
StaleAttempt, and the attempt ends silently, because the other process has written to the log (L5).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar, cast

from ..providers.base import EndChunk
from ..providers.prices import usage_with_cost
from ..shared.backoff import Backoff
from ..shared.endings import REFUSAL, content_of
from ..shared.errors import (
    ChatStreamError,
    DamagedRow,
    ProviderError,
    Refusal,
    StaleAttempt,
    StoreError,
    StreamCut,
    UpstreamLost,
)
from ..shared.events import Body, Completed, Failed, Finalized, NoteAdded, StatusChanged
from ..shared.logs import Line, place_of
from ..shared.parts import open_calls
from ..shared.records import EndStatus, Usage
from ..store.front import TAKEN_OVER, Claimed
from .appender import Appender
from .components.builds import Build
from .context import Gathered, draft_prompt, gather, gather_round
from .pauses import Pause
from .reading import StreamReading
from .rounds import TOO_MANY_ROUNDS, ToolRounds, count_rounds
from .services import RunServices
from .spent import SpentTokens, with_rounds

log = logging.getLogger("jupyter_chat_stream.runs")

T = TypeVar("T")

SHORT_WAIT_S = 5.0
PROVIDER_BACKOFF = Backoff(first_s=0.5, max_s=60.0, jitter=(0.75, 1.25))

UPSTREAM_LOST_NOTE = (
    "The model's running answer could not be joined again. A new one continues from this text."
)

Why = Literal["cancelled", "shutdown"]


class Execution:
    """One run while this process works on it."""

    def __init__(self, services: RunServices, claimed: Claimed) -> None:
        self._services = services
        self._claimed = claimed
        self._step: asyncio.Task[Any] | None = None
        self._why: Why | None = None
        self._spent = SpentTokens()
        self._build = Build.of(claimed.params)
        self._rounds: ToolRounds
        self._last_round: Gathered | None = None  # set at the end of this attempt's round

    @property
    def attempt(self) -> int:
        return self._claimed.attempt

    def stop(self, why: Why) -> None:
        """End early and keep the text: cancel the run, or leave it due for another process."""
        self._why = self._why or why
        if self._step is not None:
            self._step.cancel()

    async def run(self) -> None:
        """Work until the run ends, waits, or is fenced."""
        run, model, services = self._claimed.run, self._claimed.model, self._services
        try:
            try:
                with services.tokens.hold(run, self._spent, services.registry, model):
                    while await self._attempt():
                        pass
            except DamagedRow as damage:
                await services.store.claims.fail_damaged(run, self.attempt, damage)
        except StaleAttempt:
            log.info(Line("run.fenced", run=run.id, attempt=self.attempt))
        except StoreError as error:  # the store refuses writes now: a sweep claims the run again
            log.warning(Line("run.left", code=error.code, run=run.id, attempt=self.attempt))

    async def _attempt(self) -> bool:
        """Make one attempt, or one round of it; True if the next one follows at once."""
        run = self._claimed.run
        gathered = await self._gather()
        if gathered is None:
            return False
        self._spent.begin_attempt(is_joined=gathered.upstream is not None)
        appender = self._append_to(gathered)
        try:
            if self._build is not None and gathered.upstream is None:
                built = self._build.end(gathered)
                if built is not None:
                    await appender.finish(built)
                    return False
            end = await self._stream(gathered, appender)
            if end is None:
                await self._leave(appender)
            elif isinstance(end, EndChunk):
                return await self._end(gathered, appender, end)
            else:  # the run asks or sleeps, and has no holder after that commit (L10)
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

    async def _gather(self) -> Gathered | None:
        """Read the prompt's data; None if the run waits for a tool call, or was stopped.

        If the upstream can be joined, its round has not ended, so no call is reviewed.
        """
        run, services, claimed = self._claimed.run, self._services, self._claimed
        config, store, tokens = services.config, services.store, services.tokens
        self._rounds = rounds = ToolRounds(store, services.tools, config, claimed, tokens)
        last, self._last_round = self._last_round, None
        work = gather(store, run, config.system) if last is None else gather_round(store, run, last)
        found = await work
        self._spent.rounds = found.rounds_usage
        gathered = await self._unless_stopped(rounds.resolve(found))
        if gathered is None:
            await self._leave(self._append_to(found))
            return None
        if gathered.upstream is None and any(open_calls(gathered.reply["parts"])):
            if not await self._review(gathered):
                return None
            gathered = await gather_round(store, run, gathered)
        return gathered

    async def _review(self, gathered: Gathered) -> bool:
        """Review the tool calls; False if the run waits or was left to another process."""
        goes_on = await self._unless_stopped(self._rounds.review(gathered))
        if goes_on is None or (goes_on and self._why is not None):
            await self._leave(self._append_to(gathered))
            return False
        return goes_on

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Do a step of the attempt; None if ``stop`` was called before its end."""
        if self._is_stopped():
            work.close()
            return None
        step = asyncio.ensure_future(work)
        self._step = step
        try:
            return await step
        except asyncio.CancelledError:
            if not (self._is_stopped() and step.cancelled()):
                raise
            return None
        finally:
            self._step = None

    def _is_stopped(self) -> bool:
        return self._why is not None

    def _append_to(self, gathered: Gathered) -> Appender:
        """Return the writer of this attempt's events."""
        config, parts = self._services.config, gathered.reply["parts"]
        return Appender(
            self._services.store,
            self._claimed,
            parts=len(parts),
            max_chars=config.delta_max_chars,
            max_delay_s=config.delta_max_delay_ms / 1000,
            save_interval_s=config.message_save_interval_s,
            book=self._rounds.book(gathered),
            is_joined=gathered.upstream is not None,
            kept_chars=sum(len(str(part.get("text", ""))) for part in parts),
        )

    async def _end(self, gathered: Gathered, appender: Appender, end: EndChunk) -> bool:
        """End the answer or its round; True if the round has calls to review."""
        usage = await usage_with_cost(self._services.registry.get(self._claimed.model)[0], end)
        total = with_rounds(gathered.rounds_usage, usage)
        if self._build is not None:
            return await self._end_version(self._build, gathered, appender, total)
        if not appender.has_calls and not any(open_calls(gathered.reply["parts"])):
            await appender.finish(lambda: _completion(gathered, appender, end, total))
            return False
        most = self._services.config.max_tool_rounds
        taken_over = self._claimed.params.get(TAKEN_OVER, 0)  # a person has continued the answer
        if count_rounds(gathered.reply["parts"][taken_over:]) >= most:
            note = NoteAdded(text=TOO_MANY_ROUNDS.format(rounds=most))
            await appender.finish(lambda: (note, *_completion(gathered, appender, end, total)))
            return False
        await appender.finish((), release=False, rounds_usage=total)
        self._spent.end_round(total)
        self._claimed = replace(self._claimed, retries=0)  # failures are counted per round
        self._last_round = gathered
        return True

    async def _end_version(
        self, build: Build, gathered: Gathered, appender: Appender, spent: Usage
    ) -> bool:
        """Add the test call of a build's version, in the transaction of the version's last text."""
        book = self._rounds.book(gathered)
        await appender.finish(
            lambda: build.after_version(gathered, appender, book, spent),
            release=False,
            rounds_usage=spent,
        )
        self._spent.end_round(spent)
        self._claimed = replace(self._claimed, retries=0)
        return bool(build.code_in(gathered, appender))

    async def _stream(self, gathered: Gathered, appender: Appender) -> EndChunk | Pause | None:
        """Read the provider to its end or to a pause; None if ``stop`` was called first."""
        reading: StreamReading | None = None

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

    async def _ask(self, gathered: Gathered, appender: Appender) -> StreamReading:
        """Begin a stream of the provider. It may take a while to get the model's sizes."""
        services = self._services
        provider, model = await services.registry.look_up(self._claimed.model)
        asked = gathered if self._build is None else self._build.prompt(gathered)
        draft = draft_prompt(asked, model, self._claimed.params, provider.name)
        prompt = await draft.prompt(services.store)
        _tell((*self._rounds.notes, *draft.notes), gathered, appender)
        stall_timeout_s = services.config.stall_timeout_s
        chunks = provider.stream(prompt)
        return StreamReading(chunks, appender, services.store, stall_timeout_s, self._spent)

    async def _finalized(self, status: EndStatus) -> Finalized:
        return await self._spent.end(status, self._services.registry, self._claimed.model)

    async def _leave(self, appender: Appender) -> None:
        if self._why == "cancelled":
            usage_by_run = await self._services.tokens.of_thread(self._claimed.run.thread.id)
            await appender.finish((await self._finalized("cancelled"),), usage_by_run=usage_by_run)
        else:  # the server stops, so the run is due again for another process
            appender.drop_uncovered()
            await appender.finish((StatusChanged(phase="queued", detail="the server stopped"),))

    async def _go_on(self, failure: ProviderError, gathered: Gathered, appender: Appender) -> bool:
        """After a failure, begin the next attempt now (True) or later, or end the run."""
        has_text = appender.has_written or bool(gathered.reply["parts"])
        if isinstance(failure, UpstreamLost) and gathered.upstream is not None:
            return await self._leave_upstream(has_text=has_text)
        if _has_come_further(gathered, appender):  # only failures without progress are counted
            self._claimed = replace(self._claimed, retries=0)
        # If the upstream can be joined again, the answer is not broken (L15).
        return await self._fail(failure, appender, visible=has_text and not appender.is_joined)

    async def _leave_upstream(self, *, has_text: bool) -> bool:
        """Begin the next attempt without the upstream, and add a note to the answer."""
        claims, claimed = self._services.store.claims, self._claimed
        await claims.leave_upstream(claimed, UPSTREAM_LOST_NOTE if has_text else None)
        again = await claims.retry(claimed)
        if again is None:
            raise StaleAttempt(claimed.run.id, claimed.attempt)
        self._claimed = again
        return True

    async def _fail(self, failure: ProviderError, appender: Appender, *, visible: bool) -> bool:
        claimed, config, store = self._claimed, self._services.config, self._services.store
        if visible and failure.retryable and claimed.on_crash == "interrupt":
            await appender.finish((_failed(failure), await self._finalized("interrupted")))
            return False
        if not failure.retryable or claimed.retries >= config.max_retries:
            await appender.finish((_failed(failure), await self._finalized("failed")))
            return False
        wait_s = self._backoff_s(failure)
        release = wait_s >= SHORT_WAIT_S
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
        """Wait in this process; False if ``stop`` was called first, and the run was left."""
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
    """Return whether this attempt has joined an upstream and committed a later cursor."""
    before, now = gathered.upstream, appender.cursor
    return before is not None and now is not None and now > before.cursor


def _tell(notes: Sequence[str], gathered: Gathered, appender: Appender) -> None:
    """Add the notes that no earlier attempt has added."""
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
