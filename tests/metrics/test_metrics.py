"""Counting what is committed: what each event means to the numbers, and what stays bounded."""

from __future__ import annotations

import socket
import urllib.request
from typing import Any

import pytest
from prometheus_client import REGISTRY

from jupyter_chat_stream.metrics import collector, runs
from jupyter_chat_stream.metrics.meter import Histogram, Meter
from jupyter_chat_stream.metrics.runs import RunWatch
from jupyter_chat_stream.metrics.serving import MetricsServer, MetricsUnavailable
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.events import (
    Body,
    Completed,
    Delta,
    Event,
    Failed,
    Finalized,
    InputRequested,
    MessageWritten,
    StatusChanged,
    ToolAllowed,
    ToolClaimed,
    ToolReturned,
    iso,
)
from jupyter_chat_stream.store.chat.claims import Claimed
from jupyter_chat_stream.store.chat.runs import new_message
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef

MODEL = "demo/echo"


class Log:
    """A thread's events, as the store would publish them, each a second after the one before."""

    def __init__(self, watch: RunWatch) -> None:
        self.watch = watch
        self.at = 0

    def add(self, body: Body, *, run_id: str = "r1", attempt: int | None = 1) -> None:
        self.at += 1000
        event = Event(
            seq=self.at // 1000,
            thread_id="t1",
            at=self.at,
            body=body,
            run_id=run_id,
            message_id="m1",
            attempt=attempt,
        )
        self.watch.see([event])

    def reply(self, *, model: str = MODEL, status: str = "pending", run_id: str = "r1") -> None:
        message = new_message(
            id="m1",
            thread_id="t1",
            role="assistant",
            status=status,
            created_at=iso(self.at),
            model=model,
        )
        deliver_at = "2030-01-01T00:00:00.000Z" if status == "waiting" else None
        written = MessageWritten(message=message, deliver_at=deliver_at)
        self.add(written, run_id=run_id, attempt=None)

    def text(self, run_id: str = "r1") -> None:
        self.add(Delta(part=0, kind="text", text="x"), run_id=run_id)


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def log(meter: Meter) -> Log:
    return Log(RunWatch([MODEL], meter=meter))


def test_the_first_piece_counts_once_and_from_the_sending(log: Log, meter: Meter) -> None:
    log.reply()
    log.add(StatusChanged(phase="thinking"))
    log.text()
    log.add(StatusChanged(phase="thinking"), attempt=2)  # a retry before anything else
    log.text()
    log.add(Finalized(status="completed"))
    assert (meter.first_event_s[MODEL].count, meter.first_event_s[MODEL].total) == (1, 2.0)
    assert (meter.run_s["completed"].count, meter.run_s["completed"].total) == (1, 5.0)
    assert meter.events == {"message": 1, "status": 2, "delta": 2, "finalized": 1}


def test_a_message_for_later_counts_from_its_delivery(log: Log, meter: Meter) -> None:
    log.reply(status="waiting")
    log.at += 3_600_000
    log.reply()
    log.add(StatusChanged(phase="thinking"))
    log.text()
    assert meter.first_event_s[MODEL].total == 2.0
    assert meter.waits == {"later": 1}


def test_tokens_count_by_kind_and_model(log: Log, meter: Meter) -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 3, "cost_usd": 0.5}
    for given in (usage, usage, None, {"output_tokens": "many"}):
        log.reply()
        log.add(Completed(content="", usage=given, stop_reason="end_turn", model=None))
        log.add(Finalized(status="completed"))
    assert meter.tokens == {
        ("input", MODEL): 20,
        ("output", MODEL): 10,
        ("cache_read", MODEL): 6,
        ("cache_write", MODEL): 0,
    }


def test_unlisted_models_count_under_their_endpoint_and_strangers_as_others(meter: Meter) -> None:
    """However many names people try, the label has one value more for each provider."""
    log = Log(RunWatch([MODEL], providers=["demo", "ollama"], meter=meter))
    for model in ("ollama/qwen3:8b", "ollama/x/y", "elsewhere/m", "ollama", MODEL):
        log.reply(model=model)
        log.add(Finalized(status="completed"))
    assert meter.run_ends == {
        ("completed", "", "ollama/other"): 2,
        ("completed", "", "other"): 2,
        ("completed", "", MODEL): 1,
    }


def test_what_another_process_made_is_known_by_its_claim(log: Log, meter: Meter) -> None:
    log.at = 10_000
    log.add(StatusChanged(phase="continuing"), attempt=2)
    log.watch.count_claim(claimed(was_lost=True, created_ms=4_000))
    log.text()  # an answer that goes on has begun before
    log.add(Finalized(status="completed"))
    assert meter.takeovers == 1
    assert not meter.first_event_s
    assert meter.run_s["completed"].total == 9.0
    assert meter.run_ends == {("completed", "", MODEL): 1}


