"""When a look at files has to end: somebody stopped the call, or it takes too long."""

from __future__ import annotations

import time
from collections.abc import Callable

from ....shared.errors import FileNotReadable

MAX_LOOK_S = 10.0


class LookLimit:
    """Looks at the clock and at Stop, as often as it is asked to."""

    def __init__(self, is_stopped: Callable[[], bool], most_s: float = MAX_LOOK_S) -> None:
        self._is_stopped = is_stopped
        self._until_s = time.monotonic() + most_s

    def check(self) -> None:
        """Raise TookTooLong if the look has to end."""
        if self._is_stopped() or time.monotonic() > self._until_s:
            raise TookTooLong


class TookTooLong(FileNotReadable):
    """A look at files was stopped, or has taken its time."""

    def __init__(self) -> None:
        super().__init__("The file", "It takes too long. Look at a smaller part.")
