"""Reading databases' URLs and SQLite files' paths without mistaking one file for another.

In a URL ``%20`` is a blank and ``?`` begins options; in a path they are themselves. People write
either after ``sqlite:///``, so the folder that exists decides. If both exist, or the URL has
options, the URL is refused rather than another file opened.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ...shared.errors import DatabaseUnreadable
from ...shared.folders import sqlite_url
from . import postgres

SQLITE = ("sqlite://", "sqlite+pysqlite://")
IN_MEMORY = ("", ":memory:")


def parse_url(url: str) -> URL:
    """Read a database's URL, or the path of an SQLite file.

    Raises:
        DatabaseUnreadable: the text is neither, or may mean two files.
    """
    scheme = next((prefix for prefix in SQLITE if url.startswith(prefix)), None)
    if scheme is not None:
        return _sqlite(url[len(scheme) :])
    if os.path.isabs(url) and "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        return postgres.with_driver(make_url(url))
    except ArgumentError:  # its text quotes the URL, which may hold a password
        raise DatabaseUnreadable(
            "The database's URL cannot be read. Write it as sqlite:////folder/chat.db or "
            "postgresql+psycopg://user@host/name in --ChatStream.database_url."
        ) from None


def display_url(url: URL) -> str:
    """Write a URL without password and options, in the form that ``parse_url`` reads."""
    if url.get_backend_name() == "sqlite" and url.database:
        return sqlite_url(Path(url.database))
    return url.set(query={}).render_as_string(hide_password=True)


def _sqlite(address: str) -> URL:
    if address and not address.startswith("/"):
        raise DatabaseUnreadable(
            f"'sqlite://{address}' names a host, and an SQLite file has none. Write three slashes "
            "and the path: sqlite:////folder/chat.db."
        )
    raw_path = address[1:]
    if raw_path in IN_MEMORY:
        return URL.create("sqlite", database=raw_path or None)
    path = unquote(raw_path, errors="surrogateescape")
    other_reading = path if path != raw_path else raw_path.partition("?")[0]
    if other_reading != raw_path and _is_there(raw_path, other_reading):
        if path != raw_path and _is_there(path, raw_path):
            raise DatabaseUnreadable(
                f"'sqlite:///{raw_path}' may be {path!r} or {raw_path!r}, and both are there. "
                f"Write {sqlite_url(Path(path))!r} for the first in --ChatStream.database_url, "
                "and the path alone, without sqlite:///, for the second."
            )
        path = raw_path
    elif "?" in raw_path:
        raise DatabaseUnreadable(
            f"The URL 'sqlite:///{raw_path}' has options after its '?', and SQLite files have none "
            "here. Where the question mark belongs to the path write %3F, or the path alone, "
            "without sqlite:///, in --ChatStream.database_url."
        )
    return URL.create("sqlite", database=path)


def _is_there(path: str, other_path: str) -> bool:
    """Return whether the first folder exists that only this one of two readings names."""
    parts, other_parts = path.split("/"), other_path.split("/")
    differs = (
        n
        for n, (name, other_name) in enumerate(zip(parts, other_parts, strict=False))
        if name != other_name
    )
    folders = parts[: next(differs, len(parts) - 2) + 1] or ["."]
    return os.path.lexists("/".join(folders) or "/")