def claimed(**fields: Any) -> Claimed:
    thread = ThreadRef(pk=1, id="t1")
    run = RunRef(pk=1, id="r1", thread=thread, message_pk=1, message_id="m1")
    return Claimed(run=run, attempt=2, model=MODEL, params={}, retries=0, **fields)


def test_labels_take_known_values_only(log: Log, meter: Meter) -> None:
    log.reply(model="somebody/private-model")
    log.add(StatusChanged(phase="retrying", detail="a sentence of a provider"))
    log.add(Failed(code="my_own_code", message="m", retryable=False))
    log.add(Finalized(status="failed"))
    assert meter.retries == {"other": 1}
    assert meter.run_ends == {("failed", "other", "other"): 1}


def test_an_error_that_was_got_over_is_not_the_end_s(log: Log, meter: Meter) -> None:
    log.reply()
    log.add(StatusChanged(phase="retrying", detail="overloaded"))
    log.add(StatusChanged(phase="thinking"), attempt=2)
    log.add(Finalized(status="completed"), attempt=2)
    assert meter.retries == {"overloaded": 1}
    assert meter.run_ends == {("completed", "", MODEL): 1}


def test_what_is_waited_for_is_told_apart(log: Log, meter: Meter) -> None:
    log.add(InputRequested(request_id="q1", prompt="?"))
    log.add(StatusChanged(phase="waiting", until="2030-01-01T00:00:00.000Z"))
    log.add(InputRequested(request_id="q2", prompt="May it?", kind="consent", tool_call_id="c"))
    log.add(StatusChanged(phase="waiting", detail="tools", until="2030-01-01T00:00:00.000Z"))
    assert meter.waits == {"question": 1, "sleep": 1, "consent": 1, "tools": 1}


def test_tool_calls_count_by_outcome_and_their_times_from_step_to_step(
    log: Log, meter: Meter
) -> None:
    def add(kind: type[Any], call: str, **fields: Any) -> None:
        log.add(kind(tool_call_id=call, **fields))

    def end(call: str, *, success: bool = False, **fields: Any) -> None:
        add(ToolReturned, call, name="t", success=success, output=None, **fields)

    add(ToolAllowed, "a", consent="none", by=None)
    add(ToolClaimed, "a", executor="k")
    log.at += 9_000  # its executor dies
    add(ToolClaimed, "a", executor=None)
    add(ToolClaimed, "a", executor="k")
    end("a", success=True)
    add(ToolAllowed, "b", consent="once", by="local")
    end("b", reason="expired")
    end("c", reason="denied")
    add(ToolClaimed, "d", executor="k")  # allowed before this process began
    end("d")
    log.add(Finalized(status="completed"))
    assert meter.tool_claims == 3
    assert meter.tool_results == {"done": 1, "expired": 1, "denied": 1, "failed": 1}
    assert (meter.tool_wait_s.count, meter.tool_wait_s.total) == (2, 2.0)
    assert (meter.tool_call_s.count, meter.tool_call_s.total) == (2, 2.0)


def test_runs_that_end_elsewhere_do_not_pile_up(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MOST_RUNS", 10)
    for number in range(100):
        log.reply(run_id=f"r{number}")
        log.add(StatusChanged(phase="thinking"), run_id=f"r{number}")
    assert len(log.watch.runs) == 10
    assert log.watch.silent <= log.watch.runs.keys()


def test_a_histogram_s_bounds_belong_to_what_is_below(meter: Meter) -> None:
    histogram = Histogram((1, 10))
    for value in (0.5, 1, 1.5, 10, 11):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 1]
    meter.commit_s = histogram
    families = {family.name: family for family in collector.ChatCollector(meter).collect()}
    values = {
        sample.labels.get("le"): sample.value
        for sample in families["chat_stream_commit_seconds"].samples
        if sample.name.endswith("_bucket")
    }
    assert values == {"1": 2, "10": 4, "+Inf": 5}


# ------------------------------------------------------------------------------------- a worker's


def test_without_a_port_nothing_is_served() -> None:
    server = MetricsServer(ChatStream())
    server.start()
    assert server.port is None
    server.stop()


def test_a_worker_serves_its_metrics_on_loopback() -> None:
    is_first = collector.COLLECTOR not in collector.registered  # no service was started before
    if is_first:
        REGISTRY.register(collector.COLLECTOR)
    server = MetricsServer(ChatStream(metrics_port=0))
    try:
        server.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as got:
            assert b"chat_stream_attempts_total " in got.read()
    finally:
        server.stop()
        if is_first:
            REGISTRY.unregister(collector.COLLECTOR)
    assert server.port is None


def test_a_port_that_is_taken_is_refused_with_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MetricsUnavailable, match=r"--ChatStream\.metrics_port"):
            MetricsServer(ChatStream(metrics_port=port)).start()
