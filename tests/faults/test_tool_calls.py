"""L12, L13, L14 by SIGKILL: the server dies after each commit of a run that calls tools.

``CHAT_STREAM_KILLS`` is the number of deaths for each database, 5 by default; the commits after
which the server dies are spread over all of them, from another one on in each process of tests.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from typing import Any

import aiohttp
import pytest

from tests.faults.databases import FaultyDatabase
from tests.faults.harness import TOKEN, UNREACHABLE, Server
from tests.faults.laws import assert_log_keeps_the_laws
from tests.faults.process_faults import PULL
from tests.faults.processes import eventually
from tests.runs.calls import tool

pytestmark = [pytest.mark.faults, pytest.mark.slow]

KILLS = int(os.environ.get("CHAT_STREAM_KILLS", "5"))
COMMITS = 20  # about as many as such a run makes, with its calls and their output
LEASE_S = 1.0
TOOLS = [tool("look"), tool("peek", idempotent=True), tool("train", "run")]
MESSAGE = 'look {"at": 1}\npeek {"at": 2}\ntrain {"rows": 3}'


class Kernel:
    """A kernel and a person of one run: they do what there is to do, however often they must ask.

    ``begun`` counts the calls that the server has let it make.
    """

    def __init__(self, server: Server, thread: str, run: str) -> None:
        self.begun: Counter[str] = Counter()
        self._server = server
        self._thread = thread
        self._run = run
        self._claims: dict[str, str] = {}

    async def work(self) -> bool:
        """Do one thing; returns whether the run has ended."""
        message = await self._server.message(self._thread, self._run)
        parts = message["parts"]
        done = {part["tool_call_id"] for part in parts if part["kind"] == "tool_result"}
        for part in parts:
            if part["kind"] == "input_request" and part["by"] is None:
                if part["tool_call_id"] not in done:
                    body = {"request_id": part["request_id"], "value": "once"}
                    await self._server.ask("POST", f"runs/{self._run}/input", body)
            elif part["kind"] == "tool_call" and part["tool_call_id"] not in done:
                await self._make(part)
        return bool(message["status"] in ("completed", "failed", "cancelled", "interrupted"))

    async def _make(self, part: dict[str, Any]) -> None:
        call_id = part["tool_call_id"]
        if call_id not in self._claims or part.get("executor") is None:
            if "allowed" not in part or part.get("executor") is not None:
                return  # not allowed yet, or claimed by a process of which no answer came
            status, answer = await self._ask(call_id, "claim", executor="kernel")
            if status != 200:
                return
            self._claims[call_id] = answer["claim"]
            self.begun[part["name"]] += 1
        claim = self._claims[call_id]
        await self._ask(call_id, "output", claim=claim, n=0, text="working ")
        await self._ask(call_id, "result", claim=claim, success=True, output=part["name"])

    async def _ask(self, call_id: str, command: str, **body: Any) -> tuple[int, Any]:
        path = f"runs/{self._run}/tools/{call_id}/{command}"
        return await self._server.ask("POST", path, body)


async def offered(server: Server, thread: str, session: aiohttp.ClientSession) -> Any:
    """A socket that offers the tools in a thread."""
    socket = await session.ws_connect(
        server.url.replace("http", "ws", 1) + "ws", headers={"Authorization": f"token {TOKEN}"}
    )
    frame = {"op": "offer", "thread": thread, "executor": "k", "label": "kernel", "where": "kernel"}
    await socket.send_str(json.dumps({**frame, "tools": TOOLS}))
    assert json.loads((await socket.receive()).data)["op"] == "offered"
    return socket


async def killed_at(server: Server, commit: int) -> tuple[list[dict[str, Any]], Kernel, bool]:
    """Begin a run, kill the server after that commit, start it again, and let the run end."""
    server.fault, server.environment["JCS_DIE_AT"] = "death_at_a_commit", str(commit)
    await server.start()
    thread = await server.thread("demo/tools")
    async with aiohttp.ClientSession() as session:
        socket = await offered(server, thread, session)
        run = (await server.send(thread, MESSAGE, params={"chars_per_second": 0}))["run"]["id"]
        server.signal(PULL)
        kernel, died = Kernel(server, thread, run), False

        async def look() -> bool:
            nonlocal died
            if server.pid is not None and server.has_died:
                died = True
                server.wait()
                server.fault = None
                await server.start()
            try:
                return await kernel.work()
            except UNREACHABLE:
                return False

        await eventually(look, within_s=60.0, what="the end of the run")
        await socket.close()
    events = await server.events(thread)
    server.kill()
    return events, kernel, died


def assert_calls_keep_the_laws(events: list[dict[str, Any]], kernel: Kernel) -> None:
    """Each call has one result; a cut one was not made again; consents came first."""
    [own] = assert_log_keeps_the_laws(events).values()
    assert own[-1]["status"] == "completed"
    calls = {event["tool_call_id"]: event for event in own if event["type"] == "tool_start"}
    assert len(calls) == 3
    for call_id, call in calls.items():
        of_call = [event for event in own if event.get("tool_call_id") == call_id]
        kinds = Counter(event["type"] for event in of_call)
        assert kinds["tool_result"] == 1, (call["name"], kinds)  # L12
        result = next(event for event in of_call if event["type"] == "tool_result")
        types = [event["type"] for event in of_call]
        if "tool_claimed" in types:  # L13
            assert types.index("tool_allowed") < types.index("tool_claimed")
        if call["name"] == "train":
            assert kinds["input_request"] == 1
            allowed = next(event for event in of_call if event["type"] == "tool_allowed")
            assert (allowed["consent"], bool(allowed["by"])) == ("once", True)
        if result["success"]:
            assert result["output"] == call["name"]
        else:  # L14
            assert result["reason"] == "interrupted"
            assert call["name"] != "peek"
        if call["name"] != "peek":
            assert kernel.begun[call["name"]] <= 1
            assert kinds["tool_claimed"] <= 1


async def test_after_a_death_at_any_commit_each_call_has_one_result_and_the_run_ends(
    make_server: Any, faulty_database: FaultyDatabase
) -> None:
    """L12, L13, L14: three calls of one round, one of which needs a consent."""
    server = make_server(max_crashes=10_000, tool_lease_s=LEASE_S, **faulty_database.settings)
    first, deaths = random.randint(1, max(1, COMMITS // KILLS)), 0
    for number in range(KILLS):
        commit = first + number * COMMITS // KILLS
        events, kernel, died = await killed_at(server, commit)
        assert_calls_keep_the_laws(events, kernel)
        deaths += died
    assert deaths > KILLS // 2
    faulty_database.assert_whole()
