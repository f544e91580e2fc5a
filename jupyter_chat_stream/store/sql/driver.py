"""Statements straight on the driver, for what every commit does.

SQLAlchemy's own way around a statement costs more than the statement (measured: 20 µs against 5).
And each row that a statement gives or takes one by one lets go of the interpreter's lock, which a
busy event loop gives back only after ms; so many rows go in one statement, and come as one.
What a driver raises leaves here as SQLAlchemy's errors, like everywhere else. A text that is no
UTF-8 comes as ``Undecodable``, so that it harms its own row and not the whole answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

BEGIN_WRITING = "BEGIN IMMEDIATE"
# A frozen writer is ended by the server before those who wait for its locks have lost patience.
BEGIN_POSTGRES = (
    "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '2s'; SET LOCAL lock_timeout = '5s'"
)
# So many rows in one statement, and the rest in one more: few enough that each stays prepared.
ROWS_AT_ONCE = (64, 16)

Place = int | str  # names a thread: its key, or the id of it, of a run or of a schedule in it
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Undecodable:
    """A text of SQLite that is no UTF-8: the file is damaged. It is no ``str``, so it fits nowhere.

    ``str`` shows it, with U+FFFD for what cannot be read.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __str__(self) -> str:
        return self.data.decode(errors="replace")


def decode(data: bytes) -> Any:
    """Decode a text of SQLite; sqlite3 itself would raise, and the other rows would not be read.

    Measured: 0.15 µs a text more, where reading an event takes 12 µs.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Undecodable(data)


@lru_cache(maxsize=256)
def driver_sql(paramstyle: str, sql: str) -> str:
    """Put named parameters (``:name``) into the form a driver takes."""
    if paramstyle == "pyformat":
        return re.sub(r"(?<!:):(\w+)", r"%(\1)s", sql)
    return sql


def among(conn: Connection) -> str:
    """Give ``IN …`` for the parameter ``keys``, a JSON array: one statement for any number."""
    if conn.dialect.name == "sqlite":
        return "IN (SELECT value FROM json_each(:keys))"
    return "IN (SELECT key::bigint FROM json_array_elements_text(CAST(:keys AS json)) AS key)"


def begin_sql(*, is_sqlite: bool, writes: bool) -> str:
    """Give what begins a transaction where SQLAlchemy would leave that to the driver."""
    return BEGIN_WRITING if is_sqlite and writes else "BEGIN"


def begin(conn: Connection, sql: str) -> None:
    """Begin a transaction, unless there is one; SQLAlchemy has been told already."""
    raw: Any = conn.connection.driver_connection
    if conn.dialect.name == "sqlite":
        if not raw.in_transaction:
            _run(conn, sql, raw.execute, sql)
    elif raw.info.transaction_status == raw.info.transaction_status.IDLE:
        _run(conn, sql, lambda: raw.execute(sql, prepare=False).close())


def begin_writing(conn: Connection, places: Collection[Place]) -> tuple[str | None, set[int]]:
    """Begin a transaction and take the locks of the threads at ``places``, in sorted order.

    SQLAlchemy learns of the transaction only if it is used. SQLite has one lock for all. On
    Postgres the locks come in the same round trip, and with them the transaction's id: a process
    that loses the connection while it commits asks by this id whether the commit came through.

    Returns:
        The transaction's id (None on SQLite), and the keys of the threads that are locked.
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
        _run(conn, sql, lambda: cursor.execute(sql, prepare=False))
        while cursor.description is None:
            cursor.nextset()
        xid = str(cursor.fetchone()[0])
        return xid, {row[0] for row in cursor.fetchall()} if cursor.nextset() else set()
    finally:
        cursor.close()


def lock_threads(places: Collection[Place]) -> str:
    """Return the statement that locks threads, always in the same order, and selects their keys."""
    keys = sorted({int(place) for place in places if not isinstance(place, str)})
    # An id of another shape names nothing that a user has; it is no part of a statement.
    ids = sorted({place for place in places if isinstance(place, str) and _ID.fullmatch(place)})
    wanted = ",".join(map(str, keys)) or "NULL"
    if ids:
        among_ids = "IN ({})".format(",".join(f"'{each}'" for each in ids))
        known = [f"SELECT key FROM (VALUES ({key}::bigint)) AS given(key)" for key in keys]
        wanted = " UNION ALL ".join(
            [
                *known,
                f"SELECT pk FROM thread WHERE id {among_ids}",
                f"SELECT thread FROM run WHERE id {among_ids}",
                f"SELECT thread FROM schedule WHERE id {among_ids}",
            ]
        )
    return f"SELECT pk FROM thread WHERE pk IN ({wanted}) ORDER BY pk FOR UPDATE"


