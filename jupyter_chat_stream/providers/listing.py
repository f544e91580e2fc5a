"""Asks an address for its models and their sizes.

Every server answers ``GET /v1/models``; Ollama, llama.cpp and LM Studio tell the sizes at other
addresses. One round is bounded in time, bytes and models. It follows no redirection, and asks a
local address without a proxy.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ..shared.errors import BadKey, NotTheProvider, ProviderDown, ProviderError
from . import sizes
from .base import Model
from .endpoints import MAX_MODELS, Endpoint, is_model_name
from .sizes import ModelEntry

if TYPE_CHECKING:
    import aiohttp

LIST_TIMEOUT_S = 2.0
MAX_LIST_BYTES = 8 * 1024 * 1024
MAX_AT_ONCE = 8  # requests of one round for the details of models


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The models of one round."""

    models: tuple[Model, ...]
    unsized: frozenset[str] = frozenset()
    """The names of models whose sizes the server did not tell in time."""


@dataclass(frozen=True, kw_only=True)
class _Round:
    """Requests that all end by the same time, so that the answers until then are kept."""

    http: aiohttp.ClientSession
    ends_at: float
    """The time of the event loop at which every request of the round ends."""
    unsized: set[str] = field(default_factory=set)


@dataclass(kw_only=True)
class Lister:
    """Asks one endpoint, and remembers the facts of Ollama's models that have not changed."""

    endpoint: Endpoint
    details: dict[tuple[str, object], sizes.OllamaFacts] = field(default_factory=dict)

    async def ask(self, key_headers: Mapping[str, str]) -> Listing:
        """Return the models of the address that answer in a chat.

        Args:
            key_headers: the headers that hold the key, as the dialect wants them; those of the
                endpoint's setting come before them.

        Raises:
            ProviderError: the address does not answer, or its answer is no list of models.
        """
        import aiohttp
        from multidict import CIMultiDict

        headers = CIMultiDict(key_headers)
        headers.update(self.endpoint.headers)
        ends_at = asyncio.get_running_loop().time() + LIST_TIMEOUT_S
        try:
            async with aiohttp.ClientSession(headers=headers) as http:
                round_ = _Round(http=http, ends_at=ends_at)
                entries = _entries(await self._get(round_, self.endpoint.list_url))
                entries = await self._with_details(round_, entries)
        except TimeoutError:
            raise late(self.endpoint) from None
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(self.endpoint, type(error).__name__) from None
        chat_models = [
            entry for entry in entries if sizes.is_chat_model(self.endpoint, entry["id"])
        ]
        chat_models.sort(key=lambda entry: sizes.age_order(self.endpoint, entry["id"]))
        models = tuple(
            sizes.describe(self.endpoint, entry["id"], entry) for entry in chat_models[:MAX_MODELS]
        )
        return Listing(models=models, unsized=frozenset(round_.unsized))

    async def _with_details(self, round_: _Round, entries: list[ModelEntry]) -> list[ModelEntry]:
        """Add the sizes that the server tells at another address."""
        owner = str(entries[0].get("owned_by", "")) if entries else ""
        root = self.endpoint.root
        if owner == "library":  # Ollama
            return await self._from_ollama(round_, root, entries)
        if owner == "llamacpp":
            props = await self._try(round_, f"{root}/props", of=entries)
            return [sizes.from_llamacpp(entry, props) for entry in entries]
        if owner == "organization_owner":  # LM Studio
            answer = await self._try(round_, f"{root}/api/v0/models", of=entries)
            details = {entry["id"]: entry for entry in _entries(answer, is_needed=False)}
            all_entries = [
                sizes.from_lmstudio(entry, details.get(entry["id"], {})) for entry in entries
            ]
            return [entry for entry in all_entries if entry is not None]
        return [sizes.from_anthropic(entry) for entry in entries]

    async def _from_ollama(
        self, round_: _Round, root: str, entries: list[ModelEntry]
    ) -> list[ModelEntry]:
        answer = await self._try(round_, f"{root}/api/ps", of=entries)
        running_models = answer.get("models") if isinstance(answer, Mapping) else None
        contexts = {
            model.get("name"): model.get("context_length")
            for model in (running_models if isinstance(running_models, list) else [])
            if isinstance(model, Mapping)
        }
        at_once = asyncio.Semaphore(MAX_AT_ONCE)

        async def show(entry: ModelEntry) -> ModelEntry | None:
            key = (entry["id"], entry.get("created"))
            if key not in self.details:
                body = {"model": entry["id"]}
                async with at_once:
                    answer = await self._try(round_, f"{root}/api/show", body, of=[entry])
                if answer is None:
                    return entry
                self.details[key] = sizes.read_ollama(answer)
            return sizes.from_ollama(entry, self.details[key], contexts.get(entry["id"]))

        results = await asyncio.gather(*(show(entry) for entry in entries[:MAX_MODELS]))
        keys = {(entry["id"], entry.get("created")) for entry in entries}
        self.details = {key: facts for key, facts in self.details.items() if key in keys}
        return [entry for entry in results if entry is not None]

    async def _try(
        self, round_: _Round, url: str, body: Any = None, *, of: Iterable[ModelEntry]
    ) -> Any:
        """Ask for the details of models; None if the server tells none, or does not answer."""
        import aiohttp

        try:
            return await self._get(round_, url, body)
        except ProviderError:
            return None
        except (TimeoutError, aiohttp.ClientError, OSError):
            round_.unsized.update(entry["id"] for entry in of)
            return None

    async def _get(self, round_: _Round, url: str, body: Any = None) -> Any:
        if asyncio.get_running_loop().time() >= round_.ends_at:
            raise TimeoutError
        method = "GET" if body is None else "POST"
        async with (
            asyncio.timeout_at(round_.ends_at),
            round_.http.request(
                method, url, json=body, allow_redirects=False, proxy=self._proxy()
            ) as response,
        ):
            if response.status in (401, 403):
                raise BadKey(
                    f"{self.endpoint.title} refuses the key of this server (status "
                    f"{response.status}), or needs one: see 'key_env' and 'key_file'.",
                    http_status=response.status,
                )
            if response.status >= 500 or response.status in (408, 429):
                raise ProviderDown(
                    f"{self.endpoint.title} failed on its side (status {response.status}).",
                    http_status=response.status,
                )
            content = bytearray()
            async for piece in response.content.iter_any():
                content += piece
                if len(content) > MAX_LIST_BYTES:
                    break
            try:
                if response.status != 200 or len(content) > MAX_LIST_BYTES:
                    raise ValueError
                return json.loads(content)
            except (ValueError, RecursionError):
                raise _no_list_error(self.endpoint, response.status) from None

    def _proxy(self) -> str | None:
        """Return the proxy that the environment names for the endpoint; None for a local one.

        aiohttp's ``trust_env`` would name the proxy too, but it also sends passwords of ``.netrc``.
        """
        parts = urlsplit(self.endpoint.base_url)
        if self.endpoint.is_local or proxy_bypass(parts.hostname or ""):
            return None
        return getproxies().get(parts.scheme)


