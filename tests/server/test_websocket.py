"""The WebSocket: many threads on one socket, and whatever a client may do to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from jupyter_chat_stream.server import websocket
from jupyter_chat_stream.shared.fold import Transcript
from jupyter_chat_stream.shared.subscription import Applied, Ended, Subscription
from jupyter_chat_stream.store.log import previews
from tests.server.conftest import StartServer
from tests.server.harness import ChatServer, Socket, until


async def follow_to_the_end(socket: Socket, subscription: Subscription) -> None:
    """Follow until a run has ended and the subscription is live."""
    await socket.send(subscription.request())
    while True:
        frame = await socket.next("events", "snapshot", "live")
        if frame["thread"] == subscription.thread_id:
            action = subscription.receive(frame)
            assert isinstance(action, Applied), action
            runs = subscription.transcript.runs.values()
            if subscription.is_live and runs and all(run["ended_at"] for run in runs):
                return


async def test_a_thread_is_followed_to_its_state(chat_server: ChatServer) -> None:
    """L6."""
    thread_id = await chat_server.thread()
    subscription = Subscription(thread_id)
    socket = await chat_server.socket()
    await chat_server.send(thread_id, "one two three")
    await follow_to_the_end(socket, subscription)
    state = (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json
    assert subscription.transcript.state() == state
    socket.close()


async def test_every_cursor_leads_to_the_same_state(chat_server: ChatServer) -> None:
    """L6, for every prefix, on one socket: subscribing again replaces."""
    thread_id = await chat_server.thread()
    await chat_server.answered(thread_id, "one two three four five six")
    path = f"threads/{thread_id}"
    whole = (await chat_server.ask("GET", f"{path}/events?raw=1")).json["events"]
    state = (await chat_server.ask("GET", f"{path}/messages")).json
    socket = await chat_server.socket()
    for cut in range(len(whole) + 1):
        subscription = Subscription(thread_id)
        if cut:
            subscription.receive({"op": "events", "events": whole[:cut]})
        await follow_to_the_end(socket, subscription)
        assert subscription.transcript.state() == state
    assert chat_server.readers == 1
    socket.close()


async def test_the_newest_messages_of_a_long_thread_come_before_all_of_it(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L6: the preview is what the state of these messages is, and it moves no cursor."""
    monkeypatch.setattr(previews, "SHORT_THREAD", 5)
    monkeypatch.setattr(previews, "PREVIEW_MESSAGES", 3)
    thread_id = await chat_server.thread()
    for number in range(3):
        await chat_server.answered(thread_id, f"number {number}")
    path = f"threads/{thread_id}/messages"
    newest = (await chat_server.ask("GET", f"{path}?limit=3")).json
    subscription = Subscription(thread_id)
    socket = await chat_server.socket()
    await socket.send({**subscription.request(), "preview": True})
    preview = await socket.next()
    assert (preview["op"], preview["thread"]) == ("preview", thread_id)
    shown = Transcript()
    shown.replace({**preview, "op": "snapshot"})
    assert shown.state() == newest
    assert [message["content"] for message in preview["messages"][-2:]] == ["number 2"] * 2
    while not subscription.is_live:
        subscription.receive(await socket.next("events", "snapshot", "live"))
    assert subscription.transcript.state() == (await chat_server.ask("GET", path)).json
    socket.close()


async def test_a_preview_comes_only_to_a_reader_of_a_long_thread_that_has_nothing_and_asks(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "SHORT_THREAD", 2)
    thread_id = await chat_server.thread()
    await chat_server.answered(thread_id)  # two messages: the thread is short

    async def ops(**fields: Any) -> list[str]:
        socket = await chat_server.socket()
        await socket.send({"op": "subscribe", "thread": thread_id, **fields})
        seen: list[str] = []
        while seen[-1:] != ["live"]:
            seen.append((await socket.next())["op"])
        socket.close()
        return seen

    assert "preview" not in await ops(after=0, preview=True)
    await chat_server.answered(thread_id)
    assert (await ops(after=0, preview=True))[0] == "preview"
    assert "preview" not in await ops(after=0)
    assert "preview" not in await ops(after=3, preview=True)


