"""Opening a SQLite file: ours is migrated, what is not ours is refused and left byte for byte."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from jupyter_chat_stream.shared.errors import (
    DatabaseBusy,
    DatabaseForeign,
    DatabaseTooNew,
    DatabaseUnreadable,
    StoreError,
)
from jupyter_chat_stream.store.sql import database as database_module
from jupyter_chat_stream.store.sql import migrations
from jupyter_chat_stream.store.sql.database import Database
from tests.store.harness import PATIENCE_S, StoreHarness

posix = pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")
as_root = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture
def ours(path: Path) -> Path:
    """A database of ours with a thread in it, closed."""
    harness = StoreHarness(f"sqlite:///{path}")
    harness.answered()
    harness.close()
    return path


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def opened(path: Path | str) -> Database:
    return Database(f"sqlite:///{path}", now_ms=5)


def refused(path: Path, error: type[StoreError], folder: Path) -> StoreError:
    """Try to open, expect the error, and that every byte in the folder is as it was."""
    before = bytes_of(folder)
    threads = threading.active_count()
    with pytest.raises(error) as raised:
        opened(path)
    assert bytes_of(folder) == before
    assert threading.active_count() == threads
    return raised.value


# ---------------------------------------------------------------- what is ours


def test_a_fresh_database_has_all_tables_and_says_what_made_it(path: Path) -> None:
    database = opened(path)
    database.close()
    conn = sqlite3.connect(path)
    names = {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    assert names == {
        "mark",
        "search_due",
        "search_row",
        "search_text",
        *(f"search_text_{part}" for part in ("config", "content", "data", "idx")),
        "thread",
        "message",
        "run",
        "event",
        "compaction",
        "idempotency",
        "preference",
        "schedule",
        "usage",
        "provider_data",
        "lease",
        "attachment",
        "blob",
        "blob_piece",
        "message_attachment",
        "tool_call",
        "tool_offer",
        "consent",
        "meta",
        "migration",
        "sqlite_sequence",  # SQLite's own: the highest key of a blob so far
    }
    applied = conn.execute("SELECT name, at_ms FROM migration ORDER BY name").fetchall()
    assert applied == [(m.__name__, 5) for m in migrations.MIGRATIONS]
    versions = conn.execute("SELECT value FROM meta WHERE key NOT LIKE 'search%'").fetchall()
    assert versions == [(str(migrations.MIN_CODE_VERSION),)]
    conn.close()


def test_opening_again_applies_nothing_again(ours: Path) -> None:
    before = sqlite3.connect(ours)
    rows = before.execute("SELECT * FROM migration").fetchall()
    before.close()
    Database(f"sqlite:///{ours}", now_ms=9).close()
    after = sqlite3.connect(ours)
    assert after.execute("SELECT * FROM migration").fetchall() == rows
    after.close()


def test_a_migration_that_is_new_is_applied_once_and_keeps_what_is_there(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def m9999_a_column(conn: Connection) -> None:
        """Only a test's."""
        conn.execute(text("ALTER TABLE thread ADD COLUMN mood TEXT"))

    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, m9999_a_column))
    opened(ours).close()
    opened(ours).close()
    conn = sqlite3.connect(ours)
    assert conn.execute("SELECT COUNT(*), MAX(mood) FROM thread").fetchone() == (1, None)
    names = [row[0] for row in conn.execute("SELECT name FROM migration ORDER BY name")]
    assert names[-1] == "m9999_a_column"
    conn.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def m0002_breaks(conn: Connection) -> None:
        """Only a test's."""
        conn.execute(text("ALTER TABLE thread ADD COLUMN mood TEXT"))
        conn.execute(text("ALTER TABLE nothing ADD COLUMN mood TEXT"))

    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, m0002_breaks))
    with pytest.raises(StoreError):
        opened(ours)
    monkeypatch.undo()
    harness = StoreHarness(f"sqlite:///{ours}")
    assert harness.damage() == []
    harness.close()
    conn = sqlite3.connect(ours)
    assert "mood" not in [row[1] for row in conn.execute("PRAGMA table_info(thread)")]
    conn.close()


