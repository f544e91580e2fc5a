"""An endpoint of the Responses API under test; the fake server stands for it."""

from __future__ import annotations

from typing import Any

from jupyter_chat_stream.providers.base import (
    Chunk,
    Prompt,
    Provider,
    TextChunk,
    Upstream,
    UpstreamChunk,
)
from jupyter_chat_stream.providers.openai import OpenAIProvider
from jupyter_chat_stream.testing.fake_openai import DEFAULT_MODEL
from tests.providers import chat

# A model whose server tells that it reasons.
THINKER = {"id": DEFAULT_MODEL, "supported_parameters": ["reasoning", "tools"]}


def make_provider(base_url: str, **changes: Any) -> OpenAIProvider:
    fields = {"given_dialect": "responses", "given_background": True, **changes}
    return chat.make_provider(base_url, **fields)


def place_of(chunk: Chunk) -> Upstream:
    assert isinstance(chunk, UpstreamChunk)
    return Upstream(handle=chunk.handle, cursor=chunk.cursor)


async def read_to(provider: Provider, prompt: Prompt, text: str) -> tuple[str, Upstream]:
    """Read until a text has come, then leave; return it, and the last place before or after it."""
    read, place = "", None
    stream = provider.stream(prompt)
    async for chunk in stream:
        if isinstance(chunk, TextChunk):
            read += chunk.text
        elif isinstance(chunk, UpstreamChunk):
            place = place_of(chunk)
            if read == text:
                break
    await stream.aclose()
    assert place is not None
    return read, place
