"""The log: appending to it within a transaction, and folding it into rows.

A ``Transaction`` assigns each ``seq`` from the head that it has read itself (L1). It refuses stale
attempts without using up a seq (L5). It keeps rows equal to the fold of their events (L7): the rows
of threads and runs at each flush, a message's row when it is settled. The writer publishes the
events after the commit (L3).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection as Connection
from sqlalchemy import insert
from sqlmodel import SQLModel

from ...shared.errors import DamagedRow, StaleAttempt
from ...shared.events import (
    ENDS,
    Body,
    Delta,
    Event,
    Finalized,
    MessageWritten,
    ThreadChanged,
    dumps,
    iso,
)
from ...shared.fold import MessageFold, fold_run, takes_head
from ...shared.records import MessageRecord, RunRecord, ThreadChange, Usage
from ..sql import rows
from ..sql.damage import checked, readable, run_instead
from ..sql.driver import (
    among,
    insert_rows,
    lock_threads,
    select_rows,
)
from ..sql.tables import table
from .builds import build_ended
from .refs import RunRef as RunRef
from .refs import ThreadRef as ThreadRef
from .refs import execute as execute
from .refs import update_row as update_row
from .replies import read_reply, settle_message

log = logging.getLogger("jupyter_chat_stream.store")


_GUARD = (
    "pk, attempt, status, first_event_ms, thread, "
    "(SELECT MAX(seq) FROM event WHERE event.thread = run.thread)"
)


class Transaction:
    """One writing transaction; ``events`` are those it has appended, in order."""

    def __init__(
        self,
        conn: Connection,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
        *,
        locked_pks: Iterable[int] = (),
    ) -> None:
        self.conn = conn
        self.new_id = new_id
        self.now_ms = now_ms()
        self.events: list[Event] = []
        self.due: list[tuple[str, int]] = []  # (run id, attempt), due with the commit
        self.marked_ids: set[str] = set()  # ids of threads on which a person's mark has changed
        self.live_usage: Mapping[str, Usage] = {}  # by the operation: tokens of runs, by id
        self.bytes = 0  # of text in the events that are flushed
        self._locked_pks = set(locked_pks)  # threads
        self._rows: list[tuple[Any, ...]] = []
        self._heads: dict[int, int] = {}
        self._runs: dict[int, RunRecord] = {}  # folded runs, by key
        self._changed_seqs: dict[int, int] = {}  # run key -> seq of the event that changed it
        self._guards: dict[int, tuple[int, str, bool]] = {}  # run key -> attempt, status, begun
        self._settle: dict[int, RunRef] = {}
        self._threads: dict[int, rows.Columns] = {}
        self._replies: dict[int, MessageFold] = {}  # by the message's key

    @property
    def at(self) -> str:
        """The transaction's time as on the wire."""
        return iso(self.now_ms)

    def execute(self, sql: str, params: Any = None) -> Any:
        return execute(self.conn, sql, params)

    def insert(self, row: type[SQLModel], columns: Mapping[str, object]) -> int:
        """Insert a row, and return its key."""
        key = self.conn.execute(insert(table(row)), columns).inserted_primary_key
        if key is None:
            raise RuntimeError("The statement inserted no single row.")
        return int(key[0])

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """If the block raises, undo its changes here and in the database."""
        self.flush()
        event_count, due_count, locked_pks = len(self.events), len(self.due), set(self._locked_pks)
        marked_ids = set(self.marked_ids)
        self.execute("SAVEPOINT command")
        try:
            yield
            self.flush()
        except BaseException:
            if self.conn.invalidated:  # nothing is left to undo
                raise
            self.execute("ROLLBACK TO SAVEPOINT command")
            del self.events[event_count:]
            del self.due[due_count:]
            self.marked_ids = marked_ids
            for cache in (self._heads, self._runs, self._changed_seqs, self._guards, self._threads):
                cache.clear()
            self._rows.clear()
            self._settle.clear()
            self._replies.clear()
            self._locked_pks = locked_pks  # the rollback released the locks taken since
            raise
        self.execute("RELEASE SAVEPOINT command")

    # ------------------------------------------------------------------ appending

    def append(
        self,
        thread: ThreadRef,
        body: Body,
        *,
        run: RunRef | None = None,
        attempt: int | None = None,
    ) -> Event:
        """Append one event. Commands check the status themselves (L5)."""
        message_id = run.message_id if run else None
        if isinstance(body, MessageWritten):
            message_id = body.message["id"]
        event = Event(
            seq=self._next(thread),
            thread_id=thread.id,
            at=self.now_ms,
            run_id=run.id if run else None,
            message_id=message_id,
            attempt=attempt,
            body=body,
        )
        self.events.append(event)
        self._rows.append(rows.event_row(event, thread.pk, run.pk if run else None))
        if run is not None and not (isinstance(body, MessageWritten) and attempt is None):
            self._fold_run(run, event)
        self._fold_thread(thread, event)
        self._fold_reply(run, event)
        return event

    def append_attempt(self, run: RunRef, attempt: int, bodies: Iterable[Body]) -> list[Event]:
        """Append events of an attempt that ``guard`` has looked up.

        Raises:
            StaleAttempt: another attempt or an end came first, or the run is gone; no seq was used.
        """
        current, status, _ = self._guards.get(run.pk, (None, "gone", False))
        if current != attempt or status in ENDS:
            raise StaleAttempt(run.id, attempt)
        return [self.append(run.thread, body, run=run, attempt=attempt) for body in bodies]

    def guard(self, runs: Iterable[RunRef]) -> None:
        """Look up heads, attempts and statuses, for all runs at once."""
        new_runs = [run for run in runs if run.pk not in self._guards]
        if new_runs:
            self._lock(run.thread.pk for run in new_runs)
            keys = {run.pk for run in new_runs}
            from_clause = f"FROM run WHERE pk {among(self.conn)}"
            guard_rows = select_rows(self.conn, _GUARD, from_clause, {"keys": dumps(list(keys))})
            for pk, attempt, status, first_event_ms, thread, head in guard_rows:
                self._guards[pk] = (attempt, status, first_event_ms is not None)
                self._heads.setdefault(thread, head or 0)  # unless this transaction has appended

    def settle(self, run: RunRef) -> None:
        """Bring the run's message row up to the log at the next flush."""
        self._settle[run.pk] = run

    def set_run(self, run: RunRef, **columns: Any) -> None:
        """Set columns of a run that no event decides, such as ``owner`` and ``crashes``."""
        update_row(self.conn, "run", run.pk, columns)

    def make_due(self, run: RunRef, attempt: int) -> None:
        """Note that a run's attempt is due; the commit may call the workers."""
        self.due.append((run.id, attempt))

    def open_run(self, run: RunRef, state: RunRecord, body: MessageWritten) -> None:
        """Append the event of a new run, whose row this transaction has just inserted.

        A run that is not for later is due with the commit.
        """
        self._runs[run.pk] = state
        self.append(run.thread, body, run=run)
        if state["status"] == "pending":
            self.make_due(run, 1)

    def head(self, thread: ThreadRef) -> int:
        """Return the seq of the thread's last event."""
        head = self._heads.get(thread.pk)
        return self._next_from(thread.pk) if head is None else head

    def run(self, run: RunRef) -> RunRecord:
        """Return the run as this transaction has changed it."""
        if run.pk not in self._runs:
            self._lock((run.thread.pk,))
            sql = f"SELECT {rows.RUN_COLUMNS} FROM run WHERE pk = :pk"
            row = self.execute(sql, {"pk": run.pk}).mappings().one()
            self._runs[run.pk] = _run_of(row, run)
        return self._runs[run.pk]

    def reply(self, run: RunRef) -> MessageRecord:
        """Return the run's reply as this transaction has changed it.

        Raises:
            DamagedRow
        """
        if run.message_pk not in self._replies:
            self._lock((run.thread.pk,))  # what is read here is written to the row
            self.flush()
            self._replies[run.message_pk] = read_reply(self.conn, run)
        return self._replies[run.message_pk].value()

    def flush(self) -> None:
        """Insert the appended events, and update every row that follows from them."""
        if self._rows:
            insert_rows(self.conn, "event", rows.WHOLE_EVENT, self._rows)
            self.bytes += sum(len(row[-2] or row[-1] or "") for row in self._rows)
            self._rows = []
        for pk, seq in self._changed_seqs.items():
            update_row(self.conn, "run", pk, rows.run_columns(self._runs[pk], seq))
        self._changed_seqs = {}
        seqs = {event.seq for event in self.events} if self._settle else set()
        for run in self._settle.values():
            settle_message(self.conn, run, seqs, self._replies.get(run.message_pk))
        self._settle = {}
        for pk, columns in self._threads.items():
            update_row(self.conn, "thread", pk, columns)
        self._threads = {}

    def _lock(self, threads: Iterable[int]) -> None:
        # A command that could not name its threads locks them here, before it reads them.
        unlocked_pks = set(threads) - self._locked_pks
        if unlocked_pks and self.conn.dialect.name != "sqlite":
            self.execute(lock_threads(unlocked_pks))
        self._locked_pks |= unlocked_pks

    def _next_from(self, thread: int) -> int:
        self._lock((thread,))
        sql = "SELECT MAX(seq) FROM event WHERE thread = :thread"
        self._heads[thread] = self.execute(sql, {"thread": thread}).scalar() or 0
        return self._heads[thread]

    def _next(self, thread: ThreadRef) -> int:
        seq = self.head(thread) + 1
        self._heads[thread.pk] = seq
        return seq

    def _fold_run(self, run: RunRef, event: Event) -> None:
        guard = self._guards.get(run.pk)
        if isinstance(event.body, Delta) and guard is not None and guard[2]:
            return
        state = self.run(run)
        fold_run(state, event)
        self._changed_seqs[run.pk] = event.seq
        has_begun = state["first_event_at"] is not None
        self._guards[run.pk] = (state["attempt"], state["status"], has_begun)
        if isinstance(event.body, Finalized):
            self.set_run(run, owner=None)
            self.execute("DELETE FROM tool_call WHERE run = :run", {"run": run.pk})
            self.settle(run)
            build_ended(self, run, event.body.status)

    def _fold_reply(self, run: RunRef | None, event: Event) -> None:
        """Fold an event into the reply if ``reply`` has read it: its row is not read again."""
        if isinstance(event.body, MessageWritten):  # it may replace any message of the thread
            self._replies.clear()
        elif run is not None and run.message_pk in self._replies:
            with checked(event.thread_id, "event", f"seq {event.seq}"):
                self._replies[run.message_pk].apply(event)

    def _fold_thread(self, thread: ThreadRef, event: Event) -> None:
        body = event.body
        if isinstance(body, (ThreadChanged, MessageWritten, Finalized)):
            columns = self._threads.setdefault(thread.pk, {})
            columns["updated_ms"] = event.at
            if isinstance(body, ThreadChanged):
                columns.update(_thread_columns(body.thread))
            elif isinstance(body, MessageWritten) and takes_head(event):
                columns["head"] = body.message["id"]


def _thread_columns(changes: ThreadChange) -> rows.Columns:
    constant_names = ("id", "owner", "created_at", "updated_at")
    columns = {name: value for name, value in changes.items() if name not in constant_names}
    for name in ("params", "tools"):
        if name in columns:
            columns[f"message_{name}"] = rows.dump(columns.pop(name))
    return cast(rows.Columns, columns)


def _run_of(row: rows.Row, run: RunRef) -> RunRecord:
    """Return a run; if its row is damaged, a substitute that the next events replace."""

    def instead(damage: DamagedRow) -> RunRecord:
        return {**run_instead(row, run.thread.id, run.message_id, damage), "error": None}

    return readable(lambda: rows.run_wire(row, run.thread.id, run.message_id), instead)
