"""Opening the database of the settings, for commands that need no server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..shared.config import ChatStream
from ..shared.errors import DatabaseUnreadable
from ..store.front import ChatStore, parse_url

SCRATCH = (None, "", ":memory:")


@contextmanager
def opened(settings: ChatStream, *, migrates: bool = False) -> Iterator[ChatStore]:
    """Open the database; never create it.

    Args:
        migrates: whether a database of an older version is upgraded; a command that only reads
            leaves it.

    Raises:
        StoreError: there is no database, or it cannot be used; it is unchanged.
    """
    url = settings.resolved_database_url()
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database in SCRATCH:
            raise DatabaseUnreadable(
                "sqlite:// is kept by the server that made it, and by nobody else. Name a file "
                "with --ChatStream.database_url."
            )
        if not Path(parsed.database).exists():
            raise DatabaseUnreadable(
                f"There is no database at {parsed.database!r}. Name it with "
                "--ChatStream.database_url.",
                path=parsed.database,
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
