"""Pages of a search: rows of the list of threads, with what matched in each."""

from __future__ import annotations

import json

from sqlalchemy import Connection, func, select

from ...shared.list_records import ThreadList, ThreadMatch
from ..chat.listing import ListFilter, read_listed
from ..sql.driver import rows_of
from .finding import SearchedThread, TextMatch, find_threads
from .queries import parse

_COLUMNS = ("pk", "id", "title", "name")


def search_threads(
    conn: Connection, owner: str, list_filter: ListFilter, q: str, *, limit: int
) -> ThreadList:
    """List the owner's threads that match a query, newest first.

    Raises:
        InvalidInput, ThreadNotFound: see ``ListFilter.select``.
    """
    threads = _read_threads(conn, owner, list_filter)
    result = find_threads(conn, threads, parse(q), owner=owner, limit=limit)
    matches = {
        thread.id: [_wire(match) for match in text_matches]
        for thread, text_matches in result.threads
    }
    rows = {row["id"]: row for row in read_listed(conn, owner, list(matches))}
    return {
        "threads": [{**rows[id_], "matches": matches[id_]} for id_ in matches],
        "is_complete": result.is_complete,
    }


def _read_threads(conn: Connection, owner: str, list_filter: ListFilter) -> list[SearchedThread]:
    """Read all threads in which the search looks, as one value, because a fetch of rows is slow."""
    query = list_filter.select(conn, owner).subquery()
    columns = [query.c[name] for name in _COLUMNS]
    if conn.dialect.name == "sqlite":
        array = func.json_group_array(func.json_array(*columns))
        rows = rows_of(conn.execute(select(array)).scalar_one())
    else:
        array = func.json_agg(func.json_build_array(*columns))
        rows = conn.execute(select(array)).scalar_one() or []
        rows = json.loads(rows) if isinstance(rows, str) else rows
    return [
        SearchedThread(pk=pk, id=id_, title=_text(title), name=_text(name))
        for pk, id_, title, name in rows
    ]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _wire(text_match: TextMatch) -> ThreadMatch:
    return {
        "message_id": text_match.message_id,
        "snippet": text_match.match.snippet,
        "ranges": [list(range_) for range_ in text_match.match.ranges],
    }
