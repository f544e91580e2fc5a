"""Chooses the tools of a run, and checks calls before a consent is asked for. Pure.

The tools of a run are resolved once, at the begin of its first attempt, and stored with the run. So
a later attempt, in another process and without the kernel, has the same definitions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, cast

from ..providers.base import ToolCallChunk
from ..shared.config import ChatStream
from ..shared.events import iso
from ..shared.json_objects import JsonView
from ..shared.records import ToolDefinition
from ..shared.tool_definitions import digest_of, effect_of, is_ours, operation_of
from ..shared.tool_records import ThreadTools, ToolCallPart, ToolEffect, ToolRecord, ToolWhere
from ..store.front import CallPlan

MAX_MISFIT_CHARS = 500
# Bound for the checks of one round. Beyond it an input counts as valid: its tool checks it, too.
MAX_STEPS = 20_000
MAX_CHECK_S = 0.25
STEPS_PER_TURN = 50  # then other threads may run, such as the event loop
# A foreign pattern can take for ever, and comparing all items with each other takes long.
_NOT_CHECKED = ("pattern", "patternProperties", "uniqueItems")
INVALID_INPUT = "The input of this call is no JSON object. Send the call again with an object."


def is_admitted(name: str, config: ChatStream) -> bool:
    """Return whether the administrator's lists allow a tool."""
    is_allowed = any(fnmatchcase(name, pattern) for pattern in config.allowed_tools)
    return is_allowed and not any(fnmatchcase(name, pattern) for pattern in config.denied_tools)


def known_tools(
    server: Sequence[ToolRecord], offers: Sequence[ToolRecord]
) -> dict[str, ToolRecord]:
    """Return the tools that a thread could have, by name.

    An offer cannot replace a server tool of the same name.
    """
    return {tool["name"]: tool for tool in (*offers, *server)}


def is_on(tool: ToolRecord, thread_tools: ThreadTools | None, config: ChatStream) -> bool:
    """Return whether a thread's messages have a tool by default."""
    if not is_admitted(tool["name"], config):
        return False
    if tool["source"] == "function":
        return True
    names = config.default_tools if thread_tools is None else thread_tools["names"] or ()
    return tool["name"] in names


def resolve_tools(
    requested: Sequence[str | ToolDefinition] | None,
    thread_tools: ThreadTools | None,
    tools_by_name: Mapping[str, ToolRecord],
    config: ChatStream,
) -> list[ToolDefinition]:
    """Return the tools of a run: its message's own tools, or the tools of its thread.

    Tools that nobody offers any more, and tools that the settings do not admit, are left out.

    Args:
        requested: names of tools, and definitions of the Messages API; None: the thread's tools.
        thread_tools: the thread's choice of tools.
        tools_by_name: the existing tools, by name.
    """
    if requested is None:
        return [tool for tool in tools_by_name.values() if is_on(tool, thread_tools, config)]
    definitions: dict[str, ToolDefinition] = {}
    for item in requested:
        tool = tools_by_name.get(item) if isinstance(item, str) else item
        if tool is not None and (not is_ours(tool) or is_admitted(tool["name"], config)):
            definitions.setdefault(str(tool.get("name")), tool)
    return list(definitions.values())


def wanted_names(
    requested: Sequence[str | ToolDefinition] | None,
    thread_tools: ThreadTools | None,
    config: ChatStream,
) -> frozenset[str]:
    """Return the names that ``resolve_tools`` needs from the server's tools."""
    if requested is not None:
        return frozenset(item for item in requested if isinstance(item, str))
    return frozenset(config.default_tools if thread_tools is None else thread_tools["names"] or ())


@dataclass(frozen=True, kw_only=True)
class CallFacts:
    """The facts about a call that the log has from its start."""

    where: ToolWhere
    effect: ToolEffect
    expires_at: str


