"""The runs of this process: for each call it claims the attempt, and executes it.

::

    begin(run, attempt) ─► find it: due, in this attempt, held by no living process?
                               │ no: nothing          ▼ yes
                               ◄──── lost ──── claim (compare-and-set) ─► execute ─► ended

A lost claim leaves nothing behind; the second of two equal calls loses it (L5). If somebody else
has ended or taken a run, its attempt here is cancelled: it could write no more, but its provider
may be silent long. A commit of this process shows that at once; that of another as soon as a notice
tells of it, and at the latest after ``sweep_interval_s`` (L9). The upstream of a run that was
cancelled here is stopped, also if no attempt is being made.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from ..runs.execute import Execution
from ..runs.services import RunServices
from ..runs.upstreams import UpstreamStops
from ..shared.config import STOP_WITHIN_S, ChatStream
from ..shared.errors import StoreError
from ..shared.events import Event, Finalized, ToolClaimed, ToolReturned
from ..shared.logs import Line
from ..shared.records import OnCrash
from ..store.front import LAST_CHANCE_S, Claimed, Due, LeaseReader
from .base import Holders

log = logging.getLogger("jupyter_chat_stream.engine")

ABORT_WITHIN_S = 0.1


class _Work:
    """One call: it claims the run, then executes it."""

    def __init__(self, run_id: str, attempt: int) -> None:
        self.run_id = run_id
        self.attempt = attempt
        self.execution: Execution | None = None
        self.thread_id: str | None = None
        self.is_last_chance = False
        self.is_over = False  # the run has ended before its claim was known here
        self.began_s = time.monotonic()
        self.is_claimed = asyncio.Event()  # or the call has ended without a claim
        self.task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        if self.execution is not None:
            self.execution.stop("shutdown")

    def is_before(self, attempt: int | None) -> bool:
        """Return whether an event of this attempt fences the execution."""
        execution = self.execution
        return attempt is not None and execution is not None and execution.attempt < attempt

    def cancel(self) -> bool:
        """End at once, because the run is somebody else's; False if that was begun before."""
        if self.task is None:
            return False
        is_first = not self.task.cancelling()
        self.task.cancel()
        return is_first


