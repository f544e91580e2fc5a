"""The audit: ``verify`` folds every row from the log again, and reports each difference.

For compacted deltas it compares the hash of their message (L2). It reads a log page by page, so it
holds the folded state of one thread, never all of its events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy import Connection

from ..shared.errors import DamagedRow, FoldError, InvalidInput
from ..shared.events import Event, MessageWritten, canonical
from ..shared.fold import Transcript
from ..shared.records import MessageRecord
from .attachment_audit import verify_attachments, verify_held
from .call_audit import verify_calls
from .exporting import each_run
from .log.reading import read_events
from .log.transaction import ThreadRef, execute
from .retention.compaction import digest
from .sql import full_text, ledger, rows

_STEP = 2048
CANNOT_BE_READ = "a row cannot be read"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One difference from the log. ``what`` names a law or a field; it never quotes a text.

    ``thread_id`` is None for an attachment, which several threads may hold.
    """

    thread_id: str | None
    subject: str
    what: str

    def __str__(self) -> str:
        prefix = "" if self.thread_id is None else f"thread {self.thread_id}: "
        return f"{prefix}{self.subject}: {self.what}"


@dataclass(kw_only=True)
class _Compactions:
    """The compacted deltas of a thread."""

    hashes: dict[str, str] = field(default_factory=dict)  # of each compacted message, by its id
    deleted_deltas: int = 0  # deltas that are no longer in the log
    deltas_left: dict[str, int] = field(default_factory=dict)  # run id -> deltas still in the log


def verify(
    conn: Connection, progress: Callable[[int, int], None] | None = None
) -> Iterator[Difference]:
    """Fold every thread's log again and report each difference; then check all attachments.

    Args:
        progress: called before each thread with the number of threads done, and of all.
    """
    threads = execute(conn, "SELECT pk, id FROM thread ORDER BY pk").fetchall()
    for index, (pk, id_) in enumerate(threads):
        if progress is not None:
            progress(index, len(threads))
        thread = ThreadRef(pk=pk, id=id_)
        if _is_being_purged(conn, thread):
            continue
        damaged_rows = list(_find_damaged(conn, thread))
        if damaged_rows:  # a log with unreadable rows cannot be folded
            yield from damaged_rows
            continue
        try:
            yield from _verify_thread(conn, thread)
        except (InvalidInput, LookupError, TypeError, ValueError) as error:
            what = f"{CANNOT_BE_READ} ({type(error).__name__})"
            yield Difference(thread_id=id_, subject="thread", what=what)
    for subject, what in verify_attachments(conn):
        yield Difference(thread_id=None, subject=subject, what=what)


def _find_damaged(conn: Connection, thread: ThreadRef) -> Iterator[Difference]:
    """Name each row of a thread that cannot be read."""
    thread_sql = f"SELECT {rows.THREAD_COLUMNS} FROM thread WHERE pk = :pk"
    for row in execute(conn, thread_sql, {"pk": thread.pk}).mappings():
        yield from _try_read(thread, partial(rows.thread_wire, row))
    messages_sql = f"SELECT {rows.MESSAGE_COLUMNS} FROM message WHERE thread = :pk ORDER BY pk"
    for row in execute(conn, messages_sql, {"pk": thread.pk}).mappings():
        yield from _try_read(thread, partial(rows.message_wire, row, thread.id))
    runs_sql = f"SELECT {rows.RUN_COLUMNS} FROM run WHERE thread = :pk ORDER BY pk"
    for row in execute(conn, runs_sql, {"pk": thread.pk}).mappings():
        yield from _try_read(thread, partial(rows.run_wire, row, thread.id, ""))
        yield from _try_read(thread, partial(rows.params_of, row["params"], thread.id, row["id"]))
    seq = 0
    while events := read_events(conn, thread, seq, _STEP, shows_damage=True):
        for event in events:
            if event.type == "damaged":
                yield _difference(thread, f"event {event.seq}", CANNOT_BE_READ)
        seq = events[-1].seq


def _try_read(thread: ThreadRef, read: Callable[[], object]) -> Iterator[Difference]:
    try:
        read()
    except DamagedRow as damage:
        subject = f"{damage.facts['table']} {damage.facts['row']}"
        yield _difference(thread, subject, f"{CANNOT_BE_READ} ({damage.reason})")


