"""Definitions of tools: checked once where they come in, and compared by their digest.

A definition comes from a kernel, a page, an MCP server or this package. Every text in it is
untrusted: it is shown and sent to the model, never executed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from .errors import InvalidInput
from .events import canonical, clean_json
from .tool_records import ToolDefinition, ToolEffect, ToolRecord, ToolWhere

MAX_TOOLS: Final = 64  # offered in one thread
MAX_DEFINITION_BYTES: Final = 32 * 1024
MAX_OPERATIONS: Final = 64
OFFER_S: Final = 60.0  # without a sign of life of its server, an offer ends

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SOURCE = re.compile(r"builtin|function|mcp:[a-zA-Z0-9_.-]{1,64}")
_EFFECTS = get_args(ToolEffect)
_FIELDS = {
    *("name", "description", "input_schema", "where", "effect", "operations", "idempotent"),
    *("partial", "source"),
}
# What a person consents to: a change of one of these ends a standing consent.
_COMPARED = (
    *("name", "description", "input_schema", "where", "effect", "operations", "partial", "source"),
)


def is_ours(tool: ToolDefinition) -> bool:
    """Return whether a definition is a ToolRecord; else it is the Messages API's."""
    return "where" in tool


def is_tool_name(text: object) -> bool:
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def digest_of(tool: ToolDefinition) -> str:
    """Return the hash of all that a person sees and a model reads of a tool."""
    fields = {name: tool[name] for name in _COMPARED if name in tool}
    return hashlib.sha256(canonical(fields).encode("utf-8", "surrogatepass")).hexdigest()


def check_definition(value: Any, where: ToolWhere | None = None) -> ToolRecord:
    """Return a definition that came from outside as a record.

    Args:
        where: what the definition must name; None for any.

    Raises:
        InvalidInput: it names the fault, and of the definition only a name that fits.
    """
    try:
        value = clean_json(value)
    except RecursionError:
        raise InvalidInput("A tool's definition is nested too deeply.", field="tools") from None
    if not isinstance(value, Mapping):
        raise InvalidInput("A tool's definition must be an object.", field="tools")
    name = value.get("name")
    _check(is_tool_name(name), "a tool", "needs a name of letters, digits, _ and -, at most 64")
    tool = f"The tool {name!r}"
    _check(set(value) <= _FIELDS, tool, "has a field that no tool has")
    size = len(canonical(value).encode("utf-8", "surrogatepass"))
    _check(size <= MAX_DEFINITION_BYTES, tool, f"has more than {MAX_DEFINITION_BYTES} bytes")
    _check(isinstance(value.get("description"), str), tool, "needs a description, a text")
    schema = value.get("input_schema")
    is_schema = isinstance(schema, Mapping) and schema.get("type") == "object"
    _check(is_schema, tool, "needs an input_schema: a JSON Schema whose type is object")
    _check(value.get("where") in get_args(ToolWhere), tool, "needs a where: kernel or page")
    _check(where in (None, value["where"]), tool, f"must have the where {where!r} of its offer")
    _check(value.get("effect") in _EFFECTS, tool, "needs an effect: read, change or run")
    for flag in ("idempotent", "partial"):
        _check(isinstance(value.get(flag, False), bool), tool, f"needs true or false as {flag}")
    source = value.get("source")
    is_source = isinstance(source, str) and _SOURCE.fullmatch(source) is not None
    _check(is_source, tool, "needs a source: builtin, function or mcp:<server>")
    _check_operations(tool, value.get("operations"))
    return cast(ToolRecord, {key: item for key, item in value.items() if item is not None})


def _check_operations(tool: str, operations: Any) -> None:
    if operations is None:
        return
    is_fine = isinstance(operations, Mapping) and 0 < len(operations) <= MAX_OPERATIONS
    _check(is_fine, tool, f"has operations that are not 1 to {MAX_OPERATIONS} names")
    for operation, effect in operations.items():
        _check(
            is_tool_name(operation) and effect in _EFFECTS,
            tool,
            "has an operation without a valid name or effect",
        )


def operations_of(tool: ToolDefinition) -> list[str]:
    """Return the operations of a tool; one without operations has one without a name."""
    return list(tool.get("operations") or ("",))


def effect_of(tool: ToolDefinition, operation: str) -> ToolEffect:
    """Return the effect of a tool's operation; without operations, that of the tool."""
    operations = tool.get("operations") or {}
    return cast(ToolEffect, operations.get(operation, tool["effect"]))


def operation_of(tool: ToolDefinition, input: Any) -> str:
    """Return the operation that an input names; empty for a tool without operations."""
    if not tool.get("operations") or not isinstance(input, Mapping):
        return ""
    operation = input.get("operation")
    return operation if isinstance(operation, str) else ""


def _check(is_fine: bool, subject: str, fault: str) -> None:
    if not is_fine:
        raise InvalidInput(f"{subject[:1].upper()}{subject[1:]} {fault}.", field="tools")
