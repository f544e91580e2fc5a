"""Deltas that were taken out of the log and kept: packed, piece by piece, and read again.

A piece is what one step of a compaction took out, as compressed JSON, so that pieces and log
together are the whole log after every commit (L2). ``verify`` folds them like the events they were.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection

from ...shared.errors import InvalidInput
from ...shared.events import Event, dumps
from ..sql import rows
from .transaction import RunRef, ThreadRef, execute

DELTA_COLUMNS = "seq, attempt, at_ms, part, kind, text"
_FIELDS = DELTA_COLUMNS.count(",") + 1


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Packed deltas of one run, from ``first_seq`` to ``last_seq``."""

    run_pk: int
    run_id: str
    message_id: str
    first_seq: int
    last_seq: int
    deltas: int
    data: bytes


def pack(deltas: Sequence[Sequence[Any]]) -> bytes:
    """Compress rows of ``DELTA_COLUMNS``."""
    return zlib.compress(dumps([list(delta) for delta in deltas]).encode())


def unpack(piece: Piece, thread_id: str) -> list[Event]:
    """Give the events of a piece.

    Raises:
        InvalidInput: it is not what was put in.
    """
    try:
        found = json.loads(zlib.decompress(piece.data))
        bounds = (found[0][0], found[-1][0], len(found), {len(row) for row in found})
    except (zlib.error, ValueError, LookupError, TypeError):
        bounds = None
    if bounds != (piece.first_seq, piece.last_seq, piece.deltas, {_FIELDS}):
        raise InvalidInput(f"An archive of run {piece.run_id!r} is damaged.", run_id=piece.run_id)
    owner = (piece.run_id, piece.message_id)
    return [
        rows.event_value((seq, "delta", piece.run_pk, *rest, None), thread_id, owner)
        for seq, *rest in found
    ]


def read_archived(conn: Connection, run: RunRef) -> list[Event]:
    """Give the deltas of a run that were taken out of the log and kept, in order."""
    return [
        event for piece in _pieces(conn, run.thread, run) for event in unpack(piece, run.thread.id)
    ]


def read_archive(conn: Connection, thread: ThreadRef) -> Iterator[Event]:
    """Give all archived deltas of a thread in order, with few of them in memory."""
    waiting: list[Event] = []  # of pieces that lie one within another
    for piece in _pieces(conn, thread):
        count = sum(event.seq < piece.first_seq for event in waiting)
        yield from waiting[:count]
        waiting = list(merge(waiting[count:], unpack(piece, thread.id), key=attrgetter("seq")))
    yield from waiting


def _pieces(conn: Connection, thread: ThreadRef, run: RunRef | None = None) -> Iterator[Piece]:
    only = "" if run is None else "AND archive.run = :run "
    sql = (
        "SELECT archive.run, run.id, message.id, first_seq, last_seq, deltas, data FROM archive "
        "JOIN run ON run.pk = archive.run JOIN message ON message.pk = run.message "
        f"WHERE archive.thread = :thread {only}AND first_seq > :after "
        "ORDER BY first_seq LIMIT 1"
    )
    params = {"thread": thread.pk, "after": 0, **({} if run is None else {"run": run.pk})}
    while row := execute(conn, sql, params).first():
        params["after"] = row[3]
        yield Piece(
            run_pk=row[0],
            run_id=row[1],
            message_id=row[2],
            first_seq=row[3],
            last_seq=row[4],
            deltas=row[5],
            data=bytes(row[6]),
        )
