"""L15 by SIGKILL with the Responses API: the real SDK, and a response that outlives its readers.

``CHAT_STREAM_KILLS`` is the number of kills for each database, 6 by default. They begin after the
first text: before the handle is committed, a death costs a second call.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_chat_stream.runs.retries import UPSTREAM_LOST_NOTE
from jupyter_chat_stream.testing import reply_to
from tests.faults.databases import FaultyDatabase
from tests.faults.harness import FakeApi, Server
from tests.faults.laws import assert_log_keeps_the_laws
from tests.faults.processes import eventually
from tests.faults.test_joined_answers import KILLS, end, killed

pytestmark = [pytest.mark.faults, pytest.mark.slow]

PACE_S = 0.2
CHUNKS = 60 * KILLS  # so the response outlasts the deaths, with 12 s for each
WHOLE = reply_to("Hello", 2 * CHUNKS)
MODEL = "lab/tiny"


@pytest.fixture
def fake(make_fake: Any) -> FakeApi:
    made = make_fake(api="openai", chars=len(WHOLE), chunk_chars=2, delay_s=PACE_S)
    assert isinstance(made, FakeApi)
    return made


@pytest.fixture
def server(make_server: Any, fake: FakeApi, faulty_database: FaultyDatabase) -> Server:
    endpoint = {"dialect": "responses", "background": True, "base_url": f"{fake.url}/v1"}
    endpoints = json.dumps({"lab": endpoint})
    made = make_server(endpoints=endpoints, max_crashes=10_000, **faulty_database.settings)
    assert isinstance(made, Server)
    return made


async def begin(server: Server) -> tuple[str, str]:
    """Ask, and wait until the first text is committed; returns the thread and the run."""
    await server.start()
    sent = await server.send(await server.thread(MODEL), "Hello")
    thread_id, run_id = sent["run"]["thread_id"], sent["run"]["id"]

    async def has_begun() -> bool:
        return bool((await server.message(thread_id, run_id))["content"])

    await eventually(has_begun, what="the first text")
    return thread_id, run_id


async def test_a_response_is_one_answer_and_one_call_through_every_death_of_its_reader_l15(
    server: Server, fake: FakeApi, faulty_database: FaultyDatabase
) -> None:
    thread_id, run_id = await begin(server)
    server.kill()
    assert await killed(server, run_id, KILLS) == KILLS
    fake.hurry()
    await end(server, run_id)
    reply = await server.message(thread_id, run_id)
    assert reply["content"] == WHOLE
    assert [part["kind"] for part in reply["parts"]] == ["text"] * len(reply["parts"])
    assert len(fake.requests) == 1, "no second call, and no second charge"
    (response,) = fake.responses.all.values()
    assert (response.value["status"], response.text) == ("completed", WHOLE)
    cursors = [join.after for join in fake.responses.joins]
    assert cursors == sorted(cursors)
    assert_log_keeps_the_laws(await server.events(thread_id))
    server.kill()
    faulty_database.assert_whole()


async def test_an_answer_whose_response_has_expired_continues_and_says_so_l15(
    server: Server, fake: FakeApi, faulty_database: FaultyDatabase
) -> None:
    thread_id, run_id = await begin(server)
    server.kill()
    fake.responses.expire()
    fake.hurry()
    await server.start()
    await server.until_run(run_id, ("completed",))
    reply = await server.message(thread_id, run_id)
    assert reply["content"] == WHOLE
    notes = [part["text"] for part in reply["parts"] if part["kind"] == "note"]
    assert notes == [UPSTREAM_LOST_NOTE]
    assert len(fake.requests) == 2
    server.kill()
    faulty_database.assert_whole()


async def test_stop_ends_the_response_too_l9(server: Server, fake: FakeApi) -> None:
    """Also after a death: the process that stops it has never read it."""
    _, run_id = await begin(server)
    server.kill()
    await server.start()
    await server.cancel(run_id)

    async def is_cancelled() -> bool:
        return [one.value["status"] for one in fake.responses.all.values()] == ["cancelled"]

    await eventually(is_cancelled, what="the end of the response")
