"""The tools of a prompt: what a model is told about the tools that it may call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..shared.json_objects import JsonView
from ..shared.records import ToolDefinition

# Of a definition, a model reads these fields; the others of our own are for executors.
_MODEL_FIELDS = ("name", "description", "input_schema")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool that a model may call.

    ``further`` holds the other fields of a definition that a person passed with a message in the
    form of the Messages API, such as the ``type`` of a tool that the API runs itself.
    """

    name: str
    description: str = ""
    input_schema: JsonView | None = None  # a JSON Schema of an object
    further: JsonView = field(default_factory=dict)


def tool_of(definition: ToolDefinition) -> Tool:
    """Return the tool of a definition; of our own ones, without what only executors need."""
    fields: JsonView = definition
    schema = fields.get("input_schema")
    is_ours = "where" in fields
    return Tool(
        name=str(fields.get("name") or ""),
        description=str(fields.get("description") or ""),
        input_schema=schema if isinstance(schema, Mapping) else None,
        further={} if is_ours else {key: fields[key] for key in fields if key not in _MODEL_FIELDS},
    )
