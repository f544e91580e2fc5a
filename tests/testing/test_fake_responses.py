"""The fake Responses API, asked by the real SDK: what runs in the background is kept and joined."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest

from jupyter_chat_stream.testing import Answer, FakeOpenAI
from jupyter_chat_stream.testing.fake_openai import DEFAULT_MODEL
from tests.providers.streams import eventually

TEXT = "one two three four"


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as made:
        yield made


@pytest.fixture
async def client(server: FakeOpenAI) -> AsyncIterator[openai.AsyncOpenAI]:
    http = openai.DefaultAioHttpClient()
    async with openai.AsyncOpenAI(
        api_key="fake", base_url=server.base_url, max_retries=0, http_client=http
    ) as made:
        yield made


async def create(client: openai.AsyncOpenAI, **more: Any) -> Any:
    asked = [{"role": "user", "content": "go"}]
    given: Any = {"model": DEFAULT_MODEL, "input": asked, "stream": True, "store": True, **more}
    return await client.responses.create(**given)


async def read(stream: Any) -> list[Any]:
    return [event async for event in stream]


def text_of(events: list[Any]) -> str:
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    return "".join(event.delta for event in deltas)


async def test_events_are_numbered_from_the_created_to_the_completed_one(
    server: FakeOpenAI, client: openai.AsyncOpenAI
) -> None:
    server.add(Answer(text=TEXT, chunk_chars=4))
    events = await read(await create(client, background=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert events[0].response.background is True
    assert text_of(events) == TEXT
    assert events[-1].response.usage.output_tokens > 0


async def test_a_response_goes_on_without_its_reader_and_is_replayed_behind_any_number(
    server: FakeOpenAI, client: openai.AsyncOpenAI
) -> None:
    server.add(Answer(text=TEXT, chunk_chars=4, hold_after_chunks=1))
    stream = await create(client, background=True)
    first = await anext(aiter(stream))
    await stream.close()
    server.release()
    response = server.responses.all[first.response.id]
    await eventually(lambda: response.is_over, server)
    whole = await read(
        await client.responses.retrieve(first.response.id, stream=True, starting_after=0)
    )
    for after in (0, 3, len(whole)):
        events = await read(
            await client.responses.retrieve(first.response.id, stream=True, starting_after=after)
        )
        numbers = [event.sequence_number for event in events]
        assert numbers == list(range(after + 1, len(whole) + 1))
    assert text_of(whole) == TEXT
    assert [join.after for join in server.responses.joins] == [0, 0, 3, len(whole)]


async def test_a_response_in_the_foreground_cannot_be_joined(
    server: FakeOpenAI, client: openai.AsyncOpenAI
) -> None:
    server.add(Answer(text=TEXT))
    events = await read(await create(client))
    with pytest.raises(openai.BadRequestError, match="background"):
        await client.responses.retrieve(events[0].response.id, stream=True, starting_after=1)


async def test_a_cancelled_response_stops_where_it_is(
    server: FakeOpenAI, client: openai.AsyncOpenAI
) -> None:
    server.add(Answer(text=TEXT, chunk_chars=4, hold_after_chunks=1))
    stream = await create(client, background=True)
    created = await anext(aiter(stream))
    cancelled = await client.responses.cancel(created.response.id)
    assert cancelled.status == "cancelled"
    await stream.close()
    found = await client.responses.retrieve(created.response.id)
    assert found.status == "cancelled"


async def test_an_id_that_nobody_gave_is_not_found(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve("resp_of_last_year")
    with pytest.raises(openai.NotFoundError):
        await client.responses.cancel("resp_of_last_year")


async def test_an_answer_can_wait_before_its_status_line(
    server: FakeOpenAI, client: openai.AsyncOpenAI
) -> None:
    server.add(Answer(text=TEXT, before_headers=True))

    asking = asyncio.ensure_future(create(client, background=True))
    await eventually(lambda: bool(server.requests), server)
    assert not asking.done()
    assert not server.responses.all
    server.release()
    assert text_of(await read(await asking)) == TEXT
