"""Records of the list of models (docs/protocol.md, "Models and endpoints")."""

from __future__ import annotations

from typing import Literal, TypedDict

ParameterKind = Literal["choice", "number", "whole"]


class ParameterRecord(TypedDict):
    """A parameter of a message that a model takes."""

    name: str
    kind: ParameterKind
    choices: list[str]
    """The values of a ``choice``; empty for numbers."""
    least: float | None
    most: float | None


class ModelRecord(TypedDict):
    """A model of the list of models, or a provider that could not be loaded."""

    id: str
    """``provider/model``."""
    provider: str
    endpoint: str | None
    """The name of its endpoint; None if the provider has no address."""
    name: str
    label: str
    """The name that people read."""
    can: list[str]
    """The abilities of the model, such as ``tools``."""
    context_tokens: int
    max_output_tokens: int
    parameters: list[ParameterRecord]
    """Those that a page can draw a field for."""
    canned: bool
    """Whether its answers are prepared texts, as the demo's are."""
    ready: bool
    """Whether the provider could answer now: it has its key."""
    error: str | None
    """Why the provider could not be loaded or reached."""


class EndpointRecord(TypedDict):
    """An endpoint of the list of models."""

    name: str
    title: str
    """The name that people read."""
    dialect: str
    is_local: bool
    """Whether the address can only be the server's machine."""
    needs_key: bool
    has_key: bool
    can_set_key: bool
    """Whether the person who asks may set the key on the page."""
    where_key: str | None
    """The place where the key is, or where the next one is kept; None if it needs none."""
    error: str | None
    """Why its models cannot be listed or used."""


class ModelList(TypedDict):
    """The models and endpoints of a server."""

    models: list[ModelRecord]
    endpoints: list[EndpointRecord]
    default: str
    """The model of a new thread."""
