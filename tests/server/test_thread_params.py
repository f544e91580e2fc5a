"""The parameters of a thread: kept with it, and those of its messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import Model, Parameter
from jupyter_chat_stream.runs import parameters
from jupyter_chat_stream.shared.errors import InvalidInput
from tests.server.conftest import StartServer
from tests.server.harness import ChatServer, Reply, running_server

LONG = {"model": "demo/long"}


async def change(server: ChatServer, thread: str, **changes: Any) -> Reply:
    return await server.ask("PATCH", f"threads/{thread}", changes)


async def length_of_an_answer(server: ChatServer, thread: str, **fields: Any) -> int:
    headers = {**server.headers, "Prefer": "wait=30"}
    body = {"content": "Write.", **fields}
    done = await server.ask("POST", f"threads/{thread}/messages", body, headers=headers)
    assert done.json["reply"]["status"] == "completed", done.json["reply"]["error"]
    return len(done.json["reply"]["content"])


async def test_the_messages_of_a_thread_have_its_parameters_until_they_name_others(
    chat_server: ChatServer,
) -> None:
    thread = await chat_server.thread(**LONG)
    assert "params" not in (await chat_server.ask("GET", f"threads/{thread}")).json
    changed = await change(chat_server, thread, params={"chars": 70})
    assert (changed.status, changed.json["params"]) == (200, {"chars": 70})
    usual = await length_of_an_answer(chat_server, thread)
    named = await length_of_an_answer(chat_server, thread, params={"chars": 700})
    assert (usual, named) == (70, 700)
    await change(chat_server, thread, params={})
    assert await length_of_an_answer(chat_server, thread) == 20_000


async def test_every_reader_gets_the_parameters_as_an_event_of_the_thread(
    chat_server: ChatServer,
) -> None:
    thread = await chat_server.thread(**LONG)
    await change(chat_server, thread, params={"chars": 70})
    await change(chat_server, thread, params={"chars": 70})  # unchanged: no event
    page = (await chat_server.ask("GET", f"threads/{thread}/events?raw=1")).json
    assert [event["thread"].get("params") for event in page["events"]] == [None, {"chars": 70}]
    state = (await chat_server.ask("GET", f"threads/{thread}/messages")).json
    assert state["thread"]["params"] == {"chars": 70}
    damage: list[object] = []
    upkeep = chat_server.service.store.upkeep
    upkeep.verify(begin=damage.clear, tell=damage.append, progress=lambda done, of: None)
    assert damage == []


async def test_a_model_that_does_not_offer_a_parameter_answers_without_it(
    chat_server: ChatServer,
) -> None:
    thread = await chat_server.thread(**LONG)
    await change(chat_server, thread, params={"chars": 70})
    await length_of_an_answer(chat_server, thread, model="demo/fast")
    assert await length_of_an_answer(chat_server, thread) == 70


async def test_a_retry_and_a_restarted_server_keep_the_parameters(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        thread = await server.thread(**LONG)
        await change(server, thread, params={"chars": 70})
        await length_of_an_answer(server, thread)
    async with running_server(tmp_path) as server:
        runs = (await server.ask("GET", f"threads/{thread}/runs")).json["runs"]
        again = await server.ask("POST", f"runs/{runs[0]['id']}/retry")
        ended = await server.service.wait_ended("local", again.json["run"]["id"], 20)
        assert len(ended["content"]) == 70
        assert await length_of_an_answer(server, thread) == 70


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"temperature": 1}, "offers no parameter 'temperature'"),
        ({"char": 1}, "Did you mean 'chars'?"),
        ({"chars": -1}, "a whole number from 0 up to 2,000,000"),
        ({"chars": 1.5}, "a whole number"),
        ({"chars": True}, "a whole number"),
        ({"chars": "7"}, "a whole number"),
        ({"chars": None}, "a whole number"),
    ],
)
async def test_a_parameter_that_does_not_fit_the_model_is_refused(
    params: dict[str, Any], told: str, chat_server: ChatServer
) -> None:
    thread = await chat_server.thread(**LONG)
    refused = await change(chat_server, thread, params=params)
    assert (refused.status, refused.error["field"]) == (400, "params")
    assert told in refused.error["message"]
    assert "params" not in (await chat_server.ask("GET", f"threads/{thread}")).json


async def test_the_parameters_are_checked_against_the_model_of_the_same_change(
    start_server: StartServer,
) -> None:
    server = await start_server()
    thread = await server.thread(**LONG)
    refused = await change(server, thread, model="demo/fast", params={"chars": 70})
    assert refused.status == 400
    changed = await change(server, thread, model="demo/fail", params={"failure": "refusal"})
    assert (changed.json["model"], changed.json["params"]) == (
        "demo/fail",
        {"failure": "refusal"},
    )


CHOOSY = Model(
    name="m",
    label="M",
    context_tokens=1000,
    max_output_tokens=100,
    parameters=(
        Parameter(name="effort", kind="choice", choices=("low", "high")),
        Parameter(name="temperature", kind="number", least=0, most=2),
        Parameter(name="seed", kind="whole"),
    ),
)


@pytest.mark.parametrize(
    "given",
    [{}, {"effort": "low"}, {"temperature": 0}, {"temperature": 2.0}, {"seed": -(10**12)}],
)
def test_a_value_in_its_range_fits(given: dict[str, Any]) -> None:
    parameters.check(CHOOSY, given)


@pytest.mark.parametrize(
    "given",
    [{"effort": "huge"}, {"effort": ["low"]}, {"temperature": 2.01}, {"seed": 0.5}, {"x": 1}],
)
def test_a_value_out_of_its_range_does_not_fit(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        parameters.check(CHOOSY, given)
