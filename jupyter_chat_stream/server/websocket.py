"""The WebSocket: many threads on one socket (docs/protocol.md, Following).

Each feed is a task whose reader delivers frames into the outbox of the socket. When the outbox is
full, the reader stops and continues later from its cursor, so an unread socket holds at most 256 kB
(L8). The socket responds to a bad frame with an error and stays open. Closing it cancels all of its
tasks; runs go on.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Coroutine
from typing import Any, NamedTuple

import tornado
from jupyter_server.base.websocket import WebSocketMixin
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..shared.errors import ChatStreamError, Forbidden, InvalidInput, LimitReached, ThreadNotFound
from ..shared.events import dumps
from ..shared.json_objects import JsonObject
from . import queries
from .base import ChatMixin, requires
from .offers import MAX_OFFER_BYTES, SocketOffers, read_offer
from .outbox import Outbox
from .refusals import InvalidJson, error_response

MAX_FRAME_BYTES = 64 * 1024
MAX_SUBSCRIPTIONS = 256
# Tornado ends the connection over a larger frame; a smaller one over the bound gets an error.
MAX_MESSAGE_BYTES = 1024 * 1024


class SocketFeed:
    """The feed of one thread, or of the list of threads, on one socket."""

    def __init__(self, outbox: Outbox) -> None:
        self.task: asyncio.Task[None] | None = None
        self.drained = outbox.drained
        self.outbox = outbox
        self._has_ended = False

    def take(self, text: str) -> bool:
        return not self._has_ended and self.outbox.post(text, self)

    def end(self) -> None:
        """Stop the feed and drop its unsent frames."""
        self._has_ended = True
        if self.task is not None:
            self.task.cancel()
        self.outbox.withdraw(self)


class ChatSocket(WebSocketMixin, WebSocketHandler, ChatMixin):
    """The WebSocket of one page or one kernel, which follows its threads."""

    def initialize(self) -> None:
        self.feeds: dict[str, SocketFeed] = {}
        self._list_feed: SocketFeed | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._offers = SocketOffers()
        self.outbox = Outbox(
            self.write_frames, lambda held_bytes: self.service.socket_paused(held_bytes)
        )

    @requires("read")
    async def get(self) -> None:
        headers = self.request.headers
        is_websocket = headers.get("Upgrade", "").lower() == "websocket"
        if not (is_websocket and headers.get("Sec-WebSocket-Key")):
            raise InvalidInput("This address speaks WebSocket only; GET threads/{id}/events else.")
        if not self.check_origin():
            raise Forbidden("Sockets are not opened to another origin (ServerApp.allow_origin).")
        await super().get()

    @property
    def ping_interval(self) -> float:
        """The seconds between tornado's pings; Jupyter's setting is in ms, for its own pings."""
        return float(super().ping_interval) / 1000

    @property
    def ping_timeout(self) -> float:
        """The seconds to wait for a pong; tornado before 6.5 counts them from the last pong."""
        return self.ping_interval * (1 if tornado.version_info >= (6, 5) else 3)

    @property
    def max_message_size(self) -> int:
        return MAX_MESSAGE_BYTES

    def open(self) -> None:
        self.set_nodelay(True)
        self._keep(self._tend())

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.host.hold(task)
        return task

    def on_close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.host.hold(asyncio.ensure_future(self._offers.end()))

    async def _tend(self) -> None:
        """Send heartbeats; close the socket when this task is cancelled."""
        try:
            while True:
                await asyncio.sleep(self.host.heartbeat_s)
                if not self.outbox.held_bytes:
                    self._keep(self._send('{"op":"heartbeat"}'))
        finally:
            self.close(1001, "the server stops")  # no effect on a closed socket

    async def on_message(self, message: str | bytes) -> None:
        """Handle one frame; tornado reads the next one after this one's response is sent."""
        thread_id = None
        try:
            fields = read_frame(message)
            if fields.get("op") == "offer":
                await self._offer(fields)
                return
            frame = parse_frame(fields)
            op, thread_id = frame.op, frame.thread_id
            if op == "ping":
                await self._send('{"op":"pong"}')
            elif op in ("watch", "unwatch"):
                self._take_list(op)
            else:
                queries.an_id(thread_id, ThreadNotFound)
                self._take(frame)
        except ChatStreamError as error:
            await self._send_error(error, thread_id or error.facts.get("thread_id"))

    async def _offer(self, frame: JsonObject) -> None:
        """Write what an executor offers. An error names the thread, and is none of its feed."""
        thread = frame.get("thread")
        try:
            await self.admit("execute")
            offer = read_offer(frame)
            queries.an_id(offer.thread_id, ThreadNotFound)
            await self._offers.put(self.service, self.owner, offer)
            await self._send(dumps({"op": "offered", "thread": offer.thread_id}))
        except ChatStreamError as error:
            thread_id = thread if isinstance(thread, str) else None
            await self._send_error(error, thread_id, to="offer")

    def _take(self, frame: ClientFrame) -> None:
        thread_id = frame.thread_id
        old_feed = self.feeds.pop(thread_id, None)
        if old_feed is not None:
            old_feed.end()
        if frame.op == "unsubscribe":
            return
        if len(self.feeds) >= MAX_SUBSCRIPTIONS:
            raise LimitReached(
                f"This socket follows {MAX_SUBSCRIPTIONS} threads already; "
                "unsubscribe from one, or open another socket.",
                retry_after_s=1,
            )
        feed = self.feeds[thread_id] = SocketFeed(self.outbox)
        feed.task = self._keep(self._follow(feed, frame))

    def _take_list(self, op: str) -> None:
        if self._list_feed is not None:
            self._list_feed.end()
            self._list_feed = None
        if op == "watch":
            feed = self._list_feed = SocketFeed(self.outbox)
            feed.task = self._keep(self._watch(feed))

    async def _watch(self, feed: SocketFeed) -> None:
        try:
            await self.service.watch(self.owner, feed)
        except (WebSocketClosedError, StreamClosedError):
            return
        except Exception as error:  # noqa: BLE001 - the page gets it; the socket stays
            await self._send_error(error, None, feed)

    async def _follow(self, feed: SocketFeed, frame: ClientFrame) -> None:
        thread_id, after = frame.thread_id, frame.after
        try:
            reader = await self.service.follow(self.owner, thread_id, after)
            try:
                if frame.previews and after == 0:
                    preview = await self.service.preview(reader)
                    if preview is not None:
                        feed.take(preview)  # a full socket goes without it
                await reader.pour(feed)
            finally:
                reader.close()
        except (WebSocketClosedError, StreamClosedError):
            return
        except Exception as error:  # noqa: BLE001 - the thread's reader gets it; the socket stays
            await self._send_error(error, thread_id, feed)
        finally:
            if self.feeds.get(thread_id) is feed:
                del self.feeds[thread_id]

    async def _send_error(
        self,
        error: BaseException,
        thread_id: str | None,
        sender: SocketFeed | None = None,
        to: str | None = None,
    ) -> None:
        frame: dict[str, object] = {"op": "error"} if to is None else {"op": "error", "to": to}
        if thread_id is not None:
            frame["thread"] = thread_id[:128]
        frame["error"] = error_response(error, status=500, log=self.log).error
        await self._send(dumps(frame), sender)

    def write_frames(self, texts: list[str]) -> asyncio.Future[None]:
        # One system call for all frames: tornado's own method makes one for each.
        connection = self.ws_connection
        if connection is None or connection.is_closing() or connection.stream is None:
            raise WebSocketClosedError
        return connection.stream.write(b"".join(map(encode_frame, texts)))

    def get_compression_options(self) -> None:
        """Use no compression: frames are sent unchanged."""

    async def _send(self, text: str, sender: SocketFeed | None = None) -> None:
        try:
            await self.outbox.send(text, sender)
        except (WebSocketClosedError, StreamClosedError):
            return


