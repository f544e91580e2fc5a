"""The queue of a thread over REST: its messages change until their answers begin."""

from __future__ import annotations

from typing import Any

from tests.server.harness import ChatServer, Reply


async def command(server: ChatServer, sent: dict[str, Any], name: str, body: Any = None) -> Reply:
    return await server.ask("POST", f"runs/{sent['run']['id']}/{name}", body or {})


async def test_the_queue_is_answered_as_it_was_left(chat_server: ChatServer) -> None:
    """L5: a question holds the queue open, so no run of it can begin meanwhile."""
    thread_id = await chat_server.thread(model="demo/ask")
    first = await chat_server.send(thread_id, "Ask me")
    one, two = [
        await chat_server.send(thread_id, text, model="demo/echo") for text in ("one", "two")
    ]
    changed = await command(chat_server, two, "rewrite", {"content": "zwei"})
    assert (changed.status, changed.json["content"]) == (200, "zwei")
    gone = await command(chat_server, one, "withdraw")
    assert (gone.status, gone.json["status"]) == (200, "cancelled")
    await command(chat_server, first, "cancel")
    # The last message of the queue is answered after all others.
    last = await chat_server.ask(
        "POST",
        f"threads/{thread_id}/messages",
        {"content": "three", "model": "demo/echo"},
        headers={**chat_server.headers, "Prefer": "wait=30"},
    )
    assert last.status == 200
    state = (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json
    texts = [message["content"] for message in state["messages"]]
    assert texts[-2:] == ["three", "three"]
    assert texts.count("zwei") == 2, "the question, and its echo"
    assert texts.count("one") == 1, "the question, with no answer"
    for name, body in (("rewrite", {"content": "x"}), ("withdraw", {})):
        refused = await command(chat_server, two, name, body)
        assert (refused.status, refused.json["error"]["code"]) == (409, "run_begun")


async def test_a_text_that_cannot_be_sent_is_refused(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread(model="demo/ask")
    await chat_server.send(thread_id, "Ask me")
    sent = await chat_server.send(thread_id, "one")
    for body in (
        {"content": " "},
        {},
        {"content": "x" * (1024 * 1024 + 1)},
        {"content": "x", "y": 1},
    ):
        assert (await command(chat_server, sent, "rewrite", body)).status in (400, 413)
    state = (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json
    assert [m["content"] for m in state["messages"] if m["role"] == "user"] == ["Ask me", "one"]
