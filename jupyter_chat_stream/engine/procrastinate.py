"""The engine for many hosts: calls go through Procrastinate's queue, in the Postgres that is there.

A server that runs nothing itself has the ``Queue``: each of its transactions that makes a run due
tells the workers. A ``QueueWorker`` claims and executes what it is called for, under its own lease.
A job is a call (run id, attempt) and no more than that: Procrastinate is asked for nothing that the
store does better (retries, locks, dead workers), and what it loses, any worker's sweep finds.

::

    commit ─► job ─► a worker with room ─► claim ─► execute ─► job deleted
                │ lost, or its worker died               ▲
                └────────► sweep: still due ─► new job ──┘
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from ..runs.execute import RunServices
from ..shared.backoff import Backoff
from ..shared.config import ChatStream
from ..shared.errors import StoreError
from ..shared.logs import Line
from ..store.front import QUEUE, TASK, Due
from .holding import Holding
from .leases import LeaseOwners
from .running import Running
from .sweep import Sweep

if TYPE_CHECKING:
    from procrastinate import App

log = logging.getLogger("jupyter_chat_stream.engine")

POLL_S = 0.25  # it loses wake-ups where several jobs run at once (12 of 133): then this finds them
LET_GO_S = 0.5  # for jobs when the queue's connection is made anew; what they began goes on
CONNECTIONS = 4
CONNECT_WITHIN_S = 5.0
QUEUE_BACKOFF = Backoff(first_s=0.05, factor=2.5, most_s=2.0)  # before the queue is tried again
STEADY_S = 10.0  # so long, and the next trouble is a new one
STOP_WITHIN_S = 5.0
NEVER_S = 24 * 3600.0
HEARD_S = 0.25


class Queue:
    """Tells the workers what is due; executes nothing."""

    name = "procrastinate"

    def __init__(self, services: RunServices, config: ChatStream) -> None:
        self._services = services
        self._config = config
        self._jobs = services.store.job_queue()
        self._calls: list[tuple[str, int]] = []
        self._calling: asyncio.Task[None] | None = None

    @property
    def active(self) -> int:
        return 0

    async def start(self) -> None:
        await self._jobs.open()

    async def stop(self) -> None:
        """Make the calls that are to be made."""
        if self._calling is not None:
            await asyncio.gather(self._calling, return_exceptions=True)

    def nudge(self) -> None:
        """Do nothing: what is due was told with its commit."""

    def dispatch(self, run_id: str, attempt: int, due: Due | None = None) -> None:
        """Call the workers, in one transaction for all that is dispatched at a time."""
        self._calls.append((run_id, attempt))
        if self._calling is None or self._calling.done():
            self._calling = asyncio.get_running_loop().create_task(self._call())

    async def abort(self, run_id: str) -> bool:
        """Return False: no run is executed here; the worker that executes it hears of its end."""
        return False

    async def _call(self) -> None:
        while self._calls:
            calls, self._calls = self._calls, []
            try:
                await self._jobs.call(calls)
            except StoreError as error:  # they are found again by the next look (L9)
                log.warning(Line("queue.calls_lost", calls=len(calls), code=error.code))


class QueueWorker(Holding, Queue):
    """Executes what the queue calls for, and calls again what it finds due."""

    def __init__(self, services: RunServices, config: ChatStream) -> None:
        super().__init__(services, config)
        self._owners = LeaseOwners(
            services.store.claims.lease(services.store.new_id(), "worker", config.lease_s),
            on_expired=self._expired,
            on_back=self._renew,
        )
        self._room = asyncio.Event()
        self.running = Running(
            services, config, self._owners, on_end=self._look_again, on_room=self._room.set
        )
        self._working: asyncio.Task[None] | None = None
        self._round: asyncio.Task[None] | None = None
        self.sweep = Sweep(services.store, self, config)

    async def start(self) -> None:
        await super().start()
        await self._owners.open()
        self.running.start()
        self._services.store.on_foreign(self._hear)
        self.sweep.start()
        self._working = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """Leave all runs due, and call the other workers for them."""
        await self.sweep.stop()
        if self._working is not None:
            self._working.cancel()  # no job is fetched from here on
        left = await self.running.stop()
        if self._working is not None:
            await asyncio.wait({self._working}, timeout=STOP_WITHIN_S)
        for run_id, attempt in left:
            self.dispatch(run_id, attempt)
        await super().stop()
        await self._owners.close()

    async def execute(self, run_id: str, attempt: int) -> None:
        """Do what a job calls for; whoever gives the job up does not give up the run."""
        if self.running.is_begun(run_id, attempt):  # called twice: this one's slot is another's
            return
        while not self.running.room():  # runs from before the queue's connection was lost
            self._room.clear()
            await self._room.wait()
        task = self.running.begin(run_id, attempt)
        if task is not None:
            await asyncio.wait({task})
        else:  # this process is about to end
            self.dispatch(run_id, attempt)

    async def _work(self) -> None:
        """Keep Procrastinate's worker running: it may return or raise whenever it is in trouble."""
        loop, trouble = asyncio.get_running_loop(), 0
        try:
            while True:
                began = loop.time()
                self._round = loop.create_task(self._work_a_round())
                self.sweep.nudge()  # the round before may have dropped calls
                await asyncio.wait({self._round})
                trouble = 0 if loop.time() - began > STEADY_S else trouble
                if not self._round.cancelled() and self._round.exception() is not None:
                    kind = type(self._round.exception()).__name__
                    log.warning(Line("queue.lost", error=kind, active=self.active))
                pause_s = QUEUE_BACKOFF.pause_s(trouble)
                trouble += 1
                await asyncio.sleep(pause_s)
        finally:
            if self._round is not None:
                self._round.cancel()
                await asyncio.wait({self._round}, timeout=STOP_WITHIN_S)

    async def _work_a_round(self) -> None:
        await self._jobs.renew()
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
        schema = self._jobs.schema

        async def configure(conn: Any) -> None:
            await conn.execute(f"SET search_path = {schema}")
            await conn.commit()

        connector = PsycopgConnector(
            conninfo="",
            kwargs=self._jobs.connect_options,
            configure=configure,
            min_size=1,
            max_size=CONNECTIONS,
            timeout=CONNECT_WITHIN_S,
        )
        app = App(connector=connector)
        app.task(name=TASK, queue=QUEUE)(self.execute)
        return app

    def _renew(self) -> None:
        # its LISTEN does not come back by itself after the database was away
        if self._round is not None:
            self._round.cancel()

    def _look_again(self) -> None:
        self.sweep.nudge_soon()  # for its successor; whoever waits in the queue needs no look

    def _hear(self, threads: frozenset[str] | None) -> None:
        self.running.hear(threads)
        self.sweep.nudge_soon(HEARD_S)  # what was made due by it has a job of its own


def _keep_quiet() -> None:
    # of trouble with the queue's connection one line is told, here, and not each try's traceback
    for name in ("procrastinate", "psycopg.pool"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)
