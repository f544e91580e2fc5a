"""The store keeps the laws of docs/protocol.md, on every database."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from jupyter_chat_stream.shared.errors import Conflict, DamagedRow, RunNotEnded, StaleAttempt
from jupyter_chat_stream.shared.events import (
    Delta,
    Failed,
    Finalized,
    InputGiven,
    InputRequested,
    StatusChanged,
    ThreadChanged,
    ToolStarted,
    canonical,
)
from jupyter_chat_stream.store.chat import runs, threads
from jupyter_chat_stream.store.chat.claims import (
    Claimed,
    claim,
    fail_damaged,
    put_off,
    retry_attempt,
)
from jupyter_chat_stream.store.chat.due import find_due, next_wake
from jupyter_chat_stream.store.chat.runs import list_runs, open_runs
from jupyter_chat_stream.store.log.reading import read_snapshot
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef, Transaction
from tests.store.harness import PATIENCE_S, StoreHarness, completed, fold

# ---------------------------------------------------------------- L1


def test_seq_is_dense_from_1_in_every_thread(harness: StoreHarness) -> None:
    """L1"""
    one, two = harness.thread(), harness.thread()
    first, second = harness.claimed(one), harness.claimed(two)
    for claimed in (first, second, first, first, second):
        harness.append(claimed, "a", "b")
    for thread in (one, two):
        assert harness.seqs(thread) == list(range(1, len(harness.seqs(thread)) + 1))


def test_seq_is_dense_within_and_across_batches(harness: StoreHarness) -> None:
    """L1: many runs of many threads in one transaction, twice."""
    claims = [harness.claimed() for _ in range(4)]
    shared = harness.thread()
    claims.append(harness.claimed(shared))
    for _ in range(2):
        with harness.held_up():
            futures = [harness.put(claimed, "a", "b") for _ in range(3) for claimed in claims]
        for future in futures:
            future.result(PATIENCE_S)
    for claimed in claims:
        seqs = harness.seqs(claimed.run.thread)
        assert seqs == list(range(1, len(seqs) + 1))


def test_a_refused_write_uses_up_no_seq(harness: StoreHarness) -> None:
    """L1, L5: a stale attempt, a refused command and a failed batch leave no hole."""
    claimed = harness.claimed()
    thread = claimed.run.thread
    harness.append(claimed, "a")

    def refused(tx: Transaction) -> None:
        tx.append(thread, ThreadChanged(thread={"title": "never"}))
        raise Conflict("No.")

    stale = Claimed(run=claimed.run, attempt=9, model="", params={}, retries=0)
    with harness.held_up():
        futures = [
            harness.put(claimed, "b"),
            harness.put(stale, "never"),
            harness.store.submit(refused, thread.pk),
            harness.put(claimed, "c"),
        ]
    assert [type(future.exception(PATIENCE_S)) for future in futures] == [
        type(None),
        StaleAttempt,
        Conflict,
        type(None),
    ]
    harness.refuse("event", "type", "error")
    failed = harness.put(claimed, Failed(code="x", message="", retryable=False))
    assert failed.exception(PATIENCE_S) is not None
    harness.append(claimed, "d")
    seqs = harness.seqs(thread)
    assert seqs == list(range(1, len(seqs) + 1))
    texts = [e.body.text for e in harness.events(thread) if isinstance(e.body, Delta)]
    assert texts == ["a", "b", "c", "d"]


def test_seq_is_read_in_each_transaction_anew(harness: StoreHarness) -> None:
    """L1: what somebody else committed in between is counted, not overwritten."""
    claimed = harness.claimed()
    thread = claimed.run.thread
    harness.append(claimed, "a")
    other = StoreHarness(harness.url, harness.clock)
    try:
        other.append(claimed, "b")
    finally:
        other.close()
    harness.append(claimed, "c")
    texts = [e.body.text for e in harness.events(thread) if isinstance(e.body, Delta)]
    assert texts == ["a", "b", "c"]
    assert harness.seqs(thread) == list(range(1, len(harness.seqs(thread)) + 1))


def test_seq_does_not_follow_the_clock(harness: StoreHarness) -> None:
    """L1: a clock that goes back changes times, not numbers."""
    claimed = harness.claimed()
    harness.clock.advance(-3_600_000)
    harness.append(claimed, "a")
    assert harness.damage() == []
    assert harness.seqs(claimed.run.thread)[-1] == len(harness.seqs(claimed.run.thread))


# ---------------------------------------------------------------- L2


def test_nothing_that_happens_later_changes_an_event(harness: StoreHarness) -> None:
    """L2"""
    claimed = harness.claimed()
    thread = claimed.run.thread
    harness.append(claimed, "a", settle=True)
    before = harness.events(thread)
    harness.append(claimed, "b", *completed("ab"), release=True)
    harness.do(lambda tx: threads.change_thread(tx, "local", thread.id, {"title": "T"}), thread.pk)
    harness.answered(thread)
    assert harness.events(thread)[: len(before)] == before


def test_compaction_takes_out_deltas_of_the_ended_message_alone(harness: StoreHarness) -> None:
    """L2: and keeps a hash of what they folded to, for verify."""
    thread = harness.thread()
    ended = harness.answered(thread, "abc")
    other = harness.claimed(thread)
    harness.append(other, "x", "y")
    before = harness.events(thread)
    assert harness.compact(ended) == 3
    expected = [e for e in before if e.type != "delta" or e.run_id != ended.id]
    assert harness.events(thread) == expected
    assert harness.damage() == []
    harness.sql("UPDATE message SET parts = '[]' WHERE id = :id", id=ended.message_id)
    assert any("L2" in found for found in harness.damage())


def test_a_message_that_has_not_ended_is_not_compacted(harness: StoreHarness) -> None:
    """L2"""
    claimed = harness.claimed()
    harness.append(claimed, "a")
    with pytest.raises(RunNotEnded):
        harness.compact(claimed.run)
    assert harness.compact(harness.answered(pieces="ab")) == 2


def test_compacting_again_changes_nothing(harness: StoreHarness) -> None:
    """L2"""
    run = harness.answered(pieces="abc")
    assert harness.compact(run) == 3
    assert harness.compact(run) == 0
    assert harness.damage() == []


# ---------------------------------------------------------------- L3


def test_what_is_published_is_committed(harness: StoreHarness) -> None:
    """L3: whoever hears of an event can read it, and its outcome comes no earlier."""
    seen: list[bool] = []

    def look(events: list[Any]) -> None:
        refs = {e.thread_id: e.seq for e in events}
        sql = (
            "SELECT MAX(seq) FROM event JOIN thread ON thread.pk = event.thread "
            "WHERE thread.id = :id"
        )
        seen.extend(harness.scalar(sql, id=id_) >= seq for id_, seq in refs.items())

    harness.store.listen(look)
    claimed = harness.claimed()
    harness.append(claimed, "a")
    harness.append(claimed, *completed("a"))
    assert len(seen) == 5
    assert all(seen)


def test_what_failed_is_not_published(harness: StoreHarness) -> None:
    """L3"""
    claimed = harness.claimed()
    harness.refuse("event", "type", "error")
    harness.commits.clear()
    body = Failed(code="x", message="", retryable=False)
    assert harness.put(claimed, "a", body).exception(PATIENCE_S) is not None
    assert harness.commits == []
    assert harness.seqs(claimed.run.thread) == [1, 2, 3, 4]


# ---------------------------------------------------------------- L4


def test_the_end_of_a_run_is_one_transaction(harness: StoreHarness) -> None:
    """L4: finalized, the run's status and the message's status, or none of them."""
    claimed = harness.claimed()
    harness.append(claimed, "a")
    harness.refuse("message", "status", "completed")
    assert harness.put(claimed, *completed("a"), release=True).exception(PATIENCE_S) is not None
    assert harness.run(claimed.run)["status"] == "processing"
    assert [e.type for e in harness.events(claimed.run.thread)][-1] == "delta"
    harness.allow("message")
    harness.append(claimed, *completed("a"), release=True)
    assert harness.run(claimed.run)["status"] == "completed"
    assert harness.row(claimed.run)["status"] == "completed"
    assert harness.scalar("SELECT owner FROM run WHERE id = :id", id=claimed.run.id) is None


@pytest.mark.parametrize("body", [Delta(part=0, kind="text", text="x"), Finalized(status="failed")])
def test_no_event_of_a_run_follows_its_end(harness: StoreHarness, body: Any) -> None:
    """L4: from its attempt, in a later batch or in the same one."""
    claimed = harness.claimed()
    harness.append(claimed, "a", *completed("a"))
    with pytest.raises(StaleAttempt):
        harness.append(claimed, body)
    second = harness.claimed(claimed.run.thread)
    with harness.held_up():
        ended = harness.put(second, "a", *completed("a"))
        late = harness.put(second, body)
    assert ended.exception(PATIENCE_S) is None
    assert isinstance(late.exception(PATIENCE_S), StaleAttempt)
    types = [e.type for e in harness.events(second.run.thread) if e.run_id == second.run.id]
    assert types.count("finalized") == 1
    assert types[-1] == "finalized"


def test_an_ended_run_is_neither_cancelled_nor_claimed_again(harness: StoreHarness) -> None:
    """L4: commands check the status."""
    claimed = harness.claimed()
    due = harness.due(claimed.run)
    harness.append(claimed, *completed(""))
    before = harness.events(claimed.run.thread)
    assert harness.do(lambda tx: runs.cancel(tx, claimed.run)) is False
    taken = harness.do(lambda tx: claim(tx, due, "01b", max_crashes=3, on_crash="continue"))
    assert taken is None
    assert harness.do(lambda tx: retry_attempt(tx, claimed)) is None
    assert harness.events(claimed.run.thread) == before


# ---------------------------------------------------------------- L5


def test_events_carry_their_run_and_attempt(harness: StoreHarness) -> None:
    """L5"""
    claimed = harness.claimed()
    harness.append(claimed, "a")
    event = harness.events(claimed.run.thread)[-1]
    assert (event.run_id, event.message_id, event.attempt) == (
        claimed.run.id,
        claimed.run.message_id,
        1,
    )


def test_an_attempt_is_stale_once_another_has_the_run(harness: StoreHarness) -> None:
    """L5: a zombie that comes back writes nothing, whatever it writes."""
    zombie = harness.claimed(owner="01dead")
    harness.append(zombie, "a")
    taken = harness.claim(zombie.run, "01b")
    assert taken is not None
    assert taken.attempt == 2
    for bodies in (("b",), completed("b"), (StatusChanged(phase="building"),)):
        with pytest.raises(StaleAttempt):
            harness.append(zombie, *bodies, release=True, settle=True)
    assert harness.scalar("SELECT owner FROM run WHERE id = :id", id=taken.run.id) == "01b"
    harness.append(taken, Delta(part=1, kind="text", text="c"))
    assert harness.damage() == []


def test_an_attempt_that_is_not_yet_there_is_refused(harness: StoreHarness) -> None:
    """L5"""
    claimed = harness.claimed()
    ahead = Claimed(run=claimed.run, attempt=2, model="", params={}, retries=0)
    with pytest.raises(StaleAttempt):
        harness.append(ahead, "a")


def test_the_check_is_made_in_the_transaction_that_writes(harness: StoreHarness) -> None:
    """L5: a cancel in the same batch, before or after, decides."""
    claimed = harness.claimed()
    with harness.held_up():
        before = harness.put(claimed, "a")
        cancelled = harness.store.submit(
            lambda tx: runs.cancel(tx, claimed.run), claimed.run.thread.pk
        )
        after = harness.put(claimed, "b")
    assert before.exception(PATIENCE_S) is None
    assert cancelled.result(PATIENCE_S) is True
    assert isinstance(after.exception(PATIENCE_S), StaleAttempt)
    assert harness.row(claimed.run)["content"] == "a"
    assert harness.damage() == []


def test_a_retry_of_a_stale_attempt_is_refused(harness: StoreHarness) -> None:
    """L5"""
    zombie = harness.claimed(owner="01dead")
    taken = harness.claim(zombie.run, "01b")
    assert taken is not None
    assert harness.do(lambda tx: retry_attempt(tx, zombie)) is None
    with pytest.raises(StaleAttempt):
        harness.do(lambda tx: put_off(tx, zombie, 5, "x", release=True))
    assert harness.scalar("SELECT owner FROM run WHERE id = :id", id=taken.run.id) == "01b"


@pytest.mark.parametrize("comes_first", ["a cancellation", "a takeover"])
def test_a_stale_attempt_that_meets_a_damaged_row_ends_nothing(
    harness: StoreHarness, comes_first: str
) -> None:
    """L4, L5"""
    zombie = harness.claimed(owner="01dead")
    if comes_first == "a cancellation":
        harness.do(lambda tx: runs.cancel(tx, zombie.run))
    else:
        assert harness.claim(zombie.run, "01b") is not None
    status = harness.scalar("SELECT status FROM run")
    damage = DamagedRow(zombie.run.thread.id, "message", "1", "no JSON")
    with pytest.raises(StaleAttempt):
        harness.do(lambda tx: fail_damaged(tx, zombie.run, zombie.attempt, damage))
    assert harness.scalar("SELECT status FROM run") == status
    assert harness.damage() == []


def test_an_attempt_that_meets_a_damaged_row_ends_its_run(harness: StoreHarness) -> None:
    claimed = harness.claimed()
    damage = DamagedRow(claimed.run.thread.id, "message", "1", "no JSON")
    harness.do(lambda tx: fail_damaged(tx, claimed.run, claimed.attempt, damage))
    assert harness.scalar("SELECT status FROM run") == "failed"
    assert harness.damage() == []


def test_of_many_who_claim_at_once_one_gets_it(harness: StoreHarness) -> None:
    """L5: also where each has a store of its own."""
    run = harness.send(harness.thread())
    due = harness.due(run)
    others = [StoreHarness(harness.url, harness.clock) for _ in range(3)]
    try:
        ready = threading.Barrier(3, timeout=PATIENCE_S)
        taken: list[Claimed | None] = []

        def take(other: StoreHarness, owner: str) -> None:
            ready.wait()
            options: Any = {"max_crashes": 3, "on_crash": "continue"}
            taken.append(other.do(lambda tx: claim(tx, due, owner, **options), run.thread.pk))

        claimers = [
            threading.Thread(target=take, args=(other, f"01{n}")) for n, other in enumerate(others)
        ]
        for claimer in claimers:
            claimer.start()
        for claimer in claimers:
            claimer.join(PATIENCE_S)
    finally:
        for other in others:
            other.close()
    assert sorted(claimed is not None for claimed in taken) == [False, False, True]
    assert harness.run(run)["attempt"] == 1


# ---------------------------------------------------------------- L7


def test_every_row_is_the_fold_of_its_events_byte_for_byte(harness: StoreHarness) -> None:
    """L7: after each step of a run that meets everything."""
    thread = harness.thread(name="churn")
    for step in _a_run_that_meets_everything(harness, thread):
        assert harness.damage() == [], step
        folded = fold(harness.events(thread))
        snapshot = harness.look(lambda conn: read_snapshot(conn, thread, 0))
        state = {
            "thread": snapshot.info,
            "messages": list(snapshot.messages),
            "runs": list(snapshot.runs),
            "seq": snapshot.seq,
        }
        assert canonical(state) == canonical(folded.state()), step


def test_a_settled_row_stands_at_the_last_event_of_its_message(harness: StoreHarness) -> None:
    """L7: its seq says how far; one that lags is still the fold up to its own seq."""
    claimed = harness.claimed()
    last = harness.append(claimed, "a", "b", settle=True)[-1]
    assert (harness.row(claimed.run)["seq"], harness.row(claimed.run)["content"]) == (
        last.seq,
        "ab",
    )
    harness.append(claimed, "c")
    assert (harness.row(claimed.run)["seq"], harness.row(claimed.run)["content"]) == (
        last.seq,
        "ab",
    )
    assert harness.damage() == []
    harness.append(claimed, *completed("abc"))
    assert harness.row(claimed.run)["content"] == "abc"
    assert harness.damage() == []


# ---------------------------------------------------------------- L10


def test_every_transaction_leaves_each_run_with_somebody_or_something_to_go_on(
    harness: StoreHarness,
) -> None:
    """L10"""
    thread = harness.thread()
    for step in _a_run_that_meets_everything(harness, thread):
        for run_id, why in _open_runs(harness, thread).items():
            assert why, (step, run_id)


def test_a_successor_waits_for_its_predecessor_and_then_is_due(harness: StoreHarness) -> None:
    """L10: and in the order of sending."""
    thread = harness.thread()
    first, second, third = (harness.send(thread) for _ in range(3))
    assert _due(harness, thread) == [first]
    harness.do(lambda tx: runs.cancel(tx, second))
    assert _due(harness, thread) == [first]
    claimed = harness.claim(first)
    assert claimed is not None
    harness.append(claimed, *completed(""))
    assert _due(harness, thread) == [third]


def test_a_waiting_run_is_due_at_its_time_and_not_before(harness: StoreHarness) -> None:
    """L10"""
    claimed = harness.claimed()
    at = harness.clock() + 60_000
    harness.do(lambda tx: put_off(tx, claimed, at, "overloaded", release=True))
    assert harness.look(lambda conn: find_due(conn, at - 1)) == []
    assert harness.look(lambda conn: next_wake(conn, at - 1)) == at
    assert harness.look(lambda conn: next_wake(conn, at)) is None  # find_due has it then
    assert [due.run for due in harness.look(lambda conn: find_due(conn, at))] == [claimed.run]


def test_an_open_question_waits_for_ever_and_its_answer_makes_the_run_due(
    harness: StoreHarness,
) -> None:
    """L10"""
    claimed = harness.claimed()
    harness.append(claimed, InputRequested(request_id="q", prompt="Which?"), release=True)
    assert harness.look(lambda conn: find_due(conn, 2**50)) == []
    harness.do(
        lambda tx: tx.append(
            claimed.run.thread, InputGiven(request_id="q", value=1, by="local"), run=claimed.run
        )
    )
    assert _due(harness, claimed.run.thread) == [claimed.run]


def _due(harness: StoreHarness, thread: ThreadRef) -> list[RunRef]:
    found = harness.look(lambda conn: find_due(conn, harness.clock()))
    return [due.run for due in found if due.run.thread == thread]


def _open_runs(harness: StoreHarness, thread: ThreadRef) -> dict[str, str]:
    """Return what each run that has not ended has; "" if it has nothing."""
    due = {d.run.id: d for d in harness.look(lambda conn: find_due(conn, 2**50))}
    states = {r["id"]: r for r in harness.look(lambda conn: list_runs(conn, thread))}
    found = {}
    for index, run in enumerate(harness.look(lambda conn: open_runs(conn, thread))):
        asks = [p for p in harness.row(run)["parts"] if p["kind"] == "input_request"]
        if run.id in due:
            found[run.id] = "an owner" if due[run.id].holder else "a time"
        elif index > 0:
            found[run.id] = "a predecessor"
        elif states[run.id]["status"] == "waiting" and any(p["by"] is None for p in asks):
            found[run.id] = "a question"
        else:
            found[run.id] = ""
    return found


def _a_run_that_meets_everything(harness: StoreHarness, thread: ThreadRef) -> Any:
    """Do one transaction after the other, and name each."""
    claimed = harness.claimed(thread)
    run = claimed.run
    yield "claimed"
    harness.send(thread, "the next in line")
    yield "a successor"
    harness.append(claimed, Delta(part=0, kind="reasoning", text="hm"))
    harness.append(claimed, Delta(part=1, kind="text", text="Pri"))
    yield "deltas"
    harness.clock.advance(1_500)
    harness.append(claimed, Delta(part=1, kind="text", text="ces 🧮"), settle=True)
    yield "settled"
    harness.append(
        claimed,
        Delta(part=2, kind="tool_input", text='{"q"'),
        ToolStarted(part=2, tool_call_id="c", name="sql", input={"q": "é"}),
    )
    yield "a tool"
    harness.do(lambda tx: put_off(tx, claimed, harness.clock() + 9, "overloaded", release=False))
    yield "waits in place"
    again = harness.do(lambda tx: retry_attempt(tx, claimed))
    assert again is not None
    yield "second attempt"
    harness.append(again, Delta(part=3, kind="text", text="rose"))
    harness.do(lambda tx: put_off(tx, again, harness.clock() + 9000, "rate_limited", release=True))
    yield "waits with nobody"
    third = harness.claim(run, "01b")
    assert third is not None
    yield "third attempt"
    harness.append(
        third,
        InputRequested(request_id="q", prompt="Which?", choices=("a", "b")),
        release=True,
    )
    yield "asks"
    answer = InputGiven(request_id="q", value="a", by="local")
    harness.do(lambda tx: (tx.append(thread, answer, run=run), tx.settle(run)), thread.pk)
    yield "answered"
    fourth = harness.claim(run, "01c")
    assert fourth is not None
    harness.append(fourth, StatusChanged(phase="queued"), release=True)
    yield "left by a server that ended"
    fifth = harness.claim(run, "01dead")
    assert fifth is not None
    harness.append(fifth, Delta(part=5, kind="text", text="!"))
    yield "held by a process that dies"
    sixth = harness.claim(run, "01d", on_crash="restart")
    assert sixth is not None
    yield "restarted"
    harness.append(sixth, "Prices.", Failed(code="stream_cut", message="", retryable=True))
    yield "an error"
    harness.append(sixth, *completed("Prices."), release=True)
    yield "completed"
    harness.do(
        lambda tx: threads.change_thread(tx, "local", thread.id, {"title": "T", "head": None})
    )
    yield "the thread changed"
    successor = harness.do(lambda tx: runs.make_successor(tx, run, keep_parts=True).ref, thread.pk)
    yield "continued"
    harness.do(lambda tx: runs.cancel(tx, successor))
    yield "cancelled"
    for left in harness.look(lambda conn: open_runs(conn, thread)):
        crashing = harness.claim(left, "01dead")
        assert crashing is not None
        yield "taken"
        assert harness.claim(left, "01e", max_crashes=1) is None
        yield "poison"
    harness.do(lambda tx: threads.mark_deleted(tx, thread), thread.pk)
    yield "deleted"
