"""Reads the list of a person's threads: pages, single rows, and the projects.

A row is a thread with its state and the person's marks. Each part of a row costs a few index
lookups, even in a long thread: the index ``run_open`` finds open runs, and ``message_by_seq``
finds unread answers. The count of unread answers ends at ``MAX_UNREAD``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select, text
from sqlmodel import col

from ...shared.errors import InvalidInput, ThreadNotFound
from ...shared.events import dumps, from_iso, iso
from ...shared.list_records import MAX_UNREAD, ListedThread, ProjectRecord
from ..log.reading import shown_thread
from ..log.transaction import execute
from ..sql import rows
from ..sql.driver import among, select_rows
from ..sql.tables import ThreadRow, table
from .threads import is_id

MAX_PROJECTS = 200

_OPEN_RUN = "SELECT 1 FROM run WHERE run.thread = thread.pk AND run.ended_ms IS NULL AND "
# A run waits for a person if its last event is a question (docs/protocol.md, "Waiting"), or if one
# of its tool calls waits for a consent.
_ASKS = (
    "run.status = 'waiting' AND (EXISTS (SELECT 1 FROM event WHERE event.thread = run.thread "
    "AND event.seq = run.seq AND event.type = 'input_request') OR EXISTS (SELECT 1 FROM tool_call "
    "WHERE tool_call.run = run.pk AND tool_call.state = 'asked'))"
)
_UNREAD = (
    "SELECT COUNT(*) FROM (SELECT 1 FROM message WHERE message.thread = thread.pk "
    "AND message.seq > COALESCE(mark.read_seq, 0) AND message.role = 'assistant' "
    "AND message.status IN ('completed', 'failed', 'interrupted') "
    f"LIMIT {MAX_UNREAD}) AS answers"
)
STATE = (
    "thread.pk, (SELECT MAX(seq) FROM event WHERE event.thread = thread.pk), "
    f"({_UNREAD}), "
    f"EXISTS ({_OPEN_RUN} (run.status <> 'waiting' OR run.phase = 'retrying')), "
    f"EXISTS ({_OPEN_RUN} {_ASKS}), "
    "mark.pinned"
)
# The planner uses the index `mark_pinned` because `AND pinned` is exactly the index's condition.
_PINNED = "thread.pk IN (SELECT thread FROM mark WHERE person = :person AND pinned)"
MARKED = "LEFT JOIN mark ON mark.thread = thread.pk AND mark.person = :person"


@dataclass(frozen=True, kw_only=True)
class ListFilter:
    """The filter of a page of an owner's threads.

    ``before``: the begin of the page, as a thread's id, a time, or both (``time,id``). This place
    is valid even if that thread changes or is deleted.
    """

    project: str | None = None
    archived: bool = False
    pinned: bool = False
    before: str | None = None

    def select(self, conn: Connection, owner: str) -> Select[Any]:
        """Return the statement that selects the threads, newest first.

        Raises:
            InvalidInput: ``before`` has none of the three forms.
            ThreadNotFound: ``before`` is only an id, and the owner has no such thread.
        """
        statement = select(table(ThreadRow)).where(
            col(ThreadRow.owner) == owner,
            col(ThreadRow.deleted).is_(False),
            col(ThreadRow.archived).is_(self.archived),
        )
        if self.pinned:
            statement = statement.where(text(_PINNED).bindparams(person=owner))
        if self.project is not None:
            statement = statement.where(col(ThreadRow.project) == self.project)
        if self.before is not None:
            statement = statement.where(_is_before(*_place_of(conn, owner, self.before)))
        return statement.order_by(col(ThreadRow.updated_ms).desc(), col(ThreadRow.pk).desc())


def list_threads(
    conn: Connection, owner: str, list_filter: ListFilter, *, limit: int
) -> list[ListedThread]:
    """List an owner's threads, newest first.

    Raises:
        InvalidInput, ThreadNotFound: see ``ListFilter.select``.
    """
    thread_rows = conn.execute(list_filter.select(conn, owner).limit(limit)).mappings()
    return add_state(conn, owner, [dict(row) for row in thread_rows])


def read_listed(conn: Connection, owner: str, thread_ids: Sequence[str]) -> list[ListedThread]:
    """Read the rows of these threads of an owner, including deleted threads."""
    # `owner || ''` hides the column from the planners, which would read all threads of the owner.
    sql = (
        f"SELECT pk, {rows.THREAD_COLUMNS} FROM thread "
        f"WHERE id {among(conn, 'text')} AND owner || '' = :owner"
    )
    thread_rows = execute(conn, sql, {"keys": dumps(list(thread_ids)), "owner": owner}).mappings()
    return add_state(conn, owner, [dict(row) for row in thread_rows])


def add_state(conn: Connection, person: str, thread_rows: Sequence[rows.Row]) -> list[ListedThread]:
    """Add the state and the person's marks to rows of the table ``thread``."""
    params = {"keys": dumps([row["pk"] for row in thread_rows]), "person": person}
    from_clause = f"FROM thread {MARKED} WHERE thread.pk {among(conn)}"
    states = {pk: state for pk, *state in select_rows(conn, STATE, from_clause, params)}
    return [_listed_thread(row, *states[row["pk"]]) for row in thread_rows]


