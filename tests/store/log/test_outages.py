"""Losing Postgres costs latency only: nothing is lost, nothing is there twice, and it heals."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from jupyter_chat_stream.following.hub import Hub
from jupyter_chat_stream.providers.base import TextChunk
from jupyter_chat_stream.runs.appender import MAX_PENDING_CHARS, Appender
from jupyter_chat_stream.runs.toolset import ToolBook
from jupyter_chat_stream.shared.errors import DatabaseUnreachable, StaleAttempt
from jupyter_chat_stream.shared.events import Delta, Finalized, ThreadChanged
from jupyter_chat_stream.store.front import ChatStore
from jupyter_chat_stream.store.log import outcome, pending
from jupyter_chat_stream.store.log.operations import Command, Committed
from jupyter_chat_stream.store.log.transaction import ThreadRef, Transaction
from jupyter_chat_stream.store.sql import driver
from tests.postgres import Postgres
from tests.proxy import Proxy, When
from tests.store.harness import PATIENCE_S, StoreHarness, completed

pytestmark = pytest.mark.faults


@pytest.fixture
def proxy(postgres_server: Postgres) -> Iterator[Proxy]:
    with Proxy(postgres_server.port) as proxy:
        yield proxy


@pytest.fixture
def harness(
    postgres_server: Postgres, prepared_postgres_url: str, proxy: Proxy
) -> Iterator[StoreHarness]:
    """A store whose every connection goes through the proxy."""
    harness = StoreHarness(
        prepared_postgres_url.replace(f":{postgres_server.port}/", f":{proxy.port}/")
    )
    yield harness
    harness.close()


def texts(harness: StoreHarness, thread: ThreadRef) -> list[str]:
    return [e.body.text for e in harness.events(thread) if isinstance(e.body, Delta)]


def published(harness: StoreHarness) -> list[str]:
    events = [event for commit in harness.commits for event in commit]
    return [event.body.text for event in events if isinstance(event.body, Delta)]


# ---------------------------------------------------------------- a COMMIT without an answer


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_whose_answer_is_lost_happens_once(
    harness: StoreHarness, proxy: Proxy, when: When
) -> None:
    """L1, L3: whether it had come through or not; and it is published once."""
    claimed = harness.claimed()
    thread = claimed.run.thread
    harness.append(claimed, "a")
    lost = proxy.lose(b"COMMIT\0", when)
    assert [event.seq for event in harness.append(claimed, "b")] == [6]
    assert lost.is_set()
    harness.append(claimed, "c", *completed("abc"), release=True)
    assert texts(harness, thread) == published(harness) == ["a", "b", "c"]
    assert harness.seqs(thread) == list(range(1, len(harness.seqs(thread)) + 1))
    assert harness.damage() == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_command_whose_answer_is_lost_happens_once(
    harness: StoreHarness, proxy: Proxy, when: When
) -> None:
    """L1: also one that wrote no event, where only the transaction's id can tell."""
    thread = harness.thread()
    sql = "UPDATE thread SET title = COALESCE(title, '') || 'x' WHERE pk = :pk"
    lost = proxy.lose(b"COMMIT", when)
    harness.do(lambda tx: tx.execute(sql, {"pk": thread.pk}), thread.pk)
    assert lost.is_set()
    assert harness.scalar("SELECT title FROM thread WHERE pk = :pk", pk=thread.pk) == "x"


def test_a_transaction_that_is_cut_before_its_commit_is_done_again(
    harness: StoreHarness, proxy: Proxy
) -> None:
    """L3: nothing is in doubt, and nothing of the first try is there."""
    claimed = harness.claimed()
    lost = proxy.lose(b"INSERT INTO event", "after")
    with harness.held_up():
        futures = [harness.put(claimed, "a"), harness.put(claimed, "b")]
    assert [len(future.result(PATIENCE_S)) for future in futures] == [1, 1]
    assert lost.is_set()
    assert texts(harness, claimed.run.thread) == ["a", "b"]


def test_a_commit_in_doubt_that_others_overtook_is_refused_not_repeated(
    harness: StoreHarness, proxy: Proxy, prepared_postgres_url: str
) -> None:
    """L4, L5: while nobody knew, the run was taken over; the redone append is a stale one."""
    claimed = harness.claimed()
    proxy.cut(refuse=True)
    late = harness.put(claimed, "never")
    other = StoreHarness(prepared_postgres_url, harness.clock)
    try:
        taken = other.claim(claimed.run, "01b")
        assert taken is not None
        other.append(taken, "theirs", *completed("theirs"), release=True)
    finally:
        other.close()
    proxy.resume()
    assert isinstance(late.exception(PATIENCE_S), StaleAttempt)
    assert texts(harness, claimed.run.thread) == ["theirs"]
    assert harness.damage() == []