def commit(conn: Connection, notify: str = "") -> None:
    """Commit what ``begin_writing`` began; ``notify`` is a statement to go the same way."""
    if notify:
        raw: Any = conn.connection.driver_connection
        sql = f"{notify}; COMMIT"
        _run(conn, sql, lambda: raw.execute(sql, prepare=False).close())
    if conn.in_transaction():
        conn.commit()
    else:
        _run(conn, "COMMIT", conn.connection.commit)


def data_version(conn: Connection) -> int:
    """Give SQLite's number that is another one whenever another connection has committed."""
    sql = "PRAGMA data_version"
    cursor = conn.connection.cursor()
    try:
        _run(conn, sql, cursor.execute, sql)
        row: Any = cursor.fetchone()
        return int(row[0])
    finally:
        cursor.close()


def insert_rows(
    conn: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows in as few statements as there may be."""
    cursor = conn.connection.cursor()
    done, sql = 0, ""
    try:
        while left := len(rows) - done:
            size = next((size for size in ROWS_AT_ONCE if size <= left), left)
            sql = _insert(table, tuple(columns), size, conn.dialect.paramstyle)
            cursor.execute(sql, list(chain.from_iterable(rows[done : done + size])))
            done += size
    except conn.dialect.loaded_dbapi.Error as error:
        raise _wrapped(conn, sql, error) from error
    finally:
        cursor.close()


def select_rows(
    conn: Connection, columns: str, rest: str, params: Mapping[str, Any]
) -> list[Sequence[Any]]:
    """Give what ``SELECT columns rest`` gives, in no order; numbers, texts and NULL only."""
    is_sqlite = conn.dialect.name == "sqlite"
    wanted = f"json_group_array(json_array({columns}))" if is_sqlite else columns
    sql = driver_sql(conn.dialect.paramstyle, f"SELECT {wanted} {rest}")
    cursor = conn.connection.cursor()
    try:
        cursor.execute(sql, params)
        found = cursor.fetchall()
    except conn.dialect.loaded_dbapi.Error as error:
        raise _wrapped(conn, sql, error) from error
    finally:
        cursor.close()
    return _rows_of(found[0][0]) if is_sqlite else list(found)


def _rows_of(array: str | Undecodable) -> list[Sequence[Any]]:
    """Read rows that came as one JSON array; a text that is no UTF-8 is damage of its row only."""
    if isinstance(array, str):
        return list(json.loads(array))
    marked = array.data.decode(errors="surrogateescape")
    return [[_unmarked(value) for value in row] for row in json.loads(marked)]


def _unmarked(value: Any) -> Any:
    is_marked = isinstance(value, str) and any("\udc80" <= char <= "\udcff" for char in value)
    return Undecodable(value.encode(errors="surrogateescape")) if is_marked else value


def _run(conn: Connection, sql: str, act: Callable[..., Any], *arguments: Any) -> None:
    try:
        act(*arguments)
    except conn.dialect.loaded_dbapi.Error as error:
        raise _wrapped(conn, sql, error) from error


def _wrapped(conn: Connection, sql: str, error: Exception) -> BaseException:
    kind: Any = conn.dialect.loaded_dbapi.Error
    raw: Any = None if conn.invalidated else conn.connection.dbapi_connection
    if conn.dialect.is_disconnect(error, raw, None):  # type: ignore[arg-type]
        conn.invalidate(error)  # else it would go back to the pool, and to whoever comes next
    return DBAPIError.instance(sql, None, error, kind, hide_parameters=True)


@lru_cache(maxsize=64)
def _insert(table: str, columns: tuple[str, ...], rows: int, paramstyle: str) -> str:
    mark = "?" if paramstyle == "qmark" else "%s"
    row = f"({','.join([mark] * len(columns))})"
    return f"INSERT INTO {table} ({','.join(columns)}) VALUES {','.join([row] * rows)}"
