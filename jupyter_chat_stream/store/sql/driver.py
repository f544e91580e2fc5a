"""Statements directly on the driver, for the work of every commit.

SQLAlchemy adds 20 µs to a statement that takes 5 µs (measured). A driver also releases the
interpreter's lock for each row that it sends or fetches, and a busy event loop returns the lock
only after milliseconds. So one statement sends many rows, and one value fetches many. The driver's
errors are raised as SQLAlchemy's. A text that is not UTF-8 becomes ``Undecodable``: it damages its
own row and not the whole result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Literal

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, NoResultFound

BEGIN_WRITING = "BEGIN IMMEDIATE"
# The server ends the transaction of a frozen writer (2 s) before others stop waiting for its locks
# (5 s).
BEGIN_POSTGRES = (
    "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '2s'; SET LOCAL lock_timeout = '5s'"
)
# Rows in one INSERT. Two sizes only, so that the driver keeps each statement prepared.
ROWS_AT_ONCE = (64, 16)

ThreadPlace = int | str  # names a thread: by its key, or by its id or that of its run or schedule
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Undecodable:
    """A text in a damaged SQLite file that is not UTF-8. It is not a ``str``: every check fails.

    ``str()`` shows it with U+FFFD for each unreadable byte.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __str__(self) -> str:
        return self.data.decode(errors="replace")


def decode(data: bytes) -> Any:
    """Decode a text of SQLite. sqlite3 itself would raise, and no row could be read.

    It adds 0.15 µs to each text; reading an event takes 12 µs (measured).
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Undecodable(data)


@lru_cache(maxsize=256)
def driver_sql(paramstyle: str, sql: str) -> str:
    """Rewrite named parameters (``:name``) in the driver's form."""
    if paramstyle == "pyformat":
        return re.sub(r"(?<!:):(\w+)", r"%(\1)s", sql)
    return sql


def among(conn: Connection, type_: Literal["bigint", "text"] = "bigint") -> str:
    """Return ``IN …`` for the parameter ``keys``, a JSON array: one statement for any number."""
    if conn.dialect.name == "sqlite":
        return "IN (SELECT value FROM json_each(:keys))"
    return f"IN (SELECT key::{type_} FROM json_array_elements_text(CAST(:keys AS json)) AS key)"


def begin_sql(*, is_sqlite: bool, writes: bool) -> str:
    """Return the statement that begins a transaction; the driver would begin it too late."""
    return BEGIN_WRITING if is_sqlite and writes else "BEGIN"


def begin(conn: Connection, sql: str) -> None:
    """Begin a transaction unless one is open; SQLAlchemy counts it as begun already."""
    raw: Any = conn.connection.driver_connection
    if conn.dialect.name == "sqlite":
        if not raw.in_transaction:
            execute(conn, sql, raw.execute, sql)
    elif raw.info.transaction_status == raw.info.transaction_status.IDLE:
        execute(conn, sql, lambda: raw.execute(sql, prepare=False).close())


def begin_writing(conn: Connection, places: Collection[ThreadPlace]) -> tuple[str | None, set[int]]:
    """Begin a transaction and take the locks of the threads at ``places``, in sorted order.

    SQLAlchemy learns of the transaction only if it is used. SQLite has one lock for all threads. On
    Postgres the locks come in the same round trip, with the transaction's id: if the connection is
    lost during the commit, the process asks by this id whether the transaction was committed.

    Returns:
        The transaction's id (None on SQLite), and the keys of the locked threads.
    """
    if conn.dialect.name == "sqlite":
        begin(conn, BEGIN_WRITING)
        return None, set()
    sql = f"{BEGIN_POSTGRES}; SELECT pg_current_xact_id()::text"
    if places:
        sql += f"; {lock_threads(places)}"
    raw: Any = conn.connection.driver_connection
    cursor = raw.cursor()
    try:
        execute(conn, sql, lambda: cursor.execute(sql, prepare=False))
        while cursor.description is None:
            cursor.nextset()
        xid = str(cursor.fetchone()[0])
        return xid, {row[0] for row in cursor.fetchall()} if cursor.nextset() else set()
    finally:
        cursor.close()


def lock_threads(places: Collection[ThreadPlace]) -> str:
    """Return the statement that locks threads in a fixed order and selects their keys."""
    keys = sorted({int(place) for place in places if not isinstance(place, str)})
    # A text that is not an id names nothing of a user, and must not get into a statement.
    ids = sorted({place for place in places if isinstance(place, str) and _ID.fullmatch(place)})
    keys_sql = ",".join(map(str, keys)) or "NULL"
    if ids:
        among_ids = "IN ({})".format(",".join(f"'{id_}'" for id_ in ids))
        key_queries = [f"SELECT key FROM (VALUES ({key}::bigint)) AS given(key)" for key in keys]
        keys_sql = " UNION ALL ".join(
            [
                *key_queries,
                f"SELECT pk FROM thread WHERE id {among_ids}",
                f"SELECT thread FROM run WHERE id {among_ids}",
                f"SELECT thread FROM schedule WHERE id {among_ids}",
            ]
        )
    return f"SELECT pk FROM thread WHERE pk IN ({keys_sql}) ORDER BY pk FOR UPDATE"


