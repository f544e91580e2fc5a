"""One streamed answer of an endpoint, in any of its dialects: opened, read, and its errors told.

A dialect brings a reading: it turns the SDK's events into chunks and decides whether the answer was
whole. Closing the generator closes the connection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ...shared.errors import ProviderError, StreamCut
from .. import foreign_answers
from ..base import Chunk
from ..clients import DRAIN_TIMEOUT_S
from . import failures
from .failures import Asked

if TYPE_CHECKING:
    import openai


class Reading(Protocol):
    """The state of reading one answer."""

    is_ended: bool
    """Whether the last event of the answer has come."""

    def feed(self, event: Any) -> list[Chunk]:
        """Take the next event; return the chunks that it brings."""
        ...

    def finish(self) -> list[Chunk]:
        """Return the chunks that the good end of the HTTP answer brings."""
        ...


async def read(
    client: openai.AsyncOpenAI,
    open_stream: Callable[[], Awaitable[openai.AsyncStream[Any]]],
    reading: Reading,
    asked: Asked,
    now: Callable[[], float],
) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks of one answer; raises ProviderError.

    Args:
        client: whose connection it is.
        open_stream: sends the request.
        now: the time in seconds since 1970, for ``retry-after`` dates.
    """
    has_begun = False
    try:
        events = await open_stream()
        has_begun = True
        try:
            await _check(events.response, asked)
            async for event in events:
                if getattr(event, "object", None) == "error":
                    raise failures.from_stream(event.to_dict(), asked)
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
    except Exception as error:  # noqa: BLE001  the SDK lets many libraries' errors through
        # Not `from error`: errors of the SDK quote bodies, and bodies quote prompts.
        if client.is_closed():  # by `close`: aiohttp then raises a bare RuntimeError
            raise failures.from_connection(error, asked, has_begun=has_begun) from None
        raise translate(error, asked, now, has_begun=has_begun) from None
    for chunk in reading.finish():
        yield chunk


def translate(
    error: Exception, asked: Asked, now: Callable[[], float], *, has_begun: bool = False
) -> ProviderError:
    """Translate an error of the SDK, of its transport, or of what was sent."""
    import aiohttp
    import httpx2
    import openai

    network = (openai.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError)
    endpoint = asked.endpoint
    if isinstance(error, openai.APIStatusError):
        return failures.from_status(error, asked, now)
    if isinstance(error, (*network, asyncio.TimeoutError)):
        return failures.from_connection(error, asked, has_begun=has_begun)
    if isinstance(error, openai.APIError):
        return failures.from_stream(error.body, asked)
    if has_begun and isinstance(error, (ValueError, TypeError, AttributeError, LookupError)):
        return StreamCut(
            f"What {endpoint.title} sent is not a stream of {asked.api} "
            f"({type(error).__name__}). Look at the 'base_url' of the endpoint {endpoint.name!r}."
        )
    return ProviderError(
        f"The request to {endpoint.title} failed in a way nobody foresaw "
        f"({type(error).__name__}). Please report it."
    )


async def _check(response: Any, asked: Asked) -> None:
    """Look at what answers before it is read.

    Raises:
        ProviderError: it is no stream of events.
    """
    if foreign_answers.media_type(response) == foreign_answers.EVENT_STREAM:
        return
    body = await foreign_answers.beginning(response)
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if isinstance(value, Mapping) and (value.get("error") or value.get("object") == "error"):
        raise failures.from_stream(value, asked)
    raise failures.not_the_provider(response, body, asked)


async def _drain(events: openai.AsyncStream[Any]) -> None:
    """Read the rest of the HTTP answer, because only then the connection can be used again."""

    async def rest() -> None:
        async for _ in events:
            pass

    try:
        await asyncio.wait_for(rest(), DRAIN_TIMEOUT_S)
    except Exception:  # noqa: BLE001  the answer is whole; only the connection is lost
        return
