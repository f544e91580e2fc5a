"""(s) How long the event loop stands still while a prompt is sent: with a file, and without one.

The fake APIs are processes of their own, so what is measured is our provider, the SDK and its HTTP
client. With a bare SDK, the file would be base64 text in the arguments: that is
measured beside it.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import time
from dataclasses import replace
from unittest import mock

from jupyter_chat_stream.providers import carried_files
from jupyter_chat_stream.providers.base import DocumentBlock, Prompt, Provider, TextBlock, Turn

from .report import Section, ms
from .upstreams import UPSTREAMS, Upstream, fake_api

LOOK_S = 0.001
HEAD = b"%PDF-1.7\n"


def run(*, quick: bool = False) -> Section:
    """Measure each dialect with a file of 19 MB."""
    size, rounds = (100_000, 1) if quick else (19 * 1024 * 1024, 3)
    rows = [["dialect", "longest stall, with the file, ms", "as base64 text", "without a file"]]
    for upstream in UPSTREAMS:
        rows.append([upstream.dialect, *map(ms, asyncio.run(_measure(upstream, size, rounds)))])
    return Section(
        name="s",
        title="sending a file of 19 MB",
        goal="the event loop never stands still for 50 ms",
        rows=rows,
        notes=[f"the longest of {rounds} requests of each kind, in turn"],
    )


async def _measure(upstream: Upstream, size: int, rounds: int) -> tuple[float, float, float]:
    file = DocumentBlock(name="report.pdf", type="application/pdf", data=HEAD + bytes(size))
    text = TextBlock(text="go")
    plain = Prompt(
        model=upstream.model, turns=(Turn(role="user", blocks=(text,)),), max_tokens=8192
    )
    large = replace(plain, turns=(Turn(role="user", blocks=(text, file)),))
    as_text = mock.patch.object(carried_files.CarriedFiles, "mark", lambda _, data: _text_of(data))
    worst = [0.0, 0.0, 0.0]
    with fake_api(upstream.api) as url:
        provider = upstream.provider(url)
        await provider.warm()
        await _stall_s(provider, plain)  # opens the connection
        for _ in range(rounds):
            worst[0] = max(worst[0], await _stall_s(provider, large))
            with as_text:
                worst[1] = max(worst[1], await _stall_s(provider, large))
            worst[2] = max(worst[2], await _stall_s(provider, plain))
        await provider.close()
    return worst[0], worst[1], worst[2]


def _text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def _stall_s(provider: Provider, prompt: Prompt) -> float:
    """Send a prompt, and read its answer to the first chunk; returns the longest stall."""
    longest_s = 0.0

    async def look() -> None:
        nonlocal longest_s
        while True:
            begun_s = time.perf_counter()
            await asyncio.sleep(LOOK_S)
            longest_s = max(longest_s, time.perf_counter() - begun_s - LOOK_S)

    gc.collect()
    looking = asyncio.ensure_future(look())
    await asyncio.sleep(2 * LOOK_S)
    longest_s = 0.0
    stream = provider.stream(prompt)
    await anext(stream)
    await asyncio.sleep(2 * LOOK_S)
    looking.cancel()
    await stream.aclose()
    return longest_s
