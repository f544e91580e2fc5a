"""From a prompt to a request: what the Claude API would refuse never leaves."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.providers.anthropic import models
from jupyter_chat_stream.providers.anthropic.api_request import CLAUDE
from jupyter_chat_stream.providers.anthropic.request_arguments import build
from jupyter_chat_stream.providers.base import Prompt, text_turn
from jupyter_chat_stream.shared.errors import BadRequest, NoSuchModel
from jupyter_chat_stream.testing.answers import cache_marks, refusal_of

SUMMARY = {"type": "adaptive", "display": "summarized"}
HIDDEN = {"type": "adaptive", "display": "omitted"}


def make(model: str = "claude-opus-4-6", **changes: Any) -> dict[str, Any]:
    prompt = Prompt(**{"model": model, "turns": (text_turn("user", "hi"),), **changes})
    arguments = build(prompt, models.find(model), CLAUDE)
    assert refusal_of(arguments, has_key=True) is None
    return arguments


def test_there_are_never_more_than_four_cache_marks_and_the_last_ones_stay() -> None:
    turns = tuple(
        text_turn("user" if i % 2 == 0 else "assistant", f"turn {i}", cache=True) for i in range(9)
    )
    for system, marked in ((None, [5, 6, 7, 8]), ("Be brief.", [6, 7, 8])):
        body = make(turns=turns, system=system, partial="begun")
        assert cache_marks(body) == 4
        texts = [m["content"][0] for m in body["messages"]]
        assert [i for i, block in enumerate(texts) if "cache_control" in block] == marked


def test_blank_turns_and_a_blank_system_prompt_are_left_out() -> None:
    turns = (
        text_turn("user", "a"),
        text_turn("assistant", " \n"),
        text_turn("user", "b"),
    )
    body = make(turns=turns, system="  ")
    assert [m["content"][0]["text"] for m in body["messages"]] == ["a", "b"]
    assert "system" not in body


@pytest.mark.parametrize("turns", [(), (text_turn("user", " "),), (text_turn("assistant", "me"),)])
def test_a_prompt_without_a_users_turn_at_its_end_is_refused(turns: Any) -> None:
    with pytest.raises(BadRequest, match="user's turn"):
        make(turns=turns)


def test_the_answer_may_be_as_long_as_the_model_allows_but_not_without_bound() -> None:
    assert make("claude-sonnet-5-5")["max_tokens"] == 32_000
    assert make("claude-of-tomorrow")["max_tokens"] == 8_192
    assert make(max_tokens=100_000)["max_tokens"] == 100_000


@pytest.mark.parametrize(
    ("model", "params", "thinking", "effort"),
    [
        ("claude-haiku-4-5", {}, None, None),
        ("claude-haiku-4-5", {"thinking": False}, None, None),
        ("claude-haiku-4-5", {"thinking": True}, {"type": "enabled", "budget_tokens": 8192}, None),
        (
            "claude-haiku-4-5-20251001",
            {"thinking": {"budget_tokens": 2000}},
            {"type": "enabled", "budget_tokens": 2000},
            None,
        ),
        ("claude-opus-4-6", {}, None, None),
        ("claude-opus-4-6", {"thinking": True}, SUMMARY, None),
        ("claude-opus-4-8", {"thinking": False, "effort": "max"}, None, "max"),
        ("claude-opus-4-8", {"thinking": {"budget_tokens": 1024}}, SUMMARY, "low"),
        ("claude-opus-4-8", {"thinking": {"budget_tokens": 5000}}, SUMMARY, "medium"),
        ("claude-opus-4-8", {"thinking": {"budget_tokens": 9000}}, SUMMARY, "high"),
        (
            "claude-opus-4-8",
            {"thinking": {"budget_tokens": 9000}, "effort": "low"},
            SUMMARY,
            "low",
        ),
        ("claude-sonnet-5-5", {}, SUMMARY, None),
        ("claude-sonnet-5-5", {"effort": "low"}, SUMMARY, "low"),
        ("claude-sonnet-5-5", {"thinking": False}, HIDDEN, "low"),
        ("claude-fable-5-1", {"thinking": True}, SUMMARY, None),
        ("claude-of-tomorrow", {}, None, None),
        ("claude-of-tomorrow", {"thinking": True}, SUMMARY, None),
    ],
)  # fmt: skip
def test_thinking_is_asked_for_in_the_models_own_way(
    model: str, params: dict[str, Any], thinking: Any, effort: str | None
) -> None:
    body = make(model, params=params, max_tokens=20_000)
    assert body.get("thinking") == thinking
    assert body.get("output_config") == (effort and {"effort": effort})


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 0.3},
        {"top_p": 1},
        {"top_k": 5},
        {"colour": "blue"},
        {"thinking": "yes"},
        {"thinking": {}},
        {"thinking": {"budget_tokens": 1023}},
        {"thinking": {"budget_tokens": True}},
        {"thinking": {"budget_tokens": "many"}},
        {"thinking": {"budget_tokens": 2000, "type": "enabled"}},
        {"thinking": {"budget_tokens": 20_000}},
        {"effort": "heroic"},
        {"stop_sequences": "END"},
        {"stop_sequences": [""]},
        {"tool_choice": "any"},
        {"tool_choice": {"type": "some"}},
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused_by_name(params: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        make(params=params, max_tokens=20_000)
    assert caught.value.facts["param"] in params


def test_a_short_answer_leaves_no_room_to_think() -> None:
    with pytest.raises(BadRequest, match="max_tokens"):
        make("claude-haiku-4-5", params={"thinking": True}, max_tokens=1000)
    body = make("claude-haiku-4-5", params={"thinking": True}, max_tokens=4000)
    assert body["thinking"]["budget_tokens"] == 2000


def test_stop_sequences_and_tool_choice_are_passed_on() -> None:
    params = {"stop_sequences": ["END"], "tool_choice": {"type": "auto"}}
    body = make(params=params)
    assert body["stop_sequences"] == ["END"]
    assert body["tool_choice"] == {"type": "auto"}


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("claude-opus-4-6", (4, 6)),
        ("claude-haiku-4-5-20251001", (4, 5)),
        ("claude-opus-4-20250514", (4, 0)),
        ("claude-3-7-sonnet-20250219", (3, 7)),
        ("claude-sonnet-5", (5, 0)),
        ("claude-opus-5-5@latest", (5, 5)),
        ("claude-mythos-preview", None),
    ],
)
def test_the_version_is_read_out_of_the_name(name: str, version: Any) -> None:
    assert models.version(name) == version


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 129, "a\nb", "-x"])
def test_a_name_no_model_can_have_is_refused(name: str) -> None:
    with pytest.raises(NoSuchModel):
        models.find(name)


def test_the_sdk_knows_the_names_we_offer() -> None:
    from typing import get_args

    from anthropic.types.model import Model as Names

    literal = get_args(Names)[0]
    assert {model.name for model in models.MODELS} <= set(get_args(literal))
