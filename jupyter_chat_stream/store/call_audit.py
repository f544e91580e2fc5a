"""The audit of tool calls: the rows of open runs' calls say what the log says of them.

A row holds the fence of a call (L12), and the log what people and models see. A row that differs
would let a call be made twice, or never.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from ..shared.events import ENDS, from_iso
from ..shared.fold import Transcript
from ..shared.parts import call_of, result_of
from ..shared.records import Part
from ..shared.tool_records import CallState, ToolCallPart
from .attachment_audit import Finding
from .log.transaction import ThreadRef, execute


def verify_calls(conn: Connection, thread: ThreadRef, transcript: Transcript) -> Iterator[Finding]:
    """Compare the rows of a thread's tool calls with the folded log."""
    sql = (
        "SELECT run.id, tool_call.tool_call_id, tool_call.state, tool_call.executor, "
        "tool_call.expires_ms FROM tool_call JOIN run ON run.pk = tool_call.run "
        "WHERE run.thread = :pk ORDER BY tool_call.run, tool_call.tool_call_id"
    )
    rows: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for row in execute(conn, sql, {"pk": thread.pk}).mappings():
        rows[row["id"]][row["tool_call_id"]] = row
    for run_id in sorted(rows.keys() | transcript.runs.keys()):
        for what in _verify_run(transcript, run_id, rows[run_id]):
            yield f"run {run_id}", what


def _verify_run(
    transcript: Transcript, run_id: str, rows: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    run = transcript.runs.get(run_id)
    if run is None or run["status"] in ENDS:
        if rows:
            yield "L12: rows of its tool calls are left"
        return
    message = transcript.message(run["message_id"])
    parts: Sequence[Part] = message["parts"] if message is not None else ()
    for id_, row in rows.items():
        call = call_of(parts, id_)
        if call is None:
            yield "L12: no event of the log made one of its tool calls"
        else:
            yield from _compare(call, row, has_result=result_of(parts, id_) is not None)
    for part in parts:
        if part["kind"] == "tool_call" and part.get("allowed") and "where" in part:
            id_ = part["tool_call_id"]
            if id_ not in rows and result_of(parts, id_) is None:
                yield "L10: the row of an open tool call is gone"


def _compare(call: ToolCallPart, row: Mapping[str, Any], *, has_result: bool) -> Iterator[str]:
    if row["state"] not in _states_of(call, has_result=has_result):
        yield "L12: the state of a tool call differs from the log"
    elif row["state"] == "claimed" and row["executor"] != call.get("executor"):
        yield "L12: the executor of a tool call differs from the log"
    expires_at = call.get("expires_at")
    if expires_at is not None and row["expires_ms"] != from_iso(expires_at):
        yield "the expiry of a tool call differs from the log"


def _states_of(call: ToolCallPart, *, has_result: bool) -> Collection[CallState]:
    """Return the states that the row of a call may have; one in place may wait after its claim."""
    states: set[CallState]
    if has_result:
        states = {"ended"}
    elif call.get("executor"):
        states = {"claimed", "open", "asked"} if call["where"] == "server" else {"claimed"}
    else:
        states = {"open"} if call.get("allowed") else {"asked"}
    return states
