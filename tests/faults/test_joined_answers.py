"""L15 by SIGKILL: whatever was committed when a server died, the answer is the upstream's.

``CHAT_STREAM_KILLS`` is the number of kills for each kind of model and database, 6 by default.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import Prompt, text_turn
from jupyter_chat_stream.providers.demo import answer_to
from tests.faults.databases import FaultyDatabase
from tests.faults.harness import UNREACHABLE, Server
from tests.faults.laws import assert_log_keeps_the_laws
from tests.faults.processes import PATIENCE_S, eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]

KILLS = int(os.environ.get("CHAT_STREAM_KILLS", "6"))
DEADLY = "death_around_a_commit"


async def killed(server: Server, run_id: str, kills: int) -> int:
    """Kill a server that often while it works on a run; returns the number of kills."""
    for number in range(kills):
        server.fault = DEADLY
        server.spawn()
        if not await dies(server, run_id):
            return number
    return kills


async def dies(server: Server, run_id: str) -> bool:
    """Wait until the server is dead, or the run has ended; returns whether it is dead."""
    died = False

    async def look() -> bool:
        nonlocal died
        died = server.has_died
        if died:
            return True
        try:
            return (await server.run(run_id))["ended_at"] is not None
        except UNREACHABLE:
            return False

    await eventually(look, within_s=PATIENCE_S, what="a death, or the end of the run")
    if died:
        server.wait()
    return died


async def end(server: Server, run_id: str) -> None:
    """Let a server that lives finish the run."""
    if server.pid is None:
        server.fault = None
        await server.start()
    await server.until_run(run_id, ("completed",))


async def test_an_answer_that_goes_on_alone_has_no_seam_l15(
    make_server: Any, faulty_database: FaultyDatabase
) -> None:
    """L15: ``demo/joined`` writes its text at its own pace, through every death of its reader."""
    server = make_server(max_crashes=10_000, **faulty_database.settings)
    await server.start()
    thread_id = await server.thread("demo/joined")
    params = {"chars_per_second": 500 / KILLS, "chunk_chars": 3}
    sent = await server.send(thread_id, "Hello", params=params)
    run_id = sent["run"]["id"]
    server.kill()
    kills = await killed(server, run_id, KILLS)
    assert kills > 0
    await end(server, run_id)
    reply = await server.message(thread_id, run_id)
    prompt = Prompt(model="joined", turns=(text_turn("user", "Hello"),))
    assert reply["content"] == answer_to(prompt)
    assert [part["kind"] for part in reply["parts"]] == ["text"] * len(reply["parts"])
    assert_log_keeps_the_laws(await server.events(thread_id))
    server.kill()
    faulty_database.assert_whole()
