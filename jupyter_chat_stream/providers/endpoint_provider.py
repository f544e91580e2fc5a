"""The part that the providers of endpoints share: the models of an address, and their facts.

The list of an endpoint's setting comes before the address's own one. The address is asked when
somebody wants to see its models, or before a prompt whose model has no known size. A provider of
one dialect inherits this class and adds the answers.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping

from ..shared.errors import NoSuchModel, NotTheProvider, ProviderError
from . import sizes
from .base import Model
from .endpoint_facts import EndpointFacts
from .endpoint_key import EndpointKey
from .endpoints import Endpoint, is_model_name
from .listing import Lister, Listing, late
from .slow_work import in_own_thread

# How long a list of models stays fresh; the page asks for it whenever a person opens its picker.
LIST_MAX_AGE_S = 10.0


class EndpointProvider(ABC):
    """The models of one endpoint.

    Args:
        endpoint: the address, with its settings.
        environ: read for the key at every request; None for the real one.
    """

    def __init__(self, endpoint: Endpoint, environ: Mapping[str, str] | None) -> None:
        self.name = endpoint.name
        self.endpoint = endpoint
        self._keys = EndpointKey(endpoint, environ)
        self.lister = Lister(endpoint=endpoint)
        self._models: tuple[Model, ...] = ()
        self._unsized_names: frozenset[str] = frozenset()
        self._problem: ProviderError | None = None
        self._listed_at: float | None = None
        self._refresh_task: asyncio.Task[None] | None = None

    @abstractmethod
    def missing_sdk(self) -> ProviderError | None:
        """Return the error for an SDK that is not installed; None if it is. No import."""

    @abstractmethod
    def key_headers(self, key: str) -> dict[str, str]:
        """Return the headers of a request that hold the key; none for an empty key."""

    def list_headers(self, key: str) -> dict[str, str]:
        """Return the headers of a request for the list of models."""
        return self.key_headers(key)

    def describe(self, model: Model) -> Model:
        """Return a model with what the dialect knows besides the address's list."""
        return model

    @property
    def api_url(self) -> str:
        """The address whose prices count."""
        return self.endpoint.base_url

    def models(self) -> tuple[Model, ...]:
        """List the models of the last answer; sends no request.

        Raises:
            ProviderError: the endpoint cannot be used, although it is configured or answers.
        """
        endpoint = self.endpoint
        is_wanted = endpoint.is_configured or (endpoint.needs_key and self._keys.is_there())
        if not is_wanted and (self._problem is not None or not self._models):
            return ()
        sdk_error = self.missing_sdk()
        if sdk_error is not None:
            raise sdk_error
        if endpoint.is_configured:
            self._keys.read()
        if self._problem is not None and not endpoint.models:
            raise self._problem
        if endpoint.models:
            return tuple(self.model(name) for name in endpoint.models)
        return self._models

    def model(self, name: str) -> Model:
        """Describe a model by name, listed or not.

        Raises:
            NoSuchModel: no model can have that name.
        """
        if not is_model_name(name):
            raise NoSuchModel(
                f"{name[:128]!r} cannot be the name of a model.", model=f"{self.name}/{name[:128]}"
            )
        match = next((model for model in self._models if model.name == name), None)
        return match or self.describe(sizes.describe(self.endpoint, name))

    async def look_up(self, name: str) -> Model:
        """Describe a model; ask the endpoint for its sizes if they are not known.

        Raises:
            NoSuchModel: no model can have that name.
            ProviderDown: the endpoint does not answer; a guessed size could drop turns.
        """
        model = self.model(name)
        if self._is_sized(name):
            return model
        problem = self._problem
        # A run that tries again needs a new answer, not the failure of a moment ago.
        is_late = name in self._unsized_names or (problem is not None and problem.retryable)
        await self.refresh(force=is_late and not self._is_size_set())
        problem = self._problem
        if problem is None and name in self._unsized_names:
            problem = late(self.endpoint)
        if self._is_sized(name) or self._is_size_set() or problem is None:
            return self.model(name)
        if problem.retryable:
            raise problem
        return model

    def _is_sized(self, name: str) -> bool:
        """Return whether the model is in the last list, and its size came in time."""
        return name not in self._unsized_names and any(model.name == name for model in self._models)

    def _is_size_set(self) -> bool:
        """Return whether a setting or our table tells the size of every model."""
        return self.endpoint.context_tokens is not None or self.endpoint.is_openai

    def endpoint_facts(self) -> EndpointFacts:
        endpoint = self.endpoint
        is_expected = endpoint.is_configured or endpoint.needs_key
        sdk_error = self.missing_sdk() if is_expected else None
        return EndpointFacts(
            title=endpoint.product or endpoint.name,
            dialect=endpoint.dialect,
            is_local=endpoint.is_local,
            keys=self._keys if endpoint.needs_key else None,
            is_expected=is_expected,
            problem=None if sdk_error is None else sdk_error.message,
        )

    async def refresh(self, *, force: bool = False) -> None:
        """Ask the endpoint for its models, unless that was done a moment ago.

        The request goes on if the caller leaves; a second caller waits for the same answer.
        """
        task = self._refresh_task
        if task is None or task.done():
            now = asyncio.get_running_loop().time()
            is_new = self._listed_at is not None and now - self._listed_at < LIST_MAX_AGE_S
            if (is_new and not force) or not self._may_ask():
                return
            task = self._refresh_task = asyncio.get_running_loop().create_task(self._ask())
        await asyncio.shield(task)

    def _may_ask(self) -> bool:
        """Return whether asking may help; a hosted address is asked only if it can be used."""
        if self.endpoint.is_local and not self.endpoint.needs_key:
            return True
        return self._keys.is_there() and self.missing_sdk() is None

    async def _ask(self) -> None:
        try:
            await in_own_thread(_import_http)
            self._learn(await self.lister.ask(self.list_headers(self._keys.read())))
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
        sized_models = {
            model.name: model for model in self._models if model.name not in self._unsized_names
        }
        self._models = tuple(
            sized_models.get(model.name, model) if model.name in listing.unsized else model
            for model in map(self.describe, listing.models)
        )
        self._unsized_names = listing.unsized - sized_models.keys()
        self._problem = None

    def is_ready(self) -> bool:
        """Return whether the SDK is installed, and a key is there if one is needed."""
        return self.missing_sdk() is None and self._keys.is_there()

    async def close(self) -> None:
        """Stop asking for models."""
        task, self._refresh_task = self._refresh_task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _import_http() -> None:
    import aiohttp  # noqa: F401  it takes a tenth of a second
