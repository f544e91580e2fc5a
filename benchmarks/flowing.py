"""A provider whose answer begins with a text at once and then flows: for the browser's benchmark.

It reaches the server as a third party's does, by an entry point.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from jupyter_chat_stream.providers.base import Chunk, EndChunk, Prompt, TextChunk

from .plugins import OneModelProvider
from .shapes import text_of

MODEL = "flowing/long"
UPDATES_PER_S = 100
CHUNK_CHARS = 6
MOST_S = 60


class FlowingProvider(OneModelProvider):
    """Streams a text of a ``shape``: ``already`` characters at once, the rest in time.

    The shape ``prose`` is what ``demo/long`` says.
    """

    name = "flowing"
    model_name = "long"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        loop = asyncio.get_running_loop()
        already = int(prompt.params.get("already", 0))
        updates = UPDATES_PER_S * MOST_S
        shape = str(prompt.params.get("shape", "prose"))
        text = text_of(shape, already + updates * CHUNK_CHARS)
        if already:
            yield TextChunk(text=text[:already])
        started = loop.time()
        for number in range(updates):
            await asyncio.sleep(max(0.0, started + number / UPDATES_PER_S - loop.time()))
            first = already + number * CHUNK_CHARS
            yield TextChunk(text=text[first : first + CHUNK_CHARS])
        yield EndChunk(stop_reason="end_turn", model=prompt.model, usage={})
