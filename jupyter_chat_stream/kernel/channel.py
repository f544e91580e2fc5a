"""One WebSocket towards the server, and the followers that it carries.

::

    open ──► subscribe every follower ──► fold frames ──► ended ──► pause ──► open

A channel lives while it carries somebody, and a moment longer. It carries at most
``MOST_FOLLOWERS``, fewer than the server takes on one socket: for more threads the link opens
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
from ..shared.records import Frame
from . import rest
from .follower import Follower

MOST_FOLLOWERS = 200
LINGER_S = 3.0  # a loop that makes a chat for each row needs no new socket for each
ASK_AGAIN_S = 1.0
LASTED_S = 6.0  # a socket that was open for longer than any try takes begins the backoff anew


class Channel:
    """A socket that is kept open, and what is followed over it. All on the link's loop.

    Args:
        find: gives the server's address.
        on_frame: called with each frame, which ``take`` folds.
        lost: told that the socket has ended, so that the server is found anew.
        silence_s: for how long the server may say nothing.
    """

    def __init__(
        self,
        find: Callable[[], Awaitable[Connection]],
        on_frame: Callable[[Frame], Awaitable[None]],
        lost: Callable[[], None],
        silence_s: Callable[[], float],
    ) -> None:
        self.followers: dict[str, Follower] = {}
        self.socket: WebSocketClientConnection | None = None
        self._find = find
        self._on_frame = on_frame
        self._lost = lost
        self._silence_s = silence_s
        self._heard = 0.0
        self._is_ending = False  # cancelled, although its task may take some turns to be done
        self._loop = asyncio.get_running_loop()
        self._says: set[asyncio.Task[None]] = set()
        self.task = self._loop.create_task(self._keep_socket())
        self.task.add_done_callback(self._socket_failed)

    @property
    def is_open(self) -> bool:
        """Whether the channel still works; one that failed carries nobody any more."""
        return not (self._is_ending or self.task.done())

    @property
    def has_room(self) -> bool:
        return self.is_open and len(self.followers) < MOST_FOLLOWERS

    def add(self, follower: Follower) -> None:
        """Carry one more thread."""
        self.followers[follower.thread_id] = follower
        self._say_soon(follower.request())

    def remove(self, follower: Follower) -> None:
        """Carry a thread no more; when nobody has come for ``LINGER_S`` the channel ends."""
        if self.followers.get(follower.thread_id) is not follower:
            return
        del self.followers[follower.thread_id]
        self._say_soon({"op": "unsubscribe", "thread": follower.thread_id})
        if not self.followers:
            self._loop.call_later(LINGER_S, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if not self.followers:
            self._is_ending = True
            self.task.cancel()

    def _say_soon(self, frame: Mapping[str, object]) -> None:
        saying = self._loop.create_task(self._say(frame))
        self._says.add(saying)
        saying.add_done_callback(self._says.discard)

    async def _say(self, frame: Mapping[str, object]) -> None:
        if self.socket is None:
            return  # every follower asks again when the socket is there
        try:
            await self.socket.write_message(json.dumps(frame))
        except WebSocketError:
            self.socket = None

    async def _keep_socket(self) -> None:
        """Hold the socket open while this task lives."""
        tries = 0
        while True:
            began = time.monotonic()
            try:
                await self._use_socket()
            except ChatStreamError as error:
                for follower in list(self.followers.values()):
                    follower.trouble(error)
            self._lost()
            tries = 0 if time.monotonic() - began > LASTED_S else tries + 1
            await asyncio.sleep(rest.RETRY_BACKOFF.pause_s(tries))

    def _socket_failed(self, task: asyncio.Task[None]) -> None:
        """Tell whoever waits of an error that nobody foresaw."""
        if task.cancelled() or task.exception() is None:
            return
        for follower in self.followers.values():
            follower.end(ChatStreamError(f"Following failed: {task.exception()!r}."))

    async def _use_socket(self) -> None:
        """Open the socket, ask for every thread, and fold what comes until it ends."""
        opened = await rest.open_socket(await self._find())
        self._heard = self._loop.time()
        self.socket = opened
        self._watch(opened)
        try:
            for follower in list(self.followers.values()):
                await self._say(follower.request())
            while True:
                text = await opened.read_message()
                if text is None:
                    return
                self._heard = self._loop.time()
                await self._on_frame(json.loads(text))
        finally:
            opened.close()
            if self.socket is opened:
                self.socket = None

    def _watch(self, opened: WebSocketClientConnection) -> None:
        """Close a socket that has been silent for longer than a server's heartbeat allows."""
        silence_s = self._silence_s()
        if self._loop.time() - self._heard > silence_s:
            opened.close()
        elif self.socket is opened:
            self._loop.call_later(silence_s / 9, self._watch, opened)

    async def take(self, frame: Frame) -> None:
        """Fold a frame, and answer it where that is due."""
        follower = self.followers.get(str(frame.get("thread", "")))
        if follower is None:
            return
        answer = follower.receive(frame)
        if answer is not None:
            await self._say(answer)
        elif follower.is_refused:
            self._loop.call_later(ASK_AGAIN_S, self._ask_again, follower)

    def _ask_again(self, follower: Follower) -> None:
        if follower.is_refused and self.followers.get(follower.thread_id) is follower:
            self._say_soon(follower.request())
