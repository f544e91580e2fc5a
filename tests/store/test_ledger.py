"""The ledger of usage: one row for each ended answer, in the transaction of its end."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.shared.events import Completed, Failed, Finalized
from jupyter_chat_stream.store.chat import commands, runs
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from jupyter_chat_stream.store.retention.cleanup import Policy
from jupyter_chat_stream.store.sql import ledger
from tests.store.harness import MODEL, StoreHarness
from tests.store.retention.stepping import DAY_MS, collected

USAGE = {
    "input_tokens": 1_000,
    "output_tokens": 200,
    "cache_read_tokens": 30,
    "cache_write_tokens": 4,
    "cost_usd": 0.004321,
}


def answered(harness: StoreHarness, usage: Any = USAGE, thread: ThreadRef | None = None) -> RunRef:
    claimed = harness.claimed(thread)
    complete = Completed(content="a", usage=usage, stop_reason="end_turn", model=None)
    harness.append(claimed, "a", complete, Finalized(status="completed"), release=True)
    return claimed.run


def ledger_rows(harness: StoreHarness) -> list[dict[str, Any]]:
    sql = "SELECT * FROM usage ORDER BY pk"
    return harness.look(lambda conn: [dict(r) for r in conn.exec_driver_sql(sql).mappings()])


def test_an_ended_answer_has_one_row(harness: StoreHarness) -> None:
    run = answered(harness)
    harness.do(lambda tx: tx.settle(run), run.thread.pk)  # settled again, entered once
    (row,) = ledger_rows(harness)
    assert row == {
        "pk": row["pk"],
        "owner": "local",
        "thread": run.thread.pk,
        "run": run.pk,
        "model": MODEL,
        "at_ms": harness.scalar("SELECT ended_ms FROM run WHERE pk = :pk", pk=run.pk),
        "input_tokens": 1_000,
        "output_tokens": 200,
        "cache_read_tokens": 30,
        "cache_write_tokens": 4,
        "cost_nanos": 4_321_000,
    }
    assert harness.damage() == []


def test_the_row_is_in_the_transaction_of_the_end(harness: StoreHarness) -> None:
    """L4: whoever sees the end sees the row."""
    seen: list[int] = []
    harness.store.listen(
        lambda events: seen.extend(
            len(ledger_rows(harness)) for event in events if event.type == "finalized"
        )
    )
    answered(harness)
    assert seen == [1]


def test_an_end_that_is_refused_enters_nothing(harness: StoreHarness) -> None:
    """L4, L5"""
    claimed = harness.claimed()
    harness.do(lambda tx: runs.cancel(tx, claimed.run), claimed.run.thread.pk)
    complete = Completed(content="", usage=USAGE, stop_reason="end_turn", model=None)
    with pytest.raises(Exception, match=claimed.run.id):
        harness.append(claimed, complete, Finalized(status="completed"))
    assert ledger_rows(harness) == []
    assert harness.damage() == []


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"input_tokens": 0, "output_tokens": 0},
        {"input_tokens": "many", "output_tokens": True},
        {"input_tokens": -5},
        {"input_tokens": 10**30},
    ],
)
def test_an_answer_without_counted_tokens_has_no_row(harness: StoreHarness, usage: Any) -> None:
    answered(harness, usage)
    assert ledger_rows(harness) == []
    assert harness.damage() == []


@pytest.mark.parametrize("cost", [None, "0.1", -1, True, 10**9])
def test_a_cost_that_is_no_price_is_unknown(harness: StoreHarness, cost: Any) -> None:
    answered(harness, {"input_tokens": 1, "cost_usd": cost})
    assert ledger_rows(harness)[0]["cost_nanos"] is None
    assert harness.damage() == []


def test_an_answer_that_cost_nothing_has_a_known_cost(harness: StoreHarness) -> None:
    answered(harness, {"input_tokens": 1, "cost_usd": 0})
    assert ledger_rows(harness)[0]["cost_nanos"] == 0


def test_a_failed_answer_whose_tokens_were_counted_has_a_row(harness: StoreHarness) -> None:
    claimed = harness.claimed()
    complete = Completed(content="", usage=USAGE, stop_reason="end_turn", model=None)
    failed = Failed(code="internal", message="It broke.", retryable=False)
    harness.append(claimed, complete, failed, Finalized(status="failed"), release=True)
    assert len(ledger_rows(harness)) == 1
    assert harness.damage() == []


def test_rows_outlive_their_thread_without_a_reference_to_it(harness: StoreHarness) -> None:
    gone, kept = answered(harness), answered(harness)
    for _ in range(40):  # more than one statement of a purge takes
        answered(harness, thread=gone.thread)
    harness.do(lambda tx: commands.delete(tx, "local", gone.thread.id), gone.thread.pk)
    harness.clock.advance(2 * DAY_MS)
    counts = collected(harness, Policy(keep_events_ms=None, retention_ms=None))
    assert counts.purged_threads == 1
    rows = ledger_rows(harness)
    assert len(rows) == 42
    assert [(r["thread"], r["run"]) for r in rows if r["thread"]] == [(kept.thread.pk, kept.pk)]
    assert {r["run"] for r in rows if not r["thread"]} == {None}
    assert sum(r["output_tokens"] for r in rows) == 42 * 200
    assert harness.damage() == []


def test_code_that_does_not_know_the_ledger_can_purge_a_thread(harness: StoreHarness) -> None:
    """An additive migration must not break older servers: the database empties the references."""
    run = answered(harness)
    for table in ("event", "run", "message"):
        harness.sql(f"DELETE FROM {table} WHERE thread = :thread", thread=run.thread.pk)
    harness.sql("DELETE FROM thread WHERE pk = :thread", thread=run.thread.pk)
    assert [(r["thread"], r["run"]) for r in ledger_rows(harness)] == [(None, None)]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("DELETE FROM usage", "usage: its row is gone"),
        ("UPDATE usage SET output_tokens = 1", "usage: differs from its message"),
        ("UPDATE usage SET cost_nanos = NULL", "usage: differs from its message"),
    ],
)
def test_the_audit_finds_a_ledger_that_differs(
    harness: StoreHarness, change: str, what: str
) -> None:
    run = answered(harness)
    harness.sql(change)
    assert harness.damage() == [f"thread {run.thread.id}: run {run.id}: {what}"]


def test_answers_from_before_the_ledger_are_entered_by_the_migration(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "BACKFILL_STEP", 3)
    thread = harness.thread()
    priced = {key: count for key, count in USAGE.items() if key != "cost_usd"}
    for number in range(8):
        answered(harness, {**priced, "output_tokens": number + 1}, thread)
    unreadable = answered(harness, priced, thread)
    answered(harness, None, thread)
    open_run = harness.claimed(thread).run
    before = ledger_rows(harness)
    harness.sql("DROP TABLE usage")
    harness.sql("DELETE FROM migration WHERE name = 'm0007_usage'")
    sql = "UPDATE message SET usage = '{oops' WHERE pk = :pk"
    harness.sql(sql, pk=unreadable.message_pk)
    again = harness.reopened()
    assert [{**row, "pk": 0} for row in ledger_rows(again)] == [
        {**row, "pk": 0} for row in before if row["run"] != unreadable.pk
    ]
    assert again.run(open_run)["status"] == "processing"
    again.close()