async def test_many_threads_share_a_socket(chat_server: ChatServer) -> None:
    ids = [await chat_server.thread() for _ in range(20)]
    socket = await chat_server.socket()
    for thread_id in ids:
        await socket.send({"op": "subscribe", "thread": thread_id})
    lived: set[str] = set()
    while lived != set(ids):
        lived.add((await socket.next("live"))["thread"])
    await asyncio.gather(*(chat_server.send(thread_id, f"I am {thread_id}") for thread_id in ids))
    ended: set[str] = set()
    while ended != set(ids):
        frame = await socket.next("events")
        assert {event["thread_id"] for event in frame["events"]} == {frame["thread"]}
        ended |= {frame["thread"] for e in frame["events"] if e["type"] == "finalized"}
    socket.close()
    await until(lambda: not chat_server.readers)


async def test_live_is_said_once_for_each_subscribe(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    socket = await chat_server.socket()
    for _ in range(2):
        await socket.send({"op": "subscribe", "thread": thread_id, "after": 1})
        assert (await socket.next()) == {"op": "live", "thread": thread_id, "seq": 1}
    await chat_server.ask("PATCH", f"threads/{thread_id}", {"title": "x"})
    assert (await socket.next())["op"] == "events"
    await socket.send({"op": "ping"})
    assert (await socket.next())["op"] == "pong"
    socket.close()


async def test_after_unsubscribe_nothing_more_comes(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    socket = await chat_server.socket()
    await socket.send({"op": "subscribe", "thread": thread_id, "after": 1})
    await socket.next("live")
    await socket.send({"op": "unsubscribe", "thread": thread_id})
    await socket.send({"op": "ping"})
    assert (await socket.next())["op"] == "pong"
    await until(lambda: not chat_server.readers)
    await chat_server.ask("PATCH", f"threads/{thread_id}", {"title": "x"})
    await socket.send({"op": "ping"})
    assert (await socket.next())["op"] == "pong"
    socket.close()


async def test_a_deleted_thread_is_closed_and_the_socket_stays(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    socket = await chat_server.socket()
    subscription = Subscription(thread_id)
    await socket.send(subscription.request())
    while not subscription.is_live:
        subscription.receive(await socket.next())
    await chat_server.ask("DELETE", f"threads/{thread_id}")
    assert isinstance(subscription.receive(await socket.next()), Applied)
    assert subscription.transcript.thread["deleted"] is True
    closed = await socket.next()
    assert closed == {"op": "closed", "thread": thread_id, "reason": "deleted"}
    assert isinstance(subscription.receive(closed), Ended)
    await socket.send({"op": "subscribe", "thread": thread_id})
    assert (await socket.next())["error"]["code"] == "thread_not_found"
    socket.close()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "invalid_json"),
        ("", "invalid_json"),
        ("[" * 50_000, "invalid_json"),
        ("[]", "invalid_input"),
        ("null", "invalid_input"),
        ("7", "invalid_input"),
        ({}, "invalid_input"),
        ({"op": "explode"}, "invalid_input"),
        ({"op": ["subscribe"]}, "invalid_input"),
        ({"op": "subscribe"}, "invalid_input"),
        ({"op": "subscribe", "thread": 7}, "invalid_input"),
        ({"op": "subscribe", "thread": "x", "after": -1}, "invalid_input"),
        ({"op": "subscribe", "thread": "x", "after": "0"}, "invalid_input"),
        ({"op": "subscribe", "thread": "x", "after": 1.0}, "invalid_input"),
        ({"op": "subscribe", "thread": "x", "after": True}, "invalid_input"),
        ({"op": "subscribe", "thread": "x", "after": None}, "invalid_input"),
        ({"op": "subscribe", "thread": "x", "after": 2**60}, "invalid_input"),
        ({"op": "subscribe", "thread": "x", "preview": 1}, "invalid_input"),
        ({"op": "subscribe", "thread": "unknown"}, "thread_not_found"),
        ({"op": "subscribe", "thread": "a b\x00"}, "thread_not_found"),
        ({"op": "unsubscribe", "thread": None}, "invalid_input"),
        ({"op": "ping", "padding": "x" * websocket.MAX_FRAME_BYTES}, "invalid_input"),
        (b'{"op": "ping"}', "invalid_input"),
    ],
    ids=lambda value: repr(value)[:48],
)
async def test_a_bad_frame_gets_an_error_and_the_socket_stays(
    chat_server: ChatServer, frame: Any, code: str
) -> None:
    socket = await chat_server.socket()
    await socket.send(frame)
    answer = await socket.next()
    assert (answer["op"], answer["error"]["code"]) == ("error", code)
    if isinstance(frame, dict) and frame.get("thread") == "x":
        assert answer["thread"] == "x"
    await socket.send({"op": "ping"})
    assert await socket.next() == {"op": "pong"}
    socket.close()


