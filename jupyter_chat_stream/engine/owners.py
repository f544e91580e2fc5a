"""Owners on one host: one lives as long as it holds the lock on its own file.

The operating system lets go of the lock when the process dies, however it dies; no clock is asked,
so a laptop may sleep. Files of the dead are removed by whoever finds them. Where owners are on many
hosts, a lease says who lives (leases.py).
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ..config import ChatStream
from ..errors import StoreError
from ..store.log import Connection
from ..store.store import Store
from .base import Owners
from .leases import LeaseOwners

if os.name == "posix":
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

else:
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True


Kind = Literal["server", "worker"]

# To lock a new file: somebody may just be looking whether a dead one has left it.
_TRIES, _PAUSE_S = 50, 0.001


def make_owners(
    store: Store, config: ChatStream, kind: Kind, on_expired: Callable[[], None]
) -> Owners:
    """Give the owners of a store's database; ``on_expired`` is called on the event loop."""
    if store.database.is_sqlite:
        folder = store.database.folder or Path(tempfile.gettempdir())
        return FileOwners(folder, store.new_id())
    return LeaseOwners(
        store.database,
        store.new_id(),
        kind=kind,
        lease_s=config.lease_s,
        on_expired=on_expired,
    )


class FileOwners:
    """The owners of one database on this host; this process is one of them."""

    def __init__(self, folder: Path, own: str) -> None:
        self.own = own
        self._folder = folder / "owners"
        self._descriptor: int | None = None

    async def open(self) -> None:
        """Take the own lock; remove what dead owners have left.

        Raises:
            StoreError: the folder's files cannot be locked.
        """
        self.lock()
        try:
            for path in self._folder.glob("*.lock"):
                self._is_held(path)
        except BaseException:
            self.unlock()
            raise

    def lock(self) -> None:
        """Take the own lock."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(self.own)
        for _ in range(_TRIES):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            if _lock(descriptor) and _is_there(descriptor, path):
                self._descriptor = descriptor
                return
            os.close(descriptor)
            time.sleep(_PAUSE_S)
        raise StoreError(
            f"Files in {str(self._folder)!r} cannot be locked, so nobody could tell "
            "whether this server lives. Put the database on a local disk with "
            "--ChatStream.database_url."
        )

    def is_alive(self, conn: Connection, owner: str) -> bool:
        """Try the owner's lock; who cannot be locked lives."""
        return owner == self.own or self._is_held(self._path(owner))

    def doubt(self) -> None:
        """Do nothing: a lock is held or not, whatever the time is."""

    async def close(self) -> None:
        """Let go of the own lock."""
        self.unlock()

    def unlock(self) -> None:
        """Let go of the own lock."""
        if self._descriptor is not None:
            _remove(self._path(self.own))
            os.close(self._descriptor)
            self._descriptor = None

    def _is_held(self, path: Path) -> bool:
        if path == self._path(self.own):
            return True
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            if not _lock(descriptor):
                return True
            _remove(path)
            return False
        finally:
            os.close(descriptor)

    def _path(self, owner: str) -> Path:
        return self._folder / f"{Path(owner).name}.lock"


def _is_there(descriptor: int, path: Path) -> bool:
    """Say whether this is still the file of that name: whoever took it for a dead one's is gone."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    # Windows removes no file that is open: it stays, empty, and locked by nobody
    with suppress(PermissionError):
        path.unlink(missing_ok=True)
