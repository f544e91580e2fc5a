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
from ..store.chat import schedules
from ..store.chat.claims import Due, find_due, next_wake
from ..store.chat.schedules import DueSchedule
from ..store.log.transaction import Connection
from ..store.store import Store
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
        store: Store,
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
            except asyncio.TimeoutError:
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
        found, ticks = await self._store.read(self._find)
        if self._is_stopping:
            return
        for due in found[: self._engine.room()]:
            self._engine.dispatch(due.run.id, due.attempt + 1, due)
            self._note_served(due.user)
        for schedule in ticks:
            await self._tick(schedule)

    def _find(self, conn: Connection) -> tuple[list[Due], list[DueSchedule]]:
        found = find_due(
            conn,
            self._looked_ms,
            self._config.max_active_runs_per_user,
            dict(self._served),
            lambda owner: self._look_at(owner, lambda: self._engine.may_have_lost(conn, owner)),
        )
        due = [
            due
            for due in found
            if self._look_at(due.owner, lambda due=due: self._engine.is_lost(conn, due))  # type: ignore[misc]
        ]
        return due, schedules.find_due(conn, self._looked_ms)

    def _look_at(self, owner: str | None, is_lost: Callable[[], bool]) -> bool:
        try:
            return is_lost()
        except OSError as error:  # its owner's lock cannot be tried: at the next look, perhaps
            log.error(Line("owner.unknown", owner=owner, error=type(error).__name__))
            return False

    def _note_served(self, user: str) -> None:
        self._calls += 1
        self._served.pop(user, None)
        self._served[user] = self._calls
        if len(self._served) > MOST_USERS:  # who was served longest ago is as good as new
            del self._served[next(iter(self._served))]

    async def _tick(self, due: DueSchedule) -> None:
        try:
            made = await self._store.write(lambda tx: schedules.tick(tx, due), due.thread.pk)
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
        for time_ms in await self._store.read(self._next_times):
            if time_ms is not None:
                pauses_s.append(max((time_ms - self._store.now_ms()) / 1000, 0.005))
        return min(pauses_s)

    def _next_times(self, conn: Connection) -> tuple[int | None, int | None]:
        return next_wake(conn, self._looked_ms), schedules.next_tick(conn, self._looked_ms)
