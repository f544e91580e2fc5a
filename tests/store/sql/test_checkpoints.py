"""A long log is moved into the file beside the commits, which wait for its last pages only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_chat_stream.store.sql import checkpoints
from jupyter_chat_stream.store.sql.checkpoints import AGAIN_AFTER_S, IDLE_S, WriteAheadLog

LONG = 64 * 1024


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_BYTES", LONG)
    return tmp_path / "chat.db"


@pytest.fixture
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as conn:
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("PRAGMA wal_autocheckpoint=0")
        conn.execute("CREATE TABLE piece (data BLOB)")
        yield conn


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The checkpoints that were asked for, in order."""
    found: list[str] = []
    checkpoint = WriteAheadLog.checkpoint

    def noted(log: WriteAheadLog, mode: str) -> bool:
        found.append(mode)
        return checkpoint(log, mode)

    monkeypatch.setattr(WriteAheadLog, "checkpoint", noted)
    return found


@pytest.fixture
def log(path: Path, writer: sqlite3.Connection) -> Iterator[WriteAheadLog]:
    with closing(WriteAheadLog(path)) as log:
        yield log


def write(conn: sqlite3.Connection, size: int = 2 * LONG) -> None:
    conn.execute("INSERT INTO piece VALUES (zeroblob(?))", (size,))


def log_bytes(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size


def test_a_long_log_is_moved_beside_the_commits_before_they_wait_for_its_end(
    path: Path, writer: sqlite3.Connection, log: WriteAheadLog, asked: list[str]
) -> None:
    write(writer)
    log.look(0.0)
    assert asked[-1] == "TRUNCATE"
    assert asked[:-1]
    assert set(asked[:-1]) == {"PASSIVE"}
    assert log_bytes(path) == 0


def test_commits_that_never_pause_do_not_keep_a_log_from_being_cut(
    path: Path, writer: sqlite3.Connection, log: WriteAheadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PASSIVE alone never ends such a log: each time, there are pages that came meanwhile."""
    checkpoint = WriteAheadLog.checkpoint

    def beside_commits(log: WriteAheadLog, mode: str) -> bool:
        moved = checkpoint(log, mode)
        if mode == "PASSIVE":
            write(writer)
        return moved

    monkeypatch.setattr(WriteAheadLog, "checkpoint", beside_commits)
    write(writer)
    log.look(0.0)
    assert log_bytes(path) == 0


def test_a_slow_disk_gets_a_bounded_number_of_passes(
    writer: sqlite3.Connection,
    log: WriteAheadLog,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoints, "QUICK_PASS_S", 0.0)
    write(writer)
    log.look(0.0)
    assert asked == ["PASSIVE"] * checkpoints.MAX_PASSES + ["TRUNCATE"]


def test_a_reader_that_stays_keeps_the_log_and_delays_no_second_look(
    path: Path, writer: sqlite3.Connection, log: WriteAheadLog, asked: list[str]
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM piece").fetchone()
        write(writer)
        log.look(0.0)
        assert log_bytes(path) > LONG
        write(writer)  # the lock is free again: this connection waits for none
        tried = len(asked)
        log.look(AGAIN_AFTER_S / 2)
        assert asked[tried:] == []
    log.look(AGAIN_AFTER_S)
    assert log_bytes(path) == 0


def test_an_idle_log_is_moved_once_and_not_cut(
    path: Path, writer: sqlite3.Connection, log: WriteAheadLog, asked: list[str]
) -> None:
    write(writer, 1)
    log.look(0.0)
    assert asked == []
    for now_s in (IDLE_S, 2 * IDLE_S, 3 * IDLE_S):
        log.look(now_s)
    assert asked == ["PASSIVE"]
    assert log_bytes(path) > 0
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as file_alone:
        assert file_alone.execute("SELECT COUNT(*) FROM piece").fetchone() == (1,)
