"""The failures that ``demo/fail`` can simulate, one for each error of a provider."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ...shared import errors
from ...shared.errors import ProviderError

_CLASSES: tuple[type[ProviderError], ...] = (
    errors.ProviderError,
    errors.MissingKey,
    errors.BadKey,
    errors.NoSuchModel,
    errors.PromptTooLong,
    errors.BadRequest,
    errors.Refusal,
    errors.NotTheProvider,
    errors.RateLimited,
    errors.Overloaded,
    errors.ProviderDown,
    errors.StreamCut,
    errors.UpstreamLost,
)
_BY_CODE = {cls.code: cls for cls in _CLASSES}

# `stalled` raises no error: the stream is silent until it is closed, like a stalled provider's
# stream.
CODES = frozenset({*_BY_CODE, errors.Stalled.code})


@dataclass(frozen=True, kw_only=True)
class Fails:
    """A step of an answer that fails."""

    code: str
    retry_after_s: float | None = None

    async def happen(self) -> None:
        """Raise the error, or stay silent until the stream is closed."""
        if self.code == errors.Stalled.code:
            await asyncio.get_running_loop().create_future()
        raise _BY_CODE[self.code](
            f"demo: a canned failure ({self.code}), as requested. "
            "Choose 'demo/tour' for an answer.",
            retry_after_s=self.retry_after_s,
        )
