"""Messages for later keep the laws of docs/protocol.md, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_chat_stream.shared.errors import IdempotencyMismatch, InvalidInput, StaleAttempt
from jupyter_chat_stream.shared.events import Finalized, InputRequested, canonical
from jupyter_chat_stream.shared.fold import Transcript
from jupyter_chat_stream.store.chat import commands, runs, threads
from jupyter_chat_stream.store.chat.claims import next_wake
from jupyter_chat_stream.store.chat.commands import HEAD, Sender, SendRequest
from jupyter_chat_stream.store.log.reading import read_branch, read_snapshot
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from tests.store.bench import Bench, completed, fold
from tests.store.looks import find, is_due, messages

HOUR_MS = 3_600_000


def send(
    bench: Bench, thread: ThreadRef, text: str = "Later", key: str | None = None, **more: Any
) -> RunRef:
    """Send a message as the service does, for an hour from now where nothing else is said."""
    request = SendRequest(content=text, **{"deliver_ms": bench.clock() + HOUR_MS, **more})
    sender = Sender(owner="local", key=key)
    sent = bench.do(lambda tx: commands.send(tx, thread.id, sender, request), thread.pk)
    return find(bench, thread, sent["run"]["id"])


def message_of(bench: Bench, run: RunRef) -> dict[str, Any]:
    parent = bench.row(run)["parent_id"]
    return next(m for m in messages(bench, run.thread) if m["id"] == parent)


def head(bench: Bench, thread: ThreadRef) -> str | None:
    return bench.scalar("SELECT head FROM thread WHERE pk = :pk", pk=thread.pk)


def story(bench: Bench, thread: ThreadRef) -> Iterator[str]:
    """Do one transaction after the other with messages for later, and name each."""
    run = send(bench, thread)
    yield "sent for later"
    meanwhile = bench.claimed(thread)
    yield "another is answered meanwhile"
    dropped = send(bench, thread, "Never")
    yield "one more"
    bench.do(lambda tx: runs.cancel(tx, dropped), thread.pk)
    yield "stopped before its time"
    bench.clock.advance(HOUR_MS)
    yield "time goes by"
    assert bench.claim(run) is None
    yield "delivered, behind the other"
    bench.append(meanwhile, "Me", *completed("Me"), release=True)
    yield "its turn"
    claimed = bench.claim(run)
    assert claimed is not None
    bench.append(claimed, "An", InputRequested(request_id="q", prompt="?"), release=True)
    yield "asks"
    bench.do(lambda tx: commands.give_input(tx, run, "local", "q", "x"), thread.pk)
    yield "answered"
    again = bench.do(lambda tx: runs.make_successor(tx, dropped, keep_parts=False), thread.pk)
    yield "what was stopped is sent after all"
    bench.do(lambda tx: runs.cancel(tx, again), thread.pk)
    yield "and stopped again"
    bench.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)
    yield "the thread is deleted"


# ---------------------------------------------------------------- the laws, at every step


def test_seq_stays_dense_and_events_stay_as_they_are(bench: Bench) -> None:
    """L1, L2"""
    thread = bench.thread()
    before: list[Any] = []
    for step in story(bench, thread):
        events = bench.events(thread)
        assert [event.seq for event in events] == list(range(1, len(events) + 1)), step
        assert events[: len(before)] == before, step
        before = events


def test_what_is_published_is_what_is_stored(bench: Bench) -> None:
    """L3"""
    thread = bench.thread()
    for step in story(bench, thread):
        published = [event for commit in bench.commits for event in commit]
        assert published == bench.events(thread), step


def test_every_row_is_the_fold_of_its_events(bench: Bench) -> None:
    """L7: rows of messages, runs and thread, after every transaction."""
    thread = bench.thread()
    for step in story(bench, thread):
        state = fold(bench.events(thread)).state()
        snapshot = bench.look(lambda conn: read_snapshot(conn, thread, 0)).to_wire()
        assert canonical(snapshot["messages"]) == canonical(state["messages"]), step
        assert canonical(snapshot["runs"]) == canonical(state["runs"]), step
        assert canonical(snapshot["info"]) == canonical(state["thread"]), step
        assert bench.damage() == [], step


def test_every_cursor_leads_to_the_same_state(bench: Bench) -> None:
    """L6: wherever a reader was when it lost touch, by events or by a snapshot."""
    thread = bench.thread()
    for _ in story(bench, thread):
        pass
    events = bench.events(thread)
    whole = canonical(fold(events).state())
    for cursor in range(len(events) + 1):
        state = fold(events[:cursor])
        assert canonical(bench.follow(state, thread).state()) == whole, cursor
        jumped = fold(events[:cursor])
        jumped.replace(bench.look(lambda conn, c=cursor: read_snapshot(conn, thread, c)).to_wire())
        assert canonical(jumped.state()) == whole, cursor


def test_every_transaction_leaves_each_run_with_something_to_go_on(bench: Bench) -> None:
    """L10: a time to wake, an owner, an open question, a predecessor, or it is due."""
    thread = bench.thread()
    for step in story(bench, thread):
        for run in bench.look(lambda conn: runs.open_runs(conn, thread)):
            state = bench.run(run)
            asks = any(part.get("by", "") is None for part in bench.row(run)["parts"])
            assert (
                is_due(bench, run)
                or bench.scalar("SELECT owner FROM run WHERE pk = :pk", pk=run.pk)
                or (state["status"] == "waiting" and (state["wake_at"] or asks))
                or bench.scalar(
                    "SELECT 1 FROM run JOIN run AS earlier ON earlier.thread = run.thread "
                    "WHERE run.pk = :pk AND earlier.turn < run.turn AND earlier.ended_ms IS NULL",
                    pk=run.pk,
                )
            ), (step, state)


# ---------------------------------------------------------------- before its time


def test_it_is_seen_at_once_and_is_on_no_branch_and_in_no_queue(bench: Bench) -> None:
    """L10: it has its time to wake, and keeps nobody waiting."""
    thread = bench.thread()
    first = bench.answered(thread)
    run = send(bench, thread)
    message, reply = messages(bench, thread)[-2:]
    assert (message["status"], message["parent_id"]) == ("waiting", None)
    assert (reply["status"], reply["parent_id"]) == ("waiting", message["id"])
    assert head(bench, thread) == first.message_id
    wake = bench.clock() + HOUR_MS
    assert bench.look(lambda conn: next_wake(conn, bench.clock())) == wake
    assert not is_due(bench, run)
    other = bench.send(thread)
    assert is_due(bench, other)


def test_stopped_before_its_time_it_is_cancelled_with_its_message(bench: Bench) -> None:
    """L4: one end, in one transaction; nothing wakes it."""
    thread = bench.thread()
    run = send(bench, thread)
    bench.commits.clear()
    assert bench.do(lambda tx: runs.cancel(tx, run), thread.pk)
    assert [[event.type for event in commit] for commit in bench.commits] == [
        ["message", "finalized"]
    ]
    assert [m["status"] for m in messages(bench, thread)] == ["cancelled", "cancelled"]
    assert bench.do(lambda tx: runs.cancel(tx, run), thread.pk) is False
    bench.clock.advance(HOUR_MS)
    assert not is_due(bench, run)
    assert head(bench, thread) is None


def test_a_retry_of_what_was_stopped_delivers_it_now(bench: Bench) -> None:
    """L4: the old run stays ended; the message hangs on what is the head by now."""
    thread = bench.thread()
    run = send(bench, thread)
    bench.do(lambda tx: runs.cancel(tx, run), thread.pk)
    other = bench.answered(thread)
    again = bench.do(lambda tx: runs.make_successor(tx, run, keep_parts=False), thread.pk)
    message = message_of(bench, again)
    assert (message["status"], message["parent_id"]) == ("completed", other.message_id)
    assert head(bench, thread) == again.message_id
    assert is_due(bench, again)
    assert bench.run(run)["status"] == "cancelled"
    twice = bench.do(lambda tx: runs.make_successor(tx, run, keep_parts=False), thread.pk)
    assert message_of(bench, twice) == message


def test_its_key_stands_for_it_before_and_after_its_time(bench: Bench) -> None:
    """L11: also when what was later is past by now."""
    thread = bench.thread()
    at = bench.clock() + HOUR_MS
    run = send(bench, thread, key="k", deliver_ms=at)
    assert send(bench, thread, key="k", deliver_ms=at) == run
    assert bench.claim(run) is not None
    bench.clock.advance(HOUR_MS)
    assert send(bench, thread, key="k", deliver_ms=at) == run
    assert len(messages(bench, thread)) == 2
    for other in (None, at + 1):
        with pytest.raises(IdempotencyMismatch):
            send(bench, thread, key="k", deliver_ms=other)


# ---------------------------------------------------------------- delivery


def test_it_joins_the_head_of_its_time_and_becomes_it(bench: Bench) -> None:
    thread = bench.thread()
    run = send(bench, thread)
    last = bench.answered(thread)
    claimed = bench.claim(run)
    assert claimed is not None
    message = message_of(bench, run)
    assert (message["status"], message["parent_id"]) == ("completed", last.message_id)
    assert head(bench, thread) == run.message_id
    state = bench.run(run)
    assert (state["status"], state["phase"], state["wake_at"]) == ("processing", "thinking", None)
    bench.append(claimed, "a", *completed("a"), release=True)
    assert bench.run(run)["status"] == "completed"


@pytest.mark.parametrize("parent", ["root", "reply", "head"])
def test_a_parent_that_was_named_is_kept(bench: Bench, parent: str) -> None:
    thread = bench.thread()
    first = bench.answered(thread).message_id
    last = bench.answered(thread).message_id
    given: Any = {"root": None, "reply": first, "head": HEAD}[parent]
    run = send(bench, thread, parent_id=given)
    assert message_of(bench, run)["parent_id"] == (None if parent == "head" else given)
    assert bench.claim(run) is not None
    expected = {"root": None, "reply": first, "head": last}[parent]
    assert message_of(bench, run)["parent_id"] == expected


def test_it_takes_its_turn_when_it_is_delivered_not_when_it_was_sent(bench: Bench) -> None:
    """L10: behind what is open at its time, before what comes after."""
    thread = bench.thread()
    run = send(bench, thread)
    earlier = bench.claimed(thread)
    assert bench.claim(run) is None
    state = bench.run(run)
    assert (state["status"], state["phase"], state["wake_at"]) == ("pending", "queued", None)
    assert head(bench, thread) == run.message_id
    after = bench.send(thread)
    assert message_of(bench, after)["parent_id"] == run.message_id
    assert not is_due(bench, run)
    bench.append(earlier, *completed(""), release=True)
    assert is_due(bench, run)
    assert not is_due(bench, after)


def test_it_is_delivered_once_however_many_try(bench: Bench) -> None:
    """L5: those who saw it due with the one who was first are refused."""
    thread = bench.thread()
    run = send(bench, thread)
    bench.clock.advance(HOUR_MS)
    claimed = bench.claim(run)
    assert claimed is not None
    delivered = [
        event
        for event in bench.events(thread)
        if event.type == "message" and event.message_id == run.message_id
    ]
    assert len(delivered) == 2
    assert bench.claim(run, "01b") is not None  # the first died
    with pytest.raises(StaleAttempt):
        bench.append(claimed, "too late")
    with pytest.raises(StaleAttempt):
        bench.append(claimed, Finalized(status="completed"))


def test_several_for_the_same_time_are_delivered_in_the_order_they_were_sent(bench: Bench) -> None:
    thread = bench.thread()
    at = bench.clock() + HOUR_MS
    sent = [send(bench, thread, f"{n}", deliver_ms=at) for n in range(3)]
    bench.clock.advance(HOUR_MS)
    for run in sent:
        claimed = bench.claim(run)
        if claimed is not None:
            bench.append(claimed, *completed(""), release=True)
    parents = [message_of(bench, run)["parent_id"] for run in sent]
    assert parents == [None, sent[0].message_id, sent[1].message_id]


def test_a_time_that_has_passed_is_now(bench: Bench) -> None:
    thread = bench.thread()
    run = send(bench, thread, deliver_ms=bench.clock())
    assert is_due(bench, run)
    assert message_of(bench, run)["status"] == "completed"
    assert bench.run(run)["wake_at"] is None


def test_a_reader_who_saw_it_waiting_sees_it_delivered(bench: Bench) -> None:
    """L6: live, event by event."""
    thread = bench.thread()
    reader = Transcript()
    run = send(bench, thread)
    bench.follow(reader, thread)
    assert reader.runs[run.id]["status"] == "waiting"
    assert reader.thread["head"] is None
    bench.claim(run)
    bench.follow(reader, thread)
    assert reader.runs[run.id]["status"] == "processing"
    assert reader.thread["head"] == run.message_id


# ---------------------------------------------------------------- branches have no cycle


def branch(bench: Bench, run: RunRef) -> list[str]:
    """Give the ids from the root to the run's reply."""
    return [m["id"] for m in bench.look(lambda conn: read_branch(conn, run, 2000))]


