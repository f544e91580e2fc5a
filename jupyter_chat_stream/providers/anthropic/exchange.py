"""One streamed answer of an address: its requests, their events, and their errors.

An answer is one request, and one more after each pause of the model. Closing the generator closes
the connection.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ...shared.errors import ProviderError
from ...shared.json_objects import JsonView
from .. import streaming
from ..base import Chunk, EndChunk, Model
from ..carried_files import carrying
from . import failures, foreign, params, request_arguments
from .api_request import MessagesRequest
from .reading import MessagesReading

if TYPE_CHECKING:
    import anthropic
    from anthropic.types import ContentBlockParam, RawMessageStreamEvent

# The model pauses when tools of the API take long. One attempt continues a turn at most this often.
# After that the answer ends as `paused`, and a person decides.
MAX_PAUSES = 8


async def read(
    client: anthropic.AsyncAnthropic,
    request: MessagesRequest,
    model: Model,
    headers: JsonView,
    now: Callable[[], float],
) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks of one answer; raises ProviderError.

    Args:
        client: whose connection it is.
        headers: further headers of each request; an ``Omit`` leaves one of the SDK's out.
        now: the time in seconds since 1970, for dates in ``retry-after``.
    """
    reading = MessagesReading(request)
    # The SDK has no arguments for these, because the Claude API takes them no more.
    sampling = params.parse(request.prompt.params, request.endpoint).sampling
    paused_blocks: list[ContentBlockParam] = []

    async def ask() -> anthropic.AsyncStream[RawMessageStreamEvent]:
        create = client.messages.create
        with carrying():
            arguments = request_arguments.build(
                request.prompt, model, request.endpoint, paused_blocks
            )
            return await create(**arguments, extra_headers=headers, extra_body=sampling)

    async def check(response: Any) -> None:
        await foreign.check(response, request)

    def translate(error: Exception, has_begun: bool) -> ProviderError:
        if client.is_closed():  # by `close`: aiohttp then raises a bare RuntimeError
            return failures.from_connection(error, request, has_begun=has_begun)
        return failures.translate(error, request, now, has_begun=has_begun)

    for pauses in range(MAX_PAUSES + 1):
        stream = streaming.read(ask, reading, check=check, translate=translate)
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                if _is_pause(chunk) and pauses < MAX_PAUSES:
                    break
                yield chunk
            else:
                return
        paused_blocks += reading.go_on()


def _is_pause(chunk: Chunk) -> bool:
    return isinstance(chunk, EndChunk) and chunk.stop_reason == "pause_turn"