def commit(conn: Connection, notify: str = "") -> None:
    """Commit what ``begin_writing`` began; the statement ``notify`` goes in the same round trip."""
    if notify:
        raw: Any = conn.connection.driver_connection
        sql = f"{notify}; COMMIT"
        execute(conn, sql, lambda: raw.execute(sql, prepare=False).close())
    if conn.in_transaction():
        conn.commit()
    else:
        execute(conn, "COMMIT", conn.connection.commit)


def data_version(conn: Connection) -> int:
    """Read SQLite's data version, which changes whenever another connection commits."""
    sql = "PRAGMA data_version"
    cursor = conn.connection.cursor()
    try:
        execute(conn, sql, cursor.execute, sql)
        row: Any = cursor.fetchone()
        return int(row[0])
    finally:
        cursor.close()


def read_row(conn: Connection, sql: str, params: Mapping[str, object]) -> Mapping[str, Any]:
    """Return the one row that a statement with named parameters selects."""
    cursor = conn.connection.cursor()
    sql = driver_sql(conn.dialect.paramstyle, sql)
    try:
        execute(conn, sql, cursor.execute, sql, params)
        row = cursor.fetchone()
        if row is None:
            raise NoResultFound("No row was found when one was required")
        return dict(zip((column[0] for column in cursor.description), row, strict=True))
    finally:
        cursor.close()


def write_row(conn: Connection, sql: str, params: Mapping[str, object]) -> None:
    """Run a statement with named parameters that selects nothing."""
    cursor = conn.connection.cursor()
    sql = driver_sql(conn.dialect.paramstyle, sql)
    try:
        execute(conn, sql, cursor.execute, sql, params)
    finally:
        cursor.close()


def insert_rows(
    conn: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows in few statements: of 64 or 16 rows, and one for the rest."""
    cursor = conn.connection.cursor()
    count, sql = 0, ""
    try:
        while remaining := len(rows) - count:
            size = next((size for size in ROWS_AT_ONCE if size <= remaining), remaining)
            sql = _insert(table, tuple(columns), size, conn.dialect.paramstyle)
            cursor.execute(sql, list(chain.from_iterable(rows[count : count + size])))
            count += size
    except conn.dialect.loaded_dbapi.Error as error:
        raise wrap_error(conn, sql, error) from error
    finally:
        cursor.close()


def select_rows(
    conn: Connection, columns: str, from_clause: str, params: Mapping[str, object]
) -> list[Sequence[Any]]:
    """Return the rows of ``SELECT columns from_clause``, unordered: numbers, texts and NULL."""
    is_sqlite = conn.dialect.name == "sqlite"
    columns_sql = f"json_group_array(json_array({columns}))" if is_sqlite else columns
    sql = driver_sql(conn.dialect.paramstyle, f"SELECT {columns_sql} {from_clause}")
    cursor = conn.connection.cursor()
    try:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    except conn.dialect.loaded_dbapi.Error as error:
        raise wrap_error(conn, sql, error) from error
    finally:
        cursor.close()
    return rows_of(rows[0][0]) if is_sqlite else list(rows)


def rows_of(array: str | Undecodable) -> list[Sequence[Any]]:
    """Read rows from one JSON array; a text that is not UTF-8 damages its own row only."""
    if isinstance(array, str):
        return list(json.loads(array))
    text = array.data.decode(errors="surrogateescape")
    return [[_unmark(value) for value in row] for row in json.loads(text)]


def _unmark(value: Any) -> Any:
    is_marked = isinstance(value, str) and any("\udc80" <= char <= "\udcff" for char in value)
    return Undecodable(value.encode(errors="surrogateescape")) if is_marked else value


def execute(conn: Connection, sql: str, act: Callable[..., Any], *arguments: Any) -> None:
    try:
        act(*arguments)
    except conn.dialect.loaded_dbapi.Error as error:
        raise wrap_error(conn, sql, error) from error


def wrap_error(conn: Connection, sql: str, error: Exception) -> BaseException:
    kind: Any = conn.dialect.loaded_dbapi.Error
    raw: Any = None if conn.invalidated else conn.connection.dbapi_connection
    if conn.dialect.is_disconnect(error, raw, None):  # type: ignore[arg-type]
        conn.invalidate(error)  # otherwise the pool would use it again
    return DBAPIError.instance(sql, None, error, kind, hide_parameters=True)


@lru_cache(maxsize=64)
def _insert(table: str, columns: tuple[str, ...], rows: int, paramstyle: str) -> str:
    mark = "?" if paramstyle == "qmark" else "%s"
    row = f"({','.join([mark] * len(columns))})"
    return f"INSERT INTO {table} ({','.join(columns)}) VALUES {','.join([row] * rows)}"
