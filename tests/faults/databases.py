"""Where threads are kept, so that the same fault is shown on both databases."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.faults.laws import assert_file_is_whole, assert_rows_are_whole
from tests.faults.processes import eventually
from tests.postgres import Postgres

LEASE_S = 1.0
SWEEP_S = 0.25
LOCK_TABLE = "LOCK TABLE thread IN ACCESS EXCLUSIVE MODE"
LOCK_ROWS = "SELECT * FROM thread JOIN run ON run.thread = thread.pk FOR UPDATE"


class FaultyDatabase:
    """A database behind the servers' backs. ``settings`` make a process use it."""

    name = ""
    settings: dict[str, Any]

    def assert_whole(self) -> None:
        """Nothing is damaged, and every row is what its events say (L7)."""
        raise NotImplementedError

    def rows(self, sql: str) -> list[Any]:
        """Return what a SELECT gives."""
        raise NotImplementedError

    def locked(self) -> Any:
        """Hold what writers need, as a foreign program may."""
        raise NotImplementedError


class FaultySqlite(FaultyDatabase):
    """A file."""

    name = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = {"database_url": f"sqlite:///{path}", "sweep_interval_s": SWEEP_S}

    def assert_whole(self) -> None:
        assert_file_is_whole(self.path)

    def rows(self, sql: str) -> list[Any]:
        conn = sqlite3.connect(self.path)
        try:
            return conn.execute(sql).fetchall()
        finally:
            conn.close()

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the file's write lock, as a backup or a person with a shell may."""
        conn = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        try:
            conn.execute("BEGIN EXCLUSIVE").close()
            yield
            conn.execute("ROLLBACK").close()
        finally:
            conn.close()


class FaultyPostgres(FaultyDatabase):
    """A database of a Postgres that may be killed."""

    name = "postgres"

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.database = server.create_database()
        self.settings = {
            "database_url": server.url(self.database),
            "lease_s": LEASE_S,
            "sweep_interval_s": SWEEP_S,
        }

    def assert_whole(self) -> None:
        assert_rows_are_whole(self.settings["database_url"])

    def rows(self, sql: str) -> list[Any]:
        with self.server.connect(self.database) as conn:
            return conn.execute(sql).fetchall()

    @asynccontextmanager
    async def locked(self, statement: str = LOCK_TABLE) -> AsyncIterator[None]:
        """Hold the whole table of threads, or rows, as a migration or a person's shell may."""
        with self.server.connect(self.database, autocommit=False) as conn:
            conn.execute(statement)
            yield
            conn.rollback()

    async def outage(self, for_s: float = 0.0, *, gently: bool = False) -> None:
        """Kill the server or stop it at once, and start it again after so long."""
        loop = asyncio.get_running_loop()
        if gently:
            await loop.run_in_executor(None, self.server.stop, "immediate")
        else:
            await loop.run_in_executor(None, self.server.kill)
        await asyncio.sleep(for_s)
        await loop.run_in_executor(None, self.server.start)


def is_running(server: Postgres) -> bool:
    """Whether a Postgres was left running by the test before."""
    return server.process is not None and server.process.poll() is None


async def until_row(faulty_database: FaultyDatabase, sql: str, wanted: Any, what: str = "") -> None:
    """Wait until a SELECT gives these rows."""

    async def look() -> bool:
        return faulty_database.rows(sql) == wanted

    await eventually(look, what=what or sql)
