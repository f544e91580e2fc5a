"""The counters of one process: plain numbers, so that counting an event costs nanoseconds.

The numbers only grow. They belong to the process: the counts of several services in a process
(tests, a restart after a failed start) add up. Each number has one writing thread; other threads
may see a change a moment later.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

FIRST_EVENT_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
RUN_S = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 86400)
COMMIT_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 10)
CALL_S = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600, 86400)
DELAY_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60)
BEHIND = (0, 1, 10, 100, 1000, 10_000, 100_000)


class Histogram:
    """The number of values in each bucket."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value; a value equal to a bound belongs to the bucket below the bound."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        return sum(self.counts)


class Histograms(dict[str, Histogram]):
    """One histogram for each value of a label, created on first use."""

    def __init__(self, bounds: Sequence[float]) -> None:
        super().__init__()
        self._bounds = bounds

    def __missing__(self, label: str) -> Histogram:
        histogram = self[label] = Histogram(self._bounds)
        return histogram


class Meter:
    """The counters and histograms of the process; docs/metrics.md explains each."""

    def __init__(self) -> None:
        self.first_event_s = Histograms(FIRST_EVENT_S)  # by model
        self.run_s = Histograms(RUN_S)  # by status
        self.run_ends: Counter[tuple[str, str, str]] = Counter()  # by status, code, model
        self.tokens: Counter[tuple[str, str]] = Counter()  # by kind, model
        self.attempts = 0
        self.takeovers = 0
        self.retries: Counter[str] = Counter()  # by code
        self.waits: Counter[str] = Counter()  # by kind
        self.tool_claims = 0
        self.tool_results: Counter[str] = Counter()  # by outcome
        self.tool_wait_s = Histogram(CALL_S)
        self.tool_call_s = Histogram(CALL_S)
        self.events: Counter[str] = Counter()  # by type
        self.text_bytes = 0
        self.commit_s = Histogram(COMMIT_S)
        self.sweep_delay_s = Histogram(DELAY_S)
        self.reconnect_behind = Histogram(BEHIND)
        self.socket_pauses = 0
        self.past: Counter[str] = Counter()  # counts of services that have stopped


METER = Meter()
