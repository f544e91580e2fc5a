"""Old threads go in steps, and one process at a time sees to it; on every database."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import ForeignKey
from sqlmodel import SQLModel

from jupyter_chat_stream.shared.errors import DatabaseBusy, ThreadNotFound
from jupyter_chat_stream.shared.events import Completed, Finalized
from jupyter_chat_stream.shared.tool_records import ToolRecord
from jupyter_chat_stream.store.chat import commands, runs, schedules, threads
from jupyter_chat_stream.store.chat.commands import Sender, SendRequest
from jupyter_chat_stream.store.chat.consents import put_consent
from jupyter_chat_stream.store.chat.tool_offers import put_offers
from jupyter_chat_stream.store.log import upstreams
from jupyter_chat_stream.store.log.transaction import ThreadRef, Transaction
from jupyter_chat_stream.store.retention import compaction, purging
from jupyter_chat_stream.store.retention.cleanup import (
    LEASE_MS,
    PURGE_AFTER_MS,
    CleanupLease,
    CleanupLeaseLost,
    Counts,
    Policy,
    plan,
)
from jupyter_chat_stream.store.retention.purging import LEDGER, owned_tables
from jupyter_chat_stream.store.retention.steps import Write
from tests.store.harness import StoreHarness
from tests.store.retention.stepping import DAY_MS, collected, tidying

TOOL: ToolRecord = {
    "name": "f",
    "description": "",
    "input_schema": {"type": "object"},
    "where": "kernel",
    "effect": "run",
    "source": "function",
}
KEEPS = Policy(keep_events_ms=None, retention_ms=None)
MONTH = Policy(keep_events_ms=None, retention_ms=30 * DAY_MS)
OWNED = (
    "compaction",
    "consent",
    "event",
    "idempotency",
    "mark",
    "message",
    "message_attachment",
    "provider_data",
    "run",
    "schedule",
    "tool_offer",
)


def full_thread(harness: StoreHarness) -> ThreadRef:
    """A thread with rows in every table that threads have rows in."""
    thread = harness.thread(name="churn")
    harness.answered(thread, "abcdef")
    collected(harness)
    harness.answered(thread, "ghi")
    usage = {"input_tokens": 3, "output_tokens": 4}
    counted = Completed(content="a", usage=usage, stop_reason="end_turn", model=None)
    bodies = ("a", counted, Finalized(status="completed"))
    harness.append(harness.claimed(thread), *bodies, release=True)

    def work(tx: Transaction) -> None:
        sender = Sender(owner="local", key="k")
        request = SendRequest(content="Why?", attachments=attached)
        sent = commands.send(tx, thread.id, sender, request)
        run = runs.find_run(tx.conn, "local", sent["run"]["id"])
        item = upstreams.ProviderData(endpoint="e", part=0, data={"signature": "s"})
        upstreams.write_data(tx, run, [item])
        put_offers(tx, "local", thread.id, executor="e", label="a", socket="s", tools=[TOOL])
        put_consent(tx, "local", tool="f", operation="", digest="d", thread_id=thread.id)

    attached = [harness.attachment(data) for data in (b"one", b"two", b"two")]
    harness.do(work, thread.pk)
    scheduled(harness, thread)
    for table in (LEDGER, *(name for name, _ in owned_tables())):
        assert rows_of(harness, table, thread) > 0, table
    return thread


def scheduled(harness: StoreHarness, thread: ThreadRef) -> str:
    new = schedules.NewSchedule(content="Again?", cron="0 9 * * *")
    made, _ = harness.do(lambda tx: schedules.create(tx, "local", thread.id, new), thread.pk)
    return str(made["id"])


def delete(harness: StoreHarness, thread: ThreadRef) -> None:
    harness.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)


def rows_of(harness: StoreHarness, table: str, thread: ThreadRef) -> int:
    sql = f"SELECT COUNT(*) FROM {table} WHERE thread = :thread"
    return int(harness.scalar(sql, thread=thread.pk))


def is_there(harness: StoreHarness, thread: ThreadRef) -> bool:
    return bool(harness.scalar("SELECT COUNT(*) FROM thread WHERE pk = :pk", pk=thread.pk))


def assert_gone(harness: StoreHarness, thread: ThreadRef) -> None:
    """No row of any table is left of it, and nobody finds it."""
    assert not is_there(harness, thread)
    assert {table: rows_of(harness, table, thread) for table in OWNED} == dict.fromkeys(OWNED, 0)
    with pytest.raises(ThreadNotFound):
        harness.after(thread, 0)
    with pytest.raises(ThreadNotFound):
        harness.look(lambda conn: threads.find_thread(conn, "local", thread.id))
    if harness.store.database.is_sqlite:
        assert harness.scalar("PRAGMA foreign_key_check") is None


INDEX = ("search_row", "search_due")
CALLS = "tool_call"
FOLLOWS_A_MESSAGE = ("message", "CASCADE")

# ---------------------------------------------------------------------- purging


def test_every_table_that_refers_to_a_thread_is_purged_with_it() -> None:
    """A new table joins by naming its thread `thread`; one that does not is found here."""
    names = [name for name, _ in owned_tables()]
    assert sorted(names) == sorted(OWNED)
    assert names[0] == "event"
    for table in SQLModel.metadata.sorted_tables:
        if table.name == LEDGER:  # its rows stay, without their thread
            continue
        keys: set[ForeignKey] = set(table.foreign_keys)
        if table.name in INDEX:  # its rows go with their message's row
            assert [(key.column.table.name, key.ondelete) for key in keys] == [FOLLOWS_A_MESSAGE]
            continue
        if table.name == CALLS:  # its rows go with the end of their run, before any purge
            assert {key.column.table.name for key in keys} == {"run"}
            continue
        if any(key.column.table.name in ("thread", "run", "message") for key in keys):
            assert "thread" in table.c, table.name
        for key in keys:
            referred = key.column.table.name
            if referred in names:  # whoever refers to a row goes before it
                assert names.index(table.name) < names.index(referred)


def test_a_deleted_thread_is_purged_after_a_day_and_no_other(harness: StoreHarness) -> None:
    thread, other = full_thread(harness), harness.answered().thread
    before = harness.events(other)
    delete(harness, thread)
    harness.clock.advance(DAY_MS - 1000)
    assert collected(harness, KEEPS).purged_threads == 0
    assert is_there(harness, thread)
    harness.clock.advance(1001)
    counts = collected(harness, KEEPS)
    assert counts.purged_threads == 1
    assert counts.purged_rows > 20
    assert_gone(harness, thread)
    assert harness.events(other) == before
    assert harness.damage() == []


def test_a_purge_may_end_after_any_step(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L7: the store agrees with itself all the time; each life of the process makes one step."""
    monkeypatch.setattr(purging, "AT_ONCE", {"event": 5})
    monkeypatch.setattr(purging, "AT_ONCE_ELSE", 1)
    thread = full_thread(harness)
    delete(harness, thread)
    harness.clock.advance(PURGE_AFTER_MS)
    lives = 0
    while next(tidying(harness, KEEPS), None) is not None:
        lives += 1
        harness = harness.reopened()
        assert harness.damage() == []
        with pytest.raises(ThreadNotFound):
            harness.look(lambda conn: threads.find_thread(conn, "local", thread.id))
    assert lives > 10
    assert_gone(harness, thread)
    harness.close()


