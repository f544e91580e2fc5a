"""Leases: who lives, by the database's clock, and what an owner does that missed its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from jupyter_chat_stream.engine.leases import LeaseHolders
from jupyter_chat_stream.shared.errors import DatabaseUnreachable
from jupyter_chat_stream.store.front import LeaseConnection, LeaseReader
from jupyter_chat_stream.store.sql.database import Database
from tests.clock import START_MS

PATIENCE_S = 10.0
LONG_S = 60.0  # no renewal comes in a test but the first, unless it is called for
LOOK_MS = 500
NOW = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint"


class LeaseTable:
    """A database, and what tests do to its leases behind everybody's back."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, now_ms=START_MS)

    def holders(self, own: str, *, lease_s: float = LONG_S, **callbacks: object) -> LeaseHolders:
        lease = LeaseConnection(self.database, own, "server", lease_s)
        return LeaseHolders(lease, **callbacks)  # type: ignore[arg-type]

    def sql(self, statement: str) -> list[object]:
        conn = self.database.connect_listening()
        try:
            cursor = conn.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            conn.close()

    def leave(self, owner: str, left_ms: int) -> None:
        """Return for how long an owner's lease lasts from now."""
        self.sql(f"UPDATE lease SET until_ms = {NOW} + {left_ms} WHERE owner = '{owner}'")

    def add(self, owner: str, left_ms: int) -> None:
        self.sql(
            "INSERT INTO lease (owner, kind, host, pid, since_ms, until_ms) "
            f"VALUES ('{owner}', 'worker', 'elsewhere', 1, 0, {NOW} + {left_ms})"
        )

    def is_alive(self, owners: LeaseHolders, owner: str) -> bool:
        with self.database.reading.connect() as conn:
            return owners.is_alive(LeaseReader(conn), owner)


@pytest.fixture
def leases(prepared_postgres_url: str) -> Iterator[LeaseTable]:
    made = LeaseTable(prepared_postgres_url)
    yield made
    made.database.close()


async def test_an_owner_lives_as_long_as_its_lease(leases: LeaseTable) -> None:
    """L10: whoever has none, or one that has run out, is dead."""
    own = leases.holders("01me")
    await own.open()
    leases.add("01other", 5_000)
    assert leases.is_alive(own, "01me")
    assert leases.is_alive(own, "01other")
    assert not leases.is_alive(own, "01never")
    leases.leave("01other", -1)
    assert not leases.is_alive(own, "01other")
    await own.close()
    assert leases.sql("SELECT owner FROM lease") == [("01other",)]


async def test_a_lease_says_who_holds_it(leases: LeaseTable) -> None:
    own = leases.holders("01me")
    await own.open()
    assert leases.sql("SELECT kind, host <> '', pid > 1 FROM lease") == [("server", True, True)]
    await own.close()


async def test_who_missed_its_own_renewal_judges_nobody(leases: LeaseTable) -> None:
    """L10: what held it up may have held up the others; they get a lease's time to come back."""
    own = leases.holders("01me")
    await own.open()
    leases.add("01other", -1)
    leases.leave("01me", int(LONG_S * 1000 * 0.2))
    assert leases.is_alive(own, "01other")
    leases.leave("01me", int(LONG_S * 1000))
    assert not leases.is_alive(own, "01other")
    own.presume_alive()  # as the sweep says when it comes late
    assert leases.is_alive(own, "01other")
    await own.close()


async def test_a_look_that_takes_longer_than_a_lease_takes_nobody_for_dead(
    leases: LeaseTable,
) -> None:
    """L10: it sees the leases of the moment when it began, whoever renewed them since."""
    own = leases.holders("01me")
    await own.open()
    leases.add("01other", LOOK_MS)
    leases.add("01dead", -1)
    with leases.database.reading.connect() as conn:
        assert own.is_alive(LeaseReader(conn), "01other")
        leases.leave("01other", 5_000)  # renewed in time
        conn.execute(text(f"SELECT pg_sleep({1.2 * LOOK_MS / 1000})"))
        assert own.is_alive(LeaseReader(conn), "01other")
        assert not own.is_alive(LeaseReader(conn), "01dead")
    await own.close()


