"""The commands of docs/protocol.md, as any client sends them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from jupyter_chat_stream._version import PROTOCOL_VERSION, __version__
from jupyter_chat_stream.server import handlers
from jupyter_chat_stream.shared.events import ENDS, STATUSES
from tests.server.harness import ChatServer, another_millisecond

SLOW = {"chars_per_second": 20}


async def test_status_says_what_runs(chat_server: ChatServer) -> None:
    status = (await chat_server.ask("GET", "status")).json
    assert status["version"] == __version__
    assert status["protocol"] == PROTOCOL_VERSION
    assert status["engine"] == "local"
    assert set(status["runs"].values()) == {0}
    assert status["max_attachment_bytes"] == 20 * 1024 * 1024
    await chat_server.ask(
        "POST",
        f"threads/{await chat_server.thread(model='demo/echo')}/messages",
        {"content": "Hello"},
        headers={**chat_server.headers, "Prefer": "wait=60"},
    )
    counts = (await chat_server.ask("GET", "status")).json["runs"]
    assert {name for name, count in counts.items() if count} == {"completed"}
    assert list(counts) == list(STATUSES)


async def test_models_name_the_default(chat_server: ChatServer) -> None:
    models = (await chat_server.ask("GET", "models")).json
    assert models["default"] == "demo/echo"
    assert "demo/echo" in [model["id"] for model in models["models"]]


async def test_preferences_are_kept(chat_server: ChatServer) -> None:
    changes = {"default_model": "demo/fast", "system": "Be brief."}
    assert (await chat_server.ask("PATCH", "me", changes)).status == 200
    assert (await chat_server.ask("PATCH", "me", {"system": None})).status == 200
    me = (await chat_server.ask("GET", "me")).json
    assert (me["default_model"], me["system"]) == ("demo/fast", None)
    assert (await chat_server.ask("GET", "models")).json["default"] == "demo/fast"


async def test_a_name_gets_the_thread_or_creates_it(chat_server: ChatServer) -> None:
    made = await chat_server.ask("POST", "threads", {"name": "churn"})
    again = await chat_server.ask("POST", "threads", {"name": "churn"})
    elsewhere = await chat_server.ask("POST", "threads", {"name": "churn", "project": "b"})
    assert [made.status, again.status, elsewhere.status] == [201, 200, 201]
    assert made.json["id"] == again.json["id"] != elsewhere.json["id"]


async def test_another_spelling_of_the_project_finds_the_thread_and_moves_it(
    chat_server: ChatServer,
) -> None:
    """A link's path, by which an earlier release knew the folder; the event tells readers (L7)."""
    old = await chat_server.ask("POST", "threads", {"name": "notes", "project": "/link/a"})
    both = {"name": "notes", "project": "/real/a", "project_others": ["/no", "/link/a"]}
    found = await chat_server.ask("POST", "threads", both)
    assert (found.status, found.json["id"]) == (200, old.json["id"])
    assert found.json["project"] == "/real/a"
    alone = await chat_server.ask("POST", "threads", {"name": "notes", "project": "/real/a"})
    assert alone.json["id"] == old.json["id"]
    fresh = await chat_server.ask("POST", "threads", {"name": "notes", "project": "/link/a"})
    again = await chat_server.ask("POST", "threads", both)
    assert (fresh.status, again.json["id"]) == (201, old.json["id"]), "its own name comes first"
    events = (await chat_server.ask("GET", f"threads/{old.json['id']}/events?raw=1")).json
    assert events["events"][-1]["thread"] == {"project": "/real/a"}


@pytest.mark.parametrize("project", ["team%20a", "50% #1?&x=1", 'it\'s "mine"', "a\\b", "Größe +"])
async def test_any_folders_name_is_a_project(chat_server: ChatServer, project: str) -> None:
    made = await chat_server.thread(name="notes", project=project)
    found = await chat_server.ask("GET", f"threads?{urlencode({'project': project})}")
    assert [thread["id"] for thread in found.json["threads"]] == [made]


async def test_an_empty_body_counts_as_no_fields(chat_server: ChatServer) -> None:
    assert (await chat_server.ask("POST", "threads")).status == 201
    assert (await chat_server.ask("POST", "threads", b" \n")).status == 201


