"""Disk space: unused pages of a SQLite file are returned to the disk, a few in each step.

New files can shrink (``auto_vacuum``). A command rebuilds the file of an older release once, while
no other process has it open. Postgres manages its space by itself.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from ...shared.errors import DatabaseBusy, DatabaseUnreadable, StoreError
from ..log.transaction import Transaction, execute
from ..sql.checkpoints import CHECKPOINT_BYTES, LOOK_S
from .steps import Budget, Read, Steps, Write

INCREMENTAL = 2
REST_S = 2.5 * LOOK_S
PAGES_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class FileSpace:
    """The size and the unused part of a file, in bytes, and whether the file can shrink."""

    file_bytes: int
    free_bytes: int
    page_bytes: int
    can_shrink: bool


def is_log_long(path: Path | None) -> bool:
    """Return whether SQLite's write-ahead log waits for a checkpoint: then pause for ``REST_S``.

    Without the pause the log would grow until a checkpoint has to delay commits.
    """
    try:
        return path is not None and Path(f"{path}-wal").stat().st_size > CHECKPOINT_BYTES
    except OSError:
        return False


def read_space(conn: Connection) -> FileSpace | None:
    """Measure the file; None if the database is not a file."""
    if conn.dialect.name != "sqlite":
        return None
    page, pages, free_pages, mode = (
        int(execute(conn, f"PRAGMA {name}").scalar())
        for name in ("page_size", "page_count", "freelist_count", "auto_vacuum")
    )
    return FileSpace(
        file_bytes=page * pages,
        free_bytes=page * free_pages,
        page_bytes=page,
        can_shrink=mode == INCREMENTAL,
    )


def give_back(*, keep_bytes: int, budget: Budget) -> Steps[int]:
    """Return unused pages, all but ``keep_bytes``, to the disk; returns the number of bytes.

    The file itself becomes shorter at the next checkpoint.
    """
    space: FileSpace | None = yield Read(work=read_space)
    if space is None or not space.can_shrink:
        return 0
    surplus_pages = (space.free_bytes - keep_bytes) // space.page_bytes
    freed_pages = 0
    while freed_pages < surplus_pages:
        count: int = yield Write(work=_give_back_pages(surplus_pages - freed_pages, budget))
        if not count:
            break
        freed_pages += count
    return freed_pages * space.page_bytes


def _give_back_pages(max_pages: int, budget: Budget) -> Callable[[Transaction], int]:
    def work(tx: Transaction) -> int:
        is_spent = budget.start()
        free_before = _count_free(tx)
        for number in range(1, min(free_before, max_pages) + 1):
            # One page at a time: for more, the driver would stop after the result's first row.
            tx.execute("PRAGMA incremental_vacuum(1)")
            if number % PAGES_AT_ONCE == 0 and is_spent():
                break
        return free_before - _count_free(tx)

    return work


def _count_free(tx: Transaction) -> int:
    return int(tx.execute("PRAGMA freelist_count").scalar())


def rebuild(path: Path, page_bytes: int) -> None:
    """Rebuild a file of an older release, so that it is small and can shrink from then on.

    Raises:
        DatabaseBusy: another process has it open.
        StoreError: the disk has no room for a second file.
    """
    size, free_bytes = path.stat().st_size, shutil.disk_usage(path.parent).free
    if free_bytes < 2 * size:  # for the new file and a journal
        raise StoreError(
            f"Rebuilding the database needs {2 * size} bytes beside it, and {free_bytes} are free. "
            "Make room on its disk, then try again."
        )
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as conn:
        try:
            journal_mode = conn.execute("PRAGMA journal_mode").fetchone()[0]
            # Only the sole process may leave WAL, and in WAL the size of a page is fixed.
            if conn.execute("PRAGMA journal_mode=DELETE").fetchone()[0] != "delete":
                raise DatabaseBusy(_BUSY)
            conn.execute(f"PRAGMA page_size={int(page_bytes)}")
            conn.execute(f"PRAGMA auto_vacuum={INCREMENTAL}")
            conn.execute("VACUUM")
            conn.execute(
                f"PRAGMA journal_mode={journal_mode}"
            ).fetchone()  # no WAL on network disks
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise DatabaseBusy(_BUSY) from error
            raise StoreError(f"The database was not rebuilt: {error}. It is as it was.") from error
        except sqlite3.DatabaseError as error:
            raise DatabaseUnreadable(
                f"{str(path)!r} is not a database that can be rebuilt ({type(error).__name__})."
            ) from error


_BUSY = (
    "Another program has the database open, so it cannot be rebuilt now. End the servers and "
    "workers that use it, then try again."
)
