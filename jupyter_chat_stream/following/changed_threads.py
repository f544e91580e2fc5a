"""Which rows of the list one watcher must get next, and when. No loop, no store, no socket.

Changes are coalesced: a watcher gets a thread's row at most once in ``GAP_S``. A watcher that is
too slow loses the single changes: it is told that the list may have changed, and reads it again. So
this holds at most ``MAX_PENDING`` ids, whatever happens (L8).
"""

from __future__ import annotations

from collections.abc import Iterable

GAP_S = 0.25  # between two rows of one thread
MAX_PENDING = 500  # a longer list of changes is not worth more than reading the list again
MAX_AT_ONCE = 16  # rows that are read, and held in memory, at once


class ChangedThreads:
    """The changed threads of one watcher. At first, the watcher must read the list."""

    def __init__(self) -> None:
        self._due_s: dict[str, float] = {}  # thread id -> when its row is due
        self._taken_s: dict[str, float] = {}  # thread id -> when its last row was taken
        self._is_lost = True

    def __len__(self) -> int:
        return len(self._due_s)

    def add(self, thread_ids: Iterable[str], now_s: float) -> None:
        """Note that the rows of these threads have changed."""
        if self._is_lost:
            return  # the watcher will read the list after this
        for thread_id in thread_ids:
            free_s = self._taken_s.get(thread_id, now_s - GAP_S) + GAP_S
            self._due_s.setdefault(thread_id, max(now_s, free_s))
        if len(self._due_s) > MAX_PENDING:
            self.lose()

    def lose(self) -> None:
        """Note that any row may have changed: the watcher must read the list again."""
        self._due_s.clear()
        self._taken_s.clear()
        self._is_lost = True

    def take_loss(self) -> bool:
        """Return whether the watcher must be told to read the list; True once for each loss."""
        is_lost, self._is_lost = self._is_lost, False
        return is_lost

    def next_s(self) -> float | None:
        """Return the time at which something is due; None if nothing is."""
        if self._is_lost:
            return float("-inf")
        return min(self._due_s.values(), default=None)

    def take(self, now_s: float) -> list[str]:
        """Take the threads whose rows are due, the earliest first, at most ``MAX_AT_ONCE``."""
        self._taken_s = {id_: at for id_, at in self._taken_s.items() if at + GAP_S > now_s}
        ready = sorted((at, id_) for id_, at in self._due_s.items() if at <= now_s)
        ready_ids = [id_ for _, id_ in ready[:MAX_AT_ONCE]]
        for thread_id in ready_ids:
            del self._due_s[thread_id]
            self._taken_s[thread_id] = now_s
        return ready_ids

    def give_back(self, thread_ids: Iterable[str], now_s: float) -> None:
        """Put threads back whose rows the watcher did not get; they are due at once."""
        if not self._is_lost:
            self._due_s.update(dict.fromkeys(thread_ids, now_s))
