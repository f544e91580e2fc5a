"""Retention: which rows are deleted when, in small steps (``steps``).

::

    quiet threads marked ──► deleted threads purged ──► attachments deleted
                                 ──► ended runs compacted ──► space returned ──► texts indexed

One process at a time holds the ``CleanupLease``, a row in the database that every step checks in
its own transaction; if the process dies, another takes over. Two processes at once would only do
work twice, because each step checks that the rows still are as they were read. ``plan`` counts the
work, ``collect`` does it at once, ``housekeeping`` does it in the background.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from ...shared.config import ChatStream
from ...shared.errors import ChatStreamError, Conflict, DatabaseBusy, NotFound, StoreError
from ...shared.logs import Line
from ..log.transaction import RunRef, ThreadRef, Transaction, execute
from ..store import Store
from . import attachments
from .compaction import compact_run, find_compactable
from .disk_space import REST_S, FileSpace, give_back, is_log_long, read_space
from .indexing import index_due, index_older
from .purging import DELETED, QUIET, expire, find_threads, purge
from .steps import Budget, Read, Step, Steps, Write, drive

log = logging.getLogger("jupyter_chat_stream.store")

DAY_MS = 24 * 60 * 60 * 1000
PURGE_AFTER_MS = DAY_MS  # from the mark to the purge
KEEP_BYTES = 1024 * 1024  # of unused space stay in the file, which soon uses it again
LEASE_MS = 60_000
PAGE_ROWS = 64  # threads or runs in one listing
_LEASE_KEY = "housekeeping"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The ages at which events and threads are deleted. None: never."""

    keep_events_ms: int | None
    retention_ms: int | None
    keep_bytes: int = KEEP_BYTES

    @classmethod
    def of(cls, config: ChatStream, **changes: Any) -> Policy:
        """Read the policy from the settings."""
        ages = {
            "keep_events_ms": _ms(config.keep_events_days),
            "retention_ms": _ms(config.retention_days),
        }
        return cls(**{**ages, **changes})


