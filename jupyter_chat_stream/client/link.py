"""The process's one connection to its server: a daemon thread, its loop, REST and one WebSocket.

Everybody's coroutines run on this loop: ``run``, ``watch`` and ``command`` wait for one from
ordinary code, ``arun`` and ``acommand`` from any other loop. The socket is there while some thread
is followed; it carries them all, reconnects with backoff and jitter, and finds the server anew each
time, because it may be back on another port with another token. After ``os.fork`` the child starts
its own.

Bounds: answers and frames at most ``rest.MAX_BYTES``; the socket is read only as fast as frames
are folded (tornado's queue holds one); nothing else is buffered.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar
from urllib.parse import quote

from tornado.websocket import WebSocketClientConnection, WebSocketError

from ..connection import Connection
from ..errors import ChatStreamError, ServerUnavailable
from . import inbox, rest
from .find import find
from .follower import Follower

RETRY_FOR_S = 10.0
SILENCE_S = 45.0
ASK_AGAIN_S = 1.0
LASTED_S = 6.0  # a socket that was open for longer than any try takes begins the backoff anew

T = TypeVar("T")


class Link:
    """Everything this process has open towards its server; see the module."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._connection: Connection | None = None
        self._finding: asyncio.Future[Connection] | None = None
        self._followers: dict[str, Follower] = {}
        self._socket: WebSocketClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._heard = 0.0
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
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1)
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
            found = find()
        except ChatStreamError as reason:
            error = reason
        except Exception as reason:  # noqa: BLE001 - whatever it is, whoever waits is told
            error = ServerUnavailable(f"The chat's server cannot be looked for: {reason!r}.")

        def settle() -> None:
            if answer.cancelled():
                return
            if found is not None:
                answer.set_result(found)
            elif error is not None:
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(settle)

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
            await asyncio.sleep(rest.backoff_s(tries))
            tries += 1

    # ------------------------------------------------------------------ following

    async def follow(self, thread_id: str) -> Follower:
        """Give the thread's follower; each call is one user, to be undone by ``unfollow``."""
        follower = self._followers.get(thread_id)
        if follower is None or follower.error is not None:
            follower = self._followers[thread_id] = Follower(thread_id)
            if self._task is None or self._task.done():
                self._task = self._loop.create_task(self._keep_socket())
                self._task.add_done_callback(self._socket_failed)
            else:
                await self._say(follower.request())
        follower.users += 1
        return follower

    def unfollow(self, follower: Follower) -> None:
        """Stop using a follower; from any thread, at any time."""
        if self.pid == os.getpid() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._unfollow, follower)

    def _unfollow(self, follower: Follower) -> None:
        follower.users -= 1
        if follower.users > 0 or self._followers.get(follower.thread_id) is not follower:
            return
        del self._followers[follower.thread_id]
        if self._followers:
            frame = {"op": "unsubscribe", "thread": follower.thread_id}
            self._loop.create_task(self._say(frame))
        elif self._task is not None:
            self._task.cancel()
            self._task = None

    async def _say(self, frame: Mapping[str, Any]) -> None:
        if self._socket is None:
            return  # every follower asks again when the socket is there
        try:
            await self._socket.write_message(json.dumps(frame))
        except WebSocketError:
            self._socket = None

    async def _keep_socket(self) -> None:
        """Hold the socket open while this task lives."""
        tries = 0
        while True:
            began = time.monotonic()
            try:
                await self._use_socket()
            except ChatStreamError as error:
                for follower in list(self._followers.values()):
                    follower.trouble(error)
            self._connection = None
            tries = 0 if time.monotonic() - began > LASTED_S else tries + 1
            await asyncio.sleep(rest.backoff_s(tries))

    def _socket_failed(self, task: asyncio.Task[None]) -> None:
        """Tell whoever waits of an error that nobody foresaw."""
        if task.cancelled() or task.exception() is None:
            return
        for follower in self._followers.values():
            follower.end(ChatStreamError(f"Following failed: {task.exception()!r}."))

    async def _use_socket(self) -> None:
        """Open the socket, ask for every thread, and fold what comes until it ends."""
        to = await self.connection()
        opened = await rest.open_socket(to)
        self._heard = self._loop.time()
        self._socket = opened
        self._watch(opened)
        try:
            for follower in list(self._followers.values()):
                await self._say(follower.request())
            while True:
                text = await opened.read_message()
                if text is None:
                    return
                self._heard = self._loop.time()
                await self._take(json.loads(text))
        finally:
            opened.close()
            if self._socket is opened:
                self._socket = None

    def _watch(self, opened: WebSocketClientConnection) -> None:
        """Close a socket that has been silent for longer than a server's heartbeat allows."""
        if self._loop.time() - self._heard > SILENCE_S:
            opened.close()
        elif self._socket is opened:
            self._loop.call_later(SILENCE_S / 9, self._watch, opened)

    async def _take(self, frame: Mapping[str, Any]) -> None:
        follower = self._followers.get(frame.get("thread", ""))
        if follower is None:
            return
        answer = follower.receive(frame)
        if answer is not None:
            await self._say(answer)
        elif follower.is_refused:
            self._loop.call_later(ASK_AGAIN_S, self._ask_again, follower)

    def _ask_again(self, follower: Follower) -> None:
        if follower.is_refused and self._followers.get(follower.thread_id) is follower:
            self._loop.create_task(self._say(follower.request()))


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
