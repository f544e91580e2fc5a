"""One streamed answer of an endpoint, in any of its dialects, and the errors of its SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...shared.errors import ProviderError, StreamCut
from .. import foreign_answers, streaming
from ..base import Chunk
from . import failures
from .failures import OpenAIRequest

if TYPE_CHECKING:
    import openai


def read(
    client: openai.AsyncOpenAI,
    open_stream: Callable[[], Awaitable[streaming.Events]],
    reading: streaming.Reading,
    request: OpenAIRequest,
    now: Callable[[], float],
) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks of one answer; raises ProviderError.

    Args:
        client: whose connection it is.
        open_stream: sends the request.
        now: the time in seconds since 1970, for ``retry-after`` dates.
    """

    async def look(response: Any) -> None:
        await check(response, request)

    def translate_error(error: Exception, has_begun: bool) -> ProviderError:
        if client.is_closed():  # by `close`: aiohttp then raises a bare RuntimeError
            return failures.from_connection(error, request, has_begun=has_begun)
        return translate(error, request, now, has_begun=has_begun)

    return streaming.read(open_stream, reading, check=look, translate=translate_error)


def translate(
    error: Exception, request: OpenAIRequest, now: Callable[[], float], *, has_begun: bool = False
) -> ProviderError:
    """Translate an error of the SDK, of its transport, or of what was sent."""
    import aiohttp
    import httpx2
    import openai

    network = (openai.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError)
    endpoint = request.endpoint
    if isinstance(error, openai.APIStatusError):
        return failures.from_status(error, request, now)
    if isinstance(error, (*network, asyncio.TimeoutError)):
        return failures.from_connection(error, request, has_begun=has_begun)
    if isinstance(error, openai.APIError):
        return failures.from_stream(error.body, request)
    if has_begun and isinstance(error, (ValueError, TypeError, AttributeError, LookupError)):
        return StreamCut(
            f"What {endpoint.title} sent is not a stream of {request.api} "
            f"({type(error).__name__}). Look at the 'base_url' of the endpoint {endpoint.name!r}."
        )
    return ProviderError(
        f"The request to {endpoint.title} failed in a way nobody foresaw "
        f"({type(error).__name__}). Please report it."
    )


async def check(response: Any, request: OpenAIRequest) -> None:
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
        raise failures.from_stream(value, request)
    raise failures.not_the_provider(response, body, request)
