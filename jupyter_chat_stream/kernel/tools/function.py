"""A tool that a kernel offers: its definition, and the function that executes a call.

The server, the page and the model know a tool only by its definition (docs/protocol.md).
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from ...shared.errors import WrongCall
from ...shared.tool_definitions import check_definition, digest_of
from ...shared.tool_records import ToolEffect, ToolRecord
from .schema import FunctionSchema

MAX_DEFINITION_BYTES = 32_000  # below the server's bound
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, kw_only=True)
class KernelTool:
    """A tool that this process executes."""

    definition: ToolRecord
    prepare: Callable[[Any], Callable[[], Any]]
    """Checks the input of a call and returns a function that executes it; raises InputRefused."""

    @property
    def name(self) -> str:
        return self.definition["name"]

    @property
    def digest(self) -> str:
        """The digest of the definition, equal to the server's digest of its JSON."""
        return digest_of(check_definition(json.loads(json.dumps(self.definition))))

    @property
    def is_function(self) -> bool:
        """Whether the tool is a function of the user, and not the tool ``kernel``."""
        return self.definition["source"] == "function"

    def effect_of(self, call_input: Any) -> ToolEffect:
        """Return the effect of a call; for a tool with operations, the operation's effect."""
        operation = call_input.get("operation") if isinstance(call_input, Mapping) else None
        return self.definition.get("operations", {}).get(str(operation), self.effect)

    @property
    def effect(self) -> ToolEffect:
        return self.definition["effect"]


def function_tool(
    function: Any,
    *,
    name: object,
    description: str | None,
    effect: ToolEffect,
    idempotent: bool,
) -> KernelTool:
    """Make a tool of a function.

    Raises:
        WrongCall: ``function`` is no function, or a model cannot call it.
    """
    tool_name = _check_name(function, name)
    if effect not in get_args(ToolEffect):
        raise WrongCall(
            f"chat.tool(): effect must be 'read', 'change' or 'run', not {effect!r}. A tool that "
            "only reads is called without asking you; the others ask first.",
            option="effect",
        )
    schema = FunctionSchema(function, tool_name)

    def prepare(call_input: Any) -> Callable[[], Any]:
        bound_arguments = schema.arguments(call_input)
        return lambda: function(*bound_arguments.args, **bound_arguments.kwargs)

    definition: ToolRecord = {
        "name": tool_name,
        "description": description if description is not None else schema.description,
        "input_schema": schema.json,
        "where": "kernel",
        "effect": effect,
        "source": "function",
    }
    if idempotent:
        definition["idempotent"] = True
    _refuse_large(definition)
    return KernelTool(definition=definition, prepare=prepare)


def _check_name(function: Any, name: object) -> str:
    if not callable(function) or isinstance(function, type):
        raise WrongCall(
            f"chat.tool(): a tool is a function, not a value of type {type(function).__name__}. "
            "Write @chat.tool over a `def`.",
            option="function",
        )
    tool_name = getattr(function, "__name__", "") if name is None else name
    if not isinstance(tool_name, str) or not _NAME.fullmatch(tool_name):
        raise WrongCall(
            f"chat.tool(): {tool_name!r} cannot be the name of a tool. A name has 1 to 64 letters "
            "(a to z, A to Z), digits, _ and -. Write @chat.tool(name='…').",
            option="name",
        )
    return tool_name


def _refuse_large(definition: ToolRecord) -> None:
    size = len(json.dumps(definition).encode())
    if size > MAX_DEFINITION_BYTES:
        raise WrongCall(
            f"chat.tool(): the definition of {definition['name']!r} has {size:,} bytes, and at "
            f"most {MAX_DEFINITION_BYTES:,} are sent. Take fewer or simpler parameters.",
            option="function",
        )


def is_async(value: object) -> bool:
    """Return whether a result must be awaited."""
    return inspect.isawaitable(value)
