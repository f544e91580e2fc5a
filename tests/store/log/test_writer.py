"""The writer: group commit, a bad operation harms itself alone, and an end in good order."""

from __future__ import annotations

import sqlite3
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from jupyter_chat_stream.shared.errors import (
    Conflict,
    DatabaseBusy,
    InvalidInput,
    StaleAttempt,
    StoreError,
)
from jupyter_chat_stream.shared.events import (
    Delta,
    Failed,
    StatusChanged,
    ThreadChanged,
    ToolReturned,
)
from jupyter_chat_stream.store.log import writer as writer_module
from jupyter_chat_stream.store.log.operations import Append
from jupyter_chat_stream.store.log.reading import read_thread
from jupyter_chat_stream.store.log.transaction import Transaction
from jupyter_chat_stream.store.sql import driver
from tests.store.harness import PATIENCE_S, StoreHarness, completed, postgres_only, sqlite_only

ERROR = Failed(code="x", message="", retryable=False)


def test_what_is_pending_becomes_one_commit(harness: StoreHarness) -> None:
    """Group commit: the next transaction starts when the last has ended, with all there is."""
    claims = [harness.claimed() for _ in range(5)]
    harness.commits.clear()
    with harness.held_up():
        futures = [harness.put(claimed, piece) for piece in "ab" for claimed in claims]
    for future in futures:
        assert [event.type for event in future.result(PATIENCE_S)] == ["delta"]
    assert [len(events) for events in harness.commits] == [10]


def test_operations_of_one_run_keep_their_order(harness: StoreHarness) -> None:
    claimed = harness.claimed()
    with harness.held_up():
        for number in range(50):
            harness.put(claimed, f"{number} ")
    harness.append(claimed, settle=True)
    assert harness.row(claimed.run)["content"] == "".join(f"{number} " for number in range(50))


def _bad_bodies() -> list[Any]:
    def output(value: Any) -> ToolReturned:
        return ToolReturned(tool_call_id="c", name="n", success=True, output=value)

    return [
        pytest.param(ERROR, id="refused by the database"),
        pytest.param(output({1, 2}), id="no JSON"),
        pytest.param(output(float("nan")), id="not a number"),
        pytest.param(output(b"\\ud83e".decode("unicode_escape")), id="half a pair"),
        pytest.param(Delta(part=0, kind="text", text=object()), id="no text"),  # type: ignore[arg-type]
        pytest.param(Delta(part=7, kind="text", text="x"), id="fits no part"),
    ]


@pytest.mark.parametrize("bad", _bad_bodies())
def test_one_bad_event_harms_one_run(harness: StoreHarness, bad: Any) -> None:
    """A batch that fails is done again one by one: everybody else's events are there, once."""
    harness.refuse("event", "type", "error")
    claims = [harness.claimed() for _ in range(4)]
    harness.commits.clear()
    with harness.held_up():
        futures = [
            harness.put(claimed, "a", *([bad] if index == 2 else []), settle=True)
            for index, claimed in enumerate(claims)
        ]
        title = harness.store.submit(
            lambda tx: tx.append(claims[0].run.thread, ThreadChanged(thread={"title": "T"}))
        )
    errors = [future.exception(PATIENCE_S) for future in futures]
    assert [error is None for error in errors] == [True, True, False, True]
    assert title.exception(PATIENCE_S) is None
    for index, claimed in enumerate(claims):
        assert harness.row(claimed.run)["content"] == ("" if index == 2 else "a")
        seqs = harness.seqs(claimed.run.thread)
        assert seqs == list(range(1, len(seqs) + 1))
    published = [e for events in harness.commits for e in events if e.type == "delta"]
    assert len(published) == 3
    harness.append(claims[2], "b", settle=True)  # and the run itself can go on
    assert harness.row(claims[2].run)["content"] == "b"
    assert harness.damage() == []


def test_an_error_of_the_database_is_one_of_ours_and_quotes_nothing(harness: StoreHarness) -> None:
    harness.refuse("event", "type", "error")
    secret = "the patient is called Rumpelstiltskin"
    body = Failed(code="x", message=secret, retryable=False)
    error = harness.put(harness.claimed(), secret, body).exception(PATIENCE_S)
    assert isinstance(error, StoreError)
    assert error.status == 503
    assert "Rumpel" not in str(error)
    assert "Rumpel" not in repr(error.__cause__)


@postgres_only
def test_what_the_database_cannot_hold_is_its_senders_fault(harness: StoreHarness) -> None:
    """U+0000 in a text, whichever way it came: 400, and the text itself is not repeated."""
    thread = harness.thread()
    body = ThreadChanged(thread={"title": "a secret\0"})
    for work in (
        lambda: harness.do(lambda tx: tx.append(thread, body), thread.pk),
        lambda: harness.scalar("SELECT 1 FROM thread WHERE title = :title", title="a secret\0"),
    ):
        with pytest.raises(InvalidInput) as refused:
            work()
        assert "secret" not in str(refused.value)
    assert harness.seqs(thread) == [1]


