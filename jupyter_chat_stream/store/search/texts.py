"""The texts of a message that are searched (docs/decisions/0018 has the reasons).

Reasoning, tool calls, their results, and what a model reads of an attachment are not searched.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...shared.endings import content_of
from ...shared.json_objects import JsonView


def fields_of(parts: Iterable[JsonView]) -> list[str]:
    """Return the searched texts of a message, from its parts. The first one is its content."""
    part_list = list(parts)
    fields = [content_of(part_list)]  # type: ignore[arg-type]
    for part in part_list:
        if part["kind"] == "attachment":
            fields.append(part["name"])
        elif part["kind"] == "input_request":
            fields.append(part["prompt"])
            if isinstance(part["value"], str):
                fields.append(part["value"])
    return [field for field in fields if field]
