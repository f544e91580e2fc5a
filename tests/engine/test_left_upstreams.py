"""Upstreams of cancelled runs that their process cannot stop: any process that executes runs does."""

from __future__ import annotations

from jupyter_chat_stream.shared.errors import Overloaded
from tests.engine.test_contract import begun
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness
from tests.runs.test_upstream_stops import left_upstream
from tests.runs.test_upstreams import Upstreams

LOOK_S = 0.05  # the time between two looks of an engine


async def stopped_by(harness: RunHarness, provider: Upstreams) -> list[object]:
    """Wait for a stop; returns all handles that were stopped until the engine's end."""
    await harness.bounded(provider.stops.get())
    await harness.engine.stop()  # it waits for the stops under way
    return list(provider.stopped)


async def test_a_run_that_is_cancelled_between_two_attempts_leaves_no_upstream_behind(
    make_harness: MakeHarness,
) -> None:
    """L15: no process works on the run, and the server that cancels it executes none."""
    provider = Upstreams()
    provider.failures = [(3, Overloaded("Busy.", retry_after_s=3600.0))]
    worker = await begun(await make_harness(provider=provider, sweep_interval_s=LOOK_S))
    server = await make_harness(provider=Upstreams())
    run = await worker.send(await worker.thread())
    await worker.until_status(run, "waiting")
    assert await server.cancel(run)
    assert await stopped_by(worker, provider) == [{"number": 1}]
    assert await worker.column(run, "upstream") is None  # nobody stops it again


async def test_the_upstream_of_a_cancelled_run_is_stopped_though_its_process_dies(
    make_harness: MakeHarness,
) -> None:
    """L15: at whatever line the process ends that had to stop it."""
    dead = Upstreams()
    run = await left_upstream(await make_harness(provider=dead), dead)
    provider = Upstreams()
    next_one = await begun(await make_harness(provider=provider, sweep_interval_s=LOOK_S))
    assert await stopped_by(next_one, provider) == [{"number": 1}]
    assert await next_one.column(run, "upstream") is None