def test_a_refused_command_undoes_itself_alone(harness: StoreHarness) -> None:
    """A savepoint: what the batch holds before and after it is kept, in one transaction."""
    claimed = harness.claimed()
    thread = claimed.run.thread

    def refused(tx: Transaction) -> None:
        tx.append(thread, ThreadChanged(thread={"title": "never"}))
        tx.append(thread, StatusChanged(phase="building"), run=claimed.run, attempt=9)
        tx.set_run(claimed.run, owner="never")
        tx.settle(claimed.run)
        tx.flush()
        raise Conflict("No.")

    harness.commits.clear()
    with harness.held_up():
        before = harness.put(claimed, "a")
        command = harness.store.submit(refused, thread.pk)
        after = harness.put(claimed, "b")
    assert isinstance(command.exception(PATIENCE_S), Conflict)
    assert before.exception(PATIENCE_S) is None
    assert after.exception(PATIENCE_S) is None
    assert len(harness.commits) == 1
    assert harness.look(lambda conn: read_thread(conn, thread))["title"] is None
    assert harness.run(claimed.run)["attempt"] == 1
    assert harness.scalar("SELECT owner FROM run WHERE id = :id", id=claimed.run.id) == "01a"
    harness.append(claimed, *completed("ab"))
    assert harness.row(claimed.run)["content"] == "ab"
    assert harness.damage() == []


def test_a_command_with_a_bug_harms_nobody_else(harness: StoreHarness) -> None:
    claimed = harness.claimed()

    def buggy(tx: Transaction) -> None:
        tx.append(claimed.run.thread, ThreadChanged(thread={"title": "never"}))
        raise RuntimeError("a bug")

    with harness.held_up():
        before = harness.put(claimed, "a")
        command = harness.store.submit(buggy)
        after = harness.put(claimed, "b")
    assert isinstance(command.exception(PATIENCE_S), RuntimeError)
    assert before.exception(PATIENCE_S) is None
    assert after.exception(PATIENCE_S) is None
    texts = [e.body.text for e in harness.events(claimed.run.thread) if isinstance(e.body, Delta)]
    assert texts == ["a", "b"]


def test_commands_see_what_came_before_them_in_their_batch(harness: StoreHarness) -> None:
    claimed = harness.claimed()
    count = "SELECT COUNT(*) FROM event WHERE run = :run AND type = 'delta'"
    with harness.held_up():
        harness.put(claimed, "a")
        seen = harness.store.submit(lambda tx: tx.execute(count, {"run": claimed.run.pk}).scalar())
    assert seen.result(PATIENCE_S) == 1


def test_somebody_who_no_longer_waits_is_not_told(harness: StoreHarness) -> None:
    claimed = harness.claimed()
    with harness.held_up():
        given_up = harness.put(claimed, "a")
        assert given_up.cancel()
        kept = harness.put(claimed, "b")
    assert kept.exception(PATIENCE_S) is None


def test_closing_writes_what_is_pending(harness: StoreHarness) -> None:
    claimed = harness.claimed()
    futures = [harness.put(claimed, "a") for _ in range(700)]
    again = harness.reopened()
    try:
        assert all(future.done() and future.exception() is None for future in futures)
        deltas = [e for e in again.events(claimed.run.thread) if e.type == "delta"]
        assert len(deltas) == 700
        assert again.damage() == []
    finally:
        again.close()


def test_nothing_is_written_after_the_end(harness: StoreHarness) -> None:
    claimed = harness.claimed()
    harness.close()
    with pytest.raises(StoreError, match="closed"):
        harness.put(claimed, "a")
    with pytest.raises(StoreError, match="closed"):
        harness.do(lambda tx: None)


async def test_nothing_is_read_after_the_end(harness: StoreHarness) -> None:
    harness.close()
    with pytest.raises(StoreError, match="closed"):
        await harness.store.read(lambda conn: None)
    with pytest.raises(StoreError, match="closed"):
        await harness.store.has_changed()


def test_threads_that_write_at_once_all_get_their_turn(harness: StoreHarness) -> None:
    """L1"""
    claims = [harness.claimed() for _ in range(4)]

    def work(index: int) -> None:
        for _ in range(50):
            harness.append(claims[index], "x")

    writers = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(PATIENCE_S)
    for claimed in claims:
        harness.append(claimed, *completed("x" * 50))
        assert harness.row(claimed.run)["content"] == "x" * 50
    assert harness.damage() == []


def test_an_append_for_a_run_that_is_gone_is_an_error_of_its_own(harness: StoreHarness) -> None:
    claimed, other = harness.claimed(), harness.claimed()
    gone = claimed.run.pk
    for table, column in (("event", "run"), ("run", "pk")):
        harness.sql(f"DELETE FROM {table} WHERE {column} = :pk", pk=gone)
    with harness.held_up():
        lost = harness.put(claimed, "a")
        kept = harness.put(other, "a")
    assert isinstance(lost.exception(PATIENCE_S), StaleAttempt)
    assert kept.exception(PATIENCE_S) is None


