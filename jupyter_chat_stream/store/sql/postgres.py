"""Postgres: how to connect, and how to open the tables while other processes do the same.

A writer locks first and then sees, at each statement, all that is committed (READ COMMITTED). A
reader sees one moment in all its statements (REPEATABLE READ). A connection notices within tens of
seconds that its server is gone. Opening waits for a server that is not there yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError

from ...shared.errors import DatabaseUnreachable, DatabaseUnreadable
from .failures import AWAY_BACKOFF, is_unreachable, reason_of

DRIVER = "postgresql+psycopg"
MIN_VERSION = 15
OPEN_PATIENCE_S = 10.0
# Settings of libpq, in seconds; the last one is in ms.
_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('jupyter_chat_stream ' || current_schema()))"
# A message with one of these means that a retry is useless. The server sends no code with them.
_FINAL = ("authentication failed", "does not exist", "no pg_hba.conf entry", "not permitted")


def with_driver(url: URL) -> URL:
    """Name the driver if the URL does not."""
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername=DRIVER)
    return url


def options_for(url: URL) -> dict[str, str | int]:
    """Return the options of each connection; the URL's options take precedence."""
    options: dict[str, str | int] = {
        **_PATIENCE,
        "application_name": "jupyter-chat-stream",
        "client_encoding": "utf8",
    }
    return {name: value for name, value in options.items() if name not in url.query}


def engine_options(url: URL, *, writes: bool, idle: int, size: int) -> Mapping[str, object]:
    """Return the engine's options: at most ``size`` connections, ``idle`` of them kept open."""
    if url.drivername != DRIVER:
        return {}
    common = {"connect_args": options_for(url)}
    if writes:  # driver.begin_writing sends the statement that begins a transaction
        return {**common, "isolation_level": "AUTOCOMMIT"}
    return {
        **common,
        "isolation_level": "REPEATABLE READ",
        "pool_size": idle,
        "max_overflow": size - idle,
    }


def open_patiently(engine: Engine, url_text: str, prepare: Callable[[Connection], Any]) -> str:
    """Prepare the tables, one process at a time; returns the name of their schema.

    Raises:
        DatabaseUnreachable: the server does not answer, or refuses the connection.
        DatabaseUnreadable: the server is too old, or refuses a permission that we need.
        StoreError: from ``prepare``.
    """
    deadline = time.monotonic() + OPEN_PATIENCE_S
    for pause_s in AWAY_BACKOFF.pauses():
        try:
            return _open(engine, prepare)
        except DatabaseError as error:
            if not is_unreachable(error):
                raise DatabaseUnreadable(
                    f"{url_text} cannot be used: {reason_of(error)}. It was left as it is: check "
                    "what its user may do, or name another with --ChatStream.database_url."
                ) from error
            is_final = any(words in str(error.orig) for words in _FINAL)
            if is_final or time.monotonic() + pause_s > deadline:
                raise DatabaseUnreachable(
                    f"{url_text} cannot be reached: {reason_of(error)}. Check that the server runs "
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
