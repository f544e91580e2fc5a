"""Rounds of tool calls: resolves the tools of a run, reviews its calls, and makes server calls.

::

    stream ends with calls ─► its usage is kept ─► review ◄────────┐
         ▲                                          ├─ calls in place: make them
         │ every call has a result                  ├─ a call is open: released, waits (L10)
         └──────────────────────────────────────────┘

The review is one transaction, and the first step of every attempt. After a crash, the next attempt
finds the open work in the log and in the rows (L12, L13, L14).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..providers.base import Answered, AskChunk, SleepChunk
from ..shared.config import ChatStream
from ..shared.errors import (
    AttachmentNotFound,
    AttachmentTooLarge,
    ChatStreamError,
    StaleAttempt,
    StoreError,
    TooManyBuilds,
)
from ..shared.events import InputRequested, clean_text, from_iso
from ..shared.logs import Line, place_of
from ..shared.parts import open_calls
from ..shared.records import Part, Phase, ToolDefinition
from ..store.front import (
    BUILD,
    CallInPlace,
    CallPlan,
    ChatStore,
    Claimed,
    NewBuild,
)
from .context import Gathered
from .pauses import pause_of
from .result_files import ResultFiles, without_files
from .spent import TokensHere
from .tools.base import (
    BuildWait,
    CallContext,
    ServerTools,
    ThreadBuilds,
    ToolDone,
    ToolOutcome,
)
from .toolset import ToolBook, known_tools, plan_calls, resolve_tools, wanted_names

log = logging.getLogger("jupyter_chat_stream.runs")

TOOL_IS_GONE = "This tool does not exist any more. The call was not made."
TOO_MANY_ROUNDS = "The answer ends here: the model has called tools {rounds} times in a row."


class ToolRounds:
    """The tools of one run while this process works on it."""

    def __init__(
        self,
        store: ChatStore,
        tools: ServerTools,
        config: ChatStream,
        claimed: Claimed,
        tokens: TokensHere,
    ) -> None:
        self._store = store
        self._server_tools = tools
        self._config = config
        self._claimed = claimed
        self._tokens = tokens
        self._digests: dict[str, str] = {}  # by call id: the digest of the reviewed definition
        self.notes: tuple[str, ...] = ()
        """Notes for the answer about missing tools."""

    async def resolve(self, gathered: Gathered) -> Gathered:
        """Return the gathered data with the run's tools, which are resolved once and then kept."""
        if gathered.tools is not None:
            return gathered
        tools: Sequence[ToolDefinition] = ()
        if not gathered.reply["parts"]:  # an answer that began without tools continues without
            tools = await self._find_tools(gathered)
        if tools:
            await self._store.tools.keep(self._claimed.run, self._claimed.attempt, tools)
        return replace(gathered, tools=tuple(tools))

    async def _find_tools(self, gathered: Gathered) -> Sequence[ToolDefinition]:
        """Resolve the run's tools. Sources are asked only for tools that may be on."""
        requested = self._claimed.params.get("tools")
        names = wanted_names(requested, gathered.thread_tools, self._config)
        listing = await self._server_tools.of(gathered.owner).list_named(names)
        self.notes = tuple(problem["message"] for problem in listing.problems)
        tools_by_name = known_tools(listing.tools, gathered.offers)
        return resolve_tools(requested, gathered.thread_tools, tools_by_name, self._config)

    def book(self, gathered: Gathered) -> ToolBook:
        """Return the facts for the log about calls that the model makes now."""
        expires_ms = int(self._config.tool_expires_s * 1000)
        return ToolBook(gathered.tools or (), lambda: self._store.now_ms() + expires_ms)

    async def review(self, gathered: Gathered) -> bool:
        """Review the calls of the reply, and make the server's calls in this process.

        Returns:
            Whether the attempt continues: False if the run waits and was released.

        Raises:
            StaleAttempt: another attempt or an end came first.
        """
        run, attempt = self._claimed.run, self._claimed.attempt
        plans = await self._plans(gathered)
        phase: Phase = "building" if BUILD in self._claimed.params else "tool_calling"
        while True:
            outcome = await self._store.tools.review(run, attempt, plans, phase)
            if not outcome.in_place:
                return not outcome.is_waiting
            await self._make_all(outcome.in_place)

    async def _plans(self, gathered: Gathered) -> dict[str, CallPlan]:
        """Check the calls without a result, in another thread because schemas are untrusted."""
        calls = list(open_calls(gathered.reply["parts"]))
        if not calls:
            return {}
        tools = gathered.tools or ()
        plans = await asyncio.to_thread(plan_calls, calls, tools, self._config)
        self._digests = {call_id: plan.digest for call_id, plan in plans.items()}
        return plans

    async def _make_all(self, calls: Sequence[CallInPlace]) -> None:
        """Make calls concurrently. If the attempt is fenced, all of them end."""
        tasks = [asyncio.ensure_future(self._make(call)) for call in calls]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, call: CallInPlace) -> None:
        outcome = await self._call(call)
        if isinstance(outcome, (AskChunk, SleepChunk)):
            await self._pause(call, outcome)
        elif isinstance(outcome, NewBuild):
            await self._start_build(call, outcome)
        elif isinstance(outcome, BuildWait):
            run, attempt, id_ = self._claimed.run, self._claimed.attempt, call.tool_call_id
            await self._store.tools.wait_for_build(run, attempt, id_, outcome.job_id)
        else:
            await self._end(call, outcome)

    async def _call(self, call: CallInPlace) -> ToolOutcome:
        """Call the tool; an exception of the tool becomes a failed result."""
        try:
            tool = await self._server_tools.of(call.owner).find(call.name)
            if tool is None:
                return ToolDone(success=False, output=TOOL_IS_GONE)
            return await tool.call(call.input, self._context(call))
        except (StaleAttempt, StoreError):
            raise
        except ChatStreamError as error:
            return ToolDone(success=False, output=error.message)
        except Exception as error:  # noqa: BLE001  a tool's bug fails its call, and nothing else
            facts = {"error": type(error).__name__, "at": place_of(error)}
            log.warning(Line("tool.broke", run=self._claimed.run.id, **facts))
            return ToolDone(success=False, output=f"The tool failed ({type(error).__name__}).")

    def _context(self, call: CallInPlace) -> CallContext:
        run, question = self._claimed.run, call.answer
        answer = None
        if question is not None and question["by"] is not None:
            answer = Answered(prompt=question["prompt"], value=question["value"], by=question["by"])
        return CallContext(
            owner=call.owner,
            thread_id=run.thread.id,
            run_id=run.id,
            tool_call_id=call.tool_call_id,
            started_ms=call.started_ms,
            now_ms=self._store.now_ms(),
            answer=answer,
            write=partial(self._write, call),
            digest=self._digests.get(call.tool_call_id, ""),
            builds=ThreadBuilds(self._store, run.thread, self._tokens),
            job_id=call.job_id,
        )

    async def _start_build(self, call: CallInPlace, build: NewBuild) -> None:
        run, attempt = self._claimed.run, self._claimed.attempt
        try:
            await self._store.tools.start_build(run, attempt, call, build)
        except TooManyBuilds as error:
            await self._end(call, ToolDone(success=False, output=error.message))

    async def _write(self, call: CallInPlace, text: str) -> None:
        run, attempt = self._claimed.run, self._claimed.attempt
        clean = clean_text(text)
        await self._store.tools.write_in_place(run, attempt, call.tool_call_id, clean)

    async def _pause(self, call: CallInPlace, chunk: AskChunk | SleepChunk) -> None:
        run, attempt, store = self._claimed.run, self._claimed.attempt, self._store
        try:
            pause = pause_of(chunk, now_ms=store.now_ms(), request_id=store.new_id())
        except ChatStreamError as error:
            await self._end(call, ToolDone(success=False, output=error.message))
            return
        if isinstance(pause, InputRequested):
            question = replace(pause, tool_call_id=call.tool_call_id)
            await store.tools.pause(run, attempt, call.tool_call_id, question)
        elif pause is None or pause.until is None:  # the time has passed: call the tool again
            await store.tools.pause(run, attempt, call.tool_call_id, store.now_ms())
        else:
            await store.tools.pause(run, attempt, call.tool_call_id, from_iso(pause.until))

    async def _end(self, call: CallInPlace, result: ToolDone) -> None:
        run, attempt = self._claimed.run, self._claimed.attempt
        files = ResultFiles(self._store, self._config, call.owner)
        kept_result = await files.keep(result)
        end = partial(
            self._store.tools.end_in_place, run, attempt, call, success=kept_result.success
        )
        try:
            await end(output=kept_result.output, attachment_ids=kept_result.attachment_ids)
        except (AttachmentTooLarge, AttachmentNotFound) as error:
            await files.drop(kept_result.attachment_ids)
            await end(output=without_files(kept_result.output, error))
        except BaseException:
            await files.drop(kept_result.attachment_ids)
            raise


def count_rounds(parts: Sequence[Part]) -> int:
    """Count the rounds of a reply; a call after a result begins a new round."""
    rounds, is_in_round = 0, False
    for part in parts:
        if part["kind"] == "tool_call" and "where" in part:
            rounds += not is_in_round
            is_in_round = True
        elif part["kind"] == "tool_result":
            is_in_round = False
    return rounds
