"""Upkeep: the verbs of the command line. All of them block."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from ..audit import Difference, verify
from ..exporting import WholeThread, each_thread, find_any_thread
from ..log.transaction import ThreadRef
from ..overview import Overview, read_overview
from ..retention.cleanup import Counts, Plan, Policy, collect, plan
from ..retention.disk_space import FileSpace, read_space
from ..sql import full_text
from .verbs import Group

T = TypeVar("T")


class Upkeep(Group):
    """Inspects a whole database, and removes what the policy does not keep."""

    def overview(self) -> Overview:
        """Count the database's rows, at one moment."""
        return self._core.read_now(read_overview)

    def verify(
        self,
        *,
        begin: Callable[[], None],
        tell: Callable[[Difference], None],
        progress: Callable[[int, int], None],
    ) -> int:
        """Fold every row from its events again, and compare; returns the number of differences.

        Args:
            begin: called first, and again if the reading starts again after a lost connection.
            tell: called with each difference.
            progress: called with the number of threads done, and the number of all threads.
        """

        def work(conn: Connection) -> int:
            begin()
            count = 0
            for difference in verify(conn, progress):
                tell(difference)
                count += 1
            return count

        return self._core.read_now(work)

    def plan(self, policy: Policy) -> Plan:
        """Count what ``collect`` would remove."""
        return self._core.read_now(lambda conn: plan(conn, policy, self._core.now_ms()))

    def collect(self, policy: Policy, *, progress: Callable[[Counts], None]) -> Counts:
        """Remove everything that the policy does not keep."""
        return collect(self._core, policy, progress=progress)

    def reindex(self) -> None:
        """Empty the full-text index; a round of ``collect`` fills it again."""
        self._core.submit(lambda tx: full_text.rebuild(tx.conn)).result()

    def unused_space(self) -> FileSpace | None:
        """Measure the unused space in an SQLite file; None on Postgres."""
        return self._core.read_now(read_space)

    def threads(self) -> list[ThreadRef]:
        """List every thread that is not deleted, oldest first."""
        return self._core.read_now(lambda conn: list(each_thread(conn)))

    def export(self, thread: ThreadRef | str, write: Callable[[WholeThread], T]) -> T:
        """Call ``write`` with a whole thread at one seq.

        Args:
            thread: a thread, its id, or ``owner/name``.

        Raises:
            NotFound: no thread has that name, or several have it.
        """

        def work(conn: Connection) -> T:
            thread_ref = find_any_thread(conn, thread) if isinstance(thread, str) else thread
            return write(WholeThread(conn, thread_ref))

        return self._core.read_now(work)
