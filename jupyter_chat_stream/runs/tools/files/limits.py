"""Ends an operation on files if a person has stopped the call or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable

from ....shared.errors import FileNotReadable

MAX_LOOK_S = 10.0


class LookLimit:
    """Checks the clock and Stop."""

    def __init__(self, is_stopped: Callable[[], bool], most_s: float = MAX_LOOK_S) -> None:
        self._is_stopped = is_stopped
        self._until_s = time.monotonic() + most_s

    def check(self) -> None:
        """Raise TookTooLong if the operation has to end."""
        if self._is_stopped() or time.monotonic() > self._until_s:
            raise TookTooLong


class TookTooLong(FileNotReadable):
    """An operation on files was stopped, or took too long."""

    def __init__(self) -> None:
        super().__init__("The file", "It takes too long. Look at a smaller part.")
