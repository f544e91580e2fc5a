"""Messages for later keep the laws of docs/protocol.md, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_chat_stream.shared.errors import IdempotencyMismatch, InvalidInput, StaleAttempt
from jupyter_chat_stream.shared.events import Finalized, InputRequested
from jupyter_chat_stream.shared.fold import Transcript
from jupyter_chat_stream.store.chat import answers, commands, runs, threads
from jupyter_chat_stream.store.chat.commands import HEAD, Sender, SendRequest
from jupyter_chat_stream.store.chat.due import next_wake
from jupyter_chat_stream.store.log.reading import read_branch
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from tests.store.chat.laws_of_a_story import (
    expect_a_dense_log,
    expect_folded_rows,
    expect_the_same_from_every_cursor,
)
from tests.store.harness import StoreHarness, completed
from tests.store.queries import find, is_due, messages

HOUR_MS = 3_600_000


def send(
    harness: StoreHarness,
    thread: ThreadRef,
    text: str = "Later",
    key: str | None = None,
    **more: Any,
) -> RunRef:
    """Send a message as the service does, for an hour from now where nothing else is said."""
    request = SendRequest(content=text, **{"deliver_ms": harness.clock() + HOUR_MS, **more})
    sender = Sender(owner="local", key=key)
    sent = harness.do(lambda tx: commands.send(tx, thread.id, sender, request), thread.pk)
    return find(harness, thread, sent["run"]["id"])


def message_of(harness: StoreHarness, run: RunRef) -> dict[str, Any]:
    parent = harness.row(run)["parent_id"]
    return next(m for m in messages(harness, run.thread) if m["id"] == parent)


def head(harness: StoreHarness, thread: ThreadRef) -> str | None:
    return harness.scalar("SELECT head FROM thread WHERE pk = :pk", pk=thread.pk)


def story(harness: StoreHarness, thread: ThreadRef) -> Iterator[str]:
    """Do one transaction after the other with messages for later, and name each."""
    run = send(harness, thread)
    yield "sent for later"
    meanwhile = harness.claimed(thread)
    yield "another is answered meanwhile"
    dropped = send(harness, thread, "Never")
    yield "one more"
    harness.do(lambda tx: runs.cancel(tx, dropped), thread.pk)
    yield "stopped before its time"
    harness.clock.advance(HOUR_MS)
    yield "time goes by"
    assert harness.claim(run) is None
    yield "delivered, behind the other"
    harness.append(meanwhile, "Me", *completed("Me"), release=True)
    yield "its turn"
    claimed = harness.claim(run)
    assert claimed is not None
    harness.append(claimed, "An", InputRequested(request_id="q", prompt="?"), release=True)
    yield "asks"
    harness.do(lambda tx: answers.give_input(tx, run, "local", "q", "x"), thread.pk)
    yield "answered"
    again = harness.do(lambda tx: runs.make_successor(tx, dropped, keep_parts=False).ref, thread.pk)
    yield "what was stopped is sent after all"
    harness.do(lambda tx: runs.cancel(tx, again), thread.pk)
    yield "and stopped again"
    harness.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)
    yield "the thread is deleted"


# ---------------------------------------------------------------- the laws, at every step


def test_seq_stays_dense_and_events_stay_as_they_are(harness: StoreHarness) -> None:
    """L1, L2"""
    thread = harness.thread()
    expect_a_dense_log(harness, thread, story(harness, thread))


def test_what_is_published_is_what_is_stored(harness: StoreHarness) -> None:
    """L3"""
    thread = harness.thread()
    for step in story(harness, thread):
        published = [event for commit in harness.commits for event in commit]
        assert published == harness.events(thread), step


def test_every_row_is_the_fold_of_its_events(harness: StoreHarness) -> None:
    """L7: rows of messages, runs and thread, after every transaction."""
    thread = harness.thread()
    expect_folded_rows(harness, thread, story(harness, thread))


def test_every_cursor_leads_to_the_same_state(harness: StoreHarness) -> None:
    """L6: wherever a reader was when it lost touch, by events or by a snapshot."""
    thread = harness.thread()
    expect_the_same_from_every_cursor(harness, thread, story(harness, thread))


def test_every_transaction_leaves_each_run_with_something_to_go_on(harness: StoreHarness) -> None:
    """L10: a time to wake, an owner, an open question, a predecessor, or it is due."""
    thread = harness.thread()
    for step in story(harness, thread):
        for run in harness.look(lambda conn: runs.open_runs(conn, thread)):
            state = harness.run(run)
            asks = any(part.get("by", "") is None for part in harness.row(run)["parts"])
            assert (
                is_due(harness, run)
                or harness.scalar("SELECT owner FROM run WHERE pk = :pk", pk=run.pk)
                or (state["status"] == "waiting" and (state["wake_at"] or asks))
                or harness.scalar(
                    "SELECT 1 FROM run JOIN run AS earlier ON earlier.thread = run.thread "
                    "WHERE run.pk = :pk AND earlier.turn < run.turn AND earlier.ended_ms IS NULL",
                    pk=run.pk,
                )
            ), (step, state)


# ---------------------------------------------------------------- before its time


def test_it_is_seen_at_once_and_is_on_no_branch_and_in_no_queue(harness: StoreHarness) -> None:
    """L10: it has its time to wake, and keeps nobody waiting."""
    thread = harness.thread()
    first = harness.answered(thread)
    run = send(harness, thread)
    message, reply = messages(harness, thread)[-2:]
    assert (message["status"], message["parent_id"]) == ("waiting", None)
    assert (reply["status"], reply["parent_id"]) == ("waiting", message["id"])
    assert head(harness, thread) == first.message_id
    wake = harness.clock() + HOUR_MS
    assert harness.look(lambda conn: next_wake(conn, harness.clock())) == wake
    assert not is_due(harness, run)
    other = harness.send(thread)
    assert is_due(harness, other)


def test_stopped_before_its_time_it_is_cancelled_with_its_message(harness: StoreHarness) -> None:
    """L4: one end, in one transaction; nothing wakes it."""
    thread = harness.thread()
    run = send(harness, thread)
    harness.commits.clear()
    assert harness.do(lambda tx: runs.cancel(tx, run), thread.pk)
    assert [[event.type for event in commit] for commit in harness.commits] == [
        ["message", "finalized"]
    ]
    assert [m["status"] for m in messages(harness, thread)] == ["cancelled", "cancelled"]
    assert harness.do(lambda tx: runs.cancel(tx, run), thread.pk) is False
    harness.clock.advance(HOUR_MS)
    assert not is_due(harness, run)
    assert head(harness, thread) is None


def test_a_retry_of_what_was_stopped_delivers_it_now(harness: StoreHarness) -> None:
    """L4: the old run stays ended; the message hangs on what is the head by now."""
    thread = harness.thread()
    run = send(harness, thread)
    harness.do(lambda tx: runs.cancel(tx, run), thread.pk)
    other = harness.answered(thread)
    again = harness.do(lambda tx: runs.make_successor(tx, run, keep_parts=False).ref, thread.pk)
    message = message_of(harness, again)
    assert (message["status"], message["parent_id"]) == ("completed", other.message_id)
    assert head(harness, thread) == again.message_id
    assert is_due(harness, again)
    assert harness.run(run)["status"] == "cancelled"
    twice = harness.do(lambda tx: runs.make_successor(tx, run, keep_parts=False).ref, thread.pk)
    assert message_of(harness, twice) == message


def test_its_key_stands_for_it_before_and_after_its_time(harness: StoreHarness) -> None:
    """L11: also when what was later is past by now."""
    thread = harness.thread()
    at = harness.clock() + HOUR_MS
    run = send(harness, thread, key="k", deliver_ms=at)
    assert send(harness, thread, key="k", deliver_ms=at) == run
    assert harness.claim(run) is not None
    harness.clock.advance(HOUR_MS)
    assert send(harness, thread, key="k", deliver_ms=at) == run
    assert len(messages(harness, thread)) == 2
    for other in (None, at + 1):
        with pytest.raises(IdempotencyMismatch):
            send(harness, thread, key="k", deliver_ms=other)


# ---------------------------------------------------------------- delivery


def test_it_joins_the_head_of_its_time_and_becomes_it(harness: StoreHarness) -> None:
    thread = harness.thread()
    run = send(harness, thread)
    last = harness.answered(thread)
    claimed = harness.claim(run)
    assert claimed is not None
    message = message_of(harness, run)
    assert (message["status"], message["parent_id"]) == ("completed", last.message_id)
    assert head(harness, thread) == run.message_id
    state = harness.run(run)
    assert (state["status"], state["phase"], state["wake_at"]) == ("processing", "thinking", None)
    harness.append(claimed, "a", *completed("a"), release=True)
    assert harness.run(run)["status"] == "completed"


@pytest.mark.parametrize("parent", ["root", "reply", "head"])
def test_a_parent_that_was_named_is_kept(harness: StoreHarness, parent: str) -> None:
    thread = harness.thread()
    first = harness.answered(thread).message_id
    last = harness.answered(thread).message_id
    given: Any = {"root": None, "reply": first, "head": HEAD}[parent]
    run = send(harness, thread, parent_id=given)
    assert message_of(harness, run)["parent_id"] == (None if parent == "head" else given)
    assert harness.claim(run) is not None
    expected = {"root": None, "reply": first, "head": last}[parent]
    assert message_of(harness, run)["parent_id"] == expected


def test_it_takes_its_turn_when_it_is_delivered_not_when_it_was_sent(harness: StoreHarness) -> None:
    """L10: behind what is open at its time, before what comes after."""
    thread = harness.thread()
    run = send(harness, thread)
    earlier = harness.claimed(thread)
    assert harness.claim(run) is None
    state = harness.run(run)
    assert (state["status"], state["phase"], state["wake_at"]) == ("pending", "queued", None)
    assert head(harness, thread) == run.message_id
    after = harness.send(thread)
    assert message_of(harness, after)["parent_id"] == run.message_id
    assert not is_due(harness, run)
    harness.append(earlier, *completed(""), release=True)
    assert is_due(harness, run)
    assert not is_due(harness, after)


def test_it_is_delivered_once_however_many_try(harness: StoreHarness) -> None:
    """L5: those who saw it due with the one who was first are refused."""
    thread = harness.thread()
    run = send(harness, thread)
    harness.clock.advance(HOUR_MS)
    claimed = harness.claim(run)
    assert claimed is not None
    delivered = [
        event
        for event in harness.events(thread)
        if event.type == "message" and event.message_id == run.message_id
    ]
    assert len(delivered) == 2
    assert harness.claim(run, "01b") is not None  # the first died
    with pytest.raises(StaleAttempt):
        harness.append(claimed, "too late")
    with pytest.raises(StaleAttempt):
        harness.append(claimed, Finalized(status="completed"))


def test_several_for_the_same_time_are_delivered_in_the_order_they_were_sent(
    harness: StoreHarness,
) -> None:
    thread = harness.thread()
    at = harness.clock() + HOUR_MS
    sent = [send(harness, thread, f"{n}", deliver_ms=at) for n in range(3)]
    harness.clock.advance(HOUR_MS)
    for run in sent:
        claimed = harness.claim(run)
        if claimed is not None:
            harness.append(claimed, *completed(""), release=True)
    parents = [message_of(harness, run)["parent_id"] for run in sent]
    assert parents == [None, sent[0].message_id, sent[1].message_id]


def test_a_time_that_has_passed_is_now(harness: StoreHarness) -> None:
    thread = harness.thread()
    run = send(harness, thread, deliver_ms=harness.clock())
    assert is_due(harness, run)
    assert message_of(harness, run)["status"] == "completed"
    assert harness.run(run)["wake_at"] is None


def test_a_reader_who_saw_it_waiting_sees_it_delivered(harness: StoreHarness) -> None:
    """L6: live, event by event."""
    thread = harness.thread()
    reader = Transcript()
    run = send(harness, thread)
    harness.follow(reader, thread)
    assert reader.runs[run.id]["status"] == "waiting"
    assert reader.thread["head"] is None
    harness.claim(run)
    harness.follow(reader, thread)
    assert reader.runs[run.id]["status"] == "processing"
    assert reader.thread["head"] == run.message_id


# ---------------------------------------------------------------- branches have no cycle


def branch(harness: StoreHarness, run: RunRef) -> list[str]:
    """Return the ids from the root to the run's reply."""
    return [m["id"] for m in harness.look(lambda conn: read_branch(conn, run, 2000))]


