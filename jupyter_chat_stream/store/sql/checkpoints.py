"""Moving committed pages from SQLite's write-ahead log into the file, beside the writer.

A checkpoint on the committing connection would stall it for tens of ms, so checkpoints have a
thread and a connection of their own. An idle log is moved, and the next commit begins it anew.
Under a load without a pause, only TRUNCATE can end the log. Commits wait while it works:

::

    PASSIVE, until a pass is quick  ─►  TRUNCATE: the few pages that came since, then cut the file
    (commits go on)                     (commits wait; cutting takes 0.7 ms for each MB, on ext4)

So a log is cut as soon as it is long. A reader whose transaction stays open keeps a log from being
cut: ``TRUNCATE`` then gives up after ``PATIENCE_S``.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from pathlib import Path

from ...shared.logs import Line

log = logging.getLogger("jupyter_chat_stream.store")

LOOK_S = 0.2
IDLE_S = 1.0  # A log that has not grown for this long is idle.
CHECKPOINT_BYTES = 16 * 1024 * 1024  # A longer log is cut, even under load.
QUICK_PASS_S = 0.02  # After a pass this quick, few pages are left.
MAX_PASSES = 3  # before each cut: a disk that is slower than the writer never catches up
PATIENCE_S = 0.02  # how long commits may wait for a reader of the log
AGAIN_AFTER_S = 0.5  # after readers kept the log from being cut


class WriteAheadLog:
    """The write-ahead log of one database file, as its checkpoints see it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = Path(f"{path}-wal")
        self._conn: sqlite3.Connection | None = None
        self._size = 0
        self._grown_s = 0.0  # when the size was last seen to change
        self._is_moved = True
        self._cut_from_s = 0.0

    def look(self, now_s: float) -> None:
        """Do what the log's size asks for.

        Args:
            now_s: of a clock that never goes back.

        Raises:
            OSError, sqlite3.Error: the next look tries again.
        """
        size = self._file.stat().st_size
        if size != self._size:
            self._size, self._grown_s, self._is_moved = size, now_s, not size
        if size > CHECKPOINT_BYTES and now_s >= self._cut_from_s:
            if not self._cut():
                self._cut_from_s = now_s + AGAIN_AFTER_S
        elif not self._is_moved and now_s - self._grown_s >= IDLE_S:
            self._is_moved = self.checkpoint("PASSIVE")

    def close(self) -> None:
        """Close the connection."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _cut(self) -> bool:
        """Move all pages and cut the file; False if readers keep it."""
        for _ in range(MAX_PASSES):
            begun_s = time.perf_counter()
            self.checkpoint("PASSIVE")
            if time.perf_counter() - begun_s < QUICK_PASS_S:
                break
        return self.checkpoint("TRUNCATE")

    def checkpoint(self, mode: str) -> bool:
        """Move pages; returns whether all were moved."""
        if self._conn is None:
            self._conn = sqlite3.connect(
                str(self._path), timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
            )
        is_busy, frames, moved_frames = self._conn.execute(
            f"PRAGMA wal_checkpoint({mode})"
        ).fetchone()
        return not is_busy and frames == moved_frames


class Checkpoints:
    """The thread that looks at a database's log until ``stop``."""

    def __init__(self, path: Path) -> None:
        self._log = WriteAheadLog(path)
        self._stop_event = threading.Event()
        self._thread = threading.Thread(
            target=self._work, name="chat-stream-checkpoint", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its connection."""
        self._stop_event.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            while not self._stop_event.wait(LOOK_S):
                try:
                    self._log.look(time.monotonic())
                except (OSError, sqlite3.Error) as error:  # the next look tries again
                    log.debug(Line("checkpoint.put_off", error=type(error).__name__))
        finally:
            self._log.close()
