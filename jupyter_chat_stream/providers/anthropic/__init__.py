"""The provider of Claude models: the Claude API through its official SDK.

An answer is one streamed request, and one more after each pause of the model. The SDK's retries are
off: the run retries, where everybody sees it. The caller limits how long the API may be silent.
Closing the iterator closes the connection.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..base import Chunk, Model, Prompt
from ..clients import SharedClients
from ..endpoint_facts import EndpointFacts
from ..endpoints import Endpoint, is_loopback
from . import exchange, models, sdk
from .api_request import CLAUDE, MessagesRequest
from .endpoint import MessagesProvider
from .key import ClaudeKey

if TYPE_CHECKING:
    import anthropic

__all__ = ["AnthropicProvider", "MessagesProvider", "create"]

_KeyAndAddress = tuple[str, str]

ENV_BASE_URL = "ANTHROPIC_BASE_URL"


def create() -> AnthropicProvider:
    """Make the provider as the server uses it (the entry point)."""
    return AnthropicProvider()


class AnthropicProvider:
    """Streams answers of Claude models.

    Args:
        endpoint: the address with its settings; ``ANTHROPIC_BASE_URL`` replaces one that no
            setting names.
        key_file: the file with the key; None for the one in Jupyter's data directory.
        environ: holds the key and the address, read at every request; None for `os.environ`.
        now: returns the time in seconds since 1970, to read dates in ``retry-after``.
    """

    name = "anthropic"

    def __init__(
        self,
        *,
        endpoint: Endpoint = CLAUDE,
        key_file: Path | None = None,
        environ: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._endpoint = endpoint
        self._keys = ClaudeKey(key_file, self._environ, endpoint=endpoint)
        self._now = now
        self.clients: SharedClients[_KeyAndAddress, anthropic.AsyncAnthropic] = SharedClients(
            self._connect
        )

    def models(self) -> tuple[Model, ...]:
        """List the models worth offering; the first is the default."""
        names = self._endpoint.models
        return tuple(map(self.model, names)) if names else tuple(map(self._as_set, models.MODELS))

    def model(self, name: str) -> Model:
        return self._as_set(models.find(name))

    def is_ready(self) -> bool:
        return self._keys.is_there()

    def endpoint_facts(self) -> EndpointFacts:
        return EndpointFacts(
            title="Anthropic",
            dialect="messages",
            is_local=is_loopback(urlsplit(self.api_url).hostname or ""),
            keys=self._keys,
        )

    async def warm(self) -> None:
        await sdk.warm()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        key = self._keys.read()
        endpoint = replace(self._endpoint, base_url=self.api_url)
        request = MessagesRequest(endpoint=endpoint, prompt=prompt, key=key)
        model, headers = self.model(prompt.model), dict(endpoint.headers)
        async with (
            self.clients.lend((key, endpoint.base_url)) as client,
            aclosing(exchange.read(client, request, model, headers, self._now)) as chunks,
        ):
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:
        """End all connections; streams that still run are cut."""
        await self.clients.close()

    @property
    def api_url(self) -> str:
        url = self._environ.get(ENV_BASE_URL, "") if self._endpoint.takes_environment else ""
        return url.strip() or self._endpoint.base_url

    def _as_set(self, model: Model) -> Model:
        """Return a model with what the setting tells of it."""
        size, can = self._endpoint.context_tokens, self._endpoint.can
        return replace(
            model,
            context_tokens=model.context_tokens if size is None else size,
            can=model.can if can is None else can,
        )

    async def _connect(self, access: _KeyAndAddress) -> anthropic.AsyncAnthropic:
        key, base_url = access
        return await sdk.connect(replace(self._endpoint, base_url=base_url), key)
