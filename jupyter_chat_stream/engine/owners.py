"""Whether an owner lives, on one host: it does as long as it holds the lock on its own file.

The operating system lets go of the lock when the process dies, however it dies; no clock is asked,
so a laptop may sleep. Files of the dead are removed by whoever finds them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..errors import StoreError

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


class Owners:
    """The owners of one database on this host; this process is one of them."""

    def __init__(self, folder: Path, own: str) -> None:
        self.own = own
        self._folder = folder / "owners"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(self._path(own), os.O_RDWR | os.O_CREAT, 0o600)
        if not _lock(self._descriptor):
            raise StoreError(
                f"Files in {str(self._folder)!r} cannot be locked, so nobody could tell "
                "whether this server lives. Put the database on a local disk with "
                "--ChatStream.database_url."
            )

    def is_alive(self, owner: str) -> bool:
        """Try the owner's lock; who cannot be locked lives."""
        if owner == self.own:
            return True
        path = self._path(owner)
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

    def close(self) -> None:
        """Let go of the own lock."""
        _remove(self._path(self.own))
        os.close(self._descriptor)

    def _path(self, owner: str) -> Path:
        return self._folder / f"{Path(owner).name}.lock"


def _remove(path: Path) -> None:
    # Windows removes no file that is open: it stays, empty, and locked by nobody
    with suppress(PermissionError):
        path.unlink(missing_ok=True)
