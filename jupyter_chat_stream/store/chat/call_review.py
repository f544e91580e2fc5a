"""Reviews the tool calls of a run: the first step of every attempt, in one transaction.

For each call of the reply without a result, the next step is one of: a failed result, a permission,
a question to the person, or a claim by this process. If a call is still open afterwards, the run
waits (L10). This module calls no tool and no provider. The rules are in docs/protocol.md, "Tools".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...shared.events import (
    InputRequested,
    StatusChanged,
    ToolAllowed,
    ToolClaimed,
    from_iso,
    iso,
)
from ...shared.parts import CUT, open_calls
from ...shared.records import InputRequestPart, Part, Phase
from ...shared.tool_records import (
    AllowedBy,
    ConsentChoice,
    FailedFor,
    ToolCallPart,
    ToolEffect,
    ToolMode,
)
from ..log.reading import read_thread
from ..log.transaction import RunRef, Transaction
from .calls_in_place import CallInPlace
from .consent_answers import read_answer
from .consents import add_consent, find_consent
from .tool_calls import StoredCall, end_call, insert_call, read_calls, update_call

CHOICES: tuple[ConsentChoice, ...] = ("once", "thread", "always", "no")
PARTIAL_CHOICES: tuple[ConsentChoice, ...] = ("once", "some", "thread", "always", "no")
WAITS_FOR_TOOLS = "tools"  # the detail of the status
SERVER = "server"  # the name for people of the executor, for a call in place

_MAY_IT: Mapping[ToolEffect, str] = {
    "read": "read",
    "change": "make this change",
    "run": "run this",
}
REFUSED = "The person refused this call."
ONLY_READS = "This chat allows only tools that read; the person has to change that first."
NOT_ANSWERED = "Nobody answered in time whether this call may be made. It was not made."
NOT_MADE = "No process that can make this call came in time. It was not made."
NOT_ENDED = (
    "This call had no result in time. It may have been made in part or as a whole: look before you "
    "repeat it."
)


@dataclass(frozen=True, kw_only=True)
class CallPlan:
    """The check of a call against the run's tools, the settings and the call's input.

    ``refusal``: why the call cannot be made, as a sentence for the model; None if it can.
    """

    refusal: str | None
    effect: ToolEffect = "run"
    operation: str = ""
    digest: str = ""
    idempotent: bool = False
    partial: bool = False


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """The next step of the attempt: make calls, leave the run waiting, or ask the model."""

    in_place: tuple[CallInPlace, ...] = ()
    is_waiting: bool = False


@dataclass(kw_only=True)
class _CallRound:
    """The calls of a run while one transaction reviews them."""

    tx: Transaction
    run: RunRef
    attempt: int
    owner: str
    mode: ToolMode
    parts: list[Part]
    rows: dict[str, StoredCall]
    in_place: list[CallInPlace] = field(default_factory=list)
    wake_ms: list[int] = field(default_factory=list)  # the times at which to check again
    to_ask: list[tuple[ToolCallPart, CallPlan]] = field(default_factory=list)
    ended_ids: set[str] = field(
        default_factory=set
    )  # the calls that get a result in this transaction

    def append(self, body: Any) -> None:
        self.tx.append(self.run.thread, body, run=self.run, attempt=self.attempt)

    def question(self, tool_call_id: str) -> InputRequestPart | None:
        """Return the newest question about a call."""
        for part in reversed(self.parts):
            if part["kind"] == "input_request" and part.get("tool_call_id") == tool_call_id:
                return part
        return None

    def fail(self, call: ToolCallPart, reason: FailedFor, sentence: str) -> None:
        self.ended_ids.add(call["tool_call_id"])
        end_call(
            self.tx,
            self.run,
            call["tool_call_id"],
            name=call["name"],
            success=False,
            output=sentence,
            reason=reason,
            attempt=self.attempt,
        )


def review_calls(
    tx: Transaction,
    run: RunRef,
    attempt: int,
    plans: Mapping[str, CallPlan],
    phase: Phase = "tool_calling",
) -> Reviewed:
    """Review every call of a run without a result, and release the run if a call stays open.

    Args:
        phase: the run's phase while the attempt makes calls itself.

    Raises:
        StaleAttempt: another attempt or an end came first.
    """
    tx.guard((run,))
    tx.append_attempt(run, attempt, ())
    round_ = _read_round(tx, run, attempt)
    for call in open_calls(round_.parts):
        _review_call(round_, call, plans[call["tool_call_id"]])
    _ask(round_)
    if round_.in_place:
        round_.append(StatusChanged(phase=phase))
    elif round_.wake_ms:
        until = iso(min(round_.wake_ms))
        round_.append(StatusChanged(phase="waiting", detail=WAITS_FOR_TOOLS, until=until))
        tx.set_run(run, owner=None)
    elif tx.run(run)["phase"] != "continuing":
        round_.append(StatusChanged(phase="continuing"))
    tx.settle(run)
    is_waiting = bool(round_.wake_ms) and not round_.in_place
    return Reviewed(in_place=tuple(round_.in_place), is_waiting=is_waiting)


def _read_round(tx: Transaction, run: RunRef, attempt: int) -> _CallRound:
    tx.flush()
    thread = read_thread(tx.conn, run.thread)
    tools = thread.get("tools")
    return _CallRound(
        tx=tx,
        run=run,
        attempt=attempt,
        owner=thread["owner"],
        mode="ask" if tools is None else tools["mode"],
        parts=tx.reply(run)["parts"],
        rows=read_calls(tx, run),
    )


def _review_call(round_: _CallRound, call: ToolCallPart, plan: CallPlan) -> None:
    """Do the next step of one call."""
    row = round_.rows.get(call["tool_call_id"])
    if row is None:
        row = _begin(round_, call, plan)
    is_late = row.expires_ms <= round_.tx.now_ms
    if row.state == "asked" and "allowed" not in call:
        _review_asked(round_, call, row, plan, is_late=is_late)
    elif row.state == "claimed":
        _review_claimed(round_, call, row, is_late=is_late)
    elif is_late and not _waits_in_place(call, row):
        round_.fail(call, "expired", NOT_MADE)
    else:
        _offer(round_, call, row)


def _waits_in_place(call: ToolCallPart, row: StoredCall) -> bool:
    """Return whether a call in place has begun, and waits for an answer or until a time."""
    return row.wake_ms is not None or (row.state == "asked" and "allowed" in call)


def _begin(round_: _CallRound, call: ToolCallPart, plan: CallPlan) -> StoredCall:
    expires_at = call.get("expires_at")
    row = StoredCall(
        tool_call_id=call["tool_call_id"],
        state="asked",
        idempotent=plan.idempotent,
        expires_ms=round_.tx.now_ms if expires_at is None else from_iso(expires_at),
        claim=None,
        executor=None,
        lease_ms=None,
        wake_ms=None,
        next_output=0,
        output_bytes=0,
    )
    insert_call(round_.tx, round_.run, row)
    return row


def _review_asked(
    round_: _CallRound, call: ToolCallPart, row: StoredCall, plan: CallPlan, *, is_late: bool
) -> None:
    if plan.refusal is not None:
        round_.fail(call, "denied", plan.refusal)
        return
    if round_.mode == "read_only" and plan.effect != "read":
        round_.fail(call, "denied", ONLY_READS)
        return
    question = round_.question(call["tool_call_id"])
    if question is not None and question["by"] is not None:
        _take_answer(round_, call, row, plan, question)
        return
    if is_late:
        round_.fail(call, "expired", NOT_ANSWERED if question else NOT_MADE)
        return
    consent = _allowed_without_question(round_, call, plan)
    if consent is not None:
        _allow(round_, call, row, consent, None if consent == "none" else round_.owner)
    else:
        round_.to_ask.append((call, plan))
        round_.wake_ms.append(row.expires_ms)


def _take_answer(
    round_: _CallRound,
    call: ToolCallPart,
    row: StoredCall,
    plan: CallPlan,
    question: InputRequestPart,
) -> None:
    answer = read_answer(question["value"])
    choice = answer.choice
    if choice == "no":
        sentence = f"{REFUSED} They wrote: {answer.words}" if answer.words else REFUSED
        round_.fail(call, "refused", sentence)
        return
    if choice in ("thread", "always"):
        thread = round_.run.thread if choice == "thread" else None
        add_consent(
            round_.tx,
            round_.owner,
            tool=call["name"],
            operation=plan.operation,
            digest=plan.digest,
            thread=thread,
        )
    allowed: AllowedBy = "once" if choice == "some" else choice
    _allow(round_, call, row, allowed, question["by"], answer.accepted)


def _allowed_without_question(
    round_: _CallRound, call: ToolCallPart, plan: CallPlan
) -> AllowedBy | None:
    if plan.effect == "read":
        return "none"
    if round_.mode == "accept_edits" and plan.effect == "change":
        return "mode"
    return find_consent(
        round_.tx.conn,
        round_.owner,
        round_.run.thread,
        tool=call["name"],
        operation=plan.operation,
        digest=plan.digest,
    )


def _allow(
    round_: _CallRound,
    call: ToolCallPart,
    row: StoredCall,
    consent: AllowedBy,
    by: str | None,
    accepted: tuple[str, ...] | None = None,
) -> None:
    tool_call_id = call["tool_call_id"]
    round_.append(ToolAllowed(tool_call_id=tool_call_id, consent=consent, by=by, accepted=accepted))
    update_call(round_.tx, round_.run, tool_call_id, state="open")
    _offer(round_, call, replace(row, state="open"))


def _review_claimed(
    round_: _CallRound, call: ToolCallPart, row: StoredCall, *, is_late: bool
) -> None:
    """Leave a call to its executor; if the executor is dead, end or open the call (L14)."""
    if is_late and row.lease_ms is not None:
        round_.fail(call, "expired", NOT_ENDED)
        return
    if row.lease_ms is not None and row.lease_ms > round_.tx.now_ms:
        round_.wake_ms.append(row.expires_ms)
        return
    if not row.idempotent:
        round_.fail(call, "interrupted", CUT)
        return
    tool_call_id = call["tool_call_id"]
    round_.append(ToolClaimed(tool_call_id=tool_call_id, executor=None))
    update_call(
        round_.tx, round_.run, tool_call_id, state="open", claim=None, executor=None, lease_ms=None
    )
    if is_late:
        round_.fail(call, "expired", NOT_ENDED)
    else:
        _offer(round_, call, replace(row, state="open", claim=None, executor=None, lease_ms=None))


def _offer(round_: _CallRound, call: ToolCallPart, row: StoredCall) -> None:
    """Leave an open call to other executors, or claim it for this attempt."""
    tool_call_id, now_ms = call["tool_call_id"], round_.tx.now_ms
    if call["where"] != "server":
        round_.wake_ms.append(row.expires_ms)
        return
    question = round_.question(tool_call_id)
    is_asking = question is not None and question.get("request_kind") != "consent"
    if row.wake_ms is not None and row.wake_ms > now_ms:
        round_.wake_ms.append(row.wake_ms)
        return
    if is_asking and question is not None and question["by"] is None:
        expires_at = question["expires_at"]
        until_ms = row.expires_ms if expires_at is None else from_iso(expires_at)
        if until_ms > now_ms:
            round_.wake_ms.append(until_ms)
            return
        round_.fail(call, "expired", "Nobody answered this question in time.")
        return
    if row.wake_ms is None and not is_asking:
        round_.append(ToolClaimed(tool_call_id=tool_call_id, executor=SERVER))
    update_call(
        round_.tx,
        round_.run,
        tool_call_id,
        state="claimed",
        claim=f"attempt {round_.attempt}",
        executor=SERVER,
        lease_ms=None,
    )
    round_.in_place.append(
        CallInPlace(
            tool_call_id=tool_call_id,
            name=call["name"],
            input=call["input"],
            owner=round_.owner,
            started_ms=from_iso(call["allowed"]["at"]) if "allowed" in call else now_ms,
            answer=question if is_asking else None,
            job_id=call.get("job_id"),
        )
    )


def _ask(round_: _CallRound) -> None:
    """Ask for consent to the first call that needs it, unless a question is open already."""
    if not round_.to_ask or _has_open_question(round_):
        return
    call, plan = round_.to_ask[0]
    tool = f"“{call['name']}”" + (f" ({plan.operation})" if plan.operation else "")
    round_.append(
        InputRequested(
            request_id=round_.tx.new_id(),
            prompt=f"May the tool {tool} {_MAY_IT[plan.effect]}?",
            choices=PARTIAL_CHOICES if plan.partial else CHOICES,
            expires_at=call.get("expires_at"),
            kind="consent",
            tool_call_id=call["tool_call_id"],
        )
    )


def _has_open_question(round_: _CallRound) -> bool:
    open_ids = {call["tool_call_id"] for call in open_calls(round_.parts)} - round_.ended_ids
    return any(
        part["kind"] == "input_request"
        and part["by"] is None
        and part.get("tool_call_id") in open_ids
        and not _is_over(part, round_.tx.now_ms)
        for part in round_.parts
    )


def _is_over(question: InputRequestPart, now_ms: int) -> bool:
    return question["expires_at"] is not None and from_iso(question["expires_at"]) <= now_ms
