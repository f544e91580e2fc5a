"""Runs as people see them: sending, listing, reading, stopping, answering and repeating."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ...shared.events import ENDS
from ...shared.records import (
    MessageRecord,
    PreferencesRecord,
    RunRecord,
    SentRecord,
    SuccessorRecord,
    ThreadRecord,
)
from ..chat import commands, runs, threads
from ..chat.commands import Sender, SendRequest
from ..log import reading
from ..log.transaction import RunRef
from ..overview import count_open, oldest_pending
from ..store import Store


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What a prompt is built from; ``branch`` ends with the run's own reply.

    ``begun_ms`` is when work on the run first began.
    """

    branch: list[MessageRecord]
    thread: ThreadRecord
    preferences: PreferencesRecord
    begun_ms: int


class StoredRuns:
    """The runs of a database, and the messages that ask for them."""

    def __init__(self, core: Store) -> None:
        self._core = core

    async def send(self, sender: Sender, thread_id: str, request: SendRequest) -> SentRecord:
        """Write a person's message, the empty reply and its run.

        Raises:
            ThreadNotFound, MessageNotFound, InvalidInput, LimitReached, IdempotencyMismatch
        """
        return await self._core.write(
            lambda tx: commands.send(tx, thread_id, sender, request), thread_id
        )

    async def page(
        self, owner: str, thread_id: str, *, limit: int, before: str | None, is_open: bool
    ) -> list[RunRecord]:
        """List a thread's newest runs, oldest first (``chat.runs.list_runs``).

        Raises:
            ThreadNotFound, RunNotFound
        """

        def work(conn: Connection) -> list[RunRecord]:
            thread = threads.find_thread(conn, owner, thread_id)
            return runs.list_runs(conn, thread, limit=limit, before=before, is_open=is_open)

        return await self._core.read(work)

    async def find(self, owner: str, run_id: str) -> RunRef:
        """Find a run.

        Raises:
            RunNotFound
        """
        return await self._core.read(lambda conn: runs.find_run(conn, owner, run_id))

    async def read(self, owner: str, run_id: str) -> RunRecord:
        """Read a run.

        Raises:
            RunNotFound
        """
        return await self._core.read(
            lambda conn: runs.read_run(conn, runs.find_run(conn, owner, run_id))
        )

    async def reply(self, run: RunRef) -> MessageRecord:
        """Read a run's reply, folded to the end of the log."""
        return await self._core.read(lambda conn: reading.read_message(conn, run))

    async def progress(self, run: RunRef) -> tuple[int, bool]:
        """Read the seq of the thread's last event, and whether the run ended or waits."""

        def work(conn: Connection) -> tuple[int, bool]:
            state = runs.read_run(conn, run)
            is_over = state["status"] in ENDS or state["phase"] == "waiting"
            return reading.head_of(conn, run.thread), is_over

        return await self._core.read(work)

    async def context(self, run: RunRef, most: int) -> RunContext:
        """Read what a run's prompt is built from; ``most`` bounds the branch."""

        def work(conn: Connection) -> RunContext:
            branch = reading.read_branch(conn, run, most)
            thread = threads.read_thread(conn, run.thread)
            return RunContext(
                branch=branch,
                thread=thread,
                preferences=threads.read_preferences(conn, thread["owner"]),
                begun_ms=runs.read_begun_ms(conn, run),
            )

        return await self._core.read(work)

    async def count_by_status(self) -> dict[str, int]:
        """Count all runs; a status that no run has counts 0."""
        return await self._core.read(runs.count_by_status)

    async def count_open(self) -> tuple[dict[str, int], str | None]:
        """Count the open runs by status; also the time at which the oldest pending one was made."""
        return await self._core.read(lambda conn: (count_open(conn), oldest_pending(conn)))

    async def cancel(self, run: RunRef) -> RunRecord:
        """End a run as cancelled unless it has ended; returns the run."""
        return await self._core.write(lambda tx: commands.cancel(tx, run), run.thread.pk)

    async def give_input(self, owner: str, run_id: str, request_id: str, value: Any) -> RunRecord:
        """Write the answer to a run's open question; returns the run.

        Raises:
            RunNotFound, RequestNotOpen, InvalidInput
        """
        return await self._core.write(
            lambda tx: commands.give_input(
                tx, runs.find_run(tx.conn, owner, run_id), owner, request_id, value
            ),
            run_id,
        )

    async def succeed(self, sender: Sender, run_id: str, *, keep_parts: bool) -> SuccessorRecord:
        """Make the run that retries or continues an ended one.

        Raises:
            RunNotFound, RunNotEnded, RunRefused, LimitReached, IdempotencyMismatch
        """
        return await self._core.write(
            lambda tx: commands.succeed(tx, sender, run_id, keep_parts=keep_parts), run_id
        )
