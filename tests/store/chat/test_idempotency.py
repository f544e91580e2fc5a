"""L11: the same idempotency key gives the same message and the same run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.service import Service
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import IdempotencyMismatch, LimitReached, RunNotEnded
from jupyter_chat_stream.store.chat import threads
from jupyter_chat_stream.store.chat.commands import SEND_ROUTE, Sender, SendRequest, recall
from jupyter_chat_stream.testing import ScriptedProvider
from tests.store.harness import PATIENCE_S

OWNER = "local"


@asynccontextmanager
async def serving(url: str, **settings: Any) -> AsyncIterator[Service]:
    config = ChatStream(
        database_url=url, default_model="scripted/model", run_in_server=False, **settings
    )
    service = Service(config, registry=Registry([ScriptedProvider()]))
    await service.start()
    try:
        yield service
    finally:
        await asyncio.wait_for(service.stop(), PATIENCE_S)


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with serving(database_url) as service:
        yield service


async def new_thread(service: Service, owner: str = OWNER) -> str:
    made, _ = await service.create_thread(owner)
    return str(made["id"])


def request(content: str = "Why?", **more: Any) -> SendRequest:
    return SendRequest(content=content, **more)


def ids(sent: dict[str, Any]) -> tuple[str, str, str]:
    return sent["message"]["id"], sent["reply"]["id"], sent["run"]["id"]


async def test_the_same_key_gives_the_same_message_and_run(service: Service) -> None:
    """L11"""
    thread = await new_thread(service)
    first = await service.send(OWNER, thread, request(), key="k")
    again = await service.send(OWNER, thread, request(), key="k")
    assert again == first
    assert len(json.loads(await service.state_text(OWNER, thread))["messages"]) == 2


async def test_however_many_send_at_once_there_is_one(service: Service, database_url: str) -> None:
    """L11: also through another process's store on the same database."""
    thread = await new_thread(service)
    async with serving(database_url) as other:
        sent = await asyncio.gather(
            *(s.send(OWNER, thread, request(), key="k") for s in (service, other) * 5)
        )
    assert len({ids(one) for one in sent}) == 1
    assert len((await service.runs(OWNER, thread))["runs"]) == 1


async def test_the_key_holds_over_a_restart_and_after_the_end(database_url: str) -> None:
    """L11"""
    async with serving(database_url) as service:
        thread = await new_thread(service)
        first = await service.send(OWNER, thread, request(), key="k")
        await service.cancel(OWNER, first["run"]["id"])
    async with serving(database_url) as service:
        again = await service.send(OWNER, thread, request(), key="k")
        assert ids(again) == ids(first)
        assert again["run"]["status"] == "cancelled"


@pytest.mark.parametrize(
    "other",
    [
        request("Why not?"),
        request(params={"x": 1}),
        request(model="scripted/other"),
        request(tools=[{"name": "t"}]),
        request(context=[{"name": "df", "text": "1"}]),
        request(parent_id=None),
    ],
)
async def test_the_same_key_with_another_body_is_refused(
    service: Service, other: SendRequest
) -> None:
    """L11"""
    thread = await new_thread(service)
    await service.send(OWNER, thread, request(), key="k")
    with pytest.raises(IdempotencyMismatch):
        await service.send(OWNER, thread, other, key="k")
    assert len((await service.runs(OWNER, thread))["runs"]) == 1


async def test_keys_are_of_one_owner_thread_and_route(service: Service) -> None:
    """L11"""
    mine, other, theirs = (
        await new_thread(service),
        await new_thread(service),
        await new_thread(service, "them"),
    )
    sent = [
        await service.send(OWNER, mine, request(), key="k"),
        await service.send(OWNER, other, request(), key="k"),
        await service.send("them", theirs, request(), key="k"),
    ]
    run = sent[0]["run"]["id"]
    await service.cancel(OWNER, run)
    retried = await service.retry(OWNER, run, key="k")
    continued = await service.continue_run(OWNER, run, key="k")
    made = {one["run"]["id"] for one in (*sent, retried, continued)}
    assert len(made) == 5


async def test_a_retry_with_a_key_happens_once(service: Service) -> None:
    """L11"""
    thread = await new_thread(service)
    sent = await service.send(OWNER, thread, request())
    run = sent["run"]["id"]
    with pytest.raises(RunNotEnded):
        await service.retry(OWNER, run, key="k")
    await service.cancel(OWNER, run)  # what was refused before used the key up for nobody
    first = await service.retry(OWNER, run, key="k")
    again = await service.retry(OWNER, run, key="k")
    assert again == first
    assert first["run"]["id"] != run
    assert len((await service.runs(OWNER, thread))["runs"]) == 2


async def test_without_a_key_everything_sent_is_another_message(service: Service) -> None:
    thread = await new_thread(service)
    first = await service.send(OWNER, thread, request())
    again = await service.send(OWNER, thread, request())
    assert not set(ids(first)) & set(ids(again))


async def test_a_repeated_key_does_not_count_against_the_limit(database_url: str) -> None:
    """L11: and a message that the limit refused leaves its key unused."""
    async with serving(database_url, messages_per_minute=1) as service:
        thread = await new_thread(service)
        first = await service.send(OWNER, thread, request(), key="k")
        again = await service.send(OWNER, thread, request(), key="k")
        assert ids(again) == ids(first)
        with pytest.raises(LimitReached):
            await service.send(OWNER, thread, request(), key="l")
        found = await service.store.core.write(
            lambda tx: recall(
                tx,
                threads.find_thread(tx.conn, OWNER, thread),
                Sender(owner=OWNER, key="l"),
                SEND_ROUTE,
                request().body(),
            )
        )
        assert found is None
