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
from tests.store.harness import StoreHarness, completed, fold, same
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


def with_tools(harness: StoreHarness, thread: ThreadRef) -> RunRef:
    """An answer of two attempts, with reasoning, a tool call and deltas on both sides of it."""
    first = harness.claimed(thread, owner="01dead")
    harness.append(first, *"Look")
    again = harness.claim(first.run, "01b")
    assert again is not None
    harness.append(
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


def conversation(harness: StoreHarness) -> ThreadRef:
    """Two ended answers, then one under way whose row lags, and one that waits behind it."""
    thread = harness.thread(name="churn")
    with_tools(harness, thread)
    harness.answered(thread, "abcdefghij")
    harness.clock.advance(1000)
    under_way = harness.claimed(thread)
    harness.append(under_way, *"Pri", settle=True)
    harness.append(under_way, *"ces")
    harness.send(thread)
    return thread


def states(harness: StoreHarness, thread: ThreadRef) -> dict[int, Transcript]:
    """Return the fold up to every seq."""
    events = harness.events(thread)
    return {seq: fold(events[:seq]) for seq in range(len(events) + 1)}


def with_the_whole(
    harness: StoreHarness, thread: ThreadRef, before: dict[int, Transcript]
) -> dict[int, Transcript]:
    """Add the whole state to those that were."""
    whole = harness.follow(Transcript(), thread)
    return {**before, whole.seq: whole}


def check_every_cursor(
    harness: StoreHarness, thread: ThreadRef, before: dict[int, Transcript]
) -> None:
    """L6: from the state at any cursor, whatever is answered leads to the whole state."""
    for cursor, state in before.items():
        found = state.state()
        reader = Transcript()
        reader.replace({**found, "info": found["thread"], "seq": cursor})
        harness.follow(reader, thread, page_events=7)
        assert same(reader, before[max(before)]), cursor


def deltas(events: list[Event], run: RunRef | None = None) -> list[Event]:
    return [e for e in events if e.type == "delta" and (run is None or e.run_id == run.id)]


@pytest.mark.usefixtures("small_slices")
def test_every_cursor_leads_to_the_same_state_after_every_step(harness: StoreHarness) -> None:
    """L2, L6, L7: rows, hashes and log agree after each commit of a compaction."""
    thread = conversation(harness)
    before = states(harness, thread)
    counts = []
    for _ in tidying(harness):
        counts.append(len(deltas(harness.events(thread))))
        assert harness.damage() == []
        check_every_cursor(harness, thread, before)
    assert counts == sorted(set(counts), reverse=True)  # each step takes some out
    assert counts[-1] == 6  # of the one under way
    assert len(counts) >= 5


@pytest.mark.usefixtures("small_slices")
def test_what_died_between_two_steps_is_finished_by_the_next(harness: StoreHarness) -> None:
    """L2: each life of the process makes one step, and no step is made twice or left out."""
    thread = conversation(harness)
    state = harness.follow(Transcript(), thread)
    lives = 0
    while next(tidying(harness), None) is not None:
        lives += 1
        harness = harness.reopened()
        assert harness.damage() == []
        assert same(harness.follow(Transcript(), thread), state)
    assert lives >= 5
    assert len(deltas(harness.events(thread))) == 6
    assert harness.scalar("SELECT SUM(deltas_left) FROM compaction") == 0
    assert collected(harness).compacted_deltas == 0
    harness.close()


def test_only_runs_that_ended_long_enough_ago_are_compacted(harness: StoreHarness) -> None:
    thread = harness.thread()
    old = harness.answered(thread, "abc")
    harness.clock.advance(1000)
    fresh = harness.answered(thread, "def")
    counts = collected(harness, Policy(keep_events_ms=500, retention_ms=None))
    assert (counts.compacted_runs, counts.compacted_deltas, counts.compacted_bytes) == (1, 3, 3)
    assert deltas(harness.events(thread), old) == []
    assert len(deltas(harness.events(thread), fresh)) == 3
    assert collected(harness, Policy(keep_events_ms=None, retention_ms=None)).steps == 0


def test_a_step_takes_no_more_than_its_bounds(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live commit waits for one step at most, so a step ends with its budget."""
    monkeypatch.setattr(compaction, "SLICE_BYTES", 40)
    claimed = harness.claimed()
    harness.append(claimed, *(["x" * 10] * 12), "y" * 1000, *completed(""), release=True)
    left = [13]
    for _ in after_each_write(harness, compact_run(claimed.run, budget=LEAST)):
        left.append(len(deltas(harness.events(claimed.run.thread))))
    assert left == [13, 9, 5, 1, 0]  # by bytes; a large one goes alone


def test_a_run_that_has_not_ended_is_not_begun(harness: StoreHarness) -> None:
    """L2: its deltas are still needed."""
    claimed = harness.claimed()
    harness.append(claimed, "a")
    with pytest.raises(RunNotEnded):
        list(after_each_write(harness, compact_run(claimed.run, budget=LEAST)))
    assert collected(harness).compacted_runs == 0


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("begun", [0, 1], ids=["from the beginning", "from the middle"])
def test_of_two_that_compact_the_same_run_one_is_told(harness: StoreHarness, begun: int) -> None:
    """L2: each step looks whether things are as they were read."""
    run = harness.answered(pieces="abcdefghijkl")
    for _ in range(begun):
        next(after_each_write(harness, compact_run(run, budget=LEAST)))
    writes = [until_it_writes(harness, compact_run(run, budget=LEAST)) for _ in range(2)]
    do(harness, writes[0])
    with pytest.raises(Conflict):
        do(harness, writes[1])
    assert harness.damage() == []
    assert len(deltas(harness.events(run.thread))) == 12 - 4 * (begun + 1)
    list(after_each_write(harness, compact_run(run, budget=LEAST)))
    assert deltas(harness.events(run.thread)) == []


@pytest.mark.usefixtures("small_slices")
def test_of_runs_that_spoke_at_the_same_time_each_has_its_own_deltas(harness: StoreHarness) -> None:
    """L2, L6"""
    first = harness.claimed()
    second = harness.send(first.run.thread)
    harness.sql("UPDATE run SET turn = 1 WHERE pk = :pk", pk=second.pk)  # behind nobody
    other = harness.claim(second)
    assert other is not None
    for letter in "abcdefg":
        harness.append(first, letter)
        harness.append(other, letter.upper())
    harness.append(first, *completed("abcdefg"))
    before = states(harness, second.thread)
    collected(harness)
    assert len(deltas(harness.events(second.thread), second)) == 7
    harness.append(other, *completed("ABCDEFG"))
    before = with_the_whole(harness, second.thread, before)
    collected(harness)
    assert deltas(harness.events(second.thread)) == []
    assert harness.damage() == []
    check_every_cursor(harness, second.thread, before)


@pytest.mark.usefixtures("small_slices")
def test_a_run_that_changed_under_it_is_left_as_it_is(harness: StoreHarness) -> None:
    """L2: what cannot have happened is evidence."""
    run = harness.answered(pieces="abcdefghijkl")
    steps = after_each_write(harness, compact_run(run, budget=LEAST))
    next(steps)
    harness.sql(
        "DELETE FROM event WHERE thread = :thread AND type = 'delta' AND text = 'f'",
        thread=run.thread.pk,
    )
    with pytest.raises(Conflict):
        list(steps)
    found = harness.damage()
    assert any("L1: 1 events missing" in line for line in found)
    assert any("L2: 1 deltas left" in line for line in found)
    assert collected(harness).damaged == 1


@pytest.mark.usefixtures("small_slices")
def test_a_compaction_whose_count_is_wrong_is_left_as_it_is(harness: StoreHarness) -> None:
    """L2"""
    run = harness.answered(pieces="abcdefghijkl")
    steps = after_each_write(harness, compact_run(run, budget=LEAST))
    next(steps)
    harness.sql("UPDATE compaction SET deltas_left = 9 WHERE run = :run", run=run.pk)
    with pytest.raises(Conflict):
        list(steps)
    assert len(deltas(harness.events(run.thread))) == 8


def test_what_is_damaged_stays_and_keeps_nobody_else_back(harness: StoreHarness) -> None:
    """L2"""
    damaged = harness.answered(pieces="abc")
    torn = harness.answered(pieces="abc")
    whole = harness.answered(pieces="abc")
    harness.sql("UPDATE message SET parts = '[]' WHERE id = :id", id=damaged.message_id)
    harness.sql("UPDATE message SET parts = 'torn' WHERE id = :id", id=torn.message_id)
    counts = collected(harness)
    assert (counts.compacted_runs, counts.damaged) == (1, 2)
    assert len(deltas(harness.events(damaged.thread))) == 3
    assert len(deltas(harness.events(torn.thread))) == 3
    assert deltas(harness.events(whole.thread)) == []


@pytest.mark.usefixtures("small_slices")
def test_what_another_process_purges_meanwhile_keeps_nobody_else_back(
    harness: StoreHarness,
) -> None:
    """It is not damaged, nor the database away: before whichever step it goes, all others go on."""
    is_done, before = False, 0
    while not is_done:
        runs = [harness.answered(pieces="abcdefgh") for _ in range(2)]
        harness.clock.advance(1)
        counts = Counts()
        steps = tidy(harness.clock, ALL_EVENTS, counts, budget=LEAST)

        def count_and_do(step: Step) -> Any:
            nonlocal left
            left -= 1
            if not left:
                purged(harness, runs[0].thread)  # noqa: B023
            return do(harness, step)

        before = left = before + 1
        drive(steps, count_and_do)
        is_done = left > 0
        assert counts.damaged == 0, f"before step {before}"
        assert deltas(harness.events(runs[1].thread)) == []
    assert before > 6


def purged(harness: StoreHarness, thread: ThreadRef) -> None:
    for table, _ in owned_tables():
        harness.sql(f"DELETE FROM {table} WHERE thread = :pk", pk=thread.pk)
    harness.sql("DELETE FROM thread WHERE pk = :pk", pk=thread.pk)


# ---------------------------------------------------------------------- verify


def test_verify_holds_the_folded_state_and_never_all_events(tmp_path: Path) -> None:
    """Bounded memory: a log is as long as it likes."""
    harness = StoreHarness(f"sqlite:///{tmp_path / 'chat.db'}")
    claimed = harness.claimed()
    for _ in range(40):
        harness.append(claimed, *(f"word {number} " for number in range(500)))
    harness.append(claimed, *completed(""), release=True)
    harness.commits.clear()
    tracemalloc.start()
    try:
        assert harness.look(lambda conn: list(verify(conn))) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        harness.close()
    assert peak < 6_000_000, peak  # 20,000 events as objects are more than twice that


def test_a_fold_that_begins_nowhere_is_refused(harness: StoreHarness) -> None:
    run = harness.answered(pieces="abc")
    harness.sql(
        "DELETE FROM event WHERE type = 'message' AND run = :run AND thread = :thread",
        run=run.pk,
        thread=run.thread.pk,
    )
    with pytest.raises(FoldError):
        harness.compact(run)
