"""Opening the configured database, for commands that need no server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..shared.config import ChatStream
from ..shared.errors import DatabaseUnreadable
from ..store.front import ChatStore, parse_url

SCRATCH = (None, "", ":memory:")


@contextmanager
def open_database(settings: ChatStream, *, migrates: bool = False) -> Iterator[ChatStore]:
    """Open the database; never creates one.

    Args:
        migrates: whether to upgrade a database of an older version. A command that only reads
            does not.

    Raises:
        StoreError: the database is missing or unusable; it is unchanged.
    """
    url = settings.resolved_database_url()
    parsed_url = parse_url(url)
    if parsed_url.get_backend_name() == "sqlite":
        if parsed_url.database in SCRATCH:
            raise DatabaseUnreadable(
                "sqlite:// is the scratch database of the server that made it; no other process "
                "can read it. Name a file with --ChatStream.database_url."
            )
        if not Path(parsed_url.database).exists():
            raise DatabaseUnreadable(
                f"There is no database at {parsed_url.database!r}. Name it with "
                "--ChatStream.database_url.",
                path=parsed_url.database,
            )
    store = ChatStore.open(
        url,
        synchronous=settings.synchronous,
        network_disk=settings.network_disk,
        migrates=migrates,
    )
    try:
        yield store
    finally:
        store.close()
