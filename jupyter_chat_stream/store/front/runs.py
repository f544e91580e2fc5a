"""Runs as people see them: sending, listing, reading, cancelling, answering and retrying."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ...shared.events import ENDS
from ...shared.records import (
    MessageRecord,
    PreferencesRecord,
    RunRecord,
    ThreadRecord,
    ToolDefinition,
    Usage,
)
from ...shared.tool_records import ToolRecord
from ..chat import answers, commands, queued, runs, threads, tool_offers
from ..log import reading, upstreams
from ..log.transaction import RunRef, Transaction
from ..log.upstreams import ProviderData, UpstreamPlace
from ..overview import count_open, oldest_pending
from .verbs import Group, first, reads, second, writes


@dataclass(frozen=True, kw_only=True)
class ReplyContext:
    """The part of a prompt's input that the run itself changes while it is executed."""

    reply: MessageRecord
    upstream: UpstreamPlace | None
    provider_data: Mapping[str, Sequence[ProviderData]]
    """By run id."""
    tools: Sequence[ToolDefinition] | None
    """Those that an earlier attempt has kept; None if no attempt has."""
    spent: Usage | None
    """The usage of the rounds that have ended."""


@dataclass(frozen=True, kw_only=True)
class RunContext(ReplyContext):
    """The input of a prompt."""

    branch: list[MessageRecord]
    """The messages from the root to the one before the reply."""
    thread: ThreadRecord
    preferences: PreferencesRecord
    begun_ms: int
    """The time at which work on the run first began."""
    offers: Sequence[ToolRecord]
    """The tools that executors offer in the thread now."""


def _page(
    conn: Connection, owner: str, thread_id: str, *, limit: int, before: str | None, is_open: bool
) -> list[RunRecord]:
    """List a thread's newest runs, oldest first (``chat.runs.list_runs``)."""
    thread = threads.find_thread(conn, owner, thread_id)
    return runs.list_runs(conn, thread, limit=limit, before=before, is_open=is_open)


def _read(conn: Connection, owner: str, run_id: str) -> RunRecord:
    return runs.read_run(conn, runs.find_run(conn, owner, run_id))


def _progress(conn: Connection, run: RunRef) -> tuple[int, bool]:
    """Read the seq of the thread's last event, and whether the run has ended or waits."""
    state = runs.read_run(conn, run)
    is_over = state["status"] in ENDS or state["phase"] == "waiting"
    return reading.head_of(conn, run.thread), is_over


def _context(conn: Connection, run: RunRef, limit: int, now_ms: int) -> RunContext:
    """Read the input of a run's prompt; branch and reply have at most ``limit`` messages."""
    *branch, reply = reading.read_branch(conn, run, limit)
    thread = reading.read_thread(conn, run.thread)
    run_ids = {message["run_id"] for message in branch if message["run_id"] is not None}
    return RunContext(
        **vars(_reply_context(conn, run, reply, run_ids)),
        branch=branch,
        thread=thread,
        preferences=threads.read_preferences(conn, thread["owner"]),
        begun_ms=runs.read_begun_ms(conn, run),
        offers=tool_offers.list_offers(conn, run.thread, now_ms),
    )


def _reply_context(
    conn: Connection,
    run: RunRef,
    reply: MessageRecord | None = None,
    earlier_run_ids: Collection[str] = (),
) -> ReplyContext:
    """Read what a run has added to its prompt's input, and the provider data of earlier runs."""
    return ReplyContext(
        reply=reading.read_message(conn, run) if reply is None else reply,
        upstream=upstreams.read_upstream(conn, run),
        provider_data=upstreams.read_data(conn, run.thread, {run.id, *earlier_run_ids}),
        tools=upstreams.read_tools(conn, run),
        spent=upstreams.read_spent(conn, run),
    )


def _count_open(conn: Connection) -> tuple[dict[str, int], str | None]:
    """Count the open runs by status, and read when the oldest pending one was made."""
    return count_open(conn), oldest_pending(conn)


def _give_input(tx: Transaction, owner: str, run_id: str, request_id: str, value: Any) -> RunRecord:
    """Write the answer to a run's open question; returns the run."""
    run = runs.find_run(tx.conn, owner, run_id)
    return answers.give_input(tx, run, owner, request_id, value)


class StoredRuns(Group):
    """The runs of a database, and the messages that ask for them."""

    send = writes(commands.send, place=first)
    page = reads(_page)
    find = reads(runs.find_run)
    read = reads(_read)
    reply = reads(reading.read_message)
    progress = reads(_progress)
    context = reads(_context)
    reply_context = reads(_reply_context)
    cancelled_upstream = reads(upstreams.read_cancelled_upstream)
    count_by_status = reads(runs.count_by_status)
    count_open = reads(_count_open)
    cancel = writes(commands.cancel, place=lambda run, *_: run.thread.pk)
    give_input = writes(_give_input, place=second)
    succeed = writes(commands.succeed, place=second)
    withdraw = writes(queued.withdraw, place=second)
    rewrite = writes(queued.rewrite, place=second)
