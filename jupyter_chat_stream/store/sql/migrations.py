"""The migrations of the database: a list that only grows.

After an additive migration, older code can still use the database. A migration that is not additive
raises ``MIN_CODE_VERSION``, and older code then refuses the database without changing it. The
docstring of a migration tells its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, Connection, inspect, text
from sqlalchemy.schema import CreateColumn
from sqlmodel import SQLModel

from ...shared.errors import DatabaseForeign, DatabaseTooNew, DatabaseTooOld
from . import full_text, tables, tool_tables
from .ledger import backfill

# The schema generation that this code writes, and the oldest code that may use its databases.
CODE_VERSION = 5
MIN_CODE_VERSION = 5

Migration = Callable[[Connection], None]


def m0001_first_tables(conn: Connection) -> None:
    """Make threads, messages, runs, events and the tables beside them."""
    SQLModel.metadata.create_all(conn, tables=[tables.table(row) for row in _FIRST])


def m0002_waits_and_leases(conn: Connection) -> None:
    """Add messages for later, schedules, leases and a preference.

    Not additive: older code would send a message for later at once.
    """
    run = tables.table(tables.RunRow)
    schedule = tables.table(tables.ScheduleRow)
    if _add_column(conn, run.c.turn):
        # Old runs come before all new ones, whose turn is a seq, and keep their order.
        conn.execute(text("UPDATE run SET turn = pk - 1000000000000"))
    for column in (
        run.c.deliver_ms,
        tables.table(tables.PreferenceRow).c.on_crash,
        *(schedule.c[name] for name in ("model", "params", "last_ms", "last_run_id")),
    ):
        _add_column(conn, column)
    SQLModel.metadata.create_all(conn, tables=[tables.table(tables.LeaseRow)])


def m0003_compaction_in_steps(conn: Connection) -> None:
    """Compact large runs step by step, and purge threads fast.

    A purge looks for rows that refer to a deleted row; without an index that blocks the writer.
    """
    _add_column(conn, tables.table(tables.CompactionRow).c.deltas_left)
    for row, name in ((tables.RunRow, "run_by_message"), (tables.IdempotencyRow, _BY_THREAD)):
        index = next(index for index in tables.table(row).indexes if index.name == name)
        index.create(conn, checkfirst=True)


def m0004_drop_unused(conn: Connection) -> None:
    """Drop ``anchor``, ``run.job_id`` and ``archive``, which nothing uses.

    Not additive: older code reads ``run.job_id`` and ``archive``. The archived deltas are lost;
    their hash in ``compaction`` stays (L2).
    """
    conn.execute(text("DROP TABLE IF EXISTS anchor"))
    conn.execute(text("DROP TABLE IF EXISTS archive"))
    if "job_id" in {info["name"] for info in inspect(conn).get_columns("run")}:
        conn.execute(text("ALTER TABLE run DROP COLUMN job_id"))


def m0005_upstreams(conn: Connection) -> None:
    """Keep where a provider's own run can be joined again, and the blocks that it gets back.

    Not additive: older code cannot fold notes, and joins no upstream: its text would come twice.
    """
    _add_column(conn, tables.table(tables.RunRow).c.upstream)
    SQLModel.metadata.create_all(conn, tables=[tables.table(tables.ProviderDataRow)])


def m0006_attachments(conn: Connection) -> None:
    """Add attachments, and the bytes that they share."""
    SQLModel.metadata.create_all(conn, tables=[tables.table(row) for row in _ATTACHMENTS])


def m0007_usage(conn: Connection) -> None:
    """Add the table of tokens and costs, with the answers that have already ended.

    Their cost is not known: the prices of their time were not looked up.
    """
    SQLModel.metadata.create_all(conn, tables=[tables.table(tables.UsageRow)])
    backfill(conn)


def m0008_thread_params(conn: Connection) -> None:
    """Add the parameters of a thread, which its messages have unless they name others."""
    _add_column(conn, tables.table(tables.ThreadRow).c.message_params)


def m0009_marks(conn: Connection) -> None:
    """Add the marks of each person: what was read of a thread, and whether it is pinned.

    Older threads count as read: nobody could mark them. The list also gets an index of open runs.
    """
    run = tables.table(tables.RunRow)
    next(index for index in run.indexes if index.name == "run_open").create(conn, checkfirst=True)
    SQLModel.metadata.create_all(conn, tables=[tables.table(tables.MarkRow)])
    conn.execute(
        text(
            "INSERT INTO mark (person, thread, read_seq, pinned) SELECT owner, pk, "
            "COALESCE((SELECT MAX(seq) FROM event WHERE event.thread = thread.pk), 0), false "
            "FROM thread WHERE NOT deleted ON CONFLICT DO NOTHING"
        )
    )


def m0010_full_text(conn: Connection) -> None:
    """Add the full-text index of messages. It begins empty; housekeeping fills it in steps."""
    full_text.make(conn)


def m0011_tools(conn: Connection) -> None:
    """Add tool calls, offers and consents.

    Not additive: older code cannot fold the events of tool calls, and fails runs that wait for one.
    """
    run, thread = tables.table(tables.RunRow), tables.table(tables.ThreadRow)
    for column in (run.c.tools, run.c.spent, thread.c.message_tools):
        _add_column(conn, column)
    SQLModel.metadata.create_all(conn, tables=[tables.table(row) for row in _TOOLS])


def _add_column(conn: Connection, column: Column[Any]) -> bool:
    """Add a column if it is missing; a new database has all columns from the start."""
    table = column.table
    if column.name in {info["name"] for info in inspect(conn).get_columns(table.name)}:
        return False
    definition = CreateColumn(column).compile(dialect=conn.dialect)
    conn.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))
    return True


_BY_THREAD = "idempotency_by_thread"
_FIRST = (
    tables.ThreadRow,
    tables.MessageRow,
    tables.RunRow,
    tables.EventRow,
    tables.CompactionRow,
    tables.IdempotencyRow,
    tables.PreferenceRow,
    tables.ScheduleRow,
)
_ATTACHMENTS = (
    tables.BlobRow,
    tables.BlobPieceRow,
    tables.AttachmentRow,
    tables.MessageAttachmentRow,
)

_TOOLS = (tool_tables.ToolCallRow, tool_tables.ToolOfferRow, tool_tables.ConsentRow)

MIGRATIONS: tuple[Migration, ...] = (
    m0001_first_tables,
    m0002_waits_and_leases,
    m0003_compaction_in_steps,
    m0004_drop_unused,
    m0005_upstreams,
    m0006_attachments,
    m0007_usage,
    m0008_thread_params,
    m0009_marks,
    m0010_full_text,
    m0011_tools,
)


def migrate(conn: Connection, now_ms: int) -> list[str]:
    """Bring the database to this code's schema, within the caller's transaction.

    Returns:
        The names of the applied migrations.

    Raises:
        DatabaseForeign: the database has tables that are not ours.
        DatabaseTooNew: the database needs newer code; it was not changed.
    """
    names = set(inspect(conn).get_table_names())
    if not names:
        own_tables = [tables.table(tables.MetaRow), tables.table(tables.MigrationRow)]
        SQLModel.metadata.create_all(conn, tables=own_tables)
        conn.execute(
            text("INSERT INTO meta (key, value) VALUES ('min_code_version', :v)"),
            {"v": str(MIN_CODE_VERSION)},
        )
    else:
        _refuse_foreign(names)
    _refuse_newer(conn)
    pending = _pending(conn)
    for migration in pending:
        migration(conn)
        conn.execute(
            text("INSERT INTO migration (name, at_ms) VALUES (:name, :at)"),
            {"name": migration.__name__, "at": now_ms},
        )
    if pending:
        conn.execute(
            text("UPDATE meta SET value = :v WHERE key = 'min_code_version'"),
            {"v": str(MIN_CODE_VERSION)},
        )
    full_text.ensure(conn)
    return [m.__name__ for m in pending]


def refuse_older(conn: Connection) -> None:
    """Check that the database has this code's schema; changes nothing.

    Raises:
        DatabaseForeign, DatabaseTooNew: see ``migrate``.
        DatabaseTooOld: ``migrate`` would change it.
    """
    names = set(inspect(conn).get_table_names())
    if not names:
        raise DatabaseTooOld(
            "There is no chat in the database yet, and this command makes none. Start a server "
            "with it, or name another database with --ChatStream.database_url."
        )
    _refuse_foreign(names)
    _refuse_newer(conn)
    if _pending(conn):
        raise DatabaseTooOld(
            "The database is of an older version, and this command changes nothing. End that "
            "version's servers and start one of this version, which upgrades it; or use the "
            "older version's command."
        )


def _pending(conn: Connection) -> list[Migration]:
    applied_names = {row[0] for row in conn.execute(text("SELECT name FROM migration"))}
    return [m for m in MIGRATIONS if m.__name__ not in applied_names]


def _refuse_foreign(names: set[str]) -> None:
    if not {"meta", "migration"} <= names:
        raise DatabaseForeign(
            "The database holds tables of another program. Name another one with "
            "--ChatStream.database_url; this one was left as it is."
        )


def _refuse_newer(conn: Connection) -> None:
    min_version = conn.execute(
        text("SELECT value FROM meta WHERE key = 'min_code_version'")
    ).scalar_one_or_none()
    if min_version is None:
        raise DatabaseForeign("The database's meta table is not ours; it was left as it is.")
    if int(min_version) > CODE_VERSION:
        raise DatabaseTooNew(
            f"The database needs schema generation {min_version}, this environment has "
            f"{CODE_VERSION}. Upgrade jupyter-chat-stream here, or name another database with "
            "--ChatStream.database_url.",
            needed=int(min_version),
        )
