"""The list of threads over HTTP: its rows, and the marks of the person who asks."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.server import outbox
from tests.server.harness import ChatServer, Socket, until
from tests.server.test_slow_sockets import DeafClient, socket_of


async def rows(server: ChatServer, query: str = "") -> list[dict[str, Any]]:
    listed = await server.ask("GET", f"threads?{query}")
    assert listed.status == 200, listed.body
    return list(listed.json["threads"])


async def test_a_row_tells_what_is_unread_until_its_person_has_read_it(
    chat_server: ChatServer,
) -> None:
    thread = await chat_server.thread(project="/data")
    await chat_server.answered(thread)
    (row,) = await rows(chat_server)
    assert (row["id"], row["unread"], row["busy"], row["asks"]) == (thread, 1, False, False)
    path = f"threads/{thread}/read"
    assert (await chat_server.ask("PUT", path, {"seq": row["seq"]})).status == 204
    assert (await chat_server.ask("PUT", path, {"seq": 1})).status == 204  # never back
    assert [row["unread"] for row in await rows(chat_server)] == [0]
    ahead = await chat_server.ask("PUT", path, {"seq": row["seq"] + 1})
    assert (ahead.status, ahead.error["code"]) == (409, "cursor_ahead")
    projects = (await chat_server.ask("GET", "projects")).json["projects"]
    assert [(each["project"], each["threads"]) for each in projects] == [("/data", 1)]
    assert (await chat_server.ask("GET", "projects?archived=1")).json["projects"] == []


async def test_a_pin_is_changed_with_other_fields_and_by_itself(chat_server: ChatServer) -> None:
    thread, other = [await chat_server.thread() for _ in range(2)]
    path = f"threads/{thread}"
    changed = await chat_server.ask("PATCH", path, {"pinned": True, "title": "Churn"})
    assert (changed.json["pinned"], changed.json["title"]) == (True, "Churn")
    assert [row["id"] for row in await rows(chat_server)] == [thread, other]  # by time
    assert [row["id"] for row in await rows(chat_server, "pinned=1")] == [thread]
    again = await chat_server.ask("PATCH", path, {"title": "Churn in May"})
    assert (again.json["pinned"], again.json["seq"]) == (True, 3)
    unpinned = await chat_server.ask("PATCH", path, {"pinned": False})
    assert (unpinned.json["pinned"], unpinned.json["seq"]) == (False, 3)  # a mark is no event
    assert await rows(chat_server, "pinned=1") == []


async def test_a_mark_that_is_no_mark_is_refused_by_its_field(chat_server: ChatServer) -> None:
    thread = await chat_server.thread()
    for body in ({}, {"seq": -1}, {"seq": "1"}, {"seq": 1.5}, {"seq": True}, {"seq": 2**53}):
        refused = await chat_server.ask("PUT", f"threads/{thread}/read", body)
        assert (refused.status, refused.error["field"]) == (400, "seq"), body
    refused = await chat_server.ask("PATCH", f"threads/{thread}", {"pinned": None})
    assert (refused.status, refused.error["field"]) == (400, "pinned")
    missing = await chat_server.ask("PUT", "threads/nobody/read", {"seq": 1})
    assert (missing.status, missing.error["code"]) == (404, "thread_not_found")
    assert (await chat_server.ask("GET", "threads?pinned=maybe")).error["field"] == "pinned"


async def watching(server: ChatServer) -> Socket:
    socket = await server.socket()
    await socket.send({"op": "watch"})
    assert await socket.next() == {"op": "watching"}
    return socket


async def until_row(socket: Socket, **fields: Any) -> dict[str, Any]:
    """Return the next row with these fields."""
    while True:
        row = (await socket.next("thread"))["thread"]
        if fields.items() <= row.items():
            return dict(row)


async def test_a_socket_that_watches_gets_each_row_as_a_page_has_it(
    chat_server: ChatServer,
) -> None:
    socket = await watching(chat_server)
    thread = await chat_server.thread(title="Churn")
    assert (await until_row(socket, id=thread))["title"] == "Churn"
    await chat_server.answered(thread)
    row = await until_row(socket, unread=1, busy=False)
    assert await rows(chat_server) == [row]
    await chat_server.ask("PUT", f"threads/{thread}/read", {"seq": row["seq"]})
    await until_row(socket, unread=0)
    await chat_server.ask("DELETE", f"threads/{thread}")
    assert (await until_row(socket, deleted=True))["id"] == thread


async def test_a_socket_gets_no_rows_after_unwatch_and_may_watch_again(
    chat_server: ChatServer,
) -> None:
    socket = await watching(chat_server)
    await socket.send({"op": "unwatch"})
    await socket.send({"op": "unwatch"})  # harmless
    await socket.send({"op": "ping"})
    assert await socket.next() == {"op": "pong"}
    watchers = chat_server.subsystems.watchers
    await until(lambda: watchers.count == 0)
    await chat_server.thread()
    for _ in range(2):  # the second replaces the first
        await socket.send({"op": "watch"})
        assert await socket.next() == {"op": "watching"}
    await until(lambda: watchers.count == 1)
    thread = await chat_server.thread()
    assert (await socket.next())["thread"]["id"] == thread
    socket.close()
    await until(lambda: watchers.count == 0)


async def test_a_socket_that_is_not_read_holds_little_of_the_list(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L8: and who reads misses nothing."""
    monkeypatch.setattr(outbox, "MAX_HELD_BYTES", 4_000)
    deaf = DeafClient(chat_server)
    await deaf.open()
    handler = socket_of(chat_server)
    await deaf.send({"op": "watch"})
    watchers = chat_server.subsystems.watchers
    await until(lambda: watchers.count == 1)
    listener = await watching(chat_server)
    connection: Any = handler.ws_connection
    for number in range(60):
        thread = await chat_server.thread(system="x" * 50_000, title=str(number))
        await until_row(listener, id=thread, title=str(number))
        assert handler.outbox.held_bytes <= 128 * 1024  # one frame of any size
        assert len(connection.stream._write_buffer) <= 128 * 1024
    listener.close()
    deaf.socket.close()
    await until(lambda: watchers.count == 0)


