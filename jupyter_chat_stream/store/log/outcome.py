"""The outcome of a transaction whose COMMIT was sent and got no response.

A blind repetition could write the transaction's text twice, so Postgres is asked by the
transaction's id. After a crash the server may give that id to another transaction: a "committed"
counts only if the first event is there too, with the same seq, time and attempt.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...shared.events import Event
from ..sql.failures import sqlstate
from .transaction import execute

# The server does not know the id: it crashed before any part of the transaction was durable.
_IN_THE_FUTURE = "22023"

_STATUS = "SELECT pg_xact_status(CAST(:xid AS xid8))"
_END = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE backend_xid = CAST(CAST(:xid AS xid8) AS xid) AND pid <> pg_backend_pid()"
)
_EVENT = (
    "SELECT 1 FROM event JOIN thread ON thread.pk = event.thread WHERE thread.id = :thread "
    "AND seq = :seq AND at_ms = :at AND type = :type AND COALESCE(attempt, -1) = :attempt"
)


class InDoubt(Exception):
    """A COMMIT without an answer; ``committed`` is its result if it was done."""

    def __init__(self, xid: str, committed: Any) -> None:
        super().__init__(f"transaction {xid} was being committed")
        self.xid = xid
        self.committed = committed
        self.since_s = time.monotonic()


def was_committed(conn: Connection, in_doubt: InDoubt, *, give_up: bool = False) -> bool | None:
    """Return whether the transaction was committed; None while it is still in progress.

    Args:
        give_up: end a transaction in progress: the server has not noticed that its client is gone.
    """
    with conn.begin():
        try:
            status = execute(conn, _STATUS, {"xid": in_doubt.xid}).scalar()
        except DBAPIError as error:
            if sqlstate(error) != _IN_THE_FUTURE:
                raise
            return False
        if status == "in progress":
            if give_up:
                execute(conn, _END, {"xid": in_doubt.xid})
            return None
        return status == "committed" and _is_there(conn, in_doubt.committed.events)


def _is_there(conn: Connection, events: Sequence[Event]) -> bool:
    if not events:
        return True
    event = events[0]
    params = {
        "thread": event.thread_id,
        "seq": event.seq,
        "at": event.at,
        "type": event.type,
        "attempt": -1 if event.attempt is None else event.attempt,
    }
    return execute(conn, _EVENT, params).first() is not None
