"""A transaction keeps the reply that it has read, and folds its own events into it (L7)."""

from __future__ import annotations

import pytest

from jupyter_chat_stream.shared.errors import ToolCallNotFound
from jupyter_chat_stream.shared.events import (
    Body,
    Delta,
    InputRequested,
    MessageWritten,
    NoteAdded,
    StatusChanged,
    ToolReturned,
    ToolStarted,
)
from jupyter_chat_stream.shared.fold import without_derived
from jupyter_chat_stream.shared.records import MessageRecord
from jupyter_chat_stream.store.chat.claims import Claimed
from jupyter_chat_stream.store.log.reading import read_message
from jupyter_chat_stream.store.log.transaction import Transaction
from tests.store.harness import StoreHarness

BODIES: tuple[Body, ...] = (
    StatusChanged(phase="writing"),
    Delta(part=1, kind="text", text="Prices "),
    Delta(part=1, kind="text", text="rose."),
    ToolStarted(part=2, tool_call_id="c", name="sql", input={"q": [1, "é"]}),
    ToolReturned(tool_call_id="c", name="sql", success=True, output=[1.5]),
    NoteAdded(text="Said by the chat."),
    InputRequested(request_id="r", prompt="Which?", choices=("a", "b"), expires_at=None),
)


def answering(harness: StoreHarness) -> Claimed:
    """Return an answer under way whose row lags behind its log."""
    claimed = harness.claimed(harness.thread())
    harness.append(claimed, Delta(part=0, kind="text", text="So: "))
    return claimed


def from_database(tx: Transaction, claimed: Claimed) -> MessageRecord:
    tx.flush()
    return read_message(tx.conn, claimed.run)


def test_a_reply_is_at_each_event_what_the_database_says(harness: StoreHarness) -> None:
    """L7"""
    claimed = answering(harness)

    def work(tx: Transaction) -> None:
        assert tx.reply(claimed.run) == from_database(tx, claimed)
        for body in BODIES:
            tx.append(claimed.run.thread, body, run=claimed.run, attempt=claimed.attempt)
            assert tx.reply(claimed.run) == from_database(tx, claimed), body
        tx.settle(claimed.run)

    harness.do(work, claimed.run.thread.pk)
    assert harness.damage() == []


def test_a_reply_that_was_written_anew_is_read_anew(harness: StoreHarness) -> None:
    """L7: such an event may replace any message of the thread."""
    claimed = answering(harness)

    def work(tx: Transaction) -> None:
        emptied = without_derived(tx.reply(claimed.run))
        emptied["parts"] = []
        tx.append(
            claimed.run.thread,
            MessageWritten(message=emptied),
            run=claimed.run,
            attempt=claimed.attempt,
        )
        assert tx.reply(claimed.run)["parts"] == []
        assert tx.reply(claimed.run) == from_database(tx, claimed)

    harness.do(work, claimed.run.thread.pk)


def test_a_refused_command_leaves_no_trace_in_the_reply(harness: StoreHarness) -> None:
    """L7"""
    claimed = answering(harness)

    def work(tx: Transaction) -> None:
        before = tx.reply(claimed.run)
        with pytest.raises(ToolCallNotFound), tx.savepoint():
            tx.append(claimed.run.thread, BODIES[5], run=claimed.run, attempt=claimed.attempt)
            assert tx.reply(claimed.run)["parts"][-1]["kind"] == "note"
            raise ToolCallNotFound("c")
        assert tx.reply(claimed.run) == before

    harness.do(work, claimed.run.thread.pk)
    assert harness.damage() == []


def test_what_a_caller_does_with_a_reply_stays_with_the_caller(harness: StoreHarness) -> None:
    claimed = answering(harness)

    def work(tx: Transaction) -> None:
        tx.reply(claimed.run)["parts"].clear()
        assert len(tx.reply(claimed.run)["parts"]) == 1

    harness.do(work, claimed.run.thread.pk)