def test_a_thread_whose_log_does_not_say_that_it_was_deleted_stays(harness: StoreHarness) -> None:
    """What is damaged is evidence, not rubbish."""
    thread = harness.answered().thread
    harness.sql("UPDATE thread SET deleted = TRUE WHERE pk = :pk", pk=thread.pk)
    harness.clock.advance(2 * PURGE_AFTER_MS)
    counts = collected(harness, KEEPS)
    assert (counts.purged_threads, counts.damaged) == (0, 1)
    assert is_there(harness, thread)
    assert any("deleted differs" in line for line in harness.damage())


# ---------------------------------------------------------------------- expiring


def test_a_quiet_thread_is_marked_deleted_by_the_usual_event_then_purged(
    harness: StoreHarness,
) -> None:
    """L3, L7: followers hear of it as of any deletion, and have a day to be told."""
    thread = harness.answered(harness.thread(name="churn")).thread
    harness.clock.advance(30 * DAY_MS)
    recent = harness.answered().thread
    harness.commits.clear()
    assert collected(harness, MONTH).expired_threads == 1
    event = harness.commits[-1][-1]
    assert (event.type, event.thread_id, event["thread"]) == (
        "thread",
        thread.id,
        {"deleted": True, "name": None},
    )
    assert harness.after(thread, 0).deleted
    assert harness.damage() == []
    harness.clock.advance(PURGE_AFTER_MS)
    assert collected(harness, MONTH).purged_threads == 1
    assert_gone(harness, thread)
    assert is_there(harness, recent)


