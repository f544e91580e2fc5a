"""A SQLite file gives room back: step by step where it is new, rebuilt where it is old."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_chat_stream.shared.errors import DatabaseBusy, StoreError
from jupyter_chat_stream.store.chat.commands import delete
from jupyter_chat_stream.store.log.transaction import ThreadRef
from jupyter_chat_stream.store.retention import disk_space
from jupyter_chat_stream.store.retention.cleanup import PURGE_AFTER_MS, Policy, collect
from jupyter_chat_stream.store.retention.disk_space import FileSpace, read_space, rebuild
from jupyter_chat_stream.store.sql.database import PAGE_BYTES
from tests.store.harness import StoreHarness, completed
from tests.store.retention.stepping import collected, indexed, tidying

KEEP_BYTES = 20_000
POLICY = Policy(keep_events_ms=0, retention_ms=None, keep_bytes=KEEP_BYTES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture
def harness(path: Path) -> Iterator[StoreHarness]:
    harness = StoreHarness(f"sqlite:///{path}")
    yield harness
    harness.close()


def make_old(path: Path) -> None:
    """Make the file as an older release would have: it cannot shrink."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode=DELETE")
        conn.execute("PRAGMA page_size=4096")
        conn.execute("PRAGMA auto_vacuum=NONE")
        conn.execute("VACUUM")


def long_answer(harness: StoreHarness) -> ThreadRef:
    claimed = harness.claimed()
    for _ in range(10):
        harness.append(claimed, *(f"word {number} " for number in range(500)))
    harness.append(claimed, *completed(""), release=True)
    return claimed.run.thread


def space_of(harness: StoreHarness) -> FileSpace:
    found = harness.look(read_space)
    assert found is not None
    return found


def test_a_file_shrinks_with_what_was_taken_out_of_it(harness: StoreHarness, path: Path) -> None:
    """L7: and nothing of what is left is another."""
    small = space_of(harness).file_bytes
    thread = long_answer(harness)
    indexed(harness)
    large = space_of(harness).file_bytes
    assert large > small + 200_000
    counts = collected(harness, POLICY)
    compacted = space_of(harness)
    assert compacted.free_bytes <= KEEP_BYTES + PAGE_BYTES
    assert compacted.file_bytes < large * 0.6  # the answer is in its message and in the index
    assert counts.freed_bytes == large - compacted.file_bytes
    assert harness.damage() == []
    harness.do(lambda tx: delete(tx, "local", thread.id), thread.pk)
    harness.clock.advance(PURGE_AFTER_MS)
    collected(harness, POLICY)
    harness.close()
    # Some pages of FTS5 are left: it removes the words of a deleted row when it merges its pages.
    assert path.stat().st_size < small + KEEP_BYTES + 30 * PAGE_BYTES


def test_a_collection_rests_where_a_checkpoint_is_due(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else SQLite's log grows until a checkpoint has to hold live commits up."""
    harness.answered(pieces="abc")
    harness.clock.advance(1)
    pauses: list[float] = []
    collect(harness.store, POLICY, pause=pauses.append)
    assert disk_space.REST_S not in pauses
    harness.answered(pieces="abc")
    harness.clock.advance(1)
    monkeypatch.setattr(disk_space, "CHECKPOINT_BYTES", 1)
    collect(harness.store, POLICY, pause=pauses.append)
    assert disk_space.REST_S in pauses


def test_room_is_given_back_in_small_steps_that_may_end_anywhere(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space, "PAGES_AT_ONCE", 8)
    long_answer(harness)
    sizes = []
    steps = tidying(harness, POLICY)
    for _ in steps:
        sizes.append(space_of(harness).file_bytes)
        if len(sizes) > 1 and sizes[-1] < sizes[-2]:
            break
    assert sizes[-2] - sizes[-1] == 8 * PAGE_BYTES
    steps.close()
    again = harness.reopened()
    assert again.damage() == []
    collected(again, POLICY)
    assert space_of(again).free_bytes <= KEEP_BYTES + PAGE_BYTES
    again.close()


def test_an_old_file_is_rebuilt_once_and_shrinks_from_then_on(
    harness: StoreHarness, path: Path
) -> None:
    """L7"""
    long_answer(harness)
    harness.close()
    make_old(path)
    old = StoreHarness(harness.url, harness.clock)
    large = space_of(old)
    assert not large.can_shrink
    counts = collected(old, POLICY)
    assert (counts.compacted_deltas, counts.freed_bytes) == (5000, 0)
    old.close()
    rebuild(path, PAGE_BYTES)
    fresh = StoreHarness(harness.url, harness.clock)
    found = space_of(fresh)
    assert found.can_shrink
    assert (found.page_bytes, found.free_bytes) == (PAGE_BYTES, 0)
    assert found.file_bytes < large.file_bytes / 2
    assert fresh.damage() == []
    assert fresh.scalar("PRAGMA journal_mode") == "wal"
    fresh.answered(pieces="abc")
    assert fresh.damage() == []
    fresh.close()


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_file_keeps_its_kind_of_journal(harness: StoreHarness, path: Path, mode: str) -> None:
    """On a network disk there is no WAL, and a rebuilt file is none the less whole."""
    harness.answered()
    harness.close()
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute(f"PRAGMA journal_mode={mode}").fetchone() == (mode,)
    rebuild(path, PAGE_BYTES)
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA journal_mode").fetchone() == (mode,)
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_file_that_somebody_has_open_is_not_rebuilt(harness: StoreHarness, path: Path) -> None:
    run = harness.answered(pieces="abc")
    with pytest.raises(DatabaseBusy, match="End the servers"):
        rebuild(path, PAGE_BYTES)
    assert harness.scalar("PRAGMA journal_mode") == "wal"
    harness.answered(run.thread, "def")
    assert harness.damage() == []


def test_a_file_is_not_rebuilt_where_the_disk_has_no_room(
    harness: StoreHarness, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.answered()
    harness.close()
    before = path.read_bytes()
    monkeypatch.setattr(
        disk_space.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})
    )
    with pytest.raises(StoreError, match="1000 are free"):
        rebuild(path, PAGE_BYTES)
    assert path.read_bytes() == before
