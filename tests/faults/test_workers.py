"""Workers that are killed, stopped, thawed and sent home while they answer, with real processes.

Servers run nothing here; what a worker leaves behind, another one finishes, and nobody can tell
from the text.
"""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jupyter_chat_stream.providers.demo.answers import long_text
from tests.faults.databases import LEASE_S, FaultyDatabase, FaultyPostgres
from tests.faults.harness import FakeApi, Server, Worker
from tests.faults.laws import assert_log_keeps_the_laws, assert_nothing_seen_was_lost
from tests.faults.process_faults import PULL
from tests.faults.processes import eventually
from tests.faults.readers import Memory, Socket

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CHARS = 1_600
SLOW = {"chars": CHARS, "chars_per_second": 600, "chunk_chars": 8}
TAKE_OVER_S = LEASE_S + 1.0
LONG_S = 60.0  # an interval that does not come in a test: what happens, happened without it
HOLDER = (
    "SELECT lease.pid FROM run JOIN lease ON lease.owner = run.owner WHERE run.ended_ms IS NULL"
)


class Site:
    """One server that runs nothing, two workers, and a run that one of them works on."""

    def __init__(
        self, faulty_database: FaultyDatabase, server: Server, workers: list[Worker]
    ) -> None:
        self.faulty_database = faulty_database
        self.server = server
        self.workers = workers
        self.run: dict[str, Any] = {}

    async def begin(self) -> Worker:
        """Send a message, and give the worker that answers it, once it does."""
        thread = await self.server.thread("demo/long")
        self.run = (await self.server.send(thread, "Go on", params=SLOW))["run"]
        await self.server.until_text(thread, self.run["id"], 100)
        pid = self.faulty_database.rows(HOLDER)[0][0]
        return next(worker for worker in self.workers if worker.pid == pid)

    async def until_attempt(self, attempt: int, within_s: float) -> float:
        """Wait until the run is in this attempt; give how long it took, in seconds."""
        began = time.monotonic()

        async def look() -> bool:
            return (await self.server.run(self.run["id"]))["attempt"] >= attempt

        await eventually(look, within_s=within_s, what=f"attempt {attempt}")
        return time.monotonic() - began

    async def until_whole(self, attempts: int) -> list[dict[str, Any]]:
        """See the answer whole, said once, in so many attempts; give its events."""
        run = await self.server.until_run(self.run["id"], ("completed",))
        assert run["attempt"] == attempts
        reply = await self.server.message(run["thread_id"], run["id"])
        assert reply["content"] == long_text(CHARS)
        return assert_log_keeps_the_laws(await self.server.events(run["thread_id"]))[run["id"]]

    async def answers(self, worker: Worker) -> None:
        """See that this worker, alone, still answers."""
        for other in self.workers:
            if other is not worker and other.pid is not None:
                other.kill()
        sent = await self.server.send(self.run["thread_id"], "And?", model="demo/echo")
        await self.server.until_run(sent["run"]["id"], ("completed",))


@pytest.fixture
async def site(
    make_server: Any, make_worker: Any, faulty_postgres: FaultyPostgres
) -> AsyncIterator[Site]:
    """A site that is running; afterwards its database is whole."""
    settings = faulty_postgres.settings
    server = make_server(**{**settings, "run_in_server": False})
    workers = [make_worker(fault="freeze_before_commit", **settings) for _ in range(2)]
    for process in (server, *workers):
        process.spawn()
    for process in (server, *workers):
        await process.ready()
    yield Site(faulty_postgres, server, workers)
    for process in (server, *workers):
        process.close()
    faulty_postgres.assert_whole()


async def test_the_answer_arrives_though_its_server_is_killed_and_stands_in_the_next(
    site: Site,
) -> None:
    """L8, L10: a culled server takes nothing with it."""
    await site.begin()
    site.server.kill()
    await site.server.start()
    assert (await site.server.get("status"))["engine"] == "procrastinate"
    await site.until_whole(attempts=1)


async def test_a_killed_workers_run_is_taken_over_within_a_lease(
    site: Site, record_property: Any
) -> None:
    """L5, L10: the text goes on where it was, for those who watch, too."""
    dying = await site.begin()
    memory = Memory(site.run["thread_id"])
    socket = Socket(site.server, [memory]).start()
    dying.kill()
    took_s = await site.until_attempt(2, within_s=TAKE_OVER_S)
    record_property("take-over", f"{took_s:.2f} s with a lease of {LEASE_S} s")
    await site.until_whole(attempts=2)
    await socket.readers[memory.thread].until((await site.server.events(memory.thread))[-1]["seq"])
    await socket.stop()
    await assert_nothing_seen_was_lost(site.server, memory)
    assert site.faulty_database.rows("SELECT crashes FROM run") == [(1,)]