@dataclass(kw_only=True)
class Counts:
    """The work done; ``longest_step_s`` is the longest time of a step in the writer."""

    expired_threads: int = 0
    purged_threads: int = 0
    purged_rows: int = 0
    deleted_attachments: int = 0
    compacted_runs: int = 0
    compacted_deltas: int = 0
    compacted_bytes: int = 0
    freed_bytes: int = 0
    indexed_messages: int = 0  # for the full-text search
    damaged: int = 0  # runs and threads that differ from their log: they stay
    steps: int = 0
    longest_step_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The work that a collection would do now, counted."""

    threads_to_expire: int
    threads_to_purge: int
    attachments_to_delete: int
    runs_to_compact: int
    deltas_to_compact: int
    space: FileSpace | None


def plan(conn: Connection, policy: Policy, now_ms: int) -> Plan:
    """Count the work of a collection, without doing it."""
    runs, deltas = 0, 0
    if policy.keep_events_ms is not None:
        params = {"cutoff": now_ms - policy.keep_events_ms}
        sql = (
            "SELECT COUNT(DISTINCT event.run), COUNT(*) FROM event JOIN run ON run.pk = event.run "
            "JOIN thread ON thread.pk = event.thread WHERE event.type = 'delta' "
            "AND run.ended_ms < :cutoff AND NOT thread.deleted"
        )
        runs, deltas = execute(conn, sql, params).one()
    quiet = 0
    if policy.retention_ms is not None:
        quiet = _count(conn, QUIET, now_ms - policy.retention_ms)
    return Plan(
        threads_to_expire=quiet,
        threads_to_purge=_count(conn, DELETED, now_ms - PURGE_AFTER_MS),
        attachments_to_delete=attachments.count_expired(conn, now_ms),
        runs_to_compact=runs,
        deltas_to_compact=deltas,
        space=read_space(conn),
    )


def collect(
    store: Store,
    policy: Policy,
    *,
    progress: Callable[[Counts], None] | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Counts:
    """Do all work on this thread, in steps between which live commits come.

    Raises:
        DatabaseBusy: another process holds the cleanup lease.
        StoreError: the database cannot be used; the steps before that are done.
    """
    lease = CleanupLease(store.new_id())
    counts = Counts()
    if not store.submit(lease.take).result():
        raise DatabaseBusy(
            "Another process is tidying this database up just now. Try again in a minute."
        )

    def do(step: Step) -> Any:
        if isinstance(step, Read):
            return store.read_now(step.work)
        if is_log_long(store.database.path):
            pause(REST_S)
        result, took_s = store.submit(lease.holding(step, counts), *step.threads).result()
        pause(took_s)  # SQLite's lock is not fair: a waiting process tries it at intervals
        if progress is not None:
            progress(counts)
        return result

    try:
        drive(tidy(store.now_ms, policy, counts), do)
    finally:
        store.submit(lease.give_back).result()
    return counts


# ---------------------------------------------------------------------- the work


def tidy(
    now_ms: Callable[[], int],
    policy: Policy,
    counts: Counts,
    *,
    budget: Budget | None = None,
    logged_ids: set[str] | None = None,
) -> Steps[None]:
    """Do all work step by step.

    ``logged_ids`` are the ids of damaged threads and runs, which are not logged again.
    """
    work = _Tidying(counts, budget or Budget(), set() if logged_ids is None else logged_ids)
    if policy.retention_ms is not None:
        yield from work.expire(now_ms() - policy.retention_ms)
    yield from work.purge(now_ms() - PURGE_AFTER_MS)
    yield from work.delete_attachments(now_ms)
    if policy.keep_events_ms is not None:
        yield from work.compact(now_ms() - policy.keep_events_ms)
    counts.freed_bytes += yield from give_back(keep_bytes=policy.keep_bytes, budget=work.budget)
    counts.indexed_messages += yield from index_due(budget=work.budget)
    counts.indexed_messages += yield from index_older(budget=work.budget)


class _Tidying:
    """One round, which handles every listed thread and run once."""

    def __init__(self, counts: Counts, budget: Budget, logged_ids: set[str]) -> None:
        self.budget = budget
        self._counts = counts
        self._logged_ids = logged_ids

    def expire(self, cutoff_ms: int) -> Steps[None]:
        def expire_thread(thread: ThreadRef) -> Steps[None]:
            self._counts.expired_threads += yield from expire(thread, cutoff_ms)

        yield from self._each_thread(QUIET, cutoff_ms, expire_thread)

    def purge(self, cutoff_ms: int) -> Steps[None]:
        def purge_thread(thread: ThreadRef) -> Steps[None]:
            self._counts.purged_rows += yield from purge(thread, cutoff_ms, budget=self.budget)
            self._counts.purged_threads += 1

        yield from self._each_thread(DELETED, cutoff_ms, purge_thread)

    def delete_attachments(self, now_ms: Callable[[], int]) -> Steps[None]:
        count = yield from attachments.delete_expired(now_ms(), budget=self.budget)
        self._counts.deleted_attachments += count
        yield from attachments.drop_blobs(now_ms(), budget=self.budget)

    def compact(self, cutoff_ms: int) -> Steps[None]:
        after = (0, 0)
        while page := (yield Read(work=_compactable(cutoff_ms, after))):
            for place, run in page:
                yield from self._skip_damaged(run, self._compact(run))
                after = place

    def _compact(self, run: RunRef) -> Steps[None]:
        result = yield from compact_run(run, budget=self.budget)
        counts = self._counts
        counts.compacted_runs += 1
        counts.compacted_deltas += result.deltas
        counts.compacted_bytes += result.text_bytes

    def _each_thread(
        self, condition: str, cutoff_ms: int, work: Callable[[ThreadRef], Steps[None]]
    ) -> Steps[None]:
        after = 0
        while threads := (yield Read(work=_threads(condition, cutoff_ms, after))):
            for thread in threads:
                yield from self._skip_damaged(thread, work(thread))
                after = thread.pk

    def _skip_damaged(self, ref: RunRef | ThreadRef, steps: Steps[None]) -> Steps[None]:
        """Do the steps of one thread or run. If it is damaged, log it; the round goes on."""
        try:
            yield from steps
        except NotFound:
            pass  # another process has purged it since it was listed
        except (StoreError, CleanupLeaseLost):
            raise
        except (ChatStreamError, LookupError, TypeError, ValueError) as error:
            self._counts.damaged += 1
            if ref.id not in self._logged_ids:
                self._logged_ids.add(ref.id)
                code = error.code if isinstance(error, ChatStreamError) else type(error).__name__
                kind = type(ref).__name__.removesuffix("Ref").lower()
                log.warning(Line("retention.left", **{kind: ref.id}, code=code))


def _compactable(cutoff_ms: int, after: tuple[int, int]) -> Callable[[Connection], Any]:
    return lambda conn: find_compactable(conn, cutoff_ms, after, PAGE_ROWS)


def _threads(condition: str, cutoff_ms: int, after: int) -> Callable[[Connection], Any]:
    return lambda conn: find_threads(conn, condition, cutoff_ms, after, PAGE_ROWS)


def _count(conn: Connection, condition: str, cutoff_ms: int) -> int:
    sql = f"SELECT COUNT(*) FROM thread WHERE {condition}"
    return int(execute(conn, sql, {"cutoff": cutoff_ms}).scalar())


def _ms(days: float | None) -> int | None:
    return None if days is None else int(days * DAY_MS)


# ---------------------------------------------------------------------- the lease


class CleanupLeaseLost(Conflict):
    """Another process holds the cleanup lease by now."""

    code = "turn_lost"


@dataclass(frozen=True)
class CleanupLease:
    """The right to clean up, held under a name for ``LEASE_MS`` after its last renewal."""

    name: str
    clock: Callable[[], float] = field(default=time.perf_counter)

    def take(self, tx: Transaction) -> bool:
        holder, until_ms = self._read(tx)
        # A wrong clock set an end that is further away than LEASE_MS: ignore it.
        if holder not in (None, self.name) and tx.now_ms < until_ms <= tx.now_ms + LEASE_MS:
            return False
        self._write(tx, self.name, tx.now_ms + LEASE_MS)
        return True

    def holding(self, step: Write, counts: Counts) -> Callable[[Transaction], tuple[Any, float]]:
        """Wrap a step so that it checks the lease first and also returns its duration in s."""

        def work(tx: Transaction) -> tuple[Any, float]:
            begun_s = self.clock()
            holder, until_ms = self._read(tx)
            if holder != self.name:
                raise CleanupLeaseLost(
                    "Another process has begun to tidy up; this one leaves it to it."
                )
            if until_ms < tx.now_ms + LEASE_MS // 2:
                self._write(tx, self.name, tx.now_ms + LEASE_MS)
            result = step.work(tx)
            tx.flush()
            took_s = self.clock() - begun_s
            counts.steps += 1
            counts.longest_step_s = max(counts.longest_step_s, took_s)
            return result, took_s

        return work

    def give_back(self, tx: Transaction) -> None:
        if self._read(tx)[0] == self.name:
            tx.execute("DELETE FROM meta WHERE key = :key", {"key": _LEASE_KEY})

    def _read(self, tx: Transaction) -> tuple[str | None, int]:
        text = tx.execute("SELECT value FROM meta WHERE key = :key", {"key": _LEASE_KEY}).scalar()
        if text is None:
            return None, 0
        lease = json.loads(text)
        return str(lease["by"]), int(lease["until_ms"])

    def _write(self, tx: Transaction, name: str, until_ms: int) -> None:
        # If two processes take the lease at once on Postgres, the second one then holds it.
        value = json.dumps({"by": name, "until_ms": until_ms})
        tx.execute(
            "INSERT INTO meta (key, value) VALUES (:key, :value) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            {"key": _LEASE_KEY, "value": value},
        )
