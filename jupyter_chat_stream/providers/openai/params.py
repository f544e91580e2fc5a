"""The parameters of a message: their rules, and their names in each dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...shared.errors import BadRequest
from ...shared.json_objects import JsonObject
from ...shared.records import Params
from ...shared.spelling import did_you_mean
from ..base import Tool

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MAX_STOPS = 4  # OpenAI's limit


def translate(params: Params, names: Mapping[str, str], api: str) -> JsonObject:
    """Return the parameters by the dialect's own names.

    Args:
        names: our names and the dialect's.
        api: the dialect, for sentences.

    Raises:
        BadRequest: the dialect has no such parameter, or its value has no meaning.
    """
    return {_api_name(name, names, api): _api_value(name, value) for name, value in params.items()}


def function(tool: Tool) -> JsonObject:
    """Return the fields of a function."""
    fields: JsonObject = {"name": tool.name}
    if tool.description:
        fields["description"] = tool.description
    if tool.input_schema is not None:
        fields["parameters"] = tool.input_schema
    return fields


def _api_name(name: str, names: Mapping[str, str], api: str) -> str:
    if name not in names:
        raise BadRequest(
            f"{api} here takes no parameter {name!r}.{did_you_mean(name, names)} "
            f"It takes: {', '.join(names)}.",
            param=name,
        )
    return names[name]


def _api_value(name: str, value: Any) -> Any:
    is_valid, rule = _RULES[name]
    if not is_valid(value):
        raise BadRequest(f"The parameter {name!r} must be {rule}.", param=name)
    return _CHOICES[value["type"]] if isinstance(value, Mapping) else value


def _between(low: float, high: float) -> tuple[Callable[[Any], bool], str]:
    def is_valid(value: Any) -> bool:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and low <= value <= high

    return is_valid, f"a number from {low:g} to {high:g}"


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
