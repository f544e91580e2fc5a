"""The Claude provider under test, and what is asked of it; the fake server stands for the API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.providers.base import (
    Chunk,
    Prompt,
    TextChunk,
    Turn,
)
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import FakeAnthropic

KEY = "sk-ant-test-0123456789abcdefghij"
SECRET = "the launch code of the third rocket is swordfish"
MODEL = "claude-sonnet-5-5"
NOW = 1_800_000_000.0


def make_provider(url: str, tmp_path: Path, **environ: str) -> AnthropicProvider:
    return AnthropicProvider(
        key_file=tmp_path / "anthropic.key",
        environ={"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url, **environ},
        now=lambda: NOW,
    )


def make_prompt(text: str = "hello", **changes: Any) -> Prompt:
    turns = (Turn(role="user", text=text),)
    return Prompt(**{"model": MODEL, "turns": turns, **changes})


async def collect(provider: AnthropicProvider, prompt: Prompt) -> list[Chunk]:
    return [chunk async for chunk in provider.stream(prompt)]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))


async def fail(provider: AnthropicProvider, prompt: Prompt) -> tuple[str, errors.ProviderError]:
    """Stream until it fails; give the text that came before, and the error."""
    chunks: list[Chunk] = []
    with pytest.raises(errors.ProviderError) as caught:
        async for chunk in provider.stream(prompt):
            chunks.append(chunk)
    return text_of(chunks), caught.value


def parse(event: dict[str, Any]) -> Any:
    return TypeAdapter(RawMessageStreamEvent).validate_python(event)


async def eventually(is_true: Callable[[], bool], fake: FakeAnthropic) -> None:
    """Wait, beside this loop, until the fake server's records say so."""
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, lambda: fake.wait_until(lambda _: is_true()))
