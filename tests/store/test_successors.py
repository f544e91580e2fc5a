"""Runs made from ended runs: what they take over is kept, whatever becomes of them."""

from __future__ import annotations

from jupyter_chat_stream.events import Finalized
from jupyter_chat_stream.store import reading, runs
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
