"""``attachments``: uploads as they arrive, and the bytes as downloads.

An upload is written while its body is read: ``data_received`` waits for each piece's commit, and
tornado reads no more of the body meanwhile. After a refusal the rest of the body is read and
dropped, like that of every other request.

No attachment is a page of Jupyter's origin: a browser gets it sandboxed, and shows nothing of it
but images. A text is served as ``text/plain``, whatever its own type is.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from tornado.iostream import StreamClosedError

from ..shared.errors import AttachmentNotFound, AttachmentTooLarge
from ..shared.media_types import IMAGES, is_text
from . import queries
from .base import ChatHandler, ClientGone, requires

if TYPE_CHECKING:
    from ..runs.uploads import Upload


class AttachmentsHandler(ChatHandler):
    """Takes the bytes of a new attachment."""

    def initialize(self) -> None:
        super().initialize()
        self._upload: Upload | None = None
        self._refusal: Exception | None = None

    async def data_received(self, chunk: bytes) -> None:
        """Write a chunk of the body, or drop it after a refusal."""
        if self._refusal is not None:
            return
        try:
            await (await self._begin_upload()).write(chunk)
        except Exception as error:  # noqa: BLE001  ``post`` raises it, when the body has been read
            self._refusal = error
            await self._abandon()

    @requires("write")
    async def post(self) -> None:
        try:
            if self._refusal is not None:
                raise self._refusal
            record = await (await self._begin_upload()).finish()
        except BaseException:
            await self._abandon()
            raise
        self.respond(record, 201)

    async def _begin_upload(self) -> Upload:
        if self._upload is None:
            await self.admit("write")
            length = self.request.headers.get("Content-Length", "")
            self._upload = self.service.upload(
                self.owner,
                name=queries.file_name(self),
                claimed_type=self.request.headers.get("Content-Type", ""),
                size=int(length) if length.isdigit() else None,
            )
        return self._upload

    async def _abandon(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            await upload.abandon()

    def on_connection_close(self) -> None:
        """Delete what has arrived of a body that was cut off."""
        self.host.hold(asyncio.ensure_future(self._abandon()))
        super().on_connection_close()

    def _too_large(self, size: int) -> AttachmentTooLarge:
        return AttachmentTooLarge(size, self.host.config.max_attachment_bytes)


class AttachmentHandler(ChatHandler):
    """The bytes of one attachment."""

    @requires("read", AttachmentNotFound)
    async def get(self, attachment_id: str) -> None:
        from ..export.formats import disposition

        attachment = await self.service.attachment(self.owner, attachment_id)
        type_ = attachment.record["type"]
        mode = "inline" if type_ in IMAGES else "attachment"
        shown_type = "text/plain; charset=utf-8" if is_text(type_) else type_
        self.set_header("Content-Type", shown_type)
        self.set_header("Content-Disposition", disposition(attachment.record["name"], mode))
        self.set_header("Content-Length", str(attachment.record["size"]))
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        async with aclosing(self.service.attachment_pieces(attachment)) as pieces:
            try:
                async for piece in pieces:
                    self.write(piece)
                    await self.flush()
            except StreamClosedError:
                raise ClientGone from None
            except AttachmentNotFound:
                if not self._headers_written:
                    raise
                self.detach().close()  # deleted meanwhile: the client sees a cut body
                return
        await self.finish()

    @requires("write", AttachmentNotFound)
    async def delete(self, attachment_id: str) -> None:
        self.check_no_body()
        await self.service.delete_attachment(self.owner, attachment_id)
        self.respond_nothing()
