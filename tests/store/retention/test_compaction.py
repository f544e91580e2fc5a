"""Deltas of ended messages leave the log in steps, and nobody can tell but by their number (L2)."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.shared.errors import Conflict, FoldError, RunNotEnded
from jupyter_chat_stream.shared.events import Delta, Event, ToolReturned, ToolStarted
from jupyter_chat_stream.shared.fold import Transcript
from jupyter_chat_stream.store.audit import verify
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from jupyter_chat_stream.store.retention import compaction
from jupyter_chat_stream.store.retention.cleanup import Counts, Policy, tidy
from jupyter_chat_stream.store.retention.compaction import compact_run
from jupyter_chat_stream.store.retention.purging import owned_tables
from jupyter_chat_stream.store.retention.steps import Step, drive
from tests.store.bench import Bench, completed, fold, same
from tests.store.retention.stepping import (
    ALL_EVENTS,
    LEAST,
    after_each_write,
    collected,
    do,
    tidying,
    until_it_writes,
)


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every step be small, and every fold come in pages."""
    monkeypatch.setattr(compaction, "SLICE", 4)
    monkeypatch.setattr(compaction, "SLICES", 2)
    monkeypatch.setattr(compaction, "PAGE", 5)


def with_tools(bench: Bench, thread: ThreadRef) -> RunRef:
    """An answer of two attempts, with reasoning, a tool call and deltas on both sides of it."""
    first = bench.claimed(thread, owner="01dead")
    bench.append(first, *"Look")
    again = bench.claim(first.run, "01b")
    assert again is not None
    bench.append(
        again,
        Delta(part=1, kind="reasoning", text="hm"),
        Delta(part=2, kind="tool_input", text="{"),
        ToolStarted(part=2, tool_call_id="c", name="n", input={}),
        ToolReturned(tool_call_id="c", name="n", success=True, output=1),
        *(Delta(part=4, kind="text", text=letter) for letter in "done"),
        *completed("Lookdone"),
        release=True,
    )
    return first.run


def conversation(bench: Bench) -> ThreadRef:
    """Two ended answers, then one under way whose row lags, and one that waits behind it."""
    thread = bench.thread(name="churn")
    with_tools(bench, thread)
    bench.answered(thread, "abcdefghij")
    bench.clock.advance(1000)
    under_way = bench.claimed(thread)
    bench.append(under_way, *"Pri", settle=True)
    bench.append(under_way, *"ces")
    bench.send(thread)
    return thread


def states(bench: Bench, thread: ThreadRef) -> dict[int, Transcript]:
    """Give the fold up to every seq."""
    events = bench.events(thread)
    return {seq: fold(events[:seq]) for seq in range(len(events) + 1)}


def with_the_whole(
    bench: Bench, thread: ThreadRef, before: dict[int, Transcript]
) -> dict[int, Transcript]:
    """Add the whole state to those that were."""
    whole = bench.follow(Transcript(), thread)
    return {**before, whole.seq: whole}


def check_every_cursor(bench: Bench, thread: ThreadRef, before: dict[int, Transcript]) -> None:
    """L6: from the state at any cursor, whatever is answered leads to the whole state."""
    for cursor, state in before.items():
        found = state.state()
        reader = Transcript()
        reader.replace({**found, "info": found["thread"], "seq": cursor})
        bench.follow(reader, thread, page_events=7)
        assert same(reader, before[max(before)]), cursor


def deltas(events: list[Event], run: RunRef | None = None) -> list[Event]:
    return [e for e in events if e.type == "delta" and (run is None or e.run_id == run.id)]


@pytest.mark.usefixtures("small_slices")
def test_every_cursor_leads_to_the_same_state_after_every_step(bench: Bench) -> None:
    """L2, L6, L7: rows, hashes and log agree after each commit of a compaction."""
    thread = conversation(bench)
    before = states(bench, thread)
    counts = []
    for _ in tidying(bench):
        counts.append(len(deltas(bench.events(thread))))
        assert bench.damage() == []
        check_every_cursor(bench, thread, before)
    assert counts == sorted(set(counts), reverse=True)  # each step takes some out
    assert counts[-1] == 6  # of the one under way
    assert len(counts) >= 5


