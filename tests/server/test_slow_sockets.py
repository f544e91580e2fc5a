"""The way out of a WebSocket: whole frames in order, and bounded where nobody reads (L6, L8)."""

from __future__ import annotations

import asyncio
import gc
import json
import socket as sockets
from typing import Any

import pytest

from jupyter_chat_stream.server import outbox, websocket
from jupyter_chat_stream.shared.events import dumps
from jupyter_chat_stream.shared.subscription import Applied, Subscription
from tests.server.harness import ChatServer, Socket, until
from tests.server.test_websocket import follow_to_the_end


class DeafClient:
    """A client that opens a socket, asks, and never reads what comes."""

    def __init__(self, server: ChatServer) -> None:
        self.socket = sockets.socket()
        self.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        self.server = server

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self.socket.setblocking(False)
        await loop.sock_connect(self.socket, ("127.0.0.1", self.server.app.port))
        await loop.sock_sendall(
            self.socket,
            (
                "GET /api/chat-stream/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                f"Authorization: token {self.server.token}\r\n\r\n"
            ).encode(),
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await loop.sock_recv(self.socket, 1)

    async def send(self, frame: dict[str, Any]) -> None:
        data = json.dumps(frame).encode()
        assert len(data) < 126
        await asyncio.get_running_loop().sock_sendall(
            self.socket, bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data
        )


def open_sockets() -> list[websocket.ChatSocket]:
    """Find the handlers of all open sockets, through the tasks the server holds."""
    return [
        item
        for item in gc.get_objects()
        if type(item) is websocket.ChatSocket and item.ws_connection is not None
    ]


def socket_of(server: ChatServer) -> websocket.ChatSocket:
    """Find the handler of the one open socket."""
    (only,) = open_sockets()
    return only


async def test_a_client_that_does_not_read_holds_little_and_slows_nobody(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L8: what a stalled socket holds is bounded, in the outbox, in tornado and in its readers."""
    monkeypatch.setattr(outbox, "MAX_HELD_BYTES", 1_000)
    deaf = DeafClient(chat_server)
    await deaf.open()
    handler = socket_of(chat_server)
    stream = handler.ws_connection.stream
    stream.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4096)
    held, post = [0], handler.outbox.post

    def watched_post(text: str, sender: object = None) -> bool:
        before = handler.outbox.held_bytes
        is_taken = post(text, sender)
        if is_taken:  # a large frame is taken where half of the room is free
            held.append(before + min(len(text), 500))
        return is_taken

    handler.outbox.post = watched_post
    ids = [await chat_server.thread(model="demo/long") for _ in range(6)]
    for thread_id in ids:
        await deaf.send({"op": "subscribe", "thread": thread_id, "after": 0})
    await until(lambda: chat_server.readers == len(ids))
    params = {"chars": 100_000, "chunk_chars": 100}
    for thread_id in ids:
        await chat_server.send(thread_id, "x", params=params)
    listener = await chat_server.socket()
    for thread_id in ids:
        await follow_to_the_end(listener, Subscription(thread_id))
        assert len(stream._write_buffer) <= 256 * 1024
    assert len(held) > len(ids)
    assert max(held) <= 1_000
    listener.close()
    assert chat_server.subsystems.hub.stats().lag_bytes == 0
    deaf.socket.close()
    await until(lambda: not chat_server.readers)


async def test_two_hundred_sockets_that_never_read_hold_little_and_miss_nobody_else(
    chat_server: ChatServer,
) -> None:
    """L8: all follow one thread; what a slow one costs is bounded, and the answer goes on."""
    thread_id = await chat_server.thread(model="demo/long")
    deaf_ones = [DeafClient(chat_server) for _ in range(200)]
    for deaf in deaf_ones:
        await deaf.open()
        await deaf.send({"op": "subscribe", "thread": thread_id, "after": 0})
    await until(lambda: chat_server.readers == len(deaf_ones))
    listener = await chat_server.socket()
    await chat_server.send(thread_id, "x", params={"chars": 200_000, "chunk_chars": 200})
    await follow_to_the_end(listener, Subscription(thread_id))
    buffered = [len(one.ws_connection.stream._write_buffer) for one in open_sockets()]
    assert len(buffered) == len(deaf_ones) + 1
    assert max(buffered) <= 256 * 1024
    assert chat_server.subsystems.hub.stats().lag_bytes <= 256 * 1024 * len(deaf_ones)
    listener.close()
    for deaf in deaf_ones:
        deaf.socket.close()
    await until(lambda: not chat_server.readers)


async def test_requests_of_a_client_that_does_not_read_pile_nothing_up(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L8: what an earlier request of a thread would be answered goes when the next one comes."""
    deaf = DeafClient(chat_server)
    await deaf.open()
    handler = socket_of(chat_server)
    stuck = asyncio.get_running_loop().create_future()
    handler.outbox.write = lambda texts: stuck
    handler.outbox.post("x")
    await until(lambda: handler.outbox.in_flight is not None)
    gone, there = await chat_server.thread(), await chat_server.thread(model="demo/echo")
    await chat_server.ask("DELETE", f"threads/{gone}")
    takes: list[str] = []
    parse = websocket.parse_frame

    def counted(frame: Any) -> websocket.ClientFrame:
        parsed = parse(frame)
        takes.append(parsed.thread_id)
        return parsed

    monkeypatch.setattr(websocket, "parse_frame", counted)
    for number in range(1, 21):
        for thread_id in (gone, there):
            await deaf.send({"op": "subscribe", "thread": thread_id, "after": 0})
        await until(lambda: len(takes) == 2 * number)  # noqa: B023
        await until(lambda: len(handler.outbox.pending_frames) == 1)
    known = handler.feeds[there]
    assert known.take("waits")
    await deaf.send({"op": "unsubscribe", "thread": there})
    await until(lambda: there not in handler.feeds)
    assert not known.take("late")
    assert len(handler.outbox.pending_frames) == 1
    stuck.set_result(None)
    deaf.socket.close()
    await until(lambda: not chat_server.readers)


async def test_frames_of_every_size_arrive_whole_and_in_order(chat_server: ChatServer) -> None:
    """They are put together here: 126 and 65536 bytes are where a frame's head grows."""
    socket = await chat_server.socket()
    handler = socket_of(chat_server)
    empty = len(dumps({"op": "pong", "x": ""}))
    sizes = (125, 126, 127, 65_535, 65_536, 65_537, 125)
    frames = [{"op": "pong", "x": "y" * (size - empty)} for size in sizes]
    sends = [handler.outbox.send(dumps(frame)) for frame in frames]
    received, _ = await asyncio.gather(collect(socket, len(frames)), asyncio.gather(*sends))
    assert received == frames
    socket.close()


async def collect(socket: Socket, count: int) -> list[Any]:
    return [await socket.next() for _ in range(count)]


async def test_a_client_that_reads_again_gets_everything_it_missed(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L6, L8: what had no room on the way out is read from the store."""
    monkeypatch.setattr(outbox, "MAX_HELD_BYTES", 2_000)
    thread_ids = [await chat_server.thread(model="demo/long") for _ in range(3)]
    socket = await chat_server.socket()
    handler = socket_of(chat_server)
    full, write = asyncio.Event(), handler.write_frames

    def write_slowly(texts: list[str]) -> asyncio.Future[None]:
        return asyncio.ensure_future(after_a_while(write(texts)))

    async def after_a_while(written: asyncio.Future[None]) -> None:
        await written
        await full.wait()

    monkeypatch.setattr(handler.outbox, "on_full", lambda held_bytes: full.set())
    monkeypatch.setattr(handler.outbox, "write", write_slowly)
    subscriptions = {thread_id: Subscription(thread_id) for thread_id in thread_ids}
    for subscription in subscriptions.values():
        await socket.send(subscription.request())
    for thread_id in thread_ids:
        await chat_server.send(thread_id, "x", params={"chars": 30_000, "chunk_chars": 50})
    lives = dict.fromkeys(thread_ids, 0)

    def is_done(subscription: Subscription) -> bool:
        runs = list(subscription.transcript.runs.values())
        return bool(runs) and runs[0]["ended_at"] is not None and subscription.is_live

    while not all(is_done(subscription) for subscription in subscriptions.values()):
        frame = await socket.next()
        subscription = subscriptions[frame["thread"]]
        lives[frame["thread"]] += frame["op"] == "live"
        if frame["op"] == "events":
            assert frame["events"][0]["seq"] == subscription.cursor + 1
        assert isinstance(subscription.receive(frame), Applied)
    for thread_id, subscription in subscriptions.items():
        state = (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json
        assert subscription.transcript.state() == state
    assert set(lives.values()) == {1}
    socket.close()


async def test_a_stuck_socket_gets_no_heartbeats_on_top(chat_server: ChatServer) -> None:
    """L8: a frame is on its way, which shows more; of those that come later none piles up."""
    chat_server.host.heartbeat_s = 0.001
    socket = await chat_server.socket()
    handler = socket_of(chat_server)
    stuck = asyncio.get_running_loop().create_future()
    written: list[str] = []

    def write(texts: list[str]) -> asyncio.Future[None]:
        written.extend(texts)
        return stuck

    handler.outbox.write = write
    await until(lambda: written)
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert written == ['{"op":"heartbeat"}']
    assert not handler.outbox.pending_frames
    stuck.set_result(None)
    socket.close()
