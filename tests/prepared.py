"""Databases that hold the tables of this version and nothing else, made as copies.

To make the tables takes 32 ms of a processor in SQLite and 170 ms in Postgres (measured), and
thousands of tests begin with an empty chat. What a process does with a database that has no table
is tested in tests/store/sql, and by every server that a test starts as a process.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from jupyter_chat_stream.store.store import Store
from tests.clock import Clock
from tests.postgres import Postgres


def prepare_sqlite(path: Path) -> str:
    """Write an empty database to a path where there is no file yet; return its URL."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(_SQLITE)
    return f"sqlite:///{path}"


def prepare_postgres(server: Postgres) -> str:
    """Make a database that others are copied from; return its name."""
    name = server.create_database()
    Store.open(server.url(name), now_ms=Clock()).close()
    return name


def _made() -> bytes:
    with tempfile.TemporaryDirectory(prefix="chat-stream-") as folder:
        path = Path(folder) / "chat.db"
        Store.open(f"sqlite:///{path}", now_ms=Clock()).close()
        return path.read_bytes()


# Made with the import: no test has changed anything by then.
_SQLITE = _made()
