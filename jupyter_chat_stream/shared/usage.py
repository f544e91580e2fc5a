"""The usage of an answer: its tokens, and its cost in US dollars where that is known.

``message.usage`` comes from a provider, so its values are checked here before they are added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COST = "cost_usd"
MAX_TOKENS = 10**12  # of one answer: a larger count is a provider's mistake
MAX_COST_USD = 10**6  # of one answer
NANOS = 10**9  # in one US dollar: costs are added as whole numbers, so that a sum is exact


@dataclass(frozen=True, kw_only=True)
class TokenCounts:
    """The tokens of an answer. ``input`` are those of the prompt that no cache was used for."""

    input: int
    output: int
    cache_read: int
    cache_write: int

    @property
    def total(self) -> int:
        """All tokens that the model has read and written."""
        return self.input + self.output + self.cache_read + self.cache_write


def counts_of(usage: Any) -> TokenCounts | None:
    """Read the tokens of a usage; None if it counts none."""
    if not isinstance(usage, Mapping):
        return None
    counts = TokenCounts(
        input=_count(usage.get("input_tokens")),
        output=_count(usage.get("output_tokens")),
        cache_read=_count(usage.get("cache_read_tokens")),
        cache_write=_count(usage.get("cache_write_tokens")),
    )
    return counts if counts.total else None


def cost_nanos_of(usage: Any) -> int | None:
    """Read the cost of a usage in billionths of a US dollar; None if it is not known."""
    cost = usage.get(COST) if isinstance(usage, Mapping) else None
    if not isinstance(cost, (int, float)) or isinstance(cost, bool):
        return None
    return round(cost * NANOS) if 0 <= cost <= MAX_COST_USD else None


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 < value <= MAX_TOKENS else 0
