"""The dialects of the SDK benchmark: a fake API, a stream of its SDK, and our provider for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.providers.base import Provider
from jupyter_chat_stream.providers.registry import Registry

from .load import MARK
from .processes import ROOT

if TYPE_CHECKING:
    import openai

CLAUDE = "claude-sonnet-5-5"
PACE_S = 0.02
MESSAGES: Any = [{"role": "user", "content": "go"}]

# Opens one stream of the SDK; yields for each piece of text.
Stream = Callable[[], AsyncGenerator[None, None]]


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """One dialect.

    Attributes:
        api: the fake API that speaks it.
        client: the SDK's client, as a function that opens a stream.
        provider: our provider for the fake API's address.
    """

    dialect: str
    api: str
    model: str
    client: Callable[[str], AbstractAsyncContextManager[Stream]]
    provider: Callable[[str], Provider]


@asynccontextmanager
async def _messages(url: str) -> AsyncIterator[Stream]:
    import anthropic

    async def stream() -> AsyncGenerator[None, None]:
        opened = await client.messages.create(
            model=CLAUDE, max_tokens=8192, messages=MESSAGES, stream=True
        )
        async with opened:
            async for event in opened:
                if event.type == "content_block_delta":
                    yield

    async with anthropic.AsyncAnthropic(
        api_key="fake", base_url=url, max_retries=0, http_client=anthropic.DefaultAioHttpClient()
    ) as client:
        yield stream


@asynccontextmanager
async def _chat(url: str) -> AsyncIterator[Stream]:
    async def stream() -> AsyncGenerator[None, None]:
        opened = await client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True)
        async with opened:
            async for chunk in opened:
                if chunk.choices and chunk.choices[0].delta.content:
                    yield

    async with _openai_client(url) as client:
        yield stream


@asynccontextmanager
async def _responses(url: str) -> AsyncIterator[Stream]:
    async def stream() -> AsyncGenerator[None, None]:
        opened = await client.responses.create(
            model="tiny", input=MESSAGES, stream=True, background=True, store=True
        )
        async with opened:
            async for event in opened:
                if event.type == "response.output_text.delta":
                    yield

    async with _openai_client(url) as client:
        yield stream


def _openai_client(url: str) -> openai.AsyncOpenAI:
    import openai

    return openai.AsyncOpenAI(
        api_key="fake",
        base_url=f"{url}/v1",
        max_retries=0,
        http_client=openai.DefaultAioHttpClient(),
    )


def _anthropic(url: str) -> Provider:
    return AnthropicProvider(environ={"ANTHROPIC_API_KEY": "fake", "ANTHROPIC_BASE_URL": url})


def _endpoint(dialect: str, **fields: object) -> Callable[[str], Provider]:
    def make(url: str) -> Provider:
        setting = {"dialect": dialect, "base_url": f"{url}/v1", "models": ["tiny"], **fields}
        return Registry(endpoints={"bench": setting}).providers["bench"]

    return make


UPSTREAMS = (
    Upstream(
        dialect="messages",
        api="anthropic",
        model=CLAUDE,
        client=_messages,
        provider=_anthropic,
    ),
    Upstream(dialect="chat", api="openai", model="tiny", client=_chat, provider=_endpoint("chat")),
    Upstream(
        dialect="responses",
        api="openai",
        model="tiny",
        client=_responses,
        provider=_endpoint("responses", background=True),
    ),
)


@contextmanager
def fake_api(api: str) -> Iterator[str]:
    """Run a fake API as a process; gives its address.

    Each way has one of its own: responses in the background would go on into the next measurement.
    """
    command = [sys.executable, "-m", "benchmarks.paced_api", api, str(MARK), str(PACE_S)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
