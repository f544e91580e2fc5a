"""The engine for many hosts: calls go through Procrastinate's queue, in the Postgres that is there.

A server that runs nothing itself has the ``Queue``: each of its transactions that makes a run due
tells the workers. A job is a call (run id, attempt) and no more than that: nothing is asked of it
that the store does not do better, so what Procrastinate loses, the sweep of any worker finds.
"""

from __future__ import annotations

import asyncio
import logging

from ..config import ChatStream
from ..errors import StoreError
from ..runs.execute import Tools
from ..store.jobs import Jobs
from ..store.log import Transaction

log = logging.getLogger("jupyter_chat_stream.engine")


class Queue:
    """Tells the workers what is due; executes nothing."""

    name = "procrastinate"

    def __init__(self, tools: Tools, config: ChatStream) -> None:
        self._tools = tools
        self._config = config
        self._jobs = Jobs()
        self._calls: list[tuple[str, int]] = []
        self._calling: asyncio.Task[None] | None = None

    @property
    def active(self) -> int:
        return 0

    async def start(self) -> None:
        await self._tools.store.write(self._jobs.create)
        self._tools.store.enqueue_with(self._jobs.enqueue)

    async def stop(self) -> None:
        """Make the calls that are to be made."""
        if self._calling is not None:
            await asyncio.gather(self._calling, return_exceptions=True)

    def nudge(self) -> None:
        """Do nothing: what is due was told with its commit."""

    def dispatch(self, run_id: str, attempt: int) -> None:
        """Call the workers, in one transaction for all that is dispatched at a time."""
        self._calls.append((run_id, attempt))
        if self._calling is None or self._calling.done():
            self._calling = asyncio.get_running_loop().create_task(self._call())

    async def abort(self, run_id: str) -> bool:
        """Say that no run is here: whoever executes it hears of its end."""
        return False

    async def _call(self) -> None:
        while self._calls:
            calls, self._calls = self._calls, []

            def call(tx: Transaction, calls: list[tuple[str, int]] = calls) -> None:
                tx.due.extend(calls)

            try:
                await self._tools.store.write(call)
            except StoreError as error:  # they are found again by the next look (L9)
                log.warning("%d calls of workers lost: %s", len(calls), error.code)
