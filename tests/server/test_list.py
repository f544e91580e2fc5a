"""The list of threads over HTTP: its rows, and the marks of the person who asks."""

from __future__ import annotations

from typing import Any

from tests.server.harness import ChatServer


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
