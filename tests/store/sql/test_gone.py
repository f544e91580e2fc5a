"""A database that is removed, replaced or overwritten under an open store is noticed (L3).

Nothing is acknowledged that went into a file which nobody will read again, and nothing is read
from one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from jupyter_chat_stream.shared.errors import DatabaseGone
from jupyter_chat_stream.store.sql import driver, watch
from jupyter_chat_stream.store.store import Store
from tests.postgres import Postgres
from tests.store.harness import StoreHarness


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "chat-stream"


@pytest.fixture
def harness(folder: Path) -> Iterator[StoreHarness]:
    harness = StoreHarness(f"sqlite:///{folder / 'chat.db'}")
    harness.answered()
    yield harness
    harness.close()


def checkpoint(folder: Path) -> None:
    """Move all that is committed into the file itself."""
    with closing(sqlite3.connect(folder / "chat.db")) as conn:
        busy, frames, moved = conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        assert (busy, frames) == (0, moved)


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def remove_file(folder: Path) -> None:
    (folder / "chat.db").unlink()


def remove_wal(folder: Path) -> None:
    """SQLite would go on writing to it: what it holds is the newest."""
    (folder / "chat.db-wal").unlink()


def remove_shared_memory(folder: Path) -> None:
    """The next process would make another one, and both would damage the file."""
    (folder / "chat.db-shm").unlink()


def replace_file(folder: Path) -> None:
    """As `mv backup.db chat.db` does, and most editors and synchronisers."""
    shutil.copyfile(folder / "chat.db", folder / "backup.db")
    (folder / "backup.db").replace(folder / "chat.db")


def move_folder(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def put_a_folder_in_its_place(folder: Path) -> None:
    (folder / "chat.db").unlink()
    (folder / "chat.db").mkdir()


def empty_file(folder: Path) -> None:
    os.truncate(folder / "chat.db", 0)


def cut_file(folder: Path) -> None:
    checkpoint(folder)
    os.truncate(folder / "chat.db", (folder / "chat.db").stat().st_size // 2)


def overwrite_with_text(folder: Path) -> None:
    (folder / "chat.db").write_text("not a database any more\n" * 1000)


AT_ONCE = (
    remove_folder,
    remove_file,
    remove_wal,
    remove_shared_memory,
    replace_file,
    move_folder,
    put_a_folder_in_its_place,
)
IN_PLACE = (empty_file, cut_file, overwrite_with_text)


def refuses(work: Callable[[], Any]) -> DatabaseGone:
    with pytest.raises(DatabaseGone) as refusal:
        work()
    assert "put" in refusal.value.message
    assert refusal.value.code == "database_gone"
    return refusal.value


@pytest.mark.parametrize("harm", AT_ONCE)
def test_files_that_are_gone_are_noticed_by_the_next_write_read_and_look(
    harness: StoreHarness, folder: Path, harm: Callable[[Path], None]
) -> None:
    os.utime(folder, (0, 0))  # so that nothing there seems to have changed of late
    harness.thread()
    harm(folder)
    told = refuses(harness.thread)
    assert str(folder / "chat.db") in told.message
    refuses(lambda: harness.scalar("SELECT count(*) FROM thread"))
    refuses(lambda: harness.store.look().result(5))


@pytest.mark.parametrize("harm", IN_PLACE)
def test_a_file_that_is_overwritten_in_place_is_noticed_within_seconds(
    harness: StoreHarness,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Path], None],
) -> None:
    monkeypatch.setattr(watch, "HEADER_EVERY_S", 0)  # as if a second passed between any two looks
    harm(folder)
    with pytest.raises(DatabaseGone):
        for _ in range(3):
            harness.store.database.refuse_gone()
    refuses(harness.thread)
    refuses(lambda: harness.scalar("SELECT count(*) FROM thread"))


def test_an_older_copy_over_the_file_is_noticed(
    harness: StoreHarness, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `cp backup.db chat.db` does: the same file, but the newest of it stands elsewhere."""
    monkeypatch.setattr(watch, "HEADER_EVERY_S", 0)
    checkpoint(folder)
    shutil.copyfile(folder / "chat.db", folder / "backup.db")
    for _ in range(30):
        harness.answered()
    checkpoint(folder)
    harness.store.database.refuse_gone()
    shutil.copyfile(folder / "backup.db", folder / "chat.db")
    refuses(harness.thread)


