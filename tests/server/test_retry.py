"""A retry makes a sibling of the reply, by the same model or by another."""

from __future__ import annotations

from typing import Any

from tests.server.harness import ChatServer, Reply


async def retry(server: ChatServer, run_id: str, body: Any = None, key: str = "") -> Reply:
    headers = {**server.headers, **({"Idempotency-Key": key} if key else {})}
    return await server.ask("POST", f"runs/{run_id}/retry", body, headers=headers)


async def answered(server: ChatServer, **fields: Any) -> dict[str, Any]:
    headers = {**server.headers, "Prefer": "wait=30"}
    thread = await server.thread()
    body = {"content": "Hello", **fields}
    sent = await server.ask("POST", f"threads/{thread}/messages", body, headers=headers)
    return dict(sent.json)


async def length(server: ChatServer, made: dict[str, Any]) -> int:
    """Wait for the end of an answer, and return its length."""
    await server.service.wait_ended("local", made["run"]["id"], 30)
    path = f"threads/{made['reply']['thread_id']}/messages"
    messages = (await server.ask("GET", path)).json["messages"]
    return next(len(m["content"]) for m in messages if m["id"] == made["reply"]["id"])


async def test_another_model_makes_a_sibling_of_the_reply(chat_server: ChatServer) -> None:
    first = await answered(chat_server, model="demo/echo")
    again = await retry(chat_server, first["run"]["id"], {"model": "demo/fast"})
    assert again.status == 202
    reply, run = again.json["reply"], again.json["run"]
    assert (reply["model"], run["model"]) == ("demo/fast", "demo/fast")
    assert reply["parent_id"] == first["reply"]["parent_id"]
    assert reply["id"] != first["reply"]["id"]
    assert run["continues"] is None
    thread = (await chat_server.ask("GET", f"threads/{reply['thread_id']}")).json
    assert (thread["model"], thread["head"]) == ("demo/echo", reply["id"])


async def test_parameters_of_a_retry_replace_those_of_the_message(chat_server: ChatServer) -> None:
    first = await answered(chat_server, model="demo/long", params={"chars": 700})
    assert len(first["reply"]["content"]) == 700
    same = (await retry(chat_server, first["run"]["id"])).json
    other = (await retry(chat_server, first["run"]["id"], {"params": {"chars": 70}})).json
    assert await length(chat_server, same) == 700
    assert await length(chat_server, other) == 70


async def test_a_repeated_key_with_another_choice_is_refused(chat_server: ChatServer) -> None:
    """L11"""
    run = (await answered(chat_server))["run"]["id"]
    made = await retry(chat_server, run, {"model": "demo/fast"}, key="k")
    again = await retry(chat_server, run, {"model": "demo/fast"}, key="k")
    assert again.json["run"]["id"] == made.json["run"]["id"]
    mismatch = await retry(chat_server, run, {"model": "demo/echo"}, key="k")
    assert (mismatch.status, mismatch.error["code"]) == (409, "idempotency_mismatch")


async def test_a_retry_that_cannot_be_made_is_refused_and_makes_nothing(
    chat_server: ChatServer,
) -> None:
    run = (await answered(chat_server))["run"]
    unknown = await retry(chat_server, run["id"], {"model": "nobody/nothing"})
    assert (unknown.status, "nobody" in unknown.error["message"]) == (400, True)
    for body, field in (({"modle": "demo/fast"}, "modle"), ({"params": []}, "params")):
        assert (await retry(chat_server, run["id"], body)).error["field"] == field
    runs = (await chat_server.ask("GET", f"threads/{run['thread_id']}/runs")).json["runs"]
    assert len(runs) == 1
