"""Attachments: uploading, reading and deleting them."""

from __future__ import annotations

from ...shared.records import AttachmentRecord
from ..chat import attachments
from ..chat.attachments import UploadRef
from .verbs import Group, reads, writes


class StoredAttachments(Group):
    """The attachments of a database."""

    begin = writes(attachments.begin)
    add = writes(attachments.add)
    find = reads(attachments.find)
    content = reads(attachments.read_content)
    piece = reads(attachments.read_piece)

    _finish = writes(attachments.finish)
    _abandon = writes(attachments.abandon)
    _drop_piece = writes(attachments.drop_piece)
    _delete_unsent = writes(attachments.delete_unsent)

    async def record(self, owner: str, attachment_id: str) -> AttachmentRecord:
        """Read an attachment without its bytes; raises AttachmentNotFound."""
        return (await self.find(owner, attachment_id)).record

    async def finish(
        self, upload: UploadRef, owner: str, *, name: str, type_: str, size: int, sha256: str
    ) -> AttachmentRecord:
        """Make the attachment of a whole upload (``chat.attachments.finish``)."""
        attachment = await self._finish(
            upload, owner, name=name, type_=type_, size=size, sha256=sha256
        )
        if attachment.blob != upload.blob:
            await self._drop(upload.blob)
        return attachment.record

    async def abandon(self, upload: UploadRef) -> None:
        """End an upload, and delete its pieces."""
        await self._abandon(upload)
        await self._drop(upload.blob)

    async def delete(self, owner: str, attachment_id: str) -> None:
        """Delete an attachment that no message holds.

        Raises:
            AttachmentNotFound
            AttachmentInUse: a message holds it.
        """
        blob = await self._delete_unsent(owner, attachment_id)
        if blob is not None:
            await self._drop(blob)

    async def _drop(self, blob: int) -> None:
        # One piece in each transaction; if this process ends before, housekeeping goes on.
        while await self._drop_piece(blob):
            pass
