"""Compaction: step by step, ended messages' deltas leave the log, and a hash of them stays (L2).

::

    ended run ──fold, page by page──► equal to its row? ──no──► left as it is: evidence
                                           │ yes
                                           ▼ in one transaction: the hash, the first deltas
                                      partly deleted ──more, in each step──► compacted

An ended run's log never changes (L4), so it is folded outside the writer. After every step rows,
hash and log agree, and a reader of any cursor gets events or a snapshot (L6). The next process
finishes the work of one that has died.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Connection

from ...shared.errors import Conflict, FoldError, RunNotEnded, RunNotFound
from ...shared.events import ENDS, MessageWritten, canonical
from ...shared.fold import MessageFold
from ...shared.records import MessageRecord
from ..log.builds import BESIDE_QUEUE
from ..log.transaction import RunRef, Transaction, execute
from ..sql import rows
from ..sql.driver import select_rows
from .steps import Budget, Read, Steps, Write

T = TypeVar("T")

PAGE = 512  # events in one page of the fold: about 1 ms of the interpreter
JOIN_EVERY = 16  # pages after which the texts of the folded deltas are joined
# Deltas and bytes of text in one slice, and slices in one reading.
SLICE, SLICE_BYTES, SLICES = 512, 128 * 1024, 8
SLICE_COLUMNS = "seq, text"


@dataclass(frozen=True, kw_only=True)
class CompactionResult:
    """The number of deleted deltas, and the bytes of their text."""

    deltas: int
    text_bytes: int


@dataclass(frozen=True, kw_only=True)
class _Deltas:
    """All deltas of a run: the first, the last, their number, and the hash of their message."""

    first: int
    last: int
    count: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class _Slice:
    """The next deltas to delete: those after ``after``, up to ``last``."""

    after: int
    first: int
    last: int
    count: int
    text_bytes: int


@dataclass(kw_only=True)
class _DeltaPage:
    """The content of one page of a run's log."""

    first: int | None = None
    last: int = 0
    deltas: int = 0
    seq: int = 0
    is_last: bool = False


def find_compactable(
    conn: Connection, cutoff_ms: int, after: tuple[int, int], limit: int
) -> list[tuple[tuple[int, int], RunRef]]:
    """List runs that ended before the cutoff and have deltas, each with the next page's cursor."""
    sql = (
        f"SELECT {RunRef.COLUMNS}, run.ended_ms {RunRef.TABLES} "
        "LEFT JOIN compaction ON compaction.run = run.pk "
        "WHERE run.ended_ms < :cutoff AND (run.ended_ms, run.pk) > (:ended, :pk) "
        "AND run.first_event_ms IS NOT NULL AND NOT thread.deleted "
        "AND (compaction.run IS NULL OR compaction.deltas_left > 0) "
        "ORDER BY run.ended_ms, run.pk LIMIT :limit"
    )
    params = {"cutoff": cutoff_ms, "ended": after[0], "pk": after[1], "limit": limit}
    return [((row[-1], row[0]), RunRef.of(row)) for row in execute(conn, sql, params).fetchall()]


def compact_run(run: RunRef, *, budget: Budget) -> Steps[CompactionResult]:
    """Delete the deltas of an ended run, in steps within the budget.

    Raises:
        RunNotEnded: its deltas are still needed.
        RunNotFound: it was purged since it was listed.
        FoldError: its message is not equal to their fold; nothing was deleted.
        Conflict: another process is compacting the run.
    """
    progress = yield Read(work=lambda conn: _read_progress(conn, run))
    if progress is None:
        all_deltas = yield from _fold(run)
        if not all_deltas.count:
            return CompactionResult(deltas=0, text_bytes=0)
        after, remaining, is_begun = all_deltas.first - 1, all_deltas.count, False
    else:
        all_deltas, remaining = progress
        after, is_begun = all_deltas.first - 1, True
    deltas = text_bytes = 0
    while remaining:
        slices = yield Read(work=_read_slices(run, after, all_deltas.last, remaining))
        if not slices:
            raise Conflict(f"The deltas of run {run.id!r} are not those that were counted.")
        while slices:
            slice_count = yield Write(
                work=_delete_slices(run, slices, all_deltas, remaining, is_begun, budget),
                threads=(run.thread.pk,),
            )
            is_begun = True
            for slice_ in slices[:slice_count]:
                remaining -= slice_.count
                after = slice_.last
                deltas += slice_.count
                text_bytes += slice_.text_bytes
            slices = slices[slice_count:]
    return CompactionResult(deltas=deltas, text_bytes=text_bytes)


