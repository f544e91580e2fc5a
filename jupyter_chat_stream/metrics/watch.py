"""Measures one service: its commits, polls and readers, and its database's counts.

Counters go to the meter of the process. States (open runs, readers, queues) are read when
Prometheus collects. A value that needs a query is at most ``SAMPLE_S`` old. Without collections,
there are no queries.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field

from ..engine.base import Engine
from ..engine.executing import ExecutingEngine
from ..following.hub import Hub
from ..providers.registry import Registry
from ..shared.errors import StoreError
from ..shared.events import from_iso
from ..shared.logs import Line
from ..store.front import ChatStore, Commit, Housekeeping
from .meter import METER
from .runs import RunWatch

log = logging.getLogger("jupyter_chat_stream.metrics")

SAMPLE_S = 5.0
# The counts of housekeeping that the meter has.
HOUSEKEEPING_COUNTS = (
    "expired_threads",
    "purged_threads",
    "deleted_attachments",
    "compacted_runs",
    "compacted_deltas",
    "compacted_bytes",
    "freed_bytes",
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The counts of the database at ``at_s`` (monotonic)."""

    open_runs: dict[str, int] = field(default_factory=dict)
    oldest_pending_s: float = 0.0
    open_calls: dict[str, int] = field(default_factory=dict)
    oldest_call_s: float = 0.0  # of the calls that no executor has claimed
    at_s: float = float("-inf")


class ServiceWatch:
    """Updates the meter from one service, from now until ``close``."""

    def __init__(
        self,
        *,
        store: ChatStore,
        engine: Engine,
        registry: Registry,
        hub: Hub | None = None,
        housekeeping: Housekeeping | None = None,
        tool_expires_s: float = 0.0,
    ) -> None:
        self.store = store
        self.engine = engine
        self.hub = hub
        self.housekeeping = housekeeping
        self.sample = Sample()
        self._tool_expires_ms = int(tool_expires_s * 1000)
        self._loop = asyncio.get_running_loop()
        self._sampling: asyncio.Task[None] | None = None
        models = [str(model["id"]) for model in registry.models()]
        self.runs = RunWatch(models, providers=registry.providers)
        store.listen(self.runs.see)
        store.observe(self._on_commit)
        if isinstance(engine, ExecutingEngine):
            engine.running.observe = self.runs.count_claim
            engine.sweep.observe = METER.sweep_delay_s.observe

    def refresh(self) -> None:
        """Start a new sample of the database, unless the last one is fresh. Any thread may call."""
        if time.monotonic() - self.sample.at_s < SAMPLE_S:
            return
        try:
            self._loop.call_soon_threadsafe(self._begin_sample)
        except RuntimeError:
            pass  # the loop has ended with the service

    async def take_sample(self) -> None:
        """Read from the database how many runs and tool calls are open, and the longest waits."""
        try:
            counts, oldest = await self.store.runs.count_open()
            calls, expires_ms = await self.store.tools.count_open()
        except StoreError as error:
            log.info(Line("metrics.sample_failed", code=error.code))
            return
        now_ms = self.store.now_ms()
        age_ms = 0 if oldest is None else now_ms - from_iso(oldest)
        left_ms = self._tool_expires_ms if expires_ms is None else expires_ms - now_ms
        self.sample = Sample(
            open_runs=counts,
            oldest_pending_s=max(0, age_ms) / 1000,
            open_calls=calls,
            oldest_call_s=max(0, self._tool_expires_ms - left_ms) / 1000,
            at_s=time.monotonic(),
        )

    def reader_came_back(self, thread_id: str, after: int, head: int) -> None:
        """Note that a reader has come back with a cursor, and how many events it had missed."""
        METER.reconnect_behind.observe(head - after)
        log.info(Line("reader.came_back", thread=thread_id, after=after, behind=head - after))

    def socket_paused(self, held_bytes: int) -> None:
        """Count a full outbox of a socket."""
        METER.socket_pauses += 1
        log.info(Line("socket.paused", held_bytes=held_bytes))

    def counts(self) -> Counter[str]:
        """Return the counts that the subsystems of the service have kept since its start."""
        totals = Counter(
            notices_sent=self.store.notices_sent,
            notices_received=self.store.notices_received,
            database_outages=self.store.outages,
        )
        if self.hub is not None:
            totals["reader_switches"] = self.hub.stats().falls_behind
        if isinstance(self.engine, ExecutingEngine):
            totals["schedule_ticks"] = self.engine.sweep.ticks
        if self.housekeeping is not None:
            counts = vars(self.housekeeping.counts)
            totals.update({name: counts[name] for name in HOUSEKEEPING_COUNTS})
            totals["housekeeping_rounds"] = self.housekeeping.rounds
        return totals

    async def close(self) -> None:
        """Stop sampling the database."""
        if self._sampling is not None:
            self._sampling.cancel()
            await asyncio.gather(self._sampling, return_exceptions=True)

    def _begin_sample(self) -> None:
        if self._sampling is None or self._sampling.done():
            self._sampling = self._loop.create_task(self.take_sample())

    def _on_commit(self, commit: Commit) -> None:
        # on the writer's thread
        METER.commit_s.observe(commit.seconds)
        METER.text_bytes += commit.bytes