@pytest.mark.parametrize("harm", AT_ONCE)
def test_a_commit_to_a_file_that_went_meanwhile_is_not_told(
    harness: StoreHarness,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Path], None],
) -> None:
    """The file goes between the look before the transaction and the COMMIT, of several at once."""
    commit, told = driver.commit, len(harness.commits)

    def late(*arguments: Any) -> None:
        harm(folder)
        monkeypatch.setattr(driver, "commit", commit)
        commit(*arguments)

    claimed = harness.claimed()
    published = len(harness.commits)
    monkeypatch.setattr(driver, "commit", late)
    futures = [harness.put(claimed, "one"), harness.put(claimed, "two")]
    for future in futures:
        refuses(lambda future=future: future.result(20))  # type: ignore[misc]
    assert len(harness.commits) == published > told, "events of it were published"


def test_a_file_that_is_back_is_used_again(harness: StoreHarness, folder: Path) -> None:
    folder.rename(folder.with_name("moved"))
    refuses(harness.thread)
    folder.with_name("moved").rename(folder)
    thread = harness.thread()
    assert harness.scalar("SELECT count(*) FROM thread WHERE pk = :pk", pk=thread.pk) == 1


def test_it_is_logged_once(
    harness: StoreHarness, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    remove_folder(folder)
    for _ in range(3):
        refuses(harness.thread)
    told = [record for record in caplog.records if "database.gone" in record.getMessage()]
    assert len(told) == 1
    assert str(folder) in told[0].getMessage()


def test_what_sqlite_does_to_its_files_is_no_reason_to_refuse(
    harness: StoreHarness, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Growing, checkpoints, a WAL that is cut, and the coming and going of other processes."""
    monkeypatch.setattr(watch, "HEADER_EVERY_S", 0)
    url = f"sqlite:///{folder / 'chat.db'}"
    for mode in ("PASSIVE", "RESTART", "TRUNCATE"):
        other = Store.open(url)
        harness.answered()
        with closing(sqlite3.connect(folder / "chat.db")) as conn:
            conn.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        other.close()
        harness.answered()
        harness.sql("PRAGMA incremental_vacuum")


def test_two_stores_of_one_process_share_one_descriptor(
    harness: StoreHarness, folder: Path
) -> None:
    """Closing a second one would give up the first one's locks on the file."""
    before = dict(watch.HeldFile.open_files)
    other = Store.open(f"sqlite:///{folder / 'chat.db'}")
    assert watch.HeldFile.open_files.keys() == before.keys()
    other.close()
    assert watch.HeldFile.open_files == before


@pytest.mark.parametrize("harm", ["database", "schema"])
def test_on_postgres_a_dropped_database_or_schema_is_named(
    postgres_url: str, postgres_server: Postgres, harm: str
) -> None:
    harness = StoreHarness(postgres_url)
    harness.thread()
    name = str(make_url(postgres_url).database)
    drop = {
        "database": f'DROP DATABASE "{name}" WITH (FORCE)',
        "schema": "DROP SCHEMA public CASCADE",
    }[harm]
    with postgres_server.connect("postgres" if harm == "database" else name) as conn:
        conn.autocommit = True
        conn.execute(drop)
    for work in (harness.thread, lambda: harness.scalar("SELECT count(*) FROM thread")):
        with pytest.raises(DatabaseGone, match="does not exist"):
            work()
    harness.close()
