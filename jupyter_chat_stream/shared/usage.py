"""The usage of answers: their tokens, and their cost in US dollars where that is known.

``message.usage`` comes from a provider, so its values are checked here before they are added up.
The records are the JSON objects of the wire, as in ``records``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

COST = "cost_usd"
MAX_TOKENS = 10**12  # of one answer: a larger count is a provider's mistake
MAX_COST_USD = 10**6  # of one answer
NANOS = 10**9  # in one US dollar: costs are added as whole numbers, so that a sum is exact


UsageKind = Literal["day", "model", "thread"]


class UsageSum(TypedDict):
    """The tokens and the cost of some ended answers."""

    answers: int
    input_tokens: int
    """Without those that a cache held."""
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float | None
    """The sum of the known costs; None if none is known."""
    unknown_cost: int
    """The number of answers that have a price, but whose cost is not known."""


class UsageGroup(UsageSum):
    """The sum of one day, of one model or of one thread."""

    day: NotRequired[str]
    """``YYYY-MM-DD``, in the time zone of the request."""
    model: NotRequired[str]
    thread_id: NotRequired[str | None]
    """None for the answers of deleted threads."""
    name: NotRequired[str | None]
    title: NotRequired[str | None]
    last_at: str
    """The end of the newest answer."""


class UsageList(TypedDict):
    """The sums of an owner's answers, the group with the newest answer first."""

    by: UsageKind
    since: str | None
    until: str | None
    timezone: str
    usage: list[UsageGroup]
    total: UsageSum
    """Of the whole range, not only of this page."""
    next: str | None
    """The ``before`` of the next page; None on the last one."""


class ContextRecord(TypedDict):
    """The part of its model's context that a thread has used."""

    model: str
    """The model that would answer next."""
    used_tokens: int
    """The newest counted answer of the branch, with all that its model had read for it."""
    context_tokens: int | None
    """The context of the model; None if the server does not know the model."""
    prompt_tokens: int | None
    """The part of the context that a prompt may fill: the rest is left for the answer."""


class ThreadUsage(TypedDict):
    """The usage of one thread."""

    thread_id: str
    total: UsageSum
    models: list[UsageGroup]
    context: ContextRecord | None
    """None until an answer's tokens were counted."""


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
