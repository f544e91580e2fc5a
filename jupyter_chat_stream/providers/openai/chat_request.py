"""Builds the arguments of ``chat.completions.create`` from a prompt, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...shared.errors import BadRequest
from ...shared.spelling import did_you_mean
from ..base import Prompt
from ..continuation import continuation
from ..endpoints import Endpoint

Arguments = dict[str, Any]  # the SDK has types for them, but not for names that are looked up
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MAX_STOPS = 4  # OpenAI's limit
# The parameters of a message, and their names in the API.
PARAMS: Mapping[str, str] = {
    "effort": "reasoning_effort",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "stop_sequences": "stop",
    "temperature": "temperature",
    "tool_choice": "tool_choice",
    "top_p": "top_p",
}


def build(prompt: Prompt, endpoint: Endpoint) -> Arguments:
    """Return the arguments of ``chat.completions.create`` for a prompt, without ``stream``.

    Raises:
        BadRequest: the prompt holds something that no server takes.
    """
    arguments: Arguments = {
        "model": prompt.model,
        "messages": _messages(prompt),
        "stream_options": {"include_usage": True},
    }
    if prompt.max_tokens is not None:
        # OpenAI's reasoning models refuse the old name; many other servers do not know the new one.
        name = "max_completion_tokens" if endpoint.is_openai else "max_tokens"
        arguments[name] = prompt.max_tokens
    if prompt.tools:
        arguments["tools"] = [_tool(tool) for tool in prompt.tools]
    for name, value in prompt.params.items():
        theirs = _known(name)
        arguments[theirs] = _checked(name, value)
    return arguments


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    messages = [
        {"role": turn.role, "content": turn.text} for turn in prompt.turns if turn.text.strip()
    ]
    partial = prompt.partial.rstrip()
    if partial:
        messages.append({"role": "assistant", "content": partial})
        messages.append({"role": "user", "content": continuation(prompt.partial)})
    if not messages or messages[-1]["role"] != "user":
        raise BadRequest("The prompt must end with a user's turn that is not blank.")
    if prompt.system and prompt.system.strip():
        messages.insert(0, {"role": "system", "content": prompt.system})
    return messages


def _tool(tool: Mapping[str, object]) -> dict[str, object]:
    """Translate a tool from the form of the Messages API."""
    function: dict[str, object] = {"name": tool.get("name")}
    for theirs, ours in (("description", "description"), ("input_schema", "parameters")):
        if theirs in tool:
            function[ours] = tool[theirs]
    return {"type": "function", "function": function}


def _known(name: str) -> str:
    if name not in PARAMS:
        raise BadRequest(
            f"Chat Completions have no parameter {name!r} here.{did_you_mean(name, PARAMS)} "
            f"There are: {', '.join(PARAMS)}.",
            param=name,
        )
    return PARAMS[name]


def _checked(name: str, value: Any) -> Any:
    is_valid, wanted = _RULES[name]
    if not is_valid(value):
        raise BadRequest(f"The parameter {name!r} must be {wanted}.", param=name)
    return _CHOICES[value["type"]] if isinstance(value, Mapping) else value


def _between(least: float, most: float) -> tuple[Callable[[Any], bool], str]:
    def is_valid(value: Any) -> bool:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and least <= value <= most

    return is_valid, f"a number from {least:g} to {most:g}"


def _is_stop_list(value: Any) -> bool:
    fits = isinstance(value, (list, tuple)) and 0 < len(value) <= MAX_STOPS
    return fits and all(isinstance(text, str) and text for text in value)


def _is_tool_choice(value: Any) -> bool:
    return isinstance(value, Mapping) and any(value == {"type": choice} for choice in _CHOICES)


# A choice in the form of the Messages API, and its word here.
_CHOICES: Mapping[str, str] = {"auto": "auto", "any": "required", "none": "none"}
_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "effort": (lambda value: value in EFFORTS, f"one of {', '.join(EFFORTS)}"),
    "frequency_penalty": _between(-2, 2),
    "presence_penalty": _between(-2, 2),
    "seed": (
        lambda value: isinstance(value, int) and not isinstance(value, bool),
        "a whole number",
    ),
    "stop_sequences": (_is_stop_list, f"a list of 1 to {MAX_STOPS} texts that are not empty"),
    "temperature": _between(0, 2),
    "tool_choice": (_is_tool_choice, "an object whose 'type' is auto, any or none"),
    "top_p": _between(0, 1),
}