def _is_being_purged(conn: Connection, thread: ThreadRef) -> bool:
    sql = (
        "SELECT deleted AND NOT EXISTS (SELECT 1 FROM event WHERE thread = :pk AND seq = 1) "
        "FROM thread WHERE pk = :pk"
    )
    return bool(execute(conn, sql, {"pk": thread.pk}).scalar())


def _verify_thread(conn: Connection, thread: ThreadRef) -> Iterator[Difference]:
    compactions = _read_compactions(conn, thread)
    transcript = Transcript()
    ends: dict[str, int] = {}
    missing_events = compactions.deleted_deltas
    for event in _all_events(conn, thread, compactions):
        missing_events -= event.seq - transcript.seq - 1
        if event.run_id in ends:
            what = f"L4: event {event.seq} after its end"
            yield _difference(thread, f"run {event.run_id}", what)
        if event.type == "finalized" and event.run_id:
            ends[event.run_id] = event.seq
        try:
            transcript.apply(_without_compacted(event, compactions))
        except FoldError as error:
            yield _difference(thread, f"event {event.seq}", str(error))
            return
        _keep_small(transcript, event)
    if missing_events:
        yield _difference(thread, "log", f"L1: {abs(missing_events)} events missing or too many")
    for run_id, rest in compactions.deltas_left.items():
        if rest:
            yield _difference(thread, f"run {run_id}", f"L2: {abs(rest)} deltas left or too many")
    yield from _compare_messages(conn, thread, transcript, compactions)
    for subject, what in verify_held(conn, thread):
        yield _difference(thread, subject, what)
    yield from _compare_runs(conn, thread, transcript, compactions)
    for subject, what in verify_calls(conn, thread, transcript):
        yield _difference(thread, subject, what)
    yield from _compare_usage(conn, thread)
    for id_ in _missing_in_search(conn, thread):
        yield _difference(thread, f"message {id_}", "not in the search index")
    if _has_mark_ahead(conn, thread):
        yield _difference(thread, "mark", "read_seq is after the end of the log")
    row = (
        execute(conn, f"SELECT {rows.THREAD_COLUMNS} FROM thread WHERE pk = :pk", {"pk": thread.pk})
        .mappings()
        .one()
    )
    yield from _compare(thread, "thread", rows.thread_wire(row), transcript.thread)


def _missing_in_search(conn: Connection, thread: ThreadRef) -> list[str]:
    """List the messages that a search would miss; a deleted thread is not searched."""
    sql = "SELECT deleted FROM thread WHERE pk = :pk"
    is_deleted = execute(conn, sql, {"pk": thread.pk}).scalar()
    return [] if is_deleted else full_text.find_missing(conn, thread.pk)


def _has_mark_ahead(conn: Connection, thread: ThreadRef) -> bool:
    """Return whether answers that do not exist yet would count as read."""
    sql = (
        "SELECT 1 FROM mark WHERE thread = :pk "
        "AND read_seq > (SELECT MAX(seq) FROM event WHERE thread = :pk)"
    )
    return execute(conn, sql, {"pk": thread.pk}).first() is not None


def _all_events(
    conn: Connection, thread: ThreadRef, compactions: _Compactions | None = None
) -> Iterator[Event]:
    """Read all events of a thread; subtract the deltas of compacted runs from ``deltas_left``."""
    seq = 0
    while events := read_events(conn, thread, seq, _STEP):
        for event in events:
            if compactions and event.type == "delta" and event.run_id in compactions.deltas_left:
                compactions.deltas_left[event.run_id] -= 1
            yield event
        seq = events[-1].seq


def _keep_small(transcript: Transcript, event: Event) -> None:
    # The deltas' texts stay separate objects until reading their message joins them.
    if event.type == "delta" and event.seq % _STEP == 0 and event.message_id:
        transcript.message(event.message_id)


def _without_compacted(event: Event, compactions: _Compactions) -> Event:
    """Keep an event from a compacted message: the hash stands for the whole message."""
    if event.message_id in compactions.hashes and not isinstance(event.body, MessageWritten):
        return replace(event, message_id=None)
    return event


