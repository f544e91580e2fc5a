"""The parameters that a page can set for a model of an endpoint.

They are those that nearly every model of its kind takes. A message may name the others as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from .base import Parameter
from .endpoints import Endpoint

# Every reasoning model takes these three; the other words differ from model to model.
EFFORT = Parameter(name="effort", kind="choice", choices=("low", "medium", "high"))
TEMPERATURE = Parameter(name="temperature", kind="number", least=0, most=2)
TOP_P = Parameter(name="top_p", kind="number", least=0, most=1)

# OpenAI's reasoning models refuse a temperature.
OPENAI_REASONS = re.compile(r"(ft:)?(o\d|gpt-[5-9](?!.*chat))")


def parameters(
    endpoint: Endpoint, name: str, can: Collection[str], max_output_tokens: int
) -> tuple[Parameter, ...]:
    """Return the parameters of a model."""
    max_tokens = Parameter(name="max_tokens", kind="whole", least=1, most=max_output_tokens)
    if endpoint.is_openai:
        if OPENAI_REASONS.match(name):
            return (EFFORT, max_tokens)
        return (TEMPERATURE, TOP_P, max_tokens)
    if endpoint.dialect == "messages":  # the efforts of Claude models are added by their names
        return (max_tokens,) if endpoint.is_anthropic else (TEMPERATURE, TOP_P, max_tokens)
    effort = (EFFORT,) if "reasoning" in can else ()
    return (*effort, TEMPERATURE, TOP_P, max_tokens)
