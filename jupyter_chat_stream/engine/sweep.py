"""The sweep: finds runs that are due and has them executed, and schedules that are to send.

Due is what is pending with no predecessor, what waited until now, and what its owner left behind by
dying. It looks when it is nudged, when the next waiting run is due, and every ``sweep_interval_s``
in any case, so a lost nudge costs latency only (L9) and nothing waits for ever (L10). It claims
nothing: whoever executes does, so a call that is lost is simply made again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from ..shared.config import ChatStream
from ..shared.errors import ChatStreamError, DatabaseUnreachable
from ..shared.logs import Line, place_of
from ..store.front import ChatStore, Due, DueSchedule, LeaseReader
from .base import Executing

log = logging.getLogger("jupyter_chat_stream.engine")

STOP_WITHIN_S = 5.0
MOST_USERS = 10_000
SOON_S = 0.1  # least time between two looks for what other processes tell of


class Sweep:
    """One process's look at what is due.

    ``late_s`` says how much later than it was due the last look began, in seconds; ``observe`` is
    called with it at each look. ``ticks`` counts the messages that schedules have sent.
    """

    def __init__(
        self,
        store: ChatStore,
        engine: Executing,
        config: ChatStream,
        *,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._engine = engine
        self._config = config
        self._wall_s = wall_s
        self._nudged = asyncio.Event()
        self._nudged_at: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._looked_ms = 0
        self._looked_at = 0.0
        self._soon: asyncio.TimerHandle | None = None
        self._served: dict[str, int] = {}  # users, and at which call they were served last
        self._calls = 0
        self.late_s = 0.0
        self.ticks = 0
        self.observe: Callable[[float], None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """End the look under way."""
        self._is_stopping = True
        self._nudged.set()
        if self._soon is not None:
            self._soon.cancel()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_WITHIN_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def nudge(self) -> None:
        """Look now: something may have become due."""
        if self._nudged_at is None:
            self._nudged_at = time.monotonic()
        self._nudged.set()

    def nudge_soon(self, wait_s: float = 0.0) -> None:
        """Look after ``wait_s``, or a moment after the last look: others may tell of much."""
        if self._soon is None:
            wait_s = max(wait_s, self._looked_at + SOON_S - time.monotonic())
            self._soon = asyncio.get_running_loop().call_later(wait_s, self._nudge_now)

    def _nudge_now(self) -> None:
        self._soon = None
        self.nudge()

    async def _work(self) -> None:
        while not self._is_stopping:
            self._nudged.clear()
            self._nudged_at = None
            try:
                await self.sweep()
                pause_s = await self._pause_s()
            except ChatStreamError as error:
                log.warning(Line("sweep.put_off", code=error.code))
                pause_s = self._config.sweep_interval_s
            except Exception as error:  # noqa: BLE001  a mistake must not end it for good
                log.error(Line("sweep.failed", error=type(error).__name__, at=place_of(error)))
                pause_s = self._config.sweep_interval_s
            due_at, wall_due_at = time.monotonic() + pause_s, self._wall_s() + pause_s
            try:
                await asyncio.wait_for(self._nudged.wait(), pause_s)
            except TimeoutError:
                pass  # time for the regular look
            self._note_delay(due_at, wall_due_at)

    def _note_delay(self, due_at: float, wall_due_at: float) -> None:
        """Measure how late this look is, by the clock that ran on while the host was suspended."""
        if self._nudged_at is not None:
            due_at = min(due_at, self._nudged_at)
        self.late_s = max(0.0, time.monotonic() - due_at, self._wall_s() - wall_due_at)
        if self.late_s > self._config.lease_s:
            log.warning(Line("sweep.late", s=self.late_s))
            self._engine.doubt()
        if self.observe is not None:
            self.observe(self.late_s)

    async def sweep(self) -> None:
        """Have everything executed that is due and has room."""
        self._looked_ms, self._looked_at = self._store.now_ms(), time.monotonic()
        found, ticks = await self._store.claims.find_due(
            self._looked_ms,
            max_active_per_user=self._config.max_active_runs_per_user,
            served=dict(self._served),
            may_have_lost=self._may_have_lost,
            is_lost=self._is_lost,
        )
        if self._is_stopping:
            return
        for due in found[: self._engine.room()]:
            self._engine.dispatch(due.run.id, due.attempt + 1, due)
            self._note_served(due.user)
        for schedule in ticks:
            await self._tick(schedule)

    def _may_have_lost(self, leases: LeaseReader, holder: str) -> bool:
        try:
            return self._engine.may_have_lost(leases, holder)
        except OSError as error:
            return _cannot_be_judged(holder, error)

    def _is_lost(self, leases: LeaseReader, due: Due) -> bool:
        try:
            return self._engine.is_lost(leases, due)
        except OSError as error:
            return _cannot_be_judged(due.owner, error)

    def _note_served(self, user: str) -> None:
        self._calls += 1
        self._served.pop(user, None)
        self._served[user] = self._calls
        if len(self._served) > MOST_USERS:  # who was served longest ago is as good as new
            del self._served[next(iter(self._served))]

    async def _tick(self, due: DueSchedule) -> None:
        try:
            made = await self._store.schedules.tick(due)
        except DatabaseUnreachable:
            raise
        except Exception as error:  # noqa: BLE001  what is damaged keeps itself back, and no other
            kind = type(error).__name__
            log.error(Line("schedule.cannot_tick", schedule=due.id, error=kind, at=place_of(error)))
            return
        if made is not None:
            self.ticks += 1
            self.nudge()

    async def _pause_s(self) -> float:
        if not self._engine.room():  # whoever ends here nudges
            return self._config.sweep_interval_s
        pauses_s = [self._config.sweep_interval_s]
        for time_ms in await self._store.claims.next_times(self._looked_ms):
            pauses_s.append(max((time_ms - self._store.now_ms()) / 1000, 0.005))
        return min(pauses_s)


def _cannot_be_judged(holder: str | None, error: OSError) -> bool:
    """Leave a holder's runs alone: its lock cannot be tried now; the next sweep tries again."""
    log.error(Line("owner.unknown", owner=holder, error=type(error).__name__))
    return False
