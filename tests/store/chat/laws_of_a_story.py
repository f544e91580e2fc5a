"""The laws at each step of a thread's story, which each module of tests tells by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jupyter_chat_stream.shared.events import canonical
from jupyter_chat_stream.store.log.reading import read_snapshot
from jupyter_chat_stream.store.log.transaction import ThreadRef
from tests.store.harness import StoreHarness, fold

Story = Iterator[str]  # names each step after it was made


def expect_a_dense_log(harness: StoreHarness, thread: ThreadRef, story: Story) -> None:
    """L1, L2: seq is dense, and events stay as they are."""
    before: list[Any] = []
    for step in story:
        events = harness.events(thread)
        assert [event.seq for event in events] == list(range(1, len(events) + 1)), step
        assert events[: len(before)] == before, step
        before = events


def expect_folded_rows(harness: StoreHarness, thread: ThreadRef, story: Story) -> None:
    """L7: rows of messages, runs and thread are the fold of their events."""
    for step in story:
        state = fold(harness.events(thread)).state()
        snapshot = harness.look(lambda conn: read_snapshot(conn, thread, 0)).to_wire()
        assert canonical(snapshot["messages"]) == canonical(state["messages"]), step
        assert canonical(snapshot["runs"]) == canonical(state["runs"]), step
        assert canonical(snapshot["info"]) == canonical(state["thread"]), step
        assert harness.damage() == [], step


def expect_the_same_from_every_cursor(
    harness: StoreHarness, thread: ThreadRef, story: Story
) -> None:
    """L6: wherever a reader was when it lost touch, by events or by a snapshot."""
    for _ in story:
        pass
    events = harness.events(thread)
    whole = canonical(fold(events).state())
    for cursor in range(len(events) + 1):
        state = fold(events[:cursor])
        assert canonical(harness.follow(state, thread).state()) == whole, cursor
        jumped = fold(events[:cursor])
        jumped.replace(
            harness.look(lambda conn, c=cursor: read_snapshot(conn, thread, c)).to_wire()
        )
        assert canonical(jumped.state()) == whole, cursor
