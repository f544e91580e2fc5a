"""The list of a person's threads, page by page."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, or_, select
from sqlmodel import col

from ...shared.errors import InvalidInput, ThreadNotFound
from ...shared.events import from_iso
from ...shared.records import ThreadRecord
from ..log.transaction import execute
from ..sql.tables import ThreadRow, table
from .threads import is_id, shown_thread


def list_threads(
    conn: Connection,
    owner: str,
    *,
    q: str | None,
    project: str | None,
    archived: bool,
    limit: int,
    before: str | None,
) -> list[ThreadRecord]:
    """List an owner's threads, newest first.

    Args:
        q: a text that the name or the title must contain.
        before: where the page begins: a thread's id, a time, or both (``time,id``). The place stays
            in the list even if that thread changes or is deleted.

    Raises:
        InvalidInput: ``before`` is none of the three.
        ThreadNotFound: ``before`` is an id alone, and the owner has no such thread.
    """
    statement = select(table(ThreadRow)).where(
        col(ThreadRow.owner) == owner,
        col(ThreadRow.deleted).is_(False),
        col(ThreadRow.archived).is_(archived),
    )
    if project is not None:
        statement = statement.where(col(ThreadRow.project) == project)
    if q:
        like = [col(c).icontains(q, autoescape=True) for c in (ThreadRow.name, ThreadRow.title)]
        statement = statement.where(or_(*like))
    if before is not None:
        statement = statement.where(_is_before(*_place_of(conn, owner, before)))
    statement = statement.order_by(col(ThreadRow.updated_ms).desc(), col(ThreadRow.pk).desc())
    found = conn.execute(statement.limit(limit)).mappings()
    return [shown_thread(dict(row)) for row in found]


def _is_before(ms: int, pk: int | None, thread_id: str) -> ColumnElement[bool]:
    """Return a page's condition. A deleted thread's id sorts by the time of its creation."""
    updated = col(ThreadRow.updated_ms)
    earlier = col(ThreadRow.id) < thread_id if pk is None else col(ThreadRow.pk) < pk
    return or_(updated < ms, and_(updated == ms, earlier))


def _place_of(conn: Connection, owner: str, before: str) -> tuple[int, int | None, str]:
    """Return where a page begins: a time, the thread's key if it has one, and its id.

    Without an id the page begins between two milliseconds.
    """
    time, _, thread_id = before.rpartition(",")
    sql = "SELECT updated_ms, pk, deleted FROM thread WHERE owner = :owner AND id = :id"
    row = execute(conn, sql, {"owner": owner, "id": thread_id}).first()
    if is_id(thread_id) and not time:
        if row is None or row[2]:  # the deletion has moved the thread in the list
            raise ThreadNotFound(thread_id)
        return row[0], row[1], thread_id
    try:
        if not is_id(thread_id):
            return from_iso(before), None, ""
        return from_iso(time), None if row is None else row[1], thread_id
    except (InvalidInput, OverflowError):
        raise InvalidInput(
            "'before' must be a thread's id, a time in ISO 8601 with its zone, such as an "
            "`updated_at`, or both: `<updated_at>,<id>`.",
            field="before",
        ) from None