async def test_an_unsubscribe_of_what_is_not_followed_is_no_error(chat_server: ChatServer) -> None:
    socket = await chat_server.socket()
    await socket.send({"op": "unsubscribe", "thread": "unknown"})
    await socket.send({"op": "ping"})
    assert await socket.next() == {"op": "pong"}
    socket.close()


async def test_a_cursor_beyond_the_end_is_told_with_its_thread(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    socket = await chat_server.socket()
    await socket.send({"op": "subscribe", "thread": thread_id, "after": 99})
    answer = await socket.next()
    assert (answer["thread"], answer["error"]["code"]) == (thread_id, "cursor_ahead")
    await socket.send({"op": "subscribe", "thread": thread_id, "after": 0})
    assert (await socket.next())["op"] in ("events", "snapshot")
    socket.close()


async def test_a_socket_follows_so_many_threads_and_no_more(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MAX_SUBSCRIPTIONS", 2)
    ids = [await chat_server.thread() for _ in range(3)]
    socket = await chat_server.socket()
    for thread_id in (*ids[:2], ids[0]):  # the same one again takes no more room
        await socket.send({"op": "subscribe", "thread": thread_id, "after": 1})
        await socket.next("live")
    await socket.send({"op": "subscribe", "thread": ids[2], "after": 1})
    answer = await socket.next()
    assert (answer["thread"], answer["error"]["code"]) == (ids[2], "limit_reached")
    await socket.send({"op": "unsubscribe", "thread": ids[0]})
    await socket.send({"op": "subscribe", "thread": ids[2], "after": 1})
    assert (await socket.next())["op"] == "live"
    socket.close()


async def test_what_nobody_foresaw_ends_one_thread_and_not_the_socket(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError

    service = await chat_server.host.service()
    monkeypatch.setattr(service, "follow", explode)
    socket = await chat_server.socket()
    await socket.send({"op": "subscribe", "thread": "x"})
    answer = await socket.next()
    assert (answer["thread"], answer["error"]["code"]) == ("x", "internal")
    await socket.send({"op": "ping"})
    assert await socket.next() == {"op": "pong"}
    socket.close()


async def test_a_quiet_socket_says_that_it_lives(chat_server: ChatServer) -> None:
    chat_server.host.heartbeat_s = 0.01
    socket = await chat_server.socket()
    for _ in range(3):
        assert await socket.next() == {"op": "heartbeat"}
    socket.close()


async def test_a_client_is_pinged_as_jupyter_is_told(start_server: StartServer) -> None:
    server = await start_server(
        ServerApp_tornado_settings={"ws_ping_interval": 20, "disable_check_xsrf": False}
    )
    pings: list[bytes] = []
    url = server.url.replace("http", "ws", 1) + "ws"
    connection = await websocket_connect(HTTPRequest(url, headers=server.headers))
    assert connection.protocol is not None
    handle = connection.protocol._handle_message

    def note(opcode: int, data: bytes) -> Any:
        if opcode == 9:
            pings.append(data)
        return handle(opcode, data)

    connection.protocol._handle_message = note  # type: ignore[method-assign]

    await until(lambda: len(pings) >= 2)
    connection.close()


async def test_closing_the_socket_ends_all_it_began(chat_server: ChatServer) -> None:
    ids = [await chat_server.thread() for _ in range(3)]
    socket = await chat_server.socket()
    for thread_id in ids:
        await socket.send({"op": "subscribe", "thread": thread_id, "after": 1})
        await socket.next("live")
    assert len(chat_server.host.streams) == 4
    socket.close()
    await until(lambda: not (chat_server.readers or chat_server.host.streams))


async def test_sockets_close_when_the_server_stops(chat_server: ChatServer) -> None:
    socket = await chat_server.socket()
    await socket.send({"op": "ping"})
    await socket.next("pong")
    await chat_server.extension.stop_extension()
    assert await socket.frame() is None
    assert socket.connection.close_code == 1001


async def test_the_address_of_the_socket_speaks_nothing_else(chat_server: ChatServer) -> None:
    reply = await chat_server.ask("GET", "ws")
    assert (reply.status, reply.error["code"]) == (400, "invalid_input")


async def test_a_start_that_failed_is_told_at_the_door(start_server: StartServer) -> None:
    server = await start_server(ChatStream_database_url="sqlite:////dev/null/no/where.db")
    with pytest.raises(HTTPClientError, match="503"):
        await server.socket()
