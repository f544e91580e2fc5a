"""The queue by which servers call workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..chat.jobs import Jobs
from ..log.transaction import Transaction
from ..store import Store


class JobQueue:
    """Procrastinate's queue beside one Postgres database (``chat.jobs``)."""

    def __init__(self, core: Store) -> None:
        self._core = core
        self._jobs = Jobs(core.database)

    @property
    def schema(self) -> str:
        """The name of the queue's schema, once ``open`` or ``renew`` has made it."""
        return self._jobs.schema

    @property
    def connect_options(self) -> Mapping[str, object]:
        """Return the options of Procrastinate's own connections."""
        return self._jobs.connect_options

    async def open(self) -> None:
        """Make the queue if it is missing; from now on each commit calls the workers.

        Raises:
            DatabaseUnreadable: the database's user may not create the schema.
        """
        await self._core.write(self._jobs.create)
        self._core.enqueue_with(self._jobs.enqueue)

    async def renew(self) -> None:
        """Make the queue if it is missing, and remove calls that no worker will take."""
        await self._core.write(self._jobs.create)
        await self.clear()

    async def clear(self) -> None:
        """Remove calls that no worker will take."""
        await self._core.write(lambda tx: self._jobs.clear(tx.conn))

    async def call(self, calls: Sequence[tuple[str, int]]) -> None:
        """Call the workers for these (run id, attempt), in one transaction."""

        def work(tx: Transaction) -> None:
            tx.due.extend(calls)

        await self._core.write(work)
