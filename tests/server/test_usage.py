"""Tokens and costs over REST, as docs/protocol.md says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import EndChunk
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.server import host
from jupyter_chat_stream.service import Service
from tests.providers.hosted import Hosted
from tests.server.harness import ChatServer, running_server

SUM = {
    "answers", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
    "cost_usd", "unknown_cost",
}  # fmt: skip


def ending(model: str, read: int = 1_000_000) -> EndChunk:
    usage = {"input_tokens": read, "output_tokens": 100_000}
    return EndChunk(stop_reason="end_turn", model=model, usage=usage)


@pytest.fixture
async def priced_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ChatServer]:
    """A server whose model `scripted/known` has a price, and `scripted/unknown` has none."""
    provider = Hosted(
        default=lambda prompt: [
            "Prices rose.",
            ending("claude-haiku-4-5" if prompt.model == "known" else "claude-of-next-year"),
        ]
    )
    registry = Registry([provider])
    monkeypatch.setattr(host, "load_service", lambda config: Service(config, registry=registry))
    settings = {"ChatStream_default_model": "scripted/known"}
    async with running_server(tmp_path, **settings) as server:
        yield server


async def answered(server: ChatServer, thread_id: str, model: str = "scripted/known") -> Any:
    headers = {**server.headers, "Prefer": "wait=30"}
    body = {"content": "Why?", "model": model}
    sent = await server.ask("POST", f"threads/{thread_id}/messages", body, headers=headers)
    assert sent.status == 200, sent.body
    return sent.json["reply"]


async def test_a_message_tells_its_tokens_and_what_they_cost(priced_server: ChatServer) -> None:
    thread_id = await priced_server.thread()
    reply = await answered(priced_server, thread_id)
    counts = {"input_tokens": 1_000_000, "output_tokens": 100_000}
    assert reply["usage"] == {**counts, "cost_usd": 1.5}
    reply = await answered(priced_server, thread_id, "scripted/unknown")
    assert reply["usage"] == counts  # unknown, not 0


async def test_a_thread_has_its_sums_and_its_context(priced_server: ChatServer) -> None:
    thread_id = await priced_server.thread()
    path = f"threads/{thread_id}/usage"
    empty = (await priced_server.ask("GET", path)).json
    assert (empty["total"]["answers"], empty["total"]["cost_usd"]) == (0, None)
    assert (empty["models"], empty["context"]) == ([], None)
    await answered(priced_server, thread_id)
    await answered(priced_server, thread_id, "scripted/unknown")
    found = (await priced_server.ask("GET", path)).json
    assert set(found) == {"thread_id", "total", "models", "context"}
    assert set(found["total"]) == SUM
    assert (found["total"]["answers"], found["total"]["cost_usd"]) == (2, 1.5)
    assert found["total"]["unknown_cost"] == 1
    assert {(group["model"], group["cost_usd"]) for group in found["models"]} == {
        ("scripted/known", 1.5),
        ("scripted/unknown", None),
    }
    assert found["context"] == {
        "model": "scripted/known",
        "used_tokens": 1_100_000,
        "context_tokens": 100_000,
        "prompt_tokens": 100_000 - 8_192,
    }


async def test_the_context_of_a_model_that_is_gone_has_no_size(priced_server: ChatServer) -> None:
    thread_id = await priced_server.thread()
    await answered(priced_server, thread_id)
    store = priced_server.service.store.core
    await store.write(lambda tx: tx.execute("UPDATE thread SET model = 'gone/model'"))
    context = (await priced_server.ask("GET", f"threads/{thread_id}/usage")).json["context"]
    assert context["model"] == "gone/model"
    assert (context["context_tokens"], context["prompt_tokens"]) == (None, None)


async def test_usage_is_summed_by_day_model_and_thread(priced_server: ChatServer) -> None:
    one, two = await priced_server.thread(name="one"), await priced_server.thread()
    for thread_id in (one, two, two):
        await answered(priced_server, thread_id)
    found = (await priced_server.ask("GET", "usage")).json
    assert set(found) == {"by", "since", "until", "timezone", "usage", "total", "next"}
    assert (found["by"], found["timezone"], found["until"], found["next"]) == (
        "day", "UTC", None, None
    )  # fmt: skip
    assert sum(day["answers"] for day in found["usage"]) == 3
    assert found["total"]["cost_usd"] == 4.5
    begun = datetime.fromisoformat(found["since"])
    assert timedelta(days=29) < datetime.now(UTC) - begun < timedelta(days=32)
    models = (await priced_server.ask("GET", "usage?by=model")).json
    assert [(group["model"], group["answers"]) for group in models["usage"]] == [
        ("scripted/known", 3)
    ]
    page = (await priced_server.ask("GET", "usage?by=thread&limit=1")).json
    assert [group["thread_id"] for group in page["usage"]] == [two]
    assert page["total"]["answers"] == 3
    page = (await priced_server.ask("GET", f"usage?by=thread&limit=1&before={page['next']}")).json
    assert [(group["thread_id"], group["name"]) for group in page["usage"]] == [(one, "one")]
    assert page["next"] is None


async def test_a_range_may_be_named_by_days_of_a_zone(priced_server: ChatServer) -> None:
    await answered(priced_server, await priced_server.thread())
    today = datetime.now(UTC).date()
    range_ = f"since={today - timedelta(days=2)}&until={today + timedelta(days=2)}"
    found = (await priced_server.ask("GET", f"usage?{range_}&timezone=Asia/Tokyo")).json
    assert found["since"].endswith("T15:00:00.000Z")  # midnight in Tokyo
    assert found["total"]["answers"] == 1
    earlier = (await priced_server.ask("GET", f"usage?until={today - timedelta(days=2)}")).json
    assert (earlier["usage"], earlier["total"]["answers"]) == ([], 0)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("by=week", "by"),
        ("since=yesterday", "since"),
        ("since=2026-13-01", "since"),
        ("since=2026-11-01T00:00", "since"),
        ("until=0000-00-00", "until"),
        ("since=2020-01-01&until=2022-01-01", "since"),
        ("timezone=Mars/Base", "timezone"),
        ("limit=0", "limit"),
        ("by=model&before=x", "before"),
        ("by=day&before=x", "before"),
    ],
)
async def test_a_wrong_query_names_its_field(
    chat_server: ChatServer, query: str, field: str
) -> None:
    refused = await chat_server.ask("GET", f"usage?{query}")
    assert (refused.status, refused.error["field"]) == (400, field)


async def test_another_owner_s_usage_is_not_there(chat_server: ChatServer) -> None:
    """L16"""
    thread_id = await chat_server.thread()
    await chat_server.answered(thread_id)
    service = chat_server.service
    own = (await chat_server.ask("GET", "me")).json["owner"]
    assert (await service.usage(own, by="thread"))["total"]["answers"] == 1
    theirs = await service.usage("somebody else", by="thread")
    assert (theirs["total"]["answers"], theirs["usage"]) == (0, [])
    missing = await chat_server.ask("GET", "threads/nobody-s/usage")
    assert (missing.status, missing.error["code"]) == (404, "thread_not_found")
