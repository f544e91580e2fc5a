"""Exports a thread into a temporary file, which is then sent to the client; writes saved copies.

The file has no name, and disappears when it is closed. So a long thread needs little memory, and a
slow client holds no read transaction.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, cast

from ..export.formats import Format, file_name
from ..export.saved_copies import saved_copy
from ..export.source import Source
from ..shared.errors import StoreError
from ..shared.events import iso
from ..shared.records import CopyExtent, SavedCopy
from ..store.front import WholeThread
from .base import ServiceBase

IN_MEMORY_BYTES = 1024 * 1024
# After this many bytes the writing pauses, so that the event loop can deliver events.
BYTES_BETWEEN_PAUSES = 32 * 1024
PAUSE_S = 0.002


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A complete file, to be read from its start and then closed."""

    file: IO[bytes]
    name: str
    size: int


class Exports(ServiceBase):
    """Exports threads as files, one at a time; other exports wait. So do saved copies."""

    _lock: asyncio.Lock | None = None
    _copy_lock: asyncio.Lock | None = None

    async def export(self, owner: str, thread_id: str, document_format: Format) -> Exported:
        """Write a thread in its current state.

        Raises:
            StoreError: the temporary file cannot be written.
        """
        self._lock = self._lock or asyncio.Lock()
        has_left = threading.Event()

        def work(thread: WholeThread) -> Exported:
            source = Source(thread, at=iso(self._now_ms()))
            return write(source, document_format, has_left=has_left.is_set)

        async with self._lock:
            try:
                return await self.store.threads.export(owner, thread_id, work)
            finally:
                has_left.set()

    async def saved_copy(
        self, owner: str, thread_id: str, extent: CopyExtent, *, run_id: str | None = None
    ) -> SavedCopy:
        """Write the saved copy of a thread on a reading thread: it may take half a second.

        Raises:
            RunNotFound: the thread has no such run.
        """
        # One at a time, so that long copies do not keep all reading threads busy.
        self._copy_lock = self._copy_lock or asyncio.Lock()
        async with self._copy_lock:
            copy = self.store.threads.export(
                owner, thread_id, lambda thread: saved_copy(thread, extent, run_id)
            )
            work = asyncio.ensure_future(copy)
            try:
                return await asyncio.shield(work)
            finally:
                await asyncio.wait([work])  # it goes on if the client has left


def write(source: Source, document_format: Format, *, has_left: Callable[[], bool]) -> Exported:
    """Write the pieces into a file without a name; stop early if the client has left."""
    file = cast("IO[bytes]", tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES))  # noqa: SIM115
    try:
        pause_at = BYTES_BETWEEN_PAUSES
        for piece in document_format.pieces(source):
            if has_left():
                break
            file.write(piece.encode())
            if file.tell() >= pause_at:
                pause_at = file.tell() + BYTES_BETWEEN_PAUSES
                time.sleep(PAUSE_S)
        size = file.tell()
        file.seek(0)
    except OSError as error:
        file.close()
        raise StoreError(
            f"The temporary file of the export cannot be written ({error.strerror}). Make room in "
            "the folder for temporary files, or name another in TMPDIR."
        ) from error
    except BaseException:
        file.close()
        raise
    return Exported(file=file, name=file_name(source.info, document_format.suffix), size=size)
