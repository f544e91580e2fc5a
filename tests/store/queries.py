"""Queries for tests of waits, schedules and limits."""

from __future__ import annotations

from typing import Any

from jupyter_chat_stream.store.chat import runs
from jupyter_chat_stream.store.chat.due import find_due
from jupyter_chat_stream.store.log import reading
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from tests.store.harness import StoreHarness


def messages(harness: StoreHarness, thread: ThreadRef) -> list[dict[str, Any]]:
    """Return a thread's messages, in the order of their creation."""
    return list(harness.look(lambda conn: reading.read_snapshot(conn, thread, 0)).messages)


def find(harness: StoreHarness, thread: ThreadRef, run_id: str) -> RunRef:
    return harness.look(lambda conn: runs.find_in_thread(conn, thread, run_id))


def is_due(harness: StoreHarness, run: RunRef) -> bool:
    """Return whether the sweep would find the run now."""
    found = harness.look(lambda conn: find_due(conn, harness.clock()))
    return run in [due.run for due in found]
