"""Back-off: how long to wait before the next try."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

_MAX_EXPONENT = 60  # a larger power would overflow; every pause has reached its limit long before


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Pauses that grow by a factor, from the first one up to a limit."""

    first_s: float
    """The pause after the first failure, in seconds."""
    max_s: float
    """The longest pause, in seconds, before jitter."""
    factor: float = 2.0
    """The factor from each pause to the next."""
    jitter: tuple[float, float] = (1.0, 1.0)
    """Each pause is multiplied by a random number between these two, so that clients spread out."""

    def pause_s(self, failures: int) -> float:
        """Return the pause after this many earlier failures; 0 means the first pause."""
        full_s = min(self.max_s, self.first_s * self.factor ** min(failures, _MAX_EXPONENT))
        return full_s * random.uniform(*self.jitter)

    def pauses(self) -> Iterator[float]:
        """Yield the pauses, without end."""
        return map(self.pause_s, count())