def _listed_thread(
    row: rows.Row, seq: int | None, unread: int, busy: object, asks: object, pinned: object
) -> ListedThread:
    # SQLite has no booleans: it returns 0 or 1.
    state = {
        "seq": seq or 0,
        "unread": unread,
        "busy": bool(busy),
        "asks": bool(asks),
        "pinned": bool(pinned),
    }
    return cast(ListedThread, {**shown_thread(row), **state})


def read_traces(conn: Connection, person: str) -> dict[str, int]:
    """Read a number for each of a person's threads, which changes when the thread's row changes.

    The number covers ``updated_ms`` (the thread, and the begin and end of answers), the seqs of
    open runs (their state), and the marks. The result is as long as the list of threads.
    """
    columns = (
        "thread.id, thread.updated_ms, mark.read_seq, mark.pinned, "
        "(SELECT SUM(run.seq) FROM run WHERE run.thread = thread.pk AND run.ended_ms IS NULL)"
    )
    from_clause = f"FROM thread {MARKED} WHERE thread.owner = :person"
    traces = select_rows(conn, columns, from_clause, {"person": person})
    return {id_: hash(tuple(facts)) for id_, *facts in traces}


def list_projects(conn: Connection, owner: str, *, archived: bool) -> list[ProjectRecord]:
    """List the projects of an owner's threads, newest first, at most ``MAX_PROJECTS``."""
    sql = (
        "SELECT project, COUNT(*), MAX(updated_ms) FROM thread WHERE owner = :owner "
        f"AND NOT deleted AND {'archived' if archived else 'NOT archived'} "
        "GROUP BY project ORDER BY MAX(updated_ms) DESC, project LIMIT :limit"
    )
    project_rows = execute(conn, sql, {"owner": owner, "limit": MAX_PROJECTS})
    return [
        {"project": project, "threads": count, "updated_at": iso(updated_ms)}
        for project, count, updated_ms in project_rows
    ]


def _is_before(ms: int, pk: int | None, thread_id: str) -> ColumnElement[bool]:
    """Return a page's condition. A deleted thread's id sorts by the time of its creation."""
    updated = col(ThreadRow.updated_ms)
    is_earlier = col(ThreadRow.id) < thread_id if pk is None else col(ThreadRow.pk) < pk
    return or_(updated < ms, and_(updated == ms, is_earlier))


def _place_of(conn: Connection, owner: str, before: str) -> tuple[int, int | None, str]:
    """Return the begin of a page: a time, the thread's key if there is one, and the thread's id.

    Without an id the page begins between two milliseconds.
    """
    time, _, thread_id = before.rpartition(",")
    sql = "SELECT updated_ms, pk, deleted FROM thread WHERE owner = :owner AND id = :id"
    row = execute(conn, sql, {"owner": owner, "id": thread_id}).first()
    if is_id(thread_id) and not time:
        if row is None or row[2]:  # a deletion changes the thread's place in the list
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
