"""Which messages of a thread a search compares: those that the index found, or the newest ones.

A word of almost all messages is found faster without the index: the threads come newest first, so
the newest messages of the first threads fill the page, and the index would list all the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from ..log.transaction import execute
from ..sql import full_text
from ..sql.full_text import SEQ_BITS

MAX_DUE = 100  # messages that are not in the index yet, and are read anyway
MAX_SCANNED = 500  # messages of one thread that are read if there is no index
MAX_NEWEST = 32  # messages of one thread that are compared without asking the index
FEW_HITS = 10_000  # a set of the threads of so many hits is worth its making
THREADS_AT_ONCE = 16


class Candidates(NamedTuple):
    """The messages of a thread that may match, the newest last."""

    keys: list[int]
    """In the index."""
    due: list[int]
    """Keys of messages, not of the index."""
    is_cut: bool = False
    """Whether older messages may match, too."""


class CandidateSource(Protocol):
    """Tells the candidates of each thread."""

    def may_have(self, thread: int) -> bool:
        """Return whether a thread may have candidates."""
        ...

    def of(self, conn: Connection, thread: int) -> Candidates: ...


class IndexedMessages:
    """The messages that the index found for a query.

    Args:
        keys: in the index, sorted.
        due: keys of messages that the index lacks, by thread.
    """

    def __init__(self, keys: Sequence[int], due: Mapping[int, Sequence[int]]) -> None:
        self._keys = keys
        self._due = due
        # Few hits: most threads have none, and a set tells faster than a search in the keys.
        is_few = len(keys) <= FEW_HITS
        self._threads = {key >> SEQ_BITS for key in keys} if is_few else None

    def may_have(self, thread: int) -> bool:
        return self._threads is None or thread in self._threads or thread in self._due

    def of(self, conn: Connection, thread: int) -> Candidates:
        start = bisect_left(self._keys, thread << SEQ_BITS)
        end = bisect_left(self._keys, (thread + 1) << SEQ_BITS, lo=start)
        return Candidates(list(self._keys[start:end]), list(self._due.get(thread, ())))


class NewestMessages:
    """The newest messages of each thread, whatever is looked for.

    Args:
        threads: in the order in which they are asked for.
        due: keys of messages that the index lacks, by thread.
    """

    def __init__(self, threads: Sequence[int], due: Mapping[int, Sequence[int]]) -> None:
        self._threads = threads
        self._places = {thread: at for at, thread in enumerate(threads)}
        self._due = due
        self._newest_keys: dict[int, list[int]] = {}

    def may_have(self, thread: int) -> bool:
        return True

    def of(self, conn: Connection, thread: int) -> Candidates:
        if thread not in self._newest_keys:
            at = self._places[thread]
            block = self._threads[at : at + THREADS_AT_ONCE]
            self._newest_keys |= full_text.newest(conn, block, MAX_NEWEST)
        keys = self._newest_keys.get(thread, [])
        return Candidates(keys, list(self._due.get(thread, ())), len(keys) == MAX_NEWEST)


class AllMessages:
    """All messages of a thread, where there is no index."""

    def may_have(self, thread: int) -> bool:
        return True

    def of(self, conn: Connection, thread: int) -> Candidates:
        sql = "SELECT pk FROM message WHERE thread = :thread ORDER BY seq DESC LIMIT :limit"
        rows = execute(conn, sql, {"thread": thread, "limit": MAX_SCANNED + 1})
        return Candidates([], sorted(row[0] for row in rows))


def read_due(conn: Connection, owner: str) -> tuple[dict[int, list[int]], bool]:
    """Return the newest messages that wait for the index, by thread, and whether these are all."""
    if not full_text.has_index(conn):
        return {}, True
    sql = (
        "SELECT message.thread, message.pk FROM search_due "
        "JOIN message ON message.pk = search_due.message "
        "JOIN thread ON thread.pk = message.thread WHERE thread.owner = :owner "
        "ORDER BY search_due.message DESC LIMIT :limit"
    )
    rows = execute(conn, sql, {"owner": owner, "limit": MAX_DUE + 1}).fetchall()
    pks_by_thread: dict[int, list[int]] = {}
    for thread, pk in reversed(rows[:MAX_DUE]):
        pks_by_thread.setdefault(thread, []).append(pk)
    return pks_by_thread, len(rows) <= MAX_DUE
