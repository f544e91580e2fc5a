"""The commands of executors: claim a tool call, write its output, give its result.

::

    asked ──consent──► open ──claim──► claimed ──result──► ended
                         ▲               │ its lease is over, and the tool is idempotent
                         └───────────────┘

The row of a call fences its executors: every change compares the claim (L12). ``call_review``
makes the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from ...shared.errors import (
    ConsentNeeded,
    InvalidInput,
    ToolCallNotFound,
    ToolCallNotOpen,
    ToolOutputTooLarge,
)
from ...shared.events import (
    ENDS,
    StatusChanged,
    ToolClaimed,
    ToolOutputAdded,
    ToolReturned,
    canonical,
    iso,
)
from ...shared.json_objects import JsonObject
from ...shared.parts import call_of, result_of
from ...shared.records import RunRecord
from ...shared.tool_definitions import digest_of, is_ours
from ...shared.tool_records import CallState, FailedFor, ToolCallPart, ToolResultPart
from ..log.transaction import RunRef, Transaction
from ..log.upstreams import read_tools
from ..sql.driver import write_row
from .attachments import StoredAttachment
from .holding import find_for_result, hold
from .runs import find_run

MAX_OUTPUT_BYTES = 256 * 1024  # of a call's output, and of its result
OUTPUT_CUT = "\n[The rest of the output is not kept.]"

_COLUMNS = (
    "tool_call_id, state, idempotent, expires_ms, claim, executor, lease_ms, wake_ms, "
    "next_output, output_bytes"
)


class ClaimedCall(TypedDict):
    """An executor's claim of a call, valid until a time (ISO 8601) unless renewed."""

    claim: str
    until: str
    digest: NotRequired[str]
    """The digest of the allowed definition; absent after a renewal."""


@dataclass(frozen=True, kw_only=True)
class StoredCall:
    """The row of a tool call."""

    tool_call_id: str
    state: CallState
    idempotent: bool
    expires_ms: int
    claim: str | None
    executor: str | None
    lease_ms: int | None
    wake_ms: int | None
    next_output: int
    output_bytes: int


@dataclass(frozen=True, kw_only=True)
class _FoundCall:
    """A call of an owner's run: its part, its row (only while the run is open), and its result."""

    run: RunRef
    part: ToolCallPart
    row: StoredCall | None
    result: ToolResultPart | None

    def refusal(self) -> ToolCallNotOpen:
        """Return the error for an executor whose claim of this call is lost."""
        state = "ended" if self.result is not None or self.row is None else self.row.state
        facts: JsonObject = {}
        if self.result is not None:
            names = ("success", "output", "attachments")
            facts["result"] = {name: self.result[name] for name in names if name in self.result}  # type: ignore[literal-required]
        elif self.row is not None and self.row.executor is not None:
            facts["executor"] = self.row.executor
        return ToolCallNotOpen(self.part["tool_call_id"], state, **facts)


def claim_call(
    tx: Transaction,
    owner: str,
    run_id: str,
    tool_call_id: str,
    *,
    executor: str,
    claim: str | None,
    lease_s: float,
) -> ClaimedCall:
    """Take an open call for an executor, or renew the lease of its ``claim``.

    Raises:
        RunNotFound, ToolCallNotFound
        ConsentNeeded: nobody has allowed the call yet.
        ToolCallNotOpen: another executor was first, the lease is over, or the call has ended.
    """
    lease_ms = tx.now_ms + int(lease_s * 1000)
    if claim is not None:
        run, claimed_row = _find_claimed(tx, owner, run_id, tool_call_id, claim)
        lease_ms = min(lease_ms, claimed_row.expires_ms)
        update_call(tx, run, tool_call_id, lease_ms=lease_ms)
        return {"claim": claim, "until": iso(lease_ms)}
    call = _find(tx, owner, run_id, tool_call_id)
    row = call.row
    if row is not None and row.state == "asked" and call.result is None:
        raise ConsentNeeded(tool_call_id)
    is_open = row is not None and row.state == "open" and call.part["where"] != "server"
    if row is None or not is_open or row.expires_ms <= tx.now_ms:
        raise call.refusal()
    lease_ms = min(lease_ms, row.expires_ms)  # the call fails when it expires
    claim = tx.new_id()
    tx.append(
        call.run.thread, ToolClaimed(tool_call_id=tool_call_id, executor=executor), run=call.run
    )
    update_call(
        tx,
        call.run,
        tool_call_id,
        state="claimed",
        claim=claim,
        executor=executor,
        lease_ms=lease_ms,
        next_output=0,
    )
    tx.settle(call.run)
    return {"claim": claim, "until": iso(lease_ms), "digest": _digest_of_call(tx, call)}


