"""The parameters of one answer by the Messages API, checked once.

==================  =======================================================================
``thinking``        true, false, or ``{"budget_tokens": n}``
``effort``          one of ``low``, ``medium``, ``high``, ``xhigh``, ``max``
``stop_sequences``  a list of texts; the model stops before it would write one of them
``tool_choice``     an object in the form of the Messages API
==================  =======================================================================

Other addresses than Anthropic's take ``temperature``, ``top_p`` and ``top_k`` besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeGuard, cast, get_args

from ...shared.errors import BadRequest
from ...shared.records import Params
from ...shared.spelling import did_you_mean
from ..endpoints import Endpoint

if TYPE_CHECKING:
    from anthropic.types import ToolChoiceParam

Effort = Literal["low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[Effort, ...] = get_args(Effort)
TOOL_CHOICES = ("auto", "any", "tool", "none")
SAMPLING = ("temperature", "top_p", "top_k")
NAMES = ("effort", "stop_sequences", "thinking", "tool_choice")
_BOUNDS = {"temperature": (0.0, 2.0), "top_p": (0.0, 1.0)}
MIN_THINKING_BUDGET_TOKENS = 1024  # the API's own limit


@dataclass(frozen=True, kw_only=True)
class ClaudeParams:
    """The parameters of one answer."""

    thinks: bool | None  # None: as the model does by itself
    budget_tokens: int | None  # the most that thinking may take; None: not limited
    effort: Effort | None
    stop_sequences: list[str] | None
    tool_choice: ToolChoiceParam | None
    sampling: Mapping[str, float]  # only where the address takes it


def parse(params: Params, endpoint: Endpoint) -> ClaudeParams:
    """Check the parameters of a prompt.

    Raises:
        BadRequest: a parameter is unknown, or its value has the wrong form.
    """
    for name in params:
        _check_name(name, endpoint)
    thinks, budget_tokens = _thinking(params.get("thinking"))
    return ClaudeParams(
        thinks=thinks,
        budget_tokens=budget_tokens,
        effort=_effort(params["effort"]) if "effort" in params else None,
        stop_sequences=(
            _stop_sequences(params["stop_sequences"]) if "stop_sequences" in params else None
        ),
        tool_choice=_tool_choice(params["tool_choice"]) if "tool_choice" in params else None,
        sampling={name: _sampling(name, params[name]) for name in SAMPLING if name in params},
    )


def _check_name(name: str, endpoint: Endpoint) -> None:
    if name in SAMPLING:
        if not endpoint.is_anthropic:
            return
        raise BadRequest(
            f"The Claude API no longer takes {name!r} (since its version 2026-10-21). "
            "Leave it out; 'effort' sets how much the model thinks.",
            param=name,
        )
    names = NAMES if endpoint.is_anthropic else (*NAMES, *SAMPLING)
    if name not in names:
        raise BadRequest(
            f"{endpoint.title} has no parameter {name!r}.{did_you_mean(name, names)} "
            f"It takes: {', '.join(names)}.",
            param=name,
        )


def _thinking(value: object) -> tuple[bool | None, int | None]:
    if value is None or isinstance(value, bool):
        return value, None
    if isinstance(value, Mapping) and list(value) == ["budget_tokens"]:
        budget = value["budget_tokens"]
        if _is_whole(budget) and budget >= MIN_THINKING_BUDGET_TOKENS:
            return True, budget
    minimum = MIN_THINKING_BUDGET_TOKENS
    raise _bad_value(
        "thinking", f'true, false or {{"budget_tokens": n}} with n of at least {minimum}'
    )


def _effort(value: object) -> Effort:
    for effort in EFFORTS:
        if value == effort:
            return effort
    raise _bad_value("effort", f"one of {', '.join(EFFORTS)}")


def _stop_sequences(value: object) -> list[str]:
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) and v for v in value):
        return list(value)
    raise _bad_value("stop_sequences", "a list of texts that are not empty")


def _tool_choice(value: object) -> ToolChoiceParam:
    if isinstance(value, Mapping) and value.get("type") in TOOL_CHOICES:
        return cast("ToolChoiceParam", value)
    raise _bad_value("tool_choice", "an object whose 'type' is auto, any, tool or none")


def _sampling(name: str, value: object) -> float:
    if name == "top_k":
        if _is_whole(value) and value >= 0:
            return value
        raise _bad_value(name, "a whole number, at least 0")
    low, high = _BOUNDS[name]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(value, (int, float)) and is_number and low <= value <= high:
        return value
    raise _bad_value(name, f"a number from {low:g} to {high:g}")


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _bad_value(name: str, expected: str) -> BadRequest:
    return BadRequest(f"The parameter {name!r} must be {expected}.", param=name)
