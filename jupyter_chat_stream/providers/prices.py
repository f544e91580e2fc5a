"""The cost of an answer, by a table of prices that comes with the package ``genai-prices``.

The address that a provider calls decides whose prices count, and the model's name which of them. An
address or a model that is not in the table has no cost: nothing is guessed. The table is read in a
thread of its own, on first use or by `warm`, and is never updated over the network.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ..shared.json_objects import JsonObject, JsonView
from ..shared.logs import Line, place_of
from ..shared.usage import COST, cost_nanos_of, counts_of
from .base import EndChunk, Provider
from .slow_work import in_own_thread

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot

log = logging.getLogger("jupyter_chat_stream.providers")

COST_DIGITS = 9  # of a US dollar: one token of the cheapest models costs more than 1e-9


@runtime_checkable
class HasAddress(Protocol):
    """The property of a provider that calls an API whose prices may be known."""

    @property
    def api_url(self) -> str:
        """The address of the API, such as ``https://api.anthropic.com``."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Prices:
    """The table of prices, read into memory."""

    snapshot: DataSnapshot

    def cost_usd(self, api_url: str, model: str, usage: JsonView) -> float | None:
        """Return the cost of an answer in US dollars, None if it is not known."""
        from genai_prices import Usage

        counts = counts_of(usage)
        if counts is None:
            return None
        try:
            seller = self.snapshot.find_provider(None, None, api_url)
        except LookupError:
            return None
        priced_model = seller.find_model(model, all_providers=self.snapshot.providers)
        if priced_model is None:
            return None
        token_usage = Usage(
            # The table counts the tokens of the cache as a part of the input.
            input_tokens=counts.input + counts.cache_read + counts.cache_write,
            output_tokens=counts.output,
            cache_read_tokens=counts.cache_read,
            cache_write_tokens=counts.cache_write,
        )
        now = datetime.now(UTC)  # some prices depend on the hour
        price = priced_model.calc_price(token_usage, seller, genai_request_timestamp=now)
        return float(round(price.total_price, COST_DIGITS))


async def warm() -> None:
    """Read the table of prices beforehand; may be called more than once."""
    await in_own_thread(read_table)


async def usage_with_cost(provider: Provider, end: EndChunk) -> JsonObject:
    """Return the usage of an answer, with its cost in ``cost_usd`` if that is known."""
    usage = dict(end.usage)
    if cost_nanos_of(usage) is not None or not isinstance(provider, HasAddress):
        return usage  # a provider may tell the cost itself
    try:
        prices = (
            await in_own_thread(read_table)
            if not read_table.cache_info().currsize
            else read_table()
        )
        cost = prices.cost_usd(provider.api_url, end.model, usage)
    except Exception as error:  # noqa: BLE001  an answer must not fail because its price does
        log.error(Line("price.broke", error=type(error).__name__, at=place_of(error)))
        return usage
    return usage if cost is None else {**usage, COST: cost}


@cache
def read_table() -> _Prices:
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    # Not the package's shared snapshot: other code of this process may have it updated.
    return _Prices(snapshot=DataSnapshot(providers=providers, from_auto_update=False))
