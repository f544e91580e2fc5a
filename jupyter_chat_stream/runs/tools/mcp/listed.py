"""Turns the tools that an MCP server lists into tool definitions of the chat.

The server is not trusted: its definitions are checked like all definitions from outside. The server
may hint that a tool only reads, or that a call may be repeated. A hint counts only if an
administrator trusts the server (setting ``mcp_trusted``). Otherwise the person is asked before each
call, and no call is repeated (L13, L14).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....shared.errors import InvalidInput
from ....shared.json_objects import JsonView
from ....shared.tool_definitions import check_definition
from ....shared.tool_records import ToolRecord

MAX_LISTED_TOOLS = 256  # of one server
SEPARATOR = "__"
_MAX_NAME_CHARS = 64
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, kw_only=True)
class McpTools:
    """The tools that a server lists, by their names in the chat."""

    definitions: Mapping[str, ToolRecord]
    own_names: Mapping[str, str]
    """The names of the tools on the server, by their names in the chat."""
    left_out: str
    """A sentence about tools that were left out; empty if there are none."""


def tools_of(slug: str, tools: Sequence[JsonView], *, is_trusted: bool, mark: str = "") -> McpTools:
    """Read the tools that a server lists, with a sentence about unusable tools.

    Args:
        mark: a part of each tool's source that differs for each entry of ``mcp.json``. So a
            consent to a tool of one server never holds for another server of the same name.
    """
    definitions: dict[str, ToolRecord] = {}
    own_names: dict[str, str] = {}
    reasons: list[str] = []
    for tool in tools[:MAX_LISTED_TOOLS]:
        try:
            source = f"mcp:{slug}.{mark}" if mark else f"mcp:{slug}"
            record = _definition(slug, tool, source, is_trusted=is_trusted)
        except InvalidInput as error:
            reasons.append(error.message)
            continue
        if record["name"] not in definitions:  # of two tools with the same name, keep the first
            definitions[record["name"]] = record
            own_names[record["name"]] = str(tool.get("name"))
    if len(tools) > MAX_LISTED_TOOLS:
        reasons.append(f"The server lists more than {MAX_LISTED_TOOLS} tools.")
    sentence = f"Some tools of the MCP server {slug!r} are left out: {' '.join(reasons[:3])}"
    return McpTools(
        definitions=definitions, own_names=own_names, left_out=sentence if reasons else ""
    )


def tool_name(slug: str, name: str) -> str:
    """Return a tool's name in the chat. If the server's name is not valid here, add a hash."""
    plain = f"{slug}{SEPARATOR}{_NOT_IN_NAMES.sub('_', name)}"
    if plain == f"{slug}{SEPARATOR}{name}" and len(plain) <= _MAX_NAME_CHARS:
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain[: _MAX_NAME_CHARS - 7]}_{digest}"


def _definition(slug: str, tool: JsonView, source: str, *, is_trusted: bool) -> ToolRecord:
    hints = tool.get("annotations")
    trusted = hints if is_trusted and isinstance(hints, Mapping) else {}
    only_reads = trusted.get("readOnlyHint") is True
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidInput("A tool needs a name.", field="tools")
    description = tool.get("description") or tool.get("title") or ""
    return check_definition(
        {
            "name": tool_name(slug, name),
            "description": description,
            "input_schema": tool.get("inputSchema"),
            "where": "server",
            "effect": "read" if only_reads else "run",
            # A call of a tool that only reads may always be repeated.
            "idempotent": only_reads or trusted.get("idempotentHint") is True,
            "source": source,
        }
    )