@sqlite_only
def test_a_database_that_stays_locked_is_busy_and_nothing_was_written(
    harness: StoreHarness,
) -> None:
    claimed = harness.claimed()
    harness.do(lambda tx: tx.execute("PRAGMA busy_timeout=1"))
    locker = sqlite3.connect(str(harness.store.database.path), isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    try:
        error = harness.put(claimed, "a").exception(PATIENCE_S)
    finally:
        locker.execute("ROLLBACK")
        locker.close()
    assert isinstance(error, DatabaseBusy)
    assert harness.append(claimed, "b")[0].seq == 5


async def test_publishing_happens_on_the_loop_events_before_outcomes(harness: StoreHarness) -> None:
    """L3: who waits for a commit finds that its readers have been told."""
    import asyncio

    order: list[str] = []
    loop_thread = threading.get_ident()

    def listener(events: Any) -> None:
        assert threading.get_ident() == loop_thread
        order.append("published")

    harness.store.attach(asyncio.get_running_loop())
    harness.store.listen(listener)
    thread = await harness.store.write(lambda tx: _create(tx))
    order.append("told")
    assert order == ["published", "told"]
    with pytest.raises(InvalidInput):
        await harness.store.write(_invalid)
    assert thread


def _create(tx: Transaction) -> str:
    from jupyter_chat_stream.store.chat.threads import create_thread

    made, _ = create_thread(
        tx, owner="local", project="", name=None, title=None, model="m", system=None
    )
    return str(made["id"])


def _invalid(tx: Transaction) -> None:
    raise InvalidInput("No.")


@sqlite_only
def test_a_lock_is_waited_for_once_however_many_wait(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody in the batch did the harm: each by itself would wait ten seconds more."""
    waits: list[object] = []

    def locked(conn: object, threads: object) -> None:
        waits.append(conn)
        raise OperationalError(
            "BEGIN IMMEDIATE", {}, sqlite3.OperationalError("database is locked")
        )

    claims = [harness.claimed() for _ in range(8)]
    with harness.held_up():
        futures = [harness.put(claimed, "a") for claimed in claims]
        monkeypatch.setattr(driver, "begin_writing", locked)
    errors = [future.exception(PATIENCE_S) for future in futures]
    monkeypatch.undo()
    assert [type(error) for error in errors] == [DatabaseBusy] * 8
    assert len(waits) == 1
    assert harness.append(claims[0], "b")[0].seq == 5


async def test_who_waits_is_told_though_a_listener_fails(harness: StoreHarness) -> None:
    """The commit stands: a reader's bug is no reason to let a command wait for ever."""
    import asyncio

    loop = asyncio.get_running_loop()
    reported: list[object] = []
    loop.set_exception_handler(lambda _, context: reported.append(context.get("exception")))

    def listener(events: Any) -> None:
        raise LookupError("a bug")

    harness.store.attach(loop)
    harness.store.listen(listener)
    assert await asyncio.wait_for(harness.store.write(_create), PATIENCE_S)
    assert [type(error) for error in reported] == [LookupError]


def test_only_a_commit_of_many_operations_makes_the_next_one_gather(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Group commit: a lone operation waits for no tick."""
    claims = [harness.claimed() for _ in range(writer_module.BUSY_BATCH)]
    waited: list[int] = []

    def gather(seconds: float) -> None:
        waited.append(len(harness.commits))

    clock = SimpleNamespace(monotonic=time.monotonic, perf_counter=time.perf_counter, sleep=gather)
    monkeypatch.setattr(writer_module, "time", clock)
    for _ in range(3):
        harness.append(claims[0], "alone")
    assert waited == []
    with harness.held_up():  # which is one more in the batch before
        futures = [harness.put(claimed, "many") for claimed in claims]
    for future in futures:
        future.result(PATIENCE_S)
    harness.append(claims[0], "after")
    assert waited == [len(harness.commits) - 1]


def test_one_that_cannot_be_told_harms_no_other(
    harness: StoreHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """L3: what was committed stands, and who comes after it in the same commit is told too."""

    def done(*_: Any) -> None:
        raise RuntimeError("a secret")

    first, second = harness.claimed(), harness.claimed()
    deaf = Append(
        run=first.run, attempt=1, bodies=[Delta(part=0, kind="text", text="a")], on_outcome=done
    )
    with harness.held_up():
        harness.store.append(deaf)
        told = harness.put(second, "b")
    assert [event.body.text for event in told.result(PATIENCE_S)] == ["b"]
    assert [event.type for event in harness.events(first.run.thread)][-1] == "delta"
    assert "commit.untold" in caplog.text
    assert "a secret" not in caplog.text