async def test_threads_are_listed_newest_first_and_in_pages(chat_server: ChatServer) -> None:
    made = []
    for number in range(3):
        made.append(await chat_server.thread(title=f"Number {number}"))
        await another_millisecond()  # `updated_at` is in ms, and pages are cut by it
    first = (await chat_server.ask("GET", "threads?limit=2")).json["threads"]
    assert [thread["id"] for thread in first] == made[:0:-1]
    before = first[-1]["updated_at"]
    rest = (await chat_server.ask("GET", f"threads?before={before}")).json["threads"]
    assert [thread["id"] for thread in rest] == made[:1]
    found = (await chat_server.ask("GET", "threads?q=number%201")).json["threads"]
    assert [thread["id"] for thread in found] == [made[1]]


async def test_a_page_may_begin_at_a_thread_s_id(chat_server: ChatServer) -> None:
    """An id tells apart threads of the same millisecond, which `updated_at` cannot."""
    for _ in range(5):
        await chat_server.thread(project="pages")
    path = "threads?project=pages"
    every = [thread["id"] for thread in (await chat_server.ask("GET", path)).json["threads"]]
    assert len(every) == 5
    for place, thread_id in enumerate(every):
        rest = await chat_server.ask("GET", f"{path}&before={thread_id}")
        assert [thread["id"] for thread in rest.json["threads"]] == every[place + 1 :]
    nobody = await chat_server.ask("GET", f"{path}&before={'z' * 22}")
    assert (nobody.status, nobody.error["code"]) == (404, "thread_not_found")


async def test_a_page_of_threads_goes_on_though_the_last_one_shown_was_changed_or_deleted(
    chat_server: ChatServer,
) -> None:
    for _ in range(6):
        await chat_server.thread(project="moving")
    path = "threads?project=moving"
    every = (await chat_server.ask("GET", path)).json["threads"]
    ids = [thread["id"] for thread in every]

    async def after(thread: dict[str, Any]) -> list[str]:
        place = f"{thread['updated_at']},{thread['id']}"
        page = await chat_server.ask("GET", f"{path}&before={place}")
        return [found["id"] for found in page.json["threads"]]

    assert [await after(thread) for thread in every] == [ids[n + 1 :] for n in range(6)]
    await chat_server.ask("PATCH", f"threads/{ids[1]}", {"title": "Moved"})
    await chat_server.ask("DELETE", f"threads/{ids[2]}")
    assert await after(every[1]) == ids[3:]
    assert await after(every[2]) == ids[3:]
    alone = await chat_server.ask("GET", f"{path}&before={ids[2]}")
    assert (alone.status, alone.error["code"]) == (404, "thread_not_found")


