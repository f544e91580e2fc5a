"""Runs made from ended runs: what they take over is kept, whatever becomes of them."""

from __future__ import annotations

import pytest

from jupyter_chat_stream.shared.events import Finalized
from jupyter_chat_stream.store.chat import runs
from jupyter_chat_stream.store.log import reading
from tests.store.bench import Bench


def test_a_continuation_that_is_restarted_keeps_the_text_it_took_over(bench: Bench) -> None:
    claimed = bench.claimed()
    bench.append(claimed, "Kept. ", Finalized(status="cancelled"))
    successor = bench.do(
        lambda tx: runs.make_successor(tx, claimed.run, keep_parts=True), claimed.run.thread.pk
    )
    assert bench.claim(successor, "01b") is not None  # whose process dies without a word
    assert bench.claim(successor, "01c", on_crash="restart") is not None
    reply = bench.look(lambda conn: reading.read_message(conn, successor))
    assert reply["content"] == "Kept. "


@pytest.mark.parametrize("keep_parts", [False, True], ids=["retry", "continue"])
def test_a_reply_without_a_message_before_it_has_successors_too(
    bench: Bench, keep_parts: bool
) -> None:
    """As a purge or an import may leave it."""
    run = bench.answered()
    bench.sql("UPDATE message SET parent_id = NULL WHERE pk = :pk", pk=run.message_pk)
    made = bench.do(lambda tx: runs.make_successor(tx, run, keep_parts=keep_parts), run.thread.pk)
    reply = bench.row(made)
    assert (reply["status"], reply["parent_id"]) == ("pending", None)
    assert reply["content"] == ("a" if keep_parts else "")
