"""Messages for later, questions and sleeps over REST, as docs/protocol.md says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.server.harness import ChatServer, Reply

LATER = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


async def post(server: ChatServer, thread_id: str, body: Any, **headers: str) -> Reply:
    path = f"threads/{thread_id}/messages"
    return await server.ask("POST", path, body, headers={**server.headers, **headers})


async def head(server: ChatServer, thread_id: str) -> Any:
    return (await server.ask("GET", f"threads/{thread_id}")).json["head"]


async def asked(server: ChatServer, run: dict[str, Any]) -> dict[str, Any]:
    """Return the newest question of a run, answered or not."""
    state = (await server.ask("GET", f"threads/{run['thread_id']}/messages")).json
    reply = next(m for m in state["messages"] if m["id"] == run["message_id"])
    return dict([part for part in reply["parts"] if part["kind"] == "input_request"][-1])


async def test_a_message_for_later_is_there_and_waits(chat_server: ChatServer) -> None:
    """Even who prefers to wait is answered at once: it waits longer than they do."""
    thread_id = await chat_server.thread()
    before = (await chat_server.answered(thread_id))["reply"]["id"]
    sent = await post(
        chat_server, thread_id, {"content": "Later", "deliver_at": LATER}, Prefer="wait=30"
    )
    assert sent.status == 202
    message, reply, run = (sent.json[name] for name in ("message", "reply", "run"))
    assert (message["status"], message["parent_id"]) == ("waiting", None)
    assert reply["status"] == "waiting"
    assert (run["status"], run["phase"], run["wake_at"]) == ("waiting", "waiting", LATER)
    assert await head(chat_server, thread_id) == before
    again = await chat_server.answered(thread_id, "Meanwhile")
    assert again["message"]["parent_id"] == before


async def test_a_message_for_later_is_cancelled_with_its_run(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    sent = await chat_server.send(thread_id, "Later", deliver_at=LATER)
    run = await chat_server.ask("POST", f"runs/{sent['run']['id']}/cancel")
    assert run.json["status"] == "cancelled"
    state = (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json
    assert [message["status"] for message in state["messages"]] == ["cancelled", "cancelled"]
    again = await chat_server.ask("POST", f"runs/{sent['run']['id']}/retry")
    assert again.status == 202
    state = (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json
    assert state["messages"][0]["status"] == "completed"
    assert await head(chat_server, thread_id) == again.json["reply"]["id"]


async def test_a_time_that_is_past_or_none_is_now(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    for deliver_at in (None, "2020-01-01T00:00:00Z", "2020-01-01T01:00:00+05:30"):
        body = {"content": "Now", "deliver_at": deliver_at}
        reply = await post(chat_server, thread_id, body, Prefer="wait=30")
        assert (reply.status, reply.json["message"]["status"]) == (200, "completed")


async def test_a_key_stands_for_its_time_too(chat_server: ChatServer) -> None:
    """L11: the same instant, however it is written; another one is another message."""
    thread_id = await chat_server.thread()
    body = {"content": "Later", "deliver_at": LATER}
    key = {"Idempotency-Key": "k"}
    first = (await post(chat_server, thread_id, body, **key)).json
    same = {**body, "deliver_at": LATER.replace("Z", "+00:00")}
    assert (await post(chat_server, thread_id, same, **key)).json == first
    for other in ({"content": "Later"}, {**body, "deliver_at": LATER.replace(".000", ".001")}):
        refused = await post(chat_server, thread_id, other, **key)
        assert (refused.status, refused.error["code"]) == (409, "idempotency_mismatch")


async def test_a_message_for_later_may_name_its_parent(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    first = (await chat_server.answered(thread_id))["reply"]["id"]
    for parent_id in (first, None):
        sent = await chat_server.send(thread_id, "L", deliver_at=LATER, parent_id=parent_id)
        assert sent["message"]["parent_id"] == parent_id
    reply = await post(
        chat_server, thread_id, {"content": "L", "deliver_at": LATER, "parent_id": "nobody"}
    )
    assert (reply.status, reply.error["code"]) == (404, "message_not_found")


async def test_a_person_is_asked_and_answers_until_it_is_done(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread(model="demo/ask")
    sent = await post(chat_server, thread_id, {"content": "A report"}, Prefer="wait=30")
    assert sent.status == 202  # it waits for a person
    run = sent.json["run"]
    assert (run["status"], run["phase"], run["wake_at"]) == ("waiting", "waiting", None)
    for value in ("autumn", {"name": "Ben", "copies": 2}):
        question = await asked(chat_server, run)
        body = {"request_id": question["request_id"], "value": value}
        given = await chat_server.ask("POST", f"runs/{run['id']}/input", body)
        assert (given.status, given.json["status"]) == (200, "pending")
        second = await chat_server.ask("POST", f"runs/{run['id']}/input", {**body, "value": "me!"})
        assert (second.status, second.error["code"]) == (409, "request_not_open")
        assert (second.error["value"], second.error["by"]) == (value, "local")
        reply = await chat_server.service.wait_ended("local", run["id"], 20.0)
    assert reply["status"] == "completed"
    assert "The autumn report, for " in reply["content"]


async def test_an_answer_outside_the_choices_leaves_the_question_open(
    chat_server: ChatServer,
) -> None:
    thread_id = await chat_server.thread(model="demo/ask")
    sent = (await post(chat_server, thread_id, {"content": "x"}, Prefer="wait=30")).json
    question = await asked(chat_server, sent["run"])
    path = f"runs/{sent['run']['id']}/input"
    body = {"request_id": question["request_id"], "value": "monsoon"}
    reply = await chat_server.ask("POST", path, body)
    assert (reply.status, reply.error["choices"]) == (400, question["choices"])
    assert (await asked(chat_server, sent["run"]))["by"] is None


@pytest.mark.parametrize("value", ["x" * 65_537, ["x" * 65_534], "ä" * 32_769])
async def test_an_answer_too_long_is_413(chat_server: ChatServer, value: Any) -> None:
    thread_id = await chat_server.thread(model="demo/ask")
    run_id = (await chat_server.send(thread_id))["run"]["id"]
    body = {"request_id": "q", "value": value}
    reply = await chat_server.ask("POST", f"runs/{run_id}/input", body)
    assert (reply.status, reply.error["code"]) == (413, "content_too_large")
    assert reply.error["field"] == "value"


async def test_a_run_sleeps_and_is_stopped(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread(model="demo/wait")
    body = {"content": "x", "params": {"until": LATER}}
    sent = await post(chat_server, thread_id, body, Prefer="wait=30")
    run = sent.json["run"]
    assert (sent.status, run["phase"], run["wake_at"]) == (202, "waiting", LATER)
    stopped = await chat_server.ask("POST", f"runs/{run['id']}/cancel")
    assert stopped.json["status"] == "cancelled"


async def test_what_one_prefers_is_kept(chat_server: ChatServer) -> None:
    assert (await chat_server.ask("GET", "me")).json["on_crash"] is None
    for value in ("interrupt", None):
        me = await chat_server.ask("PATCH", "me", {"on_crash": value})
        assert (me.status, me.json["on_crash"]) == (200, value)
    await chat_server.ask("PATCH", "me", {"on_crash": "restart"})
    assert (await chat_server.ask("PATCH", "me", {"system": "S"})).json["on_crash"] == "restart"
