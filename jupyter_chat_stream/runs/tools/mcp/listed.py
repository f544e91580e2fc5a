"""The tools of an MCP server, as definitions of ours.

A server is an untrusted party: what it says of its tools is checked as any definition from outside.
Its hints that a tool only reads, or may be called again, count only if an administrator trusts the
server (setting ``mcp_trusted``); otherwise each call asks, and none is made again (L13, L14).
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
    """The tools of a server as it lists them now, by our names."""

    definitions: Mapping[str, ToolRecord]
    own_names: Mapping[str, str]
    """The server's names of the tools, by ours."""
    left_out: str
    """Which tools are left out, as a sentence; empty if none is."""


def tools_of(
    slug: str, listed: Sequence[JsonView], *, is_trusted: bool, mark: str = ""
) -> McpTools:
    """Read what a server lists; what is no tool for us is left out and told.

    Args:
        mark: that of the server's entry. As a part of each tool's source, it ends the consents to
            tools of another server that had the same name.
    """
    definitions: dict[str, ToolRecord] = {}
    own_names: dict[str, str] = {}
    reasons: list[str] = []
    for tool in listed[:MAX_LISTED_TOOLS]:
        try:
            source = f"mcp:{slug}.{mark}" if mark else f"mcp:{slug}"
            record = _definition(slug, tool, source, is_trusted=is_trusted)
        except InvalidInput as error:
            reasons.append(error.message)
            continue
        if record["name"] not in definitions:  # the first of a name stands
            definitions[record["name"]] = record
            own_names[record["name"]] = str(tool.get("name"))
    if len(listed) > MAX_LISTED_TOOLS:
        reasons.append(f"It lists more than {MAX_LISTED_TOOLS}.")
    told = f"Some tools of the MCP server {slug!r} are left out: {' '.join(reasons[:3])}"
    return McpTools(definitions=definitions, own_names=own_names, left_out=told if reasons else "")


def tool_name(slug: str, name: str) -> str:
    """Return our name of a server's tool; a name that had to be changed gets a hash."""
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
            # A tool that only reads may be called again, whatever else it says.
            "idempotent": only_reads or trusted.get("idempotentHint") is True,
            "source": source,
        }
    )
