"""The ledger of usage: one row for each ended answer whose provider counted its tokens.

The row is written by the transaction that ends the answer, from the message that it has just
folded. So the ledger and the message cannot disagree, and sums need no JSON.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Connection, insert

from ...shared.logs import Line
from ...shared.records import Usage
from ...shared.usage import cost_nanos_of, counts_of
from .driver import driver_sql
from .rows import load_or_none
from .tables import UsageRow, table

log = logging.getLogger("jupyter_chat_stream.store")

COUNTED = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_nanos",
)  # fmt: skip
BACKFILL_STEP = 1_000  # answers that a migration holds in memory at once

# A run has one row, however often its message is settled.
_ENTER = (
    "INSERT INTO usage (owner, thread, run, model, at_ms, input_tokens, output_tokens, "
    "cache_read_tokens, cache_write_tokens, cost_nanos) "
    "SELECT thread.owner, run.thread, run.pk, run.model, run.ended_ms, :input_tokens, "
    ":output_tokens, :cache_read_tokens, :cache_write_tokens, :cost_nanos "
    "FROM run JOIN thread ON thread.pk = run.thread "
    "WHERE run.pk = :run AND run.ended_ms IS NOT NULL ON CONFLICT (run) DO NOTHING"
)
_ENDED = (
    "SELECT run.pk, thread.owner, run.thread, run.model, run.ended_ms, message.usage "
    "FROM run JOIN message ON message.pk = run.message JOIN thread ON thread.pk = run.thread "
    "WHERE run.pk > :after AND run.ended_ms IS NOT NULL AND message.usage IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM usage WHERE usage.run = run.pk) ORDER BY run.pk LIMIT :limit"
)


def columns_of(usage: Usage | None) -> dict[str, int | None] | None:
    """Return the counted columns of a usage; None if it counts no tokens."""
    counts = counts_of(usage)
    if counts is None:
        return None
    return {
        "input_tokens": counts.input,
        "output_tokens": counts.output,
        "cache_read_tokens": counts.cache_read,
        "cache_write_tokens": counts.cache_write,
        "cost_nanos": cost_nanos_of(usage),
    }


def enter(conn: Connection, run: int, usage: Usage | None) -> None:
    """Enter the usage of a run's answer, if the run has ended and the usage counts tokens."""
    columns = columns_of(usage)
    if columns is not None:
        sql = driver_sql(conn.dialect.paramstyle, _ENTER)
        conn.exec_driver_sql(sql, {**columns, "run": run})


def backfill(conn: Connection) -> None:
    """Enter the answers that ended before there was a ledger; an unreadable usage is left out."""
    after, unreadable = 0, 0
    sql = driver_sql(conn.dialect.paramstyle, _ENDED)
    while ended_rows := conn.exec_driver_sql(
        sql, {"after": after, "limit": BACKFILL_STEP}
    ).fetchall():
        converted = [_old_row(row) for row in ended_rows]
        rows = [row for row in converted if row is not None]
        unreadable += len(converted) - len(rows)
        if rows:
            conn.execute(insert(table(UsageRow)), rows)
        after = ended_rows[-1][0]
    if unreadable:
        log.info(Line("usage.left_out", answers=unreadable))


def _old_row(row: Any) -> dict[str, Any] | None:
    run, owner, thread, model, ended_ms, text = row
    columns = columns_of(load_or_none(text))
    if columns is None:
        return None
    return {
        "owner": owner, "thread": thread, "run": run, "model": model, "at_ms": ended_ms, **columns
    }  # fmt: skip
