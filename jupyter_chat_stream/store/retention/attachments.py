"""Deleting attachments: those that no message holds, and the bytes that no attachment needs.

::

    unsent for a day, or its last message purged ──► attachment deleted ──► blob dropped, in steps
    no piece of an upload for an hour ──────────────────────────────────────────┘
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from ..chat import attachments, holding
from ..log.transaction import Transaction, execute
from .steps import Budget, Read, Steps, Write

PAGE_ROWS = 64


def count_expired(conn: Connection, now_ms: int) -> int:
    """Count the attachments that no message holds and whose time is over."""
    sql = "SELECT COUNT(*) FROM attachment WHERE expires_ms <= :now"
    return int(execute(conn, sql, {"now": now_ms}).scalar())


def delete_expired(now_ms: int, *, budget: Budget) -> Steps[int]:
    """Delete the attachments whose time is over; returns their number."""
    yield from _expire_forgotten()
    count, after = 0, attachments.BEGINNING
    while page := (yield _page("attachment", now_ms, after)):
        after = page[-1]
        pks = [pk for _, pk in page]
        while pks:
            deleted_count, pks = yield Write(work=_delete_some(pks, now_ms, budget))
            count += deleted_count
    return count


def _expire_forgotten() -> Steps[None]:
    """Let the attachments expire whose messages were purged by older code."""
    find = partial(holding.find_forgotten, limit=PAGE_ROWS)
    while pks := (yield Read(work=find)):
        yield Write(work=partial(holding.expire_forgotten, keys=pks))


def drop_blobs(now_ms: int, *, budget: Budget) -> Steps[None]:
    """Delete the bytes that nobody needs, and those of abandoned uploads."""
    after = attachments.BEGINNING
    while page := (yield _page("blob", now_ms, after)):
        after = page[-1]
        for _, blob in page:
            while (yield Write(work=_drop_pieces(blob, now_ms, budget))):
                pass


def _page(table: attachments.Expiring, now_ms: int, after: attachments.ExpiryPlace) -> Read:
    """Make the step that lists the next that have expired, past those that could not be deleted."""
    find = partial(attachments.find_expired, table=table, until_ms=now_ms, after=after)
    return Read(work=partial(find, limit=PAGE_ROWS))


def _delete_some(
    pks: list[int], now_ms: int, budget: Budget
) -> Callable[[Transaction], tuple[int, list[int]]]:
    """Make the step that deletes some; it returns their number, and those that are left."""

    def work(tx: Transaction) -> tuple[int, list[int]]:
        is_spent = budget.start()
        count = 0
        for place, attachment in enumerate(pks, 1):
            count += attachments.delete_expired(tx, attachment, now_ms)[0]
            if is_spent():
                return count, pks[place:]
        return count, []

    return work


def _drop_pieces(blob: int, now_ms: int, budget: Budget) -> Callable[[Transaction], bool]:
    """Make the step that drops some pieces; it returns whether more may be left."""

    def work(tx: Transaction) -> bool:
        is_spent = budget.start()
        attachments.give_up(tx, blob, now_ms)
        while attachments.drop_piece(tx, blob):
            if is_spent():
                return True
        return False

    return work
