"""Chat Completions of one endpoint: one streamed request for each answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

from ...shared.errors import UpstreamLost
from ..base import Chunk, Model
from . import chat_request, exchange
from .chat_reading import ChatReading
from .failures import OpenAIRequest
from .refused_arguments import RefusedArguments
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

    def stream(
        self, client: openai.AsyncOpenAI, request: OpenAIRequest, model: Model, headers: Headers
    ) -> AsyncGenerator[Chunk, None]:
        """Answer a prompt; raises ProviderError."""
        if request.prompt.upstream is not None:
            raise UpstreamLost(
                f"{request.endpoint.title} now speaks a dialect that cannot join an answer again."
            )

        async def ask() -> openai.AsyncStream[Any]:
            return await self._refused_arguments.open_stream(
                request,
                headers,
                create=client.chat.completions.create,
                build=lambda without: chat_request.build(request.prompt, request.endpoint, without),
                optional_of=chat_request.optional_of,
            )

        return exchange.read(client, ask, ChatReading(request, model), request, self._now)
