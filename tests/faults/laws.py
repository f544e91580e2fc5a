"""What has to be true afterwards, whatever happened: the laws, asked of the file and the server."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any

from jupyter_chat_stream.store.audit import verify
from jupyter_chat_stream.store.store import Store
from tests.faults.harness import Server
from tests.faults.readers import Memory, Reader

ENDS = ("completed", "failed", "cancelled", "interrupted")


def assert_file_is_whole(database: Path) -> None:
    """SQLite finds nothing wrong, and every row is what its events say (L7)."""
    conn = sqlite3.connect(database)
    try:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert conn.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        conn.close()
    assert_rows_are_whole(f"sqlite:///{database}")


def assert_rows_are_whole(url: str) -> None:
    """Every row is what its events say (L7)."""
    store = Store.open(url)
    try:
        assert store.read_now(lambda conn: [str(found) for found in verify(conn)]) == []
    finally:
        store.close()


def assert_log_keeps_the_laws(events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Dense (L1), and each run ends once, with nothing after (L4, L10); give events by run."""
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1)), "L1"
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event.get("run_id"):
            runs[event["run_id"]].append(event)
    for run_id, own in runs.items():
        ends = [event["seq"] for event in own if event["type"] == "finalized"]
        assert ends == [own[-1]["seq"]], f"L4, L10: run {run_id} ends at {ends}"
        attempts = [event["attempt"] for event in own if event.get("attempt") is not None]
        assert attempts == sorted(attempts), f"L5: attempts of {run_id} interleave"
        completes = [event for event in own if event["type"] == "complete"]
        assert len(completes) == (own[-1]["status"] == "completed"), f"run {run_id} answered twice"
    return runs


async def assert_nothing_seen_was_lost(server: Server, memory: Memory) -> int:
    """Every event that any reader ever saw is in the log, the very same (L2, L3)."""
    assert memory.breaches == [], "\n".join(memory.breaches)
    events = await server.events(memory.thread)
    assert_log_keeps_the_laws(events)
    stored = {event["seq"]: json.dumps(event, sort_keys=True) for event in events}
    for seq, text in memory.events.items():
        assert stored.get(seq) == text, f"L2, L3: event {seq} of {memory.thread} was seen as {text}"
    return len(events)


async def assert_reader_holds_the_state(reader: Reader) -> None:
    """What was folded on the way is what the server says now (L6)."""
    state = await reader.server.get(f"threads/{reader.memory.thread}/messages?limit=200")
    await reader.until(state["seq"])
    held = reader.subscription.transcript.state()
    for name in ("seq", "thread", "messages", "runs"):
        assert held[name] == state[name], f"L6: {reader.kind} reader: {name}"
