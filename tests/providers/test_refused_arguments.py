"""Arguments that a server refuses: left out from then on where the answer can do without them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from jupyter_chat_stream.providers.base import EndChunk, UpstreamChunk
from jupyter_chat_stream.providers.openai import OpenAIProvider
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeOpenAI
from jupyter_chat_stream.testing.fake_openai import DEFAULT_MODEL
from tests.providers.chat import make_prompt
from tests.providers.responses import THINKER, make_provider
from tests.providers.streams import collect, fail


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(models=[THINKER], needs_key=True) as made:
        yield made


@pytest.fixture
async def thinker(server: FakeOpenAI) -> AsyncIterator[OpenAIProvider]:
    """An endpoint whose model reasons, and whose answers run in the background."""
    made = make_provider(server.base_url)
    await made.refresh()
    yield made
    await made.close()


@pytest.mark.parametrize("refused", ["background", "include", "reasoning.summary", "store"])
async def test_an_argument_that_is_refused_is_left_out_from_then_on(
    refused: str, server: FakeOpenAI, thinker: OpenAIProvider
) -> None:
    server.refuses = (refused,)
    for _ in range(2):
        chunks = await collect(thinker, make_prompt())
        assert isinstance(chunks[-1], EndChunk)
        assert any(isinstance(c, UpstreamChunk) for c in chunks) == (refused != "background")
    assert len(server.requests) == 3


async def test_an_argument_that_the_answer_needs_is_not_left_out(
    server: FakeOpenAI, thinker: OpenAIProvider
) -> None:
    server.refuses = ("temperature",)
    _, error = await fail(thinker, make_prompt(params={"temperature": 1}))
    assert type(error) is errors.BadRequest
    assert "'temperature'" in error.message
    assert len(server.requests) == 1


@pytest.mark.parametrize("param", ["tools[0].parameters", None])
async def test_an_error_about_something_else_that_names_an_argument_turns_nothing_off(
    param: str | None, server: FakeOpenAI, thinker: OpenAIProvider
) -> None:
    """A tool's input may have a field ``background``, too."""
    said = "Invalid schema for function 'paint': In context=('properties', 'background'), no."
    error = {"message": said, "type": "invalid_request_error", "param": param, "code": None}
    tries = 1 if param else 2  # without the place of the error, leaving it out is tried once
    server.add(*[Answer(status=400, body={"error": error})] * tries)
    _, failure = await fail(thinker, make_prompt())
    assert type(failure) is errors.BadRequest
    assert len(server.requests) == tries

    chunks = await collect(thinker, make_prompt())
    assert any(isinstance(chunk, UpstreamChunk) for chunk in chunks)


async def test_an_argument_that_is_left_out_from_then_on_is_logged_once(
    server: FakeOpenAI, thinker: OpenAIProvider, caplog: pytest.LogCaptureFixture
) -> None:
    server.refuses = ("background", "include")
    for _ in range(2):
        await collect(thinker, make_prompt())
    assert [record.getMessage() for record in caplog.records] == [
        f"argument.left_out endpoint=lab model={DEFAULT_MODEL} argument=background",
        f"argument.left_out endpoint=lab model={DEFAULT_MODEL} argument=include",
    ]


async def test_a_server_that_says_background_mode_is_understood(
    server: FakeOpenAI, thinker: OpenAIProvider
) -> None:
    said = "Background mode is not supported for this organization."
    error = {"message": said, "type": "invalid_request_error", "param": None, "code": None}
    server.add(Answer(status=400, body={"error": error}))
    chunks = await collect(thinker, make_prompt())
    assert isinstance(chunks[-1], EndChunk)
    assert "background" not in server.requests[-1].body
