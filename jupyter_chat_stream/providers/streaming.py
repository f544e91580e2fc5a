"""Reading one streamed answer through an SDK: its events, its end, and its errors.

A provider brings three parts: a reading, which turns the SDK's events into chunks and decides
whether the answer was whole; a check of what answers; and the translation of errors. Closing the
generator closes the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from ..shared.errors import ProviderError
from .base import Chunk, UsageChunk

# The end of the HTTP answer comes right after the last event of the answer.
DRAIN_TIMEOUT_S = 0.25


class Reading(Protocol):
    """The state of reading one answer."""

    is_ended: bool
    """Whether the last event of the answer has come."""
    usage: UsageChunk | None
    """The tokens so far, as the API has counted them: another object whenever they change."""

    def feed(self, event: Any) -> list[Chunk]:
        """Take the next event; return the chunks that it brings."""
        ...

    def finish(self) -> list[Chunk]:
        """Return the chunks that the good end of the HTTP answer brings."""
        ...


class Events(Protocol):
    """A stream of an SDK: its events, and the HTTP answer that they come in."""

    @property
    def response(self) -> Any: ...

    def __aiter__(self) -> AsyncIterator[Any]: ...

    async def close(self) -> None: ...


async def read(
    open_stream: Callable[[], Awaitable[Events]],
    reading: Reading,
    *,
    check: Callable[[Any], Awaitable[None]],
    translate: Callable[[Exception, bool], ProviderError],
) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks of one answer; raises ProviderError.

    Args:
        open_stream: sends the request.
        check: looks at the HTTP answer before it is read; raises ProviderError if it is no stream.
        translate: translates an error; told whether the HTTP answer had begun.
    """
    has_begun = False
    last_usage: UsageChunk | None = None
    try:
        events = await open_stream()
        has_begun = True
        try:
            await check(events.response)
            async for event in events:
                try:
                    chunks = reading.feed(event)
                finally:  # an event that fails the answer may tell its tokens, too
                    if reading.usage is not last_usage and reading.usage is not None:
                        last_usage = reading.usage
                        yield last_usage
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
    except Exception as error:  # noqa: BLE001  the SDKs let errors of many libraries through
        # Not `from error`: errors of the SDKs quote bodies, and bodies quote prompts.
        raise translate(error, has_begun) from None
    for chunk in reading.finish():
        yield chunk


async def _drain(events: Events) -> None:
    """Read the rest of the HTTP answer, because only then the connection can be used again."""

    async def rest() -> None:
        async for _ in events:
            pass

    try:
        await asyncio.wait_for(rest(), DRAIN_TIMEOUT_S)
    except Exception:  # noqa: BLE001  the answer is whole; only the connection is lost
        return
