"""L12, L13, L14 by SIGKILL: the browser dies between every two events of a run that calls tools.

The executors are pages, each in a thread of its own. Each stands still at another event, and then
their browser is killed. ``CHAT_STREAM_ROUNDS`` (1) repeats that; with more than one, it happens at
every event on both databases.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from tests.faults.databases import FaultyDatabase
from tests.faults.executors import (
    AT_ONCE,
    LOOK_EVERY_S,
    MESSAGE,
    Events,
    assert_calls_keep_the_laws,
    call_events,
    until_ended,
)
from tests.faults.harness import Server
from tests.faults.page_executors import PageBrowser, Told, bundle
from tests.faults.processes import eventually
from tests.runs.calls import tool

pytestmark = [pytest.mark.faults, pytest.mark.slow]

ROUNDS = int(os.environ.get("CHAT_STREAM_ROUNDS", "1"))
# Further rounds, at the other half of the events, while no death has cut a call.
MORE_ROUNDS = 2
LEASE_S = 3.0  # longer than the first page waits for the last one, before all are killed
PAGE_TOOLS = [
    tool("look", where="page"),
    tool("peek", where="page", idempotent=True),
    tool("train", "run", where="page"),
]


async def begin(browser: PageBrowser, server: Server, last: int | None = None) -> tuple[str, str]:
    """Let a page of its own make the calls of a new run; return thread and run."""
    thread = await server.thread("demo/tools")
    await browser.execute(await browser.open(), thread, last)
    return thread, (await server.send(thread, MESSAGE, params=AT_ONCE))["run"]["id"]


async def killed_pages(
    server: Server, browsers: Sequence[PageBrowser], told: Told, points: Sequence[int]
) -> list[tuple[Events, Counter[str]]]:
    """Let runs end whose pages die with their browser, each at its event.

    A page of the second browser then makes the calls of all of them.
    """
    first, second = browsers
    runs = await asyncio.gather(*(begin(first, server, point) for point in points))
    ends = [asyncio.ensure_future(until_ended(server, *each)) for each in runs]
    wanted = {thread for thread, _ in runs}

    async def look() -> bool:
        return wanted <= told.at_last

    await eventually(look, every_s=LOOK_EVERY_S, what="pages at their last events")
    await first.kill()
    page = await second.open()
    await asyncio.gather(*(second.execute(page, thread) for thread, _ in runs))
    events = await asyncio.gather(*ends)
    return [(each, told.made[thread]) for each, (thread, _) in zip(events, runs, strict=True)]


@pytest.mark.timeout(60 * (1 + ROUNDS + MORE_ROUNDS))
async def test_after_a_browsers_death_at_any_event_each_call_has_one_result_and_the_run_ends(
    make_server: Any,
    faulty_database: FaultyDatabase,
    chromium_path: str,
    tmp_path: Path,
    record_property: Any,
) -> None:
    """L12, L13, L14: three calls of one round, one of which needs a consent."""
    server = make_server(tool_lease_s=LEASE_S, **faulty_database.settings)
    await server.start()
    script, cut = bundle(tmp_path), 0
    async with Told().listening() as told, async_playwright() as playwright:

        async def started() -> PageBrowser:
            browser = PageBrowser(server, told, script, PAGE_TOOLS)
            await browser.start(playwright, chromium_path)
            return browser

        browser = await started()
        thread, run = await begin(browser, server)
        events = await until_ended(server, thread, run)
        assert_calls_keep_the_laws(events, told.made[thread])
        every, deaths = call_events(events), 0
        for number in range(ROUNDS + MORE_ROUNDS):
            if number >= ROUNDS and cut > 0:
                break
            half = (faulty_database.name == "postgres") ^ (number % 2 == 1)
            points = every if ROUNDS > 1 else every[half::2]  # the two databases share the events
            deaths += len(points)
            following = await started()
            for events, made in await killed_pages(server, (browser, following), told, points):
                assert_calls_keep_the_laws(events, made)
                cut += any(event.get("reason") == "interrupted" for event in events)
            browser = following
        await browser.kill()
    assert cut > 0
    record_property("deaths", f"{deaths}, {cut} with a call that was cut")
    server.kill()
    faulty_database.assert_whole()
