"""Endpoints that speak OpenAI's Chat Completions, through the official SDK.

There is one provider for each endpoint, and one streamed request for each answer. The SDK is the
extra ``[openai]``; it is imported on first use or by `warm`, in a thread of its own. The SDK never
retries: the run does, where everybody sees it. Closing the iterator closes the connection.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...shared.errors import ProviderError, StreamCut
from .. import foreign_answers
from ..base import Chunk, Prompt
from ..clients import SharedClients, in_own_thread
from ..endpoint_provider import EndpointProvider
from ..endpoints import Endpoint, parse_base_url
from . import failures, request
from .failures import Asked
from .reading import ChatReading

if TYPE_CHECKING:
    import openai

ENV_BASE_URL = "OPENAI_BASE_URL"
INSTALL = "pip install 'jupyter-chat-stream[openai]'"
CONNECT_TIMEOUT_S = 15.0
# Far above every stall_timeout_s: it only helps a caller that is no run and sets no limit itself.
READ_TIMEOUT_S = 900.0
# The SDK would send the values of these variables to every address; they are meant for OpenAI's.
_ORGANIZATION_HEADERS = ("OpenAI-Organization", "OpenAI-Project")
_ENV_CUSTOM_HEADERS = "OPENAI_CUSTOM_HEADERS"


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
        self._environ = os.environ if environ is None else environ
        if endpoint.name == "openai" and not endpoint.is_configured:
            elsewhere = self._environ.get(ENV_BASE_URL, "").strip()
            if elsewhere:
                endpoint = replace(endpoint, base_url=parse_base_url(ENV_BASE_URL, elsewhere))
        super().__init__(endpoint, self._environ)
        self._now = now
        self._clients: SharedClients[str, openai.AsyncOpenAI] = SharedClients(self._make_client)

    def missing_sdk(self) -> ProviderError | None:
        return None if is_sdk_installed() else _not_installed(self.endpoint)

    def key_headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    async def warm(self) -> None:
        """Import the SDK without blocking the event loop."""
        is_wanted = self.endpoint.is_configured or self.endpoint.needs_key
        if is_wanted and self.is_ready():
            await in_own_thread(_import_sdk)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        if not is_sdk_installed():
            raise _not_installed(self.endpoint)
        asked = Asked(endpoint=self.endpoint, prompt=prompt, key=self._keys.read())
        arguments = request.build(prompt, self.endpoint)
        reading = ChatReading(prompt, self.endpoint, self.model(prompt.model))
        async with self._clients.lend(asked.key) as client:
            has_begun = False
            try:
                events = await client.chat.completions.create(
                    **arguments, stream=True, extra_headers=self._headers(asked.key)
                )
                has_begun = True
                try:
                    await _check(events.response, asked)
                    async for event in events:
                        if getattr(event, "object", None) == "error":
                            raise failures.from_stream(event.to_dict(), asked)
                        for chunk in reading.feed(event):
                            yield chunk
                finally:
                    await events.close()
            except ProviderError:
                raise
            except Exception as error:  # noqa: BLE001  the SDK lets many libraries' errors through
                # Not `from error`: errors of the SDK quote bodies, and bodies quote prompts.
                if client.is_closed():  # by `close`: aiohttp then raises a bare RuntimeError
                    raise failures.from_connection(error, asked, has_begun=has_begun) from None
                raise self._translate(error, asked, has_begun=has_begun) from None
        for chunk in reading.finish():
            yield chunk

    async def close(self) -> None:
        """End all connections; streams that still run are cut."""
        await super().close()
        await self._clients.close()

    def _translate(self, error: Exception, asked: Asked, *, has_begun: bool) -> ProviderError:
        import aiohttp
        import httpx2
        import openai

        network = (openai.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError)
        if isinstance(error, openai.APIStatusError):
            return failures.from_status(error, asked, self._now)
        if isinstance(error, (*network, asyncio.TimeoutError)):
            return failures.from_connection(error, asked, has_begun=has_begun)
        if isinstance(error, openai.APIError):
            return failures.from_stream(error.body, asked)
        if has_begun and isinstance(error, (ValueError, TypeError, AttributeError, LookupError)):
            return StreamCut(
                f"What {self.endpoint.title} sent is not a stream of Chat Completions "
                f"({type(error).__name__}). Look at the 'base_url' of the endpoint {self.name!r}."
            )
        return ProviderError(
            f"The request to {self.endpoint.title} failed in a way nobody foresaw "
            f"({type(error).__name__}). Please report it."
        )

    async def _make_client(self, key: str) -> openai.AsyncOpenAI:
        return await in_own_thread(lambda: _make_client(self.endpoint, key))

    def _headers(self, key: str) -> dict[str, str | openai.Omit]:
        """Return the endpoint's headers, without those that the environment sets for OpenAI."""
        from openai import Omit

        omitted: list[str] = [] if key else ["Authorization"]
        if not self.endpoint.is_openai:
            lines = os.environ.get(_ENV_CUSTOM_HEADERS, "").split("\n")
            omitted += [line.partition(":")[0].strip() for line in lines if ":" in line]
            omitted += _ORGANIZATION_HEADERS
        headers: dict[str, str | Omit] = {name: Omit() for name in omitted}
        return {**headers, **self.key_headers(key), **self.endpoint.headers}


def is_sdk_installed() -> bool:
    """Return whether the extra is there, without importing it."""
    return importlib.util.find_spec("openai") is not None


def _not_installed(endpoint: Endpoint) -> ProviderError:
    return ProviderError(
        f"The endpoint {endpoint.name!r} needs the package 'openai'. Where JupyterLab runs (and "
        f"where workers run): {INSTALL}"
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


def _import_sdk() -> None:
    try:
        import aiohttp  # noqa: F401  what DefaultAioHttpClient needs
        import openai.resources.chat.completions  # noqa: F401  else imported by the first request
    except ImportError as error:
        raise ProviderError(f"The package 'openai' is not whole ({error}): {INSTALL}") from error


def _make_client(endpoint: Endpoint, key: str) -> openai.AsyncOpenAI:
    """Make a client; run in a thread, for the imports and for reading the certificates."""
    _import_sdk()
    import httpx2
    import openai

    return openai.AsyncOpenAI(
        api_key=key or "none",  # the SDK wants one; the header is left out
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        # A redirection would take the key and the prompt to an address that nobody chose, and a
        # proxy would take what is meant for this machine to another.
        http_client=openai.DefaultAioHttpClient(
            follow_redirects=False, trust_env=not endpoint.is_local
        ),
    )