def encode_frame(text: str) -> bytes:
    """Encode a server's text frame (RFC 6455: final, not masked)."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


class ClientFrame(NamedTuple):
    """A client's frame. ``previews``: whether it wants a preview of a long thread."""

    op: str
    thread_id: str = ""
    after: int = 0
    previews: bool = False


def read_frame(message: str | bytes) -> JsonObject:
    """Read a client's frame as an object; raises InvalidInput."""
    size = 0 if isinstance(message, bytes) else len(message.encode())
    if isinstance(message, bytes) or size > MAX_OFFER_BYTES:
        raise InvalidInput(f"A frame is JSON text of at most {MAX_FRAME_BYTES} bytes.")
    try:
        frame = json.loads(message)
    except (ValueError, RecursionError):
        raise InvalidJson("This frame is not JSON.") from None
    if not isinstance(frame, dict):
        frame = {}
    if size > MAX_FRAME_BYTES and frame.get("op") != "offer":
        raise InvalidInput(f"A frame is JSON text of at most {MAX_FRAME_BYTES} bytes.")
    return frame


def parse_frame(frame: JsonObject) -> ClientFrame:
    """Return a client's frame, unless it is an offer; raises InvalidInput."""
    op = frame.get("op")
    if op in ("ping", "watch", "unwatch"):
        return ClientFrame(op=str(op))
    if op not in ("subscribe", "unsubscribe"):
        raise InvalidInput(
            "A frame is an object whose 'op' is 'subscribe', 'unsubscribe', 'watch', 'unwatch', "
            "'offer' or 'ping'.",
            field="op",
        )
    thread_id, after = frame.get("thread"), frame.get("after", 0)
    if not isinstance(thread_id, str):
        raise InvalidInput("'thread' must be a thread's id.", field="thread")
    is_whole = isinstance(after, int) and not isinstance(after, bool)
    if not is_whole or not 0 <= after <= queries.MAX_CURSOR:
        raise InvalidInput(
            f"'after' must be a whole number from 0 to {queries.MAX_CURSOR}.",
            field="after",
            thread_id=thread_id[:128],
        )
    previews = frame.get("preview", False)
    if not isinstance(previews, bool):
        raise InvalidInput(
            "'preview' must be true or false.", field="preview", thread_id=thread_id[:128]
        )
    return ClientFrame(op=op, thread_id=thread_id, after=after, previews=previews)