def digest(message: MessageRecord) -> str:
    """Hash a message; the hash stands for its deltas once they are deleted."""
    return hashlib.sha256(canonical(message).encode()).hexdigest()


# ---------------------------------------------------------------------- reading a run's deltas


def _read_progress(conn: Connection, run: RunRef) -> tuple[_Deltas, int] | None:
    """Return the deltas of a run whose compaction has begun, and how many are left; else None."""
    status = _status(conn, run)
    if status not in ENDS:
        raise RunNotEnded(run.id, status)
    sql = (
        "SELECT first_seq, last_seq, deltas + deltas_left, message_sha256, deltas_left "
        "FROM compaction WHERE run = :run"
    )
    row = execute(conn, sql, {"run": run.pk}).first()
    if row is None:
        return None
    return _Deltas(first=row[0], last=row[1], count=row[2], sha256=row[3]), row[4]


def _status(conn: Connection, run: RunRef) -> str:
    sql = "SELECT status FROM run WHERE pk = :pk"
    return str(_require_row(run, execute(conn, sql, {"pk": run.pk}).first())[0])


def _fold(run: RunRef) -> Steps[_Deltas]:
    """Fold a run's log, and check that its message's row equals the fold."""
    seq, upto = yield Read(work=lambda conn: _bounds(conn, run))
    fold: list[MessageFold] = []  # none before the first event
    first, last, count, pages = None, 0, 0, 0
    page = _DeltaPage(seq=seq)
    while not page.is_last:
        page = yield Read(work=_fold_page(run, page.seq, upto, fold, joins=pages % JOIN_EVERY == 0))
        first = page.first if first is None else first
        last = max(last, page.last)
        count += page.deltas
        pages += 1
    sha256 = yield Read(work=lambda conn: _check_fold(conn, run, fold))
    return _Deltas(first=first or 0, last=last, count=count, sha256=sha256)


def _bounds(conn: Connection, run: RunRef) -> tuple[int, int]:
    # A run's turn is the seq of a `message` event before its deltas; in old databases it is < 0.
    sql = "SELECT turn, seq FROM run WHERE pk = :pk"
    turn, upto = _require_row(run, execute(conn, sql, {"pk": run.pk}).first())
    seq = (turn or 0) - (BESIDE_QUEUE if (turn or 0) >= BESIDE_QUEUE else 0)
    return max(seq - 1, 0), upto


def _fold_page(
    run: RunRef, after: int, upto: int, fold: list[MessageFold], *, joins: bool
) -> Callable[[Connection], _DeltaPage]:
    tail = (
        f"FROM (SELECT {rows.EVENT_COLUMNS} FROM event WHERE thread = :thread AND seq > :after "
        f"AND seq <= :upto AND run = :run ORDER BY seq LIMIT {PAGE}) AS page"
    )
    params = {"thread": run.thread.pk, "after": after, "upto": upto, "run": run.pk}

    def work(conn: Connection) -> _DeltaPage:
        event_rows = sorted(select_rows(conn, rows.EVENT_COLUMNS, tail, params), key=itemgetter(0))
        page = _DeltaPage(seq=after, is_last=len(event_rows) < PAGE)
        for row in event_rows:
            page.seq = row[0]
            if row[1] == "delta":
                page.first = page.first or page.seq
                page.last = page.seq
                page.deltas += 1
            _apply(run, fold, row)
        if joins and fold:
            fold[0].value()  # joins the texts; otherwise each stays an object until the end
        return page

    return work


def _apply(run: RunRef, fold: list[MessageFold], row: Sequence[Any]) -> None:
    """Fold a row of the log; skip a row that was folded already."""
    seq, type_, _, _, _, part, kind, text, _ = row
    if type_ == "delta" and fold and isinstance(text, str):
        fold[0].append(part, kind, text, seq)
        return
    event = rows.event_value(row, run.thread.id, (run.id, run.message_id))
    if fold:
        fold[0].apply(event)
    elif isinstance(event.body, MessageWritten):
        fold.append(MessageFold(event.body.message, seq))
    else:
        raise FoldError(f"Event {seq} begins no message.", seq=seq)


