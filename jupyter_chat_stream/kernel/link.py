"""The process's one connection to its server: a daemon thread, its loop, REST and WebSockets.

Everybody's coroutines run on this loop: ``run``, ``watch`` and ``command`` wait for one from
ordinary code, ``arun`` and ``acommand`` from any other loop. A thread has one follower, whoever
follows it, and one WebSocket (``channel``) carries 200 threads; it reconnects with backoff and
jitter, and finds the server anew each time, because it may be back on another port with another
token. A follower is dropped with its last ``Hold``. After ``os.fork`` the child starts its own.

Bounds: answers and frames at most ``rest.MAX_BYTES``; the socket is read only as fast as frames
are folded (tornado's queue holds one); nothing else is buffered.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar
from urllib.parse import quote

from tornado.websocket import WebSocketClientConnection

from ..shared.connection_file import Connection
from ..shared.errors import ChatStreamError, ServerUnavailable
from . import inbox, rest
from .channel import Channel
from .discovery import find_server
from .follower import Follower

RETRY_FOR_S = 10.0
SILENCE_S = 45.0

T = TypeVar("T")


class Link:
    """Everything this process has open towards its server; see the module."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._connection: Connection | None = None
        self._finding: asyncio.Future[Connection] | None = None
        self._followers: dict[str, Follower] = {}
        self._channels: list[Channel] = []
        self._thread = threading.Thread(target=self._live, name="chat-stream", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    # ------------------------------------------------------------------ from outside

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin ``work`` on the link's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work`` on the link's loop and wait for it; cancelled if the wait is."""
        return self._cancelling(work, inbox.wait)

    def watch(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for what takes long, making the changes of this thread's chats meanwhile."""
        return self._cancelling(work, inbox.watch)

    def command(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what changes something on the server; it is done also when the wait is interrupted.

        Half a command is none: the server may have it already, and asking again would do it twice.
        """
        return inbox.wait(self._started_elsewhere(work))

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work`` on the link's loop and await it on the caller's; cancelled if the wait is."""
        return await asyncio.wrap_future(self.start(work))

    async def acommand(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what changes something on the server; it is done also when the wait is cancelled."""
        return await asyncio.shield(asyncio.wrap_future(self.start(work)))

    def _cancelling(self, work: Coroutine[Any, Any, T], wait: Callable[[Future[T]], T]) -> T:
        future = self._started_elsewhere(work)
        try:
            return wait(future)
        except BaseException:
            future.cancel()
            raise

    def _started_elsewhere(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin ``work`` for a thread that waits; the link's own would wait for itself."""
        if threading.current_thread() is self._thread:
            work.close()
            raise ChatStreamError(
                "This was called in the chat's own thread (a __del__, or a handler of its logs), "
                "where nothing can wait. Call it from the thread that made the chat."
            )
        return self.start(work)

    def close(self) -> None:
        """End the thread and everything it owns."""
        if self.pid != os.getpid() or not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop)
        self._thread.join(2)

    async def _stop(self) -> None:
        # The loop is the link's own: whatever still runs there ends with it.
        ending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending, timeout=1)
        self._loop.stop()

    # ------------------------------------------------------------------ the server

    async def connection(self) -> Connection:
        """Give the server's address, finding it where it is not known."""
        if self._connection is not None:
            return self._connection
        if self._finding is None:
            self._finding = self._loop.create_future()
            self._finding.add_done_callback(self._found)
            threading.Thread(
                target=self._find, args=(self._finding,), name="chat-stream-find", daemon=True
            ).start()
        return await asyncio.shield(self._finding)

    def _find(self, answer: asyncio.Future[Connection]) -> None:
        """Look for the server in a thread of its own: starting one takes seconds."""
        found: Connection | None = None
        error: Exception | None = None
        try:
            found = find_server()
        except ChatStreamError as reason:
            error = reason
        except Exception as reason:  # noqa: BLE001 - whatever it is, whoever waits is told
            error = ServerUnavailable(f"The chat's server cannot be looked for: {reason!r}.")

        def resolve() -> None:
            if answer.cancelled():
                return
            if found is not None:
                answer.set_result(found)
            elif error is not None:
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(resolve)

    def _found(self, answer: asyncio.Future[Connection]) -> None:
        self._finding = None
        if not answer.cancelled() and answer.exception() is None:
            self._connection = answer.result()

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = rest.TIMEOUT_S,
        patience_s: float = RETRY_FOR_S,
        repeatable: bool = True,
    ) -> Any:
        """Ask the server and give its answer; a server that is restarting is waited for.

        Args:
            patience_s: how long a server that does not answer is asked again.
            repeatable: whether asking twice does no more than asking once. If not, it is asked
                again only where the first try cannot have arrived.

        Raises:
            ChatStreamError: what the server answered.
            ServerUnavailable: it did not answer for ``patience_s``.
        """
        started, tries = time.monotonic(), 0
        while True:
            try:
                to = await self.connection()
                return await rest.fetch(to, method, path, body, headers, timeout_s=timeout_s)
            except ChatStreamError as error:
                is_late = time.monotonic() - started > patience_s
                if is_late or not rest.may_change(error, repeatable):
                    raise
            self._connection = None
            await asyncio.sleep(rest.RETRY_BACKOFF.pause_s(tries))
            tries += 1

    # ------------------------------------------------------------------ following

    async def follow(self, thread_id: str, *messages: str) -> Hold:
        """Return a hold on the thread's follower: one follower for all who follow this thread.

        Args:
            messages: the ids of those that are kept for as long as the hold.
        """
        follower = self._followers.get(thread_id)
        is_carried = any(
            channel.is_open and channel.followers.get(thread_id) is follower
            for channel in self._channels
        )
        if follower is None or follower.error is not None or not is_carried:
            follower = self._begin_following(thread_id)
        return Hold(self, follower, messages)

    def _begin_following(self, thread_id: str) -> Follower:
        before = self._followers.get(thread_id)
        if before is not None:
            self._drop(before)
        follower = self._followers[thread_id] = Follower(thread_id)
        channel = next((known for known in self._channels if known.has_room), None)
        if channel is None:
            channel = Channel(
                self.connection,
                lambda frame: self._take(frame),
                self._lose_connection,
                lambda: SILENCE_S,
            )
            self._channels.append(channel)
        channel.add(follower)
        return follower

    def _drop(self, follower: Follower) -> None:
        for channel in self._channels:
            channel.remove(follower)
        self._channels = [known for known in self._channels if known.is_open]

    async def _take(self, frame: Mapping[str, Any]) -> None:
        for channel in self._channels:
            if frame.get("thread") in channel.followers:
                await channel.take(frame)
                return

    def _lose_connection(self) -> None:
        self._connection = None

    def unfollow(self, follower: Follower, messages: Sequence[str] = ()) -> None:
        """Stop using a follower; from any thread, at any time."""
        if self.pid == os.getpid() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._unfollow, follower, messages)

    def _unfollow(self, follower: Follower, messages: Sequence[str]) -> None:
        follower.users -= 1
        follower.pin(messages, -1)
        if follower.users > 0 or self._followers.get(follower.thread_id) is not follower:
            return
        del self._followers[follower.thread_id]
        self._drop(follower)

    @property
    def _socket(self) -> WebSocketClientConnection | None:
        """The first channel's socket, where it is open."""
        return self._channels[0].socket if self._channels else None


class Hold:
    """One user's hold on a follower: given up when it is dropped, or by ``leave``."""

    def __init__(self, link: Link, follower: Follower, messages: Sequence[str]) -> None:
        self.follower = follower
        follower.users += 1
        follower.pin(messages)
        self.leave = weakref.finalize(self, link.unfollow, follower, messages)
        self.leave.atexit = False  # the process's end is the link's own affair


_link: Link | None = None
_guard = threading.RLock()


def current() -> Link:
    """Give this process's link, starting it where there is none."""
    global _link
    with _guard:
        if _link is None or _link.pid != os.getpid():
            _link = Link()
            atexit.register(_link.close)
        return _link


def path_of(*parts: str) -> str:
    """Join parts of a path, each made safe."""
    return "/".join(quote(part, safe="") for part in parts)


def _forget() -> None:
    """A forked child has the lock and the link of its parent, but not its thread."""
    global _link, _guard
    _link, _guard = None, threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
