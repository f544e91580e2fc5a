"""The collector of the metrics, in the process's default registry of Prometheus.

Jupyter's own ``/metrics`` serves that registry. The process registers the collector once, for any
number of services.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from .._version import __version__
from .meter import METER, Histogram, Histograms, Meter
from .watch import ServiceWatch

PREFIX = "chat_stream_"
HELP = {
    "first_event_seconds": (
        "From a message's sending (or delivery) to the first piece of its answer."
    ),
    "run_seconds": "From a message's sending (or delivery) to its run's end, including waits.",
    "runs_ended": "Runs that ended, by status, error code (empty for none) and model.",
    "tokens": "Tokens of completed answers, by kind and model.",
    "attempts": "Attempts that began.",
    "retries": "Failed attempts that are retried, by error code.",
    "takeovers": "Runs taken over from a dead process.",
    "waits": (
        "Runs that began to wait: for an answer (question), a person's consent to a tool "
        "call (consent), tool calls (tools), a time (sleep), or the delivery time (later)."
    ),
    "tool_claims": "Tool calls that an executor claimed.",
    "tool_results": "Results of tool calls, by outcome.",
    "tool_wait_seconds": "From a tool call's permission to its claim.",
    "tool_call_seconds": "From a tool call's claim to its result.",
    "events": "Events committed by this process, by type.",
    "event_text_bytes": "Bytes of text in committed events.",
    "commit_seconds": (
        "Time of one commit, from the begin of its transaction, including waits for the database."
    ),
    "sweep_delay_seconds": "How late a sweep for due runs began.",
    "readers": "Readers that follow a thread.",
    "reader_lag_events": "Events that the slowest reader has not received yet.",
    "reader_lag_bytes": "Bytes that wait in the fullest reader's buffer.",
    "socket_pauses": (
        "WebSockets that were full for a while; their readers continue from their cursor."
    ),
    "reconnect_behind_events": (
        "How many events a reader had missed when it came back with a cursor."
    ),
    "active_runs": "Runs that this process executes.",
    "writer_queue": "Operations that wait for the next commit.",
    "open_runs": "Runs in the database that have not ended, by status.",
    "oldest_pending_seconds": (
        "How long the oldest pending run has waited; 0 without pending runs."
    ),
    "open_tool_calls": "Tool calls in the database without a result, by state.",
    "oldest_open_tool_call_seconds": (
        "How long the oldest open call has waited for an executor; 0 without open calls."
    ),
    "info": "1, with the version, engine and backend of this process.",
    "housekeeping_longest_step_seconds": (
        "The longest time for which housekeeping has blocked the writer."
    ),
}
# The counts that the subsystems of each service keep.
COUNT_HELP = {
    "reader_switches": "Readers with a full buffer or socket that switched to the database.",
    "notices_sent": "Commits that this process has announced to others.",
    "notices_received": "Commits that other processes have announced to this one.",
    "database_outages": "Times the database went away.",
    "schedule_ticks": "Messages that schedules have sent.",
    "expired_threads": "Threads that were deleted because they had no events for long.",
    "purged_threads": "Deleted threads whose rows were removed.",
    "deleted_attachments": "Attachments that were deleted because no message held them.",
    "compacted_runs": "Ended runs whose deltas were removed from the log.",
    "compacted_deltas": "Removed deltas.",
    "compacted_bytes": "Bytes of text in removed deltas.",
    "freed_bytes": "Bytes that were given back to the file system.",
    "housekeeping_rounds": "Rounds of housekeeping by this process.",
}


class ChatCollector(Collector):
    """All metrics of this process."""

    def __init__(self, meter: Meter) -> None:
        self.watches: set[ServiceWatch] = set()
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its current value."""
        yield from self._of_meter()
        yield from self._of_readers()
        yield from self._of_services()
        yield from self._of_samples()
        yield from self._of_counts()

    def _of_meter(self) -> Iterator[Metric]:
        meter = self._meter
        yield _metric("first_event_seconds", meter.first_event_s, "model")
        yield _metric("run_seconds", meter.run_s, "status")
        yield _metric("runs_ended", meter.run_ends, "status", "code", "model")
        yield _metric("tokens", meter.tokens, "kind", "model")
        yield _metric("attempts", meter.attempts)
        yield _metric("retries", meter.retries, "code")
        yield _metric("takeovers", meter.takeovers)
        yield _metric("waits", meter.waits, "kind")
        yield _metric("tool_claims", meter.tool_claims)
        yield _metric("tool_results", meter.tool_results, "outcome")
        yield _metric("tool_wait_seconds", meter.tool_wait_s)
        yield _metric("tool_call_seconds", meter.tool_call_s)
        yield _metric("events", meter.events, "type")
        yield _metric("event_text_bytes", meter.text_bytes)
        yield _metric("commit_seconds", meter.commit_s)
        yield _metric("sweep_delay_seconds", meter.sweep_delay_s)
        yield _metric("socket_pauses", meter.socket_pauses)
        yield _metric("reconnect_behind_events", meter.reconnect_behind)

    def _of_readers(self) -> Iterator[Metric]:
        stats = [watch.hub.stats() for watch in self.watches.copy() if watch.hub is not None]
        yield _gauge("readers", sum(s.readers for s in stats))
        yield _gauge("reader_lag_events", max((s.lag_events for s in stats), default=0))
        yield _gauge("reader_lag_bytes", max((s.lag_bytes for s in stats), default=0))

    def _of_services(self) -> Iterator[Metric]:
        watches = self.watches.copy()
        yield _gauge("active_runs", sum(watch.engine.active for watch in watches))
        yield _gauge("writer_queue", sum(watch.store.queued for watch in watches))
        info: dict[tuple[str, ...], float] = {
            (__version__, watch.engine.name, str(watch.store.describe()["backend"])): 1
            for watch in watches
        }
        yield _gauges("info", ("version", "engine", "backend"), info)

    def _of_samples(self) -> Iterator[Metric]:
        watches = self.watches.copy()
        for watch in watches:
            watch.refresh()
        samples = [watch.sample for watch in watches]
        runs = sum((Counter(sample.open_runs) for sample in samples), Counter())
        statuses = ("pending", "processing", "waiting")
        yield _gauges("open_runs", ("status",), {(name,): runs[name] for name in statuses})
        oldest_pending_s = max((sample.oldest_pending_s for sample in samples), default=0.0)
        yield _gauge("oldest_pending_seconds", oldest_pending_s)
        calls = sum((Counter(sample.open_calls) for sample in samples), Counter())
        states = ("asked", "open", "claimed")
        yield _gauges("open_tool_calls", ("state",), {(name,): calls[name] for name in states})
        oldest_call_s = max((sample.oldest_call_s for sample in samples), default=0.0)
        yield _gauge("oldest_open_tool_call_seconds", oldest_call_s)

    def _of_counts(self) -> Iterator[Metric]:
        watches = self.watches.copy()
        counts = sum((watch.counts() for watch in watches), self._meter.past.copy())
        for name, text in COUNT_HELP.items():
            yield CounterMetricFamily(PREFIX + name, text, value=counts[name])
        cleaners = [watch.housekeeping for watch in watches if watch.housekeeping is not None]
        longest_step_s = max((each.counts.longest_step_s for each in cleaners), default=0.0)
        yield _gauge("housekeeping_longest_step_seconds", longest_step_s)