class Running:
    """The runs of one process.

    Args:
        on_free_slot: called whenever a call has ended.
        look_again: called after that unless the call failed, and when a build has begun: a run may
            be due. One whose call failed waits for the next regular sweep: claiming it at once
            would repeat the failure without a pause.

    ``observe``, if it is set, is called with each claim of an open run that was won here.
    """

    def __init__(
        self,
        services: RunServices,
        config: ChatStream,
        holders: Holders,
        *,
        look_again: Callable[[], None],
        on_free_slot: Callable[[], None] = lambda: None,
    ) -> None:
        self._services = services
        self._config = config
        self._stops = UpstreamStops(services.store, services.registry)
        self._holders = holders
        self._look_again = look_again
        self._on_free_slot = on_free_slot
        self._calls: dict[tuple[str, int], _Work] = {}
        self._call_counts: Counter[str] = Counter()  # calls of each run
        self._executing: dict[str, _Work] = {}
        self.watch_task: asyncio.Task[None] | None = None
        self._look_now = asyncio.Event()
        self.observe: Callable[[Claimed], None] | None = None
        self._is_stopping = False

    @property
    def active(self) -> int:
        """How many runs are claimed or executed now."""
        return len(self._calls)

    def free_slots(self) -> int:
        """Return how many more runs may be begun."""
        return max(0, self._config.max_active_runs - len(self._calls))

    def is_begun(self, run_id: str, attempt: int) -> bool:
        """Return whether this attempt is being made here."""
        return (run_id, attempt) in self._calls

    def start(self) -> None:
        self._services.store.listen(self._note_commit)
        self.watch_task = asyncio.get_running_loop().create_task(self._watch())

    def begin(self, run_id: str, attempt: int, due: Due | None = None) -> asyncio.Task[None] | None:
        """Make this attempt; returns its task, or None if this process is stopping."""
        if self._is_stopping:
            return None
        work = self._calls.get((run_id, attempt))
        if work is None:
            work = self._calls[run_id, attempt] = _Work(run_id, attempt)
            self._call_counts[run_id] += 1
            work.task = asyncio.get_running_loop().create_task(
                self._make(work, due), name=f"run {run_id}"
            )
            work.task.add_done_callback(lambda task: self._end_call(work, task))
        return work.task

    def may_have_lost(self, leases: LeaseReader, holder: str) -> bool:
        """Return whether a holder may hold runs that no process works on. Blocks."""
        return holder == self._holders.own_name or not self._holders.is_alive(leases, holder)

    def is_lost(self, leases: LeaseReader, due: Due) -> bool:
        """Return whether no process works on a due run, and none has begun to. Blocks."""
        if (due.run.id, due.attempt + 1) in self._calls or self._is_held_back(due):
            return False
        return self._is_free(leases, due)

    def presume_alive(self) -> None:
        """Count all holders as alive for a while: this process was stopped for some time."""
        self._holders.presume_alive()

    def _is_held_back(self, due: Due) -> bool:
        """Return whether the run's last chance must wait: `claim` would refuse it now."""
        since = time.monotonic() - LAST_CHANCE_S
        return due.is_last_chance(self._config.max_crashes) and any(
            work.is_last_chance and work.began_s > since for work in list(self._executing.values())
        )

    async def abort(self, run_id: str) -> bool:
        """Stop a run and keep its text; False if it is not executed here."""
        for work in [work for work in self._calls.values() if work.run_id == run_id]:
            await _wait(work.is_claimed.wait(), ABORT_WITHIN_S)
        executing = self._executing.get(run_id)
        if executing is None or executing.execution is None or executing.task is None:
            return False
        executing.execution.stop("cancelled")
        await asyncio.wait([executing.task], timeout=ABORT_WITHIN_S)
        return True

    def hear(self, threads: frozenset[str] | None) -> None:
        """Check soon whether another process has ended runs of these threads (None: of any)."""
        if threads is None or any(w.thread_id in threads for w in self._executing.values()):
            self._look_now.set()

    async def stop(self) -> list[tuple[str, int]]:
        """End every run's task; returns the runs left due, each with its next attempt."""
        self._is_stopping = True
        works = list(self._calls.values())
        for work in works:
            work.stop()
        tasks = [work.task for work in works if work.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_WITHIN_S)
        for task in tasks:
            task.cancel()
        if tasks:  # a provider that ignores its cancellation must not keep the server from ending
            await asyncio.wait(tasks, timeout=STOP_WITHIN_S)
        if self.watch_task is not None:
            self.watch_task.cancel()
            await asyncio.wait({self.watch_task}, timeout=STOP_WITHIN_S)
        await self._stops.end(STOP_WITHIN_S)
        return [(w.run_id, w.execution.attempt + 1) for w in works if w.execution is not None]

    async def _make(self, work: _Work, due: Due | None) -> None:
        try:
            claimed = await self.take(work, due)
            if claimed is None or work.is_over:
                return
            if self.observe is not None:
                self.observe(claimed)
            older = self._executing.get(work.run_id)
            if older is not None:  # an attempt that was fenced and does not know it yet
                older.cancel()
            work.execution = Execution(self._services, claimed)
            work.thread_id = claimed.run.thread.id
            work.is_last_chance = claimed.is_last_chance
            self._executing[work.run_id] = work
        finally:
            work.is_claimed.set()
        if self._is_stopping:
            work.stop()
        await work.execution.run()

    async def take(self, work: _Work, due: Due | None) -> Claimed | None:
        claims, config = self._services.store.claims, self._config

        def is_free(leases: LeaseReader, due: Due) -> bool:
            return due.attempt + 1 == work.attempt and self._is_free(leases, due, calls=1)

        due_run = due or await claims.find(work.run_id, is_free)
        if due_run is None:
            return None
        return await claims.take(
            due_run,
            self._holders.own_name,
            max_crashes=config.max_crashes,
            on_crash=cast(OnCrash, config.on_crash),
            max_active_per_user=config.max_active_runs_per_user,
        )

    def _is_free(self, leases: LeaseReader, due: Due, calls: int = 0) -> bool:
        if due.holder is None:
            return True
        if due.holder == self._holders.own_name:
            # A claim may be committed before the call that made it learns of that.
            return self._call_counts[due.run.id] <= calls
        return not self._holders.is_alive(leases, due.holder)

    async def _watch(self) -> None:
        """Cancel the runs that another process has ended or taken."""
        while not self._is_stopping:
            await _wait(self._look_now.wait(), self._config.sweep_interval_s)
            self._look_now.clear()
            works = list(self._executing.values())  # those claimed before the reading
            if not works:
                continue
            try:
                held_ids = await self._services.store.claims.held_by(self._holders.own_name)
            except StoreError as error:
                log.warning(Line("watch.put_off", code=error.code))
                continue
            for work in works:
                if work.run_id not in held_ids and work.cancel():
                    self._stops.begin(work.run_id)

    def _note_commit(self, events: Sequence[Event]) -> None:
        """Take the commits of this process: they may begin a build, or end a run from outside."""
        for event in events:
            if isinstance(event.body, (ToolClaimed, ToolReturned)) and event.body.job_id:
                self._look_again()  # an attempt has begun a build, and may work on for long
            if not isinstance(event.body, Finalized) or event.run_id is None:
                continue
            call = self._calls.get((event.run_id, (event.attempt or 0) - 1))
            if call is not None:
                call.is_over = True
            work = self._executing.get(event.run_id)
            if work is not None and work.is_before(event.attempt):
                work.cancel()
            if event.body.status == "cancelled":
                self._stops.begin(event.run_id)

    def _end_call(self, work: _Work, task: asyncio.Task[None]) -> None:
        del self._calls[work.run_id, work.attempt]
        self._call_counts[work.run_id] -= 1
        if not self._call_counts[work.run_id]:
            del self._call_counts[work.run_id]
        if self._executing.get(work.run_id) is work:
            del self._executing[work.run_id]
        self._on_free_slot()
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._look_again()
        elif isinstance(error, StoreError):  # the next regular sweep finds the run again
            log.warning(Line("run.not_taken", run=work.run_id, code=error.code))
        else:  # damage stops its own run and no other
            event = "run.dropped" if work.execution is not None else "run.cannot_be_taken"
            log.error(Line(event, run=work.run_id, error=type(error).__name__))


async def _wait(work: Coroutine[Any, Any, Any], within_s: float) -> None:
    task = asyncio.ensure_future(work)
    try:  # before Python 3.12, `wait_for` swallows a cancellation that comes with the result
        await asyncio.wait({task}, timeout=within_s)
    finally:
        task.cancel()
