"""L12, L13, L14 by signals: the executor dies between every two events of a run that calls tools.

The executor is a kernel: a process with the real client. All deaths of a database happen side by
side, each in a thread of its own. ``CHAT_STREAM_ROUNDS`` (1) repeats them; with more than one, also
Postgres has one at each event, and not at each second one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.databases import FaultyDatabase
from tests.faults.executors import (
    AT_ONCE,
    MESSAGE,
    Events,
    KernelProcess,
    assert_calls_keep_the_laws,
    call_events,
    until_ended,
)
from tests.faults.harness import Server

pytestmark = [pytest.mark.faults, pytest.mark.slow]

ROUNDS = int(os.environ.get("CHAT_STREAM_ROUNDS", "1"))
LEASE_S = 1.0

MakeKernel = Callable[[Server, str], KernelProcess]


async def disturbed_kernel(
    server: Server, make_kernel: MakeKernel, at: int | None, number: signal.Signals
) -> tuple[Events, KernelProcess, bool]:
    """Let a run end whose kernel gets a signal at an event.

    A kernel that has died is started again. One that stands still goes on after two leases.
    """
    thread = await server.thread("demo/tools")
    kernel = make_kernel(server, thread)
    kernel.begin(at, number)
    await kernel.ready()
    run = (await server.send(thread, MESSAGE, params=AT_ONCE))["run"]["id"]
    since: float | None = None

    def look_after() -> None:
        nonlocal since
        if kernel.has_died:
            since = time.monotonic()
            kernel.wait()
            kernel.begin()
        elif kernel.is_frozen:
            since = since or time.monotonic()
            if time.monotonic() - since > 2 * LEASE_S:
                kernel.thaw()

    events = await until_ended(server, thread, run, look_after)
    kernel.kill()
    return events, kernel, since is not None


async def assert_laws_hold_over(
    number: signal.Signals, server: Server, make_kernel: MakeKernel, step: int = 1
) -> str:
    """Let a kernel get a signal at each ``step``-th event of a run; return what that came to."""
    events, kernel, _ = await disturbed_kernel(server, make_kernel, None, number)
    assert_calls_keep_the_laws(events, kernel.begun)
    assert kernel.begun == {"look": 1, "peek": 1, "train": 1}
    points = call_events(events)[:: step if ROUNDS == 1 else 1]
    count = cut = again = 0
    for _ in range(ROUNDS):
        for events, kernel, was_disturbed in await asyncio.gather(
            *(disturbed_kernel(server, make_kernel, point, number) for point in points)
        ):
            assert_calls_keep_the_laws(events, kernel.begun)
            count += was_disturbed
            cut += any(event.get("reason") == "interrupted" for event in events)
            again += kernel.begun["peek"] > 1
    assert count > len(points) * ROUNDS // 2
    assert cut > 0
    return f"{count} signals at {len(points)} events, {cut} calls were cut, {again} made again"


@pytest.mark.timeout(60 + 60 * ROUNDS)
async def test_after_a_kernels_death_at_any_event_each_call_has_one_result_and_the_run_ends(
    make_server: Any,
    make_kernel: MakeKernel,
    faulty_database: FaultyDatabase,
    record_property: Any,
) -> None:
    """L12, L13, L14: three calls of one round, one of which needs a consent."""
    server = make_server(tool_lease_s=LEASE_S, **faulty_database.settings)
    await server.start()
    step = 2 if faulty_database.name == "postgres" else 1
    found = await assert_laws_hold_over(signal.SIGKILL, server, make_kernel, step)
    record_property("deaths", found)
    server.kill()
    faulty_database.assert_whole()


@pytest.mark.timeout(60 + 60 * ROUNDS)
async def test_a_kernel_that_stands_still_at_any_event_and_goes_on_makes_no_call_twice(
    make_server: Any,
    make_kernel: MakeKernel,
    faulty_sqlite: FaultyDatabase,
    record_property: Any,
) -> None:
    """L12, L14: its claim is over when it goes on. It takes an idempotent call again itself."""
    server = make_server(tool_lease_s=LEASE_S, **faulty_sqlite.settings)
    await server.start()
    found = await assert_laws_hold_over(signal.SIGSTOP, server, make_kernel)
    record_property("stops", found)
    server.kill()
    faulty_sqlite.assert_whole()
