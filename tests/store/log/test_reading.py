"""Answering a cursor: a page or a snapshot, and both bring a reader to the same state (L6)."""

from __future__ import annotations

import pytest

from jupyter_chat_stream.shared.errors import Compacted, CursorAhead, ThreadNotFound
from jupyter_chat_stream.shared.events import Delta, StatusChanged, ToolReturned, ToolStarted
from jupyter_chat_stream.shared.fold import Transcript
from jupyter_chat_stream.store.chat.threads import mark_deleted
from jupyter_chat_stream.store.log.reading import (
    Page,
    Snapshot,
    read_messages_before,
    read_snapshot,
)
from jupyter_chat_stream.store.log.transaction import ThreadRef
from tests.store.harness import StoreHarness, completed, fold, same


def conversation(harness: StoreHarness) -> ThreadRef:
    """Two ended answers of many small pieces, one under way with a row that lags, one pending."""
    thread = harness.thread(name="churn")
    harness.answered(thread, "abcdefghijklmnopqrstuvwxyz")
    harness.clock.advance(1000)
    with_tools = harness.claimed(thread)
    harness.append(with_tools, *("look " * 30).split())
    harness.append(
        with_tools,
        Delta(part=1, kind="tool_input", text="{}"),
        ToolStarted(part=1, tool_call_id="c", name="sql", input={}),
        ToolReturned(tool_call_id="c", name="sql", success=True, output=[1]),
        Delta(part=3, kind="text", text="done"),
    )
    harness.append(with_tools, *completed("…"))
    under_way = harness.claimed(thread)
    harness.append(under_way, *"Prices ", settle=True)
    harness.append(under_way, *"rose.", StatusChanged(phase="building"))
    harness.send(thread)
    return thread


def check_every_cursor(
    harness: StoreHarness, thread: ThreadRef, before: dict[int, Transcript]
) -> None:
    """L6: from the state at any cursor, whatever is answered leads to the whole state."""
    whole = before[max(before)]
    for cursor, state in before.items():
        for limits in ({}, {"page_events": 1}, {"page_bytes": 200}, {"page_events": 7}):
            reader = Transcript()
            reader.replace({**_snapshot(state), "seq": cursor})
            harness.follow(reader, thread, **limits)
            assert same(reader, whole), (cursor, limits)


def states(harness: StoreHarness, thread: ThreadRef) -> dict[int, Transcript]:
    """Return the fold up to every seq."""
    events = harness.events(thread)
    return {seq: fold(events[:seq]) for seq in range(len(events) + 1)}


def _snapshot(state: Transcript) -> dict:  # type: ignore[type-arg]
    found = state.state()
    return {"info": found["thread"], "messages": found["messages"], "runs": found["runs"]}


def test_every_cursor_leads_to_the_same_state(harness: StoreHarness) -> None:
    """L6"""
    thread = conversation(harness)
    check_every_cursor(harness, thread, states(harness, thread))


def test_every_old_cursor_stays_valid_through_compaction(harness: StoreHarness) -> None:
    """L2, L6: also one in the middle of what was taken out."""
    thread = conversation(harness)
    before = states(harness, thread)
    ended = [e for e in harness.events(thread) if e.type == "finalized"]
    for event in ended:
        run = next(r for r in _runs(harness, thread) if r.id == event.run_id)
        assert harness.compact(run) > 0
        assert harness.damage() == []
        check_every_cursor(harness, thread, before)


def _runs(harness: StoreHarness, thread: ThreadRef):  # type: ignore[no-untyped-def]
    from jupyter_chat_stream.store.chat.runs import find_in_thread

    ids = {e.run_id for e in harness.events(thread) if e.run_id}
    return [harness.look(lambda conn, id_=id_: find_in_thread(conn, thread, id_)) for id_ in ids]


def test_a_short_way_is_answered_with_events_and_a_long_one_with_a_snapshot(
    harness: StoreHarness,
) -> None:
    thread = harness.thread()
    harness.answered(thread, "x" * 500)
    head = len(harness.events(thread))
    near = harness.after(thread, head - 5)
    assert isinstance(near, Page)
    assert [event.seq for event in near.events] == list(range(head - 4, head + 1))
    far = harness.after(thread, 0)
    assert isinstance(far, Snapshot)
    assert (far.seq, far.messages[-1]["content"]) == (head, "x" * 500)
    assert len(str(far.to_wire())) < 500 * 180


def test_a_reader_that_has_nothing_gets_a_thread_of_several_pages_at_once(
    harness: StoreHarness,
) -> None:
    """Pages would take one turn each, and hold the texts twice: in deltas and in `complete`."""
    claimed = harness.claimed()
    thread = claimed.run.thread
    harness.append(claimed, *(["x" * 6_000] * 12), settle=True)
    head = len(harness.events(thread))
    first, later = harness.after(thread, 0), harness.after(thread, head - 4)
    assert isinstance(first, Snapshot)
    assert first.seq == head
    assert isinstance(later, Page)


