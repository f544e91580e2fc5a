"""verify() re-derives every row from the log and reports each difference (L1, L2, L4, L7)."""

from __future__ import annotations

import pytest

from jupyter_chat_stream.shared.errors import FoldError
from jupyter_chat_stream.shared.events import Delta, ToolReturned, ToolStarted
from jupyter_chat_stream.store.log.transaction import RunRef
from tests.store.harness import StoreHarness, completed


@pytest.fixture
def ended(harness: StoreHarness) -> RunRef:
    """A thread with an ended run in it, beside one that nobody touches."""
    harness.answered(pieces="xyz")
    thread = harness.thread(name="churn", title="Churn")
    run = harness.answered(thread, "ABC")  # ids are in small letters
    harness.answered(thread, "DEF")
    assert harness.damage() == []
    return run


# What is done to the database, and what verify is to say of it.
TAMPERING = {
    "a message's text": (
        'UPDATE message SET parts = \'[{"kind":"text","text":"ABD"}]\' WHERE id = :message',
        "message {message}: L7: parts differs",
    ),
    "a message's status": (
        "UPDATE message SET status = 'failed' WHERE id = :message",
        "message {message}: L7: status differs",
    ),
    "a message's seq, back": (
        "UPDATE message SET seq = seq - 1 WHERE id = :message",
        "message {message}: L7: status differs",
    ),
    "a message's seq, ahead": (
        "UPDATE message SET seq = 999 WHERE id = :message",
        "message {message}: L7: seq differs",
    ),
    "a message's parent": (
        "UPDATE message SET parent_id = NULL WHERE id = :message",
        "message {message}: L7: parent_id differs",
    ),
    "a message that cannot be read": (
        "UPDATE message SET parts = 'torn' WHERE id = :message",
        "a row cannot be read",
    ),
    "a user's message gone": (
        "DELETE FROM message WHERE role = 'user' AND thread = :thread",
        "its row is gone",
    ),
    "a run's status": (
        "UPDATE run SET status = 'processing' WHERE id = :run",
        "run {run}: L7: status differs",
    ),
    "a run's attempt": (
        "UPDATE run SET attempt = 9 WHERE id = :run",
        "run {run}: L7: attempt differs",
    ),
    "a run's error": (
        "UPDATE run SET error = '{{}}' WHERE id = :run",
        "run {run}: L7: error differs",
    ),
    "a run's first event": (
        "UPDATE run SET first_event_ms = 5 WHERE id = :run",
        "run {run}: L7: first_event_at differs",
    ),
    "a thread's title": (
        "UPDATE thread SET title = 'Chum' WHERE pk = :thread",
        "thread: L7: title differs",
    ),
    "a thread's head": (
        "UPDATE thread SET head = :message WHERE pk = :thread",
        "thread: L7: head differs",
    ),
    "a thread marked deleted": (
        "UPDATE thread SET deleted = TRUE WHERE pk = :thread",
        "thread: L7: deleted differs",
    ),
    "a delta's text": (
        "UPDATE event SET text = 'x' WHERE type = 'delta' AND run = :run_pk AND text = 'B'",
        "message {message}: L7: parts differs",
    ),
    "a delta's part": (
        "UPDATE event SET part = 4 WHERE type = 'delta' AND run = :run_pk AND text = 'B'",
        "appends to part 4",
    ),
    "a delta gone": (
        "DELETE FROM event WHERE type = 'delta' AND run = :run_pk AND text = 'B'",
        "L1: 1 events missing",
    ),
    "the last event gone": (
        "DELETE FROM event WHERE thread = :thread AND seq = "
        "(SELECT MAX(seq) FROM event WHERE thread = :thread)",
        "status differs",
    ),
    "a run's end gone": (
        "DELETE FROM event WHERE type = 'finalized' AND run = :run_pk",
        "run {run}: L7: status differs",
    ),
    "all events gone": (
        "DELETE FROM event WHERE thread = :thread",
        "no event of the log made it",
    ),
    "an event that cannot be read": (
        "UPDATE event SET body = 'torn' WHERE type = 'finalized' AND run = :run_pk",
        "a row cannot be read",
    ),
    "an event after the end": (
        "INSERT INTO event (thread, seq, type, run, attempt, at_ms, part, kind, text) "
        "SELECT thread, MAX(seq) + 1, 'delta', :run_pk, 1, 5, 0, 'text', 'z' FROM event "
        "WHERE thread = :thread GROUP BY thread",
        "after its end",
    ),
    "a second end": (
        "INSERT INTO event (thread, seq, type, run, attempt, at_ms, body) "
        "SELECT thread, MAX(seq) + 1, 'finalized', :run_pk, 1, 5, '{{\"status\":\"failed\"}}' "
        "FROM event WHERE thread = :thread GROUP BY thread",
        "after its end",
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_verify_finds(harness: StoreHarness, ended: RunRef, what: str) -> None:
    statement, said = TAMPERING[what]
    params = {
        "message": ended.message_id,
        "run": ended.id,
        "run_pk": ended.pk,
        "thread": ended.thread.pk,
    }
    statement = statement.replace("{{", "{").replace("}}", "}")
    used = {name: value for name, value in params.items() if f":{name}" in statement}
    if harness.store.database.is_sqlite:
        harness.do(lambda tx: tx.execute("PRAGMA defer_foreign_keys=ON"))
    harness.sql(statement, **used)
    found = harness.damage()
    said = said.format(message=ended.message_id, run=ended.id)
    assert any(said in line for line in found), found
    assert all(ended.thread.id in line for line in found)  # the other threads are whole
    assert not any("ABC" in line or "Churn" in line for line in found)  # and nothing is quoted


def test_a_row_that_lags_is_no_damage_and_one_that_lies_is(harness: StoreHarness) -> None:
    """L7: a row is the fold up to its own seq, which need not be the last."""
    claimed = harness.claimed()
    harness.append(claimed, "a", settle=True)
    harness.append(claimed, "b", "c")
    assert harness.damage() == []
    harness.sql("UPDATE message SET seq = seq + 1 WHERE id = :id", id=claimed.run.message_id)
    assert any("parts differs" in line for line in harness.damage())


def test_a_compacted_message_is_held_against_its_hash(harness: StoreHarness, ended: RunRef) -> None:
    """L2: of the rest of the log everything is still found."""
    harness.compact(ended)
    assert harness.damage() == []
    harness.sql("DELETE FROM event WHERE type = 'complete' AND run = :run", run=ended.pk)
    assert any("L1: 1 events missing" in line for line in harness.damage())
    harness.sql("UPDATE compaction SET message_sha256 = 'x' WHERE run = :run", run=ended.pk)
    assert any("L2" in line for line in harness.damage())


def test_tool_calls_and_second_attempts_survive_compaction(harness: StoreHarness) -> None:
    """L2: events that no longer fit without the deltas before them are no damage."""
    claimed = harness.claimed(owner="01dead")
    harness.append(claimed, "Look: ")
    again = harness.claim(claimed.run, "01b")
    assert again is not None
    harness.append(
        again,
        Delta(part=1, kind="tool_input", text="{"),
        ToolStarted(part=1, tool_call_id="c", name="n", input={}),
        ToolStarted(part=2, tool_call_id="d", name="n", input={}),
        ToolReturned(tool_call_id="c", name="n", success=True, output=1),
        Delta(part=4, kind="text", text="done"),
        *completed("Look: done"),
    )
    assert harness.compact(claimed.run) == 3
    assert harness.damage() == []
    harness.answered(claimed.run.thread)
    assert harness.damage() == []


def test_what_is_already_damaged_is_not_compacted(harness: StoreHarness, ended: RunRef) -> None:
    """L2: the deltas are the evidence, and what the row can be restored from."""
    harness.sql("UPDATE message SET parts = '[]' WHERE id = :id", id=ended.message_id)
    before = harness.events(ended.thread)
    with pytest.raises(FoldError):
        harness.compact(ended)
    assert harness.events(ended.thread) == before