async def test_a_worker_that_is_sent_home_hands_over_at_once(site: Site) -> None:
    """L10: SIGTERM leaves its runs due, which is no crash, and no lease is waited for."""
    leaving = await site.begin()
    leaving.signal(signal.SIGTERM)
    await site.until_attempt(2, within_s=TAKE_OVER_S)
    assert leaving.wait() == 0
    await site.until_whole(attempts=2)
    assert site.faulty_database.rows("SELECT crashes FROM run") == [(0,)]
    assert len(site.faulty_database.rows("SELECT owner FROM lease")) == 1


async def test_a_thawed_worker_writes_nothing_of_what_was_taken_over(site: Site) -> None:
    """L5: it may not even know yet that time has passed."""
    zombie = await site.begin()
    zombie.freeze()
    await site.until_attempt(2, within_s=2 * TAKE_OVER_S)
    zombie.thaw()  # both have the run in hand now
    events = await site.until_whole(attempts=2)
    attempts = [event["attempt"] for event in events if event.get("attempt")]
    assert attempts == sorted(attempts)
    await site.answers(zombie)
    assert site.faulty_database.rows(HOLDER) == []


async def test_a_worker_that_was_frozen_inside_a_transaction_holds_nobody_up(site: Site) -> None:
    """L5: the database ends what idles in a transaction, and the zombie's COMMIT with it."""
    zombie = await site.begin()
    zombie.signal(PULL)
    await zombie.until_frozen()
    await site.until_attempt(2, within_s=4 * TAKE_OVER_S)
    zombie.thaw()
    await site.until_whole(attempts=2)
    await site.answers(zombie)


async def test_a_worker_outlives_a_restart_of_postgres(site: Site) -> None:
    """L10: latency only; and what is sent afterwards is heard of as before."""
    await site.begin()
    assert isinstance(site.faulty_database, FaultyPostgres)
    await site.faulty_database.outage(2.0)
    await site.until_whole(attempts=1)
    sent = await site.server.send(site.run["thread_id"], "And?", model="demo/echo")
    run = await site.server.until_run(sent["run"]["id"], ("completed",), within_s=5)
    assert run["attempt"] == 1


async def test_servers_on_postgres_take_over_from_each_other_within_a_lease(
    make_server: Any, faulty_postgres: FaultyPostgres
) -> None:
    """L10: without any worker, each runs what was sent to it, under a lease."""
    dying, heir = (make_server(**faulty_postgres.settings) for _ in range(2))
    for server in (dying, heir):
        server.spawn()
    for server in (dying, heir):
        await server.ready()
    thread = await dying.thread("demo/long")
    site = Site(faulty_postgres, heir, [])
    site.run = (await dying.send(thread, "Go on", params=SLOW))["run"]
    await dying.until_text(thread, site.run["id"], 100)
    assert faulty_postgres.rows(HOLDER) == [(dying.pid,)]
    dying.kill()
    await site.until_attempt(2, within_s=TAKE_OVER_S)
    await site.until_whole(attempts=2)
    heir.kill()
    faulty_postgres.assert_whole()


async def test_stop_reaches_the_worker_by_its_notice(
    make_server: Any, make_worker: Any, make_fake: Any, faulty_database: FaultyDatabase
) -> None:
    """L4: the provider is let go at once, not when somebody looks."""
    fake: FakeApi = make_fake(hold_after_chunks=3, chars=200)
    settings = {
        **faulty_database.settings,
        "sweep_interval_s": LONG_S,
        "environment": fake.environment,
    }
    server = make_server(**{**settings, "run_in_server": False})
    worker = make_worker(**settings)
    server.spawn()
    worker.spawn()
    await server.ready()
    await worker.ready()
    thread = await server.thread("anthropic/claude-sonnet-5-5")
    run = (await server.send(thread))["run"]
    await server.until_text(thread, run["id"])
    assert (await server.cancel(run["id"]))["status"] == "cancelled"

    async def is_let_go() -> bool:
        return all(request.state != "open" for request in fake.requests)

    await eventually(is_let_go, within_s=1.0, what="the provider was let go")
    after = (await server.send(thread, "And?", model="demo/echo"))["run"]
    await server.until_run(after["id"], ("completed",), within_s=5)


async def test_workers_on_one_file_take_over_from_each_other(
    make_server: Any, make_worker: Any, faulty_sqlite: FaultyDatabase
) -> None:
    """L10: the lock of a dead one is let go by the system; no lease is waited for."""
    settings = faulty_sqlite.settings
    server = make_server(**{**settings, "run_in_server": False})
    first, second = (make_worker(**settings) for _ in range(2))
    site = Site(faulty_sqlite, server, [first, second])
    server.spawn()
    first.spawn()
    await server.ready()
    await first.ready()
    thread = await server.thread("demo/long")
    site.run = (await server.send(thread, "Go on", params=SLOW))["run"]
    await server.until_text(thread, site.run["id"], 100)
    await second.start()
    first.kill()
    await site.until_attempt(2, within_s=1.0)
    await site.until_whole(attempts=2)
    for process in (server, second):
        process.close()
    faulty_sqlite.assert_whole()
