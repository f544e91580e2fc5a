"""Pages of a search: rows of the list of threads, with what matched in each."""

from __future__ import annotations

import json

from sqlalchemy import Connection, func, select

from ...shared.list_records import ThreadList, ThreadMatch
from ..chat.listing import ListFilter, read_listed
from ..sql.driver import rows_of
from .finding import Listed, TextMatch, find_threads
from .queries import parse

_COLUMNS = ("pk", "id", "title", "name")


def search_threads(
    conn: Connection, owner: str, wanted: ListFilter, q: str, *, limit: int
) -> ThreadList:
    """List the owner's threads that match a query, newest first.

    Raises:
        InvalidInput, ThreadNotFound: see ``ListFilter.select``.
    """
    threads = _listed(conn, owner, wanted)
    found = find_threads(conn, threads, parse(q), owner=owner, limit=limit)
    matches = {listed.id: [_wire(each) for each in found] for listed, found in found.threads}
    rows = {row["id"]: row for row in read_listed(conn, owner, list(matches))}
    return {
        "threads": [{**rows[id_], "matches": matches[id_]} for id_ in matches],
        "is_complete": found.is_complete,
    }


def _listed(conn: Connection, owner: str, wanted: ListFilter) -> list[Listed]:
    """Read all threads in which the search looks, as one value, because a fetch of rows is slow."""
    chosen = wanted.select(conn, owner).subquery()
    columns = [chosen.c[name] for name in _COLUMNS]
    if conn.dialect.name == "sqlite":
        array = func.json_group_array(func.json_array(*columns))
        rows = rows_of(conn.execute(select(array)).scalar_one())
    else:
        array = func.json_agg(func.json_build_array(*columns))
        rows = conn.execute(select(array)).scalar_one() or []
        rows = json.loads(rows) if isinstance(rows, str) else rows
    return [
        Listed(pk=pk, id=id_, title=_text(title), name=_text(name)) for pk, id_, title, name in rows
    ]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _wire(found: TextMatch) -> ThreadMatch:
    return {
        "message_id": found.message_id,
        "snippet": found.match.snippet,
        "ranges": [list(each) for each in found.match.ranges],
    }
