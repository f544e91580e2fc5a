"""One streamed answer of an address: its requests, their events, and their errors.

An answer is one request, and one more after each pause of the model. Closing the generator closes
the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ...shared.errors import ProviderError
from ..base import Chunk, EndChunk, Model
from ..clients import DRAIN_TIMEOUT_S
from . import failures, foreign, params, request
from .asked import AskedMessages
from .reading import MessagesReading

if TYPE_CHECKING:
    import anthropic
    from anthropic.types import ContentBlockParam, RawMessageStreamEvent

# The model pauses when tools of the API take long. One attempt continues a turn at most this often.
# After that the answer ends as `paused`, and a person decides.
MAX_PAUSES = 8


async def read(
    client: anthropic.AsyncAnthropic,
    asked: AskedMessages,
    model: Model,
    headers: Mapping[str, Any],
    now: Callable[[], float],
) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks of one answer; raises ProviderError.

    Args:
        client: whose connection it is.
        headers: further headers of each request; an ``Omit`` leaves one of the SDK's out.
        now: the time in seconds since 1970, for dates in ``retry-after``.
    """
    reading = MessagesReading(asked)
    arguments = request.build(asked.prompt, model, asked.endpoint)
    # The SDK has no arguments for these, because the Claude API takes them no more.
    sampling = params.parse(asked.prompt.params, asked.endpoint).sampling
    paused: list[ContentBlockParam] = []

    async def ask() -> anthropic.AsyncStream[RawMessageStreamEvent]:
        create = client.messages.create
        return await create(**arguments, extra_headers=headers, extra_body=sampling)

    for pauses in range(MAX_PAUSES + 1):
        async with aclosing(_read_one(client, ask, reading, now)) as chunks:
            async for chunk in chunks:
                if _is_pause(chunk) and pauses < MAX_PAUSES:
                    break
                yield chunk
            else:
                return
        paused += reading.go_on()
        arguments = request.build(asked.prompt, model, asked.endpoint, paused)


async def _read_one(
    client: anthropic.AsyncAnthropic,
    ask: Callable[[], Awaitable[anthropic.AsyncStream[RawMessageStreamEvent]]],
    reading: MessagesReading,
    now: Callable[[], float],
) -> AsyncGenerator[Chunk, None]:
    """Read the answer to one request, up to its end."""
    asked = reading.asked
    has_begun = False
    try:
        events = await ask()
        has_begun = True
        try:
            await foreign.check(events.response, asked)
            async for event in events:
                chunks = reading.feed(event)
                if reading.is_ended:
                    await _drain(events)
                for chunk in chunks:
                    yield chunk
                if reading.is_ended:
                    return
        finally:
            await events.close()
    except ProviderError:
        raise
    except Exception as error:  # noqa: BLE001  the SDK lets errors of many libraries through
        # Not `from error`: errors of the SDK quote bodies, and bodies quote prompts.
        if client.is_closed():  # by `close`: aiohttp then raises a bare RuntimeError
            raise failures.from_connection(error, asked, has_begun=has_begun) from None
        raise failures.translate(error, asked, now, has_begun=has_begun) from None
    for chunk in reading.finish():
        yield chunk


def _is_pause(chunk: Chunk) -> bool:
    return isinstance(chunk, EndChunk) and chunk.stop_reason == "pause_turn"


async def _drain(events: anthropic.AsyncStream[RawMessageStreamEvent]) -> None:
    """Read the rest of the HTTP answer, because only then the connection can be used again."""

    async def rest() -> None:
        async for _ in events:
            pass

    try:
        await asyncio.wait_for(rest(), DRAIN_TIMEOUT_S)
    except Exception:  # noqa: BLE001  the answer is whole; only the connection is lost
        return
