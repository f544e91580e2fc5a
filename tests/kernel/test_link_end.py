"""A link that ends leaves no socket open, whatever the socket was doing."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from concurrent.futures import CancelledError, Future

import pytest
from tornado.ioloop import IOLoop
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from jupyter_chat_stream.kernel import link
from jupyter_chat_stream.shared.connection_file import Connection

PATIENCE_S = 20.0


class SlowServer:
    """Takes sockets on loopback, and lets each wait for ``go`` before it opens."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.closed = threading.Event()
        self.told = threading.Event()
        self.left = threading.Event()
        self.url = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        self._loop, self._go, self._over = (
            asyncio.get_running_loop(),
            asyncio.Event(),
            asyncio.Event(),
        )
        slow = self

        class Handler(WebSocketHandler):
            async def prepare(self) -> None:
                slow.asked.set()
                await slow._go.wait()

            def on_message(self, message: str | bytes) -> None:
                slow.told.set()

            def on_close(self) -> None:
                slow.closed.set()

            def on_connection_close(self) -> None:
                slow.left.set()
                super().on_connection_close()

        server = Application([(".*", Handler)]).listen(0, "127.0.0.1")
        (listening,) = server._sockets.values()
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        self._started.set()
        await self._over.wait()
        server.stop()
        await server.close_all_connections()

    def go(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._go.set)

    def __enter__(self) -> SlowServer:
        self._thread.start()
        assert self._started.wait(PATIENCE_S)
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE_S)


def test_a_socket_that_is_opening_is_closed_with_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    with SlowServer() as server:
        found = Connection(url=server.url, token="t", pid=os.getpid())
        monkeypatch.setattr(link, "find_server", lambda: found)
        ours = link.Link()
        hold = ours.run(ours.follow("thread"))
        assert server.asked.wait(PATIENCE_S)
        timer = threading.Timer(0.05, server.go)  # while the link ends
        timer.start()
        ours.close()
        timer.join()
        assert server.closed.wait(PATIENCE_S)
        del hold, ours
    asyncio.run(forget_closed_loops())
    gc.collect()  # pytest turns the warning of a socket that was left open into a failure


def test_an_open_socket_is_closed_with_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    with SlowServer() as server:
        server.go()
        found = Connection(url=server.url, token="t", pid=os.getpid())
        monkeypatch.setattr(link, "find_server", lambda: found)
        ours = link.Link()
        hold = ours.run(ours.follow("thread"))
        assert server.told.wait(PATIENCE_S)  # the socket is open on both sides
        ours.close()
        assert server.closed.wait(PATIENCE_S)
        del hold, ours
    asyncio.run(forget_closed_loops())
    gc.collect()


def test_an_interrupted_request_keeps_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with SlowServer() as server:
        found = Connection(url=server.url, token="t", pid=os.getpid())
        monkeypatch.setattr(link, "find_server", lambda: found)
        ours = link.Link()
        asking = ours.start(ours.request("GET", "status"))
        assert server.asked.wait(PATIENCE_S)
        asking.cancel()
        assert server.left.wait(PATIENCE_S)
        ours.close()
        del ours
    asyncio.run(forget_closed_loops())
    gc.collect()


async def forget_closed_loops() -> None:
    """Let tornado drop what it keeps of loops that are closed, which it does with a new loop."""
    IOLoop.current()


def test_work_that_begins_while_a_link_ends_is_cancelled_and_nobody_waits_for_it() -> None:
    """A job's thread may begin it in the moment in which a process ends."""
    ending = link.Link()
    futures: list[Future[None]] = []

    def end_and_begin() -> None:
        ending._loop.stop()
        futures.append(ending.start(asyncio.sleep(PATIENCE_S)))

    ending.call_soon(end_and_begin)
    ending._thread.join(PATIENCE_S)
    futures.append(ending.start(asyncio.sleep(PATIENCE_S)))
    gc.collect()
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(PATIENCE_S)