def _read_compactions(conn: Connection, thread: ThreadRef) -> _Compactions:
    sql = (
        "SELECT message.id, run.id, message_sha256, compaction.deltas, deltas_left FROM compaction "
        "JOIN run ON run.pk = compaction.run JOIN message ON message.pk = run.message "
        "WHERE compaction.thread = :pk"
    )
    compactions = _Compactions()
    for message_id, run_id, sha256, deltas, deltas_left in execute(conn, sql, {"pk": thread.pk}):
        compactions.hashes[message_id] = sha256
        compactions.deltas_left[run_id] = deltas_left
        compactions.deleted_deltas += deltas
    return compactions


def _compare_messages(
    conn: Connection, thread: ThreadRef, transcript: Transcript, compactions: _Compactions
) -> Iterator[Difference]:
    keys = execute(
        conn, "SELECT pk, id FROM message WHERE thread = :pk ORDER BY pk", {"pk": thread.pk}
    ).fetchall()
    missing_ids = {message["id"] for message in transcript.messages}
    for pk, id_ in keys:
        row = _message(conn, pk, thread.id)
        subject = f"message {id_}"
        missing_ids.discard(id_)
        if id_ in compactions.hashes:
            if digest(row) != compactions.hashes[id_]:
                yield _difference(thread, subject, "L2: not what its compacted deltas folded to")
            continue
        log_message = transcript.message(id_)
        if log_message is None:
            yield _difference(thread, subject, "no event of the log made it")
        elif log_message["seq"] == row["seq"]:
            yield from _compare(thread, subject, row, log_message)
        else:  # an older row must be the fold up to its own seq (L7)
            earlier_message = _fold_upto(conn, thread, row["seq"], compactions).message(id_)
            yield from _compare(thread, subject, row, earlier_message or {})
    for id_ in sorted(missing_ids):
        yield _difference(thread, f"message {id_}", "L7: its row is gone")


def _compare_runs(
    conn: Connection, thread: ThreadRef, transcript: Transcript, compactions: _Compactions
) -> Iterator[Difference]:
    missing_ids = set(transcript.runs)
    for run in each_run(conn, thread):
        missing_ids.discard(run["id"])
        log_run = dict(transcript.runs.get(run["id"], {}))
        if log_run and run["message_id"] in compactions.hashes:
            log_run["first_event_at"] = run["first_event_at"]  # its delta is compacted
        yield from _compare(thread, f"run {run['id']}", run, log_run)
    for id_ in sorted(missing_ids):
        yield _difference(thread, f"run {id_}", "L7: its row is gone")


def _compare_usage(conn: Connection, thread: ThreadRef) -> Iterator[Difference]:
    """Compare the ledger with the usage that the ended answers' messages hold."""
    names = ledger.COUNTED
    sql = (
        f"SELECT run.id, message.usage, {', '.join(names)} FROM run "
        "JOIN message ON message.pk = run.message LEFT JOIN usage ON usage.run = run.pk "
        "WHERE run.thread = :pk AND run.ended_ms IS NOT NULL ORDER BY run.pk"
    )
    for run_id, usage, *ledger_values in execute(conn, sql, {"pk": thread.pk}):
        columns = ledger.columns_of(rows.load(usage)) or dict.fromkeys(names)
        message_values = [columns[name] for name in names]
        if ledger_values != message_values:
            is_gone = ledger_values == [None] * len(names)
            what = "its row is gone" if is_gone else "differs from its message"
            yield _difference(thread, f"run {run_id}", f"usage: {what}")


def _fold_upto(
    conn: Connection, thread: ThreadRef, seq: int, compactions: _Compactions
) -> Transcript:
    transcript = Transcript()
    for event in _all_events(conn, thread):
        if event.seq > seq:
            break
        transcript.apply(_without_compacted(event, compactions))
        _keep_small(transcript, event)
    return transcript


def _compare(
    thread: ThreadRef, subject: str, row: Mapping[str, object], fold: Mapping[str, object]
) -> Iterator[Difference]:
    if canonical(row) == canonical(fold):
        return
    for name in row.keys() | fold.keys():
        if row.get(name) != fold.get(name):
            yield _difference(thread, subject, f"L7: {name} differs from the log")


def _difference(thread: ThreadRef, subject: str, what: str) -> Difference:
    return Difference(thread_id=thread.id, subject=subject, what=what)


def _message(conn: Connection, pk: int, thread_id: str) -> MessageRecord:
    sql = f"SELECT {rows.MESSAGE_COLUMNS} FROM message WHERE pk = :pk"
    return rows.message_wire(execute(conn, sql, {"pk": pk}).mappings().one(), thread_id)
