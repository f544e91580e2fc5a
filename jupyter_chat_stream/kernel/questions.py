"""Questions of a run to a person. They are read from the fold, never from the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..shared.errors import RequestNotOpen
from ..shared.parts import call_of
from ..shared.records import InputRequestPart, MessageRecord, Part, RunRecord
from ..shared.tool_records import ToolInput
from .times import from_wire


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question of a run to a person; the run waits for the answer."""

    prompt: str
    choices: tuple[str, ...] | None = None  # None allows any text
    expires_at: datetime | None = None  # in local time; None means never
    request_id: str = field(repr=False)
    tool: str | None = field(default=None, repr=False)
    """The tool that a model wants to call, if the question asks for your consent to that."""
    input: ToolInput | None = field(default=None, repr=False)
    """The input of that call."""


def open_question(run: RunRecord, reply: MessageRecord | None) -> Question | None:
    """Return the question that a run waits for, the oldest of several; None if there is none.

    Calls of one round may ask at once. A question about a call is open until the call has a result.
    """
    if reply is None or run["status"] != "waiting":
        return None
    part = next(_open_parts(reply["parts"]), None)
    if part is None:
        return None
    choices = part["choices"]
    call = call_of(reply["parts"], part["tool_call_id"]) if "tool_call_id" in part else None
    return Question(
        request_id=part["request_id"],
        prompt=part["prompt"],
        choices=None if choices is None else tuple(choices),
        expires_at=from_wire(part["expires_at"]),
        tool=None if call is None else call.get("name"),
        input=None if call is None else call.get("input"),
    )


def not_open(run: RunRecord, reply: MessageRecord | None) -> RequestNotOpen:
    """Build the error of an answer to a run that has no open question."""
    part, run_id = _last_question(reply), run["id"]
    if part is None:
        return RequestNotOpen(
            f"Run {run_id!r} ({run['status']}) has asked nothing yet. "
            "Wait for its question with run.next_question().",
            run_id=run_id,
        )
    facts = {"run_id": run_id, "request_id": part["request_id"]}
    if part["by"] is None:
        return RequestNotOpen(
            f"Run {run_id!r} is {run['status']}: its question was not answered in time. "
            "Ask again with run.retry().",
            **facts,
        )
    return RequestNotOpen(
        f"The question of run {run_id!r} was answered by {part['by']!r}, and the first answer "
        "counts: error.facts['value'] has it.",
        **facts,
        value=part["value"],
        by=part["by"],
    )


def _open_parts(parts: Sequence[Part]) -> Iterator[InputRequestPart]:
    """List the open questions of a waiting run's message, oldest first."""
    ended_call_ids = {part["tool_call_id"] for part in parts if part["kind"] == "tool_result"}
    questions = [part for part in parts if part["kind"] == "input_request"]
    own_questions = [part for part in questions if "tool_call_id" not in part]
    for part in questions:
        # Of the model's own questions only the last can be open: a retry asks again.
        may_be_open = part is own_questions[-1] if "tool_call_id" not in part else True
        if may_be_open and part["by"] is None and part.get("tool_call_id") not in ended_call_ids:
            yield part


def _last_question(reply: MessageRecord | None) -> InputRequestPart | None:
    parts = reply["parts"] if reply is not None else ()
    return next((part for part in reversed(parts) if part["kind"] == "input_request"), None)
