"""The tokens of an answer, and whether they have filled the model's context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base import Model, Prompt

CONTEXT_IS_FULL_WITHIN = 32  # tokens: templates add some that no server counts


def count(input_tokens: object, output_tokens: object, details: Any) -> dict[str, int] | None:
    """Return the tokens by our names; None if the server did not count them.

    Args:
        input_tokens: the tokens of the prompt, with those of the cache.
        output_tokens: the tokens of the answer.
        details: the SDK's object with what the cache has of the prompt.
    """
    if not isinstance(input_tokens, int) or not isinstance(output_tokens, int):
        return None
    cache_read, cache_write = (
        _tokens(details, "cached_tokens"),
        _tokens(details, "cache_write_tokens"),
    )
    cache_read = min(cache_read, input_tokens)
    cache_write = min(cache_write, input_tokens - cache_read)
    return {
        "input_tokens": input_tokens - cache_read - cache_write,
        "output_tokens": output_tokens,
        "cache_read_tokens": cache_read,
        "cache_write_tokens": cache_write,
    }


def is_context_full(usage: Mapping[str, int], prompt: Prompt, model: Model) -> bool:
    """Return whether the context ended the answer, and not the requested length."""
    if not usage or usage.get("output_tokens", 0) >= (prompt.max_tokens or 0):
        return False
    return sum(usage.values()) >= model.context_tokens - CONTEXT_IS_FULL_WITHIN


def _tokens(details: Any, name: str) -> int:
    value = getattr(details, name, None)
    return value if isinstance(value, int) and value > 0 else 0
