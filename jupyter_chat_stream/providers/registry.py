"""The providers of a process, and the provider of a model id ``provider/model``.

The built-in providers are named here and need no installed metadata, so a checkout works. Each
endpoint of the settings is a provider. Others come from the entry-point group
``jupyter_chat_stream.providers``. A provider that cannot be loaded or reached is listed with its
error; the others work. The service, not the registry, chooses the default model.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial

from ..shared.errors import BadRequest, EndpointNotFound, NoSuchModel, ProviderError
from ..shared.model_records import EndpointRecord, ModelRecord
from ..shared.spelling import did_you_mean
from . import prices
from .anthropic import AnthropicProvider, MessagesProvider
from .base import AsksForModels, Model, Provider
from .catalogue import broken_record, endpoint_record, model_record
from .endpoint_facts import EndpointFacts, HasEndpoint
from .endpoints import CLAUDE, Endpoint, all_endpoints
from .key_files import KeySource
from .openai import OpenAIProvider

GROUP = "jupyter_chat_stream.providers"

BUILT_IN: Mapping[str, str] = {
    "anthropic": "jupyter_chat_stream.providers.anthropic:create",
    "demo": "jupyter_chat_stream.providers.demo:create",
}
REFRESH_PATIENCE_S = 2.1  # a provider that has not answered by then is listed the next time


def split_model(model_id: str) -> tuple[str, str]:
    """Split ``provider/model`` at its first slash.

    Raises:
        BadRequest: there is no slash, or one side of it is empty.
    """
    provider, slash, name = model_id.partition("/")
    if not (provider and slash and name):
        raise BadRequest(
            f"{model_id!r} is no model: write provider/model, for example 'demo/tour'.",
            model=model_id,
        )
    return provider, name


class Registry:
    """The providers of this process, by name.

    Args:
        providers: the only providers, for tests; None loads the built-in and installed ones.
        endpoints: the setting ``ChatStream.endpoints``.
        find_local: whether the usual addresses of local servers are endpoints too.
        allowed: the setting ``ChatStream.allowed_models``; None for all.

    Raises:
        InvalidInput: the endpoints cannot be used.
    """

    def __init__(
        self,
        providers: Iterable[Provider] | None = None,
        *,
        endpoints: Mapping[str, object] | None = None,
        find_local: bool = False,
        allowed: Sequence[str] | None = None,
    ) -> None:
        self._allowed = allowed
        self._providers: dict[str, Provider] = {}
        self._broken: dict[str, str] = {}
        if providers is None:
            self._load(all_endpoints(endpoints or {}, find_local=find_local))
        for provider in providers or ():
            self.add(provider)

    @property
    def providers(self) -> Mapping[str, Provider]:
        """The providers that could be loaded."""
        return dict(self._providers)

    def add(self, provider: Provider) -> None:
        """Add a provider, or replace the one of its name."""
        self._providers[provider.name] = provider

    @property
    def broken(self) -> Mapping[str, str]:
        """A sentence for each provider that could not be loaded."""
        return dict(self._broken)

    def get(self, model_id: str) -> tuple[Provider, Model]:
        """Return the provider of a model id, and the description of the model.

        Raises:
            BadRequest: the id is not of the form ``provider/model``.
            NoSuchModel: there is no provider of that name, it has no such model, or the model is
            not allowed here.
        """
        provider, name = self._find(model_id)
        return provider, provider.model(name)

    async def look_up(self, model_id: str) -> tuple[Provider, Model]:
        """Do as `get`, for a prompt: ask the provider for the model's sizes if it must."""
        provider, name = self._find(model_id)
        if isinstance(provider, AsksForModels):
            return provider, await provider.look_up(name)
        return provider, provider.model(name)

    async def refresh(self, *, force: bool = False) -> None:
        """Let the providers ask for their models, side by side, and wait a little for them."""
        tasks = [
            asyncio.ensure_future(provider.refresh(force=force))
            for provider in self._providers.values()
            if isinstance(provider, AsksForModels)
        ]
        if tasks:
            await asyncio.wait(tasks, timeout=REFRESH_PATIENCE_S)
            for task in tasks:
                task.cancel()  # what was asked goes on
            await asyncio.gather(*tasks, return_exceptions=True)

    def models(self) -> list[ModelRecord]:
        """Return every model and every provider that could not be loaded, as on the wire."""
        return self._catalogue()[0]

    def listing(
        self, *, may_set_keys: bool = False
    ) -> tuple[list[ModelRecord], list[EndpointRecord]]:
        """Return what `models` does, and every endpoint.

        Args:
            may_set_keys: whether the person who asks may set the keys of this server.
        """
        models, broken = self._catalogue()
        provider_names = {model["provider"] for model in models}
        endpoints = [
            endpoint_record(name, facts, error=broken.get(name), may_set_keys=may_set_keys)
            for name, facts in self._facts().items()
            if self._may_allow(name) and (facts.is_expected or name in provider_names)
        ]
        return models, endpoints

    def free(self) -> tuple[str, ...]:
        """Return the providers whose answers have no price: the demo, and those of this machine."""
        local = [name for name, facts in self._facts().items() if facts.is_local]
        return (*(name for name in self._providers if name == "demo"), *local)

    def keys(self, endpoint: str) -> KeySource | None:
        """Return the keys of an endpoint; None if it needs no key.

        Raises:
            EndpointNotFound: there is no endpoint of that name, or none of its models is allowed.
        """
        endpoints = {name: facts for name, facts in self._facts().items() if self._may_allow(name)}
        if endpoint not in endpoints:
            raise EndpointNotFound(", ".join(sorted(endpoints)) or "none")
        return endpoints[endpoint].keys

    def _facts(self) -> dict[str, EndpointFacts]:
        return {
            name: provider.endpoint_facts()
            for name, provider in self._providers.items()
            if isinstance(provider, HasEndpoint)
        }

    def _catalogue(self) -> tuple[list[ModelRecord], dict[str, str]]:
        """Return the models, and a sentence for each provider that is broken."""
        records: list[ModelRecord] = []
        broken = dict(self._broken)
        endpoints = {
            name: name
            for name, provider in self._providers.items()
            if isinstance(provider, HasEndpoint)
        }
        for name, provider in self._providers.items():
            try:
                ready = provider.is_ready()
                provider_records = [
                    model_record(name, model, ready=ready, endpoint=endpoints.get(name))
                    for model in provider.models()
                ]
                records += [model for model in provider_records if self._is_allowed(model["id"])]
            except ProviderError as error:
                broken[name] = error.message
            except Exception as error:  # noqa: BLE001  a third party's code: the rest goes on
                broken[name] = _sentence(name, error)
        for name in sorted(broken):
            if self._may_allow(name):
                records.append(broken_record(name, broken[name], endpoint=endpoints.get(name)))
        return records, broken

    async def warm(self) -> None:
        """Run the heavy imports of every provider now."""
        for provider in self._providers.values():
            await provider.warm()
        if any(isinstance(provider, prices.HasAddress) for provider in self._providers.values()):
            await prices.warm()

    async def close(self) -> None:
        """Close the connections of every provider, even if one of them raises."""
        failures: list[Exception] = []
        for provider in self._providers.values():
            try:
                await provider.close()
            except Exception as error:  # noqa: BLE001  raised below, once the rest are closed
                failures.append(error)
        if failures:
            raise failures[0]

    def _find(self, model_id: str) -> tuple[Provider, str]:
        provider_name, name = split_model(model_id)
        provider = self._providers.get(provider_name)
        if provider is None:
            raise self._unknown_provider(provider_name, model_id)
        if not self._is_allowed(model_id):
            raise NoSuchModel(
                f"This server does not allow the model {model_id!r}, only: "
                f"{', '.join(self._allowed or ()) or 'none'}. Choose another model, or ask whoever "
                "runs the server (setting 'allowed_models').",
                model=model_id,
            )
        return provider, name

    def _is_allowed(self, model_id: str) -> bool:
        return self._allowed is None or any(
            fnmatchcase(model_id, pattern) for pattern in self._allowed
        )

    def _may_allow(self, provider_name: str) -> bool:
        """Return whether some model of this provider could be allowed."""
        return self._allowed is None or any(
            fnmatchcase(provider_name, pattern.partition("/")[0]) for pattern in self._allowed
        )

    def _unknown_provider(self, provider_name: str, model_id: str) -> NoSuchModel:
        if provider_name in self._broken:
            return NoSuchModel(self._broken[provider_name], model=model_id)
        names = ", ".join(sorted(self._providers))
        return NoSuchModel(
            f"There is no provider {provider_name!r} on this server, only: {names}."
            f"{did_you_mean(provider_name, self._providers)} "
            "Choose another model, or install the package that brings this one.",
            model=model_id,
        )

    def _load(self, endpoints: Iterable[Endpoint]) -> None:
        by_name = {endpoint.name: endpoint for endpoint in endpoints}
        for name, target in BUILT_IN.items():
            if name in by_name:
                self._try_to_add(name, partial(_provider_of, by_name.pop(name)))
            else:
                self._try_to_add(name, lambda target=target: _built_in(target))  # type: ignore[misc]
        for endpoint in by_name.values():
            self._try_to_add(endpoint.name, partial(_provider_of, endpoint))
        taken_names = {*BUILT_IN, *self._providers, *self._broken}
        for entry_point in importlib.metadata.entry_points(group=GROUP):
            if entry_point.name not in taken_names:  # such a name cannot be taken over
                self._try_to_add(entry_point.name, entry_point.load)

    def _try_to_add(self, name: str, load: Callable[[], Callable[[], Provider]]) -> None:
        try:
            provider = load()()
            if provider.name != name:
                raise ValueError(f"it calls itself {provider.name!r}")
        except Exception as error:  # noqa: BLE001  a third party's code: the rest goes on
            self._broken[name] = _sentence(name, error)
        else:
            self.add(provider)


def _provider_of(endpoint: Endpoint) -> Callable[[], Provider]:
    return partial(_make_provider, endpoint)


def _make_provider(endpoint: Endpoint) -> Provider:
    if endpoint.name == CLAUDE.name:
        return AnthropicProvider(endpoint=endpoint)
    if endpoint.dialect == "messages":
        return MessagesProvider(endpoint)
    return OpenAIProvider(endpoint)


def _built_in(target: str) -> Callable[[], Provider]:
    module, _, attribute = target.partition(":")
    factory: Callable[[], Provider] = getattr(importlib.import_module(module), attribute)
    return factory


def _sentence(name: str, error: Exception) -> str:
    return (
        f"The provider {name!r} could not be loaded: {type(error).__name__}: {error}. "
        "Repair or uninstall the package that brings it."
    )