def _digest_of_call(tx: Transaction, call: _FoundCall) -> str:
    """Return the digest of the tool that the model called and that the consent covers (L13)."""
    for tool in read_tools(tx.conn, call.run) or ():
        if is_ours(tool) and tool["name"] == call.part["name"]:
            return digest_of(tool)
    raise call.refusal()


def write_output(
    tx: Transaction, owner: str, run_id: str, tool_call_id: str, *, claim: str, n: int, text: str
) -> None:
    """Append output to a call's part, up to ``MAX_OUTPUT_BYTES`` in total.

    Args:
        n: the number of this piece, from 0; a repeated piece is ignored.

    Raises:
        RunNotFound, ToolCallNotFound, ToolCallNotOpen
        InvalidInput: a piece before this one is missing.
    """
    run, row = _find_claimed(tx, owner, run_id, tool_call_id, claim)
    if n < row.next_output:
        return
    if n > row.next_output:
        raise InvalidInput(f"'n' must be {row.next_output}: a piece is missing.", field="n")
    saved_text = keep_within(text, MAX_OUTPUT_BYTES - row.output_bytes)
    size = row.output_bytes + len(text.encode())
    update_call(tx, run, tool_call_id, next_output=n + 1, output_bytes=size)
    if saved_text:
        tx.append(run.thread, ToolOutputAdded(tool_call_id=tool_call_id, text=saved_text), run=run)


def give_result(
    tx: Transaction,
    owner: str,
    run_id: str,
    tool_call_id: str,
    *,
    claim: str,
    success: bool,
    output: Any,
    attachment_ids: Sequence[str] = (),
) -> RunRecord:
    """Write the result of a claimed call. The last result of a round makes the run due.

    Args:
        attachment_ids: the files of the result, which the reply then holds. If the result is
            refused, the reply holds none of them.

    Raises:
        RunNotFound, ToolCallNotFound, ToolCallNotOpen, ToolOutputTooLarge, AttachmentNotFound
        InvalidInput, AttachmentTooLarge: the attachments are too many or too large.
    """
    run, _ = _find_claimed(tx, owner, run_id, tool_call_id, claim)
    check_output(output)
    attachments = find_for_result(tx.conn, owner, attachment_ids, run.message_pk)
    call = call_of(tx.reply(run)["parts"], tool_call_id)
    if call is None:
        raise ToolCallNotFound(tool_call_id)
    end_call(
        tx,
        run,
        tool_call_id,
        name=call["name"],
        success=success,
        output=output,
        attachments=attachments,
    )
    state = tx.run(run)
    if state["status"] == "waiting" and not count_open(tx, run):
        tx.append(run.thread, StatusChanged(phase="queued"), run=run)
        tx.make_due(run, state["attempt"] + 1)
    tx.settle(run)
    return tx.run(run).copy()


def end_call(
    tx: Transaction,
    run: RunRef,
    tool_call_id: str,
    *,
    name: str,
    success: bool,
    output: Any,
    reason: FailedFor | None = None,
    attempt: int | None = None,
    job_id: str | None = None,
    attachments: Sequence[StoredAttachment] = (),
) -> None:
    """Write the only result of a call (L12), and let the reply hold its files."""
    if attachments:
        hold(tx, run.thread, run.message_pk, attachments)
    body = ToolReturned(
        tool_call_id=tool_call_id,
        name=name,
        success=success,
        output=output,
        job_id=job_id,
        reason=reason,
        attachments=tuple(attachment.record for attachment in attachments) or None,
    )
    tx.append(run.thread, body, run=run, attempt=attempt)
    update_call(tx, run, tool_call_id, state="ended", claim=None, lease_ms=None, wake_ms=None)


