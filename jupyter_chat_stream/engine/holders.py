"""Holders on one host: a holder lives as long as it has the lock on its own file.

The operating system releases the lock when the process dies in any way. No clock is read, so a
laptop may sleep. A process that finds an unlocked file removes it. A missing file does not prove a
death, because the folder may have been cleaned. So each holder checks its file every ``LOOK_S`` and
makes it again. A holder whose file is missing, but was never found unlocked, counts as dead only
after ``MISSING_S`` (L10). A holder locks a draft and renames it: its file is never found unlocked.
On many hosts leases show which holders live (leases.py).
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
from .base import Holders
from .leases import LeaseHolders

if os.name == "posix":
    import fcntl

    def try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

else:
    import msvcrt

    def try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True


log = logging.getLogger("jupyter_chat_stream.engine")

LOOK_S = 1.0
MISSING_S = 5.0  # a living holder checks its file five times in this time

HolderKind = Literal["server", "worker"]

# How often a draft is locked, and the pause between: another process may be testing its lock.
_TRIES, _PAUSE_S = 50, 0.001
# Windows cannot rename an open file: there the file is made and locked in two steps.
DRAFT = ".draft" if os.name == "posix" else ".lock"


def make_holders(
    store: ChatStore, config: ChatStream, kind: HolderKind, on_expired: Callable[[], None]
) -> Holders:
    """Make the holders of a store's database; ``on_expired`` is called on the event loop."""
    if store.is_sqlite:
        folder = store.folder or Path(tempfile.gettempdir())
        return FileHolders(folder, store.new_id())
    lease = store.claims.lease(store.new_id(), kind, config.lease_s)
    return LeaseHolders(lease, on_expired=on_expired)


class FileHolders:
    """The holders of one database on this host; this process is one of them."""

    look_s = LOOK_S

    def __init__(
        self, folder: Path, own_name: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.own_name = own_name
        self._folder = folder / "owners"
        self._descriptor: int | None = None
        self._clock = clock
        self._with_file: set[str] = set()  # holders whose files were found
        self._missing_since: dict[str, float] = {}
        self._keeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take this process's lock, and remove the files of dead holders.

        Raises:
            StoreError: the folder's files cannot be locked.
        """
        try:
            self.lock()
            for holder in self._list_holders():
                if self.is_held(self._path(holder)) is False:
                    self._with_file.discard(holder)
            for draft in self._folder.glob(f"*{DRAFT}"):
                self.is_held(draft)
        except OSError as error:
            self.unlock()
            raise self._refusal(reason_of(error)) from error
        except BaseException:
            self.unlock()
            raise
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        """Make this process's file again if it was removed: the file shows that it lives."""
        while True:
            await asyncio.sleep(self.look_s)
            self._list_holders()
            if self._descriptor is None or _is_there(self._descriptor, self._path(self.own_name)):
                continue
            try:
                self.lock()
            except (OSError, StoreError) as error:  # the next look tries again
                log.error(Line("owner.not_locked", owner=self.own_name, error=type(error).__name__))
            else:
                log.warning(Line("owner.locked_again", owner=self.own_name))

    def lock(self) -> None:
        """Take this process's lock; a lock on a file that was removed is released."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, old_descriptor = self._path(self.own_name), self._descriptor
        draft = path.with_suffix(DRAFT)
        for _ in range(_TRIES):
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT, 0o600)
            if try_lock(descriptor) and _rename_draft(descriptor, draft, path):
                self._descriptor = descriptor
                if old_descriptor is not None:
                    os.close(old_descriptor)
                return
            os.close(descriptor)
            time.sleep(_PAUSE_S)
        raise self._refusal("they cannot be locked")

    def _refusal(self, reason: str) -> StoreError:
        return StoreError(
            f"Files in {str(self._folder)!r} cannot be used as locks ({reason}), so no other "
            "process could tell whether this server lives. Make the folder one that you can write "
            "to, with free space, or put the database on another local disk with "
            "--ChatStream.database_url.",
            path=str(self._folder),
        )

    def is_alive(self, leases: LeaseReader, holder: str) -> bool:
        """Try the holder's lock; if the lock is held, the holder lives."""
        if holder == self.own_name:
            return True
        is_held = self.is_held(self._path(holder))
        if is_held is None:
            now_s = self._clock()
            since_s = self._missing_since.setdefault(holder, now_s)
            return holder in self._with_file and now_s - since_s < MISSING_S
        self._missing_since.pop(holder, None)
        if is_held:
            self._with_file.add(holder)
        else:  # On Windows, a holder that has just made its file may lock it a moment later.
            self._with_file.discard(holder)
        return is_held

    def _list_holders(self) -> list[str]:
        """Note which holders have a file."""
        holders = [path.stem for path in self._folder.glob("*.lock")]
        self._with_file.update(holders)
        return holders

    def presume_alive(self) -> None:
        """Do nothing: whether a lock is held does not depend on the time."""

    async def close(self) -> None:
        """Release this process's lock."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None
        self.unlock()

    def unlock(self) -> None:
        """Release this process's lock, and remove its file."""
        if self._descriptor is not None:
            _remove(self._path(self.own_name))
            os.close(self._descriptor)
            self._descriptor = None

    def is_held(self, path: Path) -> bool | None:
        """Try a lock, and remove the file of a dead holder; None if there is no file."""
        if path == self._path(self.own_name):
            return True
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            if not try_lock(descriptor):
                return True
            _remove(path)
            return False
        finally:
            os.close(descriptor)

    def _path(self, holder: str) -> Path:
        return self._folder / f"{Path(holder).name}.lock"


def _rename_draft(descriptor: int, draft: Path, path: Path) -> bool:
    """Rename a locked draft; False if another process took it for a dead holder's file."""
    if draft != path:
        try:
            draft.rename(path)
        except FileNotFoundError:
            return False
    return _is_there(descriptor, path)


def _is_there(descriptor: int, path: Path) -> bool:
    """Return whether the descriptor is the file of that name: others may have replaced it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    # Windows cannot remove an open file. It stays: empty, and locked by no process.
    with suppress(PermissionError):
        path.unlink(missing_ok=True)
