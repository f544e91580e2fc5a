"""The writer: one thread with one kept connection; no other writes in its process.

It takes all pending operations, writes them in one transaction, and after the commit hands events
and outcomes to ``deliver`` (L3). The next transaction starts when the last has ended, so a batch
grows with the load (group commit). A lone operation is written at once. After a batch of
``BUSY_BATCH`` operations the writer waits ``GATHER_S``: the next commit holds more operations, and
the readers wake less often.

::

    put ─► PendingOperations ─► CommitAttempt ──committed──────────────────► deliver
                                     │                                          ▲
                                     ├──conflict──► again, the whole batch      │
                                     └──refused───► again, one by one ──────────┘

If a batch fails, its operations are written one at a time, so one bad event harms one run only.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from ...shared.errors import ChatStreamError, DatabaseBusy, DatabaseGone
from ...shared.logs import Line
from ..sql.database import Database
from ..sql.failures import is_race
from ..sql.notices.base import Notices
from .batch import BatchWriter, WritingConnection
from .commit_attempt import CommitAttempt
from .operations import ChangeProbe, Commit, Committed, Operation
from .pending import PendingOperations

log = logging.getLogger("jupyter_chat_stream.store")

BUSY_BATCH = 3  # A batch this large means load: wait GATHER_S before the next commit.
GATHER_S = 0.002
# How often the writer tries a batch that conflicts with another process's transaction.
MAX_CONFLICT_TRIES = 4


class Writer:
    """Owns the writing thread; ``deliver`` is called on that thread, in commit order.

    That thread also calls ``observer``, if it is set, after each commit; it must be quick.
    """

    def __init__(
        self,
        database: Database,
        *,
        deliver: Callable[[Committed], None],
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
        notices: Notices | None = None,
    ) -> None:
        self.observer: Callable[[Commit], None] | None = None
        self.connection = WritingConnection(database)
        self.batches = BatchWriter(
            database, self.connection, now_ms=now_ms, new_id=new_id, notices=notices
        )
        self._database = database
        self.deliver = deliver
        self._pending = PendingOperations()
        self.thread = threading.Thread(target=self._work, name="chat-stream-writer", daemon=True)
        self.thread.start()

    @property
    def queued(self) -> int:
        """About how many operations wait for the next commit."""
        return self._pending.count()

    def look(self) -> Future[bool]:
        """Ask whether another connection may have committed since the last time."""
        probe = ChangeProbe()
        self.put(probe)
        return probe.future

    def put(self, operation: Operation | ChangeProbe) -> None:
        """Queue an operation, whose ``tell`` gets the outcome; raises StoreError after ``stop``."""
        self._pending.put(operation)

    def stop(self) -> None:
        """Write the pending operations, then end the thread and its connection."""
        self._pending.close()
        self.thread.join()

    def _work(self) -> None:
        committed_s = 0.0
        while not self._pending.is_done:
            self._pending.wait(committed_s + self._database.commit_every_s - time.monotonic())
            batch = self._pending.take_batch()
            writes = [operation for operation in batch if not isinstance(operation, ChangeProbe)]
            if writes:
                self._commit(writes)
                committed_s = time.monotonic()
                if len(writes) >= BUSY_BATCH:
                    time.sleep(GATHER_S)  # a wait on the queue would end with the next operation
            for operation in batch:
                if isinstance(operation, ChangeProbe):
                    self._probe(operation)
        self.connection.drop()

    def _commit(self, batch: list[Operation], tries: int = 1) -> None:
        begun_s = time.perf_counter()
        attempt = CommitAttempt(batch, self.batches, self.connection, self._pending, self.deliver)
        try:
            committed = attempt.run()
        except Exception as error:  # noqa: BLE001  any database error; the batch was undone
            self.connection.drop()
            if is_race(error) and tries < MAX_CONFLICT_TRIES:
                self._commit(batch, tries + 1)
                return
            failure = self._database.explain(error)
            # A busy lock is not the fault of one operation. If the file is gone, part of the batch
            # may be committed: a retry would write that part twice.
            is_common = self._database.is_sqlite and isinstance(
                failure, (DatabaseBusy, DatabaseGone)
            )
            if len(batch) > 1 and not is_common:
                log.warning(
                    Line("commit.redone", operations=len(batch), error=type(error).__name__)
                )
                for operation in batch:
                    self._commit([operation])
                return
            code = failure.code if isinstance(failure, ChatStreamError) else type(failure).__name__
            log.warning(Line("commit.failed", operations=len(batch), code=code))
            committed = Committed(events=[], outcomes=[(op, None, failure) for op in batch])
        else:
            self._observe(committed, time.perf_counter() - begun_s)
        self.deliver(committed)

    def _observe(self, committed: Committed, seconds: float) -> None:
        if self.observer is not None:
            self.observer(
                Commit(
                    operations=len(committed.outcomes),
                    events=len(committed.events),
                    bytes=committed.bytes,
                    seconds=seconds,
                    queued=self.queued,
                )
            )

    def _probe(self, probe: ChangeProbe) -> None:
        if not probe.future.set_running_or_notify_cancel():
            return
        try:
            probe.future.set_result(self.connection.has_changed())
        except Exception as error:  # noqa: BLE001  any database error; the caller gets it
            self.connection.drop()
            probe.future.set_exception(self._database.explain(error))