def check_output(output: Any) -> None:
    """Raise ToolOutputTooLarge if a result has more than ``MAX_OUTPUT_BYTES`` as JSON."""
    size = len(canonical(output).encode("utf-8", "surrogatepass"))
    if size > MAX_OUTPUT_BYTES:
        raise ToolOutputTooLarge(size, MAX_OUTPUT_BYTES)


def keep_within(text: str, max_bytes: int) -> str:
    """Return a text, or its beginning within ``max_bytes`` with a sentence about the cut.

    If ``max_bytes`` is 0, return an empty text, because the sentence was written before.
    """
    raw = text.encode()
    if max_bytes <= 0:
        return ""
    return text if len(raw) <= max_bytes else raw[:max_bytes].decode(errors="ignore") + OUTPUT_CUT


def read_calls(tx: Transaction, run: RunRef) -> dict[str, StoredCall]:
    """Read the rows of a run's calls by their ids."""
    sql = f"SELECT {_COLUMNS} FROM tool_call WHERE run = :run"
    rows = tx.execute(sql, {"run": run.pk}).mappings()
    calls = [StoredCall(**{**row, "idempotent": bool(row["idempotent"])}) for row in rows]
    return {call.tool_call_id: call for call in calls}


def insert_call(tx: Transaction, run: RunRef, call: StoredCall) -> None:
    columns = {**vars(call), "run": run.pk}
    names = ", ".join(columns)
    values = ", ".join(f":{name}" for name in columns)
    tx.execute(f"INSERT INTO tool_call ({names}) VALUES ({values})", columns)


def update_call(tx: Transaction, run: RunRef, tool_call_id: str, **columns: Any) -> None:
    sets = ", ".join(f"{name} = :{name}" for name in columns)
    sql = f"UPDATE tool_call SET {sets} WHERE run = :run AND tool_call_id = :tool_call_id"
    write_row(tx.conn, sql, {**columns, "run": run.pk, "tool_call_id": tool_call_id})


def count_open(tx: Transaction, run: RunRef) -> int:
    """Count the calls of a run that have no result."""
    sql = "SELECT COUNT(*) FROM tool_call WHERE run = :run AND state <> 'ended'"
    return int(tx.execute(sql, {"run": run.pk}).scalar_one())


def _find(tx: Transaction, owner: str, run_id: str, tool_call_id: str) -> _FoundCall:
    run = find_run(tx.conn, owner, run_id)
    parts = tx.reply(run)["parts"]
    part = call_of(parts, tool_call_id)
    if part is None:
        raise ToolCallNotFound(tool_call_id)
    row, result = read_calls(tx, run).get(tool_call_id), result_of(parts, tool_call_id)
    if row is None and result is None and tx.run(run)["status"] not in ENDS:
        raise ConsentNeeded(tool_call_id)  # the call's round is not reviewed yet
    return _FoundCall(run=run, part=part, row=row, result=result)


def _find_claimed(
    tx: Transaction, owner: str, run_id: str, tool_call_id: str, claim: str
) -> tuple[RunRef, StoredCall]:
    """Return the run and the row of a call, if its claim is valid.

    Raises:
        RunNotFound, ToolCallNotFound, ToolCallNotOpen, ConsentNeeded
    """
    run = find_run(tx.conn, owner, run_id)
    row = read_calls(tx, run).get(tool_call_id)
    is_held = row is not None and row.state == "claimed" and row.claim == claim
    until_ms = 0 if row is None else min(row.lease_ms or 0, row.expires_ms)
    if row is not None and is_held and until_ms > tx.now_ms:
        return run, row
    raise _find(tx, owner, run_id, tool_call_id).refusal()
