"""The Responses API of one endpoint: asks for an answer, joins it again, and stops it.

Where the endpoint allows it, a response runs in the background and is stored there. A later attempt
then joins it behind the last committed event, also after it has ended (L15). Closing the generator
closes only the connection: the response goes on until `stop`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ...shared.errors import (
    NotTheProvider,
    Overloaded,
    ProviderDown,
    ProviderError,
    RateLimited,
    StreamCut,
    UpstreamLost,
)
from ...shared.json_objects import JsonView
from ..base import Chunk, Model, Upstream
from ..streaming import Events
from . import exchange, responses_request
from .beginnings import Beginnings
from .failures import OpenAIRequest
from .refused_arguments import Arguments, RefusedArguments
from .responses_reading import ResponsesReading
from .sdk import Headers

if TYPE_CHECKING:
    import openai

# Of a request to join: no such response, or no such place in it.
_LOST_STATUSES = (400, 404, 410, 422)
_ENDED_STATUSES = (400, 404, 409, 410)  # of a request to cancel: it has ended, or is gone
_BROKEN_STATES = ("cancelled", "failed")


class Responses:
    """Streams the answers of one endpoint.

    Args:
        now: the time in seconds since 1970, for ``retry-after`` dates.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._refused_arguments = RefusedArguments()
        self._beginnings = Beginnings()

    def stream(
        self, client: openai.AsyncOpenAI, request: OpenAIRequest, model: Model, headers: Headers
    ) -> AsyncGenerator[Chunk, None]:
        """Answer a prompt, or join its upstream; raises ProviderError."""
        upstream = request.prompt.upstream
        if upstream is None:
            return self._begin(client, request, model, headers)
        return self._join(client, request, model, headers, upstream)

    async def close(self) -> None:
        """End what goes on after its reader has left."""
        await self._beginnings.close()

    async def stop(
        self, client: openai.AsyncOpenAI, request: OpenAIRequest, headers: Headers, handle: JsonView
    ) -> None:
        """Cancel a response; it may have ended, and it may be unknown by now."""
        import openai

        try:
            await client.responses.cancel(id_of(handle), extra_headers=headers)
        except openai.APIStatusError as error:
            if error.status_code not in _ENDED_STATUSES:
                raise exchange.translate(error, request, self._now) from None
        except Exception as error:  # noqa: BLE001  the SDK lets many libraries' errors through
            raise exchange.translate(error, request, self._now) from None

    def _begin(
        self, client: openai.AsyncOpenAI, request: OpenAIRequest, model: Model, headers: Headers
    ) -> AsyncGenerator[Chunk, None]:
        async def ask() -> Events:
            if not request.endpoint.background:
                return await send()
            return await self._beginnings.open(send, cancel)

        def build(without: Collection[str]) -> Arguments:
            return responses_request.build(request.prompt, request.endpoint, model, without)

        async def send() -> openai.AsyncStream[Any]:
            events = await self._refused_arguments.open_stream(
                request,
                headers,
                create=client.responses.create,
                build=build,
                optional_of=responses_request.optional_of,
            )
            try:
                await exchange.check(events.response, request)
            except BaseException:
                await events.close()
                raise
            return events

        async def cancel(id_: str) -> None:
            await self.stop(client, request, headers, {"response_id": id_})

        return exchange.read(client, ask, ResponsesReading(request, model), request, self._now)

    async def _join(
        self,
        client: openai.AsyncOpenAI,
        request: OpenAIRequest,
        model: Model,
        headers: Headers,
        upstream: Upstream,
    ) -> AsyncGenerator[Chunk, None]:
        is_open = False

        async def ask() -> openai.AsyncStream[Any]:
            nonlocal is_open
            events = await self._retrieve(client, request, headers, upstream)
            is_open = True
            return events

        reading = ResponsesReading(request, model)
        try:
            async with aclosing(exchange.read(client, ask, reading, request, self._now)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except StreamCut:
            if reading.has_stopped and await self._is_broken(client, upstream, headers):
                raise _upstream_lost(request, "it was cancelled, or has failed") from None
            raise
        except (NotTheProvider, Overloaded, ProviderDown, RateLimited) as failure:
            if not is_open:
                raise
            # The response itself has failed, so joining it once more would fail again.
            raise _upstream_lost(request, failure.message) from None

    async def _retrieve(
        self,
        client: openai.AsyncOpenAI,
        request: OpenAIRequest,
        headers: Headers,
        upstream: Upstream,
    ) -> openai.AsyncStream[Any]:
        """Ask for the events after the cursor; raises UpstreamLost."""
        import openai

        id_, after = id_of(upstream.handle), upstream.cursor
        try:
            retrieve = client.responses.retrieve
            return await retrieve(id_, stream=True, starting_after=after, extra_headers=headers)
        except openai.APIStatusError as error:
            if error.status_code not in _LOST_STATUSES:
                raise
            raise _upstream_lost(request, f"status {error.status_code}") from None

    async def _is_broken(
        self, client: openai.AsyncOpenAI, upstream: Upstream, headers: Headers
    ) -> bool:
        """Return whether a response will never be whole; False if that cannot be learned now."""
        try:
            id_ = id_of(upstream.handle)
            response = await client.responses.retrieve(id_, extra_headers=headers)
        except Exception:  # noqa: BLE001  the next attempt joins, and learns more
            return False
        return getattr(response, "status", None) in _BROKEN_STATES


def id_of(handle: JsonView) -> str:
    """Return the id of a response.

    Raises:
        UpstreamLost: the handle is of another form.
    """
    id_ = handle.get("response_id")
    if not isinstance(id_, str) or not id_:
        raise UpstreamLost("The answer's handle is none of this endpoint.")
    return id_


def _upstream_lost(request: OpenAIRequest, reason: str) -> ProviderError:
    return UpstreamLost(
        f"{request.endpoint.title} no longer has the answer that had begun ({reason})."
    )
