"""Which question of a run is open, read from the parts of its message."""

from __future__ import annotations

from typing import Any, cast

from jupyter_chat_stream.kernel.questions import Question, open_question

BASE = {"choices": None, "expires_at": None, "value": None, "by": None}


def asked(request_id: str, call: str | None = None, by: str | None = None) -> dict[str, Any]:
    about = {} if call is None else {"tool_call_id": call}
    part = {"kind": "input_request", "request_id": request_id, "prompt": "May I?"}
    return {**BASE, **part, **about, "by": by}


def call(call_id: str, name: str) -> dict[str, Any]:
    part = {"kind": "tool_call", "tool_call_id": call_id, "name": name, "where": "server"}
    return {**part, "input": {"of": call_id}}


def ended(call_id: str) -> dict[str, Any]:
    return {"kind": "tool_result", "tool_call_id": call_id, "success": True, "output": None}


def opened(*parts: dict[str, Any], status: str = "waiting") -> Question | None:
    return open_question(cast(Any, {"id": "r", "status": status}), cast(Any, {"parts": parts}))


def request_id(*parts: dict[str, Any]) -> str | None:
    question = opened(*parts)
    return None if question is None else question.request_id


def test_the_oldest_of_two_open_questions_is_shown_and_then_the_other() -> None:
    calls = call("a", "train"), call("b", "ask_person")
    question = opened(*calls, asked("q1", "a"), asked("q2", "b"))
    assert question is not None
    assert (question.request_id, question.tool, question.input) == ("q1", "train", {"of": "a"})
    assert request_id(*calls, asked("q1", "a", by="me"), asked("q2", "b")) == "q2"
    assert request_id(*calls, asked("q1", "a"), asked("q2", "b", by="me")) == "q1"
    assert request_id(*calls, asked("q1", "a", by="me"), asked("q2", "b", by="me")) is None


def test_a_question_whose_call_has_a_result_is_not_open() -> None:
    calls = call("a", "train"), call("b", "train")
    assert request_id(*calls, asked("q1", "a"), asked("q2", "b"), ended("a")) == "q2"
    assert request_id(*calls, asked("q1", "a"), ended("a")) is None


def test_of_the_models_own_questions_only_the_last_is_open() -> None:
    assert request_id(asked("q1"), asked("q2")) == "q2"
    assert request_id(asked("q1"), asked("q2", by="me")) is None
    assert opened(asked("q1"), status="completed") is None
    assert opened() is None