@pytest.mark.usefixtures("small_slices")
def test_what_died_between_two_steps_is_finished_by_the_next(bench: Bench) -> None:
    """L2: each life of the process makes one step, and no step is made twice or left out."""
    thread = conversation(bench)
    state = bench.follow(Transcript(), thread)
    lives = 0
    while next(tidying(bench), None) is not None:
        lives += 1
        bench = bench.reopened()
        assert bench.damage() == []
        assert same(bench.follow(Transcript(), thread), state)
    assert lives >= 5
    assert len(deltas(bench.events(thread))) == 6
    assert bench.scalar("SELECT SUM(deltas_left) FROM compaction") == 0
    assert collected(bench).compacted_deltas == 0
    bench.close()


def test_only_runs_that_ended_long_enough_ago_are_compacted(bench: Bench) -> None:
    thread = bench.thread()
    old = bench.answered(thread, "abc")
    bench.clock.advance(1000)
    fresh = bench.answered(thread, "def")
    counts = collected(bench, Policy(keep_events_ms=500, retention_ms=None))
    assert (counts.compacted_runs, counts.compacted_deltas, counts.compacted_bytes) == (1, 3, 3)
    assert deltas(bench.events(thread), old) == []
    assert len(deltas(bench.events(thread), fresh)) == 3
    assert collected(bench, Policy(keep_events_ms=None, retention_ms=None)).steps == 0


