"""References to threads and runs by both their keys, and statements with named parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Connection

from ..sql.driver import driver_sql, write_row


@dataclass(frozen=True, kw_only=True)
class ThreadRef:
    """A thread by both its keys."""

    pk: int
    id: str


@dataclass(frozen=True, kw_only=True)
class RunRef:
    """A run, its thread and its message by both their keys, which never change.

    A query for a ``RunRef`` selects ``COLUMNS`` from ``TABLES``.
    """

    COLUMNS: ClassVar[str] = "run.pk, run.id, run.thread, thread.id, run.message, message.id"
    TABLES: ClassVar[str] = (
        "FROM run JOIN thread ON thread.pk = run.thread JOIN message ON message.pk = run.message"
    )
    WIDTH: ClassVar[int] = 6

    pk: int
    id: str
    thread: ThreadRef
    message_pk: int
    message_id: str

    @classmethod
    def of(cls, row: Sequence[Any]) -> RunRef:
        """Read a row that begins with ``COLUMNS``."""
        pk, id_, thread_pk, thread_id, message_pk, message_id = row[: cls.WIDTH]
        thread = ThreadRef(pk=thread_pk, id=thread_id)
        return cls(pk=pk, id=id_, thread=thread, message_pk=message_pk, message_id=message_id)


def execute(conn: Connection, sql: str, params: Any = None) -> Any:
    """Run a statement with named parameters directly on the driver, which is faster."""
    return conn.exec_driver_sql(driver_sql(conn.dialect.paramstyle, sql), params or {})


def update_row(conn: Connection, table: str, pk: int, columns: Mapping[str, object]) -> None:
    sets = ", ".join(f"{name} = :{name}" for name in columns)
    write_row(conn, f"UPDATE {table} SET {sets} WHERE pk = :pk", {**columns, "pk": pk})