def late(endpoint: Endpoint) -> ProviderDown:
    """Return the error for an address that did not tell its models, or their sizes, in time."""
    return ProviderDown(
        f"{endpoint.title} at {endpoint.place} did not answer within {LIST_TIMEOUT_S:g} s."
    )


def unreachable(endpoint: Endpoint, reason: str) -> ProviderDown:
    """Return the error for an address that no server listens on."""
    if endpoint.is_local:
        return ProviderDown(
            f"{endpoint.title} is not running on {endpoint.place}. Start it, or choose a model of "
            "another endpoint."
        )
    return ProviderDown(
        f"{endpoint.title} at {endpoint.place} cannot be reached ({reason}). Look at the network, "
        "at --ChatStream.endpoints and at the proxy settings of the Jupyter server."
    )


def _no_list_error(endpoint: Endpoint, status: int) -> NotTheProvider:
    return NotTheProvider(
        f"What answers at {endpoint.place} does not list models (status {status}). Look at the "
        f"'base_url' of the endpoint {endpoint.name!r}: it often ends with /v1.",
        http_status=status,
    )


def _entries(answer: Any, *, is_needed: bool = True) -> list[ModelEntry]:
    """Read ``{data: [{id, …}]}``; entries without a usable name are left out."""
    data = answer.get("data") if isinstance(answer, Mapping) else answer
    if not isinstance(data, list):  # Ollama without any model: null
        if is_needed and not (isinstance(answer, Mapping) and answer.get("object") == "list"):
            raise NotTheProvider("What answers does not list models.")
        return []
    entries = [entry for entry in data if isinstance(entry, Mapping)]
    return [entry for entry in entries if is_model_name(entry.get("id"))][:MAX_MODELS]
