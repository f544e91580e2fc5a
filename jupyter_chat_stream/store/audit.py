"""The store looks at itself: ``verify`` re-derives every row, ``compact`` thins the log.

Compaction takes the deltas of an ended message out and keeps, in the same transaction, a hash of
what they folded to (L2); ``verify`` then holds the row against that hash instead of the fold. What
is already not as the log says is not compacted: the evidence stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from ..errors import FoldError, InvalidInput, RunNotEnded
from ..events import ENDS, Event, MessageWritten, canonical
from ..messages import Transcript
from . import rows
from .log import RunRef, ThreadRef, Transaction, execute, fold_message
from .reading import read_events
from .runs import list_runs

_STEP = 4096


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as the log says. ``what`` names law or field, never a text."""

    thread_id: str
    subject: str
    what: str

    def __str__(self) -> str:
        return f"thread {self.thread_id}: {self.subject}: {self.what}"


def verify(conn: Connection) -> Iterator[Difference]:
    """Fold every thread's log anew and report each difference from what is stored."""
    for pk, id_ in execute(conn, "SELECT pk, id FROM thread ORDER BY pk").fetchall():
        thread = ThreadRef(pk=pk, id=id_)
        try:
            yield from _verify_thread(conn, thread)
        except (InvalidInput, LookupError, TypeError, ValueError) as error:
            what = f"a row cannot be read ({type(error).__name__})"
            yield Difference(thread_id=id_, subject="thread", what=what)


def compact(tx: Transaction, run: RunRef) -> int:
    """Take the deltas of an ended run out of the log; gives how many there were.

    Raises:
        RunNotEnded: its deltas are still needed.
        FoldError: its message is not what they fold to.
    """
    state = tx.run(run)
    if state["status"] not in ENDS:
        raise RunNotEnded(run.id, state["status"])
    where = {"thread": run.thread.pk, "run": run.pk}
    first, last, count = tx.execute(
        "SELECT MIN(seq), MAX(seq), COUNT(*) FROM event WHERE thread = :thread AND run = :run "
        "AND type = 'delta'",
        where,
    ).one()
    if not count:
        return 0
    message = _message(tx.conn, run.message_pk, run.thread.id)
    if canonical(message) != canonical(_folded(tx.conn, run)):
        raise FoldError(f"Message {message['id']!r} differs from its log; it was left as it is.")
    digest = _digest(message)
    tx.execute(
        "INSERT INTO compaction (run, thread, first_seq, last_seq, deltas, message_sha256, at_ms) "
        "VALUES (:run, :thread, :first, :last, :count, :digest, :at)",
        {**where, "first": first, "last": last, "count": count, "digest": digest, "at": tx.now_ms},
    )
    tx.execute("DELETE FROM event WHERE thread = :thread AND run = :run AND type = 'delta'", where)
    return int(count)


def _folded(conn: Connection, run: RunRef) -> dict[str, Any]:
    sql = (
        f"SELECT {rows.EVENT_COLUMNS} FROM event WHERE thread = :thread AND run = :run "
        "AND type = 'message' ORDER BY seq LIMIT 1"
    )
    row = execute(conn, sql, {"thread": run.thread.pk, "run": run.pk}).one()
    first = rows.event_value(row, run.thread.id, (run.id, run.message_id))
    if not isinstance(first.body, MessageWritten):
        raise FoldError(f"Event {first.seq} begins no message.", seq=first.seq)
    return fold_message(conn, run, {**first.body.message, "seq": first.seq}).value()


def _verify_thread(conn: Connection, thread: ThreadRef) -> Iterator[Difference]:
    hashes, missing = _compactions(conn, thread)
    transcript = Transcript()
    ends: dict[str, int] = {}
    seq = 0
    while events := read_events(conn, thread, seq, _STEP):
        for event in events:
            if event.seq != seq + 1:
                missing -= event.seq - seq - 1
            seq = event.seq
            if event.run_id in ends:
                yield _difference(thread, f"run {event.run_id}", f"L4: event {seq} after its end")
            if event.type == "finalized" and event.run_id:
                ends[event.run_id] = seq
            try:
                transcript.apply(_without_compacted(event, hashes))
            except FoldError as error:
                yield _difference(thread, f"event {seq}", str(error))
                return
    if missing:
        yield _difference(thread, "log", f"L1: {abs(missing)} events missing or too many")
    yield from _compare_messages(conn, thread, transcript, hashes)
    yield from _compare_runs(conn, thread, transcript, hashes)
    row = (
        execute(conn, f"SELECT {rows.THREAD_COLUMNS} FROM thread WHERE pk = :pk", {"pk": thread.pk})
        .mappings()
        .one()
    )
    yield from _compare(thread, "thread", rows.thread_wire(row), transcript.thread)