class ToolBook:
    """The tools of a run, during the model's answer.

    Args:
        tools: the definitions that the model has.
        expires_ms: returns the expiry time of a call that begins now.
    """

    def __init__(self, tools: Sequence[ToolDefinition], expires_ms: Callable[[], int]) -> None:
        self._own_tools = {tool["name"]: tool for tool in tools if is_ours(tool)}
        self._other_names = {tool.get("name") for tool in tools if not is_ours(tool)}
        self._expires_ms = expires_ms

    def facts_of(self, call: ToolCallChunk) -> CallFacts | None:
        """Return the facts of a call; None if the provider or the sender executes its tool.

        A name that does not exist counts as a server tool; the server then fails the call.
        """
        if not self._own_tools or call.is_hosted or call.name in self._other_names:
            return None
        tool = self._own_tools.get(call.name)
        expires_at = iso(self._expires_ms())
        if tool is None:
            return CallFacts(where="server", effect="read", expires_at=expires_at)
        effect = effect_of(tool, operation_of(tool, call.input))
        return CallFacts(where=tool["where"], effect=effect, expires_at=expires_at)


def plan_calls(
    calls: Sequence[ToolCallPart], tools: Sequence[ToolDefinition], config: ChatStream
) -> dict[str, CallPlan]:
    """Check each call against its tool and the settings. Returns the plans by call id.

    This may take ``MAX_CHECK_S`` of CPU.
    """
    steps = _CheckSteps()
    return {call["tool_call_id"]: _plan_call(call, tools, config, steps) for call in calls}


def _plan_call(
    call: ToolCallPart, tools: Sequence[ToolDefinition], config: ChatStream, steps: _CheckSteps
) -> CallPlan:
    name = call["name"]
    own_tools = {tool["name"]: tool for tool in tools if is_ours(tool)}
    tool = own_tools.get(name)
    if tool is None:
        names = ", ".join(sorted(own_tools)) or "none"
        return CallPlan(refusal=f"There is no tool of this name. The tools are: {names}.")
    if not is_admitted(name, config):
        return CallPlan(refusal="The administrator of this server does not allow this tool.")
    operation = operation_of(tool, call["input"])
    return CallPlan(
        refusal=_misfit(tool, operation, call["input"], steps),
        effect=effect_of(tool, operation),
        operation=operation,
        digest=digest_of(tool),
        idempotent=bool(tool.get("idempotent")),
        partial=bool(tool.get("partial")),
    )


def _misfit(tool: ToolDefinition, operation: str, input: Any, steps: _CheckSteps) -> str | None:
    """Return why an input does not fit its tool, as a sentence for the model; None if it fits."""
    if not isinstance(input, Mapping):
        return INVALID_INPUT
    operations = tool.get("operations")
    if operations and operation not in operations:
        return f"'operation' must be one of: {', '.join(operations)}."
    return schema_misfit(cast(JsonView, tool["input_schema"]), input, steps)


def schema_misfit(schema: JsonView, input: JsonView, steps: _CheckSteps) -> str | None:
    # Imported late, because jsonschema takes 0.1 s and few runs have tools.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
    from jsonschema.validators import extend
    from referencing import Registry

    checks = {name: steps.count(check) for name, check in Draft202012Validator.VALIDATORS.items()}
    lenient = extend(Draft202012Validator, {**checks, **dict.fromkeys(_NOT_CHECKED, _ignore)})
    validator = lenient(dict(schema), registry=Registry())
    try:
        error = best_match(validator.iter_errors(dict(input)))
    except Exception:  # noqa: BLE001  a schema that is none, takes long, or refers to what is not there
        return None
    if error is None:
        return None
    return f"The input does not fit: {error.json_path}: {error.message}"[:MAX_MISFIT_CHARS]


class _CheckSteps:
    """Counts the keywords that the checks of a round evaluate, and ends the checks after too many.

    A schema of some hundred characters can make a check endless. A step may copy its part of the
    input into a sentence, so large inputs also cost time.
    """

    def __init__(self) -> None:
        self._steps_left = MAX_STEPS
        self._until_s = time.thread_time() + MAX_CHECK_S

    def count(self, check: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any) -> Any:
            self._steps_left -= 1
            if self._steps_left < 0 or time.thread_time() > self._until_s:
                raise TimeoutError
            if self._steps_left % STEPS_PER_TURN == 0:
                time.sleep(0)
            return check(*args)

        return step


def _ignore(*_: Any) -> None:
    return None
