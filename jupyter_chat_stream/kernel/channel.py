"""One WebSocket to the server, and the followers that it carries.

::

    open ──► subscribe every follower ──► fold frames ──► ended ──► pause ──► open

A channel lives while it carries a follower, and ``LINGER_S`` longer. It carries at most
``MOST_FOLLOWERS``, fewer than the server accepts on one socket: for more threads the link opens
another channel.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping

from tornado.websocket import WebSocketClientConnection, WebSocketError

from ..shared.connection_file import Connection
from ..shared.errors import ChatStreamError
from ..shared.records import WireFrame
from . import rest
from .follower import Follower
from .tools.offers import is_answer

MOST_FOLLOWERS = 200
LINGER_S = 3.0  # a loop that makes one chat after another needs only one socket
ASK_AGAIN_S = 1.0
SILENCE_S = 45.0  # how long the server may send nothing
LASTED_S = 6.0  # a socket that was open for longer, more than any try takes, resets the backoff


class Channel:
    """A socket that is kept open, and its followers. Everything runs on the link's loop.

    Args:
        find: returns the server's address.
        on_lost: called when the socket has ended: the server must be found again.
    """

    def __init__(
        self, find: Callable[[], Awaitable[Connection]], on_lost: Callable[[], None]
    ) -> None:
        self.followers: dict[str, Follower] = {}
        self.socket: WebSocketClientConnection | None = None
        self._find = find
        self._on_lost = on_lost
        self._heard_at = 0.0
        self._is_ending = False  # cancelled, although its task may need some turns to end
        self._loop = asyncio.get_running_loop()
        self._send_tasks: set[asyncio.Task[None]] = set()
        self.task = self._loop.create_task(self._keep_socket())
        self.task.add_done_callback(self._socket_failed)

    @property
    def is_open(self) -> bool:
        """Whether the channel still works; a failed channel carries no follower."""
        return not (self._is_ending or self.task.done())

    @property
    def can_add(self) -> bool:
        return self.is_open and len(self.followers) < MOST_FOLLOWERS

    def add(self, follower: Follower) -> None:
        self.followers[follower.thread_id] = follower
        self._say_soon(follower.request())

    def remove(self, follower: Follower) -> None:
        """Drop a follower; a channel without followers ends after ``LINGER_S``."""
        if self.followers.get(follower.thread_id) is not follower:
            return
        del self.followers[follower.thread_id]
        self._say_soon({"op": "unsubscribe", "thread": follower.thread_id})
        if follower.offer is not None and not follower.offer.is_empty:
            self._say_soon(follower.offer.withdrawal())
        if not self.followers:
            self._loop.call_later(LINGER_S, self._end_if_idle)

    def offer_soon(self, follower: Follower) -> None:
        """Send a follower's offer; a socket that opens later gets it then."""
        if self.socket is not None and follower.offer is not None:
            self._say_soon(follower.offer.request())

    def _end_if_idle(self) -> None:
        if not self.followers:
            self._is_ending = True
            self.task.cancel()

    def _say_soon(self, frame: Mapping[str, object]) -> None:
        task = self._loop.create_task(self._say(frame))
        self._send_tasks.add(task)
        task.add_done_callback(self._send_tasks.discard)

    async def _say(self, frame: Mapping[str, object]) -> None:
        if self.socket is None:
            return  # every follower asks again when the socket is open
        try:
            await self.socket.write_message(json.dumps(frame))
        except WebSocketError:
            self.socket = None

    async def _keep_socket(self) -> None:
        """Keep a socket open while this task lives."""
        tries = 0
        while True:
            start = time.monotonic()
            try:
                await self._use_socket()
            except ChatStreamError as error:
                for follower in list(self.followers.values()):
                    follower.trouble(error)
            self._on_lost()
            tries = 0 if time.monotonic() - start > LASTED_S else tries + 1
            await asyncio.sleep(rest.RETRY_BACKOFF.pause_s(tries))

    def _socket_failed(self, task: asyncio.Task[None]) -> None:
        """End every follower with an unforeseen error."""
        if task.cancelled() or task.exception() is None:
            return
        for follower in self.followers.values():
            follower.end(ChatStreamError(f"Following failed: {task.exception()!r}."))

    async def _use_socket(self) -> None:
        """Open the socket, ask for every thread, and fold the frames until the socket ends."""
        socket = await rest.open_socket(await self._find())
        self._heard_at = self._loop.time()
        self.socket = socket
        for follower in self.followers.values():
            if follower.offer is not None:
                follower.offer.note_new_socket()
        self._watch(socket)
        try:
            for follower in list(self.followers.values()):
                await self._say(follower.request())
                if follower.offer is not None and not follower.offer.is_empty:
                    await self._say(follower.offer.request())
            while True:
                text = await socket.read_message()
                if text is None:
                    return
                self._heard_at = self._loop.time()
                await self.take(json.loads(text))
        finally:
            self.socket = None
            await rest.close_socket(socket)

    def _watch(self, socket: WebSocketClientConnection) -> None:
        """Close a socket that has been silent for longer than a server's heartbeat allows."""
        if self._loop.time() - self._heard_at > SILENCE_S:
            socket.close()
        elif self.socket is socket:
            self._loop.call_later(SILENCE_S / 9, self._watch, socket)

    async def take(self, frame: WireFrame) -> None:
        """Fold a frame, and answer it if it needs an answer."""
        follower = self.followers.get(str(frame.get("thread", "")))
        if follower is None:
            return
        if is_answer(frame):
            if follower.offer is not None:
                follower.offer.take_answer(frame)
            return
        answer = follower.receive(frame)
        if answer is not None:
            await self._say(answer)
        elif follower.is_refused:
            self._loop.call_later(ASK_AGAIN_S, self._ask_again, follower)

    def _ask_again(self, follower: Follower) -> None:
        if follower.is_refused and self.followers.get(follower.thread_id) is follower:
            self._say_soon(follower.request())
