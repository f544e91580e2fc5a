"""The reply of a run: folded from its log, and settled in its row (L7)."""

from __future__ import annotations

import logging
from collections.abc import Collection
from operator import itemgetter

from sqlalchemy import Connection

from ...shared.errors import DamagedRow
from ...shared.events import ENDS
from ...shared.fold import MessageFold
from ...shared.logs import Line
from ...shared.records import MessageRecord
from ..sql import ledger, rows
from ..sql.damage import checked
from ..sql.driver import read_row, select_rows
from .refs import RunRef, update_row

log = logging.getLogger("jupyter_chat_stream.store")


def settle_message(
    conn: Connection, run: RunRef, own_seqs: Collection[int] = (), reply: MessageFold | None = None
) -> None:
    """Fold the events after the message row's seq into the row; only this function writes it.

    If the row or its log is damaged, the row stays as it is, and its run can still end.

    Args:
        own_seqs: the seqs of this transaction's events. An event among them that cannot be folded
            raises, so that it is not written as damage.
        reply: the reply, if all its events are folded already.
    """
    try:
        fold = reply or read_reply(conn, run)
    except DamagedRow as damage:
        if damage.facts["row"] in {f"seq {seq}" for seq in own_seqs}:
            raise
        table, row_name = damage.facts["table"], damage.facts["row"]
        log.error(Line("row.damaged", thread=run.thread.id, table=table, row=row_name))
        return
    message = fold.value()
    update_row(conn, "message", run.message_pk, rows.message_columns(message, fold.seq))
    if message["status"] in ENDS:
        ledger.enter(conn, run.pk, message["usage"])


def read_reply(conn: Connection, run: RunRef) -> MessageFold:
    """Read the reply of a run, folded to the end of the log."""
    sql = f"SELECT {rows.MESSAGE_COLUMNS} FROM message WHERE pk = :pk"
    row = read_row(conn, sql, {"pk": run.message_pk})
    return fold_message(conn, run, rows.message_wire(row, run.thread.id))


def fold_message(
    conn: Connection, run: RunRef, message: MessageRecord, upto: int | None = None
) -> MessageFold:
    """Fold the log after the message's own seq into it, to ``upto`` or the end."""
    fold = MessageFold(message, message["seq"])
    tail = (
        f"FROM (SELECT {rows.EVENT_COLUMNS} FROM event WHERE thread = :thread AND seq > :seq "
        "AND seq <= :upto AND run = :run) AS tail"
    )
    params = {
        "thread": run.thread.pk,
        "seq": fold.seq,
        "upto": 2**31 - 1 if upto is None else upto,
        "run": run.pk,
    }
    run_ids = (run.id, run.message_id)
    seq = fold.seq
    try:
        for row in sorted(select_rows(conn, rows.EVENT_COLUMNS, tail, params), key=itemgetter(0)):
            seq, type_, _, _, _, part, kind, text, _ = row
            if type_ == "delta" and isinstance(text, str):
                fold.append(part, kind, text, seq)
            else:
                fold.apply(rows.event_value(row, run.thread.id, run_ids))
    except Exception:  # `checked` for each event would take as long as its fold
        with checked(run.thread.id, "event", f"seq {seq}"):
            raise
    return fold
