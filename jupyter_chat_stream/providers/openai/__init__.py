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

from ...shared.errors import NoSuchModel, NotTheProvider, ProviderError, StreamCut
from .. import foreign_answers
from ..base import Chunk, Model, Prompt
from ..clients import SharedClients, in_own_thread
from ..endpoint_key import EndpointKey
from ..endpoints import Endpoint, is_model_name, parse_base_url
from . import failures, request, sizes
from .failures import Asked
from .listing import Lister, Listing, late
from .reading import ChatReading

if TYPE_CHECKING:
    import openai

ENV_BASE_URL = "OPENAI_BASE_URL"
INSTALL = "pip install 'jupyter-chat-stream[openai]'"
CONNECT_TIMEOUT_S = 15.0
# Far above every stall_timeout_s: it only helps a caller that is no run and sets no limit itself.
READ_TIMEOUT_S = 900.0
# How long a list of models stays fresh; the page asks for it whenever a person opens its picker.
LIST_MAX_AGE_S = 10.0
# The SDK would send the values of these variables to every address; they are meant for OpenAI's.
_ORGANIZATION_HEADERS = ("OpenAI-Organization", "OpenAI-Project")
_ENV_CUSTOM_HEADERS = "OPENAI_CUSTOM_HEADERS"


class OpenAIProvider:
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
        self.name = endpoint.name
        self.endpoint = endpoint
        self._keys = EndpointKey(endpoint, self._environ)
        self._now = now
        self._clients: SharedClients[str, openai.AsyncOpenAI] = SharedClients(self._make_client)
        self._lister = Lister(endpoint=endpoint)
        self._listed: tuple[Model, ...] = ()
        self._unsized: frozenset[str] = frozenset()
        self._problem: ProviderError | None = None
        self._listed_at: float | None = None
        self._asking: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------------ models

    def models(self) -> tuple[Model, ...]:
        """List the models of the last answer; sends no request.

        Raises:
            ProviderError: the endpoint cannot be used, although it is configured or answers.
        """
        endpoint = self.endpoint
        is_wanted = endpoint.is_configured or (endpoint.needs_key and self._keys.is_there())
        if not is_wanted and (self._problem is not None or not self._listed):
            return ()
        if not is_sdk_installed():
            raise _not_installed(endpoint)
        if endpoint.is_configured:
            self._keys.read()
        if self._problem is not None and not endpoint.models:
            raise self._problem
        if endpoint.models:
            return tuple(self.model(name) for name in endpoint.models)
        return self._listed

    def model(self, name: str) -> Model:
        """Describe a model by name, listed or not.

        Raises:
            NoSuchModel: no model can have that name.
        """
        if not is_model_name(name):
            raise NoSuchModel(
                f"{name[:128]!r} cannot be the name of a model.", model=f"{self.name}/{name[:128]}"
            )
        listed = next((model for model in self._listed if model.name == name), None)
        return listed or sizes.describe(self.endpoint, name)

    async def look_up(self, name: str) -> Model:
        """Describe a model; ask the endpoint for its sizes if they are not known.

        Raises:
            NoSuchModel: no model can have that name.
            ProviderDown: the endpoint does not answer; a guessed size could drop turns.
        """
        described = self.model(name)
        if self._is_sized(name):
            return described
        problem = self._problem
        # A run that tries again needs a new answer, not the failure of a moment ago.
        is_late = name in self._unsized or (problem is not None and problem.retryable)
        await self.refresh(force=is_late and not self._is_size_set())
        problem = self._problem
        if problem is None and name in self._unsized:
            problem = late(self.endpoint)
        if self._is_sized(name) or self._is_size_set() or problem is None:
            return self.model(name)
        if problem.retryable:
            raise problem
        return described

    def _is_sized(self, name: str) -> bool:
        """Return whether the model is in the last list, and its size came in time."""
        return name not in self._unsized and any(model.name == name for model in self._listed)

    def _is_size_set(self) -> bool:
        """Return whether a setting or our table tells the size of every model."""
        return self.endpoint.context_tokens is not None or self.endpoint.is_openai

    async def refresh(self, *, force: bool = False) -> None:
        """Ask the endpoint for its models, unless that was done a moment ago.

        The request goes on if the caller leaves; a second caller waits for the same answer.
        """
        asking = self._asking
        if asking is None or asking.done():
            now = asyncio.get_running_loop().time()
            is_new = self._listed_at is not None and now - self._listed_at < LIST_MAX_AGE_S
            if (is_new and not force) or not self._may_ask():
                return
            asking = self._asking = asyncio.get_running_loop().create_task(self._ask())
        await asyncio.shield(asking)

    def _may_ask(self) -> bool:
        """Return whether asking may help; a hosted address is asked only if it can be used."""
        if self.endpoint.is_local and not self.endpoint.needs_key:
            return True
        return self._keys.is_there() and is_sdk_installed()

    async def _ask(self) -> None:
        try:
            await in_own_thread(_import_http)
            self._learn(await self._lister.ask(self._keys.read()))
        except ProviderError as problem:
            self._problem = problem  # the sizes of the last list stay known
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            self._problem = NotTheProvider(
                f"What {self.endpoint.title} at {self.endpoint.place} lists are no models "
                f"({type(error).__name__})."
            )
        finally:
            self._listed_at = asyncio.get_running_loop().time()

    def _learn(self, listing: Listing) -> None:
        """Take a new list; a size that did not come in time is the one that came before."""
        known = {model.name: model for model in self._listed if model.name not in self._unsized}
        self._listed = tuple(
            known.get(model.name, model) if model.name in listing.unsized else model
            for model in listing.models
        )
        self._unsized = listing.unsized - known.keys()
        self._problem = None

    def is_ready(self) -> bool:
        """Return whether the SDK is installed, and a key is there if one is needed."""
        return is_sdk_installed() and self._keys.is_there()

    # ----------------------------------------------------------------------- answers

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
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
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
        if key:
            headers["Authorization"] = f"Bearer {key}"
        return {**headers, **self.endpoint.headers}


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


def _import_http() -> None:
    import aiohttp  # noqa: F401  it takes a tenth of a second


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
