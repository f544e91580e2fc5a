"""The sweep: it finds due runs and has them executed, and sends the messages of due schedules.

It looks when it is nudged, when the next waiting run is due, and at least every
``sweep_interval_s``. So a lost nudge costs latency only (L9), and no run waits forever (L10). The
sweep claims nothing: the executing process does, so the next look repeats a lost call.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from ..shared.config import STOP_WITHIN_S, ChatStream
from ..shared.errors import ChatStreamError, DatabaseUnreachable
from ..shared.logs import Line, place_of
from ..store.front import ChatStore, Due, DueSchedule, LeaseReader
from .running import Running

log = logging.getLogger("jupyter_chat_stream.engine")

MAX_SERVED = 10_000  # How many owners the sweep remembers as served.
# The least time between two looks that notices of other processes cause.
SOON_S = 0.1

Dispatch = Callable[[str, int, Due], None]


class Sweep:
    """One process's look for due runs and schedules.

    ``late_s`` is how much later than planned the last look began; ``observe`` is called with it at
    each look. ``ticks`` counts the messages that schedules have sent.

    Args:
        dispatch: called with the run, the attempt and the row read, for each run to execute.
    """

    def __init__(
        self,
        store: ChatStore,
        running: Running,
        config: ChatStream,
        *,
        dispatch: Dispatch,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._running = running
        self._dispatch = dispatch
        self._config = config
        self._wall_s = wall_s
        self._nudge_event = asyncio.Event()
        self._nudged_at: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._looked_ms = 0
        self._looked_at = 0.0
        self._nudge_timer: asyncio.TimerHandle | None = None
        self._last_calls: dict[str, int] = {}  # the number of each owner's last call
        self._calls = 0
        self.late_s = 0.0
        self.ticks = 0
        self.observe: Callable[[float], None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """End the look under way."""
        self._is_stopping = True
        self._nudge_event.set()
        if self._nudge_timer is not None:
            self._nudge_timer.cancel()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_WITHIN_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def nudge(self) -> None:
        """Look now: something may have become due."""
        if self._nudged_at is None:
            self._nudged_at = time.monotonic()
        self._nudge_event.set()

    def nudge_soon(self, wait_s: float = 0.0) -> None:
        """Look after ``wait_s``, but not within ``SOON_S`` of the last look."""
        if self._nudge_timer is None:
            wait_s = max(wait_s, self._looked_at + SOON_S - time.monotonic())
            self._nudge_timer = asyncio.get_running_loop().call_later(wait_s, self._nudge_now)

    def _nudge_now(self) -> None:
        self._nudge_timer = None
        self.nudge()

    async def _work(self) -> None:
        while not self._is_stopping:
            self._nudge_event.clear()
            self._nudged_at = None
            try:
                await self.sweep()
                pause_s = await self.until_next_s()
            except ChatStreamError as error:
                log.warning(Line("sweep.put_off", code=error.code))
                pause_s = self._config.sweep_interval_s
            except Exception as error:  # noqa: BLE001  a bug must not end the sweep for good
                log.error(Line("sweep.failed", error=type(error).__name__, at=place_of(error)))
                pause_s = self._config.sweep_interval_s
            due_at, wall_due_at = time.monotonic() + pause_s, self._wall_s() + pause_s
            try:
                await asyncio.wait_for(self._nudge_event.wait(), pause_s)
            except TimeoutError:
                pass  # time for the regular look
            self._note_delay(due_at, wall_due_at)

    def _note_delay(self, due_at: float, wall_due_at: float) -> None:
        """Measure how late this look is; the wall clock also counts while the host is suspended."""
        if self._nudged_at is not None:
            due_at = min(due_at, self._nudged_at)
        self.late_s = max(0.0, time.monotonic() - due_at, self._wall_s() - wall_due_at)
        if self.late_s > self._config.lease_s:
            log.warning(Line("sweep.late", s=self.late_s))
            self._running.presume_alive()
        if self.observe is not None:
            self.observe(self.late_s)

    async def sweep(self) -> None:
        """Have as many due runs executed as there are free slots, and send due schedules."""
        self._looked_ms, self._looked_at = self._store.now_ms(), time.monotonic()
        due_runs, ticks = await self._store.claims.find_due(
            self._looked_ms,
            max_active_per_user=self._config.max_active_runs_per_user,
            last_served=dict(self._last_calls),
            may_have_lost=self._may_have_lost,
            is_lost=self._is_lost,
        )
        if self._is_stopping:
            return
        for due in due_runs[: self._running.free_slots()]:
            self._dispatch(due.run.id, due.attempt + 1, due)
            self._note_served(due.owner)
        for schedule in ticks:
            await self._tick(schedule)

    def _may_have_lost(self, leases: LeaseReader, holder: str) -> bool:
        try:
            return self._running.may_have_lost(leases, holder)
        except OSError as error:
            return _cannot_be_judged(holder, error)

    def _is_lost(self, leases: LeaseReader, due: Due) -> bool:
        try:
            return self._running.is_lost(leases, due)
        except OSError as error:
            return _cannot_be_judged(due.holder, error)

    def _note_served(self, owner: str) -> None:
        self._calls += 1
        self._last_calls.pop(owner, None)
        self._last_calls[owner] = self._calls
        if len(self._last_calls) > MAX_SERVED:  # the owner who was served longest ago is forgotten
            del self._last_calls[next(iter(self._last_calls))]

    async def _tick(self, due: DueSchedule) -> None:
        try:
            run = await self._store.schedules.tick(due)
        except DatabaseUnreachable:
            raise
        except Exception as error:  # noqa: BLE001  damage stops its own schedule only
            kind = type(error).__name__
            log.error(Line("schedule.cannot_tick", schedule=due.id, error=kind, at=place_of(error)))
            return
        if run is not None:
            self.ticks += 1
            self.nudge()

    async def until_next_s(self) -> float:
        """Return the time until the next look, unless a nudge comes first."""
        if not self._running.free_slots():  # the end of any run here nudges
            return self._config.sweep_interval_s
        pauses_s = [self._config.sweep_interval_s]
        for time_ms in await self._store.claims.next_times(self._looked_ms):
            pauses_s.append(max((time_ms - self._store.now_ms()) / 1000, 0.005))
        return min(pauses_s)


def _cannot_be_judged(holder: str | None, error: OSError) -> bool:
    """Leave a holder's runs alone: its lock cannot be tried now. The next sweep tries again."""
    log.error(Line("owner.unknown", owner=holder, error=type(error).__name__))
    return False
