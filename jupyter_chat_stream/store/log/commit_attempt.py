"""Committing one batch, also through an outage of the database (L1, L3).

::

               ┌───────── was not committed ◄──────────┐
               ▼                                       │
    ───────► WRITING ──COMMIT without an answer──► IN DOUBT ──was committed──► committed
             │  ▲  └────── committed ──────────────────│─────────────────────►
      away   │  │                              away or │ ▲
             ▼  │ pause                 still going on ▼ │ pause
             AWAY                                   UNKNOWN

In both pauses, operations whose patience is over get an error and leave. A commit in doubt is not
repeated until the database has answered that it did not happen: else its text would be there twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from ...shared.errors import DatabaseUnreachable
from ..sql.failures import AWAY_BACKOFF, is_unreachable
from .batch import BatchWriter, WritingConnection
from .operations import Command, Committed, Operation
from .outcome import InDoubt, was_committed
from .pending import PendingOperations

AWAY = "The database is away; nothing was written. Try again when it is back."
UNKNOWN = "The database is away; whether this was written is not known. Look when it is back."
# If the COMMIT of a lost connection is still under way after this time, this process asks the
# server to end it: the server may not have noticed that its client is gone.
END_COMMIT_AFTER_S = 2.0


class CommitAttempt:
    """Commits one batch.

    Args:
        batch: an operation that gets an error during an outage is removed from this list.
        deliver: called with the outcomes of the removed operations.
    """

    def __init__(
        self,
        batch: list[Operation],
        batches: BatchWriter,
        connection: WritingConnection,
        pending: PendingOperations,
        deliver: Callable[[Committed], None],
    ) -> None:
        self._batch = batch
        self._batches = batches
        self._connection = connection
        self._pending = pending
        self._deliver = deliver
        self._in_doubt: InDoubt | None = None

    def run(self) -> Committed:
        """Commit the batch. The result is empty if every operation has left it.

        Raises:
            Exception: the database refused the batch; nothing was written.
        """
        for pause_s in AWAY_BACKOFF.pauses():
            try:
                if self._in_doubt is None:
                    return self._batches.write(self._batch)
                is_committed = self._ask(self._in_doubt)
                if is_committed:
                    return self._in_doubt.committed
                if is_committed is not None:
                    self._in_doubt = None
                    continue
            except InDoubt as in_doubt:
                self._in_doubt = in_doubt
                self._connection.lose(in_doubt)
            except DBAPIError as error:
                if self._in_doubt is None and not is_unreachable(error):
                    raise
                self._connection.lose(error)
            self._pending.wait(pause_s)
            self._fail_late_operations()
            if not self._batch and (self._in_doubt is None or self._pending.is_ending):
                break
        return Committed(events=[], outcomes=[])

    def _ask(self, in_doubt: InDoubt) -> bool | None:
        """Ask the database whether the transaction was committed; None if it is still under way."""
        is_overdue = time.monotonic() - in_doubt.since_s > END_COMMIT_AFTER_S
        is_committed = was_committed(self._connection.get(), in_doubt, give_up=is_overdue)
        if is_committed is not None:
            self._connection.end_outage()
        return is_committed

    def _fail_late_operations(self) -> None:
        """Remove the operations whose patience is over; each gets DatabaseUnreachable.

        An append in doubt waits on until the store closes: its run would only write it again.
        """
        late_operations = [
            operation for operation in self._batch if self._pending.is_late(operation)
        ]
        if self._in_doubt is not None and not self._pending.is_ending:
            late_operations = [
                operation for operation in late_operations if isinstance(operation, Command)
            ]
        self._batch[:] = [
            operation for operation in self._batch if operation not in late_operations
        ]
        reason = AWAY if self._in_doubt is None else UNKNOWN
        reasons = [(operation, reason) for operation in late_operations]
        reasons += [(operation, AWAY) for operation in self._pending.withdraw_late()]
        if reasons:
            outcomes = [
                (operation, None, DatabaseUnreachable(reason)) for operation, reason in reasons
            ]
            self._deliver(Committed(events=[], outcomes=[*outcomes]))
