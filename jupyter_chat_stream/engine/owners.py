"""Owners on one host: one lives as long as it holds the lock on its own file.

The operating system lets go of the lock when the process dies, however it dies; no clock is asked,
so a laptop may sleep. Files of the dead are removed by whoever finds them. A file that was
seen here and is missing proves no death: the folder may have been cleaned. So each owner looks
at its file every ``LOOK_S`` and makes it again, and an owner whose file went, but was never
found unlocked, counts as dead only after ``MISSING_S`` (L10). An owner locks a draft and renames
it, so that nobody finds its file unlocked. On many hosts a lease says who lives (leases.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ..shared.config import ChatStream
from ..shared.errors import StoreError
from ..shared.folders import reason_of
from ..shared.logs import Line
from ..store.front import ChatStore, LeaseReader
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


log = logging.getLogger("jupyter_chat_stream.engine")

LOOK_S = 1.0
MISSING_S = 5.0  # five looks of an owner that lives

Kind = Literal["server", "worker"]

# To lock a draft: somebody may just be looking whether a dead owner has left it.
_TRIES, _PAUSE_S = 50, 0.001
# Windows renames no file that is open: there the file is made and locked in two steps.
_DRAFT = ".draft" if os.name == "posix" else ".lock"


def make_owners(
    store: ChatStore, config: ChatStream, kind: Kind, on_expired: Callable[[], None]
) -> Owners:
    """Make the owners of a store's database; ``on_expired`` is called on the event loop."""
    if store.is_sqlite:
        folder = store.folder or Path(tempfile.gettempdir())
        return FileOwners(folder, store.new_id())
    lease = store.claims.lease(store.new_id(), kind, config.lease_s)
    return LeaseOwners(lease, on_expired=on_expired)


class FileOwners:
    """The owners of one database on this host; this process is one of them."""

    look_s = LOOK_S

    def __init__(
        self, folder: Path, own: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.own = own
        self._folder = folder / "owners"
        self._descriptor: int | None = None
        self._clock = clock
        self._seen: set[str] = set()  # owners whose files were there
        self._missing_since: dict[str, float] = {}
        self._keeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take the own lock; remove what dead owners have left.

        Raises:
            StoreError: the folder's files cannot be locked.
        """
        try:
            self.lock()
            for owner in self._look_around():
                if self._is_held(self._path(owner)) is False:
                    self._seen.discard(owner)
            for draft in self._folder.glob(f"*{_DRAFT}"):
                self._is_held(draft)
        except OSError as error:
            self.unlock()
            raise self._refusal(reason_of(error)) from error
        except BaseException:
            self.unlock()
            raise
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        """Make the own file again where it was removed: others take it for a sign of life."""
        while True:
            await asyncio.sleep(self.look_s)
            self._look_around()
            if self._descriptor is None or _is_there(self._descriptor, self._path(self.own)):
                continue
            try:
                self.lock()
            except (OSError, StoreError) as error:  # at the next look, perhaps
                log.error(Line("owner.not_locked", owner=self.own, error=type(error).__name__))
            else:
                log.warning(Line("owner.locked_again", owner=self.own))

    def lock(self) -> None:
        """Take the own lock; one on a file that was removed is given up for it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, old = self._path(self.own), self._descriptor
        draft = path.with_suffix(_DRAFT)
        for _ in range(_TRIES):
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT, 0o600)
            if _lock(descriptor) and _put(descriptor, draft, path):
                self._descriptor = descriptor
                if old is not None:
                    os.close(old)
                return
            os.close(descriptor)
            time.sleep(_PAUSE_S)
        raise self._refusal("they cannot be locked")

    def _refusal(self, reason: str) -> StoreError:
        return StoreError(
            f"Files in {str(self._folder)!r} cannot be used as locks ({reason}), so nobody could "
            "tell whether this server lives. Make the folder one that you can write to, with free "
            "space, or put the database on another local disk with --ChatStream.database_url.",
            path=str(self._folder),
        )

    def is_alive(self, leases: LeaseReader, owner: str) -> bool:
        """Try the owner's lock; who cannot be locked lives."""
        if owner == self.own:
            return True
        is_held = self._is_held(self._path(owner))
        if is_held is None:
            now_s = self._clock()
            since_s = self._missing_since.setdefault(owner, now_s)
            return owner in self._seen and now_s - since_s < MISSING_S
        self._missing_since.pop(owner, None)
        if is_held:
            self._seen.add(owner)
        else:  # Not for good: on Windows an owner that has just made its file has yet to lock it.
            self._seen.discard(owner)
        return is_held

    def _look_around(self) -> list[str]:
        """Note which owners have a file."""
        found = [path.stem for path in self._folder.glob("*.lock")]
        self._seen.update(found)
        return found

    def doubt(self) -> None:
        """Do nothing: a lock is held or not, whatever the time is."""

    async def close(self) -> None:
        """Let go of the own lock."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None
        self.unlock()

    def unlock(self) -> None:
        """Let go of the own lock."""
        if self._descriptor is not None:
            _remove(self._path(self.own))
            os.close(self._descriptor)
            self._descriptor = None

    def _is_held(self, path: Path) -> bool | None:
        """Try a lock, and remove the file of a dead owner; None where there is no file."""
        if path == self._path(self.own):
            return True
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            if not _lock(descriptor):
                return True
            _remove(path)
            return False
        finally:
            os.close(descriptor)

    def _path(self, owner: str) -> Path:
        return self._folder / f"{Path(owner).name}.lock"


def _put(descriptor: int, draft: Path, path: Path) -> bool:
    """Rename a locked draft; False if another process took it for a dead owner's file."""
    if draft != path:
        try:
            draft.rename(path)
        except FileNotFoundError:
            return False
    return _is_there(descriptor, path)


def _is_there(descriptor: int, path: Path) -> bool:
    """Return whether the descriptor is still the file of that name: others may remove it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    # Windows removes no file that is open: it stays, empty, and locked by nobody
    with suppress(PermissionError):
        path.unlink(missing_ok=True)
