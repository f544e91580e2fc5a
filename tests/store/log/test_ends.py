"""The tokens that an operation tells for the runs that end with it."""

from __future__ import annotations

from functools import partial

from jupyter_chat_stream.shared.errors import Conflict
from jupyter_chat_stream.store.log.operations import Append
from jupyter_chat_stream.store.log.transaction import Transaction
from tests.store.harness import PATIENCE_S, StoreHarness


def test_the_tokens_that_one_operation_tells_are_not_for_the_next(harness: StoreHarness) -> None:
    """Neither those of a refused command, nor those of one that was done, nor an append's."""
    claimed = harness.claimed()
    told = {claimed.run.id: {"input_tokens": 1}}

    def telling(tx: Transaction, *, is_refused: bool) -> None:
        tx.live_usage = told
        if is_refused:
            raise Conflict("No.")

    append = Append(run=claimed.run, attempt=1, bodies=(), live_usage=told)
    with harness.held_up():
        looks = []
        for is_refused in (True, False):
            harness.store.submit(partial(telling, is_refused=is_refused))
            looks.append(harness.store.submit(lambda tx: dict(tx.live_usage)))
        harness.store.append_future(append)
        looks.append(harness.store.submit(lambda tx: dict(tx.live_usage)))
    assert [look.result(PATIENCE_S) for look in looks] == [{}, {}, {}]
