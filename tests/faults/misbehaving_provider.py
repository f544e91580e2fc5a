"""A provider that third parties might install, and that does what no provider should.

Registered by its entry point, like any (``install``). Its models:

==============  ====================================================================
``poison``      says a few words, then takes its process with it, each time
``nul``         U+0000 in its text
``surrogates``  halves of surrogate pairs: joined over two chunks, alone, turned round
``flood``       ten million characters in one chunk
``silent``      never says anything
==============  ====================================================================
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

from jupyter_chat_stream.providers.base import Chunk, EndChunk, Model, Prompt, Provider, TextChunk

POISON_TEXT = "Something is wrong with "
NUL_CHUNKS = ("before\x00", "\x00after", "\x00")
SURROGATE_CHUNKS = ("pair \ud83d", "\ude00 alone \ud83d", " turned \ude00\ud83d")
SURROGATE_TEXT = "pair \U0001f600 alone \ufffd turned \ufffd\ufffd"
FLOOD_LINE = "0123456789abcdefghijklmnopqrstuvwxyz-äöü€\n"
FLOOD_CHARS = 10_000_000
ENTRY_POINT = "[jupyter_chat_stream.providers]\nodd = tests.faults.misbehaving_provider:create\n"


def install(folder: Path) -> Path:
    """Write what an installed package leaves behind; the folder belongs on the path."""
    metadata = folder / "odd_provider-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-provider\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINT)
    return folder


def flood_text() -> str:
    """Return the ten million characters."""
    return (FLOOD_LINE * (FLOOD_CHARS // len(FLOOD_LINE) + 1))[:FLOOD_CHARS]


class MisbehavingProvider(Provider):
    """The provider."""

    name = "odd"

    def models(self) -> tuple[Model, ...]:
        return ()

    def is_ready(self) -> bool:
        return True

    async def warm(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        if prompt.model == "silent":
            await asyncio.get_running_loop().create_future()
        if prompt.model == "poison":
            yield TextChunk(text=POISON_TEXT)
            await asyncio.sleep(0.1)  # so that others have begun, and its own words are committed
            os.kill(os.getpid(), signal.SIGKILL)
        for text in _texts(prompt.model):
            yield TextChunk(text=text)
        yield EndChunk(stop_reason="end_turn", model=prompt.model, usage={})


def _texts(model: str) -> tuple[str, ...]:
    if model == "flood":
        return (flood_text(),)
    return NUL_CHUNKS if model == "nul" else SURROGATE_CHUNKS


def create() -> MisbehavingProvider:
    """Make the provider, as its entry point says."""
    return MisbehavingProvider()