async def test_a_search_finds_titles_and_texts_with_their_snippets(
    chat_server: ChatServer,
) -> None:
    thread_id = await chat_server.thread(title="Zebras of the plain")
    other = await chat_server.thread(title="Something else")
    sent = await chat_server.ask(
        "POST", f"threads/{other}/messages", {"content": "Why has a Zèbra stripes?"}
    )
    reply = (await chat_server.ask("GET", "threads?q=zebra")).json
    assert reply["is_complete"] is True
    found = {thread["id"]: thread["matches"] for thread in reply["threads"]}
    assert found == {
        other: [
            {
                "message_id": sent.json["message"]["id"],
                "snippet": "Why has a Zèbra stripes?",
                "ranges": [[10, 15]],
            }
        ],
        thread_id: [{"message_id": None, "snippet": "Zebras of the plain", "ranges": [[0, 6]]}],
    }
    assert {"unread", "busy", "seq"} <= set(reply["threads"][0])
    blank = (await chat_server.ask("GET", "threads?q=%20")).json
    assert "is_complete" not in blank
    assert "matches" not in blank["threads"][0]


async def test_an_answer_is_indexed_by_the_server_that_made_it(chat_server: ChatServer) -> None:
    """Without a round of housekeeping: nothing waits for the index soon after the end."""
    await chat_server.answered(await chat_server.thread())
    core = chat_server.service.store.core

    def waiting() -> int:
        sql = "SELECT (SELECT COUNT(*) FROM search_row) - (SELECT COUNT(*) FROM search_due)"
        return core.read_now(lambda conn: conn.exec_driver_sql(sql).scalar_one())

    await until(lambda: waiting() >= 2)
