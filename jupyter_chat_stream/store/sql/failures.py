"""What a database raised: whose fault it is, whether it passes, and what to tell.

Three kinds pass by themselves. *Unreachable*: the connection or the server went away, so the same
again is right once it is back, but for a COMMIT that was under way (log/outcome.py). *Races*:
another process did the same at the same moment; the same again sees what it did. *Busy*: a lock was
not to be had in time. Everything else is told at once, without the statement's parameters.
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

# Of Postgres' codes (SQLSTATE): the server ends, starts, ended this connection or takes no more.
_AWAY = {"57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "25006", "53300"}
_AWAY_CLASS = "08"
# There is no such table, schema, database; who connects to one that is not there gets no code.
_GONE = {"42P01", "3F000", "3D000"}
_NO_DATABASE = re.compile(r'database ".*" does not exist')
_LOCK_TIMEOUT = "55P03"
_UNIQUE = "23505"
_ROLLED_BACK_CLASS = "40"  # deadlock, serialisation

AWAY_BACKOFF = Backoff(first_s=0.05, most_s=2.0)  # while a database is away


def sqlstate(error: BaseException) -> str | None:
    """Give Postgres' code of an error; None where the server did not send one."""
    code: str | None = getattr(getattr(error, "orig", None), "sqlstate", None)
    return code


def is_unreachable(error: BaseException) -> bool:
    """Say whether it is the connection, or the server as a whole, that failed."""
    if not isinstance(error, DBAPIError) or not _is_postgres(error):
        return False
    if is_gone(error):
        return False
    code = sqlstate(error)
    if code is None:  # the driver's own word: no connection, or one that broke
        return isinstance(error, OperationalError) or error.connection_invalidated
    return code in _AWAY or code.startswith(_AWAY_CLASS)


def is_gone(error: BaseException) -> bool:
    """Return whether the database, its schema or its tables are not there any more."""
    if not isinstance(error, DBAPIError):
        return False
    if not _is_postgres(error):
        return "no such table" in reason_of(error)
    code = sqlstate(error)
    return code in _GONE if code else _NO_DATABASE.search(reason_of(error)) is not None


def is_race(error: BaseException) -> bool:
    """Say whether the same again may well succeed, because another process was first."""
    code = sqlstate(error) or ""
    return code == _UNIQUE or code.startswith(_ROLLED_BACK_CLASS)


def reason_of(error: BaseException) -> str:
    """Give a database's own words, without what may quote a row."""
    return str(getattr(error, "orig", error)).partition("\n")[0]


def explain(error: Exception) -> Exception:
    """Turn what a database raised into an error of ours, without the statement's parameters."""
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
            f"The database refused ({type(error.orig).__name__}: {reason_of(error)}); nothing was "
            "written. Check the disk and the database's state, then try again."
        )
    if isinstance(error, SQLAlchemyError):
        return StoreError(f"The database could not be used ({type(error).__name__}). Try again.")
    return error


def _is_postgres(error: DBAPIError) -> bool:
    return type(error.orig).__module__.startswith("psycopg")


class Outage:
    """Whether something is away: one line when it goes, one when it is back."""

    def __init__(self, what: str, level: int = logging.WARNING) -> None:
        self._what = what
        self._level = level
        self._lock = threading.Lock()
        self._since_s: float | None = None
        self.count = 0  # of outages so far

    def begin(self, error: BaseException) -> None:
        """Note a failure; only an outage's first one is told."""
        with self._lock:
            if self._since_s is not None:
                return
            self._since_s = time.monotonic()
        kind: Any = getattr(error, "orig", error)
        self.count += 1
        log.log(self._level, Line("away", what=self._what, error=type(kind).__name__))

    def end(self) -> None:
        """Note a success."""
        if self._since_s is None:  # every commit passes here
            return
        with self._lock:
            since_s, self._since_s = self._since_s, None
        if since_s is not None:
            away_s = time.monotonic() - since_s
            log.log(self._level, Line("back", what=self._what, after_s=away_s))
