"""A response that goes on by itself is stopped, even if its reader leaves before its id comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_chat_stream.providers.openai import OpenAIProvider, beginnings
from jupyter_chat_stream.providers.openai.beginnings import Beginnings
from jupyter_chat_stream.testing import Answer, FakeOpenAI
from tests.providers.chat import make_prompt
from tests.providers.responses import make_provider
from tests.providers.streams import collect, eventually, text_of


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as made:
        yield made


@pytest.fixture
async def lab(server: FakeOpenAI) -> AsyncIterator[OpenAIProvider]:
    made = make_provider(server.base_url)
    yield made
    await made.close()


def event(type_: str, **response: Any) -> SimpleNamespace:
    return SimpleNamespace(type=type_, response=SimpleNamespace(**response) if response else None)


class HeldEvents:
    """The events of an SDK, which come as the test says."""

    response = None

    def __init__(self) -> None:
        self.coming: asyncio.Queue[Any] = asyncio.Queue()
        self.is_closed = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (came := await self.coming.get()) is not None:
            yield came

    async def close(self) -> None:
        self.is_closed.set()


async def leave(task: asyncio.Future[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stop_before_the_first_byte_cancels_the_response_once_its_id_comes(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.add(Answer(text="one two", before_headers=True, delay_s=0.2, chunk_chars=1))
    task = asyncio.ensure_future(collect(lab, make_prompt()))
    await eventually(lambda: bool(server.requests), server)
    await leave(task)
    server.release()

    def is_cancelled() -> bool:
        return [it.value["status"] for it in server.responses.all.values()] == ["cancelled"]

    await eventually(is_cancelled, server)
    assert text_of(await collect(lab, make_prompt("again")))


@pytest.mark.parametrize("is_background", [True, False])
async def test_a_stop_before_the_first_event_reads_on_to_the_id(is_background: bool) -> None:
    held, asked, cancelled = HeldEvents(), asyncio.Event(), []

    async def cancel(id_: str) -> None:
        cancelled.append(id_)

    async def ask() -> HeldEvents:
        asked.set()
        return held

    async def read() -> None:
        events = await all_.open(ask, cancel)
        try:
            async for _ in events:
                pass
        finally:
            await events.close()

    all_ = Beginnings()
    task = asyncio.ensure_future(read())
    await asked.wait()
    await leave(task)
    assert not held.is_closed.is_set()
    held.coming.put_nowait(event("of next year"))
    held.coming.put_nowait(event("response.created", id="resp_1", background=is_background))
    await held.is_closed.wait()
    while all_.tasks:
        await asyncio.wait(all_.tasks)
    assert cancelled == (["resp_1"] if is_background else [])


async def test_the_events_after_the_first_are_those_of_the_sdk(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.add(Answer(text="one two three", chunk_chars=2))
    assert text_of(await collect(lab, make_prompt())) == "one two three"


async def test_an_id_that_never_comes_is_given_up(
    server: FakeOpenAI, lab: OpenAIProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginnings, "PATIENCE_S", 0.05)
    server.add(Answer(fault="silence", before_headers=True))
    task = asyncio.ensure_future(collect(lab, make_prompt()))
    await eventually(lambda: bool(server.requests), server)
    await leave(task)
    await eventually(lambda: server.requests[0].state == "left", server)


async def test_a_provider_that_closes_waits_for_no_id(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.add(Answer(fault="silence", before_headers=True))
    task = asyncio.ensure_future(collect(lab, make_prompt()))
    await eventually(lambda: bool(server.requests), server)
    await leave(task)
    await lab.close()
    await eventually(lambda: server.requests[0].state == "left", server)
