"""Endpoints of the dialect ``messages``: addresses other than the Claude API that speak it, too.

Ollama, llama.cpp's server, LM Studio and gateways are such addresses. What the environment holds
for the Claude API (its key, its address, its headers) is sent to none of them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

from ...shared.errors import ProviderError
from ..base import Chunk, Model, Prompt
from ..clients import SharedClients
from ..endpoint_provider import EndpointProvider
from ..endpoints import Endpoint
from . import exchange, models, sdk
from .api_request import MessagesRequest

if TYPE_CHECKING:
    import anthropic

LIST_VERSION = "2023-06-01"  # the version of the API with which a list of models is asked for


class MessagesProvider(EndpointProvider):
    """Streams the answers of one endpoint's models.

    Args:
        endpoint: the address, with its settings.
        environ: read for the key at every request; None for the real one.
        now: the time in seconds since 1970, for dates in ``retry-after``.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        environ: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(endpoint, environ)
        self._now = now
        self.clients: SharedClients[str, anthropic.AsyncAnthropic] = SharedClients(self._connect)

    def missing_sdk(self) -> ProviderError | None:
        return None  # the package depends on it

    def key_headers(self, key: str) -> dict[str, str]:
        """Return the key in the two headers that servers read.

        With `LIST_VERSION`, Anthropic's own address reads the first alone.
        """
        if not key:
            return {}
        if self.endpoint.is_anthropic:
            return {"X-Api-Key": key}
        return {"X-Api-Key": key, "Authorization": f"Bearer {key}"}

    def list_headers(self, key: str) -> dict[str, str]:
        return {**self.key_headers(key), "anthropic-version": LIST_VERSION}

    def describe(self, model: Model) -> Model:
        """Add the known facts of Claude models, because gateways list their names alone."""
        return models.complete(model, is_set=self.endpoint.can is not None)

    async def warm(self) -> None:
        if self.is_ready():
            await sdk.warm()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        request = MessagesRequest(endpoint=self.endpoint, prompt=prompt, key=self._keys.read())
        model = self.model(prompt.model)
        async with self.clients.lend(request.key) as client:
            headers = sdk.headers(self.endpoint, self.key_headers(request.key))
            async with aclosing(
                exchange.read(client, request, model, headers, self._now)
            ) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def close(self) -> None:
        """End all connections; streams that still run are cut."""
        await super().close()
        await self.clients.close()

    async def _connect(self, key: str) -> anthropic.AsyncAnthropic:
        return await sdk.connect(self.endpoint, key)
