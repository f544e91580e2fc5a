"""The parameters that the list of models offers are those that the models take."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.providers import offered, sizes
from jupyter_chat_stream.providers.anthropic import models as claude
from jupyter_chat_stream.providers.anthropic import params as claude_params
from jupyter_chat_stream.providers.anthropic.api_request import CLAUDE
from jupyter_chat_stream.providers.base import Model, Parameter
from jupyter_chat_stream.providers.demo import MODELS as DEMOS
from jupyter_chat_stream.providers.demo.params import parse as parse_demo
from jupyter_chat_stream.providers.endpoints import OPENAI, Endpoint
from jupyter_chat_stream.providers.openai import chat_request
from tests.providers.chat import make_prompt
from tests.providers.messages import make_provider

LAB = Endpoint(name="lab", base_url="http://127.0.0.1:9/v1")


def extremes(parameter: Parameter) -> tuple[Any, ...]:
    if parameter.kind == "choice":
        return parameter.choices
    values = (parameter.least, parameter.most)
    return tuple(value for value in values if value is not None)


def settings_of(model: Model) -> list[dict[str, Any]]:
    """Every parameter alone, at each end of its range; ``max_tokens`` is the run's."""
    return [
        {parameter.name: value}
        for parameter in model.parameters
        for value in extremes(parameter)
        if parameter.name != "max_tokens"
    ]


@pytest.mark.parametrize("model", DEMOS, ids=lambda model: str(model.name))
def test_a_demo_model_takes_what_it_offers(model: Model) -> None:
    assert settings_of(model)
    for given in settings_of(model):
        parse_demo(model.name, given)


@pytest.mark.parametrize("model", claude.MODELS, ids=lambda model: str(model.name))
def test_a_claude_model_takes_what_it_offers(model: Model) -> None:
    for given in settings_of(model):
        claude_params.parse(given, CLAUDE)
    longest = next(one for one in model.parameters if one.name == "max_tokens")
    assert longest.most == model.max_output_tokens


def test_only_claude_models_with_an_effort_offer_one() -> None:
    def names(model: str) -> list[str]:
        return [one.name for one in claude.find(model).parameters]

    assert names("claude-opus-5-5") == ["effort", "max_tokens"]
    assert names("claude-haiku-4-5") == ["max_tokens"]


@pytest.mark.parametrize(
    ("endpoint", "name", "can", "expected"),
    [
        (OPENAI, "gpt-5.5", (), ["effort", "max_tokens"]),
        (OPENAI, "o3-mini", (), ["effort", "max_tokens"]),
        (OPENAI, "gpt-5-chat-latest", (), ["temperature", "top_p", "max_tokens"]),
        (OPENAI, "gpt-4o", (), ["temperature", "top_p", "max_tokens"]),
        (LAB, "gpt-5", (), ["temperature", "top_p", "max_tokens"]),
        (LAB, "qwen3:8b", ("reasoning",), ["effort", "temperature", "top_p", "max_tokens"]),
    ],
)
def test_a_model_of_an_endpoint_takes_what_it_offers(
    endpoint: Endpoint, name: str, can: tuple[str, ...], expected: list[str]
) -> None:
    model = sizes.describe(endpoint, name, {"id": name, "can": list(can)})
    assert [one.name for one in model.parameters] == expected
    assert model.parameters == offered.parameters(endpoint, name, can, model.max_output_tokens)
    for given in settings_of(model):
        chat_request.build(make_prompt(params=given), endpoint)


@pytest.mark.parametrize(
    ("name", "told", "expected"),
    [
        ("anthropic/claude-opus-5-5", {}, ["effort", "max_tokens"]),
        ("claude-opus-5-5", {"can": ["reasoning"]}, ["effort", "max_tokens"]),
        ("claude-haiku-4-5", {"can": ["reasoning"]}, ["max_tokens"]),
        ("qwen3:8b", {"can": ["reasoning"]}, ["temperature", "top_p", "max_tokens"]),
    ],
)
def test_a_model_of_the_messages_api_takes_what_it_offers(
    name: str, told: dict[str, Any], expected: list[str]
) -> None:
    """The Claude API refuses a temperature; an effort is a word of Claude's alone."""
    lab = make_provider("http://127.0.0.1:9")
    model = lab.describe(sizes.describe(lab.endpoint, name, {"id": name, **told}))
    assert [one.name for one in model.parameters] == expected
    for given in settings_of(model):
        claude_params.parse(given, lab.endpoint)


def test_claudes_own_address_takes_no_temperature_under_any_name() -> None:
    team = make_provider("https://api.anthropic.com")
    model = team.model("our-tuned-one")
    assert [one.name for one in model.parameters] == ["max_tokens"]
