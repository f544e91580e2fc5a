"""The failures ``demo/fail`` can show: one for each way a provider fails."""

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
)
_BY_CODE = {cls.code: cls for cls in _CLASSES}

# `stalled` raises nothing: it is silent until somebody ends it, as the real one.
CODES = frozenset({*_BY_CODE, errors.Stalled.code})


@dataclass(frozen=True, kw_only=True)
class Fails:
    """The place in an answer where it fails."""

    code: str
    retry_after_s: float | None = None

    async def happen(self) -> None:
        """Raise the error, or be silent for as long as one cares to wait."""
        if self.code == errors.Stalled.code:
            await asyncio.get_running_loop().create_future()
        raise _BY_CODE[self.code](
            f"demo: a canned failure ({self.code}), as it was asked for. "
            "Choose 'demo/tour' for an answer.",
            retry_after_s=self.retry_after_s,
        )