def test_an_older_environment_goes_on_with_a_file_that_has_more(ours: Path) -> None:
    """Migrations are additive: a table and a migration this code does not know are left alone."""
    conn = sqlite3.connect(ours)
    conn.execute("CREATE TABLE link (pk INTEGER PRIMARY KEY)")
    conn.execute("ALTER TABLE thread ADD COLUMN mood TEXT")
    conn.execute("INSERT INTO migration VALUES ('m0042_links', 7)")
    conn.commit()
    conn.close()
    harness = StoreHarness(f"sqlite:///{ours}")
    harness.answered()
    assert harness.damage() == []
    harness.close()


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    harness = StoreHarness(f"sqlite:///{path}")
    harness.answered()
    harness.close()


def test_a_file_is_in_wal_mode_and_nothing_is_lost_by_closing(ours: Path) -> None:
    conn = sqlite3.connect(ours)
    assert conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert conn.execute("SELECT COUNT(*) FROM event").fetchone()[0] > 0
    conn.close()


@pytest.mark.parametrize("wanted", ["NORMAL", "FULL"])
def test_durability_is_as_asked_for(path: Path, wanted: str) -> None:
    database = Database(f"sqlite:///{path}", synchronous=wanted, now_ms=5)
    with database.writing.begin() as conn:
        level = conn.exec_driver_sql("PRAGMA synchronous").scalar()
    assert level == {"NORMAL": 1, "FULL": 2}[wanted]
    database.close()


# ---------------------------------------------------------------- what is not


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_foreign_database_is_refused_and_left_byte_for_byte(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "their.db"
    conn = sqlite3.connect(path)
    conn.execute(f"PRAGMA journal_mode={mode}")
    conn.execute("CREATE TABLE invoice (pk INTEGER PRIMARY KEY, meta TEXT)")
    conn.execute("INSERT INTO invoice VALUES (1, 'x')")
    conn.commit()
    conn.close()
    error = refused(path, DatabaseForeign, tmp_path)
    assert "--ChatStream.database_url" in str(error)


def test_a_database_with_tables_named_like_ours_is_foreign(tmp_path: Path) -> None:
    path = tmp_path / "their.db"
    conn = sqlite3.connect(path)
    conn.execute("CREATE TABLE meta (key TEXT, value TEXT)")
    conn.execute("CREATE TABLE migration (name TEXT, at_ms INTEGER)")
    conn.execute("INSERT INTO meta VALUES ('theirs', '1')")
    conn.commit()
    conn.close()
    refused(path, DatabaseForeign, tmp_path)


def test_a_newer_database_is_refused_and_left_byte_for_byte(ours: Path) -> None:
    conn = sqlite3.connect(ours)
    conn.execute("UPDATE meta SET value = '99' WHERE key = 'min_code_version'")
    conn.commit()
    conn.close()
    error = refused(ours, DatabaseTooNew, ours.parent)
    assert error.facts["needed"] == 99
    assert "Upgrade" in str(error)


@pytest.mark.parametrize(
    "content",
    [b"garbage" * 1000, b"xy", b"SQLite format 3\x00" + b"\xff" * 5000, b"[]\n"],
    ids=["long", "two bytes", "a torn header", "json"],
)
def test_garbage_is_refused_and_left_byte_for_byte(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    error = refused(path, DatabaseUnreadable, path.parent)
    assert "left as it is" in str(error)


def test_a_torn_file_of_ours_is_refused_and_left_byte_for_byte(ours: Path) -> None:
    whole = ours.read_bytes()
    ours.write_bytes(whole[:4096])
    before = bytes_of(ours.parent)
    with pytest.raises(StoreError):
        opened(ours)
    assert bytes_of(ours.parent) == before


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreadable, match="directory"):
        opened(tmp_path)


@posix
@pytest.mark.skipif(as_root, reason="root may read everything")
def test_a_file_one_may_not_read_is_refused(ours: Path) -> None:
    ours.chmod(0)
    with pytest.raises(DatabaseUnreadable, match="denied"):
        opened(ours)
    ours.chmod(0o600)


@posix
@pytest.mark.skipif(as_root, reason="root may write everywhere")
def test_a_folder_one_may_not_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(DatabaseUnreadable, match="denied"):
        opened(folder / "chat.db")
    with pytest.raises(DatabaseUnreadable, match="denied"):
        opened(folder / "deeper" / "chat.db")


def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnreadable):
        opened(tmp_path / "file" / "chat.db")


