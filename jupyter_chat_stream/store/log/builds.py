"""Builds and the runs that wait for them, when one of the two ends.

A build is a run beside its thread's queue: it neither waits for the runs before it nor keeps others
waiting. Its ``turn`` shows that. Its params name the tool call that began it, and whether the call
waits for its end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ...shared.events import StatusChanged
from ...shared.records import EndStatus
from .ends import end_of

if TYPE_CHECKING:
    from .transaction import RunRef, Transaction

# The turn of a build is this and its seq: more than any seq of a queue.
BESIDE_QUEUE: Final = 2**60
BUILD: Final = "build"  # in a run's params: what it builds, and for which call


def build_ended(tx: Transaction, run: RunRef, status: EndStatus) -> None:
    """Wake the call that waits for a build which has ended.

    If the run is an answer that a person has stopped, the builds that it waits for end with it.
    """
    build_params = _build_of(tx, run)
    if build_params is not None and build_params.get("waits"):
        _wake(tx, run, build_params)
    if status == "cancelled":
        for build in _open_builds_of(tx, run):
            attempt = tx.run(build)["attempt"] + 1
            tx.append(build.thread, end_of(tx, build, status), run=build, attempt=attempt)


def _wake(tx: Transaction, build: RunRef, build_params: Mapping[str, Any]) -> None:
    """Make the waiting run due. One that works now looks again before it waits."""
    waiting_run = _find(tx, build, str(build_params["run_id"]))
    if waiting_run is None or tx.run(waiting_run)["status"] != "waiting":
        return
    sql = (
        "UPDATE tool_call SET wake_ms = :now WHERE run = :run AND tool_call_id = :call "
        "AND state = 'open'"
    )
    params = {"now": tx.now_ms, "run": waiting_run.pk, "call": str(build_params["tool_call_id"])}
    if tx.execute(sql, params).rowcount:
        tx.append(waiting_run.thread, StatusChanged(phase="queued"), run=waiting_run)
        tx.make_due(waiting_run, tx.run(waiting_run)["attempt"] + 1)
        tx.settle(waiting_run)


def _build_of(tx: Transaction, run: RunRef) -> Mapping[str, Any] | None:
    sql = "SELECT params FROM run WHERE pk = :pk AND turn >= :beside"
    text = tx.execute(sql, {"pk": run.pk, "beside": BESIDE_QUEUE}).scalar()
    return None if text is None else _read(text)


def _open_builds_of(tx: Transaction, run: RunRef) -> Iterator[RunRef]:
    """Find the open builds that a call of this run waits for."""
    sql = (
        "SELECT id, params FROM run WHERE thread = :thread AND ended_ms IS NULL "
        "AND turn >= :beside ORDER BY pk"
    )
    params = {"thread": run.thread.pk, "beside": BESIDE_QUEUE}
    for id_, text in tx.execute(sql, params).fetchall():
        build_params = _read(text)
        if (
            build_params is not None
            and build_params.get("waits")
            and build_params.get("run_id") == run.id
        ):
            build = _find(tx, run, id_)
            if build is not None:
                yield build


def _find(tx: Transaction, other_run: RunRef, run_id: str) -> RunRef | None:
    """Find a run of the same thread."""
    kind = type(other_run)
    sql = f"SELECT {kind.COLUMNS} {kind.TABLES} WHERE run.id = :id AND run.thread = :thread"
    row = tx.execute(sql, {"id": run_id, "thread": other_run.thread.pk}).first()
    return None if row is None else kind.of(row)


def _read(text: str) -> Mapping[str, Any] | None:
    """Read what a build's params tell; None of a damaged row, which fails its own run."""
    try:
        build_params = json.loads(text)[BUILD]
    except (ValueError, KeyError, TypeError):
        return None
    return build_params if isinstance(build_params, dict) else None
