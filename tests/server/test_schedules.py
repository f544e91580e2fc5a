"""Schedules over REST, as docs/protocol.md says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.harness import ChatServer, another_millisecond

NEW = {"content": "Good morning", "cron": "0 9 * * MON-FRI"}
FIELDS = {
    "id",
    "thread_id",
    "content",
    "cron",
    "timezone",
    "model",
    "params",
    "paused",
    "next_at",
    "last_at",
    "last_run_id",
    "created_at",
}


async def made(server: ChatServer, thread_id: str, **fields: Any) -> dict[str, Any]:
    reply = await server.ask("POST", "schedules", {"thread_id": thread_id, **NEW, **fields})
    assert reply.status == 201, reply.body
    return dict(reply.json)


async def test_a_schedule_is_made_read_listed_changed_and_deleted(chat_server: ChatServer) -> None:
    thread_id, other_id = await chat_server.thread(), await chat_server.thread()
    schedule = await made(chat_server, thread_id, params={"chunk_chars": 3}, timezone=None)
    assert set(schedule) == FIELDS
    assert (schedule["timezone"], schedule["paused"], schedule["last_at"]) == ("UTC", False, None)
    path = f"schedules/{schedule['id']}"
    assert (await chat_server.ask("GET", path)).json == schedule
    assert (await chat_server.ask("GET", "schedules")).json == {"schedules": [schedule]}
    listed = await chat_server.ask("GET", f"schedules?thread_id={other_id}")
    assert listed.json == {"schedules": []}
    paused = await chat_server.ask("PATCH", path, {"paused": True, "content": "Hi"})
    expected = {**schedule, "paused": True, "content": "Hi", "next_at": None}
    assert (paused.status, paused.json) == (200, expected)
    resumed = await chat_server.ask("PATCH", path, {"paused": False, "timezone": "Asia/Tokyo"})
    assert resumed.json["next_at"] not in (None, schedule["next_at"])
    deleted = await chat_server.ask("DELETE", path)
    assert (deleted.status, deleted.body) == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        gone = await chat_server.ask(method, path)
        assert (gone.status, gone.error["code"]) == (404, "schedule_not_found")


async def test_a_page_of_schedules_goes_on_though_the_last_one_shown_was_deleted(
    chat_server: ChatServer,
) -> None:
    thread_id = await chat_server.thread()
    every = []
    for minute in range(4):
        every.append(await made(chat_server, thread_id, cron=f"{minute} 9 * * *"))
        await another_millisecond()  # ids sort by time
    path = f"schedules?thread_id={thread_id}&limit=2"
    page = (await chat_server.ask("GET", path)).json["schedules"]
    assert page == every[2:]
    await chat_server.ask("DELETE", f"schedules/{page[0]['id']}")
    rest = await chat_server.ask("GET", f"{path}&before={page[0]['id']}")
    assert rest.json == {"schedules": every[:2]}
    odd = await chat_server.ask("GET", f"{path}&before=nobody")
    assert (odd.status, odd.error["code"]) == (404, "schedule_not_found")


async def test_a_schedule_goes_with_its_thread(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    schedule = await made(chat_server, thread_id)
    await chat_server.ask("DELETE", f"threads/{thread_id}")
    assert (await chat_server.ask("GET", "schedules")).json == {"schedules": []}
    assert (await chat_server.ask("GET", f"schedules/{schedule['id']}")).status == 404


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("cron", "0 25 * * *", "invalid_input"),
        ("cron", "* * * * * *", "invalid_input"),
        ("cron", 5, "invalid_input"),
        ("cron", None, "invalid_input"),
        ("cron", "9" * 201, "invalid_input"),
        ("timezone", "Mars/Olympus", "invalid_input"),
        ("timezone", "../UTC", "invalid_input"),
        ("content", " ", "invalid_input"),
        ("content", "x" * (1024 * 1024 + 1), "content_too_large"),
        ("params", {"x": "y" * (1024 * 1024)}, "content_too_large"),
        ("params", [], "invalid_input"),
        ("paused", "yes", "invalid_input"),
        ("model", "demo/nothing", "no_such_model"),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_named(
    chat_server: ChatServer, field: str, value: Any, code: str
) -> None:
    thread_id = await chat_server.thread()
    schedule = await made(chat_server, thread_id)
    path = f"schedules/{schedule['id']}"
    tries = [await chat_server.ask("PATCH", path, {field: value})]
    if field != "paused":
        body = {"thread_id": thread_id, **NEW, field: value}
        tries.append(await chat_server.ask("POST", "schedules", body))
    for reply in tries:
        assert (reply.status, reply.error["code"]) == (413 if "large" in code else 400, code)
        if field != "model":
            assert reply.error["field"] == field
    assert (await chat_server.ask("GET", path)).json == schedule


async def test_a_schedule_of_no_thread_is_404(chat_server: ChatServer) -> None:
    for thread_id in ("nobody", "…"):
        for reply in (
            await chat_server.ask("POST", "schedules", {"thread_id": thread_id, **NEW}),
            await chat_server.ask("GET", "schedules?thread_id=nobody"),
        ):
            assert (reply.status, reply.error["code"]) == (404, "thread_not_found")


async def test_a_schedule_sends_its_message_and_is_answered(chat_server: ChatServer) -> None:
    """The sweep makes it due, and the rest is a message like any other."""
    thread_id = await chat_server.thread()
    schedule = await made(chat_server, thread_id)
    service = chat_server.service
    await service.store.core.write(
        lambda tx: tx.execute("UPDATE schedule SET next_ms = :now", {"now": tx.now_ms})
    )
    path = f"threads/{thread_id}/events?after=1&wait=30"
    chat_server.subsystems.engine.nudge()
    assert (await chat_server.ask("GET", path)).status == 200
    now = (await chat_server.ask("GET", f"schedules/{schedule['id']}")).json
    reply = await service.wait_ended("local", now["last_run_id"], 20.0)
    assert (reply["status"], reply["content"]) == ("completed", "Good morning")
    assert now["next_at"] == schedule["next_at"]
