"""Chat Completions of one endpoint: one streamed request for each answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ...shared.errors import UpstreamLost
from ..base import Chunk, Model
from ..carried_files import carrying
from . import chat_request, exchange
from .chat_reading import ChatReading
from .failures import OpenAIRequest
from .refused_arguments import Arguments, RefusedArguments
from .sdk import Headers

if TYPE_CHECKING:
    import openai


class ChatCompletions:
    """Streams the answers of one endpoint.

    Args:
        now: the time in seconds since 1970, for ``retry-after`` dates.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._refused_arguments = RefusedArguments()

    async def stream(
        self, client: openai.AsyncOpenAI, request: OpenAIRequest, model: Model, headers: Headers
    ) -> AsyncGenerator[Chunk, None]:
        """Answer a prompt; raises ProviderError."""
        if request.prompt.upstream is not None:
            raise UpstreamLost(
                f"{request.endpoint.title} now speaks a dialect that cannot join an answer again."
            )

        async def ask() -> openai.AsyncStream[Any]:
            return await self._ask(client, request, headers)

        reading = ChatReading(request, model)
        async with aclosing(exchange.read(client, ask, reading, request, self._now)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _ask(
        self, client: openai.AsyncOpenAI, request: OpenAIRequest, headers: Headers
    ) -> openai.AsyncStream[Any]:
        """Send the request, without the arguments that the server refuses."""

        def build(without: Collection[str]) -> Arguments:
            return chat_request.build(request.prompt, request.endpoint, without)

        async def create(arguments: Arguments) -> openai.AsyncStream[Any]:
            send: Any = client.chat.completions.create
            events: openai.AsyncStream[Any] = await send(
                **arguments, stream=True, extra_headers=headers
            )
            return events

        with carrying():
            return await self._refused_arguments.send(
                request, build, chat_request.optional_of, create
            )
