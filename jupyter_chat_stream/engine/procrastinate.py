"""The engine for many hosts: calls go through Procrastinate's queue, in the chat's own Postgres.

A server that executes nothing itself has the ``Queue``: each of its transactions that makes a run
due calls the workers. A ``QueueWorker`` claims and executes the runs of its jobs, under its own
lease. A job is a call (run id, attempt) and nothing else. The store, not Procrastinate, does
retries and locks and notices dead workers; any worker's sweep replaces a lost job.

::

    commit ─► job ─► a worker with a free slot ─► claim ─► execute ─► job deleted
                │ lost, or its worker died                      ▲
                └────────► sweep: still due ─► new job ─────────┘
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from ..runs.services import RunServices
from ..shared.backoff import Backoff
from ..shared.config import STOP_WITHIN_S, ChatStream
from ..shared.errors import StoreError
from ..shared.logs import Line
from ..store.front import QUEUE, TASK, Due
from .executing import ExecutingEngine
from .leases import LeaseHolders
from .running import Running
from .sweep import Sweep

if TYPE_CHECKING:
    from procrastinate import App

log = logging.getLogger("jupyter_chat_stream.engine")

# Procrastinate loses wake-ups while several jobs run (measured: 12 of 133). Polling finds them.
POLL_S = 0.25
# How long jobs may take to end when the queue reconnects; the runs that they began go on.
LET_GO_S = 0.5
CONNECTIONS = 4
CONNECT_WITHIN_S = 5.0
# The pauses before the queue is tried again. They begin anew after STEADY_S without trouble.
QUEUE_BACKOFF = Backoff(first_s=0.05, factor=2.5, max_s=2.0)
STEADY_S = 10.0
NEVER_S = 24 * 3600.0
# The sweep looks this long after a notice: a run that became due has a job of its own.
HEARD_S = 0.25


class Queue:
    """Calls the workers for due runs; executes nothing."""

    name = "procrastinate"

    def __init__(self, services: RunServices, config: ChatStream) -> None:
        self._services = services
        self._config = config
        self.jobs = services.store.job_queue()
        self._calls: list[tuple[str, int]] = []
        self._calling: asyncio.Task[None] | None = None

    @property
    def active(self) -> int:
        return 0

    async def start(self) -> None:
        await self.jobs.open()

    async def stop(self) -> None:
        await self.wait_for_calls()

    async def wait_for_calls(self) -> None:
        """Wait until every call that was dispatched is made, or lost."""
        if self._calling is not None:
            await asyncio.gather(self._calling, return_exceptions=True)

    def nudge(self) -> None:
        """Do nothing: the commit that made a run due has called the workers."""

    def dispatch(self, run_id: str, attempt: int, due: Due | None = None) -> None:
        """Call the workers, in one transaction for all runs that are dispatched at a time."""
        self._calls.append((run_id, attempt))
        if self._calling is None or self._calling.done():
            self._calling = asyncio.get_running_loop().create_task(self._call())

    async def abort(self, run_id: str) -> bool:
        """Return False: no run is executed here. A notice tells the worker that the run ended."""
        return False

    async def _call(self) -> None:
        while self._calls:
            calls, self._calls = self._calls, []
            try:
                await self.jobs.call(calls)
            except StoreError as error:  # a worker's sweep finds these runs (L9)
                log.warning(Line("queue.calls_lost", calls=len(calls), code=error.code))


class QueueWorker(ExecutingEngine, Queue):
    """Executes the runs of the queue's jobs; its sweep replaces lost jobs."""

    def __init__(self, services: RunServices, config: ChatStream) -> None:
        super().__init__(services, config)
        self._holders = LeaseHolders(
            services.store.claims.lease(services.store.new_id(), "worker", config.lease_s),
            on_expired=self._on_expired,
            on_back=self.renew,
        )
        self._slot_event = asyncio.Event()
        self.running = Running(
            services,
            config,
            self._holders,
            look_again=self._look_again,
            on_free_slot=self._slot_event.set,
        )
        self._working: asyncio.Task[None] | None = None
        self.round: asyncio.Task[None] | None = None
        self.sweep = Sweep(services.store, self.running, config, dispatch=self.dispatch)

    async def start(self) -> None:
        await super().start()
        await self._holders.open()
        self.running.start()
        self._services.store.on_foreign(self._hear)
        self.sweep.start()
        self._working = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """Leave every run due, and call the other workers for them."""
        await self.sweep.stop()
        if self._working is not None:
            self._working.cancel()  # no job is fetched from here on
        runs_left = await self.running.stop()
        if self._working is not None:
            await asyncio.wait({self._working}, timeout=STOP_WITHIN_S)
        for run_id, attempt in runs_left:
            self.dispatch(run_id, attempt)
        await super().stop()
        await self._holders.close()

    async def execute(self, run_id: str, attempt: int) -> None:
        """Make the attempt that a job calls for. Cancelling the job does not cancel the run."""
        if self.running.is_begun(run_id, attempt):  # called twice: the slot is free for another job
            return
        while not self.running.free_slots():  # runs from before the queue's connection was lost
            self._slot_event.clear()
            await self._slot_event.wait()
        task = self.running.begin(run_id, attempt)
        if task is not None:
            await asyncio.wait({task})
        else:  # this process is stopping: another worker is called
            self.dispatch(run_id, attempt)

    async def _work(self) -> None:
        """Keep Procrastinate's worker running: it returns or raises if its connection is lost."""
        loop, failures = asyncio.get_running_loop(), 0
        try:
            while True:
                began_s = loop.time()
                self.round = loop.create_task(self._work_a_round())
                self.sweep.nudge()  # the worker before may have lost calls
                await asyncio.wait({self.round})
                failures = 0 if loop.time() - began_s > STEADY_S else failures
                if not self.round.cancelled() and self.round.exception() is not None:
                    kind = type(self.round.exception()).__name__
                    log.warning(Line("queue.lost", error=kind, active=self.active))
                pause_s = QUEUE_BACKOFF.pause_s(failures)
                failures += 1
                await asyncio.sleep(pause_s)
        finally:
            if self.round is not None:
                self.round.cancel()
                await asyncio.wait({self.round}, timeout=STOP_WITHIN_S)

    async def _work_a_round(self) -> None:
        await self.jobs.renew()
        app = self._make_app()
        async with app.open_async():
            await app.run_worker_async(
                queues=[QUEUE],
                concurrency=self._config.max_active_runs,
                fetch_job_polling_interval=POLL_S,
                abort_job_polling_interval=NEVER_S,
                shutdown_graceful_timeout=LET_GO_S,
                delete_jobs="always",
                install_signal_handlers=False,
            )

    def _make_app(self) -> App:
        from procrastinate import App, PsycopgConnector

        _keep_quiet()
        schema = self.jobs.schema

        async def configure(conn: Any) -> None:
            await conn.execute(f"SET search_path = {schema}")
            await conn.commit()

        connector = PsycopgConnector(
            conninfo="",
            kwargs=self.jobs.connect_options,
            configure=configure,
            min_size=1,
            max_size=CONNECTIONS,
            timeout=CONNECT_WITHIN_S,
        )
        app = App(connector=connector)
        app.task(name=TASK, queue=QUEUE)(self.execute)
        return app

    def renew(self) -> None:
        # Procrastinate does not LISTEN again by itself after the database was away.
        if self.round is not None:
            self.round.cancel()

    def _look_again(self) -> None:
        self.sweep.nudge_soon()  # for the next run of the thread, which has no job yet

    def _hear(self, threads: frozenset[str] | None) -> None:
        self.running.hear(threads)
        self.sweep.nudge_soon(HEARD_S)


def _keep_quiet() -> None:
    # `queue.lost` is the one line about a lost connection. Without this, each try logs a traceback.
    for name in ("procrastinate", "psycopg.pool"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)
