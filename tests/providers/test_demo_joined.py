"""``demo/joined``: the upstream goes on alone, and is joined exactly where its reader was (L15)."""

from __future__ import annotations

import pytest

from jupyter_chat_stream.providers.base import (
    Chunk,
    JoinsAgain,
    Prompt,
    TextChunk,
    Upstream,
    UpstreamChunk,
    text_turn,
)
from jupyter_chat_stream.providers.demo import DemoProvider, answer_to
from jupyter_chat_stream.shared.errors import UpstreamLost


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0

    async def sleep(self, delay_s: float) -> None:
        assert delay_s > 0
        self.now += delay_s
        self.slept += delay_s


def ask(upstream: Upstream | None = None, partial: str = "", **params: object) -> Prompt:
    turns = (text_turn("user", "hi"),)
    return Prompt(model="joined", turns=turns, upstream=upstream, partial=partial, params=params)


async def collect(prompt: Prompt, clock: Clock) -> list[Chunk]:
    provider = DemoProvider(sleep=clock.sleep, now_s=lambda: clock.now)
    assert isinstance(provider, JoinsAgain)
    return [chunk async for chunk in provider.stream(prompt)]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))


async def test_joined_at_every_cursor_the_text_has_no_seam_l15() -> None:
    clock = Clock()
    chunks = await collect(ask(), clock)
    assert text_of(chunks) == answer_to(ask())
    assert isinstance(chunks[0], UpstreamChunk)
    for at, chunk in enumerate(chunks):
        if isinstance(chunk, UpstreamChunk):
            place = Upstream(handle=chunk.handle, cursor=chunk.cursor)
            before = text_of(chunks[:at])
            rest = await collect(ask(place, before), clock)
            assert before + text_of(rest) == answer_to(ask())


async def test_what_the_upstream_wrote_meanwhile_comes_at_once() -> None:
    clock = Clock()
    first = (await collect(ask(), clock))[0]
    assert isinstance(first, UpstreamChunk)
    lasted = clock.slept
    place = Upstream(handle=first.handle, cursor=0)
    await collect(ask(place), clock)
    assert (clock.slept, lasted > 5) == (lasted, True)


async def test_a_new_upstream_continues_a_text_that_was_kept() -> None:
    whole = answer_to(ask())
    chunks = await collect(ask(partial=whole[:100]), Clock())
    assert whole[:100] + text_of(chunks) == whole


async def test_after_its_time_it_cannot_be_joined() -> None:
    clock = Clock()
    first = (await collect(ask(joinable_s=1), clock))[0]
    assert isinstance(first, UpstreamChunk)
    with pytest.raises(UpstreamLost):
        await collect(ask(Upstream(handle=first.handle, cursor=3), joinable_s=1), clock)