def waiting(harness: StoreHarness, thread: ThreadRef) -> None:
    harness.send(thread)


def repeating(harness: StoreHarness, thread: ThreadRef) -> None:
    scheduled(harness, thread)


@pytest.mark.parametrize("why", [waiting, repeating])
def test_a_thread_in_which_something_is_to_happen_is_not_quiet(
    harness: StoreHarness, why: Callable[[StoreHarness, ThreadRef], None]
) -> None:
    thread = harness.answered().thread
    why(harness, thread)
    harness.clock.advance(400 * DAY_MS)
    assert collected(harness, MONTH).expired_threads == 0
    assert is_there(harness, thread)


def test_a_paused_schedule_keeps_no_thread(harness: StoreHarness) -> None:
    thread = harness.answered().thread
    id_ = scheduled(harness, thread)
    harness.do(lambda tx: schedules.change(tx, "local", id_, {"paused": True}), thread.pk)
    harness.clock.advance(31 * DAY_MS)
    assert collected(harness, MONTH).expired_threads == 1


def test_what_is_said_at_the_last_moment_keeps_the_thread(harness: StoreHarness) -> None:
    """Whether it is still quiet is asked in the transaction that marks it."""
    thread = harness.answered().thread
    harness.clock.advance(31 * DAY_MS)
    steps = purging.expire(thread, harness.clock() - 30 * DAY_MS)
    write = next(steps)
    harness.send(thread)
    assert harness.do(write.work, thread.pk) is False


# ---------------------------------------------------------------------- plans and turns


def test_a_plan_says_what_a_collection_then_does(harness: StoreHarness) -> None:
    policy = Policy(keep_events_ms=DAY_MS, retention_ms=30 * DAY_MS)
    delete(harness, harness.answered(pieces="gone").thread)
    harness.clock.advance(2 * DAY_MS)
    harness.send(harness.answered(pieces="abc").thread)
    harness.answered(pieces="de")
    harness.clock.advance(31 * DAY_MS)
    planned = harness.look(lambda conn: plan(conn, policy, harness.clock()))
    counts = collected(harness, policy)
    assert planned.threads_to_expire == counts.expired_threads == 1
    assert planned.threads_to_purge == counts.purged_threads == 1
    # what is marked deleted is not compacted any more
    assert (planned.runs_to_compact, counts.compacted_runs) == (2, 1)
    assert (planned.deltas_to_compact, counts.compacted_deltas) == (5, 3)


def test_one_has_the_turn_until_it_gives_it_back_or_dies(harness: StoreHarness) -> None:
    """By whoever's clock: one that was far ahead keeps nobody out for longer than a lease."""
    one, two = CleanupLease("one"), CleanupLease("two")
    assert harness.do(one.take)
    assert not harness.do(two.take)
    with pytest.raises(DatabaseBusy):
        collected(harness, KEEPS)
    harness.do(two.give_back)  # not its to give
    assert not harness.do(two.take)
    harness.do(one.give_back)
    assert harness.do(two.take)
    harness.clock.advance(LEASE_MS + 1)  # of whom nothing was heard
    assert harness.do(one.take)
    harness.clock.advance(-10 * DAY_MS)
    assert harness.do(two.take)


def test_a_step_is_made_by_who_has_the_turn_alone(harness: StoreHarness) -> None:
    """Who was frozen and wakes up does nothing more."""
    one, two = CleanupLease("one"), CleanupLease("two")
    made: list[str] = []
    counts = Counts()
    step = Write(work=lambda tx: made.append(tx.new_id()))
    assert harness.do(one.take)
    harness.do(one.holding(step, counts))
    harness.clock.advance(LEASE_MS - 1)
    harness.do(one.holding(step, counts))  # which holds on to it
    harness.clock.advance(LEASE_MS - 1)
    assert not harness.do(two.take)
    harness.clock.advance(LEASE_MS)
    assert harness.do(two.take)
    with pytest.raises(CleanupLeaseLost):
        harness.do(one.holding(step, counts))
    assert (len(made), counts.steps) == (2, 2)


def test_a_collection_gives_its_lease_back_however_it_ends(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.answered(pieces="abc")

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake")

    with monkeypatch.context() as broken:
        broken.setattr(compaction, "delete_slice", fail)
        with pytest.raises(RuntimeError):
            collected(harness, Policy(keep_events_ms=0, retention_ms=None))
    assert collected(harness, Policy(keep_events_ms=0, retention_ms=None)).compacted_deltas == 3
