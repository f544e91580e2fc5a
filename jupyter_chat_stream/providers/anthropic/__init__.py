"""The Claude API through its official SDK.

One streamed request per answer, and one more after each pause, over aiohttp (half the CPU per
delta of the SDK's default transport). The SDK is imported on first use or by `warm`, in a thread
of its own: it takes most of a second. It never retries here; the run does, where everybody sees
it. A silent server is the caller's to notice; leaving the iterator closes the connection.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ...shared.errors import ProviderError, StreamCut
from ..base import Chunk, EndChunk, Model, Prompt
from . import failures, foreign, models, request
from .key import KeySource
from .reading import Reading

if TYPE_CHECKING:
    import anthropic

T = TypeVar("T")

ENV_BASE_URL = "ANTHROPIC_BASE_URL"
DEFAULT_BASE_URL = "https://api.anthropic.com"
CONNECT_TIMEOUT_S = 15.0
# Far above every stall_timeout_s: the last resort of a provider that is used without a run.
READ_TIMEOUT_S = 900.0
# A turn that pauses (tools of the API that take long) is gone on with so often within one attempt;
# then the answer ends as `paused`, and a person decides.
MAX_PAUSES = 8
# The end of the HTTP answer follows `message_stop` in the same breath.
DRAIN_TIMEOUT_S = 0.25


def create() -> AnthropicProvider:
    """Make the provider as the server uses it (the entry point)."""
    return AnthropicProvider()


class AnthropicProvider:
    """Streams answers of Claude models.

    Args:
        key_file: where the key may be, None for Jupyter's data directory.
        environ: read for the key and the address at every request; None for the real one.
        now: the time in seconds since 1970, for ``retry-after`` dates.
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
        self._keys = KeySource(key_file, self._environ)
        self._now = now
        self._clients: dict[tuple[str, str], _Held] = {}

    def models(self) -> tuple[Model, ...]:
        """List the models worth offering, the best one to start with first."""
        return models.MODELS

    def model(self, name: str) -> Model:
        """Describe a model by name, listed or not."""
        return models.find(name)

    def is_ready(self) -> bool:
        """Return whether there is a key."""
        return self._keys.is_there()

    async def warm(self) -> None:
        """Import the SDK without holding up the event loop."""
        await _in_thread(_import_sdk)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Answer the prompt."""
        key = self._keys.read()
        arguments = request.build(prompt, models.find(prompt.model))
        reading = Reading(prompt)
        async with self._client(key) as client:
            for pauses in range(MAX_PAUSES + 1):
                asked = _Asked(client=client, arguments=arguments, prompt=prompt, key=key)
                async with aclosing(self._read(asked, reading)) as chunks:
                    async for chunk in chunks:
                        if _is_pause(chunk) and pauses < MAX_PAUSES:
                            break
                        yield chunk
                    else:
                        return
                arguments = request.after_pause(arguments, reading.go_on())

    async def _read(self, asked: _Asked, reading: Reading) -> AsyncGenerator[Chunk, None]:
        """Read the answer to one request, up to its end."""
        client, prompt, key = asked.client, asked.prompt, asked.key
        has_begun = False
        try:
            events = await client.messages.create(**asked.arguments)
            has_begun = True
            try:
                await foreign.check(events.response, prompt, key)
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
        except Exception as error:  # noqa: BLE001  translated, whatever the SDK lets through
            # Not `from error`: what the SDK raises quotes bodies, and those quote prompts.
            if client.is_closed():  # by `close`: aiohttp then raises a bare RuntimeError
                raise failures.from_connection(error, has_begun=has_begun) from None
            raise self._translate(error, prompt, key, has_begun=has_begun) from None
        for chunk in reading.finish():
            yield chunk

    async def close(self) -> None:
        """End all connections; streams that still run are cut."""
        clients = [held.client for held in self._clients.values()]
        self._clients.clear()
        for client in clients:
            await client.close()

    def _translate(
        self, error: Exception, prompt: Prompt, key: str, *, has_begun: bool
    ) -> ProviderError:
        import aiohttp
        import anthropic
        import httpx2

        network = (anthropic.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError)
        if isinstance(error, anthropic.APIStatusError):
            return failures.from_status(error, prompt, key, self._now)
        if isinstance(error, (*network, asyncio.TimeoutError)):
            return failures.from_connection(error, has_begun=has_begun)
        if has_begun and isinstance(error, (ValueError, TypeError, AttributeError, LookupError)):
            return StreamCut(
                "What the Claude API sent is not its protocol "
                f"({type(error).__name__}). Look at ANTHROPIC_BASE_URL and at proxies in between."
            )
        return ProviderError(
            f"The request to the Claude API failed in a way nobody foresaw "
            f"({type(error).__name__}). Please report it."
        )

    @asynccontextmanager
    async def _client(self, key: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
        """Lend the client of this key and address; others that nobody uses are closed."""
        base_url = self._environ.get(ENV_BASE_URL, "").strip() or DEFAULT_BASE_URL
        which = (key, base_url)
        held = self._clients.get(which)
        if held is None:
            made = await _in_thread(lambda: _make_client(key, base_url))
            # A second request may have been faster; then this one, never used, is just dropped.
            held = self._clients.setdefault(which, _Held(client=made))
        held.streams += 1
        try:
            yield held.client
        finally:
            held.streams -= 1
            await self._close_idle_but(which)

    async def _close_idle_but(self, which: tuple[str, str]) -> None:
        idle = [w for w, held in self._clients.items() if w != which and not held.streams]
        for closing in [self._clients.pop(other) for other in idle]:
            await closing.client.close()


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One request: of the answer to a prompt, the first one or one after a pause."""

    client: anthropic.AsyncAnthropic
    arguments: Mapping[str, Any]
    prompt: Prompt
    key: str


