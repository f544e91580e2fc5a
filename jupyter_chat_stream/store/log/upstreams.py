"""The data that a provider needs later, kept beside the events of its answer (L15).

An append writes it in the transaction of the events that it belongs to. It is never on the wire.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ...shared.events import canonical
from ...shared.json_objects import JsonView
from ...shared.records import ToolDefinition, Usage
from ..sql.damage import checked
from ..sql.driver import among
from ..sql.tables import ProviderDataRow
from .transaction import RunRef, ThreadRef, Transaction, execute


@dataclass(frozen=True, kw_only=True)
class UpstreamPlace:
    """Where to join a provider's own run again: what the log holds ends at ``cursor``."""

    endpoint: str
    handle: JsonView
    cursor: int


@dataclass(frozen=True, kw_only=True)
class ProviderData:
    """A block that the provider gets back unchanged; it belongs to part ``part`` of the reply."""

    endpoint: str
    part: int
    data: JsonView


def write_upstream(
    tx: Transaction, run: RunRef, place: UpstreamPlace | None, attempt: int = 0
) -> None:
    """Set the place of a run's upstream; None forgets it.

    Args:
        attempt: the one that writes it, in a transaction that refuses an older one (L5).
    """
    columns = None if place is None else canonical({**vars(place), "attempt": attempt})
    tx.set_run(run, upstream=columns)


def write_round(tx: Transaction, run: RunRef, spent: Usage) -> None:
    """End a round of tool calls: its upstream has ended, and its tokens are kept with the run.

    Only failures of one round add up.

    Args:
        spent: the usage of all rounds of the run so far.
    """
    tx.set_run(run, upstream=None, spent=canonical(spent), retries=0)


def read_spent(conn: Connection, run: RunRef) -> Usage | None:
    """Return the usage of a run's ended rounds."""
    text = execute(conn, "SELECT spent FROM run WHERE pk = :pk", {"pk": run.pk}).scalar()
    with checked(run.thread.id, "run", run.id):
        return None if text is None else dict(json.loads(text))


def write_tools(
    tx: Transaction, run: RunRef, attempt: int, tools: Sequence[ToolDefinition]
) -> None:
    """Keep the tools that a run's attempts have.

    Raises:
        StaleAttempt: another attempt or an end came first.
    """
    tx.guard((run,))
    tx.append_attempt(run, attempt, ())
    tx.set_run(run, tools=canonical(list(tools)))


def read_tools(conn: Connection, run: RunRef) -> list[ToolDefinition] | None:
    """Return the tools that a run's attempts have; None until its first attempt has kept them."""
    text = execute(conn, "SELECT tools FROM run WHERE pk = :pk", {"pk": run.pk}).scalar()
    with checked(run.thread.id, "run", run.id):
        return None if text is None else list(json.loads(text))


def read_upstream(conn: Connection, run: RunRef) -> UpstreamPlace | None:
    """Return where to join a run's upstream again; None if there is no such place.

    A place that is older than the newest text is none: a process that knows no upstreams has made
    an attempt since, and the upstream's answer would not fit behind its text.
    """
    place, attempt = _read_place(conn, run)
    sql = (
        "SELECT 1 FROM event WHERE thread = :thread AND run = :run AND type = 'delta' "
        "AND attempt > :attempt LIMIT 1"
    )
    params = {"thread": run.thread.pk, "run": run.pk, "attempt": attempt}
    if place is not None and attempt and execute(conn, sql, params).first() is not None:
        return None
    return place


def _read_place(conn: Connection, run: RunRef) -> tuple[UpstreamPlace | None, int]:
    """Return a run's place and the attempt that has written it; 0 if that is not known."""
    text = execute(conn, "SELECT upstream FROM run WHERE pk = :pk", {"pk": run.pk}).scalar()
    if text is None:
        return None, 0
    with checked(run.thread.id, "run", run.id):
        fields = json.loads(text)
        attempt = int(fields.pop("attempt", 0))
        return UpstreamPlace(**fields), attempt


def read_cancelled_upstream(conn: Connection, run_id: str) -> UpstreamPlace | None:
    """Return the upstream of a cancelled run; None for every other run."""
    sql = f"SELECT {RunRef.COLUMNS} {RunRef.TABLES} WHERE run.id = :id AND run.status = 'cancelled'"
    row = execute(conn, sql, {"id": run_id}).first()
    return None if row is None else _read_place(conn, RunRef.of(row))[0]


def write_data(tx: Transaction, run: RunRef, items: Sequence[ProviderData]) -> None:
    """Add blocks that belong to parts of a run's reply."""
    for item in items:
        columns = {
            "thread": run.thread.pk,
            "run": run.pk,
            "part": item.part,
            "endpoint": item.endpoint,
            "data": canonical(item.data),
        }
        tx.insert(ProviderDataRow, columns)


def copy_data(tx: Transaction, run: RunRef, new_run: RunRef, *, parts: int) -> None:
    """Copy the blocks of the first parts of a reply to a run that continues it."""
    sql = (
        "INSERT INTO provider_data (thread, run, part, endpoint, data) "
        "SELECT thread, :new, part, endpoint, data FROM provider_data "
        "WHERE thread = :thread AND run = :run AND part < :parts ORDER BY pk"
    )
    tx.execute(sql, {"new": new_run.pk, "thread": run.thread.pk, "run": run.pk, "parts": parts})


def forget(tx: Transaction, run: RunRef) -> None:
    """Forget a run's upstream and blocks, because its reply begins anew."""
    write_upstream(tx, run, None)
    sql = "DELETE FROM provider_data WHERE thread = :thread AND run = :run"
    tx.execute(sql, {"thread": run.thread.pk, "run": run.pk})


def read_data(
    conn: Connection, thread: ThreadRef, run_ids: Collection[str]
) -> dict[str, list[ProviderData]]:
    """Return the blocks of some runs of a thread by the run's id, in their order."""
    sql = (
        "SELECT run.id, part, endpoint, data FROM provider_data "
        "JOIN run ON run.pk = provider_data.run WHERE provider_data.thread = :thread "
        f"AND run.id {among(conn, 'text')} ORDER BY provider_data.pk"
    )
    data_by_run: dict[str, list[ProviderData]] = {}
    params = {"thread": thread.pk, "keys": json.dumps(list(run_ids))}
    for run_id, part, endpoint, data in execute(conn, sql, params):
        with checked(thread.id, "provider_data", run_id):
            item = ProviderData(endpoint=endpoint, part=part, data=json.loads(data))
        data_by_run.setdefault(run_id, []).append(item)
    return data_by_run
