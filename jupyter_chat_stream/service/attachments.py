"""Attachments: the commands of their owners, and their bytes as they are read."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from ..runs.uploads import Upload
from ..shared.errors import AttachmentTooLarge
from ..shared.media_types import TypeCheck
from ..store.front import MAX_PER_MESSAGE, PIECE_BYTES, StoredAttachment
from .base import ServiceBase


class Attachments(ServiceBase):
    """Commands on attachments."""

    def upload(self, owner: str, *, name: str, claimed_type: str, size: int | None) -> Upload:
        """Begin an upload.

        Args:
            claimed_type: the media type that the client names; the bytes are checked against it.
            size: the number of bytes that the client announces. None: as many as one may have.

        Raises:
            AttachmentTooLarge, AttachmentTypeRefused
        """
        max_bytes = self.config.max_attachment_bytes
        if size is not None and size > max_bytes:
            raise AttachmentTooLarge(size, max_bytes)
        return Upload(
            self.store,
            owner,
            name=name,
            check=TypeCheck(claimed_type, name),
            size=max_bytes if size is None else size,
            max_unsent_bytes=MAX_PER_MESSAGE * max_bytes,
            is_live=lambda: self.subsystems.engine.active > 0,
        )

    async def attachment(self, owner: str, attachment_id: str) -> StoredAttachment:
        """Find an attachment of the owner's; raises AttachmentNotFound for any other."""
        return await self.store.attachments.find(owner, attachment_id)

    async def attachment_pieces(self, attachment: StoredAttachment) -> AsyncGenerator[bytes, None]:
        """Yield the bytes, one piece at a time, each read in its own transaction."""
        for n in range(-(-attachment.record["size"] // PIECE_BYTES)):
            yield await self.store.attachments.piece(attachment, n)

    async def delete_attachment(self, owner: str, attachment_id: str) -> None:
        """Delete an attachment that no message holds."""
        await self.store.attachments.delete(owner, attachment_id)
