"""Read a provider's answer to its end or its failure, and wait for a fake server's records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from jupyter_chat_stream.providers.base import Chunk, Prompt, Provider, TextChunk, UsageChunk
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing.fake_server import FakeServer


async def collect(provider: Provider, prompt: Prompt) -> list[Chunk]:
    return await collect_from(provider.stream(prompt))


async def first_text(stream: AsyncGenerator[Chunk, None]) -> Chunk:
    """Read a stream up to its first text."""
    async for chunk in stream:
        if isinstance(chunk, TextChunk):
            return chunk
    raise AssertionError("no text came")


async def collect_from(stream: AsyncGenerator[Chunk, None]) -> list[Chunk]:
    """Read a stream to its end; returns its chunks without the counts that come on the way."""
    return [chunk async for chunk in stream if not isinstance(chunk, UsageChunk)]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))


async def fail(provider: Provider, prompt: Prompt) -> tuple[str, errors.ProviderError]:
    """Stream until it fails; return the text that came before, and the error."""
    chunks: list[Chunk] = []
    with pytest.raises(errors.ProviderError) as caught:
        async for chunk in provider.stream(prompt):
            chunks.append(chunk)
    return text_of(chunks), caught.value


async def eventually(is_true: Callable[[], bool], fake: FakeServer) -> None:
    """Wait, beside this loop, until the fake server's records say so."""
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, lambda: fake.wait_until(lambda _: is_true()))
