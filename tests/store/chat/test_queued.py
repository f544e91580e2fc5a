"""Queued messages are withdrawn and rewritten before their run begins, on every database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jupyter_chat_stream.shared.errors import InvalidInput, RunBegun, RunNotFound
from jupyter_chat_stream.shared.events import ThreadChanged
from jupyter_chat_stream.store.chat import commands, queued, runs
from jupyter_chat_stream.store.chat.claims import claim
from jupyter_chat_stream.store.chat.commands import Sender, SendRequest
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


def send(harness: StoreHarness, thread: ThreadRef, text: str, **more: Any) -> RunRef:
    request = SendRequest(content=text, **more)
    sender = Sender(owner="local")
    sent = harness.do(lambda tx: commands.send(tx, thread.id, sender, request), thread.pk)
    return find(harness, thread, sent["run"]["id"])


def withdraw(harness: StoreHarness, run: RunRef, owner: str = "local") -> dict[str, Any]:
    return harness.do(lambda tx: queued.withdraw(tx, owner, run.id), run.thread.pk)


def rewrite(harness: StoreHarness, run: RunRef, text: str) -> dict[str, Any]:
    return harness.do(lambda tx: queued.rewrite(tx, "local", run.id, text), run.thread.pk)


def retry(harness: StoreHarness, run: RunRef) -> RunRef:
    return harness.do(lambda tx: runs.make_successor(tx, run, keep_parts=False).ref, run.thread.pk)


def head(harness: StoreHarness, thread: ThreadRef) -> str | None:
    return harness.scalar("SELECT head FROM thread WHERE pk = :pk", pk=thread.pk)


def asked(harness: StoreHarness, run: RunRef) -> dict[str, Any]:
    parent = harness.row(run)["parent_id"]
    return next(m for m in messages(harness, run.thread) if m["id"] == parent)


def questions(harness: StoreHarness, run: RunRef) -> list[str]:
    """Return the person's texts that the run's prompt contains."""
    branch = harness.look(lambda conn: read_branch(conn, run, 100))
    return [m["content"] for m in branch if m["role"] == "user"]


def story(harness: StoreHarness, thread: ThreadRef) -> Iterator[str]:
    """Do one transaction after the other with queued messages, and name each."""
    first = harness.claimed(thread)
    harness.append(first, "An")
    two, three, four = (send(harness, thread, text) for text in ("two", "three", "four"))
    yield "three are queued"
    rewrite(harness, three, "drei")
    yield "one is rewritten"
    withdraw(harness, two)
    yield "the first of the queue is withdrawn"
    withdraw(harness, four)
    yield "the last one is withdrawn"
    harness.append(first, *completed("An"), release=True)
    yield "the answer ends"
    claimed = harness.claim(three)
    assert claimed is not None
    harness.append(claimed, "Drei", *completed("Drei"), release=True)
    yield "the queue goes on"
    again = retry(harness, three)
    yield "answered again"
    withdraw(harness, again)
    yield "that is withdrawn"
    withdraw(harness, retry(harness, two))
    yield "what was withdrawn is sent after all, and withdrawn again"
    retry(harness, two)
    yield "and sent once more"


def test_seq_stays_dense_and_events_stay_as_they_are(harness: StoreHarness) -> None:
    """L1, L2"""
    thread = harness.thread()
    expect_a_dense_log(harness, thread, story(harness, thread))


def test_every_row_is_the_fold_of_its_events(harness: StoreHarness) -> None:
    """L7"""
    thread = harness.thread()
    expect_folded_rows(harness, thread, story(harness, thread))


def test_every_cursor_leads_to_the_same_state(harness: StoreHarness) -> None:
    """L6"""
    thread = harness.thread()
    expect_the_same_from_every_cursor(harness, thread, story(harness, thread))


def test_the_first_run_of_the_queue_is_due_or_held_after_every_step(harness: StoreHarness) -> None:
    """L10"""
    thread = harness.thread()
    for step in story(harness, thread):
        waiting = harness.look(lambda conn: runs.open_runs(conn, thread))
        first = waiting[:1]
        held = "SELECT owner FROM run WHERE pk = :pk"
        assert all(is_due(harness, r) or harness.scalar(held, pk=r.pk) for r in first), step


def test_a_withdrawn_message_is_in_no_later_prompt(harness: StoreHarness) -> None:
    thread = harness.thread()
    harness.answered(thread)
    busy = harness.claimed(thread)
    two, three = send(harness, thread, "two"), send(harness, thread, "three")
    assert withdraw(harness, two)["status"] == "cancelled"
    assert asked(harness, two)["status"] == "cancelled"
    assert questions(harness, three) == ["Why?", "Why?", "three"]
    assert asked(harness, three)["parent_id"] == busy.run.message_id
    assert head(harness, thread) == three.message_id


def test_messages_beside_the_reply_follow_the_message_before_too(harness: StoreHarness) -> None:
    """L7: their author chose the withdrawn message, not its reply, as their parent."""
    thread = harness.thread()
    busy = harness.claimed(thread)
    two = send(harness, thread, "two")
    message = asked(harness, two)["id"]
    three = send(harness, thread, "three", parent_id=message)
    harness.do(lambda tx: tx.append(thread, ThreadChanged(thread={"head": message})), thread.pk)
    withdraw(harness, two)
    assert asked(harness, three)["parent_id"] == busy.run.message_id
    assert questions(harness, three) == ["Why?", "three"]
    assert head(harness, thread) == busy.run.message_id


def test_the_head_moves_back_if_the_newest_message_is_withdrawn(harness: StoreHarness) -> None:
    thread = harness.thread()
    busy = harness.claimed(thread)
    withdraw(harness, send(harness, thread, "two"))
    assert head(harness, thread) == busy.run.message_id
    assert questions(harness, send(harness, thread, "three")) == ["Why?", "three"]


def test_the_only_message_of_a_thread_can_be_withdrawn(harness: StoreHarness) -> None:
    thread = harness.thread()
    withdraw(harness, send(harness, thread, "one"))
    assert head(harness, thread) is None


def test_a_retry_sends_a_withdrawn_message_behind_the_head(harness: StoreHarness) -> None:
    thread = harness.thread()
    two = send(harness, thread, "two")
    withdraw(harness, two)
    harness.answered(thread)
    again = retry(harness, two)
    assert questions(harness, again) == ["Why?", "two"]
    assert head(harness, thread) == again.message_id


def test_a_withdrawn_retry_leaves_the_question_and_its_answer(harness: StoreHarness) -> None:
    thread = harness.thread()
    run = harness.answered(thread)
    again = retry(harness, run)
    follower = send(harness, thread, "And?")
    withdraw(harness, again)
    assert asked(harness, run)["status"] == "completed"
    assert asked(harness, follower)["parent_id"] == run.message_id
    withdraw(harness, follower)
    assert head(harness, thread) == run.message_id


def test_a_rewritten_message_keeps_its_place_and_its_attachments(harness: StoreHarness) -> None:
    thread = harness.thread()
    busy = harness.claimed(thread)
    file = harness.attachment()
    context = [{"name": "df", "text": "3 rows"}]
    two = send(harness, thread, "two", attachments=[file], context=context)
    three = send(harness, thread, "three")
    message = rewrite(harness, two, "zwei")
    assert message == asked(harness, two)
    assert [part["kind"] for part in message["parts"]] == ["attachment", "attachment", "text"]
    assert message["content"] == "zwei"
    assert message["parent_id"] == busy.run.message_id
    assert questions(harness, three) == ["Why?", "zwei", "three"]
    assert rewrite(harness, two, "")["content"] == "", "the attachment is a message by itself"


def test_a_message_for_later_is_rewritten_before_its_time(harness: StoreHarness) -> None:
    thread = harness.thread()
    run = send(harness, thread, "Later", deliver_ms=harness.clock() + HOUR_MS)
    assert rewrite(harness, run, "Later!")["status"] == "waiting"
    withdraw(harness, run)
    assert (asked(harness, run)["status"], asked(harness, run)["content"]) == (
        "cancelled",
        "Later!",
    )


@pytest.mark.parametrize("command", [withdraw, lambda harness, run: rewrite(harness, run, "x")])
def test_a_run_that_has_begun_or_ended_is_left_alone(
    harness: StoreHarness, command: Callable[[StoreHarness, RunRef], Any]
) -> None:
    """L5: a refused command writes nothing."""
    thread = harness.thread()
    claimed = harness.claimed(thread)
    for end in ((), completed("An")):
        if end:
            harness.append(claimed, *end, release=True)
        before = harness.events(thread)
        with pytest.raises(RunBegun):
            command(harness, claimed.run)
        assert harness.events(thread) == before


def test_a_message_with_an_answer_is_not_rewritten(harness: StoreHarness) -> None:
    again = retry(harness, harness.answered())
    with pytest.raises(RunBegun):
        rewrite(harness, again, "x")


def test_a_message_is_not_rewritten_to_nothing(harness: StoreHarness) -> None:
    run = send(harness, harness.thread(), "one", context=[{"name": "df", "text": "3 rows"}])
    with pytest.raises(InvalidInput):
        rewrite(harness, run, " ")


def test_the_run_of_somebody_else_does_not_exist(harness: StoreHarness) -> None:
    run = send(harness, harness.thread(), "one")
    with pytest.raises(RunNotFound):
        withdraw(harness, run, owner="eve")


def test_a_claim_by_an_outdated_list_does_not_begin_a_withdrawn_run(
    harness: StoreHarness,
) -> None:
    """L4, L5: another process has listed the run before it was withdrawn."""
    other = StoreHarness(harness.url, harness.clock)
    try:
        run = send(harness, harness.thread(), "one")
        due = other.due(run)
        withdraw(harness, run)
        options: dict[str, Any] = {"max_crashes": 3, "on_crash": "continue"}
        assert other.do(lambda tx: claim(tx, due, "01b", **options), run.thread.pk) is None
        assert harness.run(run)["status"] == "cancelled"
    finally:
        other.close()
