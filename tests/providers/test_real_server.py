"""A real model server that nobody here wrote: llama.cpp's own, by each dialect that it speaks."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from jupyter_chat_stream.providers.base import (
    AsksForModels,
    EndChunk,
    Prompt,
    Provider,
    TextChunk,
    text_turn,
)
from jupyter_chat_stream.providers.endpoints import Dialect
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.shared.errors import PromptTooLong
from scripts.model_server import MODULES
from tests.providers import llama
from tests.providers.streams import collect, fail, text_of

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, MODULES)),
    reason="llama.cpp's server has no wheel for this Python or this machine",
)

PATIENCE_S = 60.0
ENDLESS_TOKENS = 60_000  # the server needs more than 40 s for as many


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with llama.serving(tmp_path_factory.mktemp("llama")) as running:
        yield running


@pytest.fixture(params=["chat", "messages"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture
async def registry(address: str, dialect: Dialect) -> AsyncIterator[Registry]:
    """The endpoint as the settings make it."""
    made = Registry(endpoints={"lab": {"base_url": f"{address}/v1", "dialect": dialect}})
    yield made
    await made.close()


@pytest.fixture
def provider(registry: Registry) -> Provider:
    return registry.providers["lab"]


def make_prompt(text: str = "Why?", **changes: Any) -> Prompt:
    turns = (text_turn("user", text),)
    fixed = {"model": llama.MODEL_NAME, "turns": turns, "params": {"temperature": 0}}
    return Prompt(**{**fixed, "max_tokens": 40, **changes})


def fetch(url: str, body: dict[str, Any] | None = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    with urlopen(Request(url, data, headers), timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())


async def test_its_model_is_listed_with_the_context_that_it_was_started_with(
    registry: Registry,
) -> None:
    await registry.refresh()
    (model,) = (it for it in registry.models() if it["provider"] == "lab")
    assert model["id"] == f"lab/{llama.MODEL_NAME}"
    assert model["context_tokens"] == llama.CONTEXT_TOKENS
    assert (model["ready"], model["error"]) == (True, None)


async def test_its_answer_comes_in_pieces_and_is_what_the_server_says_at_once(
    address: str, provider: Provider, dialect: Dialect
) -> None:
    question = f"What is a lemma, by {dialect}?"

    chunks = await collect(provider, make_prompt(question))

    body = {
        "model": llama.MODEL_NAME,
        "max_tokens": 40,
        "temperature": 0,
        "messages": [{"role": "user", "content": question}],
    }
    url = f"{address}/v1/chat/completions"
    whole = json.loads(await asyncio.to_thread(fetch, url, body))
    assert text_of(chunks) == whole["choices"][0]["message"]["content"]
    assert len([chunk for chunk in chunks if isinstance(chunk, TextChunk)]) > 5
    end = chunks[-1]
    assert isinstance(end, EndChunk)
    assert (end.stop_reason, end.model) == ("max_tokens", llama.MODEL_NAME)
    assert end.usage["output_tokens"] == 40
    assert end.usage["input_tokens"] + end.usage["cache_read_tokens"] > 10


async def test_closing_the_stream_stops_the_work_of_the_server(
    address: str, provider: Provider
) -> None:
    """It has one slot: the second answer begins when the first one has stopped."""
    before = await asyncio.to_thread(predicted, address)
    stream = provider.stream(make_prompt(max_tokens=ENDLESS_TOKENS))
    for _ in range(3):
        await anext(stream)
    await stream.aclose()
    async with asyncio.timeout(PATIENCE_S):
        assert text_of(await collect(provider, make_prompt(max_tokens=5)))
    assert await asyncio.to_thread(predicted, address) - before < ENDLESS_TOKENS / 2


def predicted(address: str) -> int:
    """Return how many tokens the server has made."""
    found = re.search(
        r"^\S+:tokens_predicted_total (\d+)", fetch(f"{address}/metrics"), re.MULTILINE
    )
    assert found is not None
    return int(found[1])


async def test_a_prompt_beyond_its_context_is_too_long(provider: Provider) -> None:
    text, error = await fail(provider, make_prompt("a" * (llama.CONTEXT_TOKENS + 1_000)))
    assert (text, type(error)) == ("", PromptTooLong)


async def test_an_answer_that_was_cut_is_gone_on_with(provider: Provider) -> None:
    chunks = await collect(provider, make_prompt(partial="Because of"))
    assert text_of(chunks)
    assert isinstance(chunks[-1], EndChunk)


async def test_its_model_is_looked_up_before_a_first_prompt(provider: Provider) -> None:
    assert isinstance(provider, AsksForModels)
    model = await provider.look_up(llama.MODEL_NAME)
    assert model.context_tokens == llama.CONTEXT_TOKENS


def test_the_server_ends_with_its_input(tmp_path: Path) -> None:
    with llama.serving(tmp_path) as running:
        assert json.loads(fetch(f"{running}/health")) == {"status": "ok"}
    with pytest.raises(OSError, match="refused"):
        fetch(f"{running}/health")