def test_a_snapshot_names_only_what_changed_after_the_cursor(harness: StoreHarness) -> None:
    thread = harness.thread()
    first = harness.answered(thread, "x" * 50)
    cursor = len(harness.events(thread))
    second = harness.answered(thread, "y" * 200)
    snapshot = harness.after(thread, cursor)
    assert isinstance(snapshot, Snapshot)
    assert [run["id"] for run in snapshot.runs] == [second.id]
    assert first.message_id not in [message["id"] for message in snapshot.messages]
    assert second.message_id in [message["id"] for message in snapshot.messages]


def test_a_page_ends_at_its_limits_and_holds_at_least_one_event(harness: StoreHarness) -> None:
    claimed = harness.claimed()
    thread = claimed.run.thread
    harness.append(claimed, *(["x" * 1000] * 10))
    cursor = len(harness.events(thread)) - 10
    page = harness.after(thread, cursor, page_events=3)
    assert isinstance(page, Page)
    assert len(page.events) == 3
    page = harness.after(thread, cursor, page_bytes=2500)
    assert isinstance(page, Page)
    assert len(page.events) == 3
    page = harness.after(thread, cursor, page_bytes=1)
    assert isinstance(page, Page)
    assert len(page.events) == 1
    assert page.head == cursor + 10


def test_a_cursor_at_the_end_gets_nothing(harness: StoreHarness) -> None:
    thread = conversation(harness)
    head = len(harness.events(thread))
    assert harness.after(thread, head) == Page(events=(), head=head, deleted=False)


def test_a_cursor_beyond_the_end_is_told(harness: StoreHarness) -> None:
    thread = conversation(harness)
    head = len(harness.events(thread))
    with pytest.raises(CursorAhead) as told:
        harness.after(thread, head + 1)
    assert told.value.facts == {"thread_id": thread.id, "after": head + 1, "seq": head}


def test_a_thread_that_is_not_there_is_told(harness: StoreHarness) -> None:
    with pytest.raises(ThreadNotFound):
        harness.after(ThreadRef(pk=999, id="01gone"), 0)


def test_raw_gives_events_alone_and_says_where_they_are_gone(harness: StoreHarness) -> None:
    """L2: compaction leaves nobody without an answer but who refuses snapshots."""
    thread = harness.thread()
    run = harness.answered(thread, "x" * 100)
    events = harness.events(thread)
    for cursor in range(len(events)):
        page = harness.after(thread, cursor, raw=True)
        assert isinstance(page, Page)
        assert list(page.events) == events[cursor:]
    harness.compact(run)
    gone = [e.seq for e in events if e.type == "delta"]
    for cursor in range(len(events)):
        if cursor >= gone[-1]:
            page = harness.after(thread, cursor, raw=True)
            assert isinstance(page, Page)
            assert list(page.events) == events[cursor:]
        else:
            with pytest.raises(Compacted):
                harness.after(thread, cursor, raw=True)


def test_an_answer_says_when_the_thread_is_deleted(harness: StoreHarness) -> None:
    thread = harness.thread()
    harness.answered(thread)
    harness.do(lambda tx: mark_deleted(tx, thread), thread.pk)
    for cursor in range(len(harness.events(thread))):
        assert harness.after(thread, cursor).deleted
    assert harness.after(thread, len(harness.events(thread))).deleted


def test_a_snapshot_holds_what_is_not_yet_in_a_row(harness: StoreHarness) -> None:
    """L6, L7: a row lags behind its log; a snapshot does not."""
    claimed = harness.claimed()
    harness.append(claimed, "a", settle=True)
    harness.append(claimed, "b")
    assert harness.row(claimed.run)["content"] == "a"
    snapshot = harness.look(lambda conn: read_snapshot(conn, claimed.run.thread, 0))
    assert snapshot.messages[-1]["content"] == "ab"
    assert snapshot.messages[-1]["seq"] == snapshot.seq


def test_a_limited_snapshot_keeps_the_newest_messages(harness: StoreHarness) -> None:
    thread = harness.thread()
    runs = [harness.answered(thread) for _ in range(3)]
    limited = harness.look(lambda conn: read_snapshot(conn, thread, 0, limit=3))
    ids = [message["id"] for message in limited.messages]
    assert len(ids) == 3
    assert ids[-1] == runs[-1].message_id
    assert ids[0] == runs[-2].message_id


def test_older_messages_stand_at_the_cursor_too(harness: StoreHarness) -> None:
    """L6: who opens older messages goes on from the head, so an open reply is folded to it."""
    claimed = harness.claimed()
    thread = claimed.run.thread
    harness.append(claimed, "a", settle=True)
    harness.append(claimed, "b")  # not in the row yet
    newest = harness.send(thread)
    older = harness.look(lambda conn: read_messages_before(conn, thread, newest.message_pk, 10))
    reply = next(message for message in older if message["id"] == claimed.run.message_id)
    assert reply["content"] == "ab"
