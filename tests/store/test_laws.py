"""The store keeps the laws of docs/protocol.md, on every database."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from jupyter_chat_stream.shared.errors import Conflict, RunNotEnded, StaleAttempt
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
    find_due,
    next_wake,
    put_off,
    retry_attempt,
)
from jupyter_chat_stream.store.chat.runs import list_runs, open_runs
from jupyter_chat_stream.store.log.reading import read_snapshot
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef, Transaction
from tests.store.bench import PATIENCE_S, Bench, completed, fold

# ---------------------------------------------------------------- L1


def test_seq_is_dense_from_1_in_every_thread(bench: Bench) -> None:
    """L1"""
    one, two = bench.thread(), bench.thread()
    first, second = bench.claimed(one), bench.claimed(two)
    for claimed in (first, second, first, first, second):
        bench.append(claimed, "a", "b")
    for thread in (one, two):
        assert bench.seqs(thread) == list(range(1, len(bench.seqs(thread)) + 1))


def test_seq_is_dense_within_and_across_batches(bench: Bench) -> None:
    """L1: many runs of many threads in one transaction, twice."""
    claims = [bench.claimed() for _ in range(4)]
    shared = bench.thread()
    claims.append(bench.claimed(shared))
    for _ in range(2):
        with bench.held_up():
            futures = [bench.put(claimed, "a", "b") for _ in range(3) for claimed in claims]
        for future in futures:
            future.result(PATIENCE_S)
    for claimed in claims:
        seqs = bench.seqs(claimed.run.thread)
        assert seqs == list(range(1, len(seqs) + 1))


def test_a_refused_write_uses_up_no_seq(bench: Bench) -> None:
    """L1, L5: a stale attempt, a refused command and a failed batch leave no hole."""
    claimed = bench.claimed()
    thread = claimed.run.thread
    bench.append(claimed, "a")

    def refused(tx: Transaction) -> None:
        tx.append(thread, ThreadChanged(thread={"title": "never"}))
        raise Conflict("No.")

    stale = Claimed(run=claimed.run, attempt=9, model="", params={}, retries=0)
    with bench.held_up():
        futures = [
            bench.put(claimed, "b"),
            bench.put(stale, "never"),
            bench.store.submit(refused, thread.pk),
            bench.put(claimed, "c"),
        ]
    assert [type(future.exception(PATIENCE_S)) for future in futures] == [
        type(None),
        StaleAttempt,
        Conflict,
        type(None),
    ]
    bench.refuse("event", "type", "error")
    failed = bench.put(claimed, Failed(code="x", message="", retryable=False))
    assert failed.exception(PATIENCE_S) is not None
    bench.append(claimed, "d")
    seqs = bench.seqs(thread)
    assert seqs == list(range(1, len(seqs) + 1))
    texts = [e.body.text for e in bench.events(thread) if isinstance(e.body, Delta)]
    assert texts == ["a", "b", "c", "d"]


def test_seq_is_read_in_each_transaction_anew(bench: Bench) -> None:
    """L1: what somebody else committed in between is counted, not overwritten."""
    claimed = bench.claimed()
    thread = claimed.run.thread
    bench.append(claimed, "a")
    other = Bench(bench.url, bench.clock)
    try:
        other.append(claimed, "b")
    finally:
        other.close()
    bench.append(claimed, "c")
    texts = [e.body.text for e in bench.events(thread) if isinstance(e.body, Delta)]
    assert texts == ["a", "b", "c"]
    assert bench.seqs(thread) == list(range(1, len(bench.seqs(thread)) + 1))


def test_seq_does_not_follow_the_clock(bench: Bench) -> None:
    """L1: a clock that goes back changes times, not numbers."""
    claimed = bench.claimed()
    bench.clock.advance(-3_600_000)
    bench.append(claimed, "a")
    assert bench.damage() == []
    assert bench.seqs(claimed.run.thread)[-1] == len(bench.seqs(claimed.run.thread))


# ---------------------------------------------------------------- L2


def test_nothing_that_happens_later_changes_an_event(bench: Bench) -> None:
    """L2"""
    claimed = bench.claimed()
    thread = claimed.run.thread
    bench.append(claimed, "a", settle=True)
    before = bench.events(thread)
    bench.append(claimed, "b", *completed("ab"), release=True)
    bench.do(lambda tx: threads.change_thread(tx, "local", thread.id, {"title": "T"}), thread.pk)
    bench.answered(thread)
    assert bench.events(thread)[: len(before)] == before


def test_compaction_takes_out_deltas_of_the_ended_message_alone(bench: Bench) -> None:
    """L2: and keeps a hash of what they folded to, for verify."""
    thread = bench.thread()
    ended = bench.answered(thread, "abc")
    other = bench.claimed(thread)
    bench.append(other, "x", "y")
    before = bench.events(thread)
    assert bench.compact(ended) == 3
    expected = [e for e in before if e.type != "delta" or e.run_id != ended.id]
    assert bench.events(thread) == expected
    assert bench.damage() == []
    bench.sql("UPDATE message SET parts = '[]' WHERE id = :id", id=ended.message_id)
    assert any("L2" in found for found in bench.damage())


def test_a_message_that_has_not_ended_is_not_compacted(bench: Bench) -> None:
    """L2"""
    claimed = bench.claimed()
    bench.append(claimed, "a")
    with pytest.raises(RunNotEnded):
        bench.compact(claimed.run)
    assert bench.compact(bench.answered(pieces="ab")) == 2


def test_compacting_again_changes_nothing(bench: Bench) -> None:
    """L2"""
    run = bench.answered(pieces="abc")
    assert bench.compact(run) == 3
    assert bench.compact(run) == 0
    assert bench.damage() == []


# ---------------------------------------------------------------- L3


def test_what_is_published_is_committed(bench: Bench) -> None:
    """L3: whoever hears of an event can read it, and its outcome comes no earlier."""
    seen: list[bool] = []

    def look(events: list[Any]) -> None:
        refs = {e.thread_id: e.seq for e in events}
        sql = (
            "SELECT MAX(seq) FROM event JOIN thread ON thread.pk = event.thread "
            "WHERE thread.id = :id"
        )
        seen.extend(bench.scalar(sql, id=id_) >= seq for id_, seq in refs.items())

    bench.store.listen(look)
    claimed = bench.claimed()
    bench.append(claimed, "a")
    bench.append(claimed, *completed("a"))
    assert len(seen) == 5
    assert all(seen)


def test_what_failed_is_not_published(bench: Bench) -> None:
    """L3"""
    claimed = bench.claimed()
    bench.refuse("event", "type", "error")
    bench.commits.clear()
    body = Failed(code="x", message="", retryable=False)
    assert bench.put(claimed, "a", body).exception(PATIENCE_S) is not None
    assert bench.commits == []
    assert bench.seqs(claimed.run.thread) == [1, 2, 3, 4]


# ---------------------------------------------------------------- L4


def test_the_end_of_a_run_is_one_transaction(bench: Bench) -> None:
    """L4: finalized, the run's status and the message's status, or none of them."""
    claimed = bench.claimed()
    bench.append(claimed, "a")
    bench.refuse("message", "status", "completed")
    assert bench.put(claimed, *completed("a"), release=True).exception(PATIENCE_S) is not None
    assert bench.run(claimed.run)["status"] == "processing"
    assert [e.type for e in bench.events(claimed.run.thread)][-1] == "delta"
    bench.allow("message")
    bench.append(claimed, *completed("a"), release=True)
    assert bench.run(claimed.run)["status"] == "completed"
    assert bench.row(claimed.run)["status"] == "completed"
    assert bench.scalar("SELECT owner FROM run WHERE id = :id", id=claimed.run.id) is None


@pytest.mark.parametrize("body", [Delta(part=0, kind="text", text="x"), Finalized(status="failed")])
def test_no_event_of_a_run_follows_its_end(bench: Bench, body: Any) -> None:
    """L4: from its attempt, in a later batch or in the same one."""
    claimed = bench.claimed()
    bench.append(claimed, "a", *completed("a"))
    with pytest.raises(StaleAttempt):
        bench.append(claimed, body)
    second = bench.claimed(claimed.run.thread)
    with bench.held_up():
        ended = bench.put(second, "a", *completed("a"))
        late = bench.put(second, body)
    assert ended.exception(PATIENCE_S) is None
    assert isinstance(late.exception(PATIENCE_S), StaleAttempt)
    types = [e.type for e in bench.events(second.run.thread) if e.run_id == second.run.id]
    assert types.count("finalized") == 1
    assert types[-1] == "finalized"


def test_an_ended_run_is_neither_cancelled_nor_claimed_again(bench: Bench) -> None:
    """L4: commands check the status."""
    claimed = bench.claimed()
    due = bench.due(claimed.run)
    bench.append(claimed, *completed(""))
    before = bench.events(claimed.run.thread)
    assert bench.do(lambda tx: runs.cancel(tx, claimed.run)) is False
    taken = bench.do(lambda tx: claim(tx, due, "01b", max_crashes=3, on_crash="continue"))
    assert taken is None
    assert bench.do(lambda tx: retry_attempt(tx, claimed)) is None
    assert bench.events(claimed.run.thread) == before


# ---------------------------------------------------------------- L5


def test_events_carry_their_run_and_attempt(bench: Bench) -> None:
    """L5"""
    claimed = bench.claimed()
    bench.append(claimed, "a")
    event = bench.events(claimed.run.thread)[-1]
    assert (event.run_id, event.message_id, event.attempt) == (
        claimed.run.id,
        claimed.run.message_id,
        1,
    )


def test_an_attempt_is_stale_once_another_has_the_run(bench: Bench) -> None:
    """L5: a zombie that comes back writes nothing, whatever it writes."""
    zombie = bench.claimed(owner="01dead")
    bench.append(zombie, "a")
    taken = bench.claim(zombie.run, "01b")
    assert taken is not None
    assert taken.attempt == 2
    for bodies in (("b",), completed("b"), (StatusChanged(phase="building"),)):
        with pytest.raises(StaleAttempt):
            bench.append(zombie, *bodies, release=True, settle=True)
    assert bench.scalar("SELECT owner FROM run WHERE id = :id", id=taken.run.id) == "01b"
    bench.append(taken, Delta(part=1, kind="text", text="c"))
    assert bench.damage() == []


def test_an_attempt_that_is_not_yet_there_is_refused(bench: Bench) -> None:
    """L5"""
    claimed = bench.claimed()
    ahead = Claimed(run=claimed.run, attempt=2, model="", params={}, retries=0)
    with pytest.raises(StaleAttempt):
        bench.append(ahead, "a")


def test_the_check_is_made_in_the_transaction_that_writes(bench: Bench) -> None:
    """L5: a cancel in the same batch, before or after, decides."""
    claimed = bench.claimed()
    with bench.held_up():
        before = bench.put(claimed, "a")
        cancelled = bench.store.submit(
            lambda tx: runs.cancel(tx, claimed.run), claimed.run.thread.pk
        )
        after = bench.put(claimed, "b")
    assert before.exception(PATIENCE_S) is None
    assert cancelled.result(PATIENCE_S) is True
    assert isinstance(after.exception(PATIENCE_S), StaleAttempt)
    assert bench.row(claimed.run)["content"] == "a"
    assert bench.damage() == []


def test_a_retry_of_a_stale_attempt_is_refused(bench: Bench) -> None:
    """L5"""
    zombie = bench.claimed(owner="01dead")
    taken = bench.claim(zombie.run, "01b")
    assert taken is not None
    assert bench.do(lambda tx: retry_attempt(tx, zombie)) is None
    with pytest.raises(StaleAttempt):
        bench.do(lambda tx: put_off(tx, zombie, 5, "x", release=True))
    assert bench.scalar("SELECT owner FROM run WHERE id = :id", id=taken.run.id) == "01b"


def test_of_many_who_claim_at_once_one_gets_it(bench: Bench) -> None:
    """L5: also where each has a store of its own."""
    run = bench.send(bench.thread())
    due = bench.due(run)
    others = [Bench(bench.url, bench.clock) for _ in range(3)]
    try:
        ready = threading.Barrier(3, timeout=PATIENCE_S)
        taken: list[Claimed | None] = []

        def take(other: Bench, owner: str) -> None:
            ready.wait()
            options: Any = {"max_crashes": 3, "on_crash": "continue"}
            taken.append(other.do(lambda tx: claim(tx, due, owner, **options), run.thread.pk))

        takers = [
            threading.Thread(target=take, args=(other, f"01{n}")) for n, other in enumerate(others)
        ]
        for taker in takers:
            taker.start()
        for taker in takers:
            taker.join(PATIENCE_S)
    finally:
        for other in others:
            other.close()
    assert sorted(claimed is not None for claimed in taken) == [False, False, True]
    assert bench.run(run)["attempt"] == 1


# ---------------------------------------------------------------- L7


def test_every_row_is_the_fold_of_its_events_byte_for_byte(bench: Bench) -> None:
    """L7: after each step of a run that meets everything."""
    thread = bench.thread(name="churn")
    for step in _a_run_that_meets_everything(bench, thread):
        assert bench.damage() == [], step
        folded = fold(bench.events(thread))
        snapshot = bench.look(lambda conn: read_snapshot(conn, thread, 0))
        state = {
            "thread": snapshot.info,
            "messages": list(snapshot.messages),
            "runs": list(snapshot.runs),
            "seq": snapshot.seq,
        }
        assert canonical(state) == canonical(folded.state()), step


def test_a_settled_row_stands_at_the_last_event_of_its_message(bench: Bench) -> None:
    """L7: its seq says how far; one that lags is still the fold up to its own seq."""
    claimed = bench.claimed()
    last = bench.append(claimed, "a", "b", settle=True)[-1]
    assert (bench.row(claimed.run)["seq"], bench.row(claimed.run)["content"]) == (last.seq, "ab")
    bench.append(claimed, "c")
    assert (bench.row(claimed.run)["seq"], bench.row(claimed.run)["content"]) == (last.seq, "ab")
    assert bench.damage() == []
    bench.append(claimed, *completed("abc"))
    assert bench.row(claimed.run)["content"] == "abc"
    assert bench.damage() == []


# ---------------------------------------------------------------- L10


def test_every_transaction_leaves_each_run_with_somebody_or_something_to_go_on(
    bench: Bench,
) -> None:
    """L10"""
    thread = bench.thread()
    for step in _a_run_that_meets_everything(bench, thread):
        for run_id, why in _open_runs(bench, thread).items():
            assert why, (step, run_id)


def test_a_successor_waits_for_its_predecessor_and_then_is_due(bench: Bench) -> None:
    """L10: and in the order of sending."""
    thread = bench.thread()
    first, second, third = (bench.send(thread) for _ in range(3))
    assert _due(bench, thread) == [first]
    bench.do(lambda tx: runs.cancel(tx, second))
    assert _due(bench, thread) == [first]
    claimed = bench.claim(first)
    assert claimed is not None
    bench.append(claimed, *completed(""))
    assert _due(bench, thread) == [third]


def test_a_waiting_run_is_due_at_its_time_and_not_before(bench: Bench) -> None:
    """L10"""
    claimed = bench.claimed()
    at = bench.clock() + 60_000
    bench.do(lambda tx: put_off(tx, claimed, at, "overloaded", release=True))
    assert bench.look(lambda conn: find_due(conn, at - 1)) == []
    assert bench.look(lambda conn: next_wake(conn, at - 1)) == at
    assert bench.look(lambda conn: next_wake(conn, at)) is None  # find_due has it then
    assert [due.run for due in bench.look(lambda conn: find_due(conn, at))] == [claimed.run]


def test_an_open_question_waits_for_ever_and_its_answer_makes_the_run_due(bench: Bench) -> None:
    """L10"""
    claimed = bench.claimed()
    bench.append(claimed, InputRequested(request_id="q", prompt="Which?"), release=True)
    assert bench.look(lambda conn: find_due(conn, 2**50)) == []
    bench.do(
        lambda tx: tx.append(
            claimed.run.thread, InputGiven(request_id="q", value=1, by="local"), run=claimed.run
        )
    )
    assert _due(bench, claimed.run.thread) == [claimed.run]


def _due(bench: Bench, thread: ThreadRef) -> list[RunRef]:
    found = bench.look(lambda conn: find_due(conn, bench.clock()))
    return [due.run for due in found if due.run.thread == thread]


def _open_runs(bench: Bench, thread: ThreadRef) -> dict[str, str]:
    """Say of each run that has not ended what it has, "" where it has nothing."""
    due = {d.run.id: d for d in bench.look(lambda conn: find_due(conn, 2**50))}
    states = {r["id"]: r for r in bench.look(lambda conn: list_runs(conn, thread))}
    found = {}
    for index, run in enumerate(bench.look(lambda conn: open_runs(conn, thread))):
        asks = [p for p in bench.row(run)["parts"] if p["kind"] == "input_request"]
        if run.id in due:
            found[run.id] = "an owner" if due[run.id].owner else "a time"
        elif index > 0:
            found[run.id] = "a predecessor"
        elif states[run.id]["status"] == "waiting" and any(p["by"] is None for p in asks):
            found[run.id] = "a question"
        else:
            found[run.id] = ""
    return found


def _a_run_that_meets_everything(bench: Bench, thread: ThreadRef) -> Any:
    """Do one transaction after the other, and name each."""
    claimed = bench.claimed(thread)
    run = claimed.run
    yield "claimed"
    bench.send(thread, "the next in line")
    yield "a successor"
    bench.append(claimed, Delta(part=0, kind="reasoning", text="hm"))
    bench.append(claimed, Delta(part=1, kind="text", text="Pri"))
    yield "deltas"
    bench.clock.advance(1_500)
    bench.append(claimed, Delta(part=1, kind="text", text="ces 🧮"), settle=True)
    yield "settled"
    bench.append(
        claimed,
        Delta(part=2, kind="tool_input", text='{"q"'),
        ToolStarted(part=2, tool_call_id="c", name="sql", input={"q": "é"}),
    )
    yield "a tool"
    bench.do(lambda tx: put_off(tx, claimed, bench.clock() + 9, "overloaded", release=False))
    yield "waits in place"
    again = bench.do(lambda tx: retry_attempt(tx, claimed))
    assert again is not None
    yield "second attempt"
    bench.append(again, Delta(part=3, kind="text", text="rose"))
    bench.do(lambda tx: put_off(tx, again, bench.clock() + 9000, "rate_limited", release=True))
    yield "waits with nobody"
    third = bench.claim(run, "01b")
    assert third is not None
    yield "third attempt"
    bench.append(
        third,
        InputRequested(request_id="q", prompt="Which?", choices=("a", "b")),
        release=True,
    )
    yield "asks"
    answer = InputGiven(request_id="q", value="a", by="local")
    bench.do(lambda tx: (tx.append(thread, answer, run=run), tx.settle(run)), thread.pk)
    yield "answered"
    fourth = bench.claim(run, "01c")
    assert fourth is not None
    bench.append(fourth, StatusChanged(phase="queued"), release=True)
    yield "left by a server that ended"
    fifth = bench.claim(run, "01dead")
    assert fifth is not None
    bench.append(fifth, Delta(part=5, kind="text", text="!"))
    yield "held by a process that dies"
    sixth = bench.claim(run, "01d", on_crash="restart")
    assert sixth is not None
    yield "restarted"
    bench.append(sixth, "Prices.", Failed(code="stream_cut", message="", retryable=True))
    yield "an error"
    bench.append(sixth, *completed("Prices."), release=True)
    yield "completed"
    bench.do(lambda tx: threads.change_thread(tx, "local", thread.id, {"title": "T", "head": None}))
    yield "the thread changed"
    successor = bench.do(lambda tx: runs.make_successor(tx, run, keep_parts=True), thread.pk)
    yield "continued"
    bench.do(lambda tx: runs.cancel(tx, successor))
    yield "cancelled"
    for left in bench.look(lambda conn: open_runs(conn, thread)):
        crashing = bench.claim(left, "01dead")
        assert crashing is not None
        yield "taken"
        assert bench.claim(left, "01e", max_crashes=1) is None
        yield "poison"
    bench.do(lambda tx: threads.mark_deleted(tx, thread), thread.pk)
    yield "deleted"
