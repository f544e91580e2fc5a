"""Stores a person's answer to a question of a run; the first answer wins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...shared.errors import InvalidInput, RequestNotOpen
from ...shared.events import ENDS, InputGiven, from_iso
from ...shared.parts import result_of
from ...shared.records import InputRequestPart, Part, RunRecord
from ..log.transaction import RunRef, Transaction
from .consent_answers import is_consent_answer


def give_input(tx: Transaction, run: RunRef, owner: str, request_id: str, value: Any) -> RunRecord:
    """Write the answer to a run's open question, and return the run.

    Raises:
        RequestNotOpen: if the question was answered, with that ``value`` and ``by``.
        InvalidInput: the value is not one of the choices.
    """
    parts = tx.reply(run)["parts"]
    question = find_question(parts, request_id)
    status = tx.run(run)["status"]
    # A question about a tool call can be answered even while the run makes other calls.
    is_open = status == "waiting"
    if question is not None and "tool_call_id" in question:
        is_open = status not in ENDS and result_of(parts, question["tool_call_id"]) is None
    if not is_open or question is None or question["by"] is not None:
        is_answered = question is not None and question["by"] is not None
        facts = (
            {name: question[name] for name in ("value", "by")} if question and is_answered else {}
        )
        raise RequestNotOpen(f"Question {request_id!r} of run {run.id!r} is not open.", **facts)
    if question["expires_at"] is not None and from_iso(question["expires_at"]) <= tx.now_ms:
        raise RequestNotOpen(f"Question {request_id!r} of run {run.id!r} has expired.")
    choices = question["choices"]
    if question.get("request_kind") == "consent":
        is_answer = is_consent_answer(value, choices or ())
    else:
        is_answer = choices is None or value in choices
    if not is_answer:
        raise InvalidInput("The value is not one of the choices.", choices=choices)
    tx.append(run.thread, InputGiven(request_id=request_id, value=value, by=owner), run=run)
    tx.settle(run)
    tx.make_due(run, tx.run(run)["attempt"] + 1)
    return tx.run(run).copy()


def find_question(parts: Sequence[Part], request_id: str) -> InputRequestPart | None:
    """Find a question among some parts, answered or not; None if there is none."""
    for part in parts:
        if part["kind"] == "input_request" and part["request_id"] == request_id:
            return part
    return None