def put_head(bench: Bench, thread: ThreadRef, message_id: str) -> None:
    bench.do(
        lambda tx: threads.change_thread(tx, "local", thread.id, {"head": message_id}), thread.pk
    )


@pytest.mark.parametrize("which", ["message", "reply"])
@pytest.mark.parametrize("stopped", [False, True], ids=["waiting", "stopped"])
def test_nothing_hangs_on_what_is_not_delivered(bench: Bench, which: str, stopped: bool) -> None:
    """It is on no branch: neither a parent nor the head; once delivered it may be both."""
    thread = bench.thread()
    run = send(bench, thread)
    place = {"message": message_of(bench, run)["id"], "reply": run.message_id}[which]
    if stopped:
        bench.do(lambda tx: runs.cancel(tx, run), thread.pk)
    before = bench.events(thread)
    for deliver_ms in (None, bench.clock() + HOUR_MS):
        with pytest.raises(InvalidInput) as refused:
            send(bench, thread, parent_id=place, deliver_ms=deliver_ms)
        assert refused.value.facts["field"] == "parent_id"
    with pytest.raises(InvalidInput) as refused:
        put_head(bench, thread, place)
    assert refused.value.facts["field"] == "head"
    assert bench.events(thread) == before
    if stopped:
        bench.do(lambda tx: runs.make_successor(tx, run, keep_parts=False), thread.pk)
    else:
        bench.claim(run)
    put_head(bench, thread, place)
    assert message_of(bench, send(bench, thread, parent_id=place))["parent_id"] == place


