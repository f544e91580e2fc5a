"""Statements straight on the driver, for what every commit does.

SQLAlchemy's own way around a statement costs more than the statement (measured: 20 µs against 5).
And each row that a statement gives or takes one by one lets go of the interpreter's lock, which a
busy event loop gives back only after ms; so many rows go in one statement, and come as one.
What a driver raises leaves here as SQLAlchemy's errors, like everywhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

BEGIN_WRITING = "BEGIN IMMEDIATE"
# So many rows in one statement, and the rest in one more: few enough that each stays prepared.
ROWS_AT_ONCE = (64, 16)


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


def begin(conn: Connection, sql: str) -> None:
    """Begin a transaction of SQLite's, unless there is one; SQLAlchemy has been told already."""
    raw: Any = conn.connection.driver_connection
    if not raw.in_transaction:
        _run(conn, sql, raw.execute, sql)


def begin_writing(conn: Connection) -> None:
    """Begin a transaction with SQLite's lock; SQLAlchemy learns of it only if it is used."""
    if conn.dialect.name == "sqlite":
        begin(conn, BEGIN_WRITING)
    else:
        conn.begin()


def commit(conn: Connection) -> None:
    """Commit what ``begin_writing`` began."""
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
    return list(json.loads(found[0][0]) if is_sqlite else found)


def _run(conn: Connection, sql: str, act: Callable[..., Any], *arguments: Any) -> None:
    try:
        act(*arguments)
    except conn.dialect.loaded_dbapi.Error as error:
        raise _wrapped(conn, sql, error) from error


def _wrapped(conn: Connection, sql: str, error: Exception) -> BaseException:
    kind: Any = conn.dialect.loaded_dbapi.Error
    return DBAPIError.instance(sql, None, error, kind, hide_parameters=True)


@lru_cache(maxsize=64)
def _insert(table: str, columns: tuple[str, ...], rows: int, paramstyle: str) -> str:
    mark = "?" if paramstyle == "qmark" else "%s"
    row = f"({','.join([mark] * len(columns))})"
    return f"INSERT INTO {table} ({','.join(columns)}) VALUES {','.join([row] * rows)}"
