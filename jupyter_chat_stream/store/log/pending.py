"""The writer's queue: operations and probes, in the order in which they came.

Any thread puts; only the writer's thread takes. The queue is bounded by its users: a run has one
append under way and at most 1 MB waiting in its coalescer.
"""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue

from ...shared.errors import StoreError
from .operations import ChangeProbe, Operation

BATCH_OPERATIONS = 512
# Once the store is being closed, no operation waits longer than this for a database that is away.
LAST_PATIENCE_S = 2.0


class PendingOperations:
    """The writer's queue; after ``close`` it accepts nothing."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Operation | ChangeProbe | None] = SimpleQueue()  # None: the end
        self._operations: list[Operation | ChangeProbe] = []  # taken from the queue during a wait
        self._lock = threading.Lock()  # no operation may be put after the end
        self._is_closed = False
        self._end_seen_s: float | None = None  # when the writer's thread read the end

    @property
    def is_ending(self) -> bool:
        """Whether the writer's thread has read the end of the queue."""
        return self._end_seen_s is not None

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to write, and nothing will come."""
        return self.is_ending and not self._operations

    def count(self) -> int:
        """Count the operations that wait for the next commit, approximately."""
        return self._queue.qsize() + len(self._operations)

    def put(self, operation: Operation | ChangeProbe) -> None:
        """Queue an operation; raises StoreError after ``close``."""
        with self._lock:
            if self._is_closed:
                raise StoreError("The store is closed; nothing more is written.")
            self._queue.put(operation)

    def close(self) -> None:
        """Refuse new operations; those in the queue are still written."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._queue.put(None)

    # ------------------------------------------------------------------ on the writer's thread

    def take_batch(self) -> list[Operation | ChangeProbe]:
        """Wait for an operation, then take all that are pending."""
        batch, self._operations = self._operations, []
        while not self.is_ending and (
            not batch or (len(batch) < BATCH_OPERATIONS and not self._queue.empty())
        ):
            operation = self._queue.get()
            if operation is None:
                self._end_seen_s = time.monotonic()
            else:
                batch.append(operation)
        return batch

    def wait(self, pause_s: float) -> None:
        """Wait, and hold the operations that come meanwhile, because their patience runs too."""
        deadline_s = time.monotonic() + pause_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                operation = self._queue.get(timeout=left_s)
            except Empty:
                return
            if operation is None:
                self._end_seen_s = time.monotonic()
            else:
                self._operations.append(operation)

    def is_late(self, operation: Operation) -> bool:
        """Return whether an operation's patience is over."""
        now_s = time.monotonic()
        if self._end_seen_s is not None and now_s - self._end_seen_s > LAST_PATIENCE_S:
            return True
        return now_s - operation.queued_s > operation.patience_s

    def withdraw_late(self) -> list[Operation]:
        """Remove the held operations whose patience is over, and return them."""
        late_operations = [
            operation
            for operation in self._operations
            if not isinstance(operation, ChangeProbe) and self.is_late(operation)
        ]
        self._operations = [
            operation for operation in self._operations if operation not in late_operations
        ]
        return late_operations
