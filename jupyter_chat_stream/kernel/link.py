"""The process's one connection to its server: a daemon thread, its loop, REST and WebSockets.

All coroutines of this package run on the link's loop. Ordinary code waits for one with ``run``,
``watch`` or ``command``; code on another loop awaits it with ``arun`` or ``acommand``. Each chat
thread has one follower, which all its users share, until the last ``Hold`` ends. One WebSocket
(``channel``) carries up to 200 chat threads. It reconnects with backoff and jitter, and looks for
the server each time, because a restarted server has another port and token. After ``os.fork`` the
child process starts a link of its own.

Bounds: a response or a frame has at most ``rest.MAX_BYTES``. The socket is read only as fast as
frames are folded (tornado's queue holds one frame). Nothing else is buffered.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar
from urllib.parse import quote

from ..shared.connection_file import Connection
from ..shared.errors import ChatStreamError, ServerUnavailable
from . import inbox, rest
from .channel import Channel
from .discovery import find_server
from .follower import Follower

RETRY_FOR_S = 10.0
END_WITHIN_S = 1.0

T = TypeVar("T")


class Link:
    """The thread, the loop and the sockets of this process; see the module."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._connection: Connection | None = None
        self._search: asyncio.Future[Connection] | None = None
        self.followers: dict[str, Follower] = {}
        self.channels: list[Channel] = []
        self._loop_guard = threading.RLock()  # held to begin work, and to close the loop
        self._thread = threading.Thread(target=self._live, name="chat-stream", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        with self._loop_guard:
            self._loop.run_until_complete(_end_late_work())
            self._loop.close()

    # ------------------------------------------------------------------ called from outside

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin ``work`` on the link's loop. If the link ends or has ended, it is cancelled."""
        with self._loop_guard:
            if not self._loop.is_closed():
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        cancelled: Future[T] = Future()
        cancelled.cancel()
        return cancelled

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for ``work`` on the link's loop. An interrupt of the wait cancels the work."""
        return self._wait_or_cancel(work, inbox.wait)

    def watch(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for long ``work``, and meanwhile apply changes to the calling thread's chats."""
        return self._wait_or_cancel(work, inbox.watch)

    def command(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for ``work`` that changes something on the server. An interrupt does not cancel it.

        The server may have executed a request whose response has not come: cancelling the request
        would leave the caller without its result.
        """
        return inbox.wait(self._start_from_outside(work))

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work`` on the link's loop from any loop. Cancelling the call cancels the work."""
        inbox.here()  # the caller's loop is free meanwhile for changes and jobs
        return await asyncio.wrap_future(self.start(work))

    async def acommand(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work`` that changes something on the server. Cancelling does not stop it."""
        return await asyncio.shield(asyncio.wrap_future(self.start(work)))

    def _wait_or_cancel(self, work: Coroutine[Any, Any, T], wait: Callable[[Future[T]], T]) -> T:
        future = self._start_from_outside(work)
        try:
            return wait(future)
        except BaseException:
            future.cancel()
            raise

    def _start_from_outside(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin ``work`` for a caller that waits for it. The link's own thread cannot wait."""
        if threading.current_thread() is self._thread:
            work.close()
            raise ChatStreamError(
                "This was called in the chat's own thread (a __del__, or a handler of its logs), "
                "where nothing can wait. Call it from the thread that made the chat."
            )
        return self.start(work)

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function on the link's loop. Any thread may call this at any time."""
        if self.pid == os.getpid():
            with self._loop_guard:
                if not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(function, *args)

    def close(self) -> None:
        """Stop the link's thread, its tasks and its sockets."""
        if self.pid != os.getpid() or not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop)
        self._thread.join(3 * END_WITHIN_S)  # one more than `_stop` takes

    async def _stop(self) -> None:
        # First, because tornado closes a socket in tasks of its own on this loop.
        await _end([channel.task for channel in self.channels])
        # The loop belongs to the link, so all its remaining tasks end too.
        await _end(asyncio.all_tasks() - {asyncio.current_task()})
        self._loop.stop()

    # ------------------------------------------------------------------ the server

    async def connection(self) -> Connection:
        """Return the server's address; look for the server if the address is not known."""
        if self._connection is not None:
            return self._connection
        if self._search is None:
            self._search = self._loop.create_future()
            self._search.add_done_callback(self._keep_connection)
            threading.Thread(
                target=self._find, args=(self._search,), name="chat-stream-find", daemon=True
            ).start()
        return await asyncio.shield(self._search)

    def _find(self, answer: asyncio.Future[Connection]) -> None:
        """Look for the server in a separate thread, because starting one takes seconds."""
        connection: Connection | None = None
        error: Exception | None = None
        try:
            connection = find_server()
        except ChatStreamError as reason:
            error = reason
        except Exception as reason:  # noqa: BLE001 - every waiting request gets the error
            error = ServerUnavailable(f"The chat's server cannot be looked for: {reason!r}.")

        def resolve() -> None:
            if answer.cancelled():
                return
            if connection is not None:
                answer.set_result(connection)
            elif error is not None:
                answer.set_exception(error)

        self.call_soon(resolve)

    def _keep_connection(self, answer: asyncio.Future[Connection]) -> None:
        self._search = None
        if not answer.cancelled() and answer.exception() is None:
            self._connection = answer.result()

    async def request(
        self,
        method: str,
        path: str,
        body: rest.RequestBody | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = rest.TIMEOUT_S,
        patience_s: float = RETRY_FOR_S,
        repeatable: bool = True,
    ) -> Any:
        """Send a request and return the response. It is repeated while a server restarts.

        Args:
            patience_s: how long to repeat the request while the server does not respond.
            repeatable: whether a second request does no harm. If not, the link repeats it only
                if the first cannot have arrived.

        Raises:
            ChatStreamError: the server refused the request.
            ServerUnavailable: the server did not respond for ``patience_s``.
        """
        return await self.retry(
            lambda connection: rest.fetch(
                connection, method, path, body, headers, timeout_s=timeout_s
            ),
            patience_s=patience_s,
            repeatable=repeatable,
        )

    async def retry(
        self,
        exchange: Callable[[Connection], Awaitable[T]],
        *,
        patience_s: float = RETRY_FOR_S,
        repeatable: bool = True,
    ) -> T:
        """Do one exchange with the server; repeat it while a server restarts. See ``request``."""
        start, tries = time.monotonic(), 0
        while True:
            try:
                return await exchange(await self.connection())
            except ChatStreamError as error:
                is_late = time.monotonic() - start > patience_s
                if is_late or not rest.may_change(error, repeatable):
                    raise
            self._connection = None
            await asyncio.sleep(rest.RETRY_BACKOFF.pause_s(tries))
            tries += 1

    # ------------------------------------------------------------------ following

    async def follow(self, thread_id: str, *messages: str) -> Hold:
        """Return a hold on the follower of a thread; all users of the thread share the follower.

        Args:
            messages: ids of messages that the follower must not forget while the hold lasts.
        """
        follower = self.followers.get(thread_id)
        is_carried = any(
            channel.is_open and channel.followers.get(thread_id) is follower
            for channel in self.channels
        )
        if follower is None or follower.error is not None or not is_carried:
            follower = self._begin_following(thread_id)
        return Hold(self, follower, messages)

    def _begin_following(self, thread_id: str) -> Follower:
        old = self.followers.get(thread_id)
        if old is not None:
            self._drop(old)
        follower = self.followers[thread_id] = Follower(thread_id)
        channel = next((candidate for candidate in self.channels if candidate.can_add), None)
        if channel is None:
            channel = Channel(self.connection, self._lose_connection)
            self.channels.append(channel)
        channel.add(follower)
        return follower

    def _drop(self, follower: Follower) -> None:
        for channel in self.channels:
            channel.remove(follower)
        self.channels = [channel for channel in self.channels if channel.is_open]

    def _lose_connection(self) -> None:
        self._connection = None

    def unfollow(self, follower: Follower, messages: Sequence[str] = ()) -> None:
        """Release a follower. Any thread may call this at any time."""
        self.call_soon(self._unfollow, follower, messages)

    def offer(self, follower: Follower) -> None:
        """Send the offer of a thread now, if its socket is open. Each new socket gets it, too."""
        for channel in self.channels:
            if channel.followers.get(follower.thread_id) is follower:
                channel.offer_soon(follower)

    def _unfollow(self, follower: Follower, messages: Sequence[str]) -> None:
        follower.users -= 1
        follower.keep(messages, -1)
        if follower.users > 0 or self.followers.get(follower.thread_id) is not follower:
            return
        del self.followers[follower.thread_id]
        self._drop(follower)


async def _end(tasks: Collection[asyncio.Task[Any] | None]) -> None:
    ending = [task for task in tasks if task is not None and task.cancel()]
    if ending:
        await asyncio.wait(ending, timeout=END_WITHIN_S)


async def _end_late_work() -> None:
    """Cancel the work that other threads have begun while the loop stopped."""
    await _end(asyncio.all_tasks() - {asyncio.current_task()})


class Hold:
    """One user's claim on a follower; it ends with this object or by ``leave``."""

    def __init__(self, link: Link, follower: Follower, messages: Sequence[str]) -> None:
        self.follower = follower
        follower.users += 1
        follower.keep(messages)
        self.leave = weakref.finalize(self, link.unfollow, follower, messages)
        self.leave.atexit = False  # at the end of the process the link closes itself


_link: Link | None = None
guard = threading.RLock()


def current() -> Link:
    """Return this process's link, starting it if there is none."""
    global _link
    with guard:
        if _link is None or _link.pid != os.getpid():
            _link = Link()
            atexit.register(_link.close)
        return _link


def close() -> None:
    """Close this process's link, if there is one; the next ``current`` starts another."""
    global _link
    with guard:
        link, _link = _link, None
    if link is not None:
        atexit.unregister(link.close)
        link.close()


def path_of(*parts: str) -> str:
    """Join the parts of a path, each percent-encoded."""
    return "/".join(quote(part, safe="") for part in parts)


def _forget() -> None:
    """Drop the link in a forked child: the child inherits the lock, but not the thread."""
    global _link, guard
    _link, guard = None, threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
