"""The time that tests pass in, instead of a clock that runs."""

from __future__ import annotations

START_MS = 1_800_000_000_000


class Clock:
    """Ms since 1970, moved by the test alone."""

    def __init__(self) -> None:
        self.now = START_MS

    def __call__(self) -> int:
        return self.now

    def advance(self, ms: int) -> None:
        self.now += ms