def test_a_lock_that_another_program_holds_is_said(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 20)
    locker = sqlite3.connect(ours, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy):
        opened(ours)
    locker.execute("ROLLBACK")
    locker.close()
    opened(ours).close()


# ---------------------------------------------------------------- files


@posix
def test_the_file_is_0600_and_its_folder_0700_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "a" / "chat.db"
        harness = StoreHarness(f"sqlite:///{path}")
        harness.answered()
        modes = {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()}
        harness.close()
    finally:
        os.umask(before)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert set(modes.values()) == {0o600}
    assert {"chat.db", "chat.db-wal"} <= set(modes)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_that_keeps_nothing_is_gone_after_closing(url: str) -> None:
    harness = StoreHarness(url)
    harness.answered()
    assert harness.damage() == []
    folder = harness.store.database.folder
    assert folder is not None
    assert folder.is_dir()
    described = harness.store.database.describe()
    assert described == {"backend": "sqlite", "url": "sqlite://", "durable": False}
    harness.close()
    assert not folder.exists()


def test_a_relative_path_is_meant_from_where_the_process_stands_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = opened("chat.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert database.path == tmp_path / "chat.db"
    database.close()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_path_with_odd_characters_works(tmp_path: Path) -> None:
    harness = StoreHarness(f"sqlite:///{tmp_path / 'my notes é #1' / 'chat.db'}")
    harness.answered()
    assert harness.store.look().result(PATIENCE_S)
    harness.close()


# ---------------------------------------------------------------- what changed


@pytest.fixture
def two(ours: Path) -> Iterator[tuple[StoreHarness, StoreHarness]]:
    one, other = StoreHarness(f"sqlite:///{ours}"), StoreHarness(f"sqlite:///{ours}")
    yield one, other
    one.close()
    other.close()


def test_has_changed_tells_of_others_commits_once(two: tuple[StoreHarness, StoreHarness]) -> None:
    """L9: a hint that costs one number; the first look always counts as a change."""
    one, other = two

    def look() -> bool:
        return one.store.look().result(PATIENCE_S)

    assert look()
    assert not look()
    one.answered()
    assert not look()
    other.answered()
    assert look()
    assert not look()
    other.look(lambda conn: None)
    assert not look()


def test_every_connection_of_a_closed_database_is_gone(ours: Path) -> None:
    """Else the WAL would stay, and on Windows the file could not be moved."""
    harness = StoreHarness(f"sqlite:///{ours}")
    harness.answered()
    harness.store.look().result(PATIENCE_S)
    harness.close()
    assert [p.name for p in ours.parent.iterdir()] == ["chat.db"]


def test_many_may_open_a_new_file_at_once(path: Path) -> None:
    """Of many processes that start at once, one makes the tables and all go on."""
    ready = threading.Barrier(6, timeout=PATIENCE_S)
    failures: list[BaseException] = []
    made: list[Database] = []

    def work() -> None:
        ready.wait()
        try:
            made.append(opened(path))
        except BaseException as error:  # noqa: BLE001  told below
            failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE_S)
    for database in made:
        database.close()
    assert failures == []
    assert len(made) == 6


def test_a_foreign_database_is_named_in_the_refusal(path: Path) -> None:
    with sqlite3.connect(path) as foreign:
        foreign.execute("CREATE TABLE theirs (x)")
    foreign.close()
    with pytest.raises(DatabaseForeign, match=path.name):
        Database(f"sqlite:///{path}", now_ms=0)
