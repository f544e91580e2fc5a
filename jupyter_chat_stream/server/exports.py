"""``threads/{id}/export``: a thread as a download. ``threads/{id}/copy``: its saved copy."""

from __future__ import annotations

from typing import cast

from tornado.iostream import StreamClosedError

from ..shared.errors import RunNotFound, ThreadNotFound
from ..shared.records import CopyExtent
from . import queries
from .base import ChatHandler, ClientGone, requires

CHUNK_BYTES = 64 * 1024


class ExportHandler(ChatHandler):
    """Write the file first, then send it as fast as the network takes it."""

    @requires("read", ThreadNotFound)
    async def get(self, thread_id: str) -> None:
        from ..export.formats import disposition, find_format

        name, events = queries.text(self, "format"), queries.flag(self, "events")
        document_format = find_format(name, events=events and name == "json")
        exported = await self.unless_gone(
            self.service.export(self.owner, thread_id, document_format)
        )
        with exported.file:
            self.set_header("Content-Type", document_format.media_type)
            self.set_header("Content-Disposition", disposition(exported.name))
            self.set_header("Content-Length", str(exported.size))
            self.set_header("Cache-Control", "no-store")
            self.set_header("X-Content-Type-Options", "nosniff")
            # A browser that shows the file must not run its scripts.
            self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
            try:
                while chunk := exported.file.read(CHUNK_BYTES):
                    self.write(chunk)
                    await self.flush()
            except StreamClosedError:
                raise ClientGone from None
        await self.finish()


class CopyHandler(ChatHandler):
    """The text that a notebook file keeps of a thread."""

    @requires("read", ThreadNotFound)
    async def get(self, thread_id: str) -> None:
        extent = cast(CopyExtent, queries.one_of(self, "extent", ("all", "last")))
        run_id = queries.text(self, "run_id", max_chars=128)
        if run_id is not None:
            run_id = queries.an_id(run_id, RunNotFound)
        copy = self.service.saved_copy(self.owner, thread_id, extent, run_id=run_id)
        self.respond(await self.unless_gone(copy))
