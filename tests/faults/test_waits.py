"""What waits for a time or a person outlives everything: its server, its worker, its database.

Hours pass by setting the clocks of the processes (process_faults.py), not by waiting for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.databases import FaultyDatabase, FaultyPostgres
from tests.faults.harness import Server, Worker
from tests.faults.laws import assert_log_keeps_the_laws
from tests.faults.process_faults import PULL
from tests.faults.processes import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]

HALF_AN_HOUR = timedelta(minutes=30)
WAITS = ("asked", "later", "slept", "stopped")


class Waiting:
    """One run of each kind that waits, and a schedule; half an hour, or for a person."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.runs: dict[str, dict[str, Any]] = {}
        self.schedule: dict[str, Any] = {}

    async def begin(self) -> None:
        server, now = self.server, datetime.now(UTC)
        later = (now + HALF_AN_HOUR).isoformat()
        self.runs = {
            "asked": (await server.send(await server.thread("demo/ask")))["run"],
            "later": (await server.send(await server.thread("demo/echo"), deliver_at=later))["run"],
            "slept": (await self._sleep())["run"],
            "stopped": (await self._sleep())["run"],
        }
        for run in self.runs.values():
            await server.until_run(run["id"], ("waiting",))
        cron = f"{(now + HALF_AN_HOUR).minute} * * * *"  # once an hour
        body = {"thread_id": await server.thread("demo/echo"), "content": "Again", "cron": cron}
        self.schedule = await server.post("schedules", body, status=201)

    async def _sleep(self) -> dict[str, Any]:
        params = {"wait_s": HALF_AN_HOUR.total_seconds()}
        return await self.server.send(await self.server.thread("demo/wait"), params=params)

    async def statuses(self) -> dict[str, str]:
        return {
            name: (await self.server.run(run["id"]))["status"] for name, run in self.runs.items()
        }

    async def scheduled(self) -> list[str]:
        """Return the statuses of the runs that the schedule has made."""
        thread = self.schedule["thread_id"]
        runs = (await self.server.get(f"threads/{thread}/runs"))["runs"]
        return [run["status"] for run in runs]

    async def answer(self, value: str) -> None:
        """Answer the open question of the run that asked."""
        run = self.runs["asked"]
        await self.server.until_run(run["id"], ("waiting",))
        parts = (await self.server.message(run["thread_id"], run["id"]))["parts"]
        question = next(p for p in parts if p["kind"] == "input_request" and p["by"] is None)
        given = {"request_id": question["request_id"], "value": value}
        await self.server.post(f"runs/{run['id']}/input", given, status=200)

    async def assert_each_came_once(self) -> None:
        for name, run in self.runs.items():
            own = assert_log_keeps_the_laws(await self.server.events(run["thread_id"]))[run["id"]]
            assert own[-1]["status"] == ("cancelled" if name == "stopped" else "completed"), name
            kinds = [event["type"] for event in own]
            questions = 2 if name == "asked" else 0
            assert (kinds.count("input_request"), kinds.count("input")) == (questions, questions)
            content = (await self.server.message(run["thread_id"], run["id"]))["content"]
            assert content.count("Here I am again") == (name == "slept")
            assert content.count("The winter report, for me") == (name == "asked")


async def break_everything(
    processes: Sequence[Server | Worker], faulty_database: FaultyDatabase
) -> None:
    """SIGKILL all there is, the database too, and start it again."""
    for process in processes:
        process.kill()
    if isinstance(faulty_database, FaultyPostgres):
        await faulty_database.outage()
    for process in processes:
        process.spawn()
    for process in processes:
        await process.ready()


async def an_hour_passes(processes: Sequence[Server | Worker]) -> None:
    for process in processes:
        process.signal(PULL)


@pytest.fixture(params=["sqlite", "postgres", "worker"])
async def everything(
    request: pytest.FixtureRequest, make_server: Any, make_worker: Any
) -> tuple[FaultyDatabase, list[Server | Worker]]:
    """A database and the processes on it, of which the first is a server; no clock is right."""
    kind = "sqlite" if request.param == "sqlite" else "postgres"
    faulty_database: FaultyDatabase = request.getfixturevalue(f"faulty_{kind}")
    has_worker = request.param == "worker"
    own = {} if not has_worker else {"run_in_server": False}
    processes = [make_server(fault="stepping_clock", **faulty_database.settings, **own)]
    if has_worker:
        processes.append(make_worker(fault="stepping_clock", **faulty_database.settings))
    for process in processes:
        await process.start()
    return faulty_database, processes


async def test_whoever_waits_is_still_there_after_everything_was_killed_and_comes_once(
    everything: tuple[FaultyDatabase, list[Server | Worker]],
) -> None:
    """L4, L10: a question, a message for later, a sleep and a schedule; one that waits is stopped.

    Killed while they wait, between two questions, and after all is done.
    """
    faulty_database, processes = everything
    server = processes[0]
    assert isinstance(server, Server)
    waiting = Waiting(server)
    await waiting.begin()
    await break_everything(processes, faulty_database)
    assert await waiting.statuses() == dict.fromkeys(WAITS, "waiting")
    assert await waiting.scheduled() == []
    await waiting.answer("winter")
    await break_everything(processes, faulty_database)
    assert (await server.cancel(waiting.runs["stopped"]["id"]))["status"] == "cancelled"
    await waiting.answer("me")
    await an_hour_passes(processes)
    for name in ("asked", "later", "slept"):
        await server.until_run(waiting.runs[name]["id"], ("completed",))

    async def has_ticked() -> bool:
        return await waiting.scheduled() == ["completed"]

    await eventually(has_ticked, what="the schedule's message, answered")
    await break_everything(processes, faulty_database)  # and the clocks are right again
    assert await waiting.scheduled() == ["completed"]
    await waiting.assert_each_came_once()
    for process in processes:
        process.kill()
    faulty_database.assert_whole()
