"""Upstreams of cancelled runs that another process has left behind (L15)."""

from __future__ import annotations

import asyncio
from functools import partial

from jupyter_chat_stream.runs.execute import Execution
from jupyter_chat_stream.runs.upstreams import UpstreamStops
from jupyter_chat_stream.shared.errors import Overloaded
from jupyter_chat_stream.store.log.transaction import RunRef
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness
from tests.runs.test_upstreams import Upstreams, has_content


async def left_upstream(harness: RunHarness, provider: Upstreams) -> RunRef:
    """Cancel a run whose process has died in the middle of its answer."""
    provider.held_after = 4
    run = await harness.send(await harness.thread())
    claimed = await harness.claim("a process that dies")
    task = asyncio.ensure_future(Execution(harness.services, claimed).run())
    await harness.until(partial(has_content, harness, run))
    task.cancel()
    await asyncio.wait([task])
    assert await harness.cancel(run)
    return run


async def test_what_is_left_at_two_looks_is_stopped_and_each_process_tries_once(
    make_harness: MakeHarness,
) -> None:
    """At the first look, the process whose run it was may be stopping it."""
    provider = Upstreams()
    harness = await make_harness(provider=provider)
    run = await left_upstream(harness, provider)

    async def look(stops: UpstreamStops) -> int:
        stops.take_over(frozenset({run.id}))
        tasks = [task for task in asyncio.all_tasks() if task.get_name() == f"stop {run.id}"]
        await asyncio.gather(*tasks)
        return len(provider.stopped)

    provider.stop_fails = Overloaded("Busy.")
    stops = UpstreamStops(harness.chat_store, harness.services.registry)
    assert [await look(stops) for _ in range(4)] == [0, 1, 1, 1]
    assert await harness.column(run, "upstream") is not None
    provider.stop_fails = None
    other = UpstreamStops(harness.chat_store, harness.services.registry)
    assert [await look(other) for _ in range(4)] == [1, 2, 2, 2]
    assert await harness.column(run, "upstream") is None
