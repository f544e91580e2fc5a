"""The provider of Claude models: the Claude API through its official SDK.

An answer is one streamed request, and one more after each pause of the model. The requests go over
aiohttp, which takes half the CPU per delta of the SDK's default transport. The SDK is imported by
`warm` or on first use, in a thread of its own, because the import takes most of a second. The SDK's
retries are off: the run retries, where everybody sees it. The caller limits how long the API may be
silent. Closing the iterator closes the connection.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...shared.errors import ProviderError
from ..base import Chunk, EndChunk, Model, Prompt
from ..clients import SharedClients, in_own_thread
from ..endpoint_facts import EndpointFacts
from ..endpoints import is_loopback
from . import failures, foreign, models, request
from .key import ClaudeKey
from .reading import MessagesReading

if TYPE_CHECKING:
    import anthropic
    from anthropic.types import ContentBlockParam, RawMessageStreamEvent
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

_Access = tuple[str, str]  # the key and the address

ENV_BASE_URL = "ANTHROPIC_BASE_URL"
DEFAULT_BASE_URL = "https://api.anthropic.com"
CONNECT_TIMEOUT_S = 15.0
# Far above every stall_timeout_s: it only helps a caller that is no run and sets no limit itself.
READ_TIMEOUT_S = 900.0
# The model pauses when tools of the API take long. One attempt continues a turn at most this often.
# After that the answer ends as `paused`, and a person decides.
MAX_PAUSES = 8
# The end of the HTTP answer comes right after `message_stop`.
DRAIN_TIMEOUT_S = 0.25


def create() -> AnthropicProvider:
    """Make the provider as the server uses it (the entry point)."""
    return AnthropicProvider()


class AnthropicProvider:
    """Streams answers of Claude models.

    Args:
        key_file: the file with the key; None for the one in Jupyter's data directory.
        environ: holds the key and the address, read at every request; None for `os.environ`.
        now: returns the time in seconds since 1970, to read dates in ``retry-after``.
    """

    name = "anthropic"

    def __init__(
        self,
        *,
        key_file: Path | None = None,
        environ: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._keys = ClaudeKey(key_file, self._environ)
        self._now = now
        self._clients: SharedClients[_Access, anthropic.AsyncAnthropic] = SharedClients(_connect)

    def models(self) -> tuple[Model, ...]:
        """List the models worth offering; the first is the default."""
        return models.MODELS

    def model(self, name: str) -> Model:
        return models.find(name)

    def is_ready(self) -> bool:
        return self._keys.is_there()

    def endpoint_facts(self) -> EndpointFacts:
        """Describe the address; sends no request."""
        return EndpointFacts(
            title="Anthropic",
            dialect="messages",
            is_local=is_loopback(urlsplit(self.api_url).hostname or ""),
            keys=self._keys,
        )

    async def warm(self) -> None:
        """Import the SDK without blocking the event loop."""
        await in_own_thread(_import_sdk)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        key = self._keys.read()
        model = models.find(prompt.model)
        reading = MessagesReading(prompt)
        arguments = request.build(prompt, model)
        paused: list[ContentBlockParam] = []
        async with self._clients.lend((key, self.api_url)) as client:
            for pauses in range(MAX_PAUSES + 1):
                async with aclosing(self._read(client, arguments, reading, key)) as chunks:
                    async for chunk in chunks:
                        if _is_pause(chunk) and pauses < MAX_PAUSES:
                            break
                        yield chunk
                    else:
                        return
                paused += reading.go_on()
                arguments = request.build(prompt, model, paused)

    async def _read(
        self,
        client: anthropic.AsyncAnthropic,
        arguments: MessageCreateParamsStreaming,
        reading: MessagesReading,
        key: str,
    ) -> AsyncGenerator[Chunk, None]:
        """Read the answer to one request, up to its end."""
        has_begun = False
        try:
            events = await client.messages.create(**arguments)
            has_begun = True
            try:
                await foreign.check(events.response, reading.prompt, key)
                async for event in events:
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
        except Exception as error:  # noqa: BLE001  the SDK lets errors of many libraries through
            # Not `from error`: errors of the SDK quote bodies, and bodies quote prompts.
            if client.is_closed():  # by `close`: aiohttp then raises a bare RuntimeError
                raise failures.from_connection(error, has_begun=has_begun) from None
            told = failures.translate(error, reading.prompt, key, self._now, has_begun=has_begun)
            raise told from None
        for chunk in reading.finish():
            yield chunk

    async def close(self) -> None:
        """End all connections; streams that still run are cut."""
        await self._clients.close()

    @property
    def api_url(self) -> str:
        return self._environ.get(ENV_BASE_URL, "").strip() or DEFAULT_BASE_URL


def _is_pause(chunk: Chunk) -> bool:
    return isinstance(chunk, EndChunk) and chunk.stop_reason == "pause_turn"


async def _connect(access: _Access) -> anthropic.AsyncAnthropic:
    return await in_own_thread(lambda: _make_client(*access))


def _import_sdk() -> None:
    try:
        import aiohttp  # noqa: F401  what DefaultAioHttpClient needs
        import anthropic
        import anthropic.resources.messages  # else imported by the first request
    except ImportError as error:
        raise ProviderError(
            f"The package 'anthropic' is missing or incomplete ({error}). Where JupyterLab is "
            "installed, run: pip install 'anthropic[aiohttp]>=2'"
        ) from error
    logger = logging.getLogger(anthropic.__name__)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)  # DEBUG logs whole prompts; ANTHROPIC_LOG can still set it


def _make_client(key: str, base_url: str) -> anthropic.AsyncAnthropic:
    """Make a client. Called in a thread: it imports the SDK and reads certificates from disk."""
    _import_sdk()
    import anthropic
    import httpx2

    return anthropic.AsyncAnthropic(
        api_key=key,
        base_url=base_url,
        max_retries=0,
        timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        # A redirection would send the key and the prompt to an address that nobody chose.
        http_client=anthropic.DefaultAioHttpClient(follow_redirects=False),
    )


async def _drain(events: anthropic.AsyncStream[RawMessageStreamEvent]) -> None:
    """Read the rest of the HTTP answer, because only then the connection can be used again."""

    async def read() -> None:
        async for _ in events:
            pass

    try:
        await asyncio.wait_for(read(), DRAIN_TIMEOUT_S)
    except Exception:  # noqa: BLE001  the answer is whole; only the connection is lost
        return