async def test_who_gives_the_start_up_renews_no_lease_from_then_on(
    leases: LeaseTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L10: it would live on for all others, and execute nothing."""
    own = leases.holders("01me")
    begun, go_on, beat = threading.Event(), threading.Event(), LeaseConnection.beat

    def slow(lease: LeaseConnection) -> int | None:
        begun.set()
        go_on.wait(PATIENCE_S)
        return beat(lease)

    monkeypatch.setattr(LeaseConnection, "beat", slow)
    opening = asyncio.ensure_future(own.open())
    await asyncio.get_running_loop().run_in_executor(None, begun.wait, PATIENCE_S)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    go_on.set()
    await asyncio.get_running_loop().run_in_executor(None, own.thread.join, PATIENCE_S)
    assert not own.thread.is_alive()
    assert leases.sql("SELECT owner FROM lease") == []


async def test_a_process_learns_that_its_lease_had_lapsed(leases: LeaseTable) -> None:
    """L5: it drops at once what is another's by now, and doubts the others' deaths."""
    lapsed = asyncio.Event()
    own = leases.holders("01me", lease_s=0.4, on_expired=lapsed.set)
    await own.open()
    leases.sql("UPDATE lease SET until_ms = 0")
    leases.add("01other", -1)
    await asyncio.wait_for(lapsed.wait(), PATIENCE_S)
    assert own.presume_alive_until_s > 0
    await own.close()


async def test_a_lost_connection_is_made_anew_and_the_lease_goes_on(leases: LeaseTable) -> None:
    """L10: its owner did not die of it."""
    back = asyncio.Event()
    own = leases.holders("01me", lease_s=0.4, on_back=back.set)
    await own.open()
    leases.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE query LIKE '%lease%' AND pid <> pg_backend_pid()"
    )
    await asyncio.wait_for(back.wait(), PATIENCE_S)
    assert leases.is_alive(own, "01me")
    assert leases.sql(f"SELECT until_ms > {NOW} FROM lease") == [(True,)]
    await own.close()
    assert leases.sql("SELECT owner FROM lease") == []


def test_a_renewal_says_what_was_left(leases: LeaseTable) -> None:
    lease = LeaseConnection(leases.database, "01me", "worker", 10.0)
    assert lease.beat() is None
    left_ms = lease.beat()
    assert left_ms is not None
    assert 0 < left_ms <= 10_000
    leases.leave("01me", -500)
    left_ms = lease.beat()
    assert left_ms is not None
    assert left_ms <= -500
    lease.close()


def test_only_the_leases_of_the_dead_who_left_no_run_are_removed(leases: LeaseTable) -> None:
    """Whoever takes the run over finds who held it."""
    leases.add("01alive", 5_000)
    leases.add("01lapsed", -100)
    leases.add("01gone", -100_000)
    leases.add("01left", -100_000)
    leases.sql("INSERT INTO thread (pk, id, owner, project, archived, deleted, created_ms, "
               "updated_ms) VALUES (1, 't', 'ann', '', false, false, 0, 0)")  # fmt: skip
    leases.sql("INSERT INTO message (pk, id, thread, role, kind, status, parts, seq, created_ms) "
               "VALUES (1, 'm', 1, 'assistant', 'chat', 'processing', '[]', 1, 0)")  # fmt: skip
    leases.sql("INSERT INTO run (pk, id, thread, message, status, attempt, model, params, owner, "
               "crashes, retries, created_ms, seq) VALUES "
               "(1, 'r', 1, 1, 'processing', 1, 'm', '{}', '01left', 0, 0, 0, 1)")  # fmt: skip
    lease = LeaseConnection(leases.database, "01me", "worker", 10.0)
    lease.remove_dead()
    lease.close()
    found = leases.sql("SELECT owner FROM lease ORDER BY owner")
    assert found == [("01alive",), ("01lapsed",), ("01left",)]


async def test_a_process_that_cannot_reach_the_database_ends_all_the_same(
    leases: LeaseTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease then ends by itself."""
    own = leases.holders("01me", lease_s=0.4)
    await own.open()
    failed = threading.Event()

    def refuse(*_: object) -> None:
        failed.set()
        raise DatabaseUnreachable("It is away.")

    monkeypatch.setattr(LeaseConnection, "run", refuse)
    await asyncio.get_running_loop().run_in_executor(None, failed.wait, PATIENCE_S)
    await asyncio.wait_for(own.close(), PATIENCE_S)
    assert leases.sql("SELECT owner FROM lease") == [("01me",)]
