"""The facts of an address that answers for a provider: for the list of endpoints, and its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from .key_files import KeySource


@dataclass(frozen=True, kw_only=True)
class EndpointFacts:
    """An endpoint as the list of endpoints shows it."""

    title: str
    """The name that people read."""
    dialect: str
    is_local: bool
    """Whether the address can only be this machine."""
    keys: KeySource | None
    """The place of its key; None if it needs none."""
    is_expected: bool = True
    """Whether it is listed even without a model: it is configured, or needs a key."""
    problem: str | None = None
    """Why it cannot be used even with a key, such as a missing package."""


@runtime_checkable
class HasEndpoint(Protocol):
    """The method of a provider whose models are behind one address."""

    def endpoint_facts(self) -> EndpointFacts:
        """Describe the address; sends no request."""
        ...
