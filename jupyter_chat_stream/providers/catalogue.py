"""The list of models and endpoints, as on the wire."""

from __future__ import annotations

from ..shared.model_records import EndpointRecord, ModelRecord, ParameterRecord
from .base import Model, Parameter
from .endpoint_facts import EndpointFacts


def model_record(
    provider: str, model: Model, *, ready: bool, endpoint: str | None, error: str | None = None
) -> ModelRecord:
    """Describe a model of a provider."""
    return {
        "id": f"{provider}/{model.name}" if model.name else provider,
        "provider": provider,
        "endpoint": endpoint,
        "name": model.name,
        "label": model.label,
        "can": list(model.can),
        "context_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
        "parameters": [_parameter_record(parameter) for parameter in model.parameters],
        "canned": model.canned,
        "ready": ready,
        "error": error,
    }


def broken_record(provider: str, sentence: str, *, endpoint: str | None) -> ModelRecord:
    """Describe a provider that could not be loaded or reached, as an entry of the list."""
    model = Model(name="", label=provider, context_tokens=0, max_output_tokens=0)
    return model_record(provider, model, ready=False, endpoint=endpoint, error=sentence)


def endpoint_record(
    name: str, facts: EndpointFacts, *, error: str | None, may_set_keys: bool
) -> EndpointRecord:
    """Describe an endpoint.

    Args:
        may_set_keys: whether the person who asks may set the keys of this server.
    """
    keys = facts.keys
    return {
        "name": name,
        "title": facts.title,
        "dialect": facts.dialect,
        "is_local": facts.is_local,
        "needs_key": keys is not None,
        "has_key": keys is not None and keys.is_there(),
        "can_set_key": keys is not None and may_set_keys and not keys.is_in_environment,
        "where_key": None if keys is None else keys.place(with_path=may_set_keys),
        "error": facts.problem or error,
    }


def _parameter_record(parameter: Parameter) -> ParameterRecord:
    return {
        "name": parameter.name,
        "kind": parameter.kind,
        "choices": list(parameter.choices),
        "least": parameter.least,
        "most": parameter.most,
    }
