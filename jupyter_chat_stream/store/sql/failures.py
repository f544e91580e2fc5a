"""Errors of databases: which are temporary, and which error the caller gets.

Three kinds are temporary. *Unreachable*: the connection or the server is away. A retry is right
once it is back, except for a COMMIT that was under way (log/outcome.py). *Race*: another process
did the same at the same moment; a retry sees its result. *Busy*: the wait for a lock timed out.
Every other error reaches the caller at once, without the statement's parameters.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from typing import Any

from sqlalchemy.exc import DataError, DBAPIError, OperationalError, SQLAlchemyError

from ...shared.backoff import Backoff
from ...shared.errors import (
    DatabaseBusy,
    DatabaseGone,
    DatabaseUnreachable,
    InvalidInput,
    StoreError,
)
from ...shared.logs import Line

log = logging.getLogger("jupyter_chat_stream.store")

# Postgres' codes (SQLSTATE) for a server that is shutting down or starting, that closed this
# connection, or that has no free connection.
_AWAY = {"57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "25006", "53300"}
_AWAY_CLASS = "08"
# No such table, schema or database. A connection to a missing database fails without a code.
_GONE = {"42P01", "3F000", "3D000"}
_NO_DATABASE = re.compile(r'database ".*" does not exist')
_LOCK_TIMEOUT = "55P03"
_UNIQUE = "23505"
_ROLLED_BACK_CLASS = "40"  # deadlock, serialisation

AWAY_BACKOFF = Backoff(first_s=0.05, max_s=2.0)  # while a database is away


def sqlstate(error: BaseException) -> str | None:
    """Return Postgres' code of an error; None if the server sent none."""
    code: str | None = getattr(getattr(error, "orig", None), "sqlstate", None)
    return code


def is_unreachable(error: BaseException) -> bool:
    """Return whether the connection or the server failed."""
    if not isinstance(error, DBAPIError) or not _is_postgres(error):
        return False
    if is_gone(error):
        return False
    code = sqlstate(error)
    if code is None:  # an error of the driver: no connection, or a broken one
        return isinstance(error, OperationalError) or error.connection_invalidated
    return code in _AWAY or code.startswith(_AWAY_CLASS)


def is_gone(error: BaseException) -> bool:
    """Return whether the database, its schema or its tables no longer exist."""
    if not isinstance(error, DBAPIError):
        return False
    if not _is_postgres(error):
        return "no such table" in reason_of(error)
    code = sqlstate(error)
    return code in _GONE if code else _NO_DATABASE.search(reason_of(error)) is not None


def is_race(error: BaseException) -> bool:
    """Return whether a retry may succeed, because another process was first."""
    code = sqlstate(error) or ""
    return code == _UNIQUE or code.startswith(_ROLLED_BACK_CLASS)


def reason_of(error: BaseException) -> str:
    """Return the first line of a database's message; further lines may quote a row."""
    return str(getattr(error, "orig", error)).partition("\n")[0]


def explain(error: Exception) -> Exception:
    """Turn a database's error into one of ours, without the statement's parameters."""
    is_locked = isinstance(error, OperationalError) and "locked" in str(error.orig)
    if is_locked or sqlstate(error) == _LOCK_TIMEOUT:
        return DatabaseBusy(
            "Another program holds the database's lock too long; nothing was written. Try again."
        )
    if is_unreachable(error):
        return DatabaseUnreachable(
            f"The database cannot be reached ({type(error.orig).__name__}). "  # type: ignore[attr-defined]
            "Nothing is lost; try again when it is back."
        )
    if is_gone(error):
        return DatabaseGone(
            f"The database, or the chat's tables in it, were removed while it was in use "
            f"({reason_of(error)}). Restore a backup, or let the next start make new tables; then "
            "start the Jupyter servers and workers that use it again."
        )
    if isinstance(error, DataError):
        return InvalidInput(
            "The database cannot hold a text or number that was given, for example one with "
            "U+0000 in it; nothing was written."
        )
    if isinstance(error, DBAPIError):
        return StoreError(
            f"The database refused the statement ({type(error.orig).__name__}: "
            f"{reason_of(error)}); nothing was written. Check the disk and the database's state, "
            "then try again."
        )
    if isinstance(error, SQLAlchemyError):
        return StoreError(f"The database could not be used ({type(error).__name__}). Try again.")
    return error


def _is_postgres(error: DBAPIError) -> bool:
    return type(error.orig).__module__.startswith("psycopg")


class Outage:
    """Logs one line when something goes away, and one when it is back."""

    def __init__(self, subject: str, level: int = logging.WARNING) -> None:
        self._subject = subject
        self._level = level
        self._lock = threading.Lock()
        self._since_s: float | None = None
        self.count = 0  # of outages so far

    def begin(self, error: BaseException) -> None:
        """Note a failure; only the first one of an outage is logged."""
        with self._lock:
            if self._since_s is not None:
                return
            self._since_s = time.monotonic()
        kind: Any = getattr(error, "orig", error)
        self.count += 1
        log.log(self._level, Line("away", what=self._subject, error=type(kind).__name__))

    def end(self) -> None:
        """Note a success."""
        if self._since_s is None:  # every commit passes here
            return
        with self._lock:
            since_s, self._since_s = self._since_s, None
        if since_s is not None:
            away_s = time.monotonic() - since_s
            log.log(self._level, Line("back", what=self._subject, after_s=away_s))
