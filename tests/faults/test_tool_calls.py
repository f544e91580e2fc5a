"""L12, L13, L14 by SIGKILL: a server or a worker dies after each commit of a run that calls tools.

``CHAT_STREAM_KILLS`` is the number of deaths of a server for each database, 5 by default; the
commits after which it dies are spread over all of them, from another one on in each process of
tests. Beside workers there are half as many.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from typing import Any

import aiohttp
import pytest

from tests.faults.databases import FaultyDatabase, FaultyPostgres
from tests.faults.executors import assert_calls_keep_the_laws
from tests.faults.harness import TOKEN, UNREACHABLE, Server, Worker
from tests.faults.process_faults import PULL
from tests.faults.processes import eventually
from tests.runs.calls import tool

pytestmark = [pytest.mark.faults, pytest.mark.slow]

KILLS = int(os.environ.get("CHAT_STREAM_KILLS", "5"))
COMMITS = 20  # about as many as such a run makes, with its calls and their output
KILLS_BESIDE_WORKERS = (KILLS + 1) // 2
COMMITS_OF_ONE = 9  # about as many as the worker makes of them, or the server
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
            elif part["kind"] == "tool_call" and part.get("tool_call_id", "") not in {"", *done}:
                await self._make(part)  # a call whose input still comes has no id
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


async def killed_at(
    server: Server, commit: int, victim: Server | Worker, *others: Server | Worker
) -> tuple[list[dict[str, Any]], Kernel, bool]:
    """Begin a run, kill the victim after that commit, start it again, and let the run end."""
    victim.fault, victim.environment["JCS_DIE_AT"] = "death_at_a_commit", str(commit)
    for process in (victim, *others):
        process.spawn()
    for process in (victim, *others):
        await process.ready()
    thread = await server.thread("demo/tools")
    async with aiohttp.ClientSession() as session:
        socket = await offered(server, thread, session)
        if victim is not server:  # it works as soon as the message is there
            victim.signal(PULL)
        run = (await server.send(thread, MESSAGE, params={"chars_per_second": 0}))["run"]["id"]
        if victim is server:
            victim.signal(PULL)
        kernel, died = Kernel(server, thread, run), False

        async def look() -> bool:
            nonlocal died
            if victim.pid is not None and victim.has_died:
                died = True
                victim.wait()
                victim.fault = None
                await victim.start()
            try:
                return await kernel.work()
            except UNREACHABLE:
                return False

        await eventually(look, within_s=60.0, what="the end of the run")
        await socket.close()
    events = await server.events(thread)
    for process in (victim, *others):
        process.kill()
    return events, kernel, died


async def test_after_a_death_at_any_commit_each_call_has_one_result_and_the_run_ends(
    make_server: Any, faulty_database: FaultyDatabase
) -> None:
    """L12, L13, L14: three calls of one round, one of which needs a consent."""
    server = make_server(max_crashes=10_000, tool_lease_s=LEASE_S, **faulty_database.settings)
    first, deaths = random.randint(1, max(1, COMMITS // KILLS)), 0
    for number in range(KILLS):
        commit = first + number * COMMITS // KILLS
        events, kernel, died = await killed_at(server, commit, server)
        assert_calls_keep_the_laws(events, kernel.begun)
        deaths += died
    assert deaths > KILLS // 2
    faulty_database.assert_whole()


@pytest.mark.parametrize("who", ["worker", "server"])
async def test_with_workers_the_same_holds_after_a_death_of_either(
    make_server: Any, make_worker: Any, faulty_postgres: FaultyPostgres, who: str
) -> None:
    """L12, L13, L14: a worker reviews calls, the server takes what their executors send."""
    settings = {**faulty_postgres.settings, "max_crashes": 10_000, "tool_lease_s": LEASE_S}
    server = make_server(**{**settings, "run_in_server": False})
    worker = make_worker(**settings)
    victim, other = (worker, server) if who == "worker" else (server, worker)
    deaths = 0
    for number in range(KILLS_BESIDE_WORKERS):
        commit = 1 + (number * COMMITS_OF_ONE + random.randrange(3)) // KILLS_BESIDE_WORKERS
        events, kernel, died = await killed_at(server, commit, victim, other)
        assert_calls_keep_the_laws(events, kernel.begun)
        deaths += died
    assert deaths > KILLS_BESIDE_WORKERS // 2
    faulty_postgres.assert_whole()