def _check_fold(conn: Connection, run: RunRef, fold: list[MessageFold]) -> str:
    sql = f"SELECT {rows.MESSAGE_COLUMNS} FROM message WHERE pk = :pk"
    row = _require_row(run, execute(conn, sql, {"pk": run.message_pk}).mappings().first())
    row_digest = digest(rows.message_wire(row, run.thread.id))
    if not fold or digest(fold[0].value()) != row_digest:
        raise FoldError(f"Message {run.message_id!r} differs from its log; it was left as it is.")
    return row_digest


# ---------------------------------------------------------------------- deleting them


def _read_slices(
    run: RunRef, after: int, upto: int, remaining: int
) -> Callable[[Connection], list[_Slice]]:
    """Make the function that reads the next slices; a slice is deleted whole or not at all."""
    tail = (
        f"FROM (SELECT {SLICE_COLUMNS} FROM event WHERE thread = :thread AND seq > :after AND "
        f"seq <= :upto AND run = :run AND type = 'delta' ORDER BY seq LIMIT {SLICE}) AS slice"
    )

    def read(conn: Connection, begin: int) -> _Slice | None:
        params = {"thread": run.thread.pk, "after": begin, "upto": upto, "run": run.pk}
        event_rows = sorted(select_rows(conn, SLICE_COLUMNS, tail, params), key=itemgetter(0))
        size = count = 0
        for row in event_rows:
            size += len(row[-1].encode())
            count += 1
            if size >= SLICE_BYTES:
                break
        if not count:
            return None
        return _Slice(
            after=begin,
            first=event_rows[0][0],
            last=event_rows[count - 1][0],
            count=count,
            text_bytes=size,
        )

    def work(conn: Connection) -> list[_Slice]:
        slices: list[_Slice] = []
        begin, rest = after, remaining
        while rest > 0 and len(slices) < SLICES and (next_slice := read(conn, begin)) is not None:
            slices.append(next_slice)
            begin, rest = next_slice.last, rest - next_slice.count
        if not slices:
            _status(conn, run)  # raises RunNotFound if it was purged
        return slices

    return work


def _delete_slices(
    run: RunRef,
    slices: Sequence[_Slice],
    all_deltas: _Deltas,
    remaining: int,
    is_begun: bool,
    budget: Budget,
) -> Callable[[Transaction], int]:
    """Make the step that deletes slices, at least one; the step returns their number."""

    def work(tx: Transaction) -> int:
        is_over = budget.start()
        status = _status(tx.conn, run)
        if not is_begun:
            _begin(tx, run, all_deltas, status)
        slice_count = count = 0
        for slice_ in slices:
            delete_slice(tx, run, slice_)
            slice_count, count = slice_count + 1, count + slice_.count
            if is_over():
                break
        result = tx.execute(
            "UPDATE compaction SET deltas = deltas + :count, deltas_left = deltas_left - :count "
            "WHERE run = :run AND deltas_left = :left",
            {"run": run.pk, "count": count, "left": remaining},
        )
        _expect(result.rowcount == 1, run)
        return slice_count

    return work


def _begin(tx: Transaction, run: RunRef, all_deltas: _Deltas, status: str) -> None:
    """Write the hash, in the transaction that deletes the first deltas (L2)."""
    existing = tx.execute("SELECT 1 FROM compaction WHERE run = :run", {"run": run.pk}).first()
    _expect(status in ENDS and existing is None, run)
    tx.execute(
        "INSERT INTO compaction (run, thread, first_seq, last_seq, deltas, deltas_left, "
        "message_sha256, at_ms) VALUES (:run, :thread, :first, :last, 0, :count, :sha256, :at)",
        {
            "run": run.pk,
            "thread": run.thread.pk,
            "first": all_deltas.first,
            "last": all_deltas.last,
            "count": all_deltas.count,
            "sha256": all_deltas.sha256,
            "at": tx.now_ms,
        },
    )


def delete_slice(tx: Transaction, run: RunRef, slice_: _Slice) -> None:
    params = {"thread": run.thread.pk, "run": run.pk}
    result = tx.execute(
        "DELETE FROM event WHERE thread = :thread AND seq > :after AND seq <= :last "
        "AND run = :run AND type = 'delta'",
        {**params, "after": slice_.after, "last": slice_.last},
    )
    _expect(result.rowcount == slice_.count, run)


def _require_row(run: RunRef, row: T | None) -> T:
    if row is None:  # another process has purged the thread since the run was listed
        raise RunNotFound(run.id)
    return row


def _expect(is_so: bool, run: RunRef) -> None:
    if not is_so:
        raise Conflict(f"Run {run.id!r} is not as it was read; it is looked at again later.")
