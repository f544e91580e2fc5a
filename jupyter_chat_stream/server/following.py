"""Following over plain HTTP: server-sent events, JSON at once, and JSON by long poll."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tornado.iostream import StreamClosedError

from ..shared.errors import ChatStreamError, ThreadNotFound
from . import queries
from .base import ChatHandler, ClientGone, requires
from .refusals import StartFailed

if TYPE_CHECKING:
    from ..following.hub import Reader


class EventsHandler(ChatHandler):
    """``threads/{id}/events``. It counts as no activity: an open page keeps no server alive."""

    _track_activity = False

    @requires("read", ThreadNotFound)
    async def get(self, thread_id: str) -> None:
        after = queries.cursor(self)
        raw = queries.flag(self, "raw")
        if not queries.wants_stream(self):
            wait_s = queries.seconds(self, "wait")
            page = self.service.read_events(self.owner, thread_id, after, raw=raw, wait_s=wait_s)
            self.respond(await self.unless_gone(page))
            return
        reader = await self.service.follow(self.owner, thread_id, after, raw=raw)
        try:
            await self.unless_gone(self._stream(reader))
        except StreamClosedError:
            raise ClientGone from None
        except StartFailed:  # the server is stopping; the reader will reconnect
            if not self._headers_written:
                raise
        finally:
            reader.close()

    async def _stream(self, reader: Reader) -> None:
        """Send each frame after the network has taken the last one (L8)."""
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # nginx would buffer the stream
        await self.flush()
        arriving = asyncio.ensure_future(reader.next())
        try:
            while True:
                await asyncio.wait({arriving}, timeout=self.host.heartbeat_s)
                if not arriving.done():
                    self.write(": heartbeat\n\n")
                    await self.flush()
                    continue
                try:
                    frame = arriving.result()
                except ChatStreamError:
                    return  # the reader reconnects and gets the error then
                if frame.sse:
                    self.write(frame.sse)
                    await self.flush()
                if frame.op == "closed":
                    return
                arriving = asyncio.ensure_future(reader.next())
                await asyncio.sleep(0)  # let other tasks run between two frames
        finally:
            arriving.cancel()