def test_a_step_takes_no_more_than_its_bounds(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live commit waits for one step at most, so a step ends with its budget."""
    monkeypatch.setattr(compaction, "SLICE_BYTES", 40)
    claimed = bench.claimed()
    bench.append(claimed, *(["x" * 10] * 12), "y" * 1000, *completed(""), release=True)
    left = [13]
    for _ in after_each_write(bench, compact_run(claimed.run, budget=LEAST)):
        left.append(len(deltas(bench.events(claimed.run.thread))))
    assert left == [13, 9, 5, 1, 0]  # by bytes; a large one goes alone


def test_a_run_that_has_not_ended_is_not_begun(bench: Bench) -> None:
    """L2: its deltas are still needed."""
    claimed = bench.claimed()
    bench.append(claimed, "a")
    with pytest.raises(RunNotEnded):
        list(after_each_write(bench, compact_run(claimed.run, budget=LEAST)))
    assert collected(bench).compacted_runs == 0


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("begun", [0, 1], ids=["from the beginning", "from the middle"])
def test_of_two_that_compact_the_same_run_one_is_told(bench: Bench, begun: int) -> None:
    """L2: each step looks whether things are as they were read."""
    run = bench.answered(pieces="abcdefghijkl")
    for _ in range(begun):
        next(after_each_write(bench, compact_run(run, budget=LEAST)))
    writes = [until_it_writes(bench, compact_run(run, budget=LEAST)) for _ in range(2)]
    do(bench, writes[0])
    with pytest.raises(Conflict):
        do(bench, writes[1])
    assert bench.damage() == []
    assert len(deltas(bench.events(run.thread))) == 12 - 4 * (begun + 1)
    list(after_each_write(bench, compact_run(run, budget=LEAST)))
    assert deltas(bench.events(run.thread)) == []


@pytest.mark.usefixtures("small_slices")
def test_of_runs_that_spoke_at_the_same_time_each_has_its_own_deltas(bench: Bench) -> None:
    """L2, L6"""
    first = bench.claimed()
    second = bench.send(first.run.thread)
    bench.sql("UPDATE run SET turn = 1 WHERE pk = :pk", pk=second.pk)  # behind nobody
    other = bench.claim(second)
    assert other is not None
    for letter in "abcdefg":
        bench.append(first, letter)
        bench.append(other, letter.upper())
    bench.append(first, *completed("abcdefg"))
    before = states(bench, second.thread)
    collected(bench)
    assert len(deltas(bench.events(second.thread), second)) == 7
    bench.append(other, *completed("ABCDEFG"))
    before = with_the_whole(bench, second.thread, before)
    collected(bench)
    assert deltas(bench.events(second.thread)) == []
    assert bench.damage() == []
    check_every_cursor(bench, second.thread, before)


@pytest.mark.usefixtures("small_slices")
def test_a_run_that_changed_under_it_is_left_as_it_is(bench: Bench) -> None:
    """L2: what cannot have happened is evidence."""
    run = bench.answered(pieces="abcdefghijkl")
    steps = after_each_write(bench, compact_run(run, budget=LEAST))
    next(steps)
    bench.sql(
        "DELETE FROM event WHERE thread = :thread AND type = 'delta' AND text = 'f'",
        thread=run.thread.pk,
    )
    with pytest.raises(Conflict):
        list(steps)
    found = bench.damage()
    assert any("L1: 1 events missing" in line for line in found)
    assert any("L2: 1 deltas left" in line for line in found)
    assert collected(bench).left == 1


@pytest.mark.usefixtures("small_slices")
def test_a_compaction_whose_count_is_wrong_is_left_as_it_is(bench: Bench) -> None:
    """L2"""
    run = bench.answered(pieces="abcdefghijkl")
    steps = after_each_write(bench, compact_run(run, budget=LEAST))
    next(steps)
    bench.sql("UPDATE compaction SET deltas_left = 9 WHERE run = :run", run=run.pk)
    with pytest.raises(Conflict):
        list(steps)
    assert len(deltas(bench.events(run.thread))) == 8


def test_what_is_damaged_stays_and_keeps_nobody_else_back(bench: Bench) -> None:
    """L2"""
    damaged = bench.answered(pieces="abc")
    torn = bench.answered(pieces="abc")
    whole = bench.answered(pieces="abc")
    bench.sql("UPDATE message SET parts = '[]' WHERE id = :id", id=damaged.message_id)
    bench.sql("UPDATE message SET parts = 'torn' WHERE id = :id", id=torn.message_id)
    counts = collected(bench)
    assert (counts.compacted_runs, counts.left) == (1, 2)
    assert len(deltas(bench.events(damaged.thread))) == 3
    assert len(deltas(bench.events(torn.thread))) == 3
    assert deltas(bench.events(whole.thread)) == []


@pytest.mark.usefixtures("small_slices")
def test_what_another_process_purges_meanwhile_keeps_nobody_else_back(bench: Bench) -> None:
    """It is not damaged, nor the database away: before whichever step it goes, all others go on."""
    is_done, before = False, 0
    while not is_done:
        runs = [bench.answered(pieces="abcdefgh") for _ in range(2)]
        bench.clock.advance(1)
        counts = Counts()
        steps = tidy(bench.clock, ALL_EVENTS, counts, budget=LEAST)

        def count_and_do(step: Step) -> Any:
            nonlocal left
            left -= 1
            if not left:
                purged(bench, runs[0].thread)  # noqa: B023
            return do(bench, step)

        before = left = before + 1
        drive(steps, count_and_do)
        is_done = left > 0
        assert counts.left == 0, f"before step {before}"
        assert deltas(bench.events(runs[1].thread)) == []
    assert before > 6


def purged(bench: Bench, thread: ThreadRef) -> None:
    for table, _ in owned_tables():
        bench.sql(f"DELETE FROM {table} WHERE thread = :pk", pk=thread.pk)
    bench.sql("DELETE FROM thread WHERE pk = :pk", pk=thread.pk)


# ---------------------------------------------------------------------- verify


def test_verify_holds_the_folded_state_and_never_all_events(tmp_path: Path) -> None:
    """Bounded memory: a log is as long as it likes."""
    bench = Bench(f"sqlite:///{tmp_path / 'chat.db'}")
    claimed = bench.claimed()
    for _ in range(40):
        bench.append(claimed, *(f"word {number} " for number in range(500)))
    bench.append(claimed, *completed(""), release=True)
    bench.commits.clear()
    tracemalloc.start()
    try:
        assert bench.look(lambda conn: list(verify(conn))) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        bench.close()
    assert peak < 6_000_000, peak  # 20,000 events as objects are more than twice that


def test_a_fold_that_begins_nowhere_is_refused(bench: Bench) -> None:
    run = bench.answered(pieces="abc")
    bench.sql(
        "DELETE FROM event WHERE type = 'message' AND run = :run AND thread = :thread",
        run=run.pk,
        thread=run.thread.pk,
    )
    with pytest.raises(FoldError):
        bench.compact(run)