async def test_a_thread_is_renamed_archived_and_deleted(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread(name="old")
    path = f"threads/{thread_id}"
    changed = await chat_server.ask("PATCH", path, {"name": "new", "archived": True})
    assert (changed.json["name"], changed.json["archived"]) == ("new", True)
    assert (await chat_server.ask("GET", "threads")).json["threads"] == []
    assert len((await chat_server.ask("GET", "threads?archived=1")).json["threads"]) == 1
    deleted = await chat_server.ask("DELETE", path)
    assert (deleted.status, deleted.body) == (204, b"")
    assert (await chat_server.ask("GET", path)).status == 404


async def test_send_gives_message_reply_and_run_at_once(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    sent = await chat_server.send(thread_id, "Hello")
    assert sent["message"]["content"] == "Hello"
    assert sent["message"]["role"] == "user"
    assert sent["reply"]["run_id"] == sent["run"]["id"]
    assert sent["reply"]["parent_id"] == sent["message"]["id"]
    assert sent["run"]["message_id"] == sent["reply"]["id"]


async def test_prefer_wait_gives_the_ended_reply(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    sent = await chat_server.answered(thread_id, "Hello")
    assert sent["reply"]["status"] == "completed"
    assert sent["run"]["status"] == "completed"
    assert "Hello" in sent["reply"]["content"]


@pytest.mark.parametrize("prefer", ["wait=0", "respond-async, wait=0", "wait=0; foo=bar"])
async def test_prefer_wait_gives_202_when_time_is_up(chat_server: ChatServer, prefer: str) -> None:
    thread_id = await chat_server.thread(model="demo/tour")
    reply = await chat_server.ask(
        "POST",
        f"threads/{thread_id}/messages",
        {"content": "x", "params": SLOW},
        headers={**chat_server.headers, "Prefer": prefer},
    )
    assert reply.status == 202
    assert reply.headers["Preference-Applied"] == "wait=0"
    assert reply.json["reply"]["status"] not in ENDS


async def test_a_preference_nobody_knows_is_ignored(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    headers = {**chat_server.headers, "Prefer": "await=3, wait=soon"}
    path = f"threads/{thread_id}/messages"
    reply = await chat_server.ask("POST", path, {"content": "x"}, headers=headers)
    assert reply.status == 202
    assert "Preference-Applied" not in reply.headers


async def test_leaving_a_wait_leaves_the_run_alone(chat_server: ChatServer) -> None:
    """L8: readers never touch a run."""
    thread_id = await chat_server.thread(model="demo/long")
    body = json.dumps({"content": "x", "params": {"chars": 400, "chars_per_second": 2000}}).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", chat_server.app.port)
    writer.write(
        f"POST /api/chat-stream/threads/{thread_id}/messages HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: token {chat_server.token}\r\nPrefer: wait=60\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    await writer.drain()
    socket = await chat_server.socket()
    await socket.send({"op": "subscribe", "thread": thread_id, "after": 0})
    seen: list[dict[str, Any]] = []
    while not any(event["type"] == "delta" for event in seen):
        seen += (await socket.next("events"))["events"]
    writer.close()
    while seen[-1]["type"] != "finalized":
        seen += (await socket.next("events"))["events"]
    assert seen[-1]["status"] == "completed"
    socket.close()


async def test_the_same_key_gives_the_same_answer(chat_server: ChatServer) -> None:
    """L11."""
    thread_id = await chat_server.thread()
    path = f"threads/{thread_id}/messages"
    headers = {**chat_server.headers, "Idempotency-Key": "cell 7"}
    first = await chat_server.ask("POST", path, {"content": "x"}, headers=headers)
    again = await chat_server.ask("POST", path, {"content": "x"}, headers=headers)
    other = await chat_server.ask("POST", path, {"content": "y"}, headers=headers)
    assert first.json["run"]["id"] == again.json["run"]["id"]
    assert first.json["message"]["id"] == again.json["message"]["id"]
    assert (other.status, other.error["code"]) == (409, "idempotency_mismatch")


async def test_no_parent_and_the_root_are_different_things(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    first = await chat_server.answered(thread_id)
    child = await chat_server.send(thread_id, "and?")
    root = await chat_server.send(thread_id, "anew", parent_id=None)
    sibling = await chat_server.send(thread_id, "or", parent_id=first["reply"]["id"])
    assert child["message"]["parent_id"] == first["reply"]["id"]
    assert root["message"]["parent_id"] is None
    assert sibling["message"]["parent_id"] == first["reply"]["id"]


async def test_context_is_part_of_the_message(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    sent = await chat_server.send(thread_id, "Explain", context=[{"name": "df", "text": "a,b"}])
    kinds = [part["kind"] for part in sent["message"]["parts"]]
    assert kinds == ["attachment", "text"]
    assert sent["message"]["content"] == "Explain"


async def test_what_may_be_left_out_may_be_null(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread(model="demo/echo")
    bare = {"content": "Hello"}
    nulls = {"model": None, "params": None, "tools": None, "context": None}
    path = f"threads/{thread_id}/messages"
    headers = {**chat_server.headers, "Idempotency-Key": "both"}
    first = await chat_server.ask("POST", path, bare, headers=headers)
    again = await chat_server.ask("POST", path, {**bare, **nulls}, headers=headers)
    assert first.status == again.status == 202
    assert first.json["run"]["id"] == again.json["run"]["id"]


async def test_text_that_no_wire_takes_is_mended(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    raw = b'{"content": "a\\ud800b\\u0000c\\ud83d\\ude00"}'
    reply = await chat_server.ask("POST", f"threads/{thread_id}/messages", raw)
    assert reply.json["message"]["content"] == "a\ufffdb\ufffdc\N{GRINNING FACE}"


async def test_cancel_stops_and_is_idempotent(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread(model="demo/tour")
    run_id = (await chat_server.send(thread_id, params=SLOW))["run"]["id"]
    stopped = await chat_server.ask("POST", f"runs/{run_id}/cancel")
    again = await chat_server.ask("POST", f"runs/{run_id}/cancel", {})
    assert (stopped.status, stopped.json["status"]) == (200, "cancelled")
    assert again.json == stopped.json == (await chat_server.ask("GET", f"runs/{run_id}")).json


async def test_retry_and_continue_make_new_runs(chat_server: ChatServer) -> None:
    """L4: the old run stays ended."""
    thread_id = await chat_server.thread()
    first = await chat_server.answered(thread_id)
    run_id = first["run"]["id"]
    headers = {**chat_server.headers, "Idempotency-Key": "k"}
    retried = await chat_server.ask("POST", f"runs/{run_id}/retry", headers=headers)
    again = await chat_server.ask("POST", f"runs/{run_id}/retry", headers=headers)
    assert retried.status == 202
    assert retried.json["run"]["id"] == again.json["run"]["id"] != run_id
    assert retried.json["reply"]["parent_id"] == first["reply"]["parent_id"]
    continued = await chat_server.ask("POST", f"runs/{run_id}/continue")
    assert continued.json["run"]["continues"] == run_id
    listed = (await chat_server.ask("GET", f"threads/{thread_id}/runs")).json["runs"]
    assert [run["id"] for run in listed][:2] == [run_id, retried.json["run"]["id"]]
    assert listed[0]["status"] == "completed"


async def test_messages_come_with_the_cursor_they_stand_at(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    for number in range(3):
        await chat_server.answered(thread_id, f"Question {number}")
    path = f"threads/{thread_id}"
    state = (await chat_server.ask("GET", f"{path}/messages")).json
    assert [m["role"] for m in state["messages"]] == ["user", "assistant"] * 3
    newest = (await chat_server.ask("GET", f"{path}/messages?limit=2")).json["messages"]
    assert newest == state["messages"][-2:]
    older = await chat_server.ask("GET", f"{path}/messages?limit=3&before={newest[0]['id']}")
    assert older.json["messages"] == state["messages"][1:4]
    more = (await chat_server.ask("GET", f"{path}/events?after={state['seq']}")).json
    assert more == {"events": [], "seq": state["seq"]}


async def test_a_page_has_so_many_messages_their_runs_and_those_that_are_open(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long thread is no long answer; whoever wants all of it pages on, or follows from 0."""
    monkeypatch.setattr(handlers, "MESSAGES", 4)
    thread_id = await chat_server.thread()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    later = await chat_server.send(thread_id, "L", deliver_at=tomorrow.isoformat())
    sent = [await chat_server.answered(thread_id, f"{n}") for n in range(3)]
    path = f"threads/{thread_id}/messages"
    page = (await chat_server.ask("GET", path)).json
    assert [m["content"] for m in page["messages"]] == ["1", "1", "2", "2"]
    expected = [later["run"]["id"], sent[1]["run"]["id"], sent[2]["run"]["id"]]
    assert [run["id"] for run in page["runs"]] == expected
    earlier = (await chat_server.ask("GET", f"{path}?before={page['messages'][0]['id']}")).json
    assert [m["content"] for m in earlier["messages"]] == ["L", "", "0", "0"]


async def test_unknown_query_arguments_are_nobody_s_business(chat_server: ChatServer) -> None:
    """JupyterLab's own client adds one against caches."""
    assert (await chat_server.ask("GET", "threads?1763630000000")).status == 200


async def test_a_conditional_request_gets_the_whole_answer(chat_server: ChatServer) -> None:
    first = await chat_server.ask("GET", "models")
    assert "Etag" not in first.headers
    headers = {**chat_server.headers, "If-None-Match": "*"}
    assert (await chat_server.ask("GET", "models", headers=headers)).status == 200
