"""The collector of the metrics, in the process's default registry of Prometheus.

Jupyter's own ``/metrics`` serves that registry. The process registers the collector once, for any
number of services.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import REGISTRY
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from .._version import __version__
from .meter import METER, Histogram, Meter
from .watch import Sample, ServiceWatch

Labelled = Iterable[tuple[tuple[str, ...], int]]  # each label value, or several, with its count
PREFIX = "chat_stream_"
COUNTER_HELP = {
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
        yield from self._of_runs()
        yield from self._of_tools()
        yield from self._of_writing()
        yield from self._of_readers()
        yield from self._of_services()
        yield from self._of_counts()

    def _of_runs(self) -> Iterator[Metric]:
        meter = self._meter
        yield _histograms(
            "first_event_seconds",
            "From a message's sending (or delivery) to the first piece of its answer.",
            "model",
            meter.first_event_s.copy().items(),
        )
        yield _histograms(
            "run_seconds",
            "From a message's sending (or delivery) to its run's end, including waits.",
            "status",
            meter.run_s.copy().items(),
        )
        yield _counters(
            "runs_ended",
            "Runs that ended, by status, error code (empty for none) and model.",
            ("status", "code", "model"),
            meter.run_ends.copy().items(),
        )
        yield _counters(
            "tokens",
            "Tokens of completed answers, by kind and model.",
            ("kind", "model"),
            meter.tokens.copy().items(),
        )
        yield _counter("attempts", "Attempts that began.", meter.attempts)
        text = "Failed attempts that are retried, by error code."
        yield _counters("retries", text, ("code",), _keyed(meter.retries))
        text = "Runs taken over from a dead process."
        yield _counter("takeovers", text, meter.takeovers)
        yield _counters(
            "waits",
            "Runs that began to wait: for an answer (question), a person's consent to a tool "
            "call (consent), tool calls (tools), a time (sleep), or the delivery time (later).",
            ("kind",),
            _keyed(meter.waits),
        )

    def _of_tools(self) -> Iterator[Metric]:
        meter = self._meter
        text = "Tool calls that an executor claimed."
        yield _counter("tool_claims", text, meter.tool_claims)
        text = "Results of tool calls, by outcome."
        yield _counters("tool_results", text, ("outcome",), _keyed(meter.tool_results))
        yield _histogram(
            "tool_wait_seconds", "From a tool call's permission to its claim.", meter.tool_wait_s
        )
        yield _histogram(
            "tool_call_seconds", "From a tool call's claim to its result.", meter.tool_call_s
        )

    def _of_writing(self) -> Iterator[Metric]:
        meter = self._meter
        text = "Events committed by this process, by type."
        yield _counters("events", text, ("type",), _keyed(meter.events))
        yield _counter("event_text_bytes", "Bytes of text in committed events.", meter.text_bytes)
        yield _histogram(
            "commit_seconds",
            "Time of one commit, from the begin of its transaction, including waits for the "
            "database.",
            meter.commit_s,
        )
        yield _histogram(
            "sweep_delay_seconds",
            "How late a sweep for due runs began.",
            meter.sweep_delay_s,
        )

    def _of_readers(self) -> Iterator[Metric]:
        hubs = [watch.hub for watch in self.watches.copy() if watch.hub is not None]
        stats = [hub.stats() for hub in hubs]
        yield _gauge("readers", "Readers that follow a thread.", sum(s.readers for s in stats))
        yield _gauge(
            "reader_lag_events",
            "Events that the slowest reader has not received yet.",
            max((s.lag_events for s in stats), default=0),
        )
        yield _gauge(
            "reader_lag_bytes",
            "Bytes that wait in the fullest reader's buffer.",
            max((s.lag_bytes for s in stats), default=0),
        )
        yield _counter(
            "socket_pauses",
            "WebSockets that were full for a while; their readers continue from their cursor.",
            self._meter.socket_pauses,
        )
        yield _histogram(
            "reconnect_behind_events",
            "How many events a reader had missed when it came back with a cursor.",
            self._meter.reconnect_behind,
        )

    def _of_services(self) -> Iterator[Metric]:
        watches = self.watches.copy()
        for watch in watches:
            watch.refresh()
        yield _gauge(
            "active_runs",
            "Runs that this process executes.",
            sum(watch.engine.active for watch in watches),
        )
        yield _gauge(
            "writer_queue",
            "Operations that wait for the next commit.",
            sum(watch.store.queued for watch in watches),
        )
        samples = [watch.sample for watch in watches]
        runs = GaugeMetricFamily(
            PREFIX + "open_runs",
            "Runs in the database that have not ended, by status.",
            labels=("status",),
        )
        for status in ("pending", "processing", "waiting"):
            runs.add_metric((status,), sum(s.open_runs.get(status, 0) for s in samples))
        yield runs
        yield _gauge(
            "oldest_pending_seconds",
            "How long the oldest pending run has waited; 0 without pending runs.",
            max((s.oldest_pending_s for s in samples), default=0.0),
        )
        yield from self._of_calls(samples)
        info = GaugeMetricFamily(
            PREFIX + "info",
            "1, with the version, engine and backend of this process.",
            labels=("version", "engine", "backend"),
        )
        for watch in watches:
            backend = str(watch.store.describe()["backend"])
            info.add_metric((__version__, watch.engine.name, backend), 1)
        yield info

    def _of_calls(self, samples: Sequence[Sample]) -> Iterator[Metric]:
        calls = GaugeMetricFamily(
            PREFIX + "open_tool_calls",
            "Tool calls in the database without a result, by state.",
            labels=("state",),
        )
        for state in ("asked", "open", "claimed"):
            calls.add_metric((state,), sum(s.open_calls.get(state, 0) for s in samples))
        yield calls
        yield _gauge(
            "oldest_open_tool_call_seconds",
            "How long the oldest open call has waited for an executor; 0 without open calls.",
            max((s.oldest_call_s for s in samples), default=0.0),
        )

    def _of_counts(self) -> Iterator[Metric]:
        watches = self.watches.copy()
        counts = sum((watch.counts() for watch in watches), self._meter.past.copy())
        for name, text in COUNTER_HELP.items():
            yield _counter(name, text, counts[name])
        housekeepings = [watch.housekeeping for watch in watches if watch.housekeeping is not None]
        yield _gauge(
            "housekeeping_longest_step_seconds",
            "The longest time for which housekeeping has blocked the writer.",
            max((house.counts.longest_step_s for house in housekeepings), default=0.0),
        )


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


def _keyed(counter: Counter[str]) -> Labelled:
    return [((key,), value) for key, value in counter.copy().items()]


def _counter(name: str, text: str, value: int) -> Metric:
    return CounterMetricFamily(PREFIX + name, text, value=value)


def _counters(name: str, text: str, labels: tuple[str, ...], values: Labelled) -> Metric:
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, text, value=value)


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, text)
    family.add_metric((), _buckets(histogram), histogram.total)
    return family


def _histograms(
    name: str, text: str, label: str, histograms: Iterable[tuple[str, Histogram]]
) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, text, labels=(label,))
    for value, histogram in histograms:
        family.add_metric((value,), _buckets(histogram), histogram.total)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    count_below = 0
    for bound, count in zip((*histogram.bounds, "+Inf"), list(histogram.counts), strict=True):
        count_below += count
        buckets.append((str(bound), count_below))
    return buckets