def put_head(harness: StoreHarness, thread: ThreadRef, message_id: str) -> None:
    harness.do(
        lambda tx: threads.change_thread(tx, "local", thread.id, {"head": message_id}), thread.pk
    )


@pytest.mark.parametrize("which", ["message", "reply"])
@pytest.mark.parametrize("stopped", [False, True], ids=["waiting", "stopped"])
def test_nothing_hangs_on_what_is_not_delivered(
    harness: StoreHarness, which: str, stopped: bool
) -> None:
    """It is on no branch: neither a parent nor the head; once delivered it may be both."""
    thread = harness.thread()
    run = send(harness, thread)
    place = {"message": message_of(harness, run)["id"], "reply": run.message_id}[which]
    if stopped:
        harness.do(lambda tx: runs.cancel(tx, run), thread.pk)
    before = harness.events(thread)
    for deliver_ms in (None, harness.clock() + HOUR_MS):
        with pytest.raises(InvalidInput) as refused:
            send(harness, thread, parent_id=place, deliver_ms=deliver_ms)
        assert refused.value.facts["field"] == "parent_id"
    with pytest.raises(InvalidInput) as refused:
        put_head(harness, thread, place)
    assert refused.value.facts["field"] == "head"
    assert harness.events(thread) == before
    if stopped:
        harness.do(lambda tx: runs.make_successor(tx, run, keep_parts=False).ref, thread.pk)
    else:
        harness.claim(run)
    put_head(harness, thread, place)
    assert message_of(harness, send(harness, thread, parent_id=place))["parent_id"] == place


