"""Counts the tokens of attempts without a complete answer, as the provider reports them.

An answer that is stopped, fails or is refused has cost tokens, too, and its last event reports
them. Tokens of attempts in other processes are not known. If another task ends a run that this
process works on, it gets the run's tokens from ``TokensHere``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from ..providers.base import EndChunk, UsageChunk
from ..providers.prices import usage_with_cost
from ..providers.registry import Registry
from ..shared.events import Finalized
from ..shared.records import EndStatus, Usage
from ..shared.usage import COST, counts_of
from ..store.front import RunRef


class SpentTokens:
    """The tokens of one run while this process works on it."""

    def __init__(self) -> None:
        self._report: UsageChunk | None = None  # the latest report of the current attempt
        self._earlier_reports: list[UsageChunk] = []
        self.rounds: Usage | None = None  # of all ended rounds, in any process

    def take_report(self, chunk: UsageChunk) -> None:
        """Take the tokens of this attempt so far, which replace its earlier report."""
        self._report = chunk

    def begin_attempt(self, *, is_joined: bool) -> None:
        """Add the tokens of the attempt before to the sum, before a new attempt.

        Args:
            is_joined: whether the attempt joins the same upstream, which reports its tokens again.
        """
        if self._report is not None and not is_joined:
            self._earlier_reports.append(self._report)
            self._report = None

    def end_round(self, usage: Usage) -> None:
        """Take the usage of all rounds so far, including the stream that has just ended."""
        self._report, self.rounds = None, usage

    async def end(self, status: EndStatus, registry: Registry, model: str) -> Finalized:
        """Return the end of a run that did not complete, with all tokens and their known cost."""
        return Finalized(status=status, usage=await self.total(registry, model))

    async def total(self, registry: Registry, model: str) -> Usage | None:
        """Return all tokens so far and their known cost; None if none were counted."""
        chunks = [*self._earlier_reports, *([self._report] if self._report else [])]
        reports = [chunk for chunk in chunks if counts_of(chunk.usage) is not None]
        if not reports:
            return self.rounds
        total = _sum_of([chunk.usage for chunk in reports])
        end = EndChunk(stop_reason="", model=reports[-1].model, usage=total)
        provider, _ = registry.get(model)
        return with_rounds(self.rounds, await usage_with_cost(provider, end))


class TokensHere:
    """The tokens of the runs that this process works on."""

    def __init__(self) -> None:
        # By run id: the thread's id, and a function that adds up the tokens.
        self._runs: dict[str, tuple[str, Callable[[], Awaitable[Usage | None]]]] = {}

    @contextmanager
    def hold(
        self, run: RunRef, spent_tokens: SpentTokens, registry: Registry, model: str
    ) -> Iterator[None]:
        """Register the tokens of a run while the block works on it."""
        entry = self._runs[run.id] = (run.thread.id, partial(spent_tokens.total, registry, model))
        try:
            yield
        finally:
            if self._runs.get(run.id) is entry:
                del self._runs[run.id]

    async def of_thread(self, thread_id: str) -> dict[str, Usage]:
        """Return the tokens of a thread's runs so far, by the run's id."""
        usage_by_run: dict[str, Usage] = {}
        for run_id, (thread, add_up) in list(self._runs.items()):
            usage = await add_up() if thread == thread_id else None
            if usage is not None:
                usage_by_run[run_id] = usage
        return usage_by_run


def with_rounds(rounds: Usage | None, usage: Usage) -> Usage:
    """Add the usage of earlier rounds to the usage of the last stream."""
    return usage if rounds is None else _sum_of([rounds, usage])


def _sum_of(usages: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Add up usages; the cost counts only if each attempt has reported one."""
    total: dict[str, float] = {}
    for usage in usages:
        for name, value in usage.items():
            total[name] = total.get(name, 0) + value
    if not all(COST in usage for usage in usages):
        total.pop(COST, None)
    return total
