"""Watches the runs of one service: counts commits, and logs the steps of each run.

The watch gets all events that this process commits, even of runs that another process executes. A
delta costs one comparison; only events that begin, pause or end a run cost more.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..shared.errors import ProviderError
from ..shared.events import (
    Completed,
    Delta,
    Event,
    Failed,
    Finalized,
    InputGiven,
    InputRequested,
    MessageWritten,
    StatusChanged,
    ToolAllowed,
    ToolClaimed,
    ToolReturned,
    from_iso,
)
from ..shared.logs import Line
from ..shared.usage import counts_of
from ..store.front import WAITS_FOR_TOOLS, Claimed
from .meter import METER, Meter

log = logging.getLogger("jupyter_chat_stream.runs")

MOST_RUNS = 10_000  # remembered runs; beyond that the oldest is forgotten
OTHER = "other"
_OWN_CODES = ("internal", "crashed_too_often", "input_expired")


@dataclass(kw_only=True)
class _WatchedRun:
    """The data of a run that has not ended."""

    begun_ms: int | None = None
    model: str = OTHER
    code: str = ""
    has_begun_text: bool = False
    open_since_ms: dict[str, int] = field(default_factory=dict)  # of its open calls, by their ids
    claimed_ms: dict[str, int] = field(default_factory=dict)  # of its claimed calls


class RunWatch:
    """Counts the events of the runs that this process commits.

    Args:
        models: the ids of models that may be values of a label.
        providers: the names of the providers; any other model of a known provider counts as
            ``provider/other``, and every other model as ``other``.
    """

    def __init__(
        self, models: Collection[str], *, providers: Collection[str] = (), meter: Meter = METER
    ) -> None:
        self.models = frozenset(models)
        self._providers = frozenset(providers)
        self._meter = meter
        self.runs: OrderedDict[str, _WatchedRun] = OrderedDict()
        self.silent: set[str] = set()  # runs without a first delta

    def see(self, events: Iterable[Event]) -> None:
        """Count the events of one commit."""
        silent, deltas = self.silent, 0
        for event in events:
            if event.body.__class__ is Delta:
                deltas += 1
                if silent and event.run_id in silent:
                    self._note_first_text(event)
            else:
                self._meter.events[event.body.type] += 1
                self._handle(event)
        if deltas:
            self._meter.events["delta"] += deltas

    def count_claim(self, claimed: Claimed) -> None:
        """Count a run that this process has claimed, from the queue or from a dead process."""
        run = self._run(claimed.run.id)
        run.model = self._label(claimed.model)
        run.begun_ms = max(claimed.created_ms, run.begun_ms or 0)
        if claimed.was_lost:
            self._meter.takeovers += 1
            log.warning(Line("run.taken_over", run=claimed.run.id, attempt=claimed.attempt))

    def _handle(self, event: Event) -> None:
        run_id, body = event.run_id, event.body
        if run_id is None:
            return
        handler = _HANDLERS.get(body.__class__)
        if handler is not None:
            handler(self, event, run_id, body)

    def _on_message(self, event: Event, run_id: str, body: MessageWritten) -> None:
        if event.attempt is not None or body.message["role"] != "assistant":
            return
        run = self._run(run_id)
        run.model = self._label(body.message["model"])
        if body.message["status"] == "waiting":
            run.begun_ms = None
            self._note_wait(event, "later", until=body.deliver_at)
        else:
            run.begun_ms = event.at

    def _on_status(self, event: Event, run_id: str, body: StatusChanged) -> None:
        facts: dict[str, object] = {"run": run_id, "attempt": event.attempt}
        if body.phase in ("thinking", "continuing"):
            self._meter.attempts += 1
            run = self._run(run_id)
            if body.phase == "thinking" and not run.has_begun_text:
                self.silent.add(run_id)
            log.info(Line("run.begun", thread=event.thread_id, phase=body.phase, **facts))
        elif body.phase == "retrying":
            code = _code(body.detail)
            self._meter.retries[code] += 1
            log.info(Line("run.retrying", code=code, **_in_s(event, body.until), **facts))
        elif body.phase == "waiting":
            kind = "tools" if body.detail == WAITS_FOR_TOOLS else "sleep"
            self._note_wait(event, kind, until=body.until)
        elif body.phase == "queued":
            log.info(Line("run.left", **facts))

    def _on_question(self, event: Event, run_id: str, body: InputRequested) -> None:
        kind = "consent" if body.kind == "consent" else "question"
        self._note_wait(event, kind, until=body.expires_at, request=body.request_id)

    def _on_answer(self, event: Event, run_id: str, body: InputGiven) -> None:
        log.info(Line("run.answered", run=run_id, request=body.request_id))

    def _on_permission(self, event: Event, run_id: str, body: ToolAllowed) -> None:
        self._run(run_id).open_since_ms[body.tool_call_id] = event.at

    def _on_claim(self, event: Event, run_id: str, body: ToolClaimed) -> None:
        run, id_ = self._run(run_id), body.tool_call_id
        if body.executor is None:  # the call is open again
            run.claimed_ms.pop(id_, None)
            run.open_since_ms[id_] = event.at
            return
        self._meter.tool_claims += 1
        since_ms = run.open_since_ms.pop(id_, None)
        if since_ms is not None:
            self._meter.tool_wait_s.observe(max(0, event.at - since_ms) / 1000)
        run.claimed_ms[id_] = event.at

    def _on_result(self, event: Event, run_id: str, body: ToolReturned) -> None:
        run = self._run(run_id)
        run.open_since_ms.pop(body.tool_call_id, None)
        since_ms = run.claimed_ms.pop(body.tool_call_id, None)
        if since_ms is not None:
            self._meter.tool_call_s.observe(max(0, event.at - since_ms) / 1000)
        self._meter.tool_results[body.reason or ("done" if body.success else "failed")] += 1

    def _note_wait(self, event: Event, kind: str, *, until: str | None, **facts: Any) -> None:
        self._meter.waits[kind] += 1
        facts = {"run": event.run_id, "kind": kind, **facts, **_in_s(event, until)}
        log.info(Line("run.waits", **facts))

    def _count_tokens(self, event: Event, run_id: str, body: Completed | Finalized) -> None:
        counts = counts_of(body.usage)
        if counts is not None:
            model = self._run(run_id).model
            for kind, count in vars(counts).items():
                self._meter.tokens[kind, model] += count

    def _on_failure(self, event: Event, run_id: str, body: Failed) -> None:
        self._run(run_id).code = _code(body.code)

    def _on_end(self, event: Event, run_id: str, body: Finalized) -> None:
        self._count_tokens(event, run_id, body)
        run = self._run(run_id)
        del self.runs[run_id]
        self.silent.discard(run_id)
        self._meter.run_ends[body.status, run.code, run.model] += 1
        took_s = None
        if run.begun_ms is not None:
            took_s = max(0, event.at - run.begun_ms) / 1000
            self._meter.run_s[body.status].observe(took_s)
        facts = {"run": run_id, "thread": event.thread_id, "attempt": event.attempt}
        code = run.code or None
        log.info(
            Line("run.ended", status=body.status, code=code, model=run.model, s=took_s, **facts)
        )

    def _note_first_text(self, event: Event) -> None:
        self.silent.discard(event.run_id or "")
        run = self._run(event.run_id or "")
        run.has_begun_text = True
        if run.begun_ms is not None:
            took_s = max(0, event.at - run.begun_ms) / 1000
            self._meter.first_event_s[run.model].observe(took_s)

    def _run(self, run_id: str) -> _WatchedRun:
        run = self.runs.get(run_id)
        if run is None:
            run = self.runs[run_id] = _WatchedRun()
            if len(self.runs) > MOST_RUNS:
                oldest_id, _ = self.runs.popitem(last=False)
                self.silent.discard(oldest_id)
        return run

    def _label(self, model: str | None) -> str:
        if model in self.models:
            return model
        provider, slash, _ = model.partition("/") if model else ("", "", "")
        return f"{provider}/{OTHER}" if slash and provider in self._providers else OTHER


def known_codes() -> frozenset[str]:
    """Return this package's own error codes of a run; other providers may add codes."""
    classes = [ProviderError]
    for cls in classes:
        classes.extend(cls.__subclasses__())
    codes = {cls.code for cls in classes if cls.__module__.startswith("jupyter_chat_stream.")}
    return frozenset({*codes, *_OWN_CODES})


_CODES = known_codes()


def _code(code: str | None) -> str:
    return code if code in _CODES else OTHER


def _in_s(event: Event, until: str | None) -> dict[str, float]:
    return {} if until is None else {"in_s": (from_iso(until) - event.at) / 1000}


_HANDLERS: dict[type, Callable[[Any, Event, str, Any], None]] = {
    MessageWritten: RunWatch._on_message,
    StatusChanged: RunWatch._on_status,
    InputRequested: RunWatch._on_question,
    InputGiven: RunWatch._on_answer,
    ToolAllowed: RunWatch._on_permission,
    ToolClaimed: RunWatch._on_claim,
    ToolReturned: RunWatch._on_result,
    Completed: RunWatch._count_tokens,
    Failed: RunWatch._on_failure,
    Finalized: RunWatch._on_end,
}