def _is_pause(chunk: Chunk) -> bool:
    return isinstance(chunk, EndChunk) and chunk.stop_reason == "pause_turn"


@dataclass(kw_only=True)
class _Held:
    """A client and how many streams run over it."""

    client: anthropic.AsyncAnthropic
    streams: int = 0


def _import_sdk() -> None:
    try:
        import aiohttp  # noqa: F401  what DefaultAioHttpClient needs
        import anthropic
        import anthropic.resources.messages  # else imported by the first request
    except ImportError as error:
        raise ProviderError(
            f"The package of the Claude API is not whole ({error}). Where JupyterLab runs: "
            "pip install 'anthropic[aiohttp]>=2'"
        ) from error
    logger = logging.getLogger(anthropic.__name__)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)  # its DEBUG writes whole prompts; ANTHROPIC_LOG still may


def _make_client(key: str, base_url: str) -> anthropic.AsyncAnthropic:
    """Make a client; run in a thread, for the imports and for reading the certificates."""
    _import_sdk()
    import anthropic
    import httpx2

    return anthropic.AsyncAnthropic(
        api_key=key,
        base_url=base_url,
        max_retries=0,
        timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        # A redirection would take the key and the prompt to an address that nobody chose.
        http_client=anthropic.DefaultAioHttpClient(follow_redirects=False),
    )


async def _drain(events: anthropic.AsyncStream[Any]) -> None:
    """Read what follows the end of an answer: only then the connection can be used again."""

    async def read() -> None:
        async for _ in events:
            pass

    try:
        await asyncio.wait_for(read(), DRAIN_TIMEOUT_S)
    except Exception:  # noqa: BLE001  the answer is whole; what is lost is a connection
        return


async def _in_thread(work: Callable[[], T]) -> T:
    """Run something slow in a thread of its own: the shared executor is not ours to fill."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="chat-stream-claude")
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, work)
    finally:
        executor.shutdown(wait=False)