def _without_compacted(event: Event, hashes: dict[str, str]) -> Event:
    """Keep what no longer fits without its deltas from the message; the hash stands for it."""
    if event.message_id in hashes and not isinstance(event.body, MessageWritten):
        return replace(event, message_id=None)
    return event


def _compactions(conn: Connection, thread: ThreadRef) -> tuple[dict[str, str], int]:
    sql = (
        "SELECT message.id, message_sha256, deltas FROM compaction JOIN run ON "
        "run.pk = compaction.run JOIN message ON message.pk = run.message "
        "WHERE compaction.thread = :pk"
    )
    found = execute(conn, sql, {"pk": thread.pk}).fetchall()
    return {row[0]: row[1] for row in found}, sum(row[2] for row in found)


def _compare_messages(
    conn: Connection, thread: ThreadRef, transcript: Transcript, hashes: dict[str, str]
) -> Iterator[Difference]:
    keys = execute(
        conn, "SELECT pk, id FROM message WHERE thread = :pk ORDER BY pk", {"pk": thread.pk}
    ).fetchall()
    missing = {message["id"] for message in transcript.messages}
    for pk, id_ in keys:
        row = _message(conn, pk, thread.id)
        subject = f"message {id_}"
        missing.discard(id_)
        if id_ in hashes:
            if _digest(row) != hashes[id_]:
                yield _difference(thread, subject, "L2: not what its compacted deltas folded to")
            continue
        folded = transcript.message(id_)
        if folded is None:
            yield _difference(thread, subject, "no event of the log made it")
        elif folded["seq"] == row["seq"]:
            yield from _compare(thread, subject, row, folded)
        else:  # a row may lag behind the log; it must be the fold up to its own seq (L7)
            again = _fold_upto(conn, thread, row["seq"], hashes).message(id_)
            yield from _compare(thread, subject, row, again or {})
    for id_ in sorted(missing):
        yield _difference(thread, f"message {id_}", "L7: its row is gone")


def _compare_runs(
    conn: Connection, thread: ThreadRef, transcript: Transcript, hashes: dict[str, str]
) -> Iterator[Difference]:
    missing = set(transcript.runs)
    for run in list_runs(conn, thread):
        missing.discard(run["id"])
        folded = dict(transcript.runs.get(run["id"], {}))
        if folded and run["message_id"] in hashes:
            folded["first_event_at"] = run["first_event_at"]  # its delta is compacted
        yield from _compare(thread, f"run {run['id']}", run, folded)
    for id_ in sorted(missing):
        yield _difference(thread, f"run {id_}", "L7: its row is gone")


def _fold_upto(conn: Connection, thread: ThreadRef, seq: int, hashes: dict[str, str]) -> Transcript:
    transcript = Transcript()
    while transcript.seq < seq:
        events = read_events(conn, thread, transcript.seq, min(_STEP, seq - transcript.seq))
        for event in events:
            if event.seq <= seq:
                transcript.apply(_without_compacted(event, hashes))
        if not events or events[-1].seq >= seq:
            break
    return transcript


def _compare(
    thread: ThreadRef, subject: str, stored: dict[str, Any], folded: dict[str, Any]
) -> Iterator[Difference]:
    if canonical(stored) == canonical(folded):
        return
    for name in stored.keys() | folded.keys():
        if stored.get(name) != folded.get(name):
            yield _difference(thread, subject, f"L7: {name} differs from the log")


def _difference(thread: ThreadRef, subject: str, what: str) -> Difference:
    return Difference(thread_id=thread.id, subject=subject, what=what)


def _message(conn: Connection, pk: int, thread_id: str) -> dict[str, Any]:
    sql = f"SELECT {rows.MESSAGE_COLUMNS} FROM message WHERE pk = :pk"
    return rows.message_wire(execute(conn, sql, {"pk": pk}).mappings().one(), thread_id)


def _digest(message: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(message).encode()).hexdigest()
