"""Housekeeping: retention's steps in the background, one at a time, where runs are executed.

About every ``housekeeping_interval_s`` it tries to take the cleanup lease, which one process of a
database holds at a time, and does one round of work. A step that writes waits until the writer is
idle, and a pause of several times its length follows, so a live commit waits for one step at most
(a few ms). The next round does the rest.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

from ...shared.config import STOP_WITHIN_S, ChatStream
from ...shared.errors import ChatStreamError
from ...shared.logs import Line, place_of
from ..store import Store
from .cleanup import CleanupLease, CleanupLeaseLost, Counts, Policy, tidy
from .disk_space import REST_S, is_log_long
from .indexing import Indexer
from .steps import Budget, Read, Step, Steps

log = logging.getLogger("jupyter_chat_stream.housekeeping")

FIRST_S = 30.0  # The first round comes this early: some servers run for less than an interval.
PAUSE_S, PAUSE_TIMES = 0.01, 4.0  # after a step: PAUSE_TIMES its length, and at least PAUSE_S
QUIET_S, QUIET_TRIES = 0.002, 50  # between checks for an idle writer; then the step writes anyway
GIVE_BACK_WITHIN_S = 1.0  # after this time the lease is left to expire


class Housekeeping:
    """Cleans up for one process. ``counts`` only grow; ``rounds`` counts the leases it held."""

    def __init__(
        self,
        store: Store,
        config: ChatStream,
        *,
        budget: Budget | None = None,
        rand: Callable[[], float] = random.random,
        make_lease: Callable[[str], CleanupLease] = CleanupLease,
    ) -> None:
        self.counts = Counts()
        self.rounds = 0
        self._store = store
        self._config = config
        self._budget = budget or Budget()
        self._rand = rand
        self._make_lease = make_lease
        self._logged_ids: set[str] = set()  # ids of damaged threads and runs, logged already
        self.task: asyncio.Task[None] | None = None
        self._indexer = Indexer(store)
        self._is_stopping = False

    def start(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._work(), name="housekeeping")
        self._indexer.start()

    async def stop(self) -> None:
        """End between two steps; a step that the writer has begun is still committed."""
        self._is_stopping = True
        await self._indexer.stop()
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task}, timeout=STOP_WITHIN_S)

    async def look(self) -> bool:
        """Do one round now; False if another process holds the lease.

        Raises:
            StoreError: the database cannot be used; the steps before that are done.
        """
        lease = self._make_lease(self._store.new_id())
        if not await self._store.write(lease.take):
            return False
        self.rounds += 1
        begun_s = time.perf_counter()
        counts_before = vars(self.counts).copy()
        steps = tidy(
            self._store.now_ms,
            Policy.of(self._config),
            self.counts,
            budget=self._budget,
            logged_ids=self._logged_ids,
        )
        try:
            await self._drive(steps, lease)
        except CleanupLeaseLost:
            pass  # a step took too long; the process that has the lease now goes on
        finally:
            steps.close()
            self._log_counts(counts_before, time.perf_counter() - begun_s)
            await asyncio.wait_for(self._store.write(lease.give_back), GIVE_BACK_WITHIN_S)
        return True

    async def _work(self) -> None:
        pause_s = min(self._config.housekeeping_interval_s, FIRST_S)
        while not self._is_stopping:  # `wait_for` may swallow a cancellation before Python 3.12
            await asyncio.sleep(pause_s * (0.5 + self._rand()))
            pause_s = self._config.housekeeping_interval_s
            try:
                await self.look()
            except (TimeoutError, ChatStreamError) as error:
                code = getattr(error, "code", "timeout")
                log.warning(Line("housekeeping.put_off", code=code))
            except Exception as error:  # noqa: BLE001  a bug must not end housekeeping for good
                kind = type(error).__name__  # its message may quote a text
                log.error(Line("housekeeping.failed", error=kind, at=place_of(error)))

    async def _drive(self, steps: Steps[None], lease: CleanupLease) -> None:
        try:
            step = next(steps)
            while True:
                try:
                    result = await self._do(step, lease)
                except Exception as error:  # noqa: BLE001  the generator handles it
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration:
            return

    async def _do(self, step: Step, lease: CleanupLease) -> Any:
        if isinstance(step, Read):
            result = await self._store.read(step.work)
            await asyncio.sleep(0)
            return result
        await self.until_quiet()
        result, took_s = await self._store.write(lease.holding(step, self.counts), *step.threads)
        await asyncio.sleep(max(PAUSE_S, took_s * PAUSE_TIMES))
        return result

    async def until_quiet(self) -> None:
        if is_log_long(self._store.database.path):
            await asyncio.sleep(REST_S)
        for _ in range(QUIET_TRIES):
            if not self._store.queued:
                return
            await asyncio.sleep(QUIET_S)

    def _log_counts(self, counts_before: dict[str, float], seconds: float) -> None:
        changes = {
            name: value - counts_before[name]
            for name, value in vars(self.counts).items()
            if value != counts_before[name] and name != "longest_step_s"
        }
        if changes:
            log.info(Line("housekeeping.done", **changes, seconds=seconds))
