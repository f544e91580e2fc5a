"""Checks that an SQLite database's files are still those that were opened (L3).

A file that was removed or replaced stays open in its processes: SQLite goes on writing to it, and
everything written is lost with the process. So the writer compares the files' identities after each
COMMIT, before the commit is published, and a reader before it reads. A file that was cut or
overwritten in place has another header, which is read once a second; then only a restart helps.
Files that were moved away and back are used again.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from ...shared.errors import DatabaseBusy, DatabaseGone
from ...shared.logs import Line

log = logging.getLogger("jupyter_chat_stream.store")

BUSY_S = 10.0
HEADER_EVERY_S = 1.0  # the time between two readings of the header
# File systems record times in steps of some ms. If a folder's last change is older than this, an
# equal time means an unchanged folder.
QUIET_NS = 50_000_000
HEADER_BYTES = 100
MAGIC = b"SQLite format 3\0"

Identity = tuple[int, int]


class HeldFile:
    """A file's descriptor, open for as long as this process has databases of that file open.

    Closing any descriptor of a file releases all of this process's locks on it, also SQLite's. So
    each file has one descriptor, closed with its last user. While it is open, no other file gets
    its inode number.
    """

    _guard = threading.Lock()
    open_files: ClassVar[dict[Identity | None, tuple[int, int]]] = {}  # descriptor, users

    def __init__(self, path: Path) -> None:
        """Open the file; a new one gets mode 0600."""
        with self._guard:
            identity = _identify(str(path))
            if identity not in self.open_files:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
                status = os.fstat(descriptor)
                identity = (status.st_dev, status.st_ino)
                self.open_files[identity] = (descriptor, 0)
            assert identity is not None
            self.identity: Identity = identity
            self.descriptor, users = self.open_files[identity]
            self.open_files[identity] = (self.descriptor, users + 1)

    def close(self) -> None:
        """Close the descriptor if this was its last user."""
        with self._guard:
            descriptor, users = self.open_files.pop(self.identity)
            if users > 1:
                self.open_files[self.identity] = (descriptor, users - 1)
            else:
                os.close(descriptor)


class FileWatch:
    """The files of one open database; ``close`` it after the database's connections."""

    def __init__(self, path: Path, file: HeldFile, *, has_wal: bool) -> None:
        self._path = path
        self._file = file
        self._has_wal = has_wal
        is_its_own = has_wal and os.path.realpath(path) == os.path.abspath(path)
        self._folder = os.path.dirname(os.path.abspath(path)) if is_its_own else None
        self._quiet: tuple[int, int, int] | None = None
        self._counter = 0
        self._short_size: int | None = (
            None  # the file's size at the last check, if it was too small
        )
        self._whole_size = os.fstat(
            file.descriptor
        ).st_size  # its size when it was last not too small
        self._looked_s = 0.0
        self._damage = ""
        self._is_logged = False
        self._keeper = sqlite3.connect(str(path), timeout=BUSY_S, check_same_thread=False)
        try:
            self._begin(has_wal=has_wal)
        except sqlite3.Error as error:
            self._keeper.close()
            raise DatabaseBusy(
                f"The database {str(path)!r} cannot be read ({error}). End the program that holds "
                "its lock, then start again."
            ) from error

    def _begin(self, *, has_wal: bool) -> None:
        path = self._path
        if has_wal:  # while a connection reads the WAL, SQLite neither removes nor remakes it
            self._keeper.execute("SELECT count(*) FROM sqlite_master").fetchone()
        companions = [Path(f"{path}{ending}") for ending in ("-wal", "-shm")] if has_wal else []
        self._files = {str(path): self._file.identity}
        self._files.update({str(file): _identify(str(file)) or (0, 0) for file in companions})

    def refuse_gone(self) -> None:
        """Raise DatabaseGone if a file was removed, replaced or overwritten."""
        folder = self._look_at_folder()
        if folder is None or folder != self._quiet:
            for path, opened_identity in self._files.items():
                identity = _identify(path)
                if identity != opened_identity:
                    self._refuse(path, "replaced by another file" if identity else "removed")
            self._quiet = folder
        now_s = time.monotonic()
        if now_s - self._looked_s >= HEADER_EVERY_S:
            self._looked_s = now_s
            self._damage = self._damage or self._look_at_header()
        if self._damage:
            self._refuse(str(self._path), self._damage)
        if self._is_logged:
            self._is_logged = False
            log.warning(Line("database.back", path=str(self._path)))

    def _look_at_folder(self) -> tuple[int, int, int] | None:
        """Return a value that is equal while no file of the folder comes or goes, or None.

        One check replaces three. Two changes may get the same time, so the value is None until the
        folder's last change is older than any clock's step.
        """
        if self._folder is None:
            return None
        try:
            status = os.stat(self._folder)
        except OSError:
            return None
        is_old = time.time_ns() - status.st_mtime_ns > QUIET_NS
        return (status.st_dev, status.st_ino, status.st_mtime_ns) if is_old else None

    def close(self) -> None:
        """End the watch's own connection and descriptor."""
        with suppress(sqlite3.Error):
            self._keeper.close()
        self._file.close()

    def _look_at_header(self) -> str:
        """Return how the file was changed in place; empty if SQLite may have left it so."""
        if not hasattr(os, "pread"):
            return ""  # Windows: no program can write to a file that SQLite has open
        header = os.pread(self._file.descriptor, HEADER_BYTES, 0)
        size = os.fstat(self._file.descriptor).st_size
        if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
            return "cut or overwritten"
        # https://www.sqlite.org/fileformat.html: page size, change counter, pages, valid for
        page_bytes = int.from_bytes(header[16:18], "big")
        counter, pages = (int.from_bytes(header[at : at + 4], "big") for at in (24, 28))
        is_short = header[92:96] == header[24:28] and size < pages * (page_bytes or 65536)
        # A checkpoint writes the first page first, and on a full disk no more than that: such a
        # file has not become smaller.
        is_cut = is_short and size == self._short_size and size < self._whole_size
        self._short_size = size if is_short and page_bytes != 1 else None
        self._whole_size = self._whole_size if is_short else size
        is_older = self._has_wal and counter < self._counter  # a rollback journal lowers it too
        self._counter = max(self._counter, counter)
        return "cut" if is_cut else "overwritten by an older one" if is_older else ""

    def _refuse(self, path: str, reason: str) -> None:
        if not self._is_logged:
            self._is_logged = True
            log.error(Line("database.gone", path=path, what=reason))
        raise DatabaseGone(
            f"The database's file {path!r} was {reason} while it was in use. Nothing is read or "
            "written any more, and this was not kept. End the Jupyter servers and workers that use "
            f"it; put {str(self._path)!r} back from a backup, without the old files that end with "
            "-wal and -shm (or leave all of them away to begin anew); then start again.",
            path=path,
        )


def _identify(path: str) -> Identity | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
