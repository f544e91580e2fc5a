"""Endpoints that speak OpenAI's dialects, through the official SDK.

There is one provider for each endpoint, and one streamed request for each answer. The SDK is the
extra ``[openai]``. It never retries: the run does, where everybody sees it. Closing the iterator
closes the connection.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from ...shared.errors import ProviderError
from ...shared.json_objects import JsonView
from ..base import Chunk, Prompt
from ..clients import SharedClients
from ..endpoint_provider import EndpointProvider
from ..endpoints import Endpoint, parse_base_url
from . import sdk
from .chat import ChatCompletions
from .failures import OpenAIRequest
from .responses import Responses

if TYPE_CHECKING:
    import openai

ENV_BASE_URL = "OPENAI_BASE_URL"


class OpenAIProvider(EndpointProvider):
    """Streams the answers of one endpoint's models.

    Args:
        endpoint: the address, with its settings.
        environ: read for the key at every request; None for the real one.
        now: the time in seconds since 1970, for ``retry-after`` dates.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        environ: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        environ = os.environ if environ is None else environ
        if endpoint.takes_environment:
            base_url = environ.get(ENV_BASE_URL, "").strip()
            if base_url:
                endpoint = replace(endpoint, base_url=parse_base_url(ENV_BASE_URL, base_url))
        super().__init__(endpoint, environ)
        self._responses = Responses(now)
        speaks_responses = endpoint.dialect == "responses"
        self._dialect = self._responses if speaks_responses else ChatCompletions(now)
        self.clients: SharedClients[str, openai.AsyncOpenAI] = SharedClients(self._connect)

    def missing_sdk(self) -> ProviderError | None:
        return None if sdk.is_installed() else sdk.not_installed(self.endpoint)

    def key_headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    async def warm(self) -> None:
        is_wanted = self.endpoint.is_configured or self.endpoint.needs_key
        if is_wanted and self.is_ready():
            await sdk.warm()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        request = self._request(prompt)
        model, headers = self.model(prompt.model), self._headers(request.key)
        async with self.clients.lend(request.key) as client:
            chunks = self._dialect.stream(client, request, model, headers)
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk

    async def stop_upstream(self, handle: JsonView) -> None:
        """Stop a response that goes on by itself; raises ProviderError."""
        request = self._request(Prompt(model="", turns=()))
        async with self.clients.lend(request.key) as client:
            await self._responses.stop(client, request, self._headers(request.key), handle)

    async def close(self) -> None:
        """End all connections; streams that still run are cut."""
        await super().close()
        await self._responses.close()
        await self.clients.close()

    async def _connect(self, key: str) -> openai.AsyncOpenAI:
        return await sdk.connect(self.endpoint, key)

    def _request(self, prompt: Prompt) -> OpenAIRequest:
        sdk_error = self.missing_sdk()
        if sdk_error is not None:
            raise sdk_error
        return OpenAIRequest(endpoint=self.endpoint, prompt=prompt, key=self._keys.read())

    def _headers(self, key: str) -> dict[str, str | openai.Omit]:
        headers = {**self.key_headers(key), **self.endpoint.headers}
        return {**sdk.without_environment(self.endpoint, has_key=bool(key)), **headers}