@pytest.mark.parametrize("stopped", [False, True], ids=["waiting", "stopped"])
def test_a_head_that_hangs_on_the_message_itself_does_not_become_its_parent(
    harness: StoreHarness, stopped: bool
) -> None:
    """A file may hold such a head from before it was refused; the message stays a root."""
    thread = harness.thread()
    run = send(harness, thread)
    message_id = message_of(harness, run)["id"]
    harness.answered(thread)
    below = harness.answered(thread)
    first = message_of(harness, below)["id"]
    harness.sql("UPDATE message SET parent_id = :it WHERE id = :first", it=message_id, first=first)
    if stopped:
        harness.do(lambda tx: runs.cancel(tx, run), thread.pk)
        run = harness.do(lambda tx: runs.make_successor(tx, run, keep_parts=False).ref, thread.pk)
    else:
        assert harness.claim(run) is not None
    assert branch(harness, run) == [message_id, run.message_id]
    assert branch(harness, below) == [message_id, first, below.message_id]


def test_a_branch_that_runs_in_a_circle_is_read_once_round(harness: StoreHarness) -> None:
    """A file may hold one from before it was refused."""
    thread = harness.thread()
    first, last = harness.answered(thread), harness.answered(thread)
    ids = branch(harness, last)
    harness.sql("UPDATE message SET parent_id = :last WHERE id = :root", last=ids[-1], root=ids[0])
    assert branch(harness, last) == ids
    assert sorted(branch(harness, first)) == sorted(ids)
    assert branch(harness, first)[-1] == first.message_id
