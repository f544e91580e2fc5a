"""What a Postgres needs: how to connect, and how to open it while others do the same.

Writers see what is committed at each statement (READ COMMITTED: lock first, then read); readers
one moment for all of an answer (REPEATABLE READ). Connections notice a server that is gone within
tens of seconds, however it went. A server that is not there yet is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError

from ...shared.errors import DatabaseUnreachable, DatabaseUnreadable
from .failures import AWAY_BACKOFF, is_unreachable, reason_of

DRIVER = "postgresql+psycopg"
MIN_VERSION = 15
OPEN_PATIENCE_S = 10.0
# libpq's, in seconds but for the last (ms)
_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('jupyter_chat_stream ' || current_schema()))"
# In these words the server refuses for good; it sends no code with them.
_FINAL = ("authentication failed", "does not exist", "no pg_hba.conf entry", "not permitted")


def with_driver(url: URL) -> URL:
    """Name the driver where the URL leaves it open."""
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername=DRIVER)
    return url


def options_for(url: URL) -> dict[str, Any]:
    """Give what each connection is opened with; what the URL says itself stands."""
    options = {
        **_PATIENCE,
        "application_name": "jupyter-chat-stream",
        "client_encoding": "utf8",
    }
    return {name: value for name, value in options.items() if name not in url.query}


def engine_options(url: URL, *, writes: bool, idle: int, most: int) -> dict[str, Any]:
    """Give the engine's options: of ``most`` connections it keeps ``idle`` when nothing is read."""
    if url.drivername != DRIVER:
        return {}
    common = {"connect_args": options_for(url)}
    if writes:  # transactions are begun by statements of ours (driver.begin_writing)
        return {**common, "isolation_level": "AUTOCOMMIT"}
    return {
        **common,
        "isolation_level": "REPEATABLE READ",
        "pool_size": idle,
        "max_overflow": most - idle,
    }


def open_patiently(engine: Engine, where: str, prepare: Callable[[Connection], Any]) -> str:
    """Prepare the tables, one process at a time; gives the schema they are in.

    Raises:
        DatabaseUnreachable: the server is not there, or does not let us in.
        DatabaseUnreadable: it is too old, or what we need is not allowed there.
        StoreError: what ``prepare`` raises.
    """
    deadline = time.monotonic() + OPEN_PATIENCE_S
    for pause_s in AWAY_BACKOFF.pauses():
        try:
            return _open(engine, prepare)
        except DatabaseError as error:
            if not is_unreachable(error):
                raise DatabaseUnreadable(
                    f"{where} cannot be used: {reason_of(error)}. It was left as it is: check what "
                    "its user may do, or name another with --ChatStream.database_url."
                ) from error
            is_final = any(words in str(error.orig) for words in _FINAL)
            if is_final or time.monotonic() + pause_s > deadline:
                raise DatabaseUnreachable(
                    f"{where} cannot be reached: {reason_of(error)}. Check that the server runs "
                    "and that --ChatStream.database_url names it, its user and its password."
                ) from error
            engine.dispose()
        time.sleep(pause_s)
    raise AssertionError("pauses have no end")


def _open(engine: Engine, prepare: Callable[[Connection], Any]) -> str:
    with engine.begin() as conn:
        _refuse_unfit(conn.connection.driver_connection)
        conn.execute(text(_LOCK))
        prepare(conn)
        return str(conn.execute(text("SELECT current_schema()")).scalar_one())


def _refuse_unfit(raw: Any) -> None:
    version = raw.info.server_version // 10_000
    if version < MIN_VERSION:
        raise DatabaseUnreadable(
            f"This Postgres is version {version}; chat-stream needs {MIN_VERSION} or newer."
        )
    encoding = raw.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise DatabaseUnreadable(
            f"This database keeps its text as {encoding}; chat-stream needs one made with "
            "ENCODING 'UTF8'."
        )