COLLECTOR = ChatCollector(METER)
registered: list[ChatCollector] = []


def expose(watch: ServiceWatch) -> None:
    """Add the state of a service to the metrics of this process."""
    if not registered:
        REGISTRY.register(COLLECTOR)
        registered.append(COLLECTOR)
    COLLECTOR.watches.add(watch)


def withdraw(watch: ServiceWatch) -> None:
    """Remove the state of a service, but keep its counts."""
    if watch in COLLECTOR.watches:
        COLLECTOR.watches.discard(watch)
        METER.past.update(watch.counts())


def _metric(name: str, value: int | Counter[Any] | Histogram | Histograms, *labels: str) -> Metric:
    """Make a counter or a histogram, with one number for each value of its labels."""
    if isinstance(value, int):
        return CounterMetricFamily(PREFIX + name, HELP[name], value=value)
    if isinstance(value, Counter):
        counter = CounterMetricFamily(PREFIX + name, HELP[name], labels=labels)
        for key, count in value.copy().items():
            counter.add_metric(key if isinstance(key, tuple) else (key,), count)
        return counter
    family = HistogramMetricFamily(PREFIX + name, HELP[name], labels=labels)
    if isinstance(value, Histogram):
        family.add_metric((), _buckets(value), value.total)
    else:
        for label, histogram in value.copy().items():
            family.add_metric((label,), _buckets(histogram), histogram.total)
    return family


def _gauge(name: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, HELP[name], value=value)


def _gauges(name: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, HELP[name], labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    count_below = 0
    for bound, count in zip((*histogram.bounds, "+Inf"), list(histogram.counts), strict=True):
        count_below += count
        buckets.append((str(bound), count_below))
    return buckets