def test_an_id_that_the_server_gave_again_does_not_pass_for_ours(harness: StoreHarness) -> None:
    """L3: after a crash it may; the first event has to be there too."""
    claimed = harness.claimed()
    (event,) = harness.append(claimed, "a")
    xid = harness.do(lambda tx: tx.execute("SELECT pg_current_xact_id()::text").scalar())

    def ask(committed: Any, xid: str = xid) -> bool | None:
        doubt = outcome.InDoubt(xid, committed)
        with harness.store.database.writing.connect() as conn:
            return outcome.was_committed(conn, doubt)

    harness.store.writer.connection.drop()  # the pool's only one: nothing is being written
    assert ask(Committed(events=[event], outcomes=[])) is True
    other = replace(event, at=event.at + 1)
    assert ask(Committed(events=[other], outcomes=[])) is False
    assert ask(Committed(events=[], outcomes=[]), str(int(xid) + 1_000_000)) is False


# ---------------------------------------------------------------- the server goes


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_the_server_loses_nothing_and_doubles_nothing(mode: Any) -> None:
    """L1, L3, L7: in the middle of a stream, by shutting down and by crashing."""
    with Postgres() as server:
        harness = StoreHarness(server.url(server.create_database()))
        try:
            claimed = harness.claimed()
            futures = [harness.put(claimed, f"{n} ") for n in range(50)]
            for round_ in range(3):
                restart = threading.Thread(target=server.restart, args=(mode,))
                restart.start()
                futures += [harness.put(claimed, f"{50 + n + 50 * round_} ") for n in range(50)]
                restart.join()
            assert all(future.exception(PATIENCE_S) is None for future in futures)
            whole = "".join(f"{n} " for n in range(200))
            assert "".join(texts(harness, claimed.run.thread)) == whole
            assert "".join(published(harness)) == whole
            harness.append(claimed, *completed(whole), release=True)
            assert harness.damage() == []
        finally:
            harness.close()


def test_readers_wait_for_a_server_that_is_away(harness: StoreHarness, proxy: Proxy) -> None:
    run = harness.answered()
    proxy.cut(refuse=True)
    found: list[dict[str, Any]] = []
    reader = threading.Thread(target=lambda: found.append(harness.row(run)))
    reader.start()
    proxy.resume()
    reader.join(PATIENCE_S)
    assert found[0]["content"] == "a"


