"""L12, L13, L14 by SIGKILL: the server dies after each commit of a build, with a real kernel.

``CHAT_STREAM_BUILD_KILLS`` is the number of deaths on SQLite, 3 by default; on Postgres it is one.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import psutil
import pytest

from jupyter_chat_stream.runs.components.scratch_kernel import PREFIX
from tests.faults.databases import FaultyDatabase, FaultyPostgres
from tests.faults.harness import UNREACHABLE, Server
from tests.faults.laws import assert_log_keeps_the_laws
from tests.faults.process_faults import PULL
from tests.faults.processes import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]

KILLS = int(os.environ.get("CHAT_STREAM_BUILD_KILLS", "3"))
COMMITS = 22  # about as many as an answer and its build make together
MESSAGE = 'build_component {"operation": "build", "description": "a slider from 1 to 9"}'
ENDS = ("completed", "failed", "cancelled", "interrupted")


async def look_and_consent(server: Server, thread: str) -> bool:
    """Answer the open questions; returns whether all runs have ended."""
    found = await server.get(f"threads/{thread}/messages")
    for message in found["messages"]:
        for part in message["parts"]:
            if part["kind"] == "input_request" and part["by"] is None:
                body = {"request_id": part["request_id"], "value": "once"}
                await server.ask("POST", f"runs/{message['run_id']}/input", body)
    runs = (await server.get(f"threads/{thread}/runs"))["runs"]
    return all(run["status"] in ENDS for run in runs)


async def killed_at(server: Server, commit: int) -> tuple[list[dict[str, Any]], bool]:
    """Begin a build, kill the server after that commit, start it again, and let all runs end."""
    server.fault, server.environment["JCS_DIE_AT"] = "death_at_a_commit", str(commit)
    await server.start()
    thread = await server.thread("demo/tools")
    server.signal(PULL)
    died = False
    try:
        await server.send(
            thread, MESSAGE, params={"chars_per_second": 0}, tools=["build_component"]
        )
    except UNREACHABLE:
        pytest.skip("the message itself was not taken")

    async def look() -> bool:
        nonlocal died
        if server.pid is not None and server.has_died:
            died = True
            server.wait()
            server.fault = None
            await server.start()
        try:
            return await look_and_consent(server, thread)
        except UNREACHABLE:
            return False

    await eventually(look, within_s=90.0, what="the end of the build and of its answer")
    events = await server.events(thread)
    server.kill()
    return events, died


def assert_build_keeps_the_laws(events: list[dict[str, Any]]) -> None:
    """One build for one call, one version written, consent before each test, one product."""
    answer, build = assert_log_keeps_the_laws(events).values()
    assert answer[-1]["status"] == build[-1]["status"] == "completed"
    job_ids = {event["job_id"] for event in answer if "job_id" in event}
    assert job_ids == {build[0]["run_id"]}, "no crash has made a second build (L12)"
    for own in (answer, build):
        starts = [event for event in own if event["type"] == "tool_start"]
        assert len(starts) == 1, "what was written is not written again"
        kinds = Counter(event["type"] for event in own if "tool_call_id" in event)
        assert kinds["tool_result"] == 1
        result = next(event for event in own if event["type"] == "tool_result")
        assert result["success"], result["output"]
        assert [file["name"] for file in result["attachments"]] == ["a_slider_from_1_to.py"]
    types = [event["type"] for event in build]
    assert types.count("input_request") == 1
    assert types.index("input") < types.index("tool_allowed") < types.index("tool_claimed")


async def test_after_a_death_at_any_commit_a_build_goes_on_and_its_product_arrives_once(
    make_server: Any, faulty_database: FaultyDatabase
) -> None:
    """L12, L13, L14; and no scratch kernel outlives the server that has started it."""
    kills = 1 if isinstance(faulty_database, FaultyPostgres) else KILLS
    server = make_server(max_crashes=10_000, **faulty_database.settings)
    first, deaths = random.randint(2, COMMITS // KILLS), 0
    for number in range(kills):
        events, died = await killed_at(server, first + number * COMMITS // kills)
        assert_build_keeps_the_laws(events)
        deaths += died
    assert deaths == kills
    faulty_database.assert_whole()
    scratch = [one for one in psutil.process_iter(["cmdline"]) if _is_scratch(one)]
    psutil.wait_procs(scratch, timeout=10)
    assert not [one for one in scratch if one.is_running() and one.status() != "zombie"]


def _is_scratch(process: psutil.Process) -> bool:
    return any(PREFIX in word for word in process.info["cmdline"] or ())
