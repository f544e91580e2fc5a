"""Runs made from ended runs: what they take over is kept, whatever becomes of them."""

from __future__ import annotations

import pytest

from jupyter_chat_stream.shared.events import Finalized
from jupyter_chat_stream.store.chat import runs
from jupyter_chat_stream.store.log import reading
from tests.store.harness import StoreHarness


def test_a_continuation_that_is_restarted_keeps_the_text_it_took_over(
    harness: StoreHarness,
) -> None:
    claimed = harness.claimed()
    harness.append(claimed, "Kept. ", Finalized(status="cancelled"))
    successor = harness.do(
        lambda tx: runs.make_successor(tx, claimed.run, keep_parts=True).ref, claimed.run.thread.pk
    )
    assert harness.claim(successor, "01b") is not None  # whose process dies without a word
    assert harness.claim(successor, "01c", on_crash="restart") is not None
    reply = harness.look(lambda conn: reading.read_message(conn, successor))
    assert reply["content"] == "Kept. "


@pytest.mark.parametrize("keep_parts", [False, True], ids=["retry", "continue"])
def test_a_reply_without_a_message_before_it_has_successors_too(
    harness: StoreHarness, keep_parts: bool
) -> None:
    """As a purge or an import may leave it."""
    run = harness.answered()
    harness.sql("UPDATE message SET parent_id = NULL WHERE pk = :pk", pk=run.message_pk)
    made = harness.do(
        lambda tx: runs.make_successor(tx, run, keep_parts=keep_parts).ref, run.thread.pk
    )
    reply = harness.row(made)
    assert (reply["status"], reply["parent_id"]) == ("pending", None)
    assert reply["content"] == ("a" if keep_parts else "")
