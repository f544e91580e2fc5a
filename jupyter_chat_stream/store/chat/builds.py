"""Builds: the runs that make components for tool calls, beside their thread's queue.

::

    call ──start──► build: a separate run ────► ended
      │ waits: open, and woken by the end ◄────────┘
      └ does not wait: its result has the id of the build

The transaction that makes the run also stores its id with the call (``job_id``), so a crash never
causes a second run for the call (L12). ``log.builds`` wakes the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ...shared.errors import BuildNotFound, RunNotFound, TooManyBuilds
from ...shared.events import ENDS, ToolClaimed
from ...shared.records import MessageStatus, Part, Usage
from ...shared.tool_records import ToolCallPart, ToolResultPart
from ..log import reading
from ..log.builds import BESIDE_QUEUE, BUILD
from ..log.transaction import RunRef, ThreadRef, Transaction, execute
from ..log.upstreams import read_tools
from ..sql import rows
from . import runs
from .calls_in_place import CallInPlace
from .commands import DEFAULTS
from .tool_calls import end_call, update_call
from .waits import hangs_on

MAX_OPEN_BUILDS = 4  # of one thread
# The end of a build wakes its call. If the wake-up is lost, the call checks after this time.
LOOK_AGAIN_MS = 600_000
BUILDER = "a build"  # the name for people of the executor, for a call that waits for a build


@dataclass(frozen=True, kw_only=True)
class NewBuild:
    """The component that a call wants."""

    description: str
    name: str
    """The file name of the component, without an ending."""
    waits: bool
    """Whether the call waits for the end of the build."""


@dataclass(frozen=True, kw_only=True)
class BuildState:
    """The progress of a build: the last version that was tried, with its result."""

    status: MessageStatus
    error: str
    tries: int
    call: ToolCallPart | None
    result: ToolResultPart | None

    @property
    def has_ended(self) -> bool:
        return self.status in ENDS


def start_build(
    tx: Transaction, run: RunRef, attempt: int, call: CallInPlace, build: NewBuild
) -> None:
    """Make the run of a build. The call waits for the run, or ends with the run's id.

    Raises:
        StaleAttempt: another attempt or an end came first.
        TooManyBuilds
    """
    tx.guard((run,))
    tx.append_attempt(run, attempt, ())
    if _count_open(tx.conn, run.thread) >= MAX_OPEN_BUILDS:
        raise TooManyBuilds(MAX_OPEN_BUILDS)
    job_id = _make_run(tx, run, call, build)
    if build.waits:
        claimed = ToolClaimed(tool_call_id=call.tool_call_id, executor=BUILDER, job_id=job_id)
        tx.append(run.thread, claimed, run=run, attempt=attempt)
        _wait(tx, run, call.tool_call_id, tx.now_ms + LOOK_AGAIN_MS)
    else:
        output = {"job_id": job_id, "status": "building"}
        end_call(
            tx,
            run,
            call.tool_call_id,
            name=call.name,
            success=True,
            output=output,
            attempt=attempt,
            job_id=job_id,
        )
    tx.settle(run)


def wait_for_build(
    tx: Transaction, run: RunRef, attempt: int, tool_call_id: str, job_id: str
) -> None:
    """Let a call wait for its build; if the build has ended already, the call is due at once.

    Raises:
        StaleAttempt: another attempt or an end came first.
        BuildNotFound
    """
    tx.guard((run,))
    tx.append_attempt(run, attempt, ())
    state = find_build(tx.conn, run.thread, job_id)
    _wait(tx, run, tool_call_id, tx.now_ms + (0 if state.has_ended else LOOK_AGAIN_MS))


def cancel_build(
    tx: Transaction, thread: ThreadRef, job_id: str, live_usage: Mapping[str, Usage]
) -> bool:
    """Cancel a build of a thread; False if it has ended already.

    Args:
        live_usage: the tokens of the thread's runs that this process works on, by the run's id.

    Raises:
        BuildNotFound
    """
    tx.live_usage = live_usage
    return runs.cancel(tx, _find(tx.conn, thread, job_id))


def find_build(conn: Connection, thread: ThreadRef, job_id: str) -> BuildState:
    """Read the progress of a build of a thread.

    Raises:
        BuildNotFound: the thread has no such build (L16).
    """
    message = reading.read_message(conn, _find(conn, thread, job_id))
    calls, results = _calls_and_results(message["parts"])
    last_call = calls[-1] if calls else None
    error = message["error"]
    return BuildState(
        status=message["status"],
        error="" if error is None else error["message"],
        tries=len(calls),
        call=last_call,
        result=None if last_call is None else results.get(last_call["tool_call_id"]),
    )


def _calls_and_results(
    parts: Sequence[Part],
) -> tuple[list[ToolCallPart], dict[str, ToolResultPart]]:
    calls = [part for part in parts if part["kind"] == "tool_call" and "where" in part]
    results = {part["tool_call_id"]: part for part in parts if part["kind"] == "tool_result"}
    return calls, results


def _find(conn: Connection, thread: ThreadRef, job_id: str) -> RunRef:
    sql = "SELECT params FROM run WHERE id = :id AND thread = :thread"
    text = execute(conn, sql, {"id": job_id, "thread": thread.pk}).scalar()
    if text is None or BUILD not in rows.params_of(text, thread.id, job_id):
        raise BuildNotFound(job_id)
    try:
        return runs.find_in_thread(conn, thread, job_id)
    except RunNotFound:
        raise BuildNotFound(job_id) from None


def _make_run(tx: Transaction, run: RunRef, call: CallInPlace, build: NewBuild) -> str:
    """Make a run with an empty reply, which follows the answer with the call."""
    sql = "SELECT run.params, run.model, thread.head FROM run JOIN thread ON thread.pk = run.thread"
    tx.flush()
    row = tx.execute(f"{sql} WHERE run.pk = :pk", {"pk": run.pk}).one()
    run_params = rows.params_of(row[0], run.thread.id, run.id)
    model_params = {
        key: value
        for key, value in (run_params.get("params") or {}).items()
        if key != "tool_choice"
    }
    params: dict[str, Any] = {
        "params": model_params,
        BUILD: {**vars(build), "run_id": run.id, "tool_call_id": call.tool_call_id},
    }
    if DEFAULTS in run_params:
        params[DEFAULTS] = run_params[DEFAULTS]
    follows_head = hangs_on(tx.conn, row[2], run.message_id)
    reply = runs.NewReply(
        parent_id=row[2] if follows_head else run.message_id, model=row[1], params=params
    )
    new_run = runs.add_reply(tx, run.thread, reply)
    tools = [tool for tool in read_tools(tx.conn, run) or () if tool.get("name") == call.name]
    turn = BESIDE_QUEUE + new_run.reply["seq"]
    tx.set_run(new_run.ref, turn=turn, tools=rows.dump(tools))
    return new_run.run["id"]


def _count_open(conn: Connection, thread: ThreadRef) -> int:
    sql = "SELECT COUNT(*) FROM run WHERE thread = :thread AND ended_ms IS NULL AND turn >= :beside"
    return int(execute(conn, sql, {"thread": thread.pk, "beside": BESIDE_QUEUE}).scalar_one())


def _wait(tx: Transaction, run: RunRef, tool_call_id: str, wake_ms: int) -> None:
    update_call(tx, run, tool_call_id, state="open", claim=None, wake_ms=wake_ms)
