"""A provider each of whose chunks says when it was given, by the clock all processes here share.

So whoever reads the text, in whatever process, knows how long each piece of it took, and the
first stamp of an answer is the moment of the provider's first call. Reaches servers and workers
by an entry point. Parameters of a message: ``chunks``, ``per_s`` (0: as fast as they are taken),
``phase`` (of the first chunk, a share of the pause between two), ``burn_us`` (CPU spent on each).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable

from jupyter_chat_stream.providers.base import Chunk, EndChunk, Prompt, TextChunk

from .plugins import OneModelProvider

MODEL = "stamps/paced"
WIDTH = 10
_WRAP_US = 16**WIDTH  # about 12 days


def stamp() -> str:
    """Return the time, µs of the monotonic clock, in ``WIDTH`` letters."""
    return f"{time.monotonic_ns() // 1000 % _WRAP_US:0{WIDTH}x}"


def age_s(stamped: str, now_ns: int) -> float:
    """Return how long before ``now_ns`` a stamp was made."""
    return ((now_ns // 1000 - int(stamped, 16)) % _WRAP_US) / 1e6


def stamps_in(text: str, first: int = 0, end: int | None = None) -> list[str]:
    """Return the stamps that end in a stretch of an answer's text."""
    end = len(text) if end is None else end
    numbers: Iterable[int] = range(first // WIDTH, end // WIDTH)
    return [text[number * WIDTH : (number + 1) * WIDTH] for number in numbers]


class StampProvider(OneModelProvider):
    """Streams stamps, at the pace the message asks for."""

    name = "stamps"
    model_name = "paced"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        chunk = TextChunk(text=stamp())  # of the call itself
        count = int(prompt.params.get("chunks", 1))
        per_s = float(prompt.params.get("per_s", 0.0))
        burn_s = float(prompt.params.get("burn_us", 0.0)) / 1e6
        loop = asyncio.get_running_loop()
        due = loop.time() + (float(prompt.params.get("phase", 0.0)) / per_s if per_s else 0.0)
        for number in range(count):
            if number:
                left_s = due + number / per_s - loop.time() if per_s else 0.0
                await asyncio.sleep(max(0.0, left_s))
                if burn_s:
                    _burn(burn_s)
                chunk = TextChunk(text=stamp())
            yield chunk
        usage = {"input_tokens": 1, "output_tokens": count}
        yield EndChunk(stop_reason="end_turn", model=prompt.model, usage=usage)


def _burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
