"""The copies that tests begin with are what opening an empty database makes."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

from jupyter_chat_stream.store.store import Store
from tests.prepared import prepare_sqlite

META = "SELECT key, value FROM meta ORDER BY key"
DEFINITIONS = {
    "sqlite": "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name",
    "postgresql": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexdef",
}


def described(url: str) -> list[object]:
    """Return what a database holds before anybody has written to it."""
    store = Store.open(url, migrates=False)
    try:
        with store.database.reading.connect() as conn:
            tables = sorted(inspect(conn).get_table_names())
            counts = {t: conn.execute(text(f"SELECT COUNT(*) FROM {t}")).scalar() for t in tables}
            columns = {t: [str(c) for c in inspect(conn).get_columns(t)] for t in tables}
            rest = [
                conn.execute(text(sql)).fetchall() for sql in (META, DEFINITIONS[conn.dialect.name])
            ]
        return [counts, columns, *rest]
    finally:
        store.close()


def test_a_prepared_file_is_as_one_that_was_opened_when_it_was_empty(tmp_path: Path) -> None:
    opened = f"sqlite:///{tmp_path / 'opened.db'}"
    Store.open(opened).close()
    prepared = tmp_path / "prepared.db"
    assert described(prepare_sqlite(prepared)) == described(opened)
    assert prepared.stat().st_mode & 0o777 == 0o600
    assert prepared.read_bytes()[:40] == (tmp_path / "opened.db").read_bytes()[:40]


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    path.write_bytes(b"mine")
    prepare_sqlite(path)
    assert path.read_bytes() == b"mine"


def test_a_prepared_database_is_as_one_that_was_opened_when_it_was_empty(
    postgres_url: str, prepared_postgres_url: str
) -> None:
    Store.open(postgres_url).close()
    assert described(prepared_postgres_url) == described(postgres_url)
