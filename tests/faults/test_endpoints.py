"""A local server of Chat Completions through a real Jupyter server, and over its death."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_chat_stream.providers.continuation import CONTINUE_MARK
from jupyter_chat_stream.testing import reply_to
from tests.faults.harness import FakeApi, Server
from tests.faults.laws import assert_file_is_whole, assert_log_keeps_the_laws
from tests.faults.processes import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]

MODEL = "lab/tiny"
CHARS = 400


@pytest.fixture
def fake(make_fake: Any) -> FakeApi:
    made = make_fake(api="openai", chars=CHARS, chunk_chars=8)
    assert isinstance(made, FakeApi)
    return made


@pytest.fixture
async def server(make_server: Any, fake: FakeApi) -> Server:
    endpoints = json.dumps({"lab": {"dialect": "chat", "base_url": f"{fake.url}/v1"}})
    made = make_server(endpoints=endpoints)
    assert isinstance(made, Server)
    return await made.start()


async def test_a_killed_server_goes_on_with_the_answer_of_a_local_model(
    server: Server, fake: FakeApi
) -> None:
    """SIGKILL in the middle of the stream: no text is lost, and none comes twice (L1, L5, L6)."""
    whole = reply_to("Hello", CHARS)
    fake.queue({"chars": CHARS, "chunk_chars": 8, "fault": "silence", "after_chunks": 20})
    sent = await server.send(await server.thread(MODEL))
    run_id, thread_id = sent["run"]["id"], sent["run"]["thread_id"]

    async def has_begun() -> bool:
        return len((await server.message(thread_id, run_id))["content"]) >= 160

    await eventually(has_begun, what="the first half of the answer")
    server.kill()
    await server.start()
    run = await server.until_run(run_id, ("completed",))

    assert run["attempt"] == 2
    reply = await server.message(thread_id, run_id)
    assert reply["content"] == whole
    assert reply["usage"]["output_tokens"] == 5
    first, second = fake.requests
    assert [m["role"] for m in first.body["messages"]] == ["user"]
    assert [m["role"] for m in second.body["messages"]] == ["user", "assistant", "user"]
    assert second.body["messages"][1]["content"] == whole[:160].rstrip()
    assert second.body["messages"][2]["content"].startswith(CONTINUE_MARK)
    assert_log_keeps_the_laws(await server.events(thread_id))
    server.kill()
    assert_file_is_whole(server.database)


async def test_the_models_of_an_endpoint_stand_in_the_list(server: Server, fake: FakeApi) -> None:
    listed = (await server.get("models?refresh=1"))["models"]
    assert [model["id"] for model in listed if model["provider"] == "lab"] == [MODEL]
    assert (await server.ask("GET", "models?refresh=maybe"))[0] == 400


async def test_stop_ends_the_request_to_the_endpoint(server: Server, fake: FakeApi) -> None:
    fake.queue({"fault": "silence", "after_chunks": 2})
    sent = await server.send(await server.thread(MODEL))

    async def streams() -> bool:
        requests = fake.requests
        return bool(requests) and requests[0].chunks_sent == 2

    async def was_left() -> bool:
        return bool(fake.requests[0].state == "left")

    await eventually(streams, what="the stream")
    await server.cancel(sent["run"]["id"])
    await eventually(was_left, what="the end of the request")
    run = await server.until_run(sent["run"]["id"], ("cancelled",))
    assert run["attempt"] == 1
