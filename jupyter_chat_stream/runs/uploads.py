"""Stores the bytes of one attachment, from a client or from a server tool.

An upload keeps one piece in memory. The caller waits for each piece's commit before it reads more
of the body, so a fast client cannot fill the memory or the writer's queue. After each piece the
upload pauses for as long as the commit took, so that other commits get the writer at least half of
the time. During live answers, each upload writes at most ``LIVE_BYTES_PER_S``, because its bytes go
through the write-ahead log, and answers wait at each checkpoint of the log.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

from ..shared.errors import AttachmentTooLarge, InvalidInput, StoreError, UploadLost
from ..shared.media_types import TypeCheck
from ..shared.records import AttachmentRecord
from ..store.front import PIECE_BYTES, ChatStore, UploadRef

LIVE_BYTES_PER_S = 12 * 1024 * 1024


class Upload:
    """The bytes of one attachment: ``write`` them in order, then ``finish`` or ``abandon``.

    If the process ends before, housekeeping deletes the pieces after an hour.

    Args:
        check: checks the bytes against the claimed type.
        size: the most bytes of the upload.
        max_unsent_bytes: how many bytes the owner may have in attachments without a message.
        is_live: whether answers are being written now.
    """

    def __init__(
        self,
        store: ChatStore,
        owner: str,
        *,
        name: str,
        check: TypeCheck,
        size: int,
        max_unsent_bytes: int,
        is_live: Callable[[], bool],
    ) -> None:
        self._store = store
        self._owner = owner
        self._name = name
        self._check = check
        self._reserved = size
        self._max_unsent_bytes = max_unsent_bytes
        self._is_live = is_live
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._size = 0
        self._pieces = 0
        self._ref: UploadRef | None = None
        self._is_over = False
        self._write_lock = asyncio.Lock()  # a client may disconnect during a write

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes, and wait for the commit of each complete piece.

        Raises:
            AttachmentTooLarge, AttachmentTypeRefused, TooMuchUnsent, UploadLost
        """
        self._size += len(chunk)
        if self._size > self._reserved:
            raise AttachmentTooLarge(self._size, self._reserved)
        self._check.feed(chunk)
        self._hash.update(chunk)
        self._buffer += chunk
        async with self._write_lock:
            while len(self._buffer) >= PIECE_BYTES and not self._is_over:
                await self._add(PIECE_BYTES)

    async def finish(self) -> AttachmentRecord:
        """Make the attachment.

        Raises:
            InvalidInput: there are no bytes.
            AttachmentTypeRefused, TooMuchUnsent, UploadLost
        """
        if not self._size:
            raise InvalidInput("The body is empty: there is nothing to attach.", field="body")
        type_ = self._check.end()
        async with self._write_lock:
            if self._buffer:
                await self._add(len(self._buffer))
            if self._ref is None:
                raise UploadLost
            self._is_over = True
            return await self._store.attachments.finish(
                self._ref,
                self._owner,
                name=self._name,
                type_=type_,
                size=self._size,
                sha256=self._hash.hexdigest(),
            )

    async def abandon(self) -> None:
        """Delete the written pieces, unless the attachment is complete."""
        async with self._write_lock:
            self._is_over = True
            self._buffer.clear()
            ref, self._ref = self._ref, None
            if ref is not None:
                try:
                    await self._store.attachments.abandon(ref)
                except StoreError:
                    return  # the database is away or closed; housekeeping deletes the pieces

    async def _add(self, size: int) -> None:
        clock = asyncio.get_running_loop().time
        begun_s = clock()
        if self._ref is None:
            self._ref = await self._store.attachments.begin(
                self._owner, size=self._reserved, limit=self._max_unsent_bytes
            )
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        await self._store.attachments.add(self._ref, self._pieces, piece)
        self._pieces += 1
        taken_s = clock() - begun_s
        least_s = size / LIVE_BYTES_PER_S if self._is_live() else 0.0
        await asyncio.sleep(max(taken_s, least_s - taken_s))