def test_an_outage_is_told_once(
    harness: StoreHarness, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    """Not with each try: a log of an outage is read while much else is wrong."""
    claimed = harness.claimed()
    caplog.set_level(logging.WARNING, "jupyter_chat_stream")
    with Retries(harness, 3) as tried:
        proxy.cut(refuse=True)
        futures = [harness.put(claimed, "a"), harness.put(claimed, "b")]
        assert tried.wait(PATIENCE_S)
        proxy.resume()
    assert all(future.exception(PATIENCE_S) is None for future in futures)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2, told
    assert "away" in told[0]
    assert "back" in told[1]
    assert "SELECT" not in caplog.text


class Retries:
    """Counts how often the writer connects; the event comes with the last one wanted."""

    def __init__(self, harness: StoreHarness, wanted: int) -> None:
        self._connection = harness.store.writer.connection
        self._original = self._connection.get
        self._left = wanted
        self._enough = threading.Event()

    def __enter__(self) -> threading.Event:
        self._connection.get = self._count  # type: ignore[method-assign]
        return self._enough

    def __exit__(self, *exc: object) -> None:
        self._connection.get = self._original  # type: ignore[method-assign]

    def _count(self) -> Any:
        if not self._connection.is_open:
            self._left -= 1
            if self._left == 0:
                self._enough.set()
        return self._original()


# ---------------------------------------------------------------- patience


def test_a_command_has_less_patience_than_a_run(
    harness: StoreHarness, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for an answer is told; what a model said is kept until it can be written."""
    claimed = harness.claimed()
    change = ThreadChanged(thread={"title": "never"})
    proxy.cut(refuse=True)
    command = Command(
        work=lambda tx: tx.append(claimed.run.thread, change),
        places=(claimed.run.thread.pk,),
        patience_s=0.2,
    )
    append = harness.put(claimed, "a")
    harness.store.writer.put(command)
    error = command.future.exception(PATIENCE_S)
    assert isinstance(error, DatabaseUnreachable)
    assert (error.status, error.code) == (503, "database_unreachable")
    assert error.to_wire()["retry_after_s"] > 0
    assert not append.done()
    proxy.resume()
    assert append.exception(PATIENCE_S) is None
    assert texts(harness, claimed.run.thread) == ["a"]
    title = harness.scalar("SELECT title FROM thread WHERE pk = :pk", pk=claimed.run.thread.pk)
    assert title is None  # who was told that it failed is not surprised later


def test_closing_does_not_wait_for_a_server_that_is_away(
    harness: StoreHarness, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "LAST_PATIENCE_S", 0.1)
    claimed = harness.claimed()
    proxy.cut(refuse=True)
    lost = harness.put(claimed, "a")
    harness.close()
    assert isinstance(lost.exception(0), DatabaseUnreachable)


def test_a_writer_that_stands_still_holds_others_up_for_a_moment_only(
    harness: StoreHarness, prepared_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L5: the server ends its transaction; when it goes on, it writes in another or not at all."""
    monkeypatch.setattr(driver, "BEGIN_POSTGRES", driver.BEGIN_POSTGRES.replace("'2s'", "'100ms'"))
    claimed = harness.claimed()
    thread = claimed.run.thread
    begun, go_on = threading.Event(), threading.Event()

    def stand_still(tx: Transaction) -> None:
        tx.head(thread)
        begun.set()
        assert go_on.wait(PATIENCE_S)
        tx.append(thread, ThreadChanged(thread={"title": "T"}))

    command = harness.store.submit(stand_still, thread.pk)
    assert begun.wait(PATIENCE_S)
    other = StoreHarness(prepared_postgres_url, harness.clock)
    try:
        assert [event.seq for event in other.append(claimed, "a")] == [5]
    finally:
        other.close()
    go_on.set()
    assert command.exception(PATIENCE_S) is None
    assert harness.seqs(thread) == [1, 2, 3, 4, 5, 6]
    assert harness.damage() == []


# ---------------------------------------------------------------- runs


async def test_a_run_waits_with_its_text_and_its_provider_is_not_read_on(
    harness: StoreHarness, proxy: Proxy
) -> None:
    """L3: what a model said while the database was away is there, once; memory stays bounded."""
    loop = asyncio.get_running_loop()
    claimed = await loop.run_in_executor(None, harness.claimed)
    harness.store.attach(loop)
    appender = Appender(
        ChatStore(harness.store),
        claimed,
        parts=0,
        max_chars=8192,
        max_delay_s=0,
        save_interval_s=0.5,
        book=ToolBook((), lambda: 0),
    )
    piece = "x" * 1000
    appender.add(TextChunk(text="begun "))
    proxy.cut(refuse=True)
    for _ in range(MAX_PENDING_CHARS // len(piece) + 2):
        appender.add(TextChunk(text=piece))
    room = asyncio.ensure_future(appender.wait_for_space())
    await asyncio.sleep(0)
    assert not room.done()
    proxy.resume()
    await asyncio.wait_for(room, PATIENCE_S)
    await asyncio.wait_for(appender.finish([Finalized(status="completed")]), PATIENCE_S)
    whole = await loop.run_in_executor(None, harness.row, claimed.run)
    assert whole["content"] == "".join(part["text"] for part in appender.parts)
    assert len(whole["content"]) > MAX_PENDING_CHARS


async def test_who_follows_is_told_nothing_of_a_short_outage(
    harness: StoreHarness, proxy: Proxy
) -> None:
    """L6: no error reaches a transport; the reader goes on by itself."""
    loop = asyncio.get_running_loop()
    claimed = await loop.run_in_executor(None, harness.claimed)
    harness.store.attach(loop)
    hub = Hub(ChatStore(harness.store), poll_interval_s=0.01)
    reader = hub.follow(claimed.run.thread, 0)
    try:
        while (await asyncio.wait_for(reader.next(), PATIENCE_S)).op != "live":
            pass
        proxy.cut(refuse=True)
        reader.fall_behind()
        late = harness.put(claimed, "a")
        frame = asyncio.ensure_future(reader.next())
        loop.call_later(0.3, proxy.resume)
        found = await asyncio.wait_for(frame, PATIENCE_S)
        assert '"text":"a"' in found.text
        assert late.exception(PATIENCE_S) is None
    finally:
        reader.close()
        await hub.stop()


def test_a_command_in_doubt_is_told_so_and_is_not_done_again(
    harness: StoreHarness, proxy: Proxy
) -> None:
    """L1: its patience ends before the server is back; it had not come through, and never will."""
    thread = harness.thread()
    lost = proxy.lose(b"COMMIT", "before", refuse=True)
    command = Command(
        work=lambda tx: tx.append(thread, ThreadChanged(thread={"title": "never"})),
        places=(thread.pk,),
        patience_s=0.2,
    )
    harness.store.writer.put(command)
    assert lost.wait(PATIENCE_S)
    waiting = harness.store.submit(
        lambda tx: tx.append(thread, ThreadChanged(thread={"title": "b"}))
    )
    error = command.future.exception(PATIENCE_S)
    assert isinstance(error, DatabaseUnreachable)
    assert "not known" in str(error)
    proxy.resume()
    assert waiting.exception(PATIENCE_S) is None
    assert harness.seqs(thread) == [1, 2]
