"""Executes a run. The log is the only record of the run's progress.

An attempt reads the text so far from the log, continues the text, and appends. After a crash, a cut
stream or a failure, the same function is called again for the next attempt.

::

    gather context, review tool calls ─► call the model, streaming ─► complete, finalized
         ▲                 ├─ calls tools: the round ends (``rounds``), and is reviewed
         │                 ├─ asks or sleeps: released; an answer or the time makes it due
         │                 └─ fails (``retries``)
         └─ next attempt ◄─┘

Another process may fence this attempt, by Stop or by a takeover. The next append then fails with
StaleAttempt, and the attempt ends silently, because the other process has written to the log (L5).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from ..providers.base import EndChunk
from ..providers.prices import usage_with_cost
from ..shared.errors import DamagedRow, ProviderError, StaleAttempt, StoreError
from ..shared.events import Body, NoteAdded
from ..shared.logs import Line, place_of
from ..shared.parts import open_calls
from ..shared.records import Usage
from ..store.front import TAKEN_OVER, Claimed
from .appender import Appender
from .components.builds import Build
from .context import Gathered, draft_prompt, gather, gather_round
from .last_events import LastEvents, completion
from .pauses import Pause
from .reading import StreamReading
from .retries import Retries
from .rounds import TOO_MANY_ROUNDS, ToolRounds, count_rounds
from .services import RunServices
from .spent import SpentTokens, with_rounds
from .stopping import Stopping, StopReason

log = logging.getLogger("jupyter_chat_stream.runs")


class Execution:
    """One run while this process works on it."""

    def __init__(self, services: RunServices, claimed: Claimed) -> None:
        self._services = services
        self._claimed = claimed  # the current attempt
        self._stopping = Stopping()
        self._spent_tokens = SpentTokens()
        self._last_events = LastEvents(services, claimed, self._stopping, self._spent_tokens)
        self._retries = Retries(services, self._stopping, self._last_events)
        self._build = Build.of(claimed.params)
        self._rounds: ToolRounds
        self._last_round: Gathered | None = None  # set at the end of this attempt's round

    @property
    def attempt(self) -> int:
        return self._claimed.attempt

    def stop(self, reason: StopReason) -> None:
        """End early and keep the text: cancel the run, or leave it due for another process."""
        self._stopping.stop(reason)

    async def run(self) -> None:
        """Work until the run ends, waits, or is fenced."""
        run, model, services = self._claimed.run, self._claimed.model, self._services
        try:
            try:
                with services.tokens.hold(run, self._spent_tokens, services.registry, model):
                    while await self._make_attempt():
                        pass
            except DamagedRow as damage:
                await services.store.claims.fail_damaged(run, self.attempt, damage)
        except StaleAttempt:
            log.info(Line("run.fenced", run=run.id, attempt=self.attempt))
        except StoreError as error:  # the store refuses writes now: a sweep claims the run again
            log.warning(Line("run.left", code=error.code, run=run.id, attempt=self.attempt))

    async def _make_attempt(self) -> bool:
        """Make one attempt, or one round of it; True if the next one follows at once."""
        run = self._claimed.run
        gathered = await self._gather()
        if gathered is None:
            return False
        self._spent_tokens.begin_attempt(is_joined=gathered.upstream is not None)
        appender = self._make_appender(gathered)
        try:
            return await self._continue_answer(gathered, appender)
        except ProviderError as failure:
            appender.drop_uncovered()
            await appender.finish((), release=False)
            attempt = await self._retries.after(failure, self._claimed, gathered, appender)
            if attempt is None:
                return False
            self._claimed = attempt
            return True
        except (StaleAttempt, StoreError):
            raise
        except Exception as error:  # noqa: BLE001  a bug of ours or of a provider: the run fails
            log.error(Line("run.broke", run=run.id, error=type(error).__name__, at=place_of(error)))
            await self._last_events.write_bug(appender, error)
            return False
        finally:
            appender.close()

    async def _gather(self) -> Gathered | None:
        """Read the prompt's data; None if the run waits for a tool call, or was stopped.

        If the upstream can be joined, its round has not ended, so no call is reviewed.
        """
        services, run = self._services, self._claimed.run
        store, config = services.store, services.config
        self._rounds = ToolRounds(store, services.tools, config, self._claimed, services.tokens)
        last_round, self._last_round = self._last_round, None
        if last_round is None:
            context = await gather(store, run, config.system)
        else:
            context = await gather_round(store, run, last_round)
        self._spent_tokens.rounds = context.rounds_usage
        gathered = await self._stopping.run(self._rounds.resolve(context))
        if gathered is None:
            await self._last_events.write_stop(self._make_appender(context))
            return None
        if gathered.upstream is None and any(open_calls(gathered.reply["parts"])):
            if not await self._review_calls(gathered):
                return None
            gathered = await gather_round(store, run, gathered)
        return gathered

    async def _review_calls(self, gathered: Gathered) -> bool:
        """Review the tool calls; False if the run waits or was stopped."""
        goes_on = await self._stopping.run(self._rounds.review(gathered))
        if goes_on is None or (goes_on and self._stopping.is_stopped()):
            await self._last_events.write_stop(self._make_appender(gathered))
            return False
        return goes_on

    def _make_appender(self, gathered: Gathered) -> Appender:
        """Make the writer of this attempt's events."""
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

    async def _continue_answer(self, gathered: Gathered, appender: Appender) -> bool:
        """Write the answer to its end, a pause, or a round's end; True if this process goes on.

        Raises:
            ProviderError: the attempt has failed.
        """
        if self._build is not None and gathered.upstream is None:
            end_events = self._build.end(gathered)
            if end_events is not None:
                await appender.finish(end_events)
                return False
        outcome = await self._stream(gathered, appender)
        if outcome is None:
            await self._last_events.write_stop(appender)
            return False
        if isinstance(outcome, EndChunk):
            return await self._end_stream(gathered, appender, outcome)
        # The run asks or sleeps, and has no holder after that commit (L10).
        appender.drop_uncovered()
        await appender.finish((outcome,))
        return False

    async def _stream(self, gathered: Gathered, appender: Appender) -> EndChunk | Pause | None:
        """Read the provider to its end or to a pause; None if ``stop`` was called first.

        If the end arrived before the stop, the answer is complete.
        """
        reading = await self._stopping.run(self._open_stream(gathered, appender))
        if reading is None:
            return None
        await self._stopping.run(reading.run())
        if self._stopping.is_stopped() and reading.end is None:
            return None
        return reading.outcome()

    async def _open_stream(self, gathered: Gathered, appender: Appender) -> StreamReading:
        """Begin a stream of the provider. It may take a while to get the model's sizes."""
        services = self._services
        provider, model = await services.registry.look_up(self._claimed.model)
        context = gathered if self._build is None else self._build.prompt(gathered)
        draft = draft_prompt(context, model, self._claimed.params, provider.name)
        prompt = await draft.prompt(services.store)
        _add_new_notes((*self._rounds.notes, *draft.notes), gathered, appender)
        stall_timeout_s = services.config.stall_timeout_s
        chunks = provider.stream(prompt)
        return StreamReading(chunks, appender, services.store, stall_timeout_s, self._spent_tokens)

    async def _end_stream(self, gathered: Gathered, appender: Appender, end: EndChunk) -> bool:
        """End the answer or its round; True if the round has calls to review."""
        usage = await usage_with_cost(self._services.registry.get(self._claimed.model)[0], end)
        total = with_rounds(gathered.rounds_usage, usage)
        if self._build is not None:
            return await self._end_version(self._build, gathered, appender, total)

        def completed() -> Sequence[Body]:
            parts = [*gathered.reply["parts"], *appender.parts]
            return completion(parts, total, end.stop_reason)

        if not appender.has_calls and not any(open_calls(gathered.reply["parts"])):
            await appender.finish(completed)
            return False
        max_rounds = self._services.config.max_tool_rounds
        taken_over = self._claimed.params.get(TAKEN_OVER, 0)  # a person has continued the answer
        if count_rounds(gathered.reply["parts"][taken_over:]) >= max_rounds:
            note = NoteAdded(text=TOO_MANY_ROUNDS.format(rounds=max_rounds))
            await appender.finish(lambda: (note, *completed()))
            return False
        await appender.finish((), release=False, rounds_usage=total)
        self._note_round(total)
        self._last_round = gathered
        return True

    async def _end_version(
        self, build: Build, gathered: Gathered, appender: Appender, total: Usage
    ) -> bool:
        """Add the test call of a build's version, in the transaction of the version's last text."""
        book = self._rounds.book(gathered)
        await appender.finish(
            lambda: build.after_version(gathered, appender, book, total),
            release=False,
            rounds_usage=total,
        )
        self._note_round(total)
        return bool(build.code_in(gathered, appender))

    def _note_round(self, total: Usage) -> None:
        """Count a round that was committed: its tokens, and no failure yet in the next round."""
        self._spent_tokens.end_round(total)
        self._claimed = replace(self._claimed, retries=0)


def _add_new_notes(notes: Sequence[str], gathered: Gathered, appender: Appender) -> None:
    """Add the notes that no earlier attempt has added."""
    earlier_notes = [part["text"] for part in gathered.reply["parts"] if part["kind"] == "note"]
    for note in notes:
        if note not in earlier_notes:
            appender.note(note)
