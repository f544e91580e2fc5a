"""Opening a database, and the connections to it: one that writes, a few that read.

SQLite is the default: the file has a write-ahead log (checkpoints.py) and mode 0600. ``sqlite://``
means a scratch file in a folder that ``close`` removes. postgres.py holds what Postgres needs. A
database that is unreadable, or not ours, is refused and left as it is.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import QueuePool

from ...shared.errors import (
    DatabaseBusy,
    DatabaseForeign,
    DatabaseGone,
    DatabaseTooNew,
    DatabaseTooOld,
    DatabaseUnreadable,
    StoreError,
)
from ...shared.files import close_to_others, refuse_unless_plain
from ...shared.folders import reason_of
from ...shared.logs import Line
from ...shared.records import DatabaseRecord
from . import driver, postgres
from .checkpoints import Checkpoints
from .failures import Outage, explain
from .failures import reason_of as reason_in
from .migrations import migrate, refuse_older
from .network import COMMIT_EVERY_S, OneHost, is_on_network
from .notices.base import Notices
from .notices.postgres import Listener
from .notices.sqlite import Peers
from .urls import display_url, parse_url
from .watch import FileWatch, HeldFile

log = logging.getLogger("jupyter_chat_stream.store")

# A commit writes whole pages. Bytes written for each byte of an answer in pieces of five bytes
# (measured): 1300 with SQLite's 4096, 830 with this, and less CPU if many threads are live.
PAGE_BYTES = 2048
BUSY_TIMEOUT_MS = 10_000
BUSY_PAUSE_S = 0.02
READERS = 3

# SQLite's words for an error of the disk or the folder, not of the file's content.
_NOT_THE_CONTENT = ("unable to open", "readonly", "disk is full", "disk I/O error")


class Database:
    """One open database: an engine to write with and one to read with."""

    _open_to_others: tuple[str, ...] = ()  # paths to which other users keep access

    def __init__(
        self,
        url: str,
        *,
        synchronous: str = "NORMAL",
        network_disk: bool | None = False,
        is_light: bool = False,
        migrates: bool = True,
        now_ms: int,
    ) -> None:
        _keep_rows_out_of_logs()
        self.url: URL = parse_url(url)
        self._synchronous = synchronous
        self._idle_readers = 1 if is_light else READERS
        self.scratch: Path | None = None
        self._schema = ""
        self._host: OneHost | None = None
        self._file: HeldFile | None = None
        self._watch: FileWatch | None = None
        self.outage = Outage("database")
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._prepare_file(network_disk)
        try:
            self.writing = self._engine(writes=True, size=1)
            self.reading = self._engine(writes=False, size=READERS)
            self._open(now_ms if migrates else None)
            has_wal = self.is_sqlite and not self.is_on_network
            self._watch = self._make_watch(has_wal=has_wal)
        except BaseException:
            self.close()
            raise
        self._checkpoints = Checkpoints(self.path) if has_wal and self.path else None

    @property
    def path(self) -> Path | None:
        """The database's file; None if it is not a file."""
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    @property
    def is_on_network(self) -> bool:
        """Whether the file is on a network disk, which one host uses at a time."""
        return self._host is not None

    @property
    def commit_every_s(self) -> float:
        """The shortest time between two commits."""
        return COMMIT_EVERY_S if self.is_on_network else 0.0

    @property
    def folder(self) -> Path | None:
        """The folder of files that belong to the database, such as the owners' locks."""
        return self.path.parent if self.path else None

    def describe(self) -> DatabaseRecord:
        """Describe the database for logs and status, without its password."""
        record: DatabaseRecord = {
            "backend": self.url.get_backend_name(),
            "url": "sqlite://" if self.scratch else display_url(self.url),
            "durable": not self.scratch,
        }
        if self._open_to_others:
            record["open_to_others"] = list(self._open_to_others)
        return record

    @property
    def driver_error(self) -> type[Exception]:
        """The base class of the driver's errors."""
        kind: type[Exception] = self.writing.dialect.loaded_dbapi.Error
        return kind

    def connect_listening(self) -> Any:
        """Open a connection of the driver itself, on which each statement is a transaction."""
        arguments, options = self.writing.dialect.create_connect_args(self.url)
        options = {**options, **postgres.options_for(self.url), "autocommit": True}
        return self.writing.dialect.connect(*arguments, **options)

    def make_notices(self) -> Notices:
        """Make the notices of commits between the processes with this database."""
        if self.scratch:
            return Notices()
        return Peers(Path(str(self.path))) if self.is_sqlite else Listener(self, self._schema)

    def _make_watch(self, *, has_wal: bool) -> FileWatch | None:
        if self._file is None or self.path is None:
            return None
        return FileWatch(self.path, self._file, has_wal=has_wal)

    def refuse_gone(self) -> None:
        """Raise DatabaseGone if the files are not those that were opened; takes a few µs."""
        if self._watch is not None:
            self._watch.refuse_gone()

    def explain(self, error: Exception) -> Exception:
        """Turn a database's error into one of ours. If the file is gone, that is the cause."""
        try:
            self.refuse_gone()
        except DatabaseGone as gone_error:
            return gone_error
        return explain(error)

    def close(self) -> None:
        """Close every connection, and remove a scratch database."""
        if getattr(self, "_checkpoints", None):
            self._checkpoints.stop()  # type: ignore[union-attr]
        for name in ("reading", "writing"):
            engine = getattr(self, name, None)
            if engine is not None:
                engine.dispose()
        for resource in (self._watch or self._file, self._host):
            if resource is not None:
                resource.close()
        self._watch = self._file = self._host = None
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _prepare_file(self, network_disk: bool | None) -> None:
        if self.url.database in (None, "", ":memory:"):
            self.scratch = Path(tempfile.mkdtemp(prefix="chat-stream-"))
            self.url = self.url.set(database=str(self.scratch / "chat.db"))
            self._synchronous = "OFF"
        path = Path(str(self.url.database)).absolute()
        self.url = self.url.set(database=str(path))
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_on_network(path.parent) if network_disk is None else network_disk:
                self._host = OneHost(path.parent)
            self._refuse_odd_files(path)
            self._file = HeldFile(path)
            self._close_to_others(path)
        except OSError as error:
            raise self._cannot_open(reason_of(error)) from error

    def _refuse_odd_files(self, path: Path) -> None:
        for file in _files_of(path):
            refuse_unless_plain(file)

    def _close_to_others(self, path: Path) -> None:
        """Take other users' access to the file and its companions, or log what they still have."""
        is_open = [str(file) for file in _files_of(path) if not close_to_others(file)]
        folder = path.parent
        # A folder with another name holds other files too: warn only if others may write there.
        is_own = folder.name == "chat-stream"
        if not close_to_others(folder, is_ours=is_own, bits=0o077 if is_own else 0o022):
            is_open.append(str(folder))
        for name in is_open:
            log.warning(Line("file.open_to_others", path=name))
        self._open_to_others = tuple(is_open)

    def _engine(self, *, writes: bool, size: int) -> Engine:
        options: dict[str, object] = {
            "pool_size": size,
            "max_overflow": 0,
            "poolclass": QueuePool,
            "hide_parameters": True,  # an error's text may reach a log, and parameters hold answers
        }
        if self.is_sqlite:
            options["connect_args"] = {
                "check_same_thread": False,
                "isolation_level": None,
                "timeout": BUSY_TIMEOUT_MS / 1000,
            }
        else:
            idle = min(size, self._idle_readers)
            pool_options = postgres.engine_options(self.url, writes=writes, idle=idle, size=size)
            options.update(pool_options)
        try:
            engine = create_engine(self.url, **options)
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise DatabaseUnreadable(
                f"There is no driver for {self.url.drivername!r} databases here. For Postgres: "
                "pip install 'jupyter-chat-stream[postgres]'."
            ) from error
        if not self.is_sqlite and self.url.drivername != postgres.DRIVER:
            raise DatabaseUnreadable(
                f"{self.url.drivername!r} databases are not known here. Write the URL as "
                "sqlite:////folder/chat.db or postgresql+psycopg://user@host/name."
            )
        if self.is_sqlite:
            self._teach_sqlite(engine)
        if self.is_sqlite or writes:
            _begin_with(engine, driver.begin_sql(is_sqlite=self.is_sqlite, writes=writes))
        return engine

    def _teach_sqlite(self, engine: Engine) -> None:
        pragmas = (
            f"PRAGMA page_size={PAGE_BYTES}",  # of a file that is still empty
            f"PRAGMA synchronous={self._synchronous}",
            "PRAGMA wal_autocheckpoint=0",
            "PRAGMA journal_size_limit=0",  # a restarted log is truncated: its size tells its age
            "PRAGMA foreign_keys=ON",
            "PRAGMA temp_store=MEMORY",
        )

        @event.listens_for(engine, "connect")
        def on_connect(raw: sqlite3.Connection, record: Any) -> None:
            raw.text_factory = driver.decode
            for pragma in pragmas:
                raw.execute(pragma).close()
            if not raw.execute("PRAGMA page_count").fetchone()[0]:
                # The file can then shrink step by step; it costs 1 to 3 % more writes.
                raw.execute("PRAGMA auto_vacuum=INCREMENTAL").close()

    def _open(self, now_ms: int | None) -> None:
        def prepare(conn: Connection) -> None:
            if now_ms is None:
                refuse_older(conn)
            else:
                migrate(conn, now_ms)

        try:
            if not self.is_sqlite:
                self._schema = postgres.open_patiently(self.writing, display_url(self.url), prepare)
                return
            with self.writing.begin() as conn:
                prepare(conn)
            self._use_journal("DELETE" if self.is_on_network else "WAL")
        except (DatabaseForeign, DatabaseTooNew, DatabaseTooOld) as error:
            raise type(error)(f"{display_url(self.url)}: {error.message}", **error.facts) from None
        except OperationalError as error:
            if "locked" in str(error):
                raise DatabaseBusy(
                    "Another program holds the database's lock. End it, then start again."
                ) from error
            raise self._unreadable(error) from error
        except DatabaseError as error:
            raise self._unreadable(error) from error

    def _use_journal(self, mode: str) -> None:
        # The mode is written into the file's header, so the file must be ours by now.
        raw = self.writing.raw_connection()
        deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
        try:
            while not self._has_switched(raw.cursor(), mode, time.monotonic() >= deadline):
                time.sleep(BUSY_PAUSE_S)
        finally:
            raw.close()

    def _has_switched(self, cursor: Any, mode: str, is_last: bool) -> bool:
        # SQLite's own timeout does not apply here, so try again while others open the file too.
        try:
            cursor.execute(f"PRAGMA journal_mode={mode}").close()
        except sqlite3.OperationalError as error:
            if is_last or "locked" not in str(error):
                raise DatabaseBusy(
                    "Another program holds the database's lock. End it, then start again."
                ) from error
            return False
        return True

    def _cannot_open(self, reason: str) -> DatabaseUnreadable:
        return DatabaseUnreadable(
            f"The database {str(self.path)!r} cannot be opened: {reason}. Check the folder, its "
            "permissions and the disk's free space, or name another with "
            "--ChatStream.database_url.",
            path=str(self.path),
        )

    def _unreadable(self, error: Exception) -> StoreError:
        reason = reason_in(error)
        if self.is_sqlite and any(words in reason for words in _NOT_THE_CONTENT):
            return self._cannot_open(f"{reason}, in {str(self.folder)!r}")
        return DatabaseUnreadable(
            f"{display_url(self.url)} is not a database this package can read "
            f"({type(error).__name__}). It was left as it is: restore a backup, or name another "
            "with --ChatStream.database_url."
        )


def _files_of(path: Path) -> list[Path]:
    """Return the database's file and SQLite's files beside it."""
    return [Path(f"{path}{end}") for end in ("", "-wal", "-shm", "-journal")]


def _begin_with(engine: Engine, sql: str) -> None:
    @event.listens_for(engine, "begin")
    def on_begin(conn: Connection) -> None:
        driver.begin(conn, sql)


def _keep_rows_out_of_logs() -> None:
    # At DEBUG, SQLAlchemy logs the rows it reads. Only the logger's own level may turn that on.
    logger = logging.getLogger("sqlalchemy.engine")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