@pytest.mark.parametrize("stopped", [False, True], ids=["waiting", "stopped"])
def test_a_head_that_hangs_on_the_message_itself_does_not_become_its_parent(
    bench: Bench, stopped: bool
) -> None:
    """A file may hold such a head from before it was refused; the message stays a root."""
    thread = bench.thread()
    run = send(bench, thread)
    message_id = message_of(bench, run)["id"]
    bench.answered(thread)
    below = bench.answered(thread)
    first = message_of(bench, below)["id"]
    bench.sql("UPDATE message SET parent_id = :it WHERE id = :first", it=message_id, first=first)
    if stopped:
        bench.do(lambda tx: runs.cancel(tx, run), thread.pk)
        run = bench.do(lambda tx: runs.make_successor(tx, run, keep_parts=False), thread.pk)
    else:
        assert bench.claim(run) is not None
    assert branch(bench, run) == [message_id, run.message_id]
    assert branch(bench, below) == [message_id, first, below.message_id]


def test_a_branch_that_runs_in_a_circle_is_read_once_round(bench: Bench) -> None:
    """A file may hold one from before it was refused."""
    thread = bench.thread()
    first, last = bench.answered(thread), bench.answered(thread)
    ids = branch(bench, last)
    bench.sql("UPDATE message SET parent_id = :last WHERE id = :root", last=ids[-1], root=ids[0])
    assert branch(bench, last) == ids
    assert sorted(branch(bench, first)) == sorted(ids)
    assert branch(bench, first)[-1] == first.message_id
